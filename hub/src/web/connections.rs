//! Who holds a connection: places for strangers, for people with a token, and for streams.
//!
//! A connection is a stranger's until a valid token is shown on it. Strangers never wait and never
//! keep anybody out: for one more than there may be, the one that came first goes. What a token was
//! shown on keeps its place.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use super::errors::ApiError;
use super::throttle::Throttle;
use crate::config::http_limits::HttpLimits;
use crate::machine::measures;

/// Every connection and stream of one listener.
#[derive(Debug)]
pub struct HttpConnections {
    limits: HttpLimits,
    table: Mutex<Table>,
    throttle: Throttle,
    /// Counts what this process ended: sessions.
    endings: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Table {
    /// By the order in which they came.
    open: BTreeMap<u64, Open>,
    by_peer: HashMap<SocketAddr, u64>,
    last: u64,
    strangers: usize,
    by_address: HashMap<IpAddr, usize>,
    by_actor: HashMap<String, usize>,
    streams: usize,
    streams_by_actor: HashMap<String, usize>,
}

#[derive(Debug)]
struct Open {
    peer: SocketAddr,
    /// Who showed a token on it; none for a stranger.
    actor: Option<String>,
    /// Ends it when it is dropped.
    _ending: oneshot::Sender<()>,
}

/// A connection that was let in. Dropping it gives its place back.
#[derive(Debug)]
pub(super) struct Admission {
    connections: Arc<HttpConnections>,
    number: u64,
    /// Resolves when the connection has to go.
    pub(super) ended: oneshot::Receiver<()>,
}

/// A stream that was let in. Dropping it gives its place back.
#[derive(Debug)]
pub(super) struct StreamPlace {
    connections: Arc<HttpConnections>,
    actor: String,
}

/// How many connections are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Those on which a token was shown.
    pub known: usize,
    /// Those without.
    pub strangers: usize,
    /// Streams on them.
    pub streams: usize,
}

/// What counts as one address: of IPv6 a network of 64 bits, which one subscriber has whole.
pub(super) fn address_of(peer: SocketAddr) -> IpAddr {
    match peer.ip().to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, of: &K) {
    if let Some(count) = counts.get_mut(of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(of);
        }
    }
}

impl HttpConnections {
    /// None yet, within these limits.
    #[must_use]
    pub fn new(limits: HttpLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            table: Mutex::default(),
            throttle: Throttle::default(),
            endings: watch::Sender::new(0),
        })
    }

    /// Who failed too often.
    pub(super) fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// Changes when a session ended in this process.
    pub(super) fn endings(&self) -> watch::Receiver<u64> {
        self.endings.subscribe()
    }

    /// Tells the open streams that a session ended or was locked.
    pub(super) fn tell_ended(&self) {
        self.endings
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &HttpLimits {
        &self.limits
    }

    /// How many there are.
    #[must_use]
    pub fn counts(&self) -> ConnectionCounts {
        let table = self.table();
        ConnectionCounts {
            known: table.open.len() - table.strangers,
            strangers: table.strangers,
            streams: table.streams,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in, at the cost of the oldest stranger when there are too many. None when
    /// nobody can go: it is turned away.
    pub(super) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Admission> {
        let mut table = self.table();
        let address = address_of(peer);
        let of_address = table.by_address.get(&address).copied().unwrap_or(0);
        if of_address >= self.limits.strangers_per_address_max {
            table.end_oldest_stranger(Some(address));
            measures::turned_away("address");
        } else if table.strangers >= self.limits.strangers_max
            || table.open.len() >= self.limits.connections_max
        {
            table.end_oldest_stranger(None);
            measures::turned_away("strangers");
        }
        if table.open.len() >= self.limits.connections_max {
            measures::turned_away("connections");
            return None;
        }
        table.last += 1;
        let number = table.last;
        let (ending, ended) = oneshot::channel();
        let open = Open {
            peer,
            actor: None,
            _ending: ending,
        };
        table.open.insert(number, open);
        table.by_peer.insert(peer, number);
        table.strangers += 1;
        *table.by_address.entry(address).or_default() += 1;
        Some(Admission {
            connections: Arc::clone(self),
            number,
            ended,
        })
    }

    /// A valid token was shown on a connection: it is no stranger's any more.
    ///
    /// # Errors
    /// [`ApiError::Busy`] when the actor has too many already; it stays a stranger's.
    pub(super) fn know(&self, peer: SocketAddr, actor: &str) -> Result<(), ApiError> {
        let mut table = self.table();
        let table = &mut *table;
        let Some(number) = table.by_peer.get(&peer) else {
            return Ok(());
        };
        let Some(open) = table.open.get_mut(number) else {
            return Ok(());
        };
        if open.actor.as_deref() == Some(actor) {
            return Ok(());
        }
        let count = table.by_actor.entry(actor.to_owned()).or_default();
        if *count >= self.limits.connections_per_actor_max {
            measures::turned_away("actor");
            return Err(ApiError::Busy("too many connections for this token"));
        }
        *count += 1;
        match open.actor.replace(actor.to_owned()) {
            Some(other) => less(&mut table.by_actor, &other),
            None => {
                table.strangers -= 1;
                less(&mut table.by_address, &address_of(peer));
            }
        }
        Ok(())
    }

    /// Lets a stream in.
    ///
    /// # Errors
    /// [`ApiError::Busy`] when the actor, or all together, have too many.
    pub(super) fn stream(self: &Arc<Self>, actor: &str) -> Result<StreamPlace, ApiError> {
        let mut table = self.table();
        let own = table.streams_by_actor.get(actor).copied().unwrap_or(0);
        if own >= self.limits.streams_per_actor_max {
            measures::turned_away("streams-of-actor");
            return Err(ApiError::Busy("too many streams for this token"));
        }
        if table.streams >= self.limits.streams_max {
            measures::turned_away("streams");
            return Err(ApiError::Busy("too many streams"));
        }
        table.streams += 1;
        *table.streams_by_actor.entry(actor.to_owned()).or_default() += 1;
        Ok(StreamPlace {
            connections: Arc::clone(self),
            actor: actor.to_owned(),
        })
    }
}

impl Table {
    fn end_oldest_stranger(&mut self, of: Option<IpAddr>) {
        let mut open = self.open.iter();
        let oldest = open.find(|(_, open)| {
            open.actor.is_none() && of.is_none_or(|address| address_of(open.peer) == address)
        });
        if let Some(number) = oldest.map(|(number, _)| *number) {
            self.forget(number);
        }
    }

    /// Takes a connection off the table, which ends it.
    fn forget(&mut self, number: u64) {
        let Some(open) = self.open.remove(&number) else {
            return;
        };
        if self.by_peer.get(&open.peer) == Some(&number) {
            self.by_peer.remove(&open.peer);
        }
        match open.actor {
            Some(actor) => less(&mut self.by_actor, &actor),
            None => {
                self.strangers -= 1;
                less(&mut self.by_address, &address_of(open.peer));
            }
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.connections.table().forget(self.number);
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        table.streams -= 1;
        less(&mut table.streams_by_actor, &self.actor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> HttpLimits {
        HttpLimits {
            connections_max: 6,
            strangers_max: 4,
            strangers_per_address_max: 2,
            connections_per_actor_max: 2,
            streams_max: 3,
            streams_per_actor_max: 2,
            ..HttpLimits::default()
        }
    }

    fn peer(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn has_to_go(admission: &mut Admission) -> bool {
        !matches!(
            admission.ended.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        )
    }

    #[test]
    fn for_one_stranger_too_many_the_oldest_goes() {
        let connections = HttpConnections::new(limits());
        let peers = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1"];
        let mut open: Vec<_> = peers
            .iter()
            .map(|text| connections.admit(peer(text)).unwrap())
            .collect();
        let fifth = connections.admit(peer("192.0.2.5:1")).unwrap();
        let gone: Vec<_> = open.iter_mut().map(has_to_go).collect();
        assert_eq!(gone, [true, false, false, false]);
        assert_eq!(connections.counts().strangers, 4);
        drop((open, fifth));
        assert_eq!(connections.counts().strangers, 0);
        assert!(connections.table().by_address.is_empty());
    }

    #[test]
    fn one_address_takes_places_from_itself_alone() {
        let connections = HttpConnections::new(limits());
        let mut other = connections.admit(peer("192.0.2.9:1")).unwrap();
        let mut first = connections.admit(peer("[2001:db8::1]:1")).unwrap();
        let _second = connections.admit(peer("[2001:db8::2]:1")).unwrap();
        let _third = connections.admit(peer("[2001:db8::3]:1")).unwrap();
        assert!(has_to_go(&mut first) && !has_to_go(&mut other));
    }

    #[test]
    fn whoever_shows_a_token_keeps_the_place() {
        let connections = HttpConnections::new(limits());
        let (one, two) = (peer("192.0.2.1:1"), peer("192.0.2.1:2"));
        let mut known = connections.admit(one).unwrap();
        connections.know(one, "anna").unwrap();
        connections.know(one, "anna").unwrap();
        let _second = connections.admit(two).unwrap();
        connections.know(two, "anna").unwrap();
        let third = peer("192.0.2.1:3");
        let _third = connections.admit(third).unwrap();
        assert!(connections.know(third, "anna").is_err(), "too many of one");
        let _strangers: Vec<_> = (10..20)
            .map(|port| connections.admit(SocketAddr::from(([192, 0, 2, 7], port))))
            .collect();
        assert!(!has_to_go(&mut known));
        assert_eq!(connections.counts().known, 2);
    }

    #[test]
    fn when_nobody_can_go_one_more_is_turned_away() {
        let mut few = limits();
        few.connections_per_actor_max = 10;
        let connections = HttpConnections::new(few);
        let mut known = Vec::new();
        for port in 1..=6 {
            let peer = SocketAddr::from(([192, 0, 2, 1], port));
            known.push(connections.admit(peer).unwrap());
            connections.know(peer, "anna").unwrap();
        }
        assert!(connections.admit(peer("192.0.2.2:1")).is_none());
        known.pop();
        assert!(connections.admit(peer("192.0.2.2:1")).is_some());
    }

    #[test]
    fn streams_have_places_of_their_own() {
        let connections = HttpConnections::new(limits());
        let first = connections.stream("anna").unwrap();
        let _second = connections.stream("anna").unwrap();
        assert!(connections.stream("anna").is_err());
        let _third = connections.stream("bruno").unwrap();
        assert!(connections.stream("carla").is_err(), "three in all");
        drop(first);
        connections.stream("anna").unwrap();
    }
}
