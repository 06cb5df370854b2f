//! The certificates that this hub shows as a server: that of its own authority, which the broker
//! shows too and which renews itself, and perhaps one of another authority for people's browsers.
//!
//! A new certificate of the own authority keeps its key, so that broker and hub never hold halves of
//! two pairs. Boxes and `lookup` believe the own authority alone; a certificate of another is shown
//! only to who calls the hub by one of its names.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::time::UtcTime;

use crate::audit::action::Action;
use crate::audit::actor::Actor;
use crate::audit::{self, AuditEntry, AuditError};
use crate::certificates::authority::{self, CertificateError, Described, SERVER_LIFE_MAX};
use crate::certificates::tls::{self, Served, TlsError};
use crate::home::{Home, HomeError};
use crate::machine::files::{self, FileError};
use crate::store::sql::TransactionBehavior;
use crate::store::{Doing as _, StoreError};
use crate::upkeep::health::{Check, State};

/// Where the system keeps the authorities that it believes.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// A certificate that ends sooner should be seen to.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// A server's certificate cannot be made, taken or shown.
#[derive(Debug, Error)]
pub enum ServerCertificateError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The authority.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The pair is refused: key, dates, chain or names do not hold.
    #[error(
        "the certificate cannot be used; its file has the server's certificate first and then those \
         of its authorities, and the key is its own"
    )]
    Tls(#[from] TlsError),
    /// The file is no certificate: put it back from the backup, or issue one.
    #[error("`{0}` is no certificate: put it back from the backup")]
    Damaged(String),
    /// The hub itself, or a box, would no longer find the broker.
    #[error("`{0}` is how the hub reaches its broker (`broker.host` in hub.toml): it stays")]
    Needed(String),
    /// Boxes would no longer believe the hub.
    #[error(
        "{0}: boxes that call the hub so believe ca.crt alone, and could no longer renew their \
         certificates. Give the boxes another name (`varco-hub certificate issue --host \
         boxes.example.it`), let them use it, and say --boxes-use-another-name"
    )]
    Boxes(String),
    /// The audit.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A certificate as `certificate show` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateView {
    /// `authority`, `server`, `own` or `broker-client`.
    pub which: &'static str,
    /// For which names and addresses.
    pub hosts: Vec<String>,
    /// Who issued it.
    pub issuer: String,
    /// RFC 3339, UTC.
    pub begins: String,
    /// RFC 3339, UTC.
    pub ends: String,
    /// Whole days from now; negative when it is over.
    pub days_left: i64,
}

fn described(pem: &str, what: &std::path::Path) -> Result<Described, ServerCertificateError> {
    let damaged = || ServerCertificateError::Damaged(what.display().to_string());
    authority::describe(pem).ok_or_else(damaged)
}

/// Renews the server's certificate when less than a third of its life is left, or when it was made to
/// last longer than browsers take. True when it did.
///
/// # Errors
/// [`ServerCertificateError`]; then the one before is there still.
pub fn renew_when_due(home: &Home, now: UtcTime) -> Result<bool, ServerCertificateError> {
    let path = home.server_certificate();
    let there = described(&files::read_text(&path)?, &path)?;
    if !there.is_due(now) && there.life() <= SERVER_LIFE_MAX {
        return Ok(false);
    }
    write(home, &there.hosts, Actor::hub(), now)?;
    Ok(true)
}

/// What changes of the names that the server's certificate is for.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostChanges<'a> {
    /// For these, too.
    pub further: &'a [String],
    /// For these no more.
    pub without: &'a [String],
}

/// Issues the server's certificate anew, for further names and without some. Gives all of them.
///
/// # Errors
/// [`ServerCertificateError`].
pub fn issue(
    home: &Home,
    changes: HostChanges<'_>,
    now: UtcTime,
) -> Result<Vec<String>, ServerCertificateError> {
    let path = home.server_certificate();
    let there = described(&files::read_text(&path)?, &path)?;
    let needed = home.config()?.broker_host;
    if changes.without.contains(&needed) {
        return Err(ServerCertificateError::Needed(needed));
    }
    let mut hosts = there.hosts;
    hosts.extend(changes.further.iter().cloned());
    hosts.retain(|host| !changes.without.contains(host));
    hosts.sort();
    hosts.dedup();
    write(home, &hosts, Actor::console(), now)?;
    Ok(hosts)
}

fn write(
    home: &Home,
    hosts: &[String],
    actor: Actor,
    now: UtcTime,
) -> Result<(), ServerCertificateError> {
    let key = files::read_text(&home.server_key())?;
    let issued = home.authority()?.server_for(hosts, &key, now)?;
    let details = serde_json::json!({
        "hosts": hosts, "serial": hex::encode(&issued.serial),
        "ends": authority::ends(&issued.certificate_pem),
    });
    let pem = issued.certificate_pem;
    let entry = AuditEntry::plain(actor, Action::CertificateIssued, details);
    noted(home, &entry, now, || {
        files::write_public(&home.server_certificate(), pem.as_bytes())
    })
}

/// Writes a line and does something with a file, or neither.
fn noted(
    home: &Home,
    entry: &AuditEntry,
    now: UtcTime,
    work: impl FnOnce() -> Result<(), FileError>,
) -> Result<(), ServerCertificateError> {
    let key = home.sealing_key()?;
    let mut main = home.open_main()?;
    let transaction = main
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .doing("begin the change of a certificate")?;
    audit::append(&transaction, entry, now, &key)?;
    work()?;
    transaction
        .commit()
        .doing("commit the change of a certificate")?;
    Ok(())
}

/// A certificate of another authority and its key, both in PEM.
#[derive(Clone, Copy)]
pub struct OwnPair<'a> {
    /// With the authorities between it and one that is known.
    pub certificate: &'a str,
    /// Its private key.
    pub key: &'a str,
}

/// A certificate of another authority, checked: what it says of itself.
///
/// # Errors
/// [`ServerCertificateError`].
pub fn take_own(
    home: &Home,
    pair: OwnPair<'_>,
    boxes_use_another_name: bool,
    now: UtcTime,
) -> Result<Described, ServerCertificateError> {
    let pem = format!("{}\n{}\n", pair.certificate.trim_end(), pair.key.trim_end());
    let path = home.own_certificate();
    let own = described(&pem, &path)?;
    let bundle = files::read_text(std::path::Path::new(SYSTEM_AUTHORITIES)).ok();
    tls::check_own(&pem, bundle.as_deref(), &own.hosts, now)?;
    let server = home.server_certificate();
    let server = described(&files::read_text(&server)?, &server)?;
    let both: Vec<_> = server
        .hosts
        .iter()
        .filter(|host| host.parse::<std::net::IpAddr>().is_err())
        .filter(|host| own.hosts.iter().any(|name| tls::covers(name, host)))
        .cloned()
        .collect();
    if !both.is_empty() && !boxes_use_another_name {
        return Err(ServerCertificateError::Boxes(both.join(", ")));
    }
    let details = serde_json::json!({
        "hosts": own.hosts, "issuer": own.issuer, "ends": own.ends,
    });
    let entry = AuditEntry::plain(Actor::console(), Action::CertificateTaken, details);
    noted(home, &entry, now, || {
        files::write_private(&path, pem.as_bytes())
    })?;
    Ok(own)
}

/// Shows the certificate of another authority no more. False when there is none.
///
/// # Errors
/// [`ServerCertificateError`].
pub fn drop_own(home: &Home, now: UtcTime) -> Result<bool, ServerCertificateError> {
    let path = home.own_certificate();
    if !path.is_file() {
        return Ok(false);
    }
    let nothing = serde_json::json!({});
    let entry = AuditEntry::plain(Actor::console(), Action::CertificateDropped, nothing);
    noted(home, &entry, now, || files::remove(&path))?;
    Ok(true)
}

/// What the HTTPS server is to show.
///
/// # Errors
/// [`ServerCertificateError`].
pub fn served(home: &Home) -> Result<Served, ServerCertificateError> {
    let certificate = files::read_text(&home.server_certificate())?;
    let key = files::read_text(&home.server_key())?;
    let path = home.own_certificate();
    if !path.is_file() {
        return Ok(Served::new(&certificate, &key, None)?);
    }
    let own = files::read_text(&path).map_err(ServerCertificateError::from);
    let own = own.and_then(|own| Ok((described(&own, &path)?.hosts, own)));
    match own {
        Ok((hosts, own)) => Ok(Served::new(&certificate, &key, Some((hosts, &own)))?),
        // The boxes believe the hub's own authority alone: they must not wait for this file.
        Err(error) => {
            tracing::error!(
                error = %error,
                "the certificate of another authority cannot be shown; see `varco-hub certificate use`"
            );
            Ok(Served::new(&certificate, &key, None)?)
        }
    }
}

/// Every certificate of this hub.
///
/// # Errors
/// [`ServerCertificateError`].
pub fn all(home: &Home, now: UtcTime) -> Result<Vec<CertificateView>, ServerCertificateError> {
    let files = [
        ("authority", home.authority_certificate()),
        ("server", home.server_certificate()),
        ("own", home.own_certificate()),
        ("broker-client", home.client_certificate()),
    ];
    let there = files
        .into_iter()
        .filter(|(which, path)| *which != "own" || path.is_file());
    let view = |(which, path): (&'static str, std::path::PathBuf)| {
        let found = described(&files::read_text(&path)?, &path)?;
        let left = found.ends.unix_us() - now.unix_us();
        Ok(CertificateView {
            which,
            hosts: found.hosts,
            issuer: found.issuer,
            begins: found.begins.to_string(),
            ends: found.ends.to_string(),
            days_left: left.div_euclid(86_400_000_000),
        })
    };
    there.map(view).collect()
}

/// Whether each holds, and what to do before it does not.
#[must_use]
pub fn checks(home: &Home, now: UtcTime) -> Vec<Check> {
    let all = match all(home, now) {
        Ok(all) => all,
        Err(error) => {
            let what = "put the file back from the backup";
            let fault = Check::of("certificates", State::Fault, error.to_string(), what);
            return vec![fault];
        }
    };
    all.into_iter().map(|one| check(&one, now)).collect()
}

fn check(one: &CertificateView, now: UtcTime) -> Check {
    let (name, what) = match one.which {
        "server" => (
            "server certificate",
            "the running hub renews it by itself: start it, or see its log; \
             `varco-hub certificate issue` does it by hand",
        ),
        "own" => (
            "own certificate",
            "get a new one from its authority: `varco-hub certificate use`",
        ),
        "authority" => (
            "authority",
            "make a new home in time, and enrol the edges there",
        ),
        _ => (
            "broker certificate",
            "restart the hub, which makes a new one when less than a third of its life is left",
        ),
    };
    let found = format!("ends {}, in {} days", one.ends, one.days_left);
    let ends: Option<UtcTime> = one.ends.parse().ok();
    let left = ends.map_or(Duration::ZERO, |ends| ends.since(now));
    let begins: Option<UtcTime> = one.begins.parse().ok();
    let life = begins.zip(ends).map(|(begins, ends)| ends.since(begins));
    let soon = life.map_or(SOON, |life| (life / 4).min(SOON));
    if left.is_zero() {
        Check::of(name, State::Fault, found, what)
    } else if left < soon {
        Check::of(name, State::Warning, found, what)
    } else {
        Check::ok(name, found)
    }
}

/// Keeps what the server shows up to date: renews, and takes over what a command wrote.
#[derive(Debug)]
pub struct CertificateKeeper {
    home: Home,
    renews: bool,
    shown: Arc<tls::ServedCertificates>,
    read: Vec<Option<std::time::SystemTime>>,
}

impl CertificateKeeper {
    /// Renews what is due, as a hub does that starts, and reads what is to be shown. Only one of
    /// several hubs renews.
    ///
    /// # Errors
    /// [`ServerCertificateError`].
    pub fn start(home: &Home, renews: bool, now: UtcTime) -> Result<Self, ServerCertificateError> {
        if renews && renew_when_due(home, now)? {
            tell_renewed();
        }
        let read = written(home);
        Ok(Self {
            home: home.clone(),
            renews,
            shown: tls::ServedCertificates::new(served(home)?),
            read,
        })
    }

    /// What the server shows.
    #[must_use]
    pub fn shown(&self) -> Arc<tls::ServedCertificates> {
        Arc::clone(&self.shown)
    }

    /// Renews what is due, and shows what was written since. True when something else is shown.
    ///
    /// # Errors
    /// [`ServerCertificateError`]; what was shown is shown still.
    pub fn look(&mut self, now: UtcTime) -> Result<bool, ServerCertificateError> {
        if self.renews && renew_when_due(&self.home, now)? {
            tell_renewed();
        }
        let written = written(&self.home);
        if written == self.read {
            return Ok(false);
        }
        self.shown.replace(served(&self.home)?);
        self.read = written;
        Ok(true)
    }
}

fn tell_renewed() {
    tracing::warn!(
        "the server's certificate was renewed; the broker shows it after a SIGHUP, which the units \
         of the package send"
    );
}

/// When the files were last written.
fn written(home: &Home) -> Vec<Option<std::time::SystemTime>> {
    let files = [
        home.server_certificate(),
        home.server_key(),
        home.own_certificate(),
    ];
    let at = |path: std::path::PathBuf| std::fs::metadata(path).and_then(|meta| meta.modified());
    files.into_iter().map(|path| at(path).ok()).collect()
}
