//! What the audit's lines say must stand in the tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use varco_proto::time::UtcTime;

use crate::approvals::subject::ApprovalFor;
use crate::audit::AuditLine;
use crate::audit::action::Action;
use crate::audit::told::{
    AccountMade, AccountSet, AccountTurned, Blocked, CaseClosingAsked, CaseEnded, CaseMade,
    EdgeEnded, EdgeMade, Erased, HourBegun, HourEnded, HubMade, ListEnded, ListMade,
    NamedOrCounted, NotedToken, PasskeyEnded, PasskeyMade, PostEnded, PostKeyed, PostMade, Purged,
    Restored, TablesNoted, TokenEnded, TokenMade, Told,
};
use crate::hours::partition::Partition;
use crate::proof::verification::acts;
use crate::proof::verification::approvals::ToldApprovals;
use crate::proof::verification::rows::ToldRows;

/// Something that a line made, and whether a line ended it.
#[derive(Debug)]
pub(super) struct Made<T> {
    pub(super) told: T,
    pub(super) by: String,
    pub(super) by_id: Option<String>,
    pub(super) at: UtcTime,
}

/// Things by their names: those that lines made, and those that lines ended.
#[derive(Debug)]
pub(super) struct Book<T> {
    pub(super) made: BTreeMap<String, Made<T>>,
    pub(super) ended: BTreeSet<String>,
}

impl<T> Default for Book<T> {
    fn default() -> Self {
        Self {
            made: BTreeMap::new(),
            ended: BTreeSet::new(),
        }
    }
}

impl<T> Book<T> {
    fn make(&mut self, name: String, line: &AuditLine, told: T) {
        // A box whose answer was lost enrols again: the first line made the row.
        self.made.entry(name).or_insert_with(|| Made {
            told,
            by: line.actor.clone(),
            by_id: line.actor_id.clone(),
            at: line.at,
        });
    }
}

/// What must stand in the tables, as far as the lines were read. Of what came to its end no more is kept
/// than a name, and of hours and blocks nothing.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Whether every row has a line, since the home was made.
    pub(super) tells_all: bool,
    /// By the digest, hexadecimal.
    pub(super) tokens: Book<TokenMade>,
    /// Lines of a later version, whose actions this one does not know.
    pub(super) later_lines: u64,
    /// Lines that do not say which token they made: how many, by actor and moment.
    pub(super) unnamed_tokens: HashMap<(String, i64), u32>,
    pub(super) edges: Book<EdgeMade>,
    pub(super) accounts: Book<AccountMade>,
    /// What lets the person of an account in, by the digest that its last line says; none after an
    /// invitation.
    pub(super) credentials: BTreeMap<String, String>,
    pub(super) posts: Book<PostMade>,
    pub(super) passkeys: Book<PasskeyMade>,
    /// The digest of a post's key.
    pub(super) post_keys: BTreeMap<String, String>,
    pub(super) cases: Book<CaseMade>,
    /// Who asked for which case to be closed.
    closings: BTreeSet<(String, String)>,
    pub(super) lists: Book<ListMade>,
    pub(super) approvals: ToldApprovals,
    /// When records were destroyed at the request of whom they were about, by their digests.
    pub(super) erased: HashMap<Vec<u8>, UtcTime>,
    /// Of everything else that people decide.
    pub(super) rows: ToldRows,
    /// Accounts that lines disabled.
    pub(super) disabled: BTreeSet<String>,
    /// Transits that are blocked, hexadecimal, with the order where a line says it.
    pub(super) blocks: BTreeMap<String, Option<String>>,
    /// Whether a restore blocked transits that its line does not name.
    pub(super) has_unnamed_blocks: bool,
    /// Hours that began and did not end.
    pub(super) hours: BTreeSet<Partition>,
    /// When the first line of an hour's beginning was written.
    pub(super) hours_told_since: Option<UtcTime>,
}

const UNTOLD: &str = "it does not say what a line of its action must say";

fn told<T: Told>(line: &AuditLine) -> Result<T, &'static str> {
    T::of(line).map_err(|_| UNTOLD)
}

fn hour(text: &str) -> Result<Partition, &'static str> {
    text.parse().map_err(|_| UNTOLD)
}

impl Expected {
    /// Takes the next line in.
    ///
    /// # Errors
    /// What is wrong with what it tells.
    pub(super) fn take(&mut self, line: &AuditLine) -> Result<(), &'static str> {
        let Some(action) = line.action.known() else {
            self.later_lines += 1;
            return Ok(());
        };
        acts::take(&mut self.rows, action, line).map_err(|_| UNTOLD)?;
        match action {
            Action::HubInitialised if line.sequence == 1 => {
                self.tells_all = told::<HubMade>(line)?.tells_all;
            }
            Action::TokenIssued => self.token(line)?,
            Action::TablesNoted => self.noted(line)?,
            Action::TokenRevoked => {
                let ended: TokenEnded = told(line)?;
                self.tokens.ended.insert(ended.token_digest);
            }
            Action::EdgeAdded | Action::EdgeEnrolled => {
                let made: EdgeMade = told(line)?;
                self.edges.make(made.edge.clone(), line, made);
            }
            Action::EdgeRevoked => {
                self.edges.ended.insert(told::<EdgeEnded>(line)?.edge);
            }
            Action::AccountInvited
            | Action::AccountOpened
            | Action::AccountDisabled
            | Action::AccountEnabled
            | Action::PostInvited
            | Action::PostEnrolled
            | Action::PostRevoked
            | Action::PasskeyMade
            | Action::PasskeyRevoked => self.signing(action, line)?,
            Action::CaseOpened => {
                let made: CaseMade = told(line)?;
                self.cases.make(made.case.clone(), line, made);
            }
            Action::CaseClosingAsked => {
                let asked: CaseClosingAsked = told(line)?;
                self.closings.insert((asked.case, line.actor.clone()));
            }
            Action::CaseClosed => self.case_closed(line)?,
            Action::HotlistMade => {
                let made: ListMade = told(line)?;
                self.lists.make(made.list.clone(), line, made);
            }
            Action::HotlistClosed => {
                self.lists.ended.insert(told::<ListEnded>(line)?.list);
            }
            Action::TransitBlocked => {
                let blocked: Blocked = told(line)?;
                for transit in blocked.transits {
                    let order = Some(blocked.order.clone());
                    self.blocks.entry(transit).or_insert(order);
                }
            }
            Action::BlockLifted => self.lifted(told(line)?)?,
            Action::PartitionBegun => {
                self.hours_told_since.get_or_insert(line.at);
                self.hours.insert(hour(&told::<HourBegun>(line)?.hour)?);
            }
            Action::PartitionExpired => {
                self.hours.remove(&hour(&told::<HourEnded>(line)?.hour)?);
            }
            Action::TransitsPurged => drop(told::<Purged>(line)?),
            Action::TransitsErased => self.erased(line)?,
            Action::HubRestored => self.restored(told(line)?, line)?,
            other => self.approvals.take(other, line).ok_or(UNTOLD)?,
        }
        Ok(())
    }

    /// Blocks were lifted: versions before took one person's word.
    fn lifted(&mut self, lifted: Blocked) -> Result<(), &'static str> {
        let is_agreed = |id: &String| self.approvals.was_used(id, ApprovalFor::BlockLifting);
        if !lifted.approval.as_ref().is_none_or(is_agreed) {
            return Err("it lifted a block that no second person had agreed to lift");
        }
        for transit in lifted.transits {
            self.blocks.remove(&transit);
        }
        Ok(())
    }

    /// Transits were destroyed before their term: somebody asked, and another, who answers for it, agreed.
    fn erased(&mut self, line: &AuditLine) -> Result<(), &'static str> {
        let erased: Erased = told(line)?;
        let what = ApprovalFor::EarlyDeletion;
        if !self.approvals.was_used(&erased.approval, what) {
            return Err("it destroyed transits that no second person had agreed to destroy");
        }
        for digest in &line.result_digests {
            let digest = hex::decode(digest).map_err(|_| UNTOLD)?;
            self.erased.insert(digest, line.at);
        }
        Ok(())
    }

    /// How persons sign in.
    fn signing(&mut self, action: Action, line: &AuditLine) -> Result<(), &'static str> {
        match action {
            Action::AccountInvited => {
                let made: AccountMade = told(line)?;
                self.credentials.remove(&made.account);
                self.disabled.remove(&made.account);
                self.accounts.make(made.account.clone(), line, made);
            }
            Action::AccountOpened => {
                let set: AccountSet = told(line)?;
                self.credentials.insert(set.account, set.credentials);
            }
            Action::AccountDisabled => {
                self.disabled.insert(told::<AccountTurned>(line)?.account);
            }
            Action::AccountEnabled => {
                self.disabled.remove(&told::<AccountTurned>(line)?.account);
            }
            Action::PostInvited => {
                let made: PostMade = told(line)?;
                self.posts.make(made.post.clone(), line, made);
            }
            Action::PostEnrolled => {
                let keyed: PostKeyed = told(line)?;
                self.post_keys.insert(keyed.post, keyed.key_digest);
            }
            Action::PostRevoked => {
                self.posts.ended.insert(told::<PostEnded>(line)?.post);
            }
            Action::PasskeyMade => {
                let made: PasskeyMade = told(line)?;
                self.passkeys.make(made.passkey.clone(), line, made);
            }
            Action::PasskeyRevoked => {
                let ended: PasskeyEnded = told(line)?;
                self.passkeys.ended.insert(ended.passkey);
            }
            _ => {}
        }
        Ok(())
    }

    fn token(&mut self, line: &AuditLine) -> Result<(), &'static str> {
        let made: TokenMade = told(line)?;
        match made.token_digest.clone() {
            Some(digest) => self.tokens.make(digest, line, made),
            None => {
                let key = (made.actor, line.at.unix_us());
                *self.unnamed_tokens.entry(key).or_insert(0) += 1;
            }
        }
        Ok(())
    }

    /// What an older version left: from here on every row has its line.
    fn noted(&mut self, line: &AuditLine) -> Result<(), &'static str> {
        let noted: TablesNoted = told(line)?;
        for token in noted.tokens {
            let NotedToken {
                actor,
                may,
                token_digest,
                created_at,
                ends_at,
            } = token;
            if self.tokens.made.contains_key(&token_digest) {
                continue;
            }
            let key = (actor.clone(), created_at.unix_us());
            match self.unnamed_tokens.get_mut(&key) {
                Some(count) if *count > 0 => *count -= 1,
                _ => return Err("it notes a token that no line made"),
            }
            let told = TokenMade {
                actor,
                actor_id: None,
                actor_kind: None,
                may: Some(may),
                purposes: None,
                agreement: None,
                token_digest: Some(token_digest.clone()),
                body: None,
                ends_at: Some(ends_at),
            };
            let made = Made {
                told,
                by: line.actor.clone(),
                by_id: line.actor_id.clone(),
                at: created_at,
            };
            self.tokens.made.insert(token_digest, made);
        }
        for text in noted.hours {
            self.hours.insert(hour(&text)?);
        }
        self.tells_all = true;
        Ok(())
    }

    /// A case that a person closed had been asked for by another; versions before named nobody.
    fn case_closed(&mut self, line: &AuditLine) -> Result<(), &'static str> {
        let ended: CaseEnded = told(line)?;
        self.cases.ended.insert(ended.case.clone());
        let Some(asked_by) = ended.asked_by else {
            return Ok(());
        };
        let second = ended.agreed_by.as_ref().unwrap_or(&line.actor);
        let is_one_person = asked_by == *second;
        if is_one_person || !self.closings.contains(&(ended.case, asked_by)) {
            return Err("it closed a case that no second person had asked to be closed");
        }
        Ok(())
    }

    /// What a line of a restore says was ended again.
    fn restored(&mut self, restored: Restored, line: &AuditLine) -> Result<(), &'static str> {
        let Some(ended) = restored.ended_again else {
            return Ok(());
        };
        acts::restored(&mut self.rows, &ended, line).map_err(|_| UNTOLD)?;
        self.edges.ended.extend(ended.edges);
        self.cases.ended.extend(ended.cases);
        self.lists.ended.extend(ended.hotlists);
        self.posts.ended.extend(ended.signing.posts);
        self.passkeys.ended.extend(ended.signing.passkeys);
        self.approvals.end_again(ended.approvals);
        match ended.blocks {
            NamedOrCounted::Named(transits) => {
                let blocks = transits.into_iter().map(|transit| (transit, None));
                self.blocks.extend(blocks);
            }
            NamedOrCounted::Counted(count) => self.has_unnamed_blocks |= count > 0,
        }
        Ok(())
    }
}
