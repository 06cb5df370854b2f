//! The texts that the frames of one track gave, each frame on its own.

use std::collections::BTreeMap;

use varco_proto::confidence::Confidence;
use varco_proto::time::UtcTime;

use super::edit;
use super::pass::FrameReads;
use super::sighting::Look;
use super::vote::likeness;

/// Different texts counted; beyond them the rarest is forgotten.
const TEXTS_MAX: usize = 64;

/// Texts with the frames that gave them.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    known: Vec<Text>,
    /// The surest read of one frame.
    surest: Option<(Confidence, String)>,
}

/// One text that frames gave.
#[derive(Debug, Clone)]
struct Text {
    /// As weighed with what is known of how plates are written.
    text: String,
    /// As the net alone gave it.
    raw: String,
    count: u32,
    first: UtcTime,
    last: UtcTime,
}

impl Texts {
    /// Counts what a frame gave, unless that is nothing; says whether it was something.
    pub(super) fn note(&mut self, at: UtcTime, look: &Look) -> bool {
        let text = look.reading.text();
        if text.is_empty() {
            return false;
        }
        self.note_surest(Some((look.reading.confidence, text.clone())));
        self.add(Text {
            text,
            raw: look.raw.text(),
            count: 1,
            first: at,
            last: at,
        });
        true
    }

    /// Takes over another track's texts.
    pub(super) fn absorb(&mut self, other: Self) {
        self.note_surest(other.surest);
        for text in other.known {
            self.add(text);
        }
    }

    fn note_surest(&mut self, read: Option<(Confidence, String)>) {
        let sure = |read: &Option<(Confidence, String)>| read.as_ref().map(|(sure, _)| *sure);
        if sure(&read) > sure(&self.surest) {
            self.surest = read;
        }
    }

    fn add(&mut self, given: Text) {
        let same = |known: &&mut Text| known.text == given.text && known.raw == given.raw;
        if let Some(known) = self.known.iter_mut().find(same) {
            known.count = known.count.saturating_add(given.count);
            known.first = known.first.min(given.first);
            known.last = known.last.max(given.last);
        } else {
            // A lamp or a shadow may have given many texts before the plate came.
            if self.known.len() >= TEXTS_MAX {
                let rarest = (0..self.known.len())
                    .min_by_key(|at| (self.known[*at].count, self.known[*at].last));
                self.known.swap_remove(rarest.unwrap_or_default());
            }
            self.known.push(given);
        }
    }

    /// Frames whose own read gave exactly this text, with what is known of how plates are written
    /// or without.
    pub(super) fn agreeing(&self, text: &str) -> u32 {
        self.count(|known| known.text == text || known.raw == text)
    }

    /// Frames whose own read differs in one character at most.
    pub(super) fn near(&self, text: &str) -> u32 {
        self.count(|known| {
            let other = |own: &str| edit::distance(own, text) <= 1;
            other(&known.text) || other(&known.raw)
        })
    }

    fn count(&self, of: impl Fn(&Text) -> bool) -> u32 {
        let counted = self.known.iter().filter(|known| of(known));
        counted.fold(0, |sum, known| sum.saturating_add(known.count))
    }

    /// First and last frame that gave a text at least so alike to this one; none when none did.
    pub(super) fn span(&self, text: &str, alike_min: f32) -> Option<(UtcTime, UtcTime)> {
        let alike = self
            .known
            .iter()
            .filter(|known| likeness(&known.text, text) >= alike_min);
        alike.fold(None, |span: Option<(UtcTime, UtcTime)>, known| {
            let (first, last) = span.unwrap_or((known.first, known.last));
            Some((first.min(known.first), last.max(known.last)))
        })
    }

    /// What each frame read on its own.
    pub(super) fn frame_reads(&self) -> FrameReads {
        let mut texts = BTreeMap::new();
        for known in &self.known {
            let count: &mut u32 = texts.entry(known.text.clone()).or_default();
            *count = count.saturating_add(known.count);
        }
        FrameReads {
            best: self.surest.as_ref().map(|(_, text)| text.clone()),
            texts,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::read::tests::reading;

    fn look(text: &str, raw: &str, p: f32) -> Look {
        Look {
            reading: reading(text, p),
            raw: reading(raw, p),
            plate: Confidence::ONE,
            sharpness: 0.1,
        }
    }

    fn at(k: u64) -> UtcTime {
        UtcTime::default() + Duration::from_secs(k)
    }

    #[test]
    fn a_frame_agrees_with_its_text_as_weighed_and_as_seen() {
        let mut texts = Texts::default();
        assert!(texts.note(at(0), &look("AB153", "AB1S3", 0.6)));
        assert!(texts.note(at(1), &look("AB153", "AB153", 0.9)));
        assert!(texts.note(at(2), &look("AB153", "AB1S3", 0.7)));
        assert!(!texts.note(at(3), &look("", "", 0.9)));
        assert_eq!((texts.agreeing("AB153"), texts.agreeing("AB1S3")), (3, 2));
        assert_eq!((texts.near("AB1S4"), texts.near("XY1S4")), (2, 0));
        assert_eq!(texts.span("AB153", 0.5), Some((at(0), at(2))));
        assert_eq!(texts.span("QQQQQ", 0.5), None);
    }

    #[test]
    fn a_plate_that_comes_after_much_noise_is_counted() {
        let mut texts = Texts::default();
        for noise in 0..200 {
            let text = format!("X{noise:04}");
            texts.note(at(noise), &look(&text, &text, 0.3));
        }
        for later in 200..203 {
            texts.note(at(later), &look("AB123CD", "AB123CD", 0.9));
        }
        assert_eq!(texts.agreeing("AB123CD"), 3);
    }

    #[test]
    fn the_surest_frame_is_kept_over_a_join() {
        let mut texts = Texts::default();
        assert_eq!(texts.frame_reads(), FrameReads::default());
        texts.note(at(0), &look("AB124", "AB124", 0.7));
        let mut other = Texts::default();
        other.note(at(1), &look("AB123", "AB123", 0.8));
        other.note(at(2), &look("AB124", "AB12A", 0.5));
        texts.absorb(other);
        let reads = texts.frame_reads();
        assert_eq!(reads.best.as_deref(), Some("AB123"));
        assert_eq!(reads.texts["AB124"], 2);
    }
}
