//! The move out of the home into PostgreSQL.
//!
//! Transits are copied hour by hour while the hub goes on, and how far each hour is stands in
//! PostgreSQL, so that a run that was broken off goes on where it was. The last step is made while
//! the hub stands: what came since, and then the chains, which decide what is stored.
//!
//! The home says at every moment where its transits are ([`crate::home::whereabouts`]): in it until the
//! commit that lets its chains go, in PostgreSQL from then on. There is no way back.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use varco_proto::time::UtcTime;

use crate::chains::{self, leaving};
use crate::config::postgres_address::Address;
use crate::home::lock::{Act, Holder, Lock};
use crate::home::whereabouts::{self, DatabaseId, Whereabouts};
use crate::home::{Home, HomeError};
use crate::hours::keys::HourKeys;
use crate::postgres::{FoundDatabase, MovedChain, MovedGap, MovedLink, Server, Shelf};
use crate::store::sql::{Connection, TransactionBehavior};
use crate::store::{Doing as _, StoreError};
use crate::transits::names::{self, NameKind, Names};
use crate::transits::rows::{self, Head, HourPlace};

/// Rows copied in one transaction.
const ROWS_AT_ONCE: u32 = 4096;
/// Links copied at once.
const LINKS_AT_ONCE: u32 = 8192;
/// How long a hub may take to answer the knock.
const KNOCK_MAX: Duration = Duration::from_secs(1);

/// A move does not go on. What was copied stays, and the next run goes on behind it.
#[derive(Debug, Error)]
pub enum MoveError {
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The last step would lose what the hub stores meanwhile: stop it first.
    #[error("a hub answers at {0}: stop it, and then finish the move")]
    Running(SocketAddr),
    /// Its chains would be lost: name another database or schema.
    #[error(
        "a hub works in this PostgreSQL already, or another home began to move there; nothing is \
         overwritten: name an empty database"
    )]
    Occupied,
    /// Nothing is left to move, and nothing moves on from there.
    #[error(
        "the transits and chains of this home are in another PostgreSQL already, and no way leads on \
         from there, nor back. hub.toml names it so:\n\n{0}"
    )]
    Gone(String),
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Hours that were gone through.
    pub hours: usize,
    /// Transits that were copied.
    pub transits: u64,
    /// Links of the chains that were taken over.
    pub links: u64,
    /// Whether the transits and chains are in PostgreSQL now, and there alone.
    pub finished: bool,
}

/// Copies what is sealed so far, while the hub goes on; with `finish` the rest, while it stands. May be
/// run again at any time, whatever cut it off, also when it has finished.
///
/// # Errors
/// [`MoveError`].
pub fn run(home: &Home, to: Address, finish: bool, now: UtcTime) -> Result<Moved, MoveError> {
    let config = home.config()?;
    let holder = |command| Holder::this(command, now);
    let _lock = if finish {
        let alone = Lock::alone(home, &holder("varco-hub store move --finish"));
        alone.map_err(HomeError::from)?
    } else {
        let act = Lock::of_act(home, Act::Move, &holder("varco-hub store move"));
        act.map_err(HomeError::from)?
    };
    // One of a version before locks of homes holds none.
    if finish && TcpStream::connect_timeout(&config.listen, KNOCK_MAX).is_ok() {
        return Err(MoveError::Running(config.listen));
    }
    let mut main = home.open_main()?;
    if let Whereabouts::Postgres { id, lines } = whereabouts::read(&main)? {
        return again(home, &to, id, lines, finish);
    }
    let id = begin(&mut main, &to)?;
    let lines = to.configuration();
    let server = Server::open(home.archive_settings(config.retention), to)?;
    let server = Arc::new(server);
    let mut mover = Mover {
        home,
        keys: HourKeys::open(&home.hour_keys(), &home.store_key_file())?,
        names: Names::load(&main)?,
        numbers: HashMap::new(),
        shelf: Shelf::of(Arc::clone(&server)),
        arrived: Whereabouts::Postgres { id, lines },
    };
    if mover.shelf.has_chains_of_its_own()? || server.claim(id)? != id {
        return Err(MoveError::Occupied);
    }
    let mut moved = Moved::default();
    mover.hours(&main, &mut moved)?;
    if finish {
        mover.finish(&mut main, &mut moved)?;
    }
    Ok(moved)
}

/// Says in the home into which database it moves, before anything is written there.
fn begin(main: &mut Connection, to: &Address) -> Result<DatabaseId, MoveError> {
    let said = match whereabouts::read(main)? {
        Whereabouts::Moving(id) => Some(id),
        _ => None,
    };
    match (Server::look_at(to)?, said) {
        (FoundDatabase::Named(found), Some(id)) if found == id => {}
        (FoundDatabase::Named(_), _) => return Err(MoveError::Occupied),
        // A move that goes into another database than the one before gets an id of its own.
        (FoundDatabase::Empty | FoundDatabase::Unnamed, Some(_)) => {
            whereabouts::say(main, &Whereabouts::Home)?
        }
        (FoundDatabase::Empty | FoundDatabase::Unnamed, None) => {}
    }
    Ok(whereabouts::begin_moving(main)?)
}

/// After its end: only files that a cut left are still to go.
fn again(
    home: &Home,
    to: &Address,
    id: DatabaseId,
    lines: String,
    finish: bool,
) -> Result<Moved, MoveError> {
    if Server::look_at(to)? != FoundDatabase::Named(id) {
        return Err(MoveError::Gone(lines));
    }
    if finish {
        unlink_hours(home)?;
    }
    Ok(Moved {
        finished: true,
        ..Moved::default()
    })
}

/// Removes the files of the hours: PostgreSQL has what they held.
fn unlink_hours(home: &Home) -> Result<(), StoreError> {
    let folder = home.partitions_folder();
    for hour in rows::hours(&folder)? {
        rows::destroy(&folder, hour)?;
    }
    Ok(())
}

struct Mover<'a> {
    home: &'a Home,
    keys: HourKeys,
    names: Names,
    /// Numbers in PostgreSQL by those in the home.
    numbers: HashMap<u32, u32>,
    shelf: Shelf,
    /// What the home says at the end.
    arrived: Whereabouts,
}

impl Mover<'_> {
    /// Copies what every hour has beyond what was copied before, oldest first.
    fn hours(&mut self, main: &Connection, moved: &mut Moved) -> Result<(), MoveError> {
        for (hour, rows) in names::hours(main)? {
            // An hour without its key is past its term.
            let Some(key) = self.keys.get(hour)? else {
                continue;
            };
            let place = HourPlace::new(&self.home.partitions_folder(), hour, key);
            if place.rows_file().exists() {
                moved.transits += self.hour(&place, rows)?;
                moved.hours += 1;
            }
        }
        Ok(())
    }

    fn hour(&mut self, place: &HourPlace, rows: u32) -> Result<u64, MoveError> {
        let mut through = self.shelf.moved_through(place.hour)?;
        let mut copied = 0;
        let connection = place.open()?;
        while through < rows {
            let last = rows.min(through.saturating_add(ROWS_AT_ONCE));
            let mut transits = Vec::new();
            for row in through + 1..=last {
                match place.read(&connection, row) {
                    Ok((head, envelope)) => transits.push((self.renumbered(head)?, envelope)),
                    // Its gate's term was over before its hour's.
                    Err(_) if place.is_overwritten(&connection, row)? => {}
                    Err(StoreError::Damaged { .. }) => tracing::error!(
                        hour = %place.hour, row,
                        "a stored transit does not open and cannot be moved"
                    ),
                    Err(error) => return Err(error.into()),
                }
            }
            copied += self.shelf.put(place.hour, &transits, last)?;
            through = last;
        }
        Ok(copied)
    }

    /// The head with the numbers that its camera, gate and edge have in PostgreSQL.
    fn renumbered(&mut self, mut head: Head) -> Result<Head, StoreError> {
        head.entry.camera = self.number(NameKind::Camera, head.entry.camera)?;
        head.entry.gate = self.number(NameKind::Gate, head.entry.gate)?;
        head.edge = self.number(NameKind::Edge, head.edge)?;
        Ok(head)
    }

    fn number(&mut self, kind: NameKind, own: u32) -> Result<u32, StoreError> {
        if let Some(number) = self.numbers.get(&own) {
            return Ok(*number);
        }
        let known = self.names.name(own).map(str::to_owned);
        let name = match known {
            Some(name) => name,
            // Met by the running hub since.
            None => {
                let main = crate::store::open(&self.home.main_database())?;
                self.names = Names::load(&main)?;
                let damaged = StoreError::Damaged { what: "name" };
                self.names.name(own).ok_or(damaged)?.to_owned()
            }
        };
        let number = self.number_of(kind, &name)?;
        self.numbers.insert(own, number);
        Ok(number)
    }

    fn number_of(&mut self, kind: NameKind, name: &str) -> Result<u32, StoreError> {
        let numbers = self.shelf.numbers(&[(kind, name)])?;
        numbers
            .first()
            .copied()
            .ok_or(StoreError::Damaged { what: "name" })
    }

    /// Hands the chains over, and lets go of what PostgreSQL has. A kill on the way leaves either all
    /// in the home, or nothing but files that the next run removes.
    fn finish(&mut self, main: &mut Connection, moved: &mut Moved) -> Result<(), MoveError> {
        let held = main
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .doing("begin the end of the move")?;
        if chains::is_here(&held)? {
            moved.links = self.chains(&held)?;
            leaving::let_go(&held)?;
        }
        names::forget_all(&held)?;
        whereabouts::say(&held, &self.arrived)?;
        held.commit().doing("commit the end of the move")?;
        unlink_hours(self.home)?;
        moved.finished = true;
        Ok(())
    }

    fn chains(&mut self, main: &Connection) -> Result<u64, StoreError> {
        let mut chains = Vec::new();
        let mut edges: Vec<(String, u32)> = Vec::new();
        for head in leaving::heads(main)? {
            let number = self.number_of(NameKind::Edge, &head.edge)?;
            edges.push((head.edge, number));
            chains.push(MovedChain {
                edge: number,
                sequence: head.sequence,
                digest: head.digest,
                received_at_us: head.received_at_us,
                pruned_through: head.pruned_through,
            });
        }
        let mut gaps = Vec::new();
        for gap in leaving::gaps(main)? {
            gaps.push(MovedGap {
                edge: self.number_of(NameKind::Edge, &gap.edge)?,
                first: gap.first,
                last: gap.last,
                missing: gap.missing,
                opened_at_us: gap.opened_at_us,
                closed_at_us: gap.closed_at_us,
            });
        }
        let (mut at, mut after) = (0, 0);
        let next = || loop {
            let Some((edge, number)) = edges.get(at) else {
                return Ok(Vec::new());
            };
            let links = leaving::links(main, edge, after, LINKS_AT_ONCE)?;
            let Some(last) = links.last() else {
                (at, after) = (at + 1, 0);
                continue;
            };
            after = last.sequence;
            return Ok(links.into_iter().map(|link| taken(*number, link)).collect());
        };
        self.shelf.take_over(&chains, &gaps, next)
    }
}

fn taken(edge: u32, link: leaving::LeavingLink) -> MovedLink {
    MovedLink {
        edge,
        sequence: link.sequence,
        digest: link.digest,
        previous: link.previous,
        captured_at_us: link.captured_at_us,
        received_at_us: link.received_at_us,
        stored: link.stored,
        kind: link.kind,
    }
}
