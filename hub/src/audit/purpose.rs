//! Why a person looks: the closed list of Perugia's regulation (C.C. 96/2015, art. 4 c. 5), and what Sesto San
//! Giovanni's agreement adds to it.
//!
//! Which of them a municipality's gates serve is its own to say.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest case reference, in characters.
pub const CASE_REFERENCE_CHARACTERS_MAX: usize = 120;
/// Shortest case reference, in characters: less is no reference.
pub const CASE_REFERENCE_CHARACTERS_MIN: usize = 3;

/// One of the nine purposes of the regulation, or the one beside them; there is no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// a) public safety, general prevention, ascertaining crimes.
    PublicSafety,
    /// b) urban security (decree of the Minister of the Interior of 5 August 2008).
    UrbanSecurity,
    /// c) prompt intervention for safety and public aid.
    Emergency,
    /// d) protection of the municipality's property.
    Heritage,
    /// e) control of areas that matter for prevention, safety and environment.
    AreaControl,
    /// f) protection of monuments and institutional buildings.
    Monuments,
    /// g) areas where events gather crowds.
    Events,
    /// h) watch over public traffic.
    Traffic,
    /// i) protection of those who need it most: children, the young, the old.
    VulnerablePeople,
    /// Support to sanctions for unlawful behaviour (Sesto San Giovanni). Perugia's regulation forbids it (art. 4
    /// c. 7): it is one only where a municipality recorded the regulation that allows it.
    Sanction,
}

impl Purpose {
    /// The nine of the regulation, which hold where a municipality says nothing else.
    pub const REGULATION: [Self; 9] = [
        Self::PublicSafety,
        Self::UrbanSecurity,
        Self::Emergency,
        Self::Heritage,
        Self::AreaControl,
        Self::Monuments,
        Self::Events,
        Self::Traffic,
        Self::VulnerablePeople,
    ];

    /// Every purpose with its identifier, in the regulation's order, and last the one beside them.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::PublicSafety, "public-safety"),
        (Self::UrbanSecurity, "urban-security"),
        (Self::Emergency, "emergency"),
        (Self::Heritage, "heritage"),
        (Self::AreaControl, "area-control"),
        (Self::Monuments, "monuments"),
        (Self::Events, "events"),
        (Self::Traffic, "traffic"),
        (Self::VulnerablePeople, "vulnerable-people"),
        (Self::Sanction, "sanction"),
    ];

    /// The identifier.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(purpose, _)| *purpose == self)
            .map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The grounds of a lookup are missing or not acceptable: the person states them and asks again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GroundsError {
    /// Nothing stated.
    #[error("state the purpose, one of: {}", purposes())]
    NoPurpose,
    /// Administrative sanctions are what art. 4 c. 7 excludes, unless a municipality's own regulation allows them.
    #[error(
        "plates read at the gates may not be used for administrative sanctions (art. 4 c. 7 of \
         the regulation); the purposes are: {}",
        names(Purpose::REGULATION)
    )]
    Sanction,
    /// No gate that the person's office may see is for this.
    #[error(
        "no gate that your office may see is for `{purpose}`; they are for: {}",
        names(allowed.iter().copied())
    )]
    NotHere {
        /// What was stated.
        purpose: Purpose,
        /// What there is.
        allowed: Vec<Purpose>,
    },
    /// A system's token is not for it.
    #[error("this token is not for `{purpose}`; it is for: {}", names(allowed.iter().copied()))]
    NotOfToken {
        /// What was stated.
        purpose: Purpose,
        /// What there is.
        allowed: Vec<Purpose>,
    },
    /// Not in the list.
    #[error("there is no such purpose; it is one of: {}", purposes())]
    UnknownPurpose,
    /// No case.
    #[error(
        "give the reference of the case or request that this serves, \
         {CASE_REFERENCE_CHARACTERS_MIN} to {CASE_REFERENCE_CHARACTERS_MAX} characters"
    )]
    CaseReference,
    /// Not as the person's office writes its references.
    #[error(
        "your office writes its references as {0} (# a digit, #+ digits, @ a letter, @+ letters, YYYY a year)"
    )]
    ReferenceForm(String),
}

fn purposes() -> String {
    names(Purpose::REGULATION)
}

/// As they are written one after the other.
fn names(purposes: impl IntoIterator<Item = Purpose>) -> String {
    let names: Vec<_> = purposes.into_iter().map(Purpose::as_str).collect();
    names.join(", ")
}

impl FromStr for Purpose {
    type Err = GroundsError;
    fn from_str(text: &str) -> Result<Self, GroundsError> {
        let name = text.trim().to_ascii_lowercase().replace('_', "-");
        if name.is_empty() {
            return Err(GroundsError::NoPurpose);
        }
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        // Under any other name it is never one.
        let unknown = match name.contains("sanction") || name.contains("sanzion") {
            true => GroundsError::Sanction,
            false => GroundsError::UnknownPurpose,
        };
        found.map(|(purpose, _)| *purpose).ok_or(unknown)
    }
}

/// Why a person looks: without these there is no lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// One of those that there are.
    pub purpose: Purpose,
    /// The case or request that it serves, as the person wrote it.
    pub case_reference: String,
}

impl Grounds {
    /// Checks what a person stated.
    ///
    /// # Errors
    /// [`GroundsError`], the purpose's first.
    pub fn stated(
        purpose: Option<&str>,
        case_reference: Option<&str>,
    ) -> Result<Self, GroundsError> {
        // What is left out is refused as what is empty is.
        let purpose = purpose.unwrap_or_default().parse()?;
        // So is this.
        let case_reference = case_reference.unwrap_or_default().trim().to_owned();
        let characters = case_reference.chars().count();
        let range = CASE_REFERENCE_CHARACTERS_MIN..=CASE_REFERENCE_CHARACTERS_MAX;
        if !range.contains(&characters) || case_reference.chars().any(char::is_control) {
            return Err(GroundsError::CaseReference);
        }
        Ok(Self {
            purpose,
            case_reference,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::purpose::*;

    #[test]
    fn c05_part_the_list_of_purposes_is_closed() {
        for (purpose, name) in Purpose::ALL {
            assert_eq!(name.parse::<Purpose>(), Ok(purpose));
            assert_eq!(purpose.as_str(), name);
        }
        assert_eq!("URBAN_security".parse(), Ok(Purpose::UrbanSecurity));
        let unknown = "curiosity".parse::<Purpose>().unwrap_err();
        assert_eq!(unknown, GroundsError::UnknownPurpose);
        assert!(
            unknown.to_string().contains("area-control"),
            "it lists them"
        );
    }

    #[test]
    fn c07_part_sanctions_are_none_of_the_regulations_purposes() {
        for text in ["sanctions", "administrative-sanctions", "sanzione"] {
            assert_eq!(text.parse::<Purpose>(), Err(GroundsError::Sanction));
        }
        // Where a municipality recorded the regulation that allows it, it has one name.
        assert_eq!("sanction".parse(), Ok(Purpose::Sanction));
        assert!(!Purpose::REGULATION.contains(&Purpose::Sanction));
        let every = Purpose::ALL.map(|(purpose, _)| purpose);
        assert_eq!(every[..9], Purpose::REGULATION);
    }

    #[test]
    fn c42_grounds_without_purpose_or_case_are_refused() {
        let case = Some("PG 123/2026");
        assert_eq!(Grounds::stated(None, case), Err(GroundsError::NoPurpose));
        for bad in [None, Some(""), Some(" a "), Some("a\nbcd")] {
            assert_eq!(
                Grounds::stated(Some("traffic"), bad),
                Err(GroundsError::CaseReference)
            );
        }
        assert!(Grounds::stated(Some("traffic"), case).is_ok());
    }
}
