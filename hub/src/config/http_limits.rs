//! `[http.limits]`: how many connections the HTTPS server keeps, and for how long.

use std::time::Duration;

use serde::Deserialize;
use varco_proto::config::Faults;

/// The table as written.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct HttpLimitsFile {
    connections_max: u32,
    strangers_max: u32,
    strangers_per_address_max: u32,
    connections_per_actor_max: u32,
    streams_max: u32,
    streams_per_actor_max: u32,
    head_timeout_s: u32,
    stalled_timeout_s: u32,
}

impl Default for HttpLimitsFile {
    fn default() -> Self {
        Self {
            connections_max: 768,
            strangers_max: 256,
            strangers_per_address_max: 64,
            connections_per_actor_max: 64,
            streams_max: 128,
            streams_per_actor_max: 16,
            head_timeout_s: 15,
            stalled_timeout_s: 20,
        }
    }
}

/// The limits as checked. A stranger is a connection on which no valid token was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Most connections at once.
    pub connections_max: usize,
    /// Most strangers at once; for one more the oldest goes.
    pub strangers_max: usize,
    /// Most strangers from one address (of IPv6, one network of 64 bits).
    pub strangers_per_address_max: usize,
    /// Most connections on which one actor's tokens were shown.
    pub connections_per_actor_max: usize,
    /// Most streams of server-sent events at once.
    pub streams_max: usize,
    /// Most of them for one actor.
    pub streams_per_actor_max: usize,
    /// Longest TLS handshake, and longest wait for the whole head of a request, also of the next one
    /// on the same connection.
    pub head_timeout: Duration,
    /// How long a reader may take less than 16 KiB of what waits for it.
    pub stalled_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimitsFile::default().unchecked()
    }
}

impl HttpLimitsFile {
    /// Checks it.
    pub(super) fn check(&self, faults: &mut Faults) -> HttpLimits {
        for (key, value, least, most) in [
            ("connections_max", self.connections_max, 16, 10_000),
            ("strangers_max", self.strangers_max, 8, 5_000),
            (
                "strangers_per_address_max",
                self.strangers_per_address_max,
                4,
                5_000,
            ),
            (
                "connections_per_actor_max",
                self.connections_per_actor_max,
                4,
                10_000,
            ),
            ("streams_max", self.streams_max, 1, 1_000),
            (
                "streams_per_actor_max",
                self.streams_per_actor_max,
                1,
                1_000,
            ),
            ("head_timeout_s", self.head_timeout_s, 2, 120),
            ("stalled_timeout_s", self.stalled_timeout_s, 2, 120),
        ] {
            let what = format!("{value} is not within {least} to {most}");
            let holds = (least..=most).contains(&value);
            faults.check(holds, &format!("http.limits.{key}"), what);
        }
        let room = self.strangers_max < self.connections_max;
        let what = "fewer than `connections_max`, so that people with a token find a place";
        faults.check(room, "http.limits.strangers_max", what);
        self.unchecked()
    }

    fn unchecked(&self) -> HttpLimits {
        let count = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        let seconds = |value: u32| Duration::from_secs(u64::from(value));
        HttpLimits {
            connections_max: count(self.connections_max),
            strangers_max: count(self.strangers_max),
            strangers_per_address_max: count(self.strangers_per_address_max),
            connections_per_actor_max: count(self.connections_per_actor_max),
            streams_max: count(self.streams_max),
            streams_per_actor_max: count(self.streams_per_actor_max),
            head_timeout: seconds(self.head_timeout_s),
            stalled_timeout: seconds(self.stalled_timeout_s),
        }
    }
}
