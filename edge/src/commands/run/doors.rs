//! Opens the doors for cameras that read plates themselves.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::adapters::clock::SharedClock;
use crate::adapters::feed::FeedSettings;
use crate::adapters::http::{self, Bound, Door, DoorLogin};
use crate::adapters::random;
use crate::commands::parts;
use crate::config::{Config, Credentials, PushLogin, Way};
use crate::onboard::sink::Sink;

/// Shortest secret that may stand in an address, in characters.
const SECRET_LENGTH_MIN: usize = 24;
/// Shortest password of a camera.
const PASSWORD_LENGTH_MIN: usize = 10;

/// Ways in, with everything read that they need.
pub(in crate::commands) struct Doors {
    pub(in crate::commands) bound: Option<Bound>,
    pub(in crate::commands) feeds: Vec<FeedSettings>,
}

impl Doors {
    /// Listens, when a reader pushes; `sink` takes what comes.
    pub(in crate::commands) fn open(
        config: &Config,
        sink: &Arc<dyn Sink>,
        clock: &SharedClock,
    ) -> anyhow::Result<Self> {
        let (doors, feeds) = ways(config)?;
        let bound = match &config.listener {
            Some(listener) if !doors.is_empty() => {
                let tls = listener.tls.as_ref().map(http::tls).transpose()?;
                let secret = random::bytes::<32>()?;
                let from: Vec<_> = doors.iter().filter_map(|door| door.from).collect();
                let router = http::push(doors, Arc::clone(sink), Arc::clone(clock), &secret);
                let address = listener.address;
                let bound = Bound::new("listener.address", address, router, tls)?;
                Some(bound.expecting(from))
            }
            _ => None,
        };
        Ok(Self { bound, feeds })
    }

    /// Reads everything that the doors need, and opens none; says what there is.
    pub(in crate::commands) fn read(config: &Config) -> anyhow::Result<String> {
        let (doors, feeds) = ways(config)?;
        let tls = config.listener.as_ref().and_then(|it| it.tls.as_ref());
        tls.map(http::tls).transpose()?;
        let address = config.listener.as_ref().map(|it| it.address.to_string());
        Ok(format!(
            "{} push to {}, {} are fed by a broker; `varco-edge conform` tests each",
            doors.len(),
            address.unwrap_or("nowhere".to_owned()),
            feeds.len()
        ))
    }
}

fn ways(config: &Config) -> anyhow::Result<(Vec<Door>, Vec<FeedSettings>)> {
    let (mut doors, mut feeds) = (Vec::new(), Vec::new());
    for (at, reader) in config.readers.iter().enumerate() {
        let camera = &reader.placing.camera;
        let place = || format!("the login of the reader `{camera}`");
        match &reader.way {
            Way::Push { login, from } => doors.push(Door {
                reader: at,
                camera: camera.clone(),
                login: secret(login).with_context(place)?,
                from: *from,
            }),
            Way::Feed(feed) => {
                let login = feed.credentials.as_ref().map(credentials);
                let login = login.transpose().with_context(place)?;
                let (edge, name) = (&config.edge, camera.as_str());
                feeds.push(FeedSettings::new(at, edge, name, feed, login)?);
            }
        }
    }
    Ok((doors, feeds))
}

fn secret(login: &PushLogin) -> anyhow::Result<DoorLogin> {
    Ok(match login {
        PushLogin::Digest(of) => {
            let (user, password) = credentials(of)?;
            DoorLogin::Digest(user, password)
        }
        PushLogin::Basic(of) => {
            let (user, password) = credentials(of)?;
            DoorLogin::Basic(user, password)
        }
        PushLogin::Path(file) => {
            let text = parts::secret("secret_file", file)?;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            anyhow::ensure!(
                text.len() >= SECRET_LENGTH_MIN && text.chars().all(plain),
                "`secret_file`: {} must hold at least {SECRET_LENGTH_MIN} of A-Z, a-z, 0-9, - \
                 and _; make one with: openssl rand -hex 24",
                shown(file)
            );
            DoorLogin::Path(text)
        }
    })
}

fn credentials(of: &Credentials) -> anyhow::Result<(String, String)> {
    let password = parts::secret("password_file", &of.password_file)?;
    anyhow::ensure!(
        password.chars().count() >= PASSWORD_LENGTH_MIN,
        "`password_file`: {} must hold at least {PASSWORD_LENGTH_MIN} characters",
        shown(&of.password_file)
    );
    Ok((of.user.clone(), password))
}

fn shown(path: &Path) -> String {
    format!("the first line of `{}`", path.display())
}
