//! The cabinet's contact, by a file or a program.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::child::end_within;
use crate::config::Cabinet;

/// Longest wait for the program.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Whether the cabinet is open. A contact that cannot be read counts as open: a cut wire must not
/// pass for a closed door.
#[must_use]
pub fn is_open(cabinet: &Cabinet) -> bool {
    match cabinet {
        Cabinet::File { file, open_value } => {
            std::fs::read_to_string(file).map_or(true, |value| value.trim() == open_value)
        }
        Cabinet::Command(words) => !ends_well(words),
    }
}

fn ends_well(words: &[String]) -> bool {
    let Some((program, arguments)) = words.split_first() else {
        return false;
    };
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        return false;
    };
    end_within(&mut child, ANSWER_WITHIN).is_some_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c33_part_a_contact_is_closed_only_when_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("value");
        let contact = Cabinet::File {
            file: file.clone(),
            open_value: "1".to_owned(),
        };
        assert!(is_open(&contact), "no file");
        std::fs::write(&file, "0\n").unwrap();
        assert!(!is_open(&contact));
        std::fs::write(&file, "1\n").unwrap();
        assert!(is_open(&contact));
        let command = |words: &[&str]| {
            Cabinet::Command(words.iter().map(|word| (*word).to_owned()).collect())
        };
        assert!(!is_open(&command(&["true"])));
        assert!(is_open(&command(&["false"])));
        assert!(is_open(&command(&["varco-no-such-program"])));
        assert!(is_open(&command(&["sleep", "60"])), "one that does not end");
    }
}
