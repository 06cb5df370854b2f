//! What the indexes know of a transit: 32 bytes, enough to find it and to leave it aside.

use varco_proto::plate::PLATE_CHARACTERS_MAX;
use varco_proto::transit::{Direction, Transit, Travel};

use crate::plates::plate::{Plate, folded};

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 32;

/// A transit in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// As it was read.
    pub plate: Plate,
    /// Of the capture, into its hour.
    pub offset_us: u32,
    /// In its hour, from 1.
    pub row: u32,
    /// By its number among the names.
    pub camera: u32,
    /// 0..=255 for 0..=1.
    pub confidence: u8,
    /// Direction and travel.
    pub marks: Marks,
    /// The likeliest country, ISO 3166-1 alpha-2; zeros for none.
    pub country: [u8; 2],
    /// By its number among the names.
    pub gate: u32,
}

/// Direction and travel in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u8);

impl Marks {
    /// The marks of a transit.
    #[must_use]
    pub fn of(transit: &Transit) -> Self {
        let direction = match transit.direction {
            None => 0,
            Some(Direction::Towards) => 1,
            Some(Direction::Away) => 2,
        };
        let travel = match transit.travel {
            None => 0,
            Some(Travel::In) => 4,
            Some(Travel::Out) => 8,
        };
        Self(direction | travel)
    }

    /// As the camera saw it.
    #[must_use]
    pub fn direction(self) -> Option<Direction> {
        match self.0 & 3 {
            1 => Some(Direction::Towards),
            2 => Some(Direction::Away),
            _ => None,
        }
    }

    /// Into the area behind the gate, or out of it.
    #[must_use]
    pub fn travel(self) -> Option<Travel> {
        match self.0 & 12 {
            4 => Some(Travel::In),
            8 => Some(Travel::Out),
            _ => None,
        }
    }
}

impl Entry {
    /// What orders an index by plate: the folded plate, then the time.
    #[must_use]
    pub fn plate_key(&self) -> (Plate, u32, u32) {
        (folded(&self.plate), self.offset_us, self.row)
    }

    /// What orders an index by camera.
    #[must_use]
    pub fn camera_key(&self) -> (u32, u32, u32) {
        (self.camera, self.offset_us, self.row)
    }

    /// The bytes, little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut out = [0; ENTRY_BYTES];
        let (plate, rest) = out.split_at_mut(PLATE_CHARACTERS_MAX);
        plate.copy_from_slice(&self.plate);
        let words = [self.offset_us, self.row, self.camera, self.gate];
        for (to, word) in rest.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        let [a, b] = self.country;
        let tail = [self.confidence, self.marks.0, a, b];
        for (to, from) in out.iter_mut().rev().zip(tail.iter().rev()) {
            *to = *from;
        }
        out
    }

    /// From the bytes; none when they are not 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; ENTRY_BYTES] = bytes.try_into().ok()?;
        let (plate, rest) = bytes.split_first_chunk::<PLATE_CHARACTERS_MAX>()?;
        let mut words = rest.chunks_exact(4);
        let mut word = || Some(u32::from_le_bytes(words.next()?.try_into().ok()?));
        let (offset_us, row, camera, gate) = (word()?, word()?, word()?, word()?);
        let [confidence, marks, a, b] = *rest.last_chunk::<4>()?;
        Some(Self {
            plate: *plate,
            offset_us,
            row,
            camera,
            confidence,
            marks: Marks(marks),
            country: [a, b],
            gate,
        })
    }
}

/// Entries one behind the other, as bytes.
#[must_use]
pub fn to_bytes(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(Entry::to_bytes).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plates::plate::plate_of;

    pub(in super::super) fn entry(plate: &str, offset_us: u32, row: u32, camera: u32) -> Entry {
        Entry {
            plate: plate_of(plate),
            offset_us,
            row,
            camera,
            confidence: 250,
            marks: Marks(6),
            country: *b"IT",
            gate: 7,
        }
    }

    #[test]
    fn an_entry_comes_back_from_its_bytes() {
        let one = entry("AB123CD", 3_599_999_999, 900_001, 65_537);
        assert_eq!(Entry::from_bytes(&one.to_bytes()), Some(one));
        assert_eq!(to_bytes(&[one, one]), one.to_bytes().repeat(2));
        assert_eq!(Entry::from_bytes(&[0; 31]), None);
        assert_eq!(one.marks.direction(), Some(Direction::Away));
        assert_eq!(one.marks.travel(), Some(Travel::In));
    }
}
