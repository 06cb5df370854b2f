//! Proofs of trees of any size: the honest one holds, and nothing that differs from it.

use proptest::prelude::*;

use super::tree::tests::{leaf, tree};
use super::tree::{
    TreeHash, TreeHead, check_consistency, check_inclusion, prove_consistency, prove_inclusion,
    root,
};

fn head(size: u64, stored: &Vec<TreeHash>) -> TreeHead {
    TreeHead {
        size,
        root: root(size, stored).unwrap(),
    }
}

/// Every proof that is one hash off: one changed in one bit, one missing, one too many.
fn wrong(honest: &[TreeHash]) -> Vec<Vec<TreeHash>> {
    let mut all = Vec::new();
    for at in 0..=honest.len() {
        let mut more = honest.to_vec();
        more.insert(at, leaf(7));
        all.push(more);
        if at < honest.len() {
            let (mut changed, mut less) = (honest.to_vec(), honest.to_vec());
            changed[at].0[at % 32] ^= 1;
            less.remove(at);
            all.extend([changed, less]);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(96)
    })]

    #[test]
    fn a_leaf_is_proved_by_its_own_proof_alone(size in 1_u64..300, pick in any::<prop::sample::Index>()) {
        let stored = tree(size);
        let index = u64::try_from(pick.index(usize::try_from(size).unwrap())).unwrap();
        let proof = prove_inclusion(index, size, &stored).unwrap();
        let head = head(size, &stored);
        prop_assert!(check_inclusion(&proof, index, leaf(index), &head).is_ok());
        prop_assert!(check_inclusion(&proof, index, leaf(index + 1), &head).is_err());
        for other in [index.wrapping_sub(1), index + 1, size] {
            prop_assert!(check_inclusion(&proof, other, leaf(index), &head).is_err(), "{other}");
        }
        for wrong in wrong(&proof) {
            prop_assert!(check_inclusion(&wrong, index, leaf(index), &head).is_err());
        }
    }

    #[test]
    fn a_tree_that_grew_is_proved_by_its_own_proof_alone(new in 1_u64..300, pick in any::<prop::sample::Index>()) {
        let stored = tree(new);
        let old = u64::try_from(pick.index(usize::try_from(new).unwrap() + 1)).unwrap();
        let proof = prove_consistency(old, new, &stored).unwrap();
        let (was, is) = (head(old, &stored), head(new, &stored));
        prop_assert!(check_consistency(&proof, &was, &is).is_ok());
        for wrong in wrong(&proof) {
            prop_assert!(check_consistency(&wrong, &was, &is).is_err());
        }
        let mut forked = was;
        forked.root.0[0] ^= 1;
        prop_assert!(check_consistency(&proof, &forked, &is).is_err());
        let mut forked = is;
        forked.root.0[0] ^= 1;
        prop_assert!(check_consistency(&proof, &was, &forked).is_err() || old == 0);
    }
}
