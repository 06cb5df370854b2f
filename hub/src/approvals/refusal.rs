//! Why nothing was asked, decided or used.

use std::time::Duration;

use thiserror::Error;

use super::ApprovalId;
use super::approval::ApprovalState;
use crate::audit::AuditError;
use crate::judgement::desk::SecondLookError;
use crate::machine::random::RandomError;
use crate::store::StoreError;

/// Nothing was asked, decided or used.
#[derive(Debug, Error)]
pub enum ApprovalError {
    /// There is none that whoever asks may know of.
    #[error("there is no such request")]
    Unknown,
    /// It waits no more.
    #[error("the request waits no more: it is {}", .0.as_str())]
    Settled(ApprovalState),
    /// What it is for is not unlocked.
    #[error("the request unlocks nothing: it is {}", .0.as_str())]
    Locked(ApprovalState),
    /// It is for something else.
    #[error("the request is for something else")]
    Other,
    /// Their own.
    #[error("whoever asks does not decide, under no account: another person must")]
    OnePerson,
    /// They decided already.
    #[error("one person is one word: you have decided about this request")]
    Twice,
    /// A program.
    #[error("a person must ask and decide, and no program")]
    NoPerson,
    /// The policy does not let them.
    #[error("your office, role or post may not decide about this request")]
    MayNot,
    /// Somebody else's.
    #[error("only whoever asked may do this")]
    NotTheirs,
    /// The same waits already.
    #[error("you have asked for the same, and it waits: {0}")]
    Waits(ApprovalId),
    /// Too many.
    #[error("as many of your requests wait as may: withdraw one, or see that somebody decides")]
    TooMany,
    /// A field.
    #[error("`{0}` is missing, too long or not of its form")]
    Field(&'static str),
    /// Its time.
    #[error("it can be unlocked for a minute at least and {} minutes at most", .0.as_secs() / 60)]
    Lasts(Duration),
    /// It cannot be judged who may: then nobody may.
    #[error("it cannot be judged who may decide: {0}")]
    Unjudged(String),
    /// What is blocked is kept.
    #[error("transits of the request are blocked: let their blocks be lifted first")]
    Blocked,
    /// A second look cannot be asked for.
    #[error(transparent)]
    Look(#[from] SecondLookError),
    /// See [`RandomError`].
    #[error("cannot draw an id")]
    Random(#[from] RandomError),
    /// No line, no act.
    #[error("the audit line cannot be written, so nothing was done")]
    Audit(#[from] AuditError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
