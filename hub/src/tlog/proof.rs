//! A proof that a leaf is in a log, in one file that needs no other (C2SP tlog-proof).

use std::fmt;
use std::str::FromStr;

use super::checkpoint::Checkpoint;
use super::note::{Note, NoteError};
use super::tree::{PROOF_HASHES_MAX, TreeError, TreeHash, check_inclusion};

const FIRST: &str = "c2sp.org/tlog-proof@v1";

/// That a leaf is in the tree of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafProof {
    /// The leaf, from 0.
    pub index: u64,
    /// From its sibling up.
    pub hashes: Vec<TreeHash>,
    /// Whose tree it is in, signed.
    pub checkpoint: Note,
}

impl LeafProof {
    /// Checks it for a leaf. Who signed the checkpoint is not looked at here.
    ///
    /// # Errors
    /// [`TreeError`]; [`TreeError::Proof`] also when its checkpoint is none.
    pub fn check(&self, leaf: TreeHash) -> Result<Checkpoint, TreeError> {
        let checkpoint = Checkpoint::of(&self.checkpoint).map_err(|_| TreeError::Proof)?;
        check_inclusion(&self.hashes, self.index, leaf, &checkpoint.head)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for LeafProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST}\nindex {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for LeafProof {
    type Err = NoteError;
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (proof, checkpoint) = text.split_once("\n\n").ok_or(NoteError::Note)?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(FIRST) {
            return Err(NoteError::Note);
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.ok_or(NoteError::Note)?;
        let number: u64 = index.parse().map_err(|_| NoteError::Note)?;
        let hashes: Result<Vec<TreeHash>, _> = lines.map(str::parse).collect();
        let hashes = hashes.map_err(|_| NoteError::Note)?;
        if number.to_string() != index || hashes.len() > PROOF_HASHES_MAX {
            return Err(NoteError::Note);
        }
        Ok(Self {
            index: number,
            hashes,
            checkpoint: Note::parse(checkpoint)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use varco_proto::keys::SealingKey;

    use super::*;
    use crate::tlog::note::{NoteKind, NoteSigner};
    use crate::tlog::tree::tests::{leaf, tree};
    use crate::tlog::tree::{TreeHead, prove_inclusion, root};

    #[test]
    fn c43_part_a_proof_of_ten_million_lines_with_two_witnesses_is_below_two_kilobytes() {
        let size: u64 = 10_000_000;
        let stored = tree(size);
        let signer = |name: &str, kind| {
            let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
            NoteSigner::new(name, kind, key).unwrap()
        };
        let head = TreeHead {
            size,
            root: root(size, &stored).unwrap(),
        };
        let origin = "varco-hub/0123456789abcdef".to_owned();
        let text = Checkpoint {
            origin: origin.clone(),
            head,
        }
        .text();
        let signers = [
            signer(&origin, NoteKind::Log),
            signer("dpo.example.it/perugia", NoteKind::Witness),
            signer("prefettura.example.it", NoteKind::Witness),
        ];
        let signatures = signers.map(|of| of.sign(&text, 1_700_000_000)).to_vec();
        for index in [0, 7_654_321, size - 1] {
            let proof = LeafProof {
                index,
                hashes: prove_inclusion(index, size, &stored).unwrap(),
                checkpoint: Note {
                    text: text.clone(),
                    signatures: signatures.clone(),
                },
            };
            let written = proof.to_string();
            assert!(written.len() < 2000, "{} bytes", written.len());
            let read: LeafProof = written.parse().unwrap();
            assert_eq!(read, proof);
            read.check(leaf(index)).unwrap();
            read.check(leaf(index + 1)).unwrap_err();
        }
    }
}
