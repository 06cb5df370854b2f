//! The Merkle tree (RFC 6962, section 2.1), over the crate `tlog_tiles`, to which this file is the door.
//!
//! What comes from outside is bounded here before the crate sees it: it panics on some of what no tree has.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use tlog_tiles::{Error, Hash, HashReader};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;
/// Most leaves of a tree. Above, places in it would not fit the numbers that count them.
pub const LEAVES_MAX: u64 = 1 << 48;
/// Most hashes of a proof, as tlog-witness bounds it.
pub const PROOF_HASHES_MAX: usize = 63;

/// A proof does not prove what it should, or the tree cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreeError {
    /// The proof is for another leaf, another tree or none: what it came with was changed.
    #[error("the proof does not hold")]
    Proof,
    /// No tree has this leaf or this size: ask for one that is there.
    #[error("there is no such leaf, or no such size of the tree")]
    Range,
    /// A hash is not 32 bytes in base64.
    #[error("a hash is written as 32 bytes in base64")]
    Hash,
    /// A stored hash is missing or damaged.
    #[error("a hash of the tree is not there")]
    Missing,
}

/// A hash of the tree: of a leaf, of a node or its root. Text form: base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash(pub [u8; HASH_BYTES]);

impl TreeHash {
    /// The root of a tree without leaves.
    pub const EMPTY: Self = Self(tlog_tiles::EMPTY_HASH.0);

    /// Takes the raw bytes.
    ///
    /// # Errors
    /// [`TreeError::Hash`] when they are not 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        bytes.try_into().map(Self).map_err(|_| TreeError::Hash)
    }

    /// The hash of a leaf with this entry.
    #[must_use]
    pub fn of_leaf(entry: &[u8]) -> Self {
        Self(tlog_tiles::record_hash(entry).0)
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeHash({self})")
    }
}

impl FromStr for TreeHash {
    type Err = TreeError;
    fn from_str(text: &str) -> Result<Self, TreeError> {
        let bytes = STANDARD.decode(text).map_err(|_| TreeError::Hash)?;
        Self::from_bytes(&bytes)
    }
}

/// Where the hashes of a tree are stored, each at its place ([`place`]).
pub trait TreeStore {
    /// The hash at a place; none when it is not there.
    fn hash(&self, place: u64) -> Option<TreeHash>;
}

struct Reader<'a, S>(&'a S);

impl<S: TreeStore> HashReader for Reader<'_, S> {
    fn read_hashes(&self, places: &[u64]) -> Result<Vec<Hash>, Error> {
        let hash = |place: &u64| self.0.hash(*place).map(|hash| Hash(hash.0));
        let all: Option<Vec<_>> = places.iter().map(hash).collect();
        all.ok_or(Error::IndexesNotInTree)
    }
}

fn stored(error: &Error) -> TreeError {
    match error {
        Error::IndexesNotInTree => TreeError::Missing,
        _ => TreeError::Range,
    }
}

fn within(size: u64) -> Result<(), TreeError> {
    (size <= LEAVES_MAX).then_some(()).ok_or(TreeError::Range)
}

/// Where the hash over the `2^level` leaves from `number * 2^level` on is stored. Places are dense: leaf after
/// leaf, each followed by the nodes that it completes.
#[must_use]
pub fn place(level: u8, number: u64) -> u64 {
    tlog_tiles::stored_hash_index(level, number)
}

/// The hashes that a further leaf brings, its own first, from the place of leaf `index` on.
///
/// # Errors
/// [`TreeError::Missing`], [`TreeError::Range`].
pub fn grown(
    index: u64,
    leaf: TreeHash,
    store: &impl TreeStore,
) -> Result<Vec<TreeHash>, TreeError> {
    within(index.saturating_add(1))?;
    let hashes = tlog_tiles::stored_hashes_for_record_hash(index, Hash(leaf.0), &Reader(store));
    let hashes = hashes.map_err(|error| stored(&error))?;
    Ok(hashes.into_iter().map(|hash| TreeHash(hash.0)).collect())
}

/// The root of the first `size` leaves.
///
/// # Errors
/// [`TreeError::Missing`], [`TreeError::Range`].
pub fn root(size: u64, store: &impl TreeStore) -> Result<TreeHash, TreeError> {
    within(size)?;
    let root = tlog_tiles::tree_hash(size, &Reader(store)).map_err(|error| stored(&error))?;
    Ok(TreeHash(root.0))
}

/// The proof that leaf `index` is among the first `size`, from its sibling up.
///
/// # Errors
/// [`TreeError::Missing`], [`TreeError::Range`].
pub fn prove_inclusion(
    index: u64,
    size: u64,
    store: &impl TreeStore,
) -> Result<Vec<TreeHash>, TreeError> {
    within(size)?;
    if index >= size {
        return Err(TreeError::Range);
    }
    let proof = tlog_tiles::prove_record(size, index, &Reader(store));
    let proof = proof.map_err(|error| stored(&error))?;
    Ok(proof.into_iter().map(|hash| TreeHash(hash.0)).collect())
}

/// The proof that the tree of `new` leaves begins with that of `old`; an empty one when `old` is 0.
///
/// # Errors
/// [`TreeError::Missing`], [`TreeError::Range`].
pub fn prove_consistency(
    old: u64,
    new: u64,
    store: &impl TreeStore,
) -> Result<Vec<TreeHash>, TreeError> {
    within(new)?;
    if old > new {
        return Err(TreeError::Range);
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let proof = tlog_tiles::prove_tree(new, old, &Reader(store));
    let proof = proof.map_err(|error| stored(&error))?;
    Ok(proof.into_iter().map(|hash| TreeHash(hash.0)).collect())
}

/// A tree at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Leaves.
    pub size: u64,
    /// Its root.
    pub root: TreeHash,
}

fn given(proof: &[TreeHash]) -> Result<Vec<Hash>, TreeError> {
    if proof.len() > PROOF_HASHES_MAX {
        return Err(TreeError::Proof);
    }
    Ok(proof.iter().map(|hash| Hash(hash.0)).collect())
}

/// Checks that a leaf is in a tree.
///
/// # Errors
/// [`TreeError::Proof`], [`TreeError::Range`].
pub fn check_inclusion(
    proof: &[TreeHash],
    index: u64,
    leaf: TreeHash,
    head: &TreeHead,
) -> Result<(), TreeError> {
    within(head.size)?;
    if index >= head.size {
        return Err(TreeError::Range);
    }
    let (proof, root) = (given(proof)?, Hash(head.root.0));
    tlog_tiles::check_record(&proof, head.size, root, index, Hash(leaf.0))
        .map_err(|_| TreeError::Proof)
}

/// Checks that a tree begins with an older one.
///
/// # Errors
/// [`TreeError::Proof`], [`TreeError::Range`].
pub fn check_consistency(
    proof: &[TreeHash],
    old: &TreeHead,
    new: &TreeHead,
) -> Result<(), TreeError> {
    within(new.size)?;
    if old.size > new.size {
        return Err(TreeError::Range);
    }
    if old.size == 0 {
        let holds = proof.is_empty() && old.root == TreeHash::EMPTY;
        return holds.then_some(()).ok_or(TreeError::Proof);
    }
    let (proof, was, is) = (given(proof)?, Hash(old.root.0), Hash(new.root.0));
    tlog_tiles::check_tree(&proof, new.size, is, old.size, was).map_err(|_| TreeError::Proof)
}

/// A tree of which only its right edge is kept: for computing roots leaf after leaf.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    /// Whole subtrees from the left, each smaller than the one before.
    edge: Vec<TreeHash>,
}

impl Frontier {
    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next leaf in.
    pub fn push(&mut self, leaf: TreeHash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                hash = node(left, hash);
            }
        }
        self.edge.push(hash);
        self.size += 1;
    }

    /// The root of what was taken in.
    #[must_use]
    pub fn root(&self) -> TreeHash {
        let from_the_right = self.edge.iter().rev().copied();
        from_the_right
            .reduce(|right, left| node(left, right))
            .unwrap_or(TreeHash::EMPTY)
    }
}

fn node(left: TreeHash, right: TreeHash) -> TreeHash {
    TreeHash(tlog_tiles::node_hash(Hash(left.0), Hash(right.0)).0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    impl TreeStore for Vec<TreeHash> {
        fn hash(&self, place: u64) -> Option<TreeHash> {
            self.get(usize::try_from(place).ok()?).copied()
        }
    }

    pub(crate) fn leaf(number: u64) -> TreeHash {
        TreeHash::of_leaf(&number.to_be_bytes())
    }

    pub(crate) fn tree(leaves: u64) -> Vec<TreeHash> {
        let mut stored = Vec::with_capacity(usize::try_from(2 * leaves).unwrap());
        for number in 0..leaves {
            let more = grown(number, leaf(number), &stored).unwrap();
            stored.extend(more);
        }
        stored
    }

    /// As RFC 6962 defines it, without any cleverness.
    fn defined(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [] => TreeHash::EMPTY,
            [one] => *one,
            more => {
                let left = more.len().next_power_of_two() / 2;
                node(defined(&more[..left]), defined(&more[left..]))
            }
        }
    }

    #[test]
    fn the_root_is_the_one_that_the_rfc_defines_both_ways() {
        let stored = tree(70);
        let mut frontier = Frontier::default();
        for size in 0..=70 {
            let leaves: Vec<_> = (0..size).map(leaf).collect();
            assert_eq!(root(size, &stored).unwrap(), defined(&leaves));
            assert_eq!(frontier.root(), defined(&leaves));
            frontier.push(leaf(size));
        }
        assert_eq!(root(71, &stored), Err(TreeError::Missing));
    }

    #[test]
    fn proofs_hold_for_what_they_prove_and_for_nothing_else() {
        let stored = tree(33);
        let head = |size| TreeHead {
            size,
            root: root(size, &stored).unwrap(),
        };
        for size in 1..=33 {
            for index in 0..size {
                let proof = prove_inclusion(index, size, &stored).unwrap();
                let check = |index, number| {
                    check_inclusion(&proof, index, leaf(number), &head(size)).is_ok()
                };
                assert!(check(index, index));
                assert!(!check(index, index + 1) && !check(size, index));
                let mut longer = proof.clone();
                longer.push(leaf(0));
                assert!(check_inclusion(&longer, index, leaf(index), &head(size)).is_err());
            }
            for old in 0..=size {
                let proof = prove_consistency(old, size, &stored).unwrap();
                let check = |old: &TreeHead| check_consistency(&proof, old, &head(size));
                check(&head(old)).unwrap();
                let other = TreeHead {
                    size: old,
                    root: leaf(99),
                };
                assert_eq!(check(&other), Err(TreeError::Proof));
            }
        }
    }

    #[test]
    fn what_no_tree_has_is_refused_and_never_a_panic() {
        let (huge, root) = (u64::MAX, leaf(0));
        let head = TreeHead { size: huge, root };
        let few = vec![root; 64];
        for proof in [&few[..], &[]] {
            assert!(check_inclusion(proof, huge - 1, root, &head).is_err());
            assert!(check_consistency(proof, &TreeHead { size: 1, root }, &head).is_err());
            let most = TreeHead {
                size: LEAVES_MAX,
                root,
            };
            assert!(check_inclusion(proof, LEAVES_MAX - 1, root, &most).is_err());
            assert!(check_consistency(proof, &TreeHead { size: 7, root }, &most).is_err());
        }
        assert_eq!(super::root(huge, &Vec::new()), Err(TreeError::Range));
        assert_eq!(prove_inclusion(0, huge, &Vec::new()), Err(TreeError::Range));
    }
}
