//! Cameras that read plates themselves: where they push to, and what their clocks are worth.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::bail;

use crate::adapters::clock::SystemClock;
use crate::adapters::ports::{Holder, holder};
use crate::adapters::spool::is_in_use;
use crate::adapters::spool::taken::clock_in;
use crate::commands::run::doors::Doors;
use crate::config::{Config, Reader};
use crate::onboard::timing::OFFSET_MAX;

/// What the daemon is called by the system.
const OWN_NAME: &str = "varco-edge";

/// Reads what the doors need, and looks who listens at their address.
pub(super) fn doors(config: &Config) -> anyhow::Result<String> {
    let says = Doors::read(config)?;
    let is_running = is_in_use(&config.state_folder);
    match &config.listener {
        None => Ok(says),
        Some(listener) => {
            let place = at(listener.address, "listener.address", is_running)?;
            Ok(format!("{says}; {place}"))
        }
    }
}

/// Whether whoever listens at an address is this edge's daemon.
pub(super) fn at(address: SocketAddr, key: &str, is_running: bool) -> anyhow::Result<String> {
    match (holder(address), is_running) {
        (Holder::Nobody, false) => Ok("the port is free for the daemon".to_owned()),
        (Holder::Nobody, true) => bail!(
            "`{key}`: nobody listens at {address}, though the daemon runs; restart it, so that it \
             takes this configuration"
        ),
        (Holder::Process { name, id }, true) if name == OWN_NAME => {
            Ok(format!("the daemon listens (process {id})"))
        }
        (Holder::Process { name, id }, _) => bail!(
            "`{key}`: {address} is held by `{name}` (process {id}), which is not this edge's daemon, \
             so no reading arrives; end it, or write another port here and in the cameras"
        ),
        (Holder::Unseen, true) => Ok(
            "somebody listens, who belongs to another user; run this as root to see whether it is \
             the daemon"
                .to_owned(),
        ),
        (Holder::Unseen, false) => bail!(
            "`{key}`: {address} is held by a process of another user while the daemon does not run; \
             see who it is with `ss -ltnp` as root, and end it, or write another port"
        ),
        (Holder::Unusable(why), _) => bail!(
            "`{key}`: this box cannot listen at {address}: {why}; write an address that it has, see \
             `ip address`"
        ),
    }
}

/// What a camera's clock was worth at its last reading.
pub(super) fn clock(state_folder: &Path, reader: &Reader) -> anyhow::Result<String> {
    let Some(note) = clock_in(state_folder, &reader.placing.camera)? else {
        return Ok("no reading yet; `varco-edge conform` tests it".to_owned());
    };
    let ago = SystemClock::shared().now().since(note.seen_at).as_secs();
    let Some(behind_us) = note.behind_us else {
        return Ok(format!(
            "last reading {ago} s ago; it says no time, so transits carry that of their arrival"
        ));
    };
    let millis = behind_us.unsigned_abs() / 1000;
    let way = if behind_us < 0 { "ahead of" } else { "behind" };
    if note.is_bad {
        bail!(
            "its clock was {} s {way} this box's at its last reading {ago} s ago, or its readings \
             are held up: transits carry the time of their arrival. Let it take its time by NTP, and \
             check its `time_zone`; more than {} s are not believed",
            millis / 1000,
            OFFSET_MAX.as_secs()
        );
    }
    Ok(format!(
        "last reading {ago} s ago; its clock was {millis} ms {way} this box's, the way included"
    ))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_strangers_hold_on_the_port_fails_with_who_it_is_and_what_to_do() {
        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = stranger.local_addr().unwrap();
        for is_running in [false, true] {
            let error = at(address, "listener.address", is_running).unwrap_err();
            let says = error.to_string();
            let id = std::process::id().to_string();
            for word in ["listener.address", id.as_str(), "end it"] {
                assert!(says.contains(word), "{says}");
            }
        }
        drop(stranger);
        assert!(at(address, "listener.address", false).is_ok());
        assert!(
            at(address, "listener.address", true).is_err(),
            "it must be there"
        );
        assert!(at("192.0.2.1:1".parse().unwrap(), "listener.address", false).is_err());
    }
}
