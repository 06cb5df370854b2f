//! What the configuration says of tampering.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use varco_proto::config::Faults;
use varco_proto::tamper::TamperKind;

/// Which signs of hands laid on the box are reported, and which suspend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tamper {
    /// Kinds that are not even reported.
    pub ignored: BTreeSet<TamperKind>,
    /// Kinds that are reported, but keep no transit back.
    pub told_only: BTreeSet<TamperKind>,
    /// How the cabinet's contact is read; none when there is none.
    pub cabinet: Option<Cabinet>,
}

/// How the cabinet's contact is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cabinet {
    /// A file that holds `value` while the cabinet is open, as GPIO has it.
    File {
        /// The file.
        file: PathBuf,
        /// Without spaces around it.
        open_value: String,
    },
    /// A program with its arguments: it ends with 0 while the cabinet is closed.
    Command(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct TamperSection {
    #[serde(default)]
    ignored: Vec<String>,
    #[serde(default)]
    told_only: Vec<String>,
    cabinet_file: Option<PathBuf>,
    cabinet_open_value: Option<String>,
    cabinet_command: Option<Vec<String>>,
}

pub(super) fn tamper(section: TamperSection, folder: &Path, faults: &mut Faults) -> Tamper {
    let mut kinds = |words: &[String], key: &str| -> BTreeSet<TamperKind> {
        let all = TamperKind::ALL.map(|(_, name)| name).join(", ");
        let kind = |word: &String| {
            let found = TamperKind::parse(word);
            faults.take(key, found.ok_or(format!("`{word}` is none of {all}")))
        };
        words.iter().filter_map(kind).collect()
    };
    let ignored = kinds(&section.ignored, "tamper.ignored");
    let told_only = kinds(&section.told_only, "tamper.told_only");
    let cabinet = match (section.cabinet_file, section.cabinet_command) {
        (Some(file), None) => Some(Cabinet::File {
            file: folder.join(file),
            open_value: section.cabinet_open_value.unwrap_or("1".to_owned()),
        }),
        (None, Some(command)) => {
            let key = "tamper.cabinet_command";
            faults.check(
                !command.is_empty(),
                key,
                "name a program, with its arguments",
            );
            Some(Cabinet::Command(command))
        }
        (Some(_), Some(_)) => {
            let what = "`cabinet_file` is there too; write one of the two";
            faults.add("tamper.cabinet_command", what);
            None
        }
        (None, None) => {
            let lone = section.cabinet_open_value.is_some();
            let what = "it needs `cabinet_file`";
            faults.check(!lone, "tamper.cabinet_open_value", what);
            None
        }
    };
    Tamper {
        ignored,
        told_only,
        cabinet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> (Tamper, Vec<String>) {
        let mut faults = Faults::new();
        let section = toml::from_str(text).unwrap();
        let tamper = tamper(section, Path::new("/etc/varco-edge"), &mut faults);
        (tamper, faults.all().iter().map(|f| f.key.clone()).collect())
    }

    #[test]
    fn c33_part_nothing_written_means_that_everything_suspends() {
        let (tamper, faults) = checked("");
        assert!(tamper.ignored.is_empty() && tamper.told_only.is_empty());
        assert_eq!((tamper.cabinet, faults.len()), (None, 0));
    }

    #[test]
    fn wrong_words_and_two_contacts_are_faults() {
        let text = "ignored = [\"wind\"]\ntold_only = [\"defocused\"]\ncabinet_file = \"a\"\n\
                    cabinet_command = [\"b\"]";
        let (tamper, faults) = checked(text);
        assert_eq!(faults, ["tamper.ignored", "tamper.cabinet_command"]);
        assert!(tamper.told_only.contains(&TamperKind::Defocused));
        let (_, faults) = checked("cabinet_open_value = \"0\"");
        assert_eq!(faults, ["tamper.cabinet_open_value"]);
        let (_, faults) = checked("cabinet_command = []");
        assert_eq!(faults, ["tamper.cabinet_command"]);
    }
}
