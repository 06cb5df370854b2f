//! What lines say was done. Names are only added: lines that are written stay readable.

use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The hub's home was made.
    HubInitialised,
    /// An edge was registered.
    EdgeAdded,
    /// An edge was invited: a token was issued for it.
    EdgeInvited,
    /// An edge enrolled itself with its token.
    EdgeEnrolled,
    /// An edge got a new certificate.
    EdgeRenewed,
    /// An edge was revoked.
    EdgeRevoked,
    /// An edge that kept its transits back was released.
    EdgeReleased,
    /// An edge whose chain had forked was let in again.
    ForkReleased,
    /// An edge is believed about a further gate or camera.
    EdgeAllowed,
    /// Somebody said where a gate or a camera stands.
    GatePlaced,
    /// A municipality was named, or its term changed, or it was removed.
    MunicipalityChanged,
    /// A gate was given to a municipality, or to none.
    GateGiven,
    /// A body was named, or its name or municipality changed.
    BodyChanged,
    /// A body ended: its people and systems may nothing any more.
    BodyEnded,
    /// Somebody said how a body writes the references of its cases.
    ReferenceFormSet,
    /// A municipality said by an act what its gates are for, or one of them.
    PurposesSet,
    /// What gates are for was read.
    PurposesListed,
    /// A person was appointed, by an act, for tasks.
    PersonAppointed,
    /// A person's appointment was ended.
    PersonDismissed,
    /// The person who answers for a body delegated functions, by a written act.
    FunctionsDelegated,
    /// A delegation was ended before its end.
    DelegationEnded,
    /// A key of server room, media cabinet or encryption was handed over.
    KeyHandedOver,
    /// Somebody of a firm was entered into the external staff.
    StaffEntered,
    /// They were taken out of it.
    StaffEnded,
    /// Who answers for a body, delegations, custodians and external staff were read.
    OfficeShown,
    /// An agreement was made.
    AgreementMade,
    /// A member joined an agreement.
    AgreementJoined,
    /// A member left it.
    AgreementLeft,
    /// Another municipality leads it.
    AgreementLed,
    /// It was ended before its end.
    AgreementEnded,
    /// A municipality ceased to take part: it left its agreements, and what it has stored is destroyed.
    MunicipalityCeased,
    /// That what a member had shared, or seen, is destroyed was certified.
    DestructionCertified,
    /// The bodies were listed.
    BodiesListed,
    /// The persons and their appointments were listed.
    PersonsListed,
    /// The agreements were listed.
    AgreementsListed,
    /// A token was issued.
    TokenIssued,
    /// What stood in the tables when a version that writes a line of every row first ran on them.
    TablesNoted,
    /// A token was revoked.
    TokenRevoked,
    /// The tokens were listed.
    TokensListed,
    /// The municipalities and their terms were listed.
    MunicipalitiesListed,
    /// The webhooks were listed.
    WebhooksListed,
    /// A backup was begun.
    BackupBegun,
    /// Alerts are told to another system, which they are sent to next.
    AlertsSent,
    /// Transits were looked up.
    Lookup,
    /// Vehicles that passed both of two places were looked up.
    LookupBoth,
    /// Vehicles that travel with one were looked up.
    LookupCompanions,
    /// Transits were counted, without plates.
    Counted,
    /// A lookup was refused or broken off, by versions before there was a line for every attempt.
    LookupRefused,
    /// Something that was asked for was refused, or failed, or was broken off.
    AttemptRefused,
    /// A search was stopped: the rule against misuse needs a second person.
    SearchStopped,
    /// Somebody asked for a second person, for a search that was stopped.
    SecondLookAsked,
    /// The second looks that wait were listed.
    SecondLooksListed,
    /// A second person decided about a search.
    SecondLookDecided,
    /// Plates were listed as a body's own people's, or taken off.
    OwnPlatesChanged,
    /// Somebody said who is on duty when.
    DutyTold,
    /// Somebody said which accounts are one person's.
    AccountsTold,
    /// The state of the edges was read.
    EdgesListed,
    /// The gates and their places were read.
    GatesListed,
    /// Somebody began to watch the transits as they come.
    LiveOpened,
    /// Somebody stopped watching; the count says how many transits were shown.
    LiveClosed,
    /// The hub was restored from a backup.
    HubRestored,
    /// A hotlist was made.
    HotlistMade,
    /// The hotlists were listed.
    HotlistsListed,
    /// The plates of a hotlist were replaced.
    HotlistImported,
    /// A file was held against a hotlist, and nothing changed.
    HotlistCompared,
    /// A plate was put on a hotlist without a file.
    HotlistPlateAdded,
    /// What a hotlist says of a plate was replaced.
    HotlistPlateChanged,
    /// A plate was taken off a hotlist.
    HotlistPlateRemoved,
    /// A hotlist was closed and its plates destroyed.
    HotlistClosed,
    /// Alerts were shown.
    AlertsShown,
    /// Somebody said what an alert came to.
    AlertAcknowledged,
    /// An order opened a case.
    CaseOpened,
    /// The cases were listed.
    CasesListed,
    /// Transits were put into a case, which keeps them beyond their term.
    CaseHeld,
    /// What a case holds was shown.
    CaseShown,
    /// Somebody asked for a case to be closed; a second person is waited for.
    CaseClosingAsked,
    /// A case was closed and what it held destroyed.
    CaseClosed,
    /// Transits are kept, and nobody may process them.
    TransitBlocked,
    /// They may be processed again.
    BlockLifted,
    /// Alerts are told to another system.
    WebhookMade,
    /// A webhook that did not take them is tried again.
    WebhookResumed,
    /// Alerts are no longer told to it.
    WebhookRemoved,
    /// The server's certificate was issued anew.
    CertificateIssued,
    /// A certificate of another authority is shown by the server.
    CertificateTaken,
    /// It is shown no more.
    CertificateDropped,
    /// The first transit of an hour was stored, under a key of its own.
    PartitionBegun,
    /// An hour's partition was destroyed, because its term was over.
    PartitionExpired,
    /// Transits were destroyed within their hour, because their municipality's term was shortened and is over.
    TransitsPurged,
    /// Transits were destroyed before their term, at the request of whom they are about.
    TransitsErased,
    /// A person vouched for the system's clock.
    ClockConfirmed,
    /// The audit was read: a search, a line, a proof, a checkpoint, a tile, an export.
    AuditRead,
    /// The texts of lines whose term was over were ended; the line tells which.
    AuditLinesEnded,
    /// The witnesses that hub.toml names are others than before.
    WitnessesChanged,
    /// Transits of an expiring day were destroyed, by versions that kept days.
    TransitsExpired,
    /// A person was given a code to open an account with; what had let them in before does no more.
    AccountInvited,
    /// A person set a password and a second factor.
    AccountOpened,
    /// An account lets nobody in any more.
    AccountDisabled,
    /// It does again.
    AccountEnabled,
    /// The accounts were listed.
    AccountsListed,
    /// A code was given to enrol a post with.
    PostInvited,
    /// A post was enrolled with its key.
    PostEnrolled,
    /// A post was revoked.
    PostRevoked,
    /// The posts were listed.
    PostsListed,
    /// A person signed in.
    SignedIn,
    /// A person made a passkey.
    PasskeyMade,
    /// A passkey was revoked.
    PasskeyRevoked,
    /// Which passkeys there are was read.
    PasskeysListed,
    /// Somebody tried to sign in, or to unlock a session, and was refused.
    SignInRefused,
    /// A session was locked: by its person, or because it lay idle.
    SessionLocked,
    /// Its person gave the password again.
    SessionUnlocked,
    /// A session ended.
    SessionEnded,
    /// The sessions were listed.
    SessionsListed,
    /// Somebody asked for something that another must allow.
    ApprovalAsked,
    /// Somebody decided about it.
    ApprovalDecided,
    /// Who asked took it back.
    ApprovalWithdrawn,
    /// Nobody decided in time.
    ApprovalExpired,
    /// What it unlocked was done: it does no more.
    ApprovalUsed,
    /// What it unlocked is so no more: it was taken back, or its time was over.
    ApprovalEnded,
    /// Requests were shown.
    ApprovalsListed,
    /// Whoever answers for a body read what somebody on duty had decided.
    NoticeRead,
    /// Notices were shown.
    NoticesListed,
    /// The first level uses gates: the second sees nothing of them meanwhile.
    GatesClaimed,
    /// It uses them no more.
    GatesFreed,
    /// The gates in use were shown.
    ClaimsListed,
    /// Records were extracted into a package that leaves the hub, by an authorisation.
    EvidenceExtracted,
    /// A standing authorisation for the requests of judicial authority and Judicial Police was recorded.
    StandingPermitMade,
    /// It was ended.
    StandingPermitEnded,
    /// Standing authorisations were listed.
    StandingPermitsListed,
    /// The text of a plate was corrected: it had been misread.
    PlateCorrected,
    /// Somebody was let in to see recordings, and stands in the access register.
    AccessEntered,
    /// They left.
    AccessLeft,
    /// The access register was shown or printed.
    AccessRegisterShown,
    /// Entries of the access register ended with their term.
    AccessEntriesEnded,
    /// As the witness of another hub's log, it refused one that does not continue what it had cosigned.
    WitnessRefused,
    /// The hub began its work.
    HubStarted,
    /// The hub ended its work.
    HubStopped,
}

impl Action {
    /// As its lines have it.
    pub(super) fn name(self) -> Result<String, serde_json::Error> {
        serde_json::to_value(self).and_then(serde_json::from_value)
    }
}

/// The action of a line that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ActionRead {
    /// One that this version knows.
    Known(Action),
    /// One of a later version: its line holds in the chain, and what it tells is not known.
    Later(String),
}

impl ActionRead {
    /// The action, if this version knows it.
    #[must_use]
    pub fn known(&self) -> Option<Action> {
        match self {
            Self::Known(action) => Some(*action),
            Self::Later(_) => None,
        }
    }

    /// As its lines have it.
    pub(super) fn name(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Known(action) => action.name(),
            Self::Later(name) => Ok(name.clone()),
        }
    }
}
