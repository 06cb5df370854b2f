//! The index of labelled pictures: one JSON object a line.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;
use varco_proto::plate::PlateText;

use crate::core::geometry::Bounds;

/// Bad lines told at once; more would hide the first.
const FAULTS_SHOWN_MAX: usize = 20;

/// One picture and what a person sees in it. Keys of the index that are not used here, such as
/// the licence, may stand beside these.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Picture {
    /// Relative to the index's folder.
    pub(crate) path: PathBuf,
    /// The set it comes from.
    pub(crate) source: String,
    /// A scene, or a plate alone.
    pub(crate) kind: Kind,
    /// All plates that a person marked.
    #[serde(default)]
    pub(crate) plates: Vec<Label>,
}

/// Whether the detector has anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A view of a place.
    Scene,
    /// A plate cut out: the whole picture is the plate.
    Crop,
}

/// One plate as a person marked it, in pixels of the picture.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Label {
    x: Option<f32>,
    y: Option<f32>,
    width: Option<f32>,
    height: Option<f32>,
    /// Normal form; none when no person read it.
    pub(crate) text: Option<PlateText>,
}

impl Label {
    /// The box, when the plate has one.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        let (left, top) = (self.x?, self.y?);
        let (width, height) = (self.width?, self.height?);
        (width > 0.0 && height > 0.0).then_some(Bounds {
            left,
            top,
            right: left + width,
            bottom: top + height,
        })
    }
}

/// Reads an index and makes its paths whole.
///
/// # Errors
/// A file that cannot be read, or lines that are no picture: all of them with their numbers.
pub(crate) fn read(path: &Path, source: Option<&str>) -> anyhow::Result<Vec<Picture>> {
    let named = || format!("cannot read the index `{}`", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let pictures = parse(&text).with_context(named)?;
    let pictures: Vec<Picture> = pictures
        .into_iter()
        .filter(|picture| source.is_none_or(|source| picture.source == source))
        .map(|picture| Picture {
            path: folder.join(&picture.path),
            ..picture
        })
        .collect();
    if pictures.is_empty() {
        match source {
            Some(source) => bail!("the index `{}` has no source `{source}`", path.display()),
            None => bail!("the index `{}` is empty", path.display()),
        }
    }
    Ok(pictures)
}

fn parse(text: &str) -> anyhow::Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(picture) => pictures.push(picture),
            Err(error) => faults.push(format!("line {}: {error}", number + 1)),
        }
    }
    if faults.is_empty() {
        return Ok(pictures);
    }
    let count = faults.len();
    faults.truncate(FAULTS_SHOWN_MAX);
    if count > faults.len() {
        faults.push(format!("and {} lines more", count - faults.len()));
    }
    bail!("{}", faults.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"path": "a.jpg", "source": "s", "kind": "scene", "width": 9, "licence": "MIT", "plates": [{"x": 1, "y": 2, "width": 30, "height": 8, "text": "AB123CD", "country": null}, {"x": null, "text": "M5XSX"}]}"#;

    #[test]
    fn a_plate_may_lack_its_box_or_its_text() {
        let pictures = parse(LINE).unwrap();
        let plates = &pictures[0].plates;
        assert_eq!(plates[0].bounds().map(|b| b.right), Some(31.0));
        assert_eq!(plates[1].bounds(), None);
        assert_eq!(plates[1].text.as_ref().unwrap().as_str(), "M5XSX");
    }

    #[test]
    fn all_bad_lines_are_told_with_their_numbers() {
        let text = format!(
            "{LINE}\nnonsense\n\n{LINE}\n{}",
            LINE.replace("scene", "film")
        );
        let error = parse(&text).unwrap_err().to_string();
        assert!(
            error.contains("line 2:") && error.contains("line 5:"),
            "{error}"
        );
        assert!(!error.contains("line 4:"), "{error}");
    }

    #[test]
    fn a_label_that_is_not_in_normal_form_is_a_bad_line() {
        assert!(parse(&LINE.replace("AB123CD", "ab 123")).is_err());
    }
}
