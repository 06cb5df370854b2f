//! What can be said on the command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use varco_proto::ids::{EdgeId, GateId};

use super::access::AccessCommand;
use super::agreements::AgreementCommand;
use super::approvals::ApprovalCommand;
use super::audit::AuditCommand;
use super::backup::BackupCommand;
use super::beginning::Begin;
use super::boxes::{EdgeAllow, EdgeShow};
use super::certificates::CertificateCommand;
use super::clock::ClockCommand;
use super::evidence::EvidenceCommand;
use super::gates::{At, GateCommand};
use super::lookup::Lookup;
use super::measuring::Bench;
use super::municipalities::MunicipalityCommand;
use super::office::OfficeCommand;
use super::persons::{BodyCommand, PersonCommand};
use super::purposes::PurposeCommand;
use super::signing::{AccountCommand, PostCommand, SessionCommand};
use super::tokens::TokenCommand;
use super::watching::{HotlistCommand, WebhookCommand};
use super::witness::WitnessCommand;

/// Varco's hub: takes sealed transits in, keeps them seven days, answers lookups that state who
/// asks, why and for which case.
///
/// First steps:
///   varco-hub --home DIR init
///   varco-hub --home DIR begin --municipality Macerata --responsible 'Comm. Maria Verdi' \
///       --act 'Decreto sindacale 12/2026' --user m.verdi --judicial-police
///   mosquitto -c DIR/mosquitto/mosquitto.conf
///   varco-hub --home DIR edge invite porta-nord-01 --gate porta-nord
///   varco-hub --home DIR run
///
/// Exit codes: 0 done; 1 failed, or the audit is broken; 2 wrong arguments; 75 another varco-hub
/// works on the home or the backup, so nothing was opened or changed; 78 the configuration has
/// faults, all of which are told at once, or names another store than the one with the transits.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, max_term_width = 100)]
pub struct Arguments {
    /// The hub's home: configuration, keys, databases.
    #[arg(long, global = true, value_name = "DIR", env = "VARCO_HUB_HOME",
        default_value = super::DEFAULT_HOME)]
    pub home: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a home: authority, certificates, keys, broker configuration, database, first token.
    ///
    /// Run again, it says what is there and changes nothing. The first token is printed once and
    /// written to DIR/token, readable by its owner alone; it ends after 24 hours.
    Init(Init),
    /// Lead from a new home to a first responsible person, who signs in on the page and looks plates up.
    ///
    /// It names the municipality and its police, appoints the person by their act, and prints the codes that open
    /// their workstation and their account.
    Begin(Begin),
    /// Print the description of the API: OpenAPI, as JSON.
    Openapi,
    /// Run the hub until SIGTERM or SIGINT.
    ///
    /// The broker must be running with the configuration that `init` wrote; the hub waits for it
    /// and connects again whenever it is lost. A home has one hub of each number: a second start ends
    /// with exit code 75 and says who runs. Logs go to standard error; `RUST_LOG` sets their
    /// detail. They never hold a plate.
    Run {
        /// Which of the hubs that `[store] hubs` says there are; what it listens at has a port of its
        /// own, that of the first and one more for each.
        #[arg(long, value_name = "N", default_value_t = 1)]
        hub: u32,
    },
    /// Make, try and restore backups that live no longer than what they hold.
    ///
    /// A backup is two folders. The data folder may be copied anywhere and kept as long as one
    /// likes: each hour in it is sealed under a key that is not there. The keys folder has one file,
    /// written anew by each run and sealed under the recovery key. When an hour is destroyed at its
    /// term its key leaves that file, and every copy of the hour is dead. So let nobody keep old
    /// versions of the keys folder. With `[backup]` in hub.toml the running hub does it by itself.
    Backup {
        /// Which.
        #[command(subcommand)]
        command: BackupCommand,
    },
    /// Say what is wrong on this machine and what to do; exit 1 if anything is a fault.
    Check,
    /// Enrol, list and revoke edges.
    Edge {
        /// Which.
        #[command(subcommand)]
        command: EdgeCommand,
    },
    /// Say and list where gates stand on the map, and whose they are.
    Gate {
        /// Which.
        #[command(subcommand)]
        command: GateCommand,
    },
    /// Name municipalities, and say how long each lets its transits be kept.
    Municipality {
        /// Which.
        #[command(subcommand)]
        command: MunicipalityCommand,
    },
    /// Say what municipalities' gates are for.
    Purpose {
        /// Which.
        #[command(subcommand)]
        command: PurposeCommand,
    },
    /// Name the offices whose people and systems use the hub.
    Body {
        /// Which.
        #[command(subcommand)]
        command: BodyCommand,
    },
    /// Appoint and dismiss persons, by a written act.
    Person {
        /// Which.
        #[command(subcommand)]
        command: PersonCommand,
    },
    /// Who answers for a body, what they delegated, who keeps its keys, and which people of firms come in.
    Office {
        /// Which.
        #[command(subcommand)]
        command: OfficeCommand,
    },
    /// Make and end agreements, under which bodies see what other municipalities' gates saw.
    ///
    /// Without one nobody sees another municipality's transits.
    Agreement {
        /// Which.
        #[command(subcommand)]
        command: AgreementCommand,
    },
    /// Show what was asked for and who decided: level-2 admissions, maintenance, extractions.
    ///
    /// Whoever asks and decides does so on the hub's page, signed in.
    Approval {
        /// Which.
        #[command(subcommand)]
        command: ApprovalCommand,
    },
    /// Show and issue the certificates that this hub shows as a server.
    Certificate {
        /// Which.
        #[command(subcommand)]
        command: CertificateCommand,
    },
    /// Issue API tokens to systems.
    Token {
        /// Which.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Invite persons to their accounts, list, disable and enable them.
    Account {
        /// Which.
        #[command(subcommand)]
        command: AccountCommand,
    },
    /// Enrol, list and revoke the workstations from which persons sign in.
    Post {
        /// Which.
        #[command(subcommand)]
        command: PostCommand,
    },
    /// List and end the sessions of who is signed in.
    Session {
        /// Which.
        #[command(subcommand)]
        command: SessionCommand,
    },
    /// Make, fill, list and close hotlists.
    Hotlist {
        /// Which.
        #[command(subcommand)]
        command: HotlistCommand,
    },
    /// Tell other systems of alerts.
    Webhook {
        /// Which.
        #[command(subcommand)]
        command: WebhookCommand,
    },
    /// Look transits up through the hub's API. It leaves an audit line.
    ///
    /// On the hub's own machine the hub, the authority and the first token are taken from the
    /// home; elsewhere give --hub, --ca and --token-file.
    Lookup(Box<Lookup>),
    /// Measure intake, lookups or the end of a day on this machine, with made-up transits.
    ///
    /// Everything is made in a folder of its own and removed afterwards; a running hub is not
    /// touched, though it shares the machine. Each figure stands beside a floor of the same run.
    Bench(Bench),
    /// What time the hub keeps, and whether anybody vouches for it.
    Clock {
        /// What to do.
        #[command(subcommand)]
        command: ClockCommand,
    },
    /// What was destroyed at its term, and that nothing older is stored.
    Retention {
        /// Which.
        #[command(subcommand)]
        command: RetentionCommand,
    },
    /// Where the transits are.
    Store {
        /// What to do.
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Check packages of evidence on any machine, and show what is in them.
    ///
    /// A package is made through the hub's API, by an authorisation: POST /api/v1/evidence.
    Evidence {
        /// Which.
        #[command(subcommand)]
        command: EvidenceCommand,
    },
    /// Keep the register of who was let in to see recordings.
    Access {
        /// Which.
        #[command(subcommand)]
        command: AccessCommand,
    },
    /// Show, search, export, prove and check what was done, by whom and why.
    Audit {
        /// Which.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Cosign another hub's audit, so that nobody there can change it later unseen.
    Witness {
        /// Which.
        #[command(subcommand)]
        command: WitnessCommand,
    },
}

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Further name or address of this machine, for its certificate; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// Address that the broker and HTTPS listen on; 0.0.0.0 for all.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// The broker's port.
    #[arg(long, value_name = "PORT", default_value_t = 8883,
        value_parser = clap::value_parser!(u16).range(1..))]
    pub broker_port: u16,
    /// The port of the API and the page.
    #[arg(long, value_name = "PORT", default_value_t = 8443,
        value_parser = clap::value_parser!(u16).range(1..))]
    pub http_port: u16,
}

/// `edge`.
#[derive(Debug, Subcommand)]
pub enum EdgeCommand {
    /// Enrol an edge and write its bundle: certificate, keys, configuration.
    ///
    /// The whole bundle goes to the edge; the hub keeps no copy of its private keys. A name is
    /// never used twice.
    Add(Box<EdgeAdd>),
    /// Invite an edge: prints a token with which one box enrols itself, once.
    ///
    /// The box makes its own keys with `varco-edge enrol --hub URL --token TOKEN`, and they never
    /// leave it. A name is never used twice; a second invitation takes the place of the first.
    Invite(Box<EdgeInvite>),
    /// List the edges with their chains, refusals, and what is wrong with them.
    List,
    /// Show how a box was over the week: what was wrong from when to when, and what it reported.
    Show(EdgeShow),
    /// Believe an edge about a further gate or camera. It leaves an audit line.
    ///
    /// A box is believed about the gate that it was invited for, and about cameras that no other box
    /// has. What it sends of any other waits on the box, and `edge list` says so, until it is allowed
    /// here or the box's edge.toml is mended. Once allowed, it comes in by itself within minutes.
    Allow(EdgeAllow),
    /// Let an edge's transits flow again after somebody has looked into what it told of.
    ///
    /// An edge that was opened, covered, turned or changed keeps its transits back by itself. The
    /// release covers what `edge list` shows now; it is signed, and leaves an audit line.
    ///
    /// With --fork: let an edge in again whose chain had forked, once the copy of the box is found
    /// and switched off. It goes on on the chain that the hub has; a box that went another way must
    /// be enrolled anew.
    Release {
        /// The edge.
        id: EdgeId,
        /// What was found and done, 3 to 120 characters; stands in the audit.
        #[arg(long, value_name = "TEXT")]
        purpose: String,
        /// Release it from the fork of its chain.
        #[arg(long)]
        fork: bool,
    },
    /// Revoke an edge for good. The hub refuses it at once.
    ///
    /// The list of revoked certificates is written anew; send the broker SIGHUP or restart it,
    /// so that it shuts the edge out too.
    Revoke {
        /// The edge.
        id: EdgeId,
    },
}

/// `edge add`.
#[derive(Debug, Args)]
pub struct EdgeAdd {
    /// The edge's name: 1 to 64 of a-z, 0-9 and '-'.
    pub id: EdgeId,
    /// The gate that it watches; same alphabet.
    #[arg(long)]
    pub gate: GateId,
    /// Where the gate stands, for lookups by area.
    #[command(flatten)]
    pub at: At,
    /// Empty or new folder for the bundle.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The camera's address, without user and password.
    #[arg(long, value_name = "URL", default_value = "rtsp://192.0.2.10:554/stream1",
        value_parser = camera_url)]
    pub camera_url: String,
    /// The camera's user. Write its password into camera.password in the bundle.
    #[arg(long, value_name = "USER")]
    pub camera_user: Option<String>,
    /// The broker as the edge reaches it; as the hub does when not given.
    #[arg(long, value_name = "HOST")]
    pub broker_host: Option<String>,
    /// The broker's port as the edge reaches it.
    #[arg(long, value_name = "PORT")]
    pub broker_port: Option<u16>,
    /// Where the edge keeps its spool.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/varco-edge")]
    pub state_folder: String,
    /// Where the edge has its models.
    #[arg(long, value_name = "DIR", default_value = "/usr/lib/varco/models")]
    pub models_folder: String,
    /// ONNX Runtime's library on the edge, when it does not lie in a usual place.
    #[arg(long, value_name = "FILE")]
    pub onnxruntime_file: Option<String>,
}

/// `edge invite`.
#[derive(Debug, Args)]
pub struct EdgeInvite {
    /// The edge's name: 1 to 64 of a-z, 0-9 and '-'.
    pub id: EdgeId,
    /// The gate that it will watch; same alphabet.
    #[arg(long)]
    pub gate: GateId,
    /// Where the gate stands, for lookups by area.
    #[command(flatten)]
    pub at: At,
    /// How long the token holds: 30m, 1h, 2d; at most 30d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span)]
    pub valid: Duration,
    /// The broker as the edge reaches it, when that is another name than the hub's own.
    #[arg(long, value_name = "HOST")]
    pub broker_host: Option<String>,
    /// The broker's port as the edge reaches it.
    #[arg(long, value_name = "PORT")]
    pub broker_port: Option<u16>,
}

/// `30m`, `1h`, `2d`.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "a number and m, h or d: 30m, 1h, 2d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok())
        .ok_or_else(wrong)?;
    let seconds = number.checked_mul(seconds).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

fn camera_url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("rtsp://")
        .or_else(|| text.strip_prefix("rtsps://"))
        .ok_or("a camera's address begins with rtsp:// or rtsps://")?;
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err(
            "leave user and password out: give --camera-user, and write the password \
            into camera.password in the bundle"
                .to_owned(),
        );
    }
    if host.is_empty() {
        return Err("the camera's host is missing".to_owned());
    }
    Ok(text.to_owned())
}

/// `retention`.
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Show hour by hour what was destroyed and when, from the signed audit, and check that no key
    /// and no file of an hour past its term is there; exit 1 if one is, or the audit is broken, or
    /// nobody vouches for the clock.
    Proof,
}

/// `store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy the transits of this home into PostgreSQL, while the hub goes on; run again, it goes on
    /// where it was. With `--finish`, while the hub stands, move the rest and the chains.
    ///
    /// It may be cut off anywhere and run again. The home knows where its transits are: until the end
    /// of `--finish` a hub whose hub.toml names PostgreSQL does not start, and after it one whose
    /// hub.toml does not, or names another database (exit code 78). There is no way back into the
    /// home.
    Move {
        /// Where to, as a connection string without a password.
        #[arg(long, value_name = "CONNECTION")]
        to: String,
        /// File with the password, if one is needed.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Move the rest and the chains: the hub must stand.
        #[arg(long)]
        finish: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(span("90m"), Ok(Duration::from_secs(5400)));
        assert_eq!(span("2d"), Ok(Duration::from_secs(172_800)));
        for wrong in [
            "",
            "h",
            "1",
            "1s",
            "-1h",
            "1.5h",
            "99999999999999999d",
            "1è",
        ] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_area_is_numbers_with_commas_also_west_and_south_of_nought() {
        let look_up = |area: &[&str]| {
            let words = "varco-hub lookup --plate * --from a --to b --purpose traffic --case c";
            Arguments::try_parse_from(words.split(' ').chain(area.iter().copied()))
        };
        let asked = look_up(&["--area", "-34.7,-58.5,-34.5, -58.3"]).unwrap();
        let Command::Lookup(lookup) = asked.command else {
            panic!("it is a lookup");
        };
        assert_eq!(lookup.area, Some([-34.7, -58.5, -34.5, -58.3]));
        assert!(look_up(&["--around", "43.11,12.39,500"]).is_ok());
        for wrong in [
            &["--area", "43,12,44"][..],
            &["--area", "43;12;44;13"],
            &["--area", "43,12,44,x"],
            &["--around", "43.1,12.4,500", "--area", "43,12,44,13"],
        ] {
            assert!(look_up(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_place_has_both_its_numbers() {
        let place = |words: &str| {
            Arguments::try_parse_from(format!("varco-hub gate place a {words}").split(' '))
        };
        assert!(place("--latitude -34.6 --longitude -58.4").is_ok());
        assert!(place("--remove").is_ok());
        for wrong in [
            "--latitude 43",
            "--longitude 12",
            "--remove --latitude 4 --longitude 1",
        ] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_camera_address_with_a_password_is_refused() {
        assert!(camera_url("rtsp://cam:secret@192.0.2.10/1").is_err());
        assert!(camera_url("http://192.0.2.10/1").is_err());
        assert!(camera_url("rtsp://192.0.2.10:554/stream1").is_ok());
    }
}
