//! Whether a record is taken. Pure: what is known comes in, the judgement goes out.

use varco_proto::envelope::{OpenError, Verified, open};
use varco_proto::ids::{Digest, EdgeId};
use varco_proto::receipt::{DETAIL_BYTES_MAX, RefusalReason};
use varco_proto::record::{Record, RecordBody};
use varco_proto::time::UtcTime;
use varco_proto::transit::ClockSource;

use crate::boxes::edges::Edge;
use crate::chains::place::{Around, KnownLink, Limits, Missing};

/// Highest sequence taken. At one record a millisecond a chain gets there in 140,000 years.
const SEQUENCE_MAX: u64 = 1 << 62;

/// Why an envelope is not taken as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub reason: RefusalReason,
    /// For the log, without a plate.
    pub detail: String,
    /// The record's sequence; 0 when it could not be read.
    pub sequence: u64,
    /// The record's digest, or that of the bytes when they could not be opened.
    pub digest: Digest,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Store and receipt it; some before it may be missing.
    Store(Option<Missing>),
    /// Stored before: receipt it again.
    Replay,
    /// Do not store its transit.
    Refuse {
        /// Why.
        reason: RefusalReason,
        /// For the log, without a plate.
        detail: String,
        /// Whether the record is the chain's own, so that its place is noted as filled.
        keeps_place: bool,
    },
}

/// Opens an envelope that came on an edge's topic, with the key registered for that edge.
///
/// # Errors
/// [`Refused`], with what could be read.
pub fn open_record(
    bytes: &[u8],
    topic_edge: &EdgeId,
    registered: Option<&Edge>,
) -> Result<Verified<Record>, Refused> {
    let refused = |reason, detail: String| Refused {
        reason,
        detail: shorten(detail),
        sequence: 0,
        digest: Digest::of(bytes),
    };
    let edge = match registered {
        None => {
            let detail = "the edge is not registered at this hub".to_owned();
            return Err(refused(RefusalReason::UnknownKey, detail));
        }
        Some(Edge {
            revoked_at: Some(at),
            ..
        }) => {
            let detail = format!("the edge is revoked since {at}");
            return Err(refused(RefusalReason::UnknownKey, detail));
        }
        Some(Edge {
            forked_at: Some(at),
            ..
        }) => {
            let detail = format!("the edge's chain forked at {at}; a person must release it");
            return Err(refused(RefusalReason::OnHold, detail));
        }
        Some(edge) => edge,
    };
    let verified = open::<Record>(bytes, &edge.opening_key).map_err(|error| {
        let detail = match &error {
            OpenError::Payload(payload) => format!("{error}: {payload}"),
            _ => error.to_string(),
        };
        refused(reason_of(&error), detail)
    })?;
    let record = verified.value();
    let known = |reason, detail: String| Refused {
        reason,
        detail: shorten(detail),
        sequence: record.sequence,
        digest: verified.digest(),
    };
    if record.edge != *topic_edge {
        let detail = format!("the record names another edge than the topic's, `{topic_edge}`");
        return Err(known(RefusalReason::WrongEdge, detail));
    }
    if record.sequence > SEQUENCE_MAX {
        let detail = "the sequence is higher than any chain gets".to_owned();
        return Err(known(RefusalReason::Malformed, detail));
    }
    Ok(verified)
}

/// The reason that goes with an envelope that does not open.
#[must_use]
pub fn reason_of(error: &OpenError) -> RefusalReason {
    match error {
        OpenError::Oversized(_) => RefusalReason::Oversized,
        OpenError::Signature => RefusalReason::BadSignature,
        OpenError::Malformed | OpenError::Type(_) | OpenError::Payload(_) => {
            RefusalReason::Malformed
        }
    }
}

/// Judges a verified record. A replay comes before the limits of time: an edge that missed a
/// receipt must get it, however late.
#[must_use]
pub fn judge(
    record: &Record,
    digest: Digest,
    around: &Around,
    limits: &Limits,
    now: UtcTime,
) -> Judgement {
    let refuse = |reason, detail: String, keeps_place| Judgement::Refuse {
        reason,
        detail: shorten(detail),
        keeps_place,
    };
    match around.here {
        Some(link) if link.digest != digest => {
            let detail = "another record has this place in the chain".to_owned();
            return refuse(RefusalReason::Fork, detail, false);
        }
        Some(KnownLink { stored: true, .. }) => return Judgement::Replay,
        _ => {}
    }
    if around.pruned {
        let detail = "its place in the chain was filled, longer ago than links are kept".to_owned();
        return refuse(RefusalReason::TooOld, detail, false);
    }
    if around
        .before
        .is_some_and(|before| before != record.previous)
    {
        let detail = "it does not follow the record that is stored before it".to_owned();
        return refuse(RefusalReason::Fork, detail, false);
    }
    if around
        .after_follows
        .is_some_and(|followed| followed != digest)
    {
        let detail = "the record that is stored after it follows another".to_owned();
        return refuse(RefusalReason::Fork, detail, false);
    }
    let missing = (record.sequence > around.head.saturating_add(1)).then(|| Missing {
        first: around.head + 1,
        last: record.sequence - 1,
    });
    let RecordBody::Transit(transit) = &record.body else {
        // An alarm is taken however wrong the clock is that stamped it.
        return Judgement::Store(missing);
    };
    let captured_at = transit.captured_at.at;
    if transit.captured_at.source == ClockSource::File {
        let detail = "its capture time is a file's, which no hub stores".to_owned();
        return refuse(RefusalReason::Malformed, detail, true);
    }
    if captured_at < now - limits.term {
        let hours = limits.term.as_secs() / 3600;
        let detail = format!("captured at {captured_at}, more than {hours} hours ago");
        return refuse(RefusalReason::TooOld, detail, true);
    }
    if captured_at > now + limits.ahead_max {
        let seconds = limits.ahead_max.as_secs();
        let detail =
            format!("captured at {captured_at}, more than {seconds} s after the hub's {now}");
        return refuse(RefusalReason::FromTheFuture, detail, true);
    }
    Judgement::Store(missing)
}

/// Keeps a detail within its limit.
fn shorten(mut detail: String) -> String {
    let mut end = DETAIL_BYTES_MAX.min(detail.len());
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    detail.truncate(end);
    detail
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use varco_proto::confidence::Confidence;
    use varco_proto::ids::TransitId;
    use varco_proto::transit::{CaptureTime, CharacterCandidate, PlateCrop, PlateRead, Transit};

    const LIMITS: Limits = Limits {
        term: Duration::from_secs(7 * 24 * 3600),
        ahead_max: Duration::from_secs(60),
    };

    fn now() -> UtcTime {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn record(sequence: u64, captured_at: UtcTime) -> Record {
        let candidate = CharacterCandidate {
            symbol: 'A',
            confidence: Confidence::ONE,
        };
        Record {
            edge: "a".parse().unwrap(),
            sequence,
            previous: Digest::of(b"before"),
            sealed_at: captured_at,
            body: RecordBody::Transit(Transit {
                id: TransitId::from_parts(captured_at.unix_ms(), [0; 10]),
                camera: "a".parse().unwrap(),
                gate: "a".parse().unwrap(),
                captured_at: CaptureTime {
                    at: captured_at,
                    uncertainty: Duration::ZERO,
                    source: ClockSource::Arrival,
                },
                first_seen: captured_at,
                last_seen: captured_at,
                direction: None,
                lane: None,
                travel: None,
                plate: PlateRead {
                    text: "A".parse().unwrap(),
                    confidence: Confidence::ONE,
                    characters: vec![vec![candidate]],
                    agreeing_reads: 1,
                    reads: 1,
                    countries: Vec::new(),
                    rows: 1,
                },
                crop: PlateCrop {
                    jpeg: vec![0xff, 0xd8],
                    width_px: 1,
                    height_px: 1,
                },
                model_digest: Digest::of(b"model"),
                onboard: None,
            }),
        }
    }

    fn reason(judgement: &Judgement) -> Option<RefusalReason> {
        match judgement {
            Judgement::Refuse { reason, .. } => Some(*reason),
            _ => None,
        }
    }

    fn own() -> Digest {
        Digest::of(b"own")
    }

    #[test]
    fn the_term_and_the_tolerance_hold_to_the_microsecond() {
        let around = Around {
            head: 4,
            ..Around::default()
        };
        let tick = Duration::from_micros(1);
        let oldest = now() - LIMITS.term;
        let latest = now() + LIMITS.ahead_max;
        for (at, expected) in [
            (oldest, None),
            (oldest - tick, Some(RefusalReason::TooOld)),
            (latest, None),
            (latest + tick, Some(RefusalReason::FromTheFuture)),
        ] {
            let judgement = judge(&record(5, at), own(), &around, &LIMITS, now());
            assert_eq!(reason(&judgement), expected, "{at}");
        }
    }

    #[test]
    fn only_a_place_beyond_the_next_leaves_a_gap() {
        for (head, sequence, missing) in [
            (0, 1, None),
            (4, 5, None),
            (4, 3, None),
            (4, 7, Some(Missing { first: 5, last: 6 })),
            (0, 2, Some(Missing { first: 1, last: 1 })),
        ] {
            let around = Around {
                head,
                ..Around::default()
            };
            let judgement = judge(&record(sequence, now()), own(), &around, &LIMITS, now());
            assert_eq!(
                judgement,
                Judgement::Store(missing),
                "{sequence} after {head}"
            );
        }
    }

    #[test]
    fn neighbours_must_be_linked() {
        let linked = Around {
            head: 9,
            before: Some(Digest::of(b"before")),
            after_follows: Some(own()),
            ..Around::default()
        };
        let other = Some(Digest::of(b"other"));
        let record = record(5, now());
        let judged = |around| judge(&record, own(), &around, &LIMITS, now());
        assert_eq!(judged(linked), Judgement::Store(None));
        for broken in [
            Around {
                before: other,
                ..linked
            },
            Around {
                after_follows: other,
                ..linked
            },
        ] {
            assert_eq!(reason(&judged(broken)), Some(RefusalReason::Fork));
        }
    }

    #[test]
    fn a_long_detail_is_cut_at_a_character() {
        let cut = shorten("è".repeat(DETAIL_BYTES_MAX));
        assert!(cut.len() <= DETAIL_BYTES_MAX && cut.starts_with('è'));
    }
}
