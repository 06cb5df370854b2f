//! Reading a configuration so that all its faults are told at once.
//!
//! [`parse`] takes the file as written and names every unknown key; the daemons' own checks add
//! what is out of range to the same [`Faults`].

use std::fmt;

use serde::de::DeserializeOwned;

/// Everything wrong with a configuration, to be shown together; exit code 78 (`EX_CONFIG`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

/// One thing wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Full key, `cameras.0.url` and its like; `-` for the file as a whole.
    pub key: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl Faults {
    /// No faults yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a fault.
    pub fn add(&mut self, key: impl Into<String>, what: impl Into<String>) {
        self.0.push(Fault {
            key: key.into(),
            what: what.into(),
        });
    }

    /// Notes a fault when a check fails.
    pub fn check(&mut self, holds: bool, key: &str, what: impl fmt::Display) {
        if !holds {
            self.add(key, what.to_string());
        }
    }

    /// Takes a value, or notes why there is none.
    pub fn take<T, E: fmt::Display>(&mut self, key: &str, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.add(key, error.to_string()))
            .ok()
    }

    /// The faults so far.
    #[must_use]
    pub fn all(&self) -> &[Fault] {
        &self.0
    }

    /// The value when there is one and no fault was noted.
    ///
    /// # Errors
    /// The faults.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} fault(s):", self.0.len())?;
        for fault in &self.0 {
            write!(f, "\n  {}: {}", fault.key, fault.what)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Takes TOML as written, noting each unknown key. The value is there unless the file cannot be
/// read at all, so that the caller's own checks can add to the faults.
pub fn parse<T: DeserializeOwned>(text: &str, faults: &mut Faults) -> Option<T> {
    let deserializer = match toml::Deserializer::parse(text) {
        Ok(deserializer) => deserializer,
        Err(error) => {
            faults.add("-", error.to_string().trim_end());
            return None;
        }
    };
    let mut unknown = Vec::new();
    let value = serde_ignored::deserialize(deserializer, |path| unknown.push(path.to_string()));
    for key in unknown {
        faults.add(
            key,
            "no such key; see the example configuration for those there are",
        );
    }
    value
        .map_err(|error| faults.add("-", error.to_string().trim_end()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    struct File {
        name: String,
        inner: Inner,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        limit_ms: u32,
    }

    #[test]
    fn every_unknown_key_is_named_at_once() {
        let text = "name = \"a\"\nnmae = 1\n[inner]\nlimit_ms = 3\nlimit_s = 2\n[other]\nx = 1\n";
        let mut faults = Faults::new();
        let file: Option<File> = parse(text, &mut faults);
        assert!(file.is_some());
        let keys: Vec<_> = faults
            .all()
            .iter()
            .map(|fault| fault.key.as_str())
            .collect();
        assert_eq!(keys, ["inner.limit_s", "nmae", "other"]);
        assert!(faults.finish(file).is_err());
    }

    #[test]
    fn a_missing_or_wrong_value_is_a_fault_with_its_place() {
        let mut faults = Faults::new();
        assert_eq!(parse::<File>("name = 3\n", &mut faults), None);
        assert!(faults.to_string().contains("line 1"), "{faults}");
    }
}
