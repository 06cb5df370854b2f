//! `varco-hub certificate`.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::clock::time_of;
use super::output::{Output, json as print_json, table};
use crate::home::Home;
use crate::machine::files;
use crate::upkeep::server_certificate::{self, CertificateView, HostChanges, OwnPair};

/// `certificate`.
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Show each certificate of this hub: for which names, from whom, until when.
    Show,
    /// Issue the server's certificate anew, for further names or addresses.
    ///
    /// It holds 397 days at most, and the running hub renews it by itself when a third of that is
    /// left. It keeps its key and the names it has. HTTPS shows the new one within seconds; the broker
    /// after a SIGHUP, which the units of the package send. It leaves an audit line.
    Issue {
        /// A further name or address; may be given several times.
        #[arg(long, value_name = "NAME")]
        host: Vec<String>,
        /// A name or address that it is no longer for; may be given several times.
        #[arg(long, value_name = "NAME")]
        without: Vec<String>,
    },
    /// Show a certificate of another authority over HTTPS, to who calls the hub by one of its names.
    ///
    /// Boxes and `varco-hub lookup` believe ca.crt alone: under every other name and address, and at
    /// the broker, they are shown the certificate of the hub's own authority as before. Give them a
    /// name that this certificate does not have. The hub does not renew it: `check`, /readyz and the
    /// metrics tell when it is about to end.
    Use {
        /// The certificate and behind it those of its authorities, PEM.
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// Its private key, PEM.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The boxes call the hub by another name or address than those of this certificate.
        #[arg(long)]
        boxes_use_another_name: bool,
    },
    /// Show the certificate of another authority no more.
    Drop,
}

/// Shows, issues, takes or drops certificates.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn certificate(
    home: &Home,
    command: CertificateCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    home.expect()?;
    let now = time_of(home)?.kept();
    match command {
        CertificateCommand::Show => show(&server_certificate::all(home, now)?, output, out)?,
        CertificateCommand::Issue { host, without } => {
            let changes = HostChanges {
                further: &host,
                without: &without,
            };
            let hosts = server_certificate::issue(home, changes, now)?;
            let said = format!(
                "issued for {}\nHTTPS shows it within seconds, the broker after a SIGHUP",
                hosts.join(", ")
            );
            output.done(out, &json!({ "hosts": hosts }), &said)?;
        }
        CertificateCommand::Use {
            certificate,
            key,
            boxes_use_another_name,
        } => {
            let (certificate, key) = (files::read_text(&certificate)?, files::read_text(&key)?);
            let pair = OwnPair {
                certificate: &certificate,
                key: &key,
            };
            let own = server_certificate::take_own(home, pair, boxes_use_another_name, now)?;
            let said = format!(
                "shown to who calls the hub by {}, until {}; others are shown that of ca.crt",
                own.hosts.join(", "),
                own.ends
            );
            output.done(out, &json!({ "hosts": own.hosts, "ends": own.ends }), &said)?;
        }
        CertificateCommand::Drop => {
            let dropped = server_certificate::drop_own(home, now)?;
            let said = if dropped {
                "it is shown no more"
            } else {
                "there is none"
            };
            output.done(out, &json!({ "dropped": dropped }), said)?;
        }
    }
    Ok(())
}

fn show(all: &[CertificateView], output: Output, out: &mut impl Write) -> std::io::Result<()> {
    if output.json {
        return print_json(out, &json!({ "certificates": all }));
    }
    let mut table = table(&["which", "for", "issued by", "until", "days"]);
    for one in all {
        let hosts = one.hosts.join(", ");
        table.add_row([
            one.which.to_owned(),
            hosts,
            one.issuer.clone(),
            one.ends.clone(),
            one.days_left.to_string(),
        ]);
    }
    writeln!(out, "{table}")
}
