//! What can go wrong in the spool, and what to do about it.

use std::path::{Path, PathBuf};

use thiserror::Error;
use varco_proto::ids::EdgeId;

use crate::adapters::random::RandomError;

/// The spool cannot do what was asked. What it holds is whole in every case.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// Correct `edge.state_folder` or its rights; the daemon does not start.
    #[error("cannot use the state folder `{folder}`; it must exist and be writable for the daemon")]
    Folder {
        /// `edge.state_folder`.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Stop the other process first.
    #[error("the spool in `{folder}` is in use by another process; stop that one first")]
    InUse {
        /// `edge.state_folder`.
        folder: PathBuf,
    },
    /// Mend or move the file; the daemon does not start.
    #[error("cannot open the spool `{path}`")]
    Open {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Use the version that wrote it, or a later one.
    #[error("the spool `{path}` was written by a later version of varco-edge (format {found})")]
    Version {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// Another edge's records, or another key's: they cannot go on in one chain.
    #[error(
        "the spool `{path}` was begun by edge `{edge}` or with another key; let the hub take what \
         it holds with the old configuration, or move the spool's files away"
    )]
    OtherEdge {
        /// The database.
        path: PathBuf,
        /// Who began it.
        edge: String,
    },
    /// Hold the record and try again.
    #[error("the disk under `{path}` is full, nothing can be sealed; free some space there")]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Restore the box key that sealed it; the daemon does not start.
    #[error(
        "the spool `{path}` does not open with this box key; restore the key that it was begun \
         with (nothing was changed), or move the file away to begin anew without what it holds"
    )]
    BoxKey {
        /// The database.
        path: PathBuf,
    },
    /// A person must judge; the daemon does not start.
    #[error(
        "`{path}` does not say where the chain stands: it is damaged, or was sealed with another \
         box key; restore it with the spool, or remove it when the spool beside it is surely whole"
    )]
    Witness {
        /// `spool.head`.
        path: PathBuf,
    },
    /// Let it go with [`super::Spool::give_up`].
    #[error("record {sequence} is damaged on the disk")]
    Damaged {
        /// Its place in the chain.
        sequence: u64,
    },
    /// Hold the record and try again.
    #[error("nothing can be encrypted")]
    Random(#[from] RandomError),
    /// Ignore the message: it is not for this edge.
    #[error("the hub's answer is for edge `{edge}`")]
    WrongEdge {
        /// Whom it is for.
        edge: EdgeId,
    },
    /// The daemon stops: nothing to do.
    #[error("the daemon is stopping")]
    Stopping,
    /// Try again; when it lasts, the disk or the file is damaged.
    #[error("cannot {doing} in the spool `{path}`")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// For `map_err`: a full disk is told apart from the rest.
pub(super) fn doing(
    what: &'static str,
    path: &Path,
) -> impl Fn(rusqlite::Error) -> SpoolError + use<> {
    let path = path.to_owned();
    move |source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => SpoolError::DiskFull { path: path.clone() },
        _ => SpoolError::Database {
            doing: what,
            path: path.clone(),
            source,
        },
    }
}

/// SQLite's integers are signed; counts and sequences never are.
pub(super) fn whole(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
