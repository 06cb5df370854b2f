//! Who is connected. Places are given to connections that have shown who they are; the others share a
//! small number and have little time, and the one that has waited longest goes when another comes.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How many connections there may be, and how long those of strangers.
#[derive(Debug, Clone)]
pub(super) struct House {
    /// Of strangers.
    pub(super) strangers_max: usize,
    /// From each address of a camera that the configuration names, before the login.
    pub(super) expected_max: usize,
    /// Of one camera, after the login.
    pub(super) known_max: usize,
    /// How long a connection may last without a login: handshake, head and all.
    pub(super) stranger_within: Duration,
    /// The addresses of cameras that the configuration names.
    pub(super) expected: Vec<IpAddr>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Guest {
    pool: Mutex<Pool>,
    is_known: AtomicBool,
    leave: Notify,
}

/// What a connection counts among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pool {
    Stranger,
    Expected(IpAddr),
    /// By the reader's place in the configuration.
    Known(usize),
}

/// All connections of one listener.
#[derive(Debug)]
pub(super) struct Guests {
    house: House,
    all: Mutex<VecDeque<Arc<Guest>>>,
}

impl Guest {
    /// Whether its login was right.
    #[must_use]
    pub(super) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// Returns when it has to make room.
    pub(super) async fn leaves(&self) {
        self.leave.notified().await;
    }

    fn pool(&self) -> Pool {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, pool: Pool) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = pool;
    }
}

impl Guests {
    /// Nobody is there yet.
    #[must_use]
    pub(super) fn of(house: House) -> Self {
        Self {
            house,
            all: Mutex::default(),
        }
    }

    /// How long a connection may last without a login.
    #[must_use]
    pub(super) fn stranger_within(&self) -> Duration {
        self.house.stranger_within
    }

    /// A connection comes. Where its pool is full, the one of it that came first leaves.
    pub(super) fn enter(&self, from: IpAddr) -> Arc<Guest> {
        let from = from.to_canonical();
        let pool = match self.house.expected.contains(&from) {
            true => Pool::Expected(from),
            false => Pool::Stranger,
        };
        let guest = Arc::new(Guest {
            pool: Mutex::new(pool),
            is_known: AtomicBool::new(false),
            leave: Notify::new(),
        });
        let mut all = self.all();
        self.make_room(&mut all, pool);
        all.push_back(Arc::clone(&guest));
        guest
    }

    /// The login of a connection was right.
    pub(super) fn know(&self, guest: &Arc<Guest>, reader: usize) {
        let pool = Pool::Known(reader);
        guest.is_known.store(true, Ordering::Relaxed);
        if guest.pool() == pool {
            return;
        }
        let mut all = self.all();
        self.make_room(&mut all, pool);
        guest.join(pool);
    }

    /// A connection is over.
    pub(super) fn leave(&self, guest: &Arc<Guest>) {
        self.all().retain(|other| !Arc::ptr_eq(other, guest));
    }

    fn make_room(&self, all: &mut VecDeque<Arc<Guest>>, pool: Pool) {
        let most = match pool {
            Pool::Stranger => self.house.strangers_max,
            Pool::Expected(_) => self.house.expected_max,
            Pool::Known(_) => self.house.known_max,
        };
        let is_there = |guest: &&Arc<Guest>| guest.pool() == pool;
        while all.iter().filter(is_there).count() >= most.max(1) {
            let Some(first) = all.iter().position(|guest| guest.pool() == pool) else {
                return;
            };
            if let Some(guest) = all.remove(first) {
                guest.leave.notify_one();
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Arc<Guest>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 66));
    const CAMERA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 31));

    fn guests() -> Guests {
        Guests::of(House {
            strangers_max: 3,
            expected_max: 2,
            known_max: 2,
            stranger_within: Duration::from_secs(20),
            expected: vec![CAMERA],
        })
    }

    /// How many of these were told to leave.
    async fn leaving(all: &[Arc<Guest>]) -> usize {
        let mut count = 0;
        for guest in all {
            let told = tokio::time::timeout(Duration::ZERO, guest.leaves()).await;
            count += usize::from(told.is_ok());
        }
        count
    }

    #[tokio::test]
    async fn d03_part_strangers_push_each_other_out_and_nobody_else() {
        let guests = guests();
        let known = guests.enter(STRANGER);
        guests.know(&known, 0);
        let expected = guests.enter(CAMERA);
        let strangers: Vec<_> = (0..500).map(|_| guests.enter(STRANGER)).collect();
        assert_eq!(leaving(&[known, expected]).await, 0);
        assert_eq!(leaving(&strangers).await, 497);
        assert_eq!(guests.all().len(), 5);
        for guest in &strangers {
            guests.leave(guest);
        }
        assert_eq!(guests.all().len(), 2);
    }

    #[tokio::test]
    async fn d03_part_a_camera_that_opens_connection_after_connection_closes_its_own_oldest() {
        let guests = guests();
        let mut all = Vec::new();
        for _ in 0..5 {
            let guest = guests.enter(CAMERA);
            guests.know(&guest, 0);
            guests.know(&guest, 0);
            all.push(guest);
        }
        let other = guests.enter(CAMERA);
        guests.know(&other, 1);
        assert_eq!(leaving(&all).await, 3);
        assert_eq!(leaving(&all[3..]).await + leaving(&[other]).await, 0);
    }
}
