//! Why somebody is not let in, or a session not taken: what the API says, and what to do.

use axum::http::StatusCode;
use thiserror::Error;

/// Somebody is not let in, or a session is not taken. What to do stands in each answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unsigned {
    /// No session, or nobody's.
    #[error("the request has no session")]
    NoSession,
    /// It held, and does no more.
    #[error("this session has ended")]
    Ended,
    /// The password is asked first.
    #[error("this session is locked")]
    Locked,
    /// A request that changes something has no, or another session's, `X-Varco-Session`.
    #[error("the request does not have its session's X-Varco-Session")]
    Mark,
    /// Another site's page sent it.
    #[error("the request comes from another site")]
    Site,
    /// Its person holds no office.
    #[error("no appointment of this person holds now")]
    NoOffice,
    /// User name, password or digits, or the passkey.
    #[error("user name, password, code or passkey is wrong")]
    Wrong,
    /// The password at a locked session.
    #[error("the password is wrong")]
    Password,
    /// A passkey that is made, or that unlocks.
    #[error("the passkey is not proven")]
    Passkey,
    /// No enrolled post.
    #[error("this workstation is no enrolled post")]
    Post,
    /// The challenge was used, or is over.
    #[error("the challenge does not hold any more")]
    Challenge,
    /// A one-time code.
    #[error("this code does not hold")]
    Code,
    /// The digits of the second factor, when an account is opened.
    #[error("the digits are not those that the app shows now")]
    Digits,
    /// A post's key.
    #[error("the key is not proven")]
    Key,
    /// All was right, and the account lets nobody in.
    #[error("this account is disabled")]
    Disabled,
}

impl Unsigned {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::NoSession
            | Self::Ended
            | Self::Wrong
            | Self::Password
            | Self::Passkey
            | Self::Post
            | Self::Challenge
            | Self::Code => StatusCode::UNAUTHORIZED,
            Self::Locked => StatusCode::LOCKED,
            Self::Mark | Self::Site | Self::NoOffice | Self::Key | Self::Disabled => {
                StatusCode::FORBIDDEN
            }
            Self::Digits => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    pub(super) fn what_to_do(self) -> &'static str {
        match self {
            Self::NoSession | Self::Ended => "sign in",
            Self::Locked => "unlock it with the password: POST /api/v1/session/unlocking",
            Self::Mark => "send the header `X-Varco-Session` with `mark` of GET /api/v1/session",
            Self::Site => "use the hub's own page",
            Self::NoOffice => {
                "ask who is responsible for your body for an appointment that holds today"
            }
            Self::Wrong => {
                "try again with the digits that the app shows now, each of which is taken once; who \
                 has lost password or app asks for a new code: `varco-hub account invite USER`"
            }
            Self::Password => "try again; the fifth wrong password ends the session",
            Self::Passkey => "try again, with a passkey of your own on this device",
            Self::Post => {
                "use a workstation that is enrolled, or enrol this one with a code: `varco-hub post \
                 invite NAME --body BODY`"
            }
            Self::Challenge => "try again: a challenge holds for a minute, and once",
            Self::Code => {
                "ask for a new code: it holds for 24 hours, and once (`varco-hub account invite`, \
                 `varco-hub post invite`)"
            }
            Self::Digits => {
                "set the clock of the telephone, and type the six digits that it shows now"
            }
            Self::Key => "send a key of P-256 that is no other post's, and its signature",
            Self::Disabled => {
                "ask who sees to the accounts: `varco-hub account list` says why, `varco-hub account \
                 enable USER` ends it"
            }
        }
    }
}
