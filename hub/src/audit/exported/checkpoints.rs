//! What is known of the tree by checkpoints: the folder's own, those that were cosigned, and those that the
//! checker brought. Each must be signed by the log and be a root of the same tree.

use std::collections::BTreeMap;

use crate::audit::exported::{Finding, Trusted, Wrong, count};
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::{Note, NoteKey};
use crate::tlog::tree::{Frontier, TreeHash};

/// A checkpoint that the log signed.
struct Signed {
    root: TreeHash,
    /// Names of the trusted witnesses that cosigned it.
    cosigners: Vec<String>,
    is_own: bool,
}

/// The checkpoints.
pub(super) struct Known<'a> {
    log: &'a NoteKey,
    witnesses: &'a [NoteKey],
    by_size: BTreeMap<u64, Vec<Signed>>,
    own: Option<u64>,
    findings: Vec<Finding>,
}

/// What came of it.
pub(super) struct HeldCheckpoints {
    pub(super) findings: Vec<Finding>,
    /// How many hold.
    pub(super) held: usize,
    /// Lines that a checkpoint of the log covers which holds.
    pub(super) signed: u64,
    /// Lines that each witness has cosigned.
    pub(super) witnessed: u64,
}

impl<'a> Known<'a> {
    pub(super) fn new(trusted: &'a Trusted) -> Self {
        Self {
            log: &trusted.log,
            witnesses: &trusted.witnesses,
            by_size: BTreeMap::new(),
            own: None,
            findings: Vec::new(),
        }
    }

    /// The folder's own: its tree is of this size.
    pub(super) fn take_own(&mut self, text: &str) {
        let read = Note::parse(text).and_then(|note| Ok((Checkpoint::of(&note)?, note)));
        let Ok((checkpoint, note)) = read else {
            let what = "the folder's checkpoint is none";
            return self.findings.push(Finding::whole(Wrong::Damaged, what));
        };
        self.own = Some(checkpoint.head.size);
        self.add(&note, true);
    }

    /// One that was cosigned.
    pub(super) fn take_text(&mut self, text: &str) {
        match Note::parse(text) {
            Ok(note) => self.take(&note),
            Err(_) => {
                let what = "a cosigned checkpoint of the folder is none";
                self.findings.push(Finding::whole(Wrong::Damaged, what));
            }
        }
    }

    /// One that the checker brought.
    pub(super) fn take(&mut self, note: &Note) {
        self.add(note, false);
    }

    fn add(&mut self, note: &Note, is_own: bool) {
        let bad = |what: String| Finding::whole(Wrong::BadSignature, what);
        let checkpoint = match Checkpoint::of(note) {
            Ok(checkpoint) => checkpoint,
            Err(_) => {
                let what = "a checkpoint cannot be read".to_owned();
                return self.findings.push(Finding::whole(Wrong::Damaged, what));
            }
        };
        let size = checkpoint.head.size;
        if checkpoint.origin != self.log.name() {
            let what = format!("the checkpoint of {size} lines is of another log");
            return self.findings.push(bad(what));
        }
        match note.signed_by(self.log) {
            Ok(Some(_)) => {}
            Ok(None) => {
                let what = format!("the log did not sign the checkpoint of {size} lines");
                return self.findings.push(bad(what));
            }
            Err(error) => {
                let what = format!("the checkpoint of {size} lines: {error}");
                return self.findings.push(bad(what));
            }
        }
        let mut cosigners = Vec::new();
        for witness in self.witnesses {
            match note.signed_by(witness) {
                Ok(Some(_)) => cosigners.push(witness.name().to_owned()),
                Ok(None) => {}
                Err(error) => {
                    let what = format!("the checkpoint of {size} lines: {error}");
                    self.findings.push(bad(what));
                }
            }
        }
        self.by_size.entry(size).or_default().push(Signed {
            root: checkpoint.head.root,
            cosigners,
            is_own,
        });
    }

    /// How many lines the folder says that it has.
    pub(super) fn own_size(&self) -> u64 {
        self.own.unwrap_or(0) // Without a checkpoint it says none, which is a finding already.
    }

    /// Holds them against a tree.
    pub(super) fn hold(mut self, tree: &[TreeHash]) -> HeldCheckpoints {
        let mut frontier = Frontier::default();
        let mut leaves = tree.iter();
        let (mut held, mut signed, mut last) = (0, 0, 0);
        let mut cosigned: BTreeMap<&str, u64> = BTreeMap::new();
        let mut forked = false;
        for (size, all) in &self.by_size {
            while frontier.size() < *size
                && let Some(leaf) = leaves.next()
            {
                frontier.push(*leaf);
            }
            let is_there = frontier.size() == *size;
            let root = frontier.root();
            for one in all {
                let by = one.by();
                if !is_there {
                    let there = count(tree.len());
                    let what = format!("cut behind line {there}: there were {size} {by}");
                    self.findings.push(Finding::of(Wrong::Cut, there, what));
                } else if one.root == root {
                    held += 1;
                    signed = *size;
                    for cosigner in &one.cosigners {
                        cosigned.insert(cosigner, *size);
                    }
                } else if !forked {
                    // The ones after it differ because of the same.
                    let what = format!(
                        "forked between lines {} and {size}: the lines up to {size} are not those {by}",
                        last + 1
                    );
                    self.findings.push(Finding::of(Wrong::Forked, last, what));
                    forked = true;
                }
            }
            if is_there && all.iter().any(|one| one.root == root) && !forked {
                last = *size;
            }
        }
        for witness in self.witnesses {
            if !cosigned.contains_key(witness.name()) {
                let what = format!(
                    "{} has cosigned no checkpoint of these lines",
                    witness.name()
                );
                self.findings
                    .push(Finding::whole(Wrong::MissingWitness, what));
            }
        }
        let of = |witness: &NoteKey| cosigned.get(witness.name()).copied();
        let least = self.witnesses.iter().map(of).min().flatten();
        HeldCheckpoints {
            held,
            signed: if forked { last } else { signed },
            witnessed: least.unwrap_or(0), // Nobody cosigned.
            findings: self.findings,
        }
    }
}

impl Signed {
    /// Who says so.
    fn by(&self) -> String {
        match (self.cosigners.as_slice(), self.is_own) {
            ([], true) => "that the folder's own checkpoint signed".to_owned(),
            ([], false) => "that the log signed before".to_owned(),
            (names, _) => format!("that {} cosigned", names.join(" and ")),
        }
    }
}
