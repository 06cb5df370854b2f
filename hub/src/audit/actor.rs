//! Who acts: people, services, the hub itself, and by which credential.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest name of an actor, in characters.
const CHARACTERS_MAX: usize = 80;
const HUB: &str = "varco-hub";
const CONSOLE: &str = "console";
const NOBODY: &str = "nobody";
/// Names that nobody bears but the hub.
const RESERVED: [&str; 3] = [HUB, CONSOLE, NOBODY];

/// A name cannot be borne.
#[derive(Debug, Error)]
pub enum ActorNameError {
    /// The name is empty, too long or has control characters.
    #[error("an actor is named with 1 to {CHARACTERS_MAX} printable characters")]
    Name,
    /// The name is the hub's own.
    #[error("`console`, `varco-hub` and `nobody` are the hub's own names: choose another")]
    Reserved,
}

/// What somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActorKind {
    /// A person.
    Person,
    /// A program of somebody.
    Service,
    /// The hub, for what it does on its own.
    Hub,
    /// Whoever works on the hub's machine with its own command.
    Console,
    /// Somebody who showed no valid token.
    Nobody,
}

impl ActorKind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Person, "person"),
        (Self::Service, "service"),
        (Self::Hub, "hub"),
        (Self::Console, "console"),
        (Self::Nobody, "nobody"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, name)| name)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(kind, _)| *kind)
    }
}

/// Who acts, and by which credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    id: String,
    kind: ActorKind,
    name: String,
    credential: Option<String>,
    body: Option<String>,
    session: Option<String>,
    post: Option<String>,
}

impl Actor {
    fn system(kind: ActorKind, name: &str) -> Self {
        Self {
            id: kind.as_str().to_owned(),
            kind,
            name: name.to_owned(),
            credential: None,
            body: None,
            session: None,
            post: None,
        }
    }

    /// One that the table of actors has.
    #[must_use]
    pub(crate) fn known(id: String, kind: ActorKind, name: String) -> Self {
        Self {
            id,
            kind,
            name,
            credential: None,
            body: None,
            session: None,
            post: None,
        }
    }

    /// The hub itself, for what it does on its own.
    #[must_use]
    pub fn hub() -> Self {
        Self::system(ActorKind::Hub, HUB)
    }

    /// Whoever works on the machine with the hub's own command.
    #[must_use]
    pub fn console() -> Self {
        Self::system(ActorKind::Console, CONSOLE)
    }

    /// The same, under the name that they give.
    ///
    /// # Errors
    /// [`ActorNameError::Name`], [`ActorNameError::Reserved`].
    pub fn at_console(name: &str) -> Result<Self, ActorNameError> {
        Ok(Self::system(ActorKind::Console, checked(name)?))
    }

    /// Somebody who showed no valid token.
    #[must_use]
    pub fn nobody() -> Self {
        Self::system(ActorKind::Nobody, NOBODY)
    }

    /// The same, by this credential.
    #[must_use]
    pub fn by(self, credential: String) -> Self {
        Self {
            credential: Some(credential),
            ..self
        }
    }

    /// The same, working for this body.
    #[must_use]
    pub fn of_body(self, body: &str) -> Self {
        Self {
            body: Some(body.to_owned()),
            ..self
        }
    }

    /// The same, signed in with this session, at this post if there is one.
    #[must_use]
    pub fn signed_in(self, session: String, post: Option<String>) -> Self {
        Self {
            session: Some(session),
            post,
            ..self
        }
    }

    /// For whom they work, as the id of a body; none for the hub itself and for whoever is not known.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }

    /// The session that they signed in with; none for who showed a token.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The post at which they sit; none when that is not known.
    #[must_use]
    pub fn post(&self) -> Option<&str> {
        self.post.as_deref()
    }

    /// What never changes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> ActorKind {
        self.kind
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// By what it was let in; none for what needs nothing.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// Whether it is the hub itself, or whoever works on its machine.
    #[must_use]
    pub fn is_system(&self) -> bool {
        matches!(self.kind, ActorKind::Hub | ActorKind::Console)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A name that somebody may bear.
///
/// # Errors
/// [`ActorNameError::Name`], [`ActorNameError::Reserved`].
pub fn checked(name: &str) -> Result<&str, ActorNameError> {
    let name = name.trim();
    if RESERVED.iter().any(|of| of.eq_ignore_ascii_case(name)) {
        return Err(ActorNameError::Reserved);
    }
    let characters = name.chars().count();
    if !(1..=CHARACTERS_MAX).contains(&characters) || name.chars().any(char::is_control) {
        return Err(ActorNameError::Name);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use crate::audit::actor::*;

    #[test]
    fn nobody_is_named_as_the_hub_or_its_console_is() {
        for name in ["console", " Varco-Hub ", "NOBODY"] {
            assert!(
                matches!(checked(name), Err(ActorNameError::Reserved)),
                "{name}"
            );
        }
        assert!(matches!(checked(" "), Err(ActorNameError::Name)));
        assert!(matches!(checked("a\nb"), Err(ActorNameError::Name)));
        assert!(matches!(
            checked(&"x".repeat(81)),
            Err(ActorNameError::Name)
        ));
        assert_eq!(checked(" Ispettore Bianchi ").unwrap(), "Ispettore Bianchi");
    }
}
