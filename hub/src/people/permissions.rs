//! What an act or a token may let somebody do: the tasks, by name.

use thiserror::Error;

/// There is no such task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no such permission; there are {}", permissions())]
pub struct UnknownPermission;

fn permissions() -> String {
    Permission::ALL.map(|(_, name)| name).join(", ")
}

/// Something that an act or a token lets somebody do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Look transits up, watch them, see the edges.
    Lookups,
    /// See alerts and acknowledge them.
    Alerts,
    /// Make, fill and close hotlists.
    Hotlists,
    /// Count transits, without plates.
    Statistics,
    /// Ask which vehicles travel together. Never given unasked.
    Convoys,
    /// See how the edges are and what is wrong with them, and be told.
    Edges,
    /// Open cases, which keep transits beyond their term, and block transits. Never given unasked.
    Cases,
    /// Read the audit. Never given unasked.
    Oversight,
    /// Appoint and dismiss persons. Never given unasked.
    Persons,
    /// Let other offices in, as the officer on duty. Never given unasked.
    Admission,
}

impl Permission {
    /// Every permission with its name.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Lookups, "lookups"),
        (Self::Alerts, "alerts"),
        (Self::Hotlists, "hotlists"),
        (Self::Statistics, "statistics"),
        (Self::Edges, "edges"),
        (Self::Convoys, "convoys"),
        (Self::Cases, "cases"),
        (Self::Oversight, "oversight"),
        (Self::Persons, "persons"),
        (Self::Admission, "admission"),
    ];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(permission, _)| *permission == self);
        found.map_or("", |(_, name)| name)
    }
}

impl std::str::FromStr for Permission {
    type Err = UnknownPermission;
    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found
            .map(|(permission, _)| *permission)
            .ok_or(UnknownPermission)
    }
}

/// What an act or a token lets somebody do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// These.
    #[must_use]
    pub fn of(permissions: &[Permission]) -> Self {
        Self(permissions.to_vec())
    }

    /// Those that are given when nothing is said. The others are asked for by name.
    #[must_use]
    pub fn usual() -> Self {
        Self::of(&[
            Permission::Lookups,
            Permission::Alerts,
            Permission::Hotlists,
            Permission::Statistics,
            Permission::Edges,
        ])
    }

    /// Whether one is among them.
    #[must_use]
    pub fn has(&self, permission: Permission) -> bool {
        self.0.contains(&permission)
    }

    /// The names, with spaces between.
    #[must_use]
    pub fn to_text(&self) -> String {
        let names: Vec<_> = self
            .0
            .iter()
            .map(|permission| permission.as_str())
            .collect();
        names.join(" ")
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Permission> {
        self.0.iter().copied()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that another has too.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.iter().filter(|one| other.has(*one)).collect())
    }

    /// These and another's.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let more = other.iter().filter(|one| !self.has(*one));
        Self(self.iter().chain(more).collect())
    }

    /// The names, with spaces between; none when one of them is unknown.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let names = text.split(' ').filter(|name| !name.is_empty());
        let permissions = names.map(|name| name.parse().ok());
        permissions.collect::<Option<Vec<_>>>().map(Self)
    }

    /// What is not known gives nothing.
    pub(super) fn from_text(text: &str) -> Self {
        Self(
            text.split(' ')
                .filter_map(|name| name.parse().ok())
                .collect(),
        )
    }
}
