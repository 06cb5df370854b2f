//! The fixed words of requests and answers, each set a type, so that the description lists them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use varco_proto::transit::{Direction, Travel};

use super::errors::ApiError;
use crate::alerts::alert::AlertOutcome;
use crate::approvals::subject::{DataRight, ExtractionCase, RecipientKind};
use crate::audit::purpose::Purpose;
use crate::evidence::register::{SignedHow, VisitorKind};
use crate::judgement::rule::SearchRule;
use crate::lookups::counts::By;
use crate::municipalities::reach::WhyLeftOut;

/// A fixed set of words.
pub trait Words: Copy + 'static {
    /// Each with its word.
    const ALL: &'static [(Self, &'static str)];

    /// Its word.
    fn word(self) -> &'static str;

    /// The one that a word means; none when it is no word of the set.
    fn meant(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, known)| *known == word);
        found.map(|(meant, _)| *meant)
    }
}

macro_rules! words {
    ($(
        $(#[$doc:meta])*
        $name:ident $(of $meaning:ident)? {
            $($(#[$variant_doc:meta])* $variant:ident = $word:tt,)+
        }
    )+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl Words for $name {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $word)),+];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        words!(@meaning $name $($meaning)? { $($variant)+ });
    )+ };
    (@meaning $name:ident { $($variant:ident)+ }) => {};
    (@meaning $name:ident $meaning:ident { $($variant:ident)+ }) => {
        impl From<$meaning> for $name {
            fn from(meaning: $meaning) -> Self {
                match meaning { $($meaning::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $meaning {
            fn from(word: $name) -> Self {
                match word { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

words! {
    /// Which way a vehicle drove, as the camera sees it.
    DirectionView of Direction {
        /// Towards the camera.
        Towards = "towards",
        /// Away from it.
        Away = "away",
    }
    /// Which way a vehicle went through the gate.
    TravelView of Travel {
        /// Into the area behind it.
        In = "in",
        /// Out of it.
        Out = "out",
    }
    /// What is counted apart.
    CountBy of By {
        /// Everything together.
        All = "all",
        /// Each camera.
        Camera = "camera",
        /// Each gate.
        Gate = "gate",
        /// Each country that plates look most like.
        Country = "country",
        /// In, out, towards and away.
        Way = "way",
    }
    /// One of the nine purposes of the regulation, or the one beside them. Which of them gates are for, their
    /// municipalities say.
    PurposeView of Purpose {
        /// Public safety, general prevention, ascertaining crimes.
        PublicSafety = "public-safety",
        /// Urban security.
        UrbanSecurity = "urban-security",
        /// Prompt intervention for safety and public aid.
        Emergency = "emergency",
        /// Protection of the municipality's property.
        Heritage = "heritage",
        /// Control of areas that matter for prevention, safety and environment.
        AreaControl = "area-control",
        /// Protection of monuments and institutional buildings.
        Monuments = "monuments",
        /// Areas where events gather crowds.
        Events = "events",
        /// Watch over public traffic.
        Traffic = "traffic",
        /// Protection of those who need it most.
        VulnerablePeople = "vulnerable-people",
        /// Support to sanctions: only where a municipality recorded the regulation that allows it.
        Sanction = "sanction",
    }
    /// Why a gate was not searched.
    WhyLeftOutView of WhyLeftOut {
        /// The first level uses it.
        InUse = "in-use",
        /// An officer on duty of its own police must let the office in first.
        Admission = "admission",
        /// It, or the agreement, is not for the stated purpose.
        Purpose = "purpose",
        /// No agreement gives it, or there is no such gate.
        Agreement = "agreement",
    }
    /// What somebody found out about an alert.
    OutcomeView of AlertOutcome {
        /// It is the vehicle, and is being acted on.
        Confirmed = "confirmed",
        /// The picture shows another plate.
        Misread = "misread",
        /// The plate is right and the vehicle is not the one meant.
        OtherVehicle = "other-vehicle",
        /// The list is no longer right.
        NoLongerWanted = "no-longer-wanted",
    }
    /// Which rule against misuse.
    SearchRuleView of SearchRule {
        /// A plate that a body lists as its own people's or their families'.
        OwnPeople = "own-people",
        /// One plate again and again, without a case that grows.
        OnePlate = "one-plate",
        /// Plates that go together, again and again.
        Household = "household",
        /// Off duty.
        OffDuty = "off-duty",
        /// One reference for unrelated plates, over weeks.
        OneReference = "one-reference",
        /// Plate after plate, gate after gate.
        Enumeration = "enumeration",
    }
    /// As what somebody is let in to see recordings.
    VisitorView of VisitorKind {
        /// The person whom recordings show.
        Subject = "subject",
        /// An authority.
        Authority = "authority",
        /// Another who is authorised in writing.
        Authorised = "authorised",
    }
    /// How a declaration was signed.
    SignedHowView of SignedHow {
        /// On paper, which the office keeps.
        Paper = "paper",
        /// Drawn on a screen.
        Drawn = "drawn",
    }
    /// Why recordings are acquired: these cases, and no other.
    ExtractionCaseView of ExtractionCase {
        /// A citizen's complaint to the police.
        Complaint = "complaint",
        /// A crime or an illicit act that operators saw.
        Illicit = "illicit",
        /// Another need of the institution.
        Institutional = "institutional",
    }
    /// The right by which somebody asks that what is about them be destroyed.
    DataRightView of DataRight {
        /// It was processed unlawfully, or is needed no more.
        Erasure = "erasure",
        /// They object, for reasons of their own.
        Objection = "objection",
    }
    /// To whom records go.
    RecipientView of RecipientKind {
        /// A court or a prosecutor.
        JudicialAuthority = "judicial-authority",
        /// Officers of Judicial Police who investigate.
        JudicialPolice = "judicial-police",
        /// The person whom the pictures show.
        Subject = "subject",
        /// Another office.
        Office = "office",
    }
    /// How the plate that was read relates to the listed one.
    AlertKind {
        /// It is the listed one.
        Exact = "exact",
        /// It is another, and the listed one may have been misread.
        Near = "near",
    }
}

/// A word of a request: one of its set, or what the caller wrote instead.
///
/// That is refused with the field's name and the words of the set. A type that refuses it while the body
/// is parsed could say neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word<W> {
    /// One of the set.
    Known(W),
    /// Something else.
    Other(String),
}

impl<W: Words> Word<W> {
    /// The word, when it is one.
    ///
    /// # Errors
    /// [`ApiError::Field`] with the words that there are.
    pub fn check(&self, field: &'static str) -> Result<W, ApiError> {
        match self {
            Self::Known(word) => Ok(*word),
            Self::Other(_) => Err(ApiError::field(field, one_of::<W>())),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(word) => word.word(),
            Self::Other(written) => written,
        }
    }
}

impl<W: Words> From<String> for Word<W> {
    fn from(written: String) -> Self {
        W::meant(&written).map_or(Self::Other(written), Self::Known)
    }
}

impl<W: Words> Serialize for Word<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, W: Words> Deserialize<'de> for Word<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// `towards` or `away`.
fn one_of<W: Words>() -> String {
    let words: Vec<_> = W::ALL.iter().map(|(_, word)| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_and_written_as_it_stands_and_refused_with_those_that_there_are() {
        let read = |text: &str| serde_json::from_value::<Word<CountBy>>(text.into()).unwrap();
        assert_eq!(read("way").check("by").unwrap(), CountBy::Way);
        assert_eq!(serde_json::to_value(CountBy::Way).unwrap(), "way");
        let refused = read("Way").check("by").unwrap_err();
        assert_eq!(refused.to_string(), "`by` is missing or wrong");
        assert_eq!(
            refused.what_to_do(),
            "`all`, `camera`, `gate`, `country` or `way`"
        );
        assert_eq!(serde_json::to_value(read("Way")).unwrap(), "Way");
    }

    #[test]
    fn the_words_of_purposes_and_outcomes_are_those_that_are_stored() {
        for (purpose, word) in Purpose::ALL {
            assert_eq!(PurposeView::from(purpose).word(), word);
        }
        for (rule, word) in SearchRule::ALL {
            assert_eq!(SearchRuleView::from(rule).word(), word);
        }
        for (why, word) in WhyLeftOut::ALL {
            assert_eq!(WhyLeftOutView::from(why).word(), word);
        }
        for (outcome, word) in AlertOutcome::ALL {
            assert_eq!(OutcomeView::from(outcome).word(), word);
        }
    }
}
