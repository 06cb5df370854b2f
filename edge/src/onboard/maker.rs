//! The makers whose formats are understood.

use std::fmt;

/// Whose format a camera sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// ISAPI: XML and pictures in a multipart POST.
    Hikvision,
    /// License Plate Verifier and the like of Vaxtor: JSON with pictures in base64.
    Axis,
    /// JSON with pictures in base64.
    Milesight,
    /// Profile M: JSON or XML over MQTT.
    Onvif,
    /// `TrafficJunction` events, and the push of ITC cameras: JSON.
    Dahua,
    /// Any reader: the JSON that Varco documents.
    Plain,
}

impl Maker {
    /// All, with the words of the configuration.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Hikvision, "hikvision"),
        (Self::Axis, "axis"),
        (Self::Milesight, "milesight"),
        (Self::Onvif, "onvif"),
        (Self::Dahua, "dahua"),
        (Self::Plain, "plain"),
    ];

    /// By the word of the configuration.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, name)| *name == word);
        found.map(|(maker, _)| *maker)
    }

    /// As people write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hikvision => "Hikvision",
            Self::Axis => "Axis",
            Self::Milesight => "Milesight",
            Self::Onvif => "ONVIF",
            Self::Dahua => "Dahua",
            Self::Plain => "plain",
        }
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
