//! Who read a plate when Varco did not: a camera that reads on board.

use crate::confidence::Confidence;
use crate::envelope::PayloadError;
use crate::plate::PLATE_CHARACTERS_MAX;
use crate::wire;

/// Longest name of a maker, in bytes.
const MAKER_BYTES_MAX: usize = 32;
/// Longest name of a device or an event, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The confidence of a stand-in for a character that a camera did not read: that of chance, one of 36
/// letters and digits.
pub const UNREAD_CONFIDENCE: f32 = 1.0 / 36.0;
/// Longest plate as a camera writes it, in characters.
pub const PLATE_SAID_CHARACTERS_MAX: usize = 32;

/// A reader that is not Varco's own models.
#[derive(Debug, Clone, PartialEq)]
pub struct OnboardReader {
    maker: String,
    device: String,
    event: String,
    said: Option<f32>,
    top: f32,
    plate_said: String,
    unread: Vec<u32>,
}

impl OnboardReader {
    /// Takes what a camera says of itself. What is no printable ASCII, or too much, is left out.
    ///
    /// `said` is its confidence, on a scale from 0 to `top`; a number outside that scale, or a
    /// scale without a top, counts as none.
    #[must_use]
    pub fn new(maker: &str, device: &str, event: &str, said: Option<f32>, top: f32) -> Self {
        let top = if top.is_finite() && top > 0.0 {
            top
        } else {
            1.0
        };
        Self {
            maker: printable(maker, MAKER_BYTES_MAX),
            device: printable(device, NAME_BYTES_MAX),
            event: printable(event, NAME_BYTES_MAX),
            said: said.filter(|said| (0.0..=top).contains(said)),
            top,
            plate_said: String::new(),
            unread: Vec::new(),
        }
    }

    /// Keeps the plate as the camera wrote it, when its text says it otherwise, and the places in
    /// the text, from 0, that have a stand-in for a character the camera did not read.
    #[must_use]
    pub fn with_plate_said(self, written: &str, unread: &[u32]) -> Self {
        let shown = written.chars().filter(|c| !c.is_control());
        let shown: String = shown.take(PLATE_SAID_CHARACTERS_MAX).collect();
        let mut places: Vec<u32> = unread.to_vec();
        places.retain(|at| usize::try_from(*at).is_ok_and(|at| at < PLATE_CHARACTERS_MAX));
        places.sort_unstable();
        places.dedup();
        Self {
            plate_said: shown.trim().to_owned(),
            unread: places,
            ..self
        }
    }

    /// Whose format the reading came in.
    #[must_use]
    pub fn maker(&self) -> &str {
        &self.maker
    }

    /// As the camera names itself; may be empty.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The camera's own name for the event; may be empty.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// The confidence as the camera said it, and the top of its scale.
    #[must_use]
    pub fn said(&self) -> Option<(f32, f32)> {
        self.said.map(|said| (said, self.top))
    }

    /// The plate as the camera wrote it; empty when the text says it as well.
    #[must_use]
    pub fn plate_said(&self) -> &str {
        &self.plate_said
    }

    /// Places in the plate's text, from 0, of characters that the camera did not read.
    #[must_use]
    pub fn unread(&self) -> &[u32] {
        &self.unread
    }

    /// The confidence on Varco's scale; 0 when the camera said none.
    #[must_use]
    pub fn confidence(&self) -> Confidence {
        Confidence::saturating(self.said.unwrap_or(0.0) / self.top)
    }
}

fn printable(text: &str, bytes_max: usize) -> String {
    let shown = text.chars().filter(|c| matches!(c, ' '..='~'));
    shown.take(bytes_max).collect::<String>().trim().to_owned()
}

impl From<&OnboardReader> for wire::OnboardReader {
    fn from(reader: &OnboardReader) -> Self {
        Self {
            maker: reader.maker.clone(),
            device: reader.device.clone(),
            event: reader.event.clone(),
            confidence_said: reader.said,
            confidence_top: reader.top,
            plate_said: reader.plate_said.clone(),
            unread: reader.unread.clone(),
        }
    }
}

impl TryFrom<wire::OnboardReader> for OnboardReader {
    type Error = PayloadError;

    fn try_from(sent: wire::OnboardReader) -> Result<Self, PayloadError> {
        let wrong = |field, why: &str| PayloadError::field(field)(why);
        let reader = Self::new(
            &sent.maker,
            &sent.device,
            &sent.event,
            sent.confidence_said,
            sent.confidence_top,
        )
        .with_plate_said(&sent.plate_said, &sent.unread);
        // What `new` would mend was not written by it: refused rather than shown as something else.
        if reader.maker.is_empty() || reader.maker != sent.maker {
            return Err(wrong("maker", "1 to 32 printable ASCII characters"));
        }
        if reader.device != sent.device || reader.event != sent.event {
            let what = "at most 64 printable ASCII characters";
            return Err(wrong("device, event", what));
        }
        if reader.plate_said != sent.plate_said || reader.unread != sent.unread {
            let what = "at most 32 characters, and ascending places in the text";
            return Err(wrong("plate_said, unread", what));
        }
        // By bits: NaN is no confidence either.
        let same = |a: f32, b: f32| a.to_bits() == b.to_bits();
        if reader.said.map(f32::to_bits) != sent.confidence_said.map(f32::to_bits)
            || !same(reader.top, sent.confidence_top)
        {
            return Err(wrong("confidence_said", "it lies outside its own scale"));
        }
        Ok(reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d03_part_a_confidence_is_brought_to_one_scale_and_the_original_kept() {
        let reader = OnboardReader::new("Hikvision", "DS-2CD", "e1", Some(97.0), 100.0);
        assert!((reader.confidence().get() - 0.97).abs() < 1e-6);
        assert_eq!(reader.said(), Some((97.0, 100.0)));
        let unsaid = OnboardReader::new("ONVIF", "", "", None, 1.0);
        assert_eq!(
            (unsaid.confidence(), unsaid.said()),
            (Confidence::ZERO, None)
        );
        for wrong in [101.0, -1.0, f32::NAN, f32::INFINITY] {
            let reader = OnboardReader::new("Hikvision", "", "", Some(wrong), 100.0);
            assert_eq!(reader.said(), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_camera_says_of_itself_cannot_break_a_line_or_a_limit() {
        let reader = OnboardReader::new(
            "Axis",
            &format!("Q\n\u{202e}{}", "x".repeat(99)),
            "è",
            None,
            1.0,
        );
        assert!(reader.device().starts_with("Qxx"));
        assert_eq!((reader.device().len(), reader.event()), (64, ""));
        let reader = reader.with_plate_said("MÜ?\n1", &[2, 1, 2, 40]);
        assert_eq!(
            (reader.plate_said(), reader.unread()),
            ("MÜ?1", &[1, 2][..])
        );
        let wire = wire::OnboardReader::from(&reader);
        assert_eq!(OnboardReader::try_from(wire.clone()).unwrap(), reader);
        for spoil in [
            |sent: &mut wire::OnboardReader| sent.maker.clear(),
            |sent: &mut wire::OnboardReader| sent.device.push('\n'),
            |sent: &mut wire::OnboardReader| sent.confidence_said = Some(f32::NAN),
            |sent: &mut wire::OnboardReader| sent.confidence_said = Some(1.5),
            |sent: &mut wire::OnboardReader| sent.confidence_top = 0.0,
            |sent: &mut wire::OnboardReader| sent.plate_said = "x".repeat(40),
            |sent: &mut wire::OnboardReader| sent.plate_said.push('\n'),
            |sent: &mut wire::OnboardReader| sent.unread = vec![2, 1],
        ] {
            let mut sent = wire.clone();
            spoil(&mut sent);
            assert!(OnboardReader::try_from(sent).is_err());
        }
    }
}
