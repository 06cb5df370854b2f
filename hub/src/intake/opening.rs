//! Opening the envelopes of a batch on all cores, before its transaction begins.
//!
//! What decides over an envelope, the edge's key and standing, is read from a copy of the
//! registered edges. The writer compares its version within its own transaction, so that a
//! revocation or a fork counts from the very next commit: what was opened under another version
//! is opened again there.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use varco_proto::envelope::Verified;
use varco_proto::ids::EdgeId;
use varco_proto::record::Record;
use varco_proto::topics::Topic;

use super::judge::{Refused, open_record};
use super::pool::Pool;
use super::writer::Message;
use crate::boxes::edges::{self, Edge};
use crate::store::Doing as _;
use crate::store::StoreError;
use crate::store::sql::{Connection, TransactionBehavior};

/// The registered edges at one moment.
#[derive(Debug, Default)]
pub struct Registered {
    /// Their version; none of nothing.
    version: Option<i64>,
    edges: HashMap<EdgeId, Edge>,
}

impl Registered {
    fn read(main: &mut Connection) -> Result<Self, StoreError> {
        // Version and edges must be of one moment.
        let snapshot = main
            .transaction_with_behavior(TransactionBehavior::Deferred)
            .doing("read the edges")?;
        let version = edges::version(&snapshot)?;
        let all = edges::all(&snapshot)?.into_iter();
        Ok(Self {
            version: Some(version),
            edges: all.map(|edge| (edge.id.clone(), edge)).collect(),
        })
    }
}

/// An envelope that opened, or why not.
pub type Opening = Result<Arc<Verified<Record>>, Refused>;

/// A batch with what came of opening its records.
#[derive(Debug)]
pub struct Opened {
    messages: Arc<[Message]>,
    openings: Vec<Option<Opening>>,
    version: Option<i64>,
}

impl Opened {
    /// The messages, each with its opening; none for what the writer has to open by itself.
    pub fn iter(&self) -> impl Iterator<Item = (&Message, Option<&Opening>)> {
        let openings = self.openings.iter().map(Option::as_ref);
        self.messages
            .iter()
            .zip(openings.chain(std::iter::repeat(None)))
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The version of the edges that the openings hold for.
    #[must_use]
    pub fn version(&self) -> Option<i64> {
        self.version
    }

    /// The edges whose records the batch may store: those that opened, and those that the writer opens by
    /// itself.
    pub(super) fn edges(&self) -> BTreeSet<EdgeId> {
        let edges = self.iter().filter_map(|(message, opening)| match opening {
            Some(Ok(verified)) => Some(verified.value().edge.clone()),
            Some(Err(_)) => None,
            None => match Topic::parse(&message.topic) {
                Some(Topic::Record(edge)) => Some(edge),
                _ => None,
            },
        });
        edges.collect()
    }

    /// The records that opened.
    pub(super) fn records(&self) -> Vec<&Verified<Record>> {
        let openings = self.openings.iter().flatten();
        openings
            .filter_map(|opening| opening.as_ref().ok().map(Arc::as_ref))
            .collect()
    }

    /// Each message as a batch of its own.
    pub fn singly(&self) -> impl Iterator<Item = Self> {
        self.iter().map(|(message, opening)| Self {
            messages: Arc::from([message.clone()]),
            openings: vec![opening.cloned()],
            version: self.version,
        })
    }

    /// Puts the records of each edge in the order of its chain, within the places that they have
    /// in the batch. For a broker that hands one edge's records to several connections.
    #[must_use]
    pub fn in_chain_order(self) -> Self {
        let mut places: HashMap<EdgeId, Vec<(u64, usize)>> = HashMap::new();
        for (at, opening) in self.openings.iter().enumerate() {
            if let Some(Ok(verified)) = opening {
                let record = verified.value();
                let of_edge = places.entry(record.edge.clone()).or_default();
                of_edge.push((record.sequence, at));
            }
        }
        let mut order: Vec<usize> = (0..self.messages.len()).collect();
        for of_edge in places.into_values() {
            let free: Vec<usize> = of_edge.iter().map(|(_, at)| *at).collect();
            let mut sorted = of_edge;
            sorted.sort_unstable();
            for (place, (_, at)) in free.into_iter().zip(sorted) {
                order[place] = at;
            }
        }
        let messages = order.iter().map(|at| self.messages[*at].clone()).collect();
        let openings = order.iter().map(|at| self.openings.get(*at)?.clone());
        Self {
            messages,
            openings: openings.collect(),
            version: self.version,
        }
    }
}

impl From<Arc<[Message]>> for Opened {
    /// A batch that the writer opens by itself.
    fn from(messages: Arc<[Message]>) -> Self {
        Self {
            messages,
            openings: Vec::new(),
            version: None,
        }
    }
}

/// Opens batches.
pub struct Opener {
    main: Connection,
    registered: Arc<Registered>,
    pool: Arc<Pool>,
}

impl Opener {
    /// An opener with a connection of its own to the main database.
    #[must_use]
    pub fn new(main: Connection, pool: Arc<Pool>) -> Self {
        Self {
            main,
            registered: Arc::default(),
            pool,
        }
    }

    /// Opens the records of a batch. When the edges cannot be read, nothing is opened: the writer
    /// meets the same trouble, and it is the one that tries again.
    pub fn open(&mut self, messages: Arc<[Message]>) -> Opened {
        if let Err(error) = self.refresh() {
            tracing::warn!(error = %error, "the edges cannot be read ahead of a batch");
            return messages.into();
        }
        let registered = self.registered.clone();
        let openings = self.pool.map(&messages, move |message| {
            let Some(Topic::Record(edge)) = Topic::parse(&message.topic) else {
                return None;
            };
            let opened = open_record(&message.bytes, &edge, registered.edges.get(&edge));
            Some(opened.map(Arc::new))
        });
        Opened {
            messages,
            openings: openings.into_iter().map(Option::flatten).collect(),
            version: self.registered.version,
        }
    }

    fn refresh(&mut self) -> Result<(), StoreError> {
        if self.registered.version != Some(edges::version(&self.main)?) {
            self.registered = Arc::new(Registered::read(&mut self.main)?);
        }
        Ok(())
    }
}
