//! What lines tell that is read back: by the proof of destruction, and to hold the tables against the
//! lines that made them. Each is written and read as one type; what cannot be read is a fault.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use varco_proto::time::UtcTime;

use crate::audit::action::Action;
use crate::audit::actor::{Actor, ActorKind};
use crate::audit::{AuditEntry, AuditError, AuditLine};

/// The details of one action.
pub trait Told: Serialize + DeserializeOwned {
    /// The line of it.
    ///
    /// # Errors
    /// [`AuditError::Encode`].
    fn entry(&self, actor: Actor, action: Action) -> Result<AuditEntry, AuditError> {
        Ok(AuditEntry::plain(
            actor,
            action,
            serde_json::to_value(self)?,
        ))
    }

    /// What a line tells.
    ///
    /// # Errors
    /// [`Untold`]: that is a fault.
    fn of(line: &AuditLine) -> Result<Self, Untold> {
        Self::deserialize(&line.details).map_err(|_| Untold)
    }
}

/// A line does not say what lines of its action say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untold;

macro_rules! told {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $name { $($(#[$of])* pub $field: $type,)* }
            impl Told for $name {}
        )*
    };
}

told! {
    /// [`Action::HubInitialised`].
    HubMade {
        /// The hub's public key.
        hub_key: String,
        /// Whether every row that `audit verify` holds against lines has one from here on; versions
        /// before did not write them all.
        #[serde(default)]
        tells_all: bool,
    }
    /// [`Action::TokenIssued`].
    TokenMade {
        /// Whose.
        #[serde(rename = "for")]
        actor: String,
        /// Their id; versions before there were ids did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        actor_id: Option<String>,
        /// What they are; versions before did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        actor_kind: Option<ActorKind>,
        /// What it may do; versions before there were permissions did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        may: Option<String>,
        /// For what, by name; tokens of versions before were for nothing stated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purposes: Option<String>,
        /// The agreement under which it shows others' gates; none for its body's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreement: Option<String>,
        /// What is stored of it, hexadecimal; versions before did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_digest: Option<String>,
        /// For which body they worked then; versions before there were bodies did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// When it ends; tokens of versions before had no end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends_at: Option<UtcTime>,
    }
    /// [`Action::TokenRevoked`].
    TokenEnded {
        /// Whose it was.
        #[serde(rename = "for")]
        actor: String,
        /// What is stored of it, hexadecimal.
        token_digest: String,
        /// The rule that ended it; none when somebody did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    }
    /// [`Action::TablesNoted`].
    TablesNoted {
        /// Every token.
        tokens: Vec<NotedToken>,
        /// The hours that were stored.
        hours: Vec<String>,
    }
    /// [`Action::EdgeAdded`] and [`Action::EdgeEnrolled`].
    EdgeMade {
        /// Its name.
        edge: String,
        /// Its gate.
        gate: String,
        /// Opens what it seals.
        edge_key: String,
        /// Until when its certificate holds; said when it enrolled itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate_ends: Option<UtcTime>,
    }
    /// [`Action::EdgeRevoked`].
    EdgeEnded {
        /// Its name.
        edge: String,
        /// Since when.
        revoked_at: UtcTime,
    }
    /// [`Action::CaseOpened`].
    CaseMade {
        /// Its id.
        case: String,
        /// Who ordered it.
        authority: String,
        /// The order's reference.
        order: String,
        /// Its term.
        until: UtcTime,
    }
    /// [`Action::CaseClosingAsked`].
    CaseClosingAsked {
        /// Its id.
        case: String,
    }
    /// [`Action::CaseClosed`].
    CaseEnded {
        /// Its id.
        case: String,
        /// How many transits it held that anybody might see.
        transits: u64,
        /// How many blocked ones beside them; versions before did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blocked: Option<u64>,
        /// Who asked for it, where a person closed it; the line's own actor confirmed. Versions before
        /// took one person's word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked_by: Option<String>,
        /// Who had agreed, where who asked closed it themself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreed_by: Option<String>,
    }
    /// [`Action::HotlistMade`].
    ListMade {
        /// Its id.
        list: String,
        /// Its name.
        name: String,
        /// Why.
        reason: String,
        /// Whose.
        owner: String,
        /// 0 to 100.
        priority: u8,
        /// Whether reads that are near raise alerts.
        near: bool,
        /// From when.
        valid_from: UtcTime,
        /// Until when.
        valid_to: UtcTime,
        /// Whom it is for.
        seen_by: Vec<String>,
    }
    /// [`Action::HotlistClosed`].
    ListEnded {
        /// Its id.
        list: String,
    }
    /// [`Action::TransitBlocked`] and [`Action::BlockLifted`].
    Blocked {
        /// Ids, hexadecimal.
        transits: Vec<String>,
        /// The order's reference.
        order: String,
        /// The request by which another person agreed that a block be lifted. Versions before took one person's word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<String>,
    }
    /// [`Action::PartitionBegun`].
    HourBegun {
        /// Which.
        hour: String,
    }
    /// [`Action::PartitionExpired`].
    HourEnded {
        /// Which.
        hour: String,
        /// How many transits it had.
        transits: u64,
        /// All were captured before; nothing reads it back.
        #[serde(default)]
        captured_before: Option<UtcTime>,
        /// Its municipality's term, where that is not the hub's own.
        #[serde(default)]
        term_hours: Option<u8>,
    }
    /// [`Action::AuditLinesEnded`].
    LinesEnded {
        /// The first of them.
        first: u64,
        /// The last; lines between them that stay are left out.
        last: u64,
        /// How many ended.
        lines: u64,
        /// All were written before.
        before: UtcTime,
    }
    /// [`Action::AccountInvited`].
    AccountMade {
        /// Its id.
        account: String,
        /// Whose.
        #[serde(rename = "for")]
        person: String,
        /// Their id.
        actor_id: String,
        /// What they type.
        user_name: String,
        /// Until when the code holds.
        code_ends: UtcTime,
    }
    /// [`Action::AccountOpened`].
    AccountSet {
        /// Its id.
        account: String,
        /// SHA-256 of what is kept of password and second factor, hexadecimal.
        credentials: String,
    }
    /// [`Action::AccountDisabled`] and [`Action::AccountEnabled`].
    AccountTurned {
        /// Its id.
        account: String,
        /// Why.
        why: String,
    }
    /// [`Action::PostInvited`].
    PostMade {
        /// Its id.
        post: String,
        /// What people call it.
        name: String,
        /// Whose it is.
        body: String,
        /// Until when the code holds.
        code_ends: UtcTime,
    }
    /// [`Action::PostEnrolled`].
    PostKeyed {
        /// Its id.
        post: String,
        /// SHA-256 of its public key, hexadecimal.
        key_digest: String,
    }
    /// [`Action::PostRevoked`].
    PostEnded {
        /// Its id.
        post: String,
    }
    /// [`Action::SignedIn`].
    SessionMade {
        /// Its id.
        session: String,
        /// Whose account.
        account: String,
        /// From which post.
        post: Option<String>,
        /// When it ends at the latest.
        ends_at: UtcTime,
        /// Where from, as an address.
        address: Option<std::net::IpAddr>,
        /// The id of the passkey; none for a password with a second factor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passkey: Option<String>,
    }
    /// [`Action::PasskeyMade`].
    PasskeyMade {
        /// Its id.
        passkey: String,
        /// Whose account.
        account: String,
        /// What its person calls it.
        name: String,
        /// SHA-256 of its credential id and public key, hexadecimal.
        key_digest: String,
    }
    /// [`Action::PasskeyRevoked`].
    PasskeyEnded {
        /// Its id.
        passkey: String,
        /// Whose account.
        account: String,
    }
    /// [`Action::SessionLocked`], [`Action::SessionUnlocked`] and [`Action::SessionEnded`].
    SessionTurned {
        /// Its id.
        session: String,
        /// Whose account.
        account: String,
        /// Why.
        why: String,
    }
    /// [`Action::SignInRefused`]. What was typed is not in it: people type passwords into the wrong field.
    SignInDenied {
        /// Whose account, when there is one of the name that was typed.
        account: Option<String>,
        /// From which post, when that was shown.
        post: Option<String>,
        /// Why.
        why: String,
        /// Where from, as an address.
        address: Option<std::net::IpAddr>,
    }
    /// [`Action::ApprovalAsked`].
    ApprovalAsk {
        /// Its id.
        approval: String,
        /// What it is about, with what it is for.
        subject: serde_json::Value,
        /// Why.
        reason: String,
        /// Until when it waits.
        waits_until: UtcTime,
        /// For how many seconds it unlocks.
        lasts_s: u64,
        /// How many others must agree.
        needed: u32,
    }
    /// [`Action::ApprovalDecided`].
    ApprovalWord {
        /// Its id.
        approval: String,
        /// What it is for.
        #[serde(rename = "for")]
        what: String,
        /// Who asked, by id.
        asked_by: String,
        /// Whether they agree.
        approves: bool,
        /// What they added.
        note: String,
        /// Where it stands with this word.
        state: String,
        /// Until when it unlocks; none while it waits, and when it was refused.
        until: Option<UtcTime>,
        /// Of which body whoever answers for it is told.
        told: Option<String>,
    }
    /// [`Action::ApprovalWithdrawn`], [`Action::ApprovalExpired`] and [`Action::ApprovalEnded`].
    ApprovalTurned {
        /// Its id.
        approval: String,
        /// What it is for.
        #[serde(rename = "for")]
        what: String,
        /// Who asked, by id.
        asked_by: String,
        /// Why.
        why: String,
    }
    /// [`Action::ApprovalUsed`].
    ApprovalUsedUp {
        /// Its id.
        approval: String,
        /// What it was for.
        #[serde(rename = "for")]
        what: String,
        /// Who had agreed, by id.
        approved_by: Vec<String>,
    }
    /// [`Action::GatesClaimed`] and [`Action::GatesFreed`].
    GatesClaimed {
        /// Which.
        gates: Vec<String>,
        /// Until when; none when they are in use no more.
        until: Option<UtcTime>,
    }
    /// [`Action::TransitsPurged`].
    Purged {
        /// Of which hour.
        hour: String,
        /// How many.
        transits: u64,
        /// Of which gates; nothing reads it back.
        #[serde(default)]
        gates: Vec<String>,
        /// All were captured before; nothing reads it back.
        #[serde(default)]
        captured_before: Option<UtcTime>,
    }
    /// [`Action::TransitsErased`]. The line's digests are those of their records.
    Erased {
        /// Of which hour.
        hour: String,
        /// How many.
        transits: u64,
        /// Of which gates.
        gates: Vec<String>,
        /// The request that the responsible person granted, by its id.
        approval: String,
        /// The reference of what whom they are about asked for.
        request: String,
        /// On which day, YYYY-MM-DD.
        requested_on: String,
        /// Which right: `erasure` or `objection`.
        right: String,
        /// Open cases that keep a copy, because an order holds it.
        kept_in_cases: Vec<String>,
    }
}

/// A token that an older version had issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedToken {
    /// Whose.
    #[serde(rename = "for")]
    pub actor: String,
    /// What it may do.
    pub may: String,
    /// What is stored of it, hexadecimal.
    pub token_digest: String,
    /// When it was issued.
    pub created_at: UtcTime,
    /// When it ends.
    pub ends_at: UtcTime,
}

/// [`Action::HubRestored`]: what lived in an older main database and was ended again. Of the rest of
/// the line nothing is read back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// What was ended again. Versions before there was a floor did not say.
    #[serde(default)]
    pub ended_again: Option<EndedAgain>,
}

impl Told for Restored {}

/// The part of what was ended again that is held against tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedAgain {
    /// Edges, revoked.
    pub edges: Vec<String>,
    /// Cases, closed.
    pub cases: Vec<String>,
    /// Hotlists, closed.
    pub hotlists: Vec<String>,
    /// Transits, blocked, hexadecimal; versions before counted them.
    pub blocks: NamedOrCounted,
    /// Of how persons sign in; versions before had none of it.
    #[serde(default)]
    pub signing: SigningAgain,
    /// Requests, ended; versions before had none.
    #[serde(default)]
    pub approvals: Vec<String>,
    /// Actors whose appointments were ended; versions before counted them.
    #[serde(default)]
    pub appointments: NamedOrCounted,
    /// Delegations, custodies of keys and entries of external staff, each as its table, its number and when it was
    /// made; versions before counted them.
    #[serde(default)]
    pub offices: NamedOrCounted,
    /// Standing authorisations, each as its number and when it was given; versions before counted them.
    #[serde(default)]
    pub permits: NamedOrCounted,
    /// Bodies, ended.
    #[serde(default)]
    pub bodies: Vec<String>,
    /// Agreements, ended whole or for a member.
    #[serde(default)]
    pub agreements: Vec<String>,
    /// Municipalities and gates whose lists of purposes were made again.
    #[serde(default)]
    pub purposes: Vec<String>,
    /// These lists, each by its kind, its name and its number with line breaks between; versions before did not say.
    #[serde(default)]
    pub purposes_made: BTreeMap<String, PurposesMade>,
    /// Webhooks, removed.
    #[serde(default)]
    pub webhooks: Vec<String>,
    /// Gates whose term was shortened.
    #[serde(default)]
    pub gates: Vec<String>,
    /// Their municipalities, with the hours; versions before did not say.
    #[serde(default)]
    pub terms: BTreeMap<String, (String, i64)>,
}

/// A list of purposes that a restore made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurposesMade {
    /// Names with blanks between.
    pub purposes: String,
    /// By which act.
    pub act: String,
    /// The regulation that allows sanctions.
    pub sanction_basis: Option<String>,
    /// From when, microseconds since 1970.
    pub from_us: i64,
    /// When it was made, microseconds since 1970.
    pub made_at_us: i64,
}

/// Accounts, posts and passkeys that were ended again; ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningAgain {
    /// Accounts whose credentials were taken away.
    pub accounts: Vec<String>,
    /// Posts that were revoked, or whose code was taken away.
    pub posts: Vec<String>,
    /// Passkeys that were revoked; versions before had none.
    #[serde(default)]
    pub passkeys: Vec<String>,
    /// Sessions, ended.
    #[serde(default)]
    pub sessions: Vec<String>,
}

/// Ids, or how many there were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum NamedOrCounted {
    /// Which.
    Named(Vec<String>),
    /// How many.
    Counted(u64),
}

impl NamedOrCounted {
    /// Those that are named.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Named(names) => names,
            Self::Counted(_) => &[],
        }
    }

    /// Whether there are some that are not named.
    #[must_use]
    pub fn has_unnamed(&self) -> bool {
        matches!(self, Self::Counted(count) if *count > 0)
    }
}

impl Default for NamedOrCounted {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::told::*;

    #[test]
    fn c43_part_a_key_that_was_renamed_is_no_zero() {
        let details = |key: &str| {
            serde_json::json!({ "hour": "2026-11-22T13", key: 3,
            "captured_before": "2026-11-22T14:00:00Z", "term_hours": null })
        };
        let hour = HourEnded::deserialize(details("transits")).unwrap();
        assert_eq!(hour.transits, 3);
        assert!(HourEnded::deserialize(details("rows")).is_err());
    }
}
