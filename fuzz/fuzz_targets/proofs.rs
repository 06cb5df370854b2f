//! Proofs of a real tree: the honest one holds, and whatever holds is the honest one.
#![no_main]

use std::sync::LazyLock;

use varco_fuzz::{Cut, within};
use varco_hub::tlog::tree::{
    TreeError, TreeHash, TreeHead, TreeStore, check_consistency, check_inclusion, grown,
    prove_consistency, prove_inclusion, root,
};

const LEAVES: u64 = 700;

struct Stored(Vec<TreeHash>);

impl TreeStore for Stored {
    fn hash(&self, place: u64) -> Option<TreeHash> {
        self.0.get(usize::try_from(place).ok()?).copied()
    }
}

static TREE: LazyLock<Stored> = LazyLock::new(|| {
    let mut stored = Stored(Vec::new());
    for number in 0..LEAVES {
        let more = grown(number, leaf(number), &stored).expect("a tree grows");
        stored.0.extend(more);
    }
    stored
});

fn leaf(number: u64) -> TreeHash {
    TreeHash::of_leaf(&number.to_be_bytes())
}

fn head(size: u64) -> TreeHead {
    let root = root(size, &*TREE).expect("a tree of this size");
    TreeHead { size, root }
}

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&TREE); }, |data: &[u8]| {
    within((1 << 18) + 64 * data.len(), || {
        let mut cut = Cut(data);
        let kind = cut.byte();
        match kind % 3 {
            0 => inclusion(cut),
            1 => consistency(cut),
            _ => nonsense(cut),
        }
    });
});

/// A proof with what the input changes of it: one byte of one hash, and hashes more or less.
fn changed(honest: &[TreeHash], cut: &mut Cut<'_>) -> Vec<TreeHash> {
    let mut proof = honest.to_vec();
    let [how, which, at, by] = cut.array();
    let which = usize::from(which) % proof.len().max(1);
    match (how % 6, proof.get_mut(which)) {
        (0, Some(hash)) => hash.0[usize::from(at) % 32] ^= by,
        (1, Some(_)) => drop(proof.remove(which)),
        (2, _) => proof.insert(which, TreeHash(cut.array())),
        (3, Some(_)) => proof.swap(0, which),
        (4, _) => proof.truncate(which),
        _ => {}
    }
    proof
}

fn inclusion(mut cut: Cut<'_>) {
    let size = cut.number() % LEAVES + 1;
    let index = cut.number() % size;
    let honest = prove_inclusion(index, size, &*TREE).expect("a proof");
    let proof = changed(&honest, &mut cut);
    let claimed = index ^ (cut.number() & 1);
    let held = check_inclusion(&proof, claimed, leaf(index), &head(size));
    assert_eq!(
        held.is_ok(),
        proof == honest && claimed == index,
        "{size} {index} {held:?}"
    );
}

fn consistency(mut cut: Cut<'_>) {
    let new = cut.number() % (LEAVES + 1);
    let old = cut.number() % (new + 1);
    let honest = prove_consistency(old, new, &*TREE).expect("a proof");
    let proof = changed(&honest, &mut cut);
    let mut was = head(old);
    let by = cut.byte();
    was.root.0[usize::from(by) % 32] ^= by;
    let held = check_consistency(&proof, &was, &head(new));
    assert_eq!(
        held.is_ok(),
        proof == honest && by == 0,
        "{old} {new} {held:?}"
    );
}

/// What no tree has is refused, whatever its numbers.
fn nonsense(mut cut: Cut<'_>) {
    let (index, old, new) = (cut.number(), cut.number(), cut.number());
    let [leaf, was, is] = [(); 3].map(|()| TreeHash(cut.array()));
    let (hashes, _) = cut.rest().as_chunks::<32>();
    let proof: Vec<TreeHash> = hashes.iter().copied().map(TreeHash).collect();
    let (was, is) = (
        TreeHead {
            size: old,
            root: was,
        },
        TreeHead {
            size: new,
            root: is,
        },
    );
    let included = check_inclusion(&proof, index, leaf, &is);
    if new > 1 && index < new {
        assert!(included.is_err());
    }
    if index >= new {
        assert!(matches!(included, Err(TreeError::Range | TreeError::Proof)));
    }
    let _ = check_consistency(&proof, &was, &is);
    let _ = prove_inclusion(index, new, &*TREE);
    let _ = prove_consistency(old, new, &*TREE);
    let _ = root(new, &*TREE);
}
