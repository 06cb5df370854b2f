//! What can be said on the command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use varco_proto::ids::{EdgeId, GateId};

use super::gates::{At, GateCommand};
use super::municipalities::MunicipalityCommand;
use crate::hotlists::list::ListId;
use crate::people::tokens::Permission;

/// Varco's hub: takes sealed transits in, keeps them seven days, answers lookups that state who
/// asks, why and for which case.
///
/// First steps:
///   varco-hub --home DIR init
///   mosquitto -c DIR/mosquitto/mosquitto.conf
///   varco-hub --home DIR edge invite porta-nord-01 --gate porta-nord
///   varco-hub --home DIR run
///
/// Exit codes: 0 done; 1 failed, or the audit is broken; 2 wrong arguments; 78 the configuration
/// has faults, all of which are told at once.
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
    /// written to DIR/token, readable by its owner alone.
    Init(Init),
    /// Run the hub until SIGTERM or SIGINT.
    ///
    /// The broker must be running with the configuration that `init` wrote; the hub waits for it
    /// and connects again whenever it is lost. Logs go to standard error; `RUST_LOG` sets their
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
    /// Issue API tokens.
    Token {
        /// Which.
        #[command(subcommand)]
        command: TokenCommand,
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
    /// Check what nobody may have changed.
    Audit {
        /// Which.
        #[command(subcommand)]
        command: AuditCommand,
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
    /// List the edges with their chains and refusals.
    List,
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

/// `43.05,12.30,43.15,12.45`.
fn numbers<const N: usize>(text: &str) -> Result<[f64; N], String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let numbers = numbers.ok().and_then(|numbers| numbers.try_into().ok());
    numbers.ok_or_else(|| format!("{N} numbers with commas between, with a point for decimals"))
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

/// `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Issue a token to a person or a program. It is printed once.
    Add {
        /// Who will act with it; stands in every audit line.
        #[arg(long, value_name = "NAME")]
        actor: String,
        /// What it may do: lookups, alerts, hotlists, statistics, convoys, cases; may be given several
        /// times. All but convoys and cases when it is left out.
        #[arg(long, value_name = "WHAT")]
        may: Vec<Permission>,
    },
}

/// `backup`.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Bring a backup up to date; the hub may run. The first run prints the recovery key.
    Create {
        /// The data folder.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// The keys folder, on another medium.
        #[arg(long, value_name = "DIR")]
        keys_to: PathBuf,
    },
    /// Try whether a backup could be restored: all of it is opened and checked, then removed.
    Try(BackupFrom),
    /// Restore a backup into the new home that --home names.
    Restore(BackupFrom),
}

/// `backup try` and `backup restore`.
#[derive(Debug, Args)]
pub struct BackupFrom {
    /// The data folder.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// The keys folder.
    #[arg(long, value_name = "DIR")]
    pub keys_from: PathBuf,
    /// File with the recovery key as it was printed [default: this hub's own]
    #[arg(long, value_name = "FILE")]
    pub recovery_key: Option<PathBuf>,
}

/// `hotlist`.
#[derive(Debug, Subcommand)]
pub enum HotlistCommand {
    /// Make a hotlist, without plates yet. Its id is never used again.
    Add(Box<HotlistAdd>),
    /// Put the plates of a CSV file in the place of all that the hotlist has.
    ///
    /// One plate a line; columns are found by their headings: targa or plate, nazione, motivo or
    /// note, dal, al or scadenza. A running hub waits for the new plates from its next batch on.
    Import {
        /// The hotlist.
        id: ListId,
        /// The CSV file.
        file: PathBuf,
        /// Leave wrong lines out, and tell them, instead of refusing the file.
        #[arg(long)]
        skip_faulty: bool,
    },
    /// List the hotlists, without their plates.
    List,
    /// Close a hotlist for good and destroy its plates.
    Close {
        /// The hotlist.
        id: ListId,
    },
}

/// `hotlist add`.
#[derive(Debug, Args)]
pub struct HotlistAdd {
    /// Its id: 1 to 64 of a-z, 0-9 and '-'.
    pub id: ListId,
    /// As people call it.
    #[arg(long)]
    pub name: String,
    /// Why the vehicles are waited for.
    #[arg(long)]
    pub reason: String,
    /// The office that answers for it.
    #[arg(long)]
    pub owner: String,
    /// public-safety, urban-security, emergency, heritage, area-control, monuments, events,
    /// traffic or vulnerable-people.
    #[arg(long)]
    pub purpose: String,
    /// Reference of the case or request.
    #[arg(long, value_name = "REFERENCE")]
    pub case: String,
    /// 0 to 100, 100 the most urgent.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub priority: u8,
    /// Raise alerts too for plates that may have been misread.
    #[arg(long)]
    pub near: bool,
    /// First moment, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// End, RFC 3339; at most 366 days on.
    #[arg(long, value_name = "TIME")]
    pub to: String,
    /// Actor who sees its alerts; may be given several times. Whoever may see alerts when left out.
    #[arg(long, value_name = "ACTOR")]
    pub seen_by: Vec<String>,
}

/// `webhook`.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Tell a system of alerts over HTTPS. Prints once the secret that signs what it gets.
    ///
    /// Messages and signatures are those of the Standard Webhooks specification.
    Add {
        /// Its name: 1 to 64 of a-z, 0-9 and '-'.
        id: String,
        /// Where it listens: https://…
        #[arg(long)]
        url: String,
        /// The authority of its certificate, PEM [default: those that the system believes]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// Only alerts of this hotlist; may be given several times.
        #[arg(long, value_name = "ID")]
        list: Vec<ListId>,
    },
    /// List the systems that are told, and how many alerts wait for each.
    List,
    /// Tell a system no more.
    Remove {
        /// Its name.
        id: String,
    },
}

/// `lookup`.
#[derive(Debug, Args)]
pub struct Lookup {
    /// A plate, or a pattern with '*' (any characters) and '?' (one character); quote it.
    #[arg(long)]
    pub plate: String,
    /// First moment, RFC 3339: 2026-11-22T08:00:00Z or 2026-11-22T09:00:00+01:00.
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// Last moment.
    #[arg(long, value_name = "TIME")]
    pub to: String,
    /// Only this camera; may be given several times.
    #[arg(long, value_name = "ID")]
    pub camera: Vec<String>,
    /// Only this gate; may be given several times.
    #[arg(long, value_name = "ID")]
    pub gate: Vec<String>,
    /// Only the gates of this municipality; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub municipality: Vec<String>,
    /// Only what stands between these degrees on the map, north and east positive.
    #[arg(long, value_name = "SOUTH,WEST,NORTH,EAST", allow_hyphen_values = true,
        conflicts_with = "around", value_parser = numbers::<4>)]
    pub area: Option<[f64; 4]>,
    /// Only what stands within so many metres of a place, in degrees.
    #[arg(long, value_name = "LATITUDE,LONGITUDE,METRES", allow_hyphen_values = true,
        value_parser = numbers::<3>)]
    pub around: Option<[f64; 3]>,
    /// Only `towards` or `away`, as the camera saw it.
    #[arg(long)]
    pub direction: Option<String>,
    /// Only `in` or `out` of the area behind the gate.
    #[arg(long)]
    pub travel: Option<String>,
    /// Only plates that look most like this country's: IT.
    #[arg(long)]
    pub country: Option<String>,
    /// Only reads at least so sure, 0 to 1.
    #[arg(long, value_name = "SHARE")]
    pub confidence_min: Option<f32>,
    /// Plates too that a camera may have read when this one was there.
    #[arg(long)]
    pub misread: bool,
    /// Oldest first: the route of a plate.
    #[arg(long)]
    pub oldest_first: bool,
    /// public-safety, urban-security, emergency, heritage, area-control, monuments, events,
    /// traffic or vulnerable-people.
    #[arg(long)]
    pub purpose: String,
    /// Reference of the case or request.
    #[arg(long, value_name = "REFERENCE")]
    pub case: String,
    /// Most results, newest first.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Take O for 0 and I for 1.
    #[arg(long)]
    pub fold: bool,
    /// Go on where a page ended: its `next`.
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    /// The hub's address, https://HOST:PORT.
    #[arg(long, value_name = "URL")]
    pub hub: Option<String>,
    /// The authority's certificate, ca.crt.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// File with the token.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// What is measured.
    #[arg(value_enum)]
    pub what: BenchKind,
    /// Transits stored beforehand, spread over the seven days; a million takes some 0.5 GB.
    #[arg(long, value_name = "N", default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    pub rows: u64,
    /// Lookups of each kind.
    #[arg(long, value_name = "N", default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub lookups: u32,
    /// Cameras that the transits are of.
    #[arg(long, value_name = "N", default_value_t = 1200,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub cameras: u32,
    /// Folder in which a hub's home is made and removed again [default: the system's for
    /// temporary files]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Which store is measured.
    #[arg(long, value_enum, default_value_t = BenchStore::Embedded)]
    pub store: BenchStore,
    /// Where PostgreSQL is; a schema is made in this database and dropped again.
    #[arg(
        long,
        value_name = "CONNECTION",
        default_value = "host=/run/postgresql dbname=varco user=varco"
    )]
    pub postgres: String,
    /// Hubs that take records in at once in PostgreSQL, besides one alone.
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u32).range(1..=16))]
    pub hubs: u32,
}

/// What `bench` measures it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchStore {
    /// Files in a home.
    Embedded,
    /// A PostgreSQL that is there.
    Postgres,
}

/// What `bench` measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BenchKind {
    /// Records in, receipts out, against checking signatures and against storing alone.
    Intake,
    /// Lookups of each kind, while 250 transits a second come in.
    Lookup,
    /// Lookups, intake and expiry, one after the other over the same stored transits.
    All,
    /// A hotlist of N plates: what it costs intake, and how soon an alert is told.
    Alerts,
    /// The end of the oldest day, while 250 transits a second come in.
    Retention,
}

/// `retention`.
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Show hour by hour what was destroyed and when, from the signed audit, and check that no key
    /// and no file of an hour past its term is there; exit 1 if one is, or the audit is broken.
    Proof,
}

/// `store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy the transits of this home into PostgreSQL, while the hub goes on; run again, it goes on
    /// where it was. With `--finish`, while the hub stands, move the rest and the chains.
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

/// `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Recompute the audit chain and open every stored transit again; exit 1 if anything broke.
    Verify,
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
