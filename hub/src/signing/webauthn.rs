//! Passkeys as browsers make and show them (`WebAuthn`). The one door to `webauthn_rp`.
//!
//! What a ceremony needs at its end goes to the browser sealed and comes back with the answer, so that nothing
//! is stored for whoever asks to begin one.

use std::num::NonZeroU32;

use thiserror::Error;
use varco_proto::ids::Digest;
use webauthn_rp::bin::{Decode as _, Encode as _};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{
    CredProtect, Nickname, PublicKeyCredentialUserEntity, RegistrationVerificationOptions,
    UserHandle, Username,
};
use webauthn_rp::request::{AsciiDomain, ExtensionInfo, PublicKeyCredentialDescriptor, RpId};
use webauthn_rp::response::register::{CompressedPubKey, DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};
use webauthn_rp::{
    AuthenticatedCredential, DiscoverableAuthentication, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions, PublicKeyCredentialCreationOptions, Registration,
    RegistrationServerState,
};

use super::challenges;

/// Bytes by which a passkey names its account.
const HANDLE_BYTES: usize = 32;

type Handle = UserHandle<HANDLE_BYTES>;
type PublicState = StaticState<CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>>;

/// A passkey is not taken. Who shows one is told nothing of why.
#[derive(Debug, Error)]
pub enum WebauthnError {
    /// The answer is not of its form.
    #[error("the browser's answer cannot be read: {0}")]
    Unread(String),
    /// The answer does not fit what was asked, from where, or by whose key.
    #[error("the passkey is not proven: {0}")]
    Unproven(String),
    /// What is kept of a passkey cannot be read.
    #[error("what is kept of a passkey is damaged")]
    Damaged,
}

fn unread(error: impl std::fmt::Display) -> WebauthnError {
    WebauthnError::Unread(error.to_string())
}

fn unproven(error: impl std::fmt::Display) -> WebauthnError {
    WebauthnError::Unproven(error.to_string())
}

/// The hub's name, as browsers bind passkeys to it, and the origins of its page.
#[derive(Debug, Clone)]
pub struct PasskeySite {
    name: RpId,
    origins: [String; 2],
}

/// A ceremony that began: what its end needs, and what the browser is given.
#[derive(Debug, Clone)]
pub struct BegunCeremony {
    /// For the hub, to be sealed.
    pub state: Vec<u8>,
    /// For the browser, as the standard writes it.
    pub options: serde_json::Value,
}

/// Who a passkey is made for.
#[derive(Debug, Clone, Copy)]
pub struct PasskeyHolder<'a> {
    /// The account's id.
    pub account: &'a str,
    /// What its person types.
    pub user_name: &'a str,
    /// Credential ids of the passkeys that it has, with how each is reached.
    pub known: &'a [KnownKey],
}

/// A passkey that an account has, so that its device does not make another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Its credential id.
    pub credential: Vec<u8>,
    /// How it is reached, as [`MadeKey::transports`] says.
    pub transports: u8,
}

/// A passkey that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// Its credential id, 16 to 1023 bytes.
    pub credential: Vec<u8>,
    /// Its public key and what never changes of it.
    pub fixed: Vec<u8>,
    /// Its counter and what changes of it.
    pub moving: Vec<u8>,
    /// How it is reached, one bit for each way.
    pub transports: u8,
}

/// What is kept of a passkey, to check an answer by.
#[derive(Debug, Clone, Copy)]
pub struct KeptPasskey<'a> {
    /// The account's id.
    pub account: &'a str,
    /// As [`MadeKey`] had it.
    pub credential: &'a [u8],
    /// As [`MadeKey`] had it.
    pub fixed: &'a [u8],
    /// As it is now.
    pub moving: &'a [u8],
}

/// An answer with a passkey, read and not checked.
pub struct ShownKey(DiscoverableAuthentication<HANDLE_BYTES>);

impl ShownKey {
    /// Reads an answer: JSON, as browsers write it.
    ///
    /// # Errors
    /// [`WebauthnError::Unread`].
    pub fn read(answer: &[u8]) -> Result<Self, WebauthnError> {
        let read = DiscoverableAuthentication::from_json_relaxed(answer);
        read.map(Self).map_err(unread)
    }

    /// The credential id that it claims.
    #[must_use]
    pub fn credential(&self) -> &[u8] {
        self.0.raw_id().into_inner()
    }
}

/// By what a passkey names an account: nothing that tells of its person.
fn handle_of(account: &str) -> Handle {
    let bytes = *Digest::of(format!("passkeys of {account}").as_bytes()).as_bytes();
    let Ok(handle) = Handle::decode(bytes);
    handle
}

fn timeout() -> NonZeroU32 {
    let ms = u32::try_from(challenges::VALID.as_millis()).ok();
    ms.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

impl PasskeySite {
    /// Of a host's name, without scheme and port, and the port on which the hub answers. None when it is no
    /// name: browsers bind no passkey to an address.
    #[must_use]
    pub fn of(host: &str, port: u16) -> Option<Self> {
        if host.parse::<std::net::IpAddr>().is_ok() {
            return None;
        }
        let domain = AsciiDomain::try_from(host.to_owned()).ok()?;
        let origin = format!("https://{}", domain.as_ref());
        Some(Self {
            origins: [format!("{origin}:{port}"), origin],
            name: RpId::Domain(domain),
        })
    }

    /// Begins to make a passkey: one that its device keeps, and shows only once it has recognised its person.
    ///
    /// # Errors
    /// [`WebauthnError::Unread`] for a name that browsers do not take; [`WebauthnError::Damaged`].
    pub fn begin_making(&self, holder: &PasskeyHolder<'_>) -> Result<BegunCeremony, WebauthnError> {
        let handle = handle_of(holder.account);
        let entity = PublicKeyCredentialUserEntity {
            name: Username::try_from(holder.user_name).map_err(unread)?,
            id: &handle,
            display_name: Some(Nickname::try_from(holder.user_name).map_err(unread)?),
        };
        let known = holder.known.iter().map(|known| {
            let id = CredentialId::<Vec<u8>>::decode(known.credential.clone());
            let transports = AuthTransports::decode(known.transports);
            match (id, transports) {
                (Ok(id), Ok(transports)) => Ok(PublicKeyCredentialDescriptor { id, transports }),
                _ => Err(WebauthnError::Damaged),
            }
        });
        let known = known.collect::<Result<Vec<_>, _>>()?;
        let mut options = PublicKeyCredentialCreationOptions::passkey(&self.name, entity, known);
        options.timeout = timeout();
        // Wished for, and no condition: many devices do not know it, and each showing must recognise its person anyway.
        let wished = ExtensionInfo::AllowDontEnforceValue;
        options.extensions.cred_protect = CredProtect::UserVerificationRequired(wished);
        let (server, client) = options.start_ceremony().map_err(unread)?;
        Ok(BegunCeremony {
            state: server.encode().map_err(unread)?,
            options: serde_json::to_value(&client).map_err(unread)?,
        })
    }

    /// Takes the passkey that a browser made.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub fn finish_making(&self, state: &[u8], answer: &[u8]) -> Result<MadeKey, WebauthnError> {
        let state = RegistrationServerState::<HANDLE_BYTES>::decode(state).map_err(unread)?;
        let made = Registration::from_json_relaxed(answer).map_err(unread)?;
        let rules = RegistrationVerificationOptions::<String, String> {
            allowed_origins: &self.origins,
            ..Default::default()
        };
        let made = state.verify(&self.name, &made, &rules).map_err(unproven)?;
        let Ok(fixed) = made.static_state().encode();
        let Ok(moving) = made.dynamic_state().encode();
        let Ok(transports) = made.transports().encode();
        Ok(MadeKey {
            credential: made.id().into_inner().to_vec(),
            fixed,
            moving: moving.to_vec(),
            transports,
        })
    }

    /// Begins to ask for a passkey, of whomever.
    ///
    /// # Errors
    /// [`WebauthnError::Unread`]; a bug.
    pub fn begin_showing(&self) -> Result<BegunCeremony, WebauthnError> {
        let mut options = DiscoverableCredentialRequestOptions::passkey(&self.name);
        options.0.timeout = timeout();
        let (server, client) = options.start_ceremony().map_err(unread)?;
        Ok(BegunCeremony {
            state: server.encode().map_err(unread)?,
            options: serde_json::to_value(&client).map_err(unread)?,
        })
    }

    /// Checks an answer against what was asked and what is kept, and gives what is to be kept of it from now on.
    /// A counter that did not go on is refused: somebody may have a copy.
    ///
    /// # Errors
    /// [`WebauthnError`].
    pub fn finish_showing(
        &self,
        state: &[u8],
        shown: &ShownKey,
        kept: &KeptPasskey<'_>,
    ) -> Result<Vec<u8>, WebauthnError> {
        let state = DiscoverableAuthenticationServerState::decode(state).map_err(unread)?;
        let damaged = |_| WebauthnError::Damaged;
        let fixed = PublicState::decode(kept.fixed).map_err(|_| WebauthnError::Damaged)?;
        let moving: [u8; 7] = kept.moving.try_into().map_err(damaged)?;
        let moving = DynamicState::decode(moving).map_err(|_| WebauthnError::Damaged)?;
        let id = CredentialId::<&[u8]>::decode(kept.credential);
        let id = id.map_err(|_| WebauthnError::Damaged)?;
        let handle = handle_of(kept.account);
        let mut known = AuthenticatedCredential::new(id, &handle, fixed, moving)
            .map_err(|_| WebauthnError::Damaged)?;
        let rules = AuthenticationVerificationOptions::<String, String> {
            allowed_origins: &self.origins,
            ..Default::default()
        };
        state
            .verify(&self.name, &shown.0, &mut known, &rules)
            .map_err(unproven)?;
        let Ok(moving) = known.dynamic_state().encode();
        Ok(moving.to_vec())
    }
}
