//! Storing a batch in PostgreSQL, as one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use varco_proto::drops::SequenceRange;
use varco_proto::envelope::Verified;
use varco_proto::ids::EdgeId;
use varco_proto::record::Record;
use varco_proto::time::UtcTime;
use varco_proto::transit::Transit;

use super::chain::{self, Chains};
use super::connection::PgConnection;
use super::schema::{self, column, table_of};
use super::secrets::Secret;
use super::server::Server;
use super::{find, names, plates};
use crate::chains::heads::ChainLink;
use crate::chains::ledger::{Coming, Ledger};
use crate::chains::place::{Around, Missing};
use crate::hours::partition::Partition;
use crate::municipalities::Terms;
use crate::plates::plate::{Plate, folded};
use crate::store::StoreError;
use crate::transits::batch::{Inserted, Numbered, head_of};
use crate::transits::names::NameKind;
use crate::transits::rows::{self, Head};
use varco_proto::cipher::Key;

/// One writer's side of the store: a connection of its own.
#[derive(Debug)]
pub struct Shelf {
    pub(super) server: Arc<Server>,
    pub(super) link: PgConnection,
    /// The last edge whose links were pruned.
    pub(super) pruned_after: i32,
    /// Hours whose end stands in the audit, and whose tables are still to go.
    pub(super) ending: HashSet<Partition>,
}

/// A row as it goes into its hour's table.
#[derive(Debug)]
pub(super) struct Sealed {
    id: i64,
    plate: i64,
    camera: i64,
    head: Vec<u8>,
    envelope: Vec<u8>,
}

/// An hour that the batch writes to.
#[derive(Debug)]
struct Open {
    secret: Arc<Secret>,
    /// Ids that were asked for, and whether each is another record's.
    ids: HashMap<i64, bool>,
    rows: Vec<Sealed>,
    plates: HashMap<Plate, u32>,
}

/// The transits and chains of one batch. Dropped without [`PgBatch::commit`], nothing was stored.
#[derive(Debug)]
pub struct PgBatch<'a> {
    server: &'a Server,
    link: &'a mut PgConnection,
    chains: Chains,
    terms: Terms,
    hours: BTreeMap<Partition, Open>,
    names: HashMap<(NameKind, String), u32>,
    /// Gates with cameras that are met for the first time.
    met: BTreeSet<(u32, u32)>,
    made: HashSet<Partition>,
    gaps_to_tell: HashMap<EdgeId, Missing>,
    open: bool,
}

impl Shelf {
    /// A writer's side of a store; it connects when it is first used.
    #[must_use]
    pub fn of(server: Arc<Server>) -> Self {
        Self {
            link: PgConnection::to(Arc::clone(&server.address)),
            server,
            pruned_after: 0,
            ending: HashSet::new(),
        }
    }

    /// The store.
    #[must_use]
    pub fn server(&self) -> Arc<Server> {
        Arc::clone(&self.server)
    }

    /// Begins a batch: locks the heads of its edges, and reads ahead what it will be judged by.
    ///
    /// # Errors
    /// [`StoreError`]; the same batch is tried again.
    pub fn begin(&mut self, coming: &Coming<'_>) -> Result<PgBatch<'_>, StoreError> {
        self.link.ready()?;
        let Self { server, link, .. } = self;
        link.run("begin the batch", "BEGIN")?;
        let mut begun = PgBatch {
            server,
            link,
            chains: Chains::default(),
            terms: coming.terms.clone(),
            hours: BTreeMap::new(),
            names: HashMap::new(),
            met: BTreeSet::new(),
            made: HashSet::new(),
            gaps_to_tell: HashMap::new(),
            open: true,
        };
        begun.lock(coming)?;
        begun.read_ahead(coming)?;
        Ok(begun)
    }
}

impl PgBatch<'_> {
    fn lock(&mut self, coming: &Coming<'_>) -> Result<(), StoreError> {
        let mut edges = BTreeMap::new();
        // In their order, so that two hubs that meet a name first at once wait and never block.
        for edge in &coming.edges {
            let number = self.number(NameKind::Edge, edge.as_str())?;
            edges.insert(names::column(number)?, edge.clone());
        }
        self.chains = chain::lock(self.link, &edges)?;
        if self.server.shared {
            self.gaps_to_tell = chain::gaps_to_tell(self.link, &edges, coming.now)?;
        }
        Ok(())
    }

    fn read_ahead(&mut self, coming: &Coming<'_>) -> Result<(), StoreError> {
        let records = coming.records.iter();
        let records = records.map(|verified| (verified.value(), verified.digest()));
        self.chains.read_ahead(self.link, records)?;
        let (limits, now) = (coming.limits, coming.judged_at);
        let mut ids: BTreeMap<Partition, Vec<[u8; 16]>> = BTreeMap::new();
        for verified in &coming.records {
            let Some(transit) = verified.value().body.transit() else {
                continue;
            };
            let at = transit.captured_at.at;
            let hour = self.hour_of(transit);
            if at >= now - hour.term().within(limits.term) && at <= now + limits.ahead_max {
                ids.entry(hour).or_default().push(*transit.id.as_bytes());
            }
        }
        for (hour, ids) in ids {
            self.ask_ids(hour, ids)?;
        }
        Ok(())
    }

    /// Opens an hour for this batch, making its table and its key when they are missing.
    fn hour(&mut self, hour: Partition) -> Result<&mut Open, StoreError> {
        if !self.hours.contains_key(&hour) {
            let made = || {
                self.server
                    .made
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
            };
            if !made().contains(&hour) {
                schema::make_hour(self.link, hour, self.server.citus)?;
                self.made.insert(hour);
            }
            let open = Open {
                secret: self.server.secrets.of_or_make(hour)?,
                ids: HashMap::new(),
                rows: Vec::new(),
                plates: HashMap::new(),
            };
            self.hours.insert(hour, open);
        }
        let gone = StoreError::Damaged { what: "hour" };
        self.hours.get_mut(&hour).ok_or(gone)
    }

    /// Asks which ids an hour has already.
    fn hour_of(&self, transit: &Transit) -> Partition {
        Partition::of(transit.captured_at.at, self.terms.of(&transit.gate))
    }

    fn ask_ids(&mut self, hour: Partition, ids: Vec<[u8; 16]>) -> Result<(), StoreError> {
        self.hour(hour)?;
        // The same event, told again after its gate's term changed, lies in another partition.
        let others: Vec<Partition> = {
            let made = self.server.made.lock();
            let made = made.unwrap_or_else(PoisonError::into_inner);
            let other = |other: &&Partition| other.hour() == hour.hour() && **other != hour;
            made.iter().filter(other).copied().collect()
        };
        let mut taken: Vec<i64> = Vec::new();
        for hour in others.into_iter().chain([hour]) {
            let Some(secret) = self.server.secrets.of(hour)? else {
                continue;
            };
            let known = known(self.link, hour, &secret, &ids);
            if known.as_ref().is_err_and(StoreError::is_no_such_table) {
                self.unmake(hour);
            }
            taken.extend(known?);
        }
        let open = self.hour(hour)?;
        open.ids.extend(ids.iter().map(|id| (mark(id), false)));
        open.ids.extend(taken.into_iter().map(|id| (id, true)));
        Ok(())
    }

    fn number(&mut self, kind: NameKind, name: &str) -> Result<u32, StoreError> {
        let known = {
            let names = self.server.names.read();
            names
                .unwrap_or_else(PoisonError::into_inner)
                .number(kind, name)
        };
        let key = (kind, name.to_owned());
        if let Some(number) = known.or_else(|| self.names.get(&key).copied()) {
            return Ok(number);
        }
        let number = names::number_of(self.link, kind, name)?;
        self.names.insert(key, number);
        Ok(number)
    }

    fn meet(&mut self, numbers: Numbered) {
        let names = self.server.names.read();
        let names = names.unwrap_or_else(PoisonError::into_inner);
        if !names.has_met(numbers.gate, numbers.camera) {
            self.met.insert((numbers.gate, numbers.camera));
        }
    }

    /// Locks the chain of an edge that was not known to be in the batch: it was registered, or let in
    /// again, while the batch was under way. Out of the locks' order two hubs may meet; PostgreSQL
    /// then breaks one batch off, which is tried again.
    fn locked(&mut self, edge: &EdgeId) -> Result<(), StoreError> {
        if self.chains.has(edge) {
            return Ok(());
        }
        let number = self.number(NameKind::Edge, edge.as_str())?;
        let number = names::column(number)?;
        let alone = BTreeMap::from([(number, edge.clone())]);
        self.chains.join(chain::lock(self.link, &alone)?);
        Ok(())
    }

    /// Notes that an hour's table is not there after all: another hub destroyed it.
    fn unmake(&self, hour: Partition) {
        let made = self.server.made.lock();
        made.unwrap_or_else(PoisonError::into_inner).remove(&hour);
    }

    /// Writes all that the batch came to; nobody sees it before [`PgBatch::commit`].
    ///
    /// # Errors
    /// [`StoreError`]; the batch is given up whole.
    pub fn write(&mut self) -> Result<(), StoreError> {
        for (hour, open) in &mut self.hours {
            if open.rows.is_empty() {
                continue;
            }
            copy_rows(self.link, *hour, &open.rows)?;
            let mut counted: Vec<(Plate, u32)> =
                std::mem::take(&mut open.plates).into_iter().collect();
            counted.sort_unstable();
            plates::keep(self.link, *hour, &plates::seal(&open.secret, &counted)?)?;
        }
        names::keep_met(self.link, &self.met)?;
        self.chains.write(self.link)
    }

    /// The hours that the batch stores transits in.
    #[must_use]
    pub fn stored_hours(&self) -> Vec<Partition> {
        let filled = self.hours.iter().filter(|(_, open)| !open.rows.is_empty());
        filled.map(|(hour, _)| *hour).collect()
    }

    /// Commits. After an error nobody knows whether it happened: the batch is tried again, and what
    /// was stored is found in its chain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn commit(mut self) -> Result<(), StoreError> {
        self.open = false;
        let committed = self.link.run("commit the batch", "COMMIT");
        if committed.is_err() {
            self.link.give_up();
            return committed;
        }
        let made = self.server.made.lock();
        made.unwrap_or_else(PoisonError::into_inner)
            .extend(self.made.drain());
        let names = self.server.names.write();
        let mut names = names.unwrap_or_else(PoisonError::into_inner);
        for ((kind, name), number) in self.names.drain() {
            names.add(number, kind, &name);
        }
        for (gate, camera) in &self.met {
            names.meet(*gate, *camera);
        }
        Ok(())
    }
}

impl Drop for PgBatch<'_> {
    fn drop(&mut self) {
        if self.open && self.link.run("give the batch up", "ROLLBACK").is_err() {
            self.link.give_up();
        }
    }
}

/// What tells transits of one hour apart, as the database has it: the whole id in 64 bits.
pub(super) fn mark(id: &[u8; 16]) -> i64 {
    i64::from_be_bytes(rows::id_mark(id).to_be_bytes())
}

/// What versions before had in its place: the random half of the id.
pub(super) fn tail(id: &[u8; 16]) -> i64 {
    i64::from_be_bytes(rows::id_tail(id).to_be_bytes())
}

/// What tells transits of one microsecond apart in a page's order.
pub(super) fn row_of(id: i64) -> u32 {
    let [_, _, _, _, a, b, c, d] = id.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

impl Ledger for PgBatch<'_> {
    fn around(&mut self, record: &Record) -> Result<Around, StoreError> {
        self.locked(&record.edge)?;
        self.chains.around(self.link, record)
    }

    fn note(
        &mut self,
        verified: &Verified<Record>,
        stored: bool,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        let fresh = ChainLink::of(verified, stored, now);
        self.chains
            .note(self.link, &verified.value().edge, fresh, now)
    }

    fn open_gap(
        &mut self,
        edge: &EdgeId,
        missing: Missing,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        self.chains.open_gap(self.link, edge, missing, now)
    }

    fn explain(
        &mut self,
        edge: &EdgeId,
        range: SequenceRange,
        now: UtcTime,
    ) -> Result<(), StoreError> {
        self.chains.explain(self.link, edge, range, now)
    }

    fn insert(
        &mut self,
        verified: &Verified<Record>,
        received_at: UtcTime,
    ) -> Result<Inserted, StoreError> {
        let record = verified.value();
        let damaged = StoreError::Damaged { what: "transit" };
        let transit = record.body.transit().ok_or(damaged)?;
        let hour = self.hour_of(transit);
        let id = mark(transit.id.as_bytes());
        if !self.hour(hour)?.ids.contains_key(&id) {
            self.ask_ids(hour, vec![*transit.id.as_bytes()])?;
        }
        if self.hour(hour)?.ids.get(&id) == Some(&true) {
            return Ok(Inserted::IdTaken);
        }
        let numbers = Numbered {
            camera: self.number(NameKind::Camera, transit.camera.as_str())?,
            gate: self.number(NameKind::Gate, transit.gate.as_str())?,
            edge: self.number(NameKind::Edge, record.edge.as_str())?,
        };
        self.meet(numbers);
        let head = head_of(verified, transit, numbers, row_of(id), received_at);
        let open = self.hour(hour)?;
        open.rows
            .push(sealed(&open.secret, hour, id, &head, verified.envelope())?);
        open.ids.insert(id, true);
        *open.plates.entry(folded(&head.entry.plate)).or_insert(0) += 1;
        Ok(Inserted::New)
    }

    fn tells_gaps(&self) -> bool {
        !self.server.shared
    }

    fn gap_to_tell(&mut self, edge: &EdgeId) -> Option<Missing> {
        self.gaps_to_tell.remove(edge)
    }

    fn hour_key(&self, transit: &Transit) -> Result<(Partition, Arc<Key>), StoreError> {
        let hour = self.hour_of(transit);
        let secret = self.server.secrets.of_or_make(hour)?;
        Ok((hour, Arc::clone(&secret.key)))
    }
}

/// The marks of those of these ids that an hour has.
pub(super) fn known(
    link: &mut PgConnection,
    hour: Partition,
    secret: &Secret,
    ids: &[[u8; 16]],
) -> Result<HashSet<i64>, StoreError> {
    let marks: HashSet<i64> = ids.iter().map(mark).collect();
    let asked: Vec<i64> = marks.iter().copied().chain(ids.iter().map(tail)).collect();
    let sql = format!("SELECT id, head FROM {} WHERE id = ANY($1)", table_of(hour));
    let rows = link.rows("look for transits by their ids", &sql, &[&asked])?;
    let mark_of = |row: &Row| {
        let id: i64 = row.get(0);
        if marks.contains(&id) {
            return Some(id);
        }
        // A row of a version before stands under half an id: its head says whose it is.
        find::head_in(secret, hour, id, row.get(1)).map(|head| mark(&head.id))
    };
    Ok(rows.iter().filter_map(mark_of).collect())
}

/// Copies rows into their hour's table.
pub(super) fn copy_rows(
    link: &PgConnection,
    hour: Partition,
    rows: &[Sealed],
) -> Result<u64, StoreError> {
    let types = [
        Type::INT4,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::BYTEA,
        Type::BYTEA,
    ];
    let number = column(hour);
    let rows = rows.iter().map(|row| {
        let values: Vec<&(dyn ToSql + Sync)> = vec![
            &number,
            &row.id,
            &row.plate,
            &row.camera,
            &row.head,
            &row.envelope,
        ];
        values
    });
    link.copy("store the transits", &table_of(hour), &types, rows)
}

/// Seals a transit as a row of its hour.
pub(super) fn sealed(
    secret: &Secret,
    hour: Partition,
    id: i64,
    head: &Head,
    envelope: &[u8],
) -> Result<Sealed, StoreError> {
    Ok(Sealed {
        id,
        plate: secret.plate(&head.entry.plate),
        camera: secret.camera(head.entry.camera),
        head: secret.seal(&find::place_of(find::HEAD, hour, id), &head.to_bytes())?,
        envelope: secret.seal(&find::place_of(find::ENVELOPE, hour, id), envelope)?,
    })
}
