//! What kinds of records a spool holds.

use varco_proto::record::RecordBody;

/// What kind of record a row holds, as the tables have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Transit,
    Alarm,
    Report,
}

impl Kind {
    pub(super) fn of(body: &RecordBody) -> Self {
        match body {
            RecordBody::Transit(_) => Self::Transit,
            RecordBody::Tamper(_) => Self::Alarm,
            RecordBody::Drops(_) => Self::Report,
        }
    }

    pub(super) fn number(self) -> i64 {
        match self {
            Self::Transit => 0,
            Self::Alarm => 1,
            Self::Report => 2,
        }
    }
}
