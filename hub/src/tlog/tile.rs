//! Tiles: runs of up to 256 hashes of one level, as files and addresses (C2SP tlog-tiles).

use std::fmt;

use super::tree::{HASH_BYTES, LEAVES_MAX, TreeError, TreeHash, TreeStore, place};

/// Hashes of a whole tile.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree in a tile.
const TILE_HEIGHT: u8 = 8;
/// Highest level of tiles in the largest tree.
const LEVEL_MAX: u8 = 5;
/// What a number of tiles is parted by in an address.
const THREE_DIGITS: u64 = 1000;

/// What a tile has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileKind {
    /// Hashes of a level: 0 for the leaves.
    Hashes(u8),
    /// The leaves' entries.
    Entries,
}

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeTile {
    /// What it has.
    pub kind: TileKind,
    /// Which of its level, from 0.
    pub number: u64,
    /// How many hashes, 1 to 256.
    pub width: u64,
}

impl TreeTile {
    /// Reads an address behind `tile/`: `0/x001/067` or `entries/003.p/17`.
    ///
    /// # Errors
    /// [`TreeError::Range`] when no tile is written so.
    pub fn parse(path: &str) -> Result<Self, TreeError> {
        let (kind, rest) = path.split_once('/').ok_or(TreeError::Range)?;
        let level = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(level.parse().map_err(|_| TreeError::Range)?),
        };
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, width.parse().map_err(|_| TreeError::Range)?),
            None => (rest, TILE_WIDTH),
        };
        let mut number: u64 = 0;
        for part in digits.split('/') {
            let part = part.trim_start_matches('x');
            let part: u64 = part.parse().map_err(|_| TreeError::Range)?;
            number = number
                .checked_mul(THREE_DIGITS)
                .and_then(|number| number.checked_add(part))
                .filter(|number| *number <= LEAVES_MAX / TILE_WIDTH)
                .ok_or(TreeError::Range)?;
        }
        let tile = Self {
            kind: level,
            number,
            width,
        };
        let is_high = matches!(level, TileKind::Hashes(level) if level > LEVEL_MAX);
        // What is written in another way than this writes it is none.
        if is_high || !(1..=TILE_WIDTH).contains(&width) || tile.to_string() != path {
            return Err(TreeError::Range);
        }
        Ok(tile)
    }

    /// The tiles of a tree's leaves, one at a time: whoever says how large a tree is may say anything.
    pub fn of_leaves(size: u64) -> impl Iterator<Item = Self> {
        (0..size.div_ceil(TILE_WIDTH)).map(move |number| Self {
            kind: TileKind::Hashes(0),
            number,
            width: TILE_WIDTH.min(size - number * TILE_WIDTH),
        })
    }

    /// Every tile of hashes of a tree that is there, and of entries.
    #[must_use]
    pub fn all(size: u64) -> Vec<Self> {
        let mut tiles = Vec::new();
        for level in 0..=LEVEL_MAX {
            let hashes = size >> (u32::from(TILE_HEIGHT) * u32::from(level));
            let numbers = 0..hashes.div_ceil(TILE_WIDTH);
            tiles.extend(numbers.map(|number| Self {
                kind: TileKind::Hashes(level),
                number,
                width: TILE_WIDTH.min(hashes - number * TILE_WIDTH),
            }));
        }
        let leaves = tiles.clone().into_iter();
        let leaves = leaves.filter(|tile| tile.kind == TileKind::Hashes(0));
        let entries = leaves.map(|tile| Self {
            kind: TileKind::Entries,
            ..tile
        });
        tiles.extend(entries);
        tiles
    }

    /// The first of what it has, among its level.
    #[must_use]
    pub fn begins(&self) -> u64 {
        self.number * TILE_WIDTH
    }

    /// Whether a tree of this size has it.
    #[must_use]
    pub fn is_within(&self, size: u64) -> bool {
        let level = match self.kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        };
        let hashes = size >> (u32::from(TILE_HEIGHT) * u32::from(level));
        self.begins() + self.width <= hashes
    }

    /// Its hashes, one after the other; entries have others.
    ///
    /// # Errors
    /// [`TreeError::Missing`], [`TreeError::Range`].
    pub fn hashes(&self, store: &impl TreeStore) -> Result<Vec<u8>, TreeError> {
        let TileKind::Hashes(level) = self.kind else {
            return Err(TreeError::Range);
        };
        let mut bytes = Vec::new();
        for number in self.begins()..self.begins() + self.width {
            let hash = store.hash(place(TILE_HEIGHT * level, number));
            bytes.extend(hash.ok_or(TreeError::Missing)?.0);
        }
        Ok(bytes)
    }
}

/// A bundle of entries: each with its length in two bytes before it.
///
/// # Errors
/// [`TreeError::Range`] for one of 64 KiB or more.
pub fn bundle(entries: &[[u8; HASH_BYTES]]) -> Result<Vec<u8>, TreeError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| TreeError::Range)?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

/// The hashes of a tile.
///
/// # Errors
/// [`TreeError::Hash`] when the bytes are not whole hashes.
pub fn hashes_of(bytes: &[u8]) -> Result<Vec<TreeHash>, TreeError> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() {
        return Err(TreeError::Hash);
    }
    Ok(hashes.iter().copied().map(TreeHash).collect())
}

impl fmt::Display for TreeTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "{level}/")?,
            TileKind::Entries => f.write_str("entries/")?,
        }
        let mut parts = vec![format!("{:03}", self.number % THREE_DIGITS)];
        let mut rest = self.number / THREE_DIGITS;
        while rest > 0 {
            parts.push(format!("x{:03}", rest % THREE_DIGITS));
            rest /= THREE_DIGITS;
        }
        parts.reverse();
        f.write_str(&parts.join("/"))?;
        match self.width {
            TILE_WIDTH => Ok(()),
            width => write!(f, ".p/{width}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_written_as_the_specification_has_it_and_read_in_no_other_way() {
        let tile = TreeTile {
            kind: TileKind::Hashes(0),
            number: 1_234_067,
            width: 256,
        };
        assert_eq!(tile.to_string(), "0/x001/x234/067");
        for good in ["0/x001/x234/067", "entries/003.p/17", "2/000.p/1"] {
            assert_eq!(TreeTile::parse(good).unwrap().to_string(), good);
        }
        for wrong in [
            "",
            "0/",
            "0/1",
            "0/x000/001",
            "200/000",
            "6/000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/x018/x446/x744/x073/x709/x551/616",
            "../../x",
            "0/001/002",
            "0/-01",
        ] {
            assert_eq!(TreeTile::parse(wrong), Err(TreeError::Range), "{wrong}");
        }
    }

    #[test]
    fn a_tree_of_seventy_thousand_leaves_has_the_tiles_of_the_specification() {
        let tiles = TreeTile::all(70_000);
        let of = |level| {
            let tiles = tiles
                .iter()
                .filter(|tile| tile.kind == TileKind::Hashes(level));
            tiles.map(|tile| tile.width).collect::<Vec<_>>()
        };
        assert_eq!((of(0).len(), of(0)[273]), (274, 112));
        assert_eq!(of(1), [256, 17]);
        assert_eq!((of(2), of(3)), (vec![1], vec![]));
        assert!(TreeTile::of_leaves(70_000).eq(tiles[..274].iter().copied()));
        assert!(tiles.iter().all(|tile| tile.is_within(70_000)));
        assert!(!tiles.iter().all(|tile| tile.is_within(69_999)));
    }
}
