//! Edges that seal made-up transits, as real ones do.

use std::sync::Arc;
use std::time::Duration;

use varco_proto::confidence::Confidence;
use varco_proto::ids::{Digest, EdgeId, TransitId};
use varco_proto::keys::SealingKey;
use varco_proto::record::{ChainHead, RecordBody};
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;
use varco_proto::transit::{
    CaptureTime, CharacterCandidate, ClockSource, CountryCandidate, PlateCrop, PlateRead, Transit,
};

use super::fill::{GATE, plate, scrambled};
use crate::boxes::edges::{self, Edge};
use crate::home::Home;
use crate::intake::writer::Message;

/// Bytes of what stands for a picture.
const CROP_BYTES: usize = 900;

/// An edge.
pub(super) struct Sender {
    pub(super) id: EdgeId,
    pub(super) key: SealingKey,
    head: ChainHead,
}

impl Sender {
    /// Seals its next record.
    pub(super) fn seal(&mut self, body: RecordBody, at: UtcTime) -> Message {
        let (head, sealed) = self.head.seal_next(&self.id, body, at, &self.key);
        self.head = head;
        Message {
            topic: Topic::Record(self.id.clone()).name(),
            bytes: sealed.envelope,
        }
    }
}

/// Registers so many edges of a name.
pub(super) fn register(
    home: &Home,
    name: &str,
    count: u32,
    now: UtcTime,
) -> anyhow::Result<Vec<Sender>> {
    let main = home.open_main()?;
    main.execute_batch("BEGIN IMMEDIATE")?;
    let mut senders = Vec::new();
    for number in 0..count {
        let id: EdgeId = format!("{name}-{number:04}").parse()?;
        let key = SealingKey::from_pkcs8(&SealingKey::generate()?)?;
        let edge = Edge {
            id: id.clone(),
            gate: GATE.parse()?,
            opening_key: key.opening_key(),
            certificate_serial: number.to_be_bytes().to_vec(),
            registered_at: now,
            revoked_at: None,
            forked_at: None,
            report: None,
        };
        edges::register(&main, &edge)?;
        senders.push(Sender {
            id,
            key,
            head: ChainHead::START,
        });
    }
    main.execute_batch("COMMIT")?;
    Ok(senders)
}

/// Seals so many records of all edges in turns, `in_a_row` of each, captured in the last minutes.
/// `seed` makes ids and plates that no other seed makes.
pub(super) fn seal(
    senders: &mut [Sender],
    count: usize,
    in_a_row: usize,
    now: UtcTime,
    seed: u64,
) -> anyhow::Result<Arc<[Message]>> {
    let edges = senders.len();
    let mut messages = Vec::with_capacity(count);
    for number in 0..count {
        let Some(edge) = senders.get_mut(number / in_a_row % edges) else {
            break;
        };
        let back = u64::try_from((count - number) % 200_000)?;
        let at = now - Duration::from_millis(back);
        let random = scrambled(seed ^ u64::try_from(number)?.rotate_left(24));
        let body = RecordBody::Transit(transit(edge, at, random)?);
        messages.push(edge.seal(body, at));
    }
    Ok(messages.into())
}

pub(super) fn transit(edge: &Sender, at: UtcTime, random: u64) -> anyhow::Result<Transit> {
    let text = plate(random);
    let sure = Confidence::saturating(0.97);
    let character = |symbol| {
        vec![CharacterCandidate {
            symbol,
            confidence: sure,
        }]
    };
    let mut tail = [0; 10];
    let bytes = random
        .to_be_bytes()
        .into_iter()
        .chain(scrambled(random).to_be_bytes());
    for (to, from) in tail.iter_mut().zip(bytes) {
        *to = from;
    }
    Ok(Transit {
        id: TransitId::from_parts(at.unix_ms(), tail),
        camera: edge.id.as_str().parse()?,
        gate: GATE.parse()?,
        captured_at: CaptureTime {
            at,
            uncertainty: Duration::from_millis(20),
            source: ClockSource::Arrival,
        },
        first_seen: at,
        last_seen: at,
        direction: None,
        lane: None,
        travel: None,
        plate: PlateRead {
            text: text.parse()?,
            confidence: sure,
            characters: text.chars().map(character).collect(),
            agreeing_reads: 5,
            reads: 6,
            countries: vec![CountryCandidate {
                country: "IT".into(),
                confidence: sure,
            }],
            rows: 1,
        },
        crop: PlateCrop {
            jpeg: [0xff, 0xd8].into_iter().cycle().take(CROP_BYTES).collect(),
            width_px: 160,
            height_px: 48,
        },
        model_digest: Digest::of(b"bench"),
        onboard: None,
    })
}
