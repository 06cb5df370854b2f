//! Labelled clips: which plates a person reads in them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;
use varco_proto::plate::PlateText;

/// What a clip beside its labels is called.
const CLIP_ENDING: &str = "mp4";

/// One clip and the plates that show in it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clip {
    /// As the labels name it.
    pub(crate) name: String,
    /// The file.
    pub(crate) path: PathBuf,
    /// A plate that passes twice stands here twice.
    pub(crate) plates: Vec<PlateText>,
}

/// Labels as written. Other keys, such as the frames and the licence, may stand beside these.
#[derive(Debug, Deserialize)]
struct ClipLabels {
    /// Relative to the labels' folder.
    clip: Option<String>,
    plates: Vec<PlateLabel>,
}

#[derive(Debug, Deserialize)]
struct PlateLabel {
    text: PlateText,
}

/// Reads the labels of clips: an array of objects with `clip` and `plates`, or one object, whose
/// clip lies beside it when it names none.
///
/// # Errors
/// A file that cannot be read or is not understood, labels of no clip.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Clip>> {
    let named = || format!("cannot read the clips' labels `{}`", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    parse(&text, path).with_context(named)
}

fn parse(text: &str, path: &Path) -> anyhow::Result<Vec<Clip>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if text.trim_start().starts_with('[') {
        let all: Vec<ClipLabels> = serde_json::from_str(text)?;
        if all.is_empty() {
            bail!("it names no clip");
        }
        return all
            .into_iter()
            .enumerate()
            .map(|(place, labels)| match labels.clip.clone() {
                Some(name) => Ok(labels.of(name, folder)),
                None => bail!("object {} of the array names no `clip`", place + 1),
            })
            .collect();
    }
    let labels: ClipLabels = serde_json::from_str(text)?;
    let beside = path.with_extension(CLIP_ENDING);
    let name = labels.clip.clone().or_else(|| {
        let name = beside.file_name()?;
        Some(name.to_string_lossy().into_owned())
    });
    match name {
        Some(name) => Ok(vec![labels.of(name, folder)]),
        None => bail!("it names no clip"),
    }
}

impl ClipLabels {
    fn of(self, name: String, folder: &Path) -> Clip {
        Clip {
            path: folder.join(&name),
            name,
            plates: self.plates.into_iter().map(|plate| plate.text).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(clip: &Clip) -> Vec<&str> {
        clip.plates.iter().map(PlateText::as_str).collect()
    }

    #[test]
    fn an_array_names_its_clips() {
        let text = r#"[{"clip": "a.mp4", "fps": 25, "plates": [{"text": "AB123CD", "sure": true}]},
            {"clip": "b/c.mkv", "plates": []}]"#;
        let clips = parse(text, Path::new("set/clips.json")).unwrap();
        assert_eq!(clips[0].path, Path::new("set/a.mp4"));
        assert_eq!(texts(&clips[0]), ["AB123CD"]);
        assert_eq!(
            (clips[1].name.as_str(), clips[1].plates.len()),
            ("b/c.mkv", 0)
        );
    }

    #[test]
    fn one_object_has_its_clip_beside_it() {
        let text = r#"{"fps": 25, "plates": [{"text": "AB123CD"}]}"#;
        let clips = parse(text, Path::new("set/street.json")).unwrap();
        assert_eq!(clips[0].path, Path::new("set/street.mp4"));
        assert_eq!(clips[0].name, "street.mp4");
    }

    #[test]
    fn what_is_no_label_is_refused() {
        for text in [
            "[]",
            "nonsense",
            r#"[{"plates": []}]"#,
            r#"{"plates": [{"text": "ab 1"}]}"#,
            r#"{"plates": [{}]}"#,
        ] {
            assert!(parse(text, Path::new("clips.json")).is_err(), "{text}");
        }
    }
}
