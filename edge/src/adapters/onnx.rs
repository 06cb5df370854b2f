//! Running the two nets: the only door to ONNX Runtime.
//!
//! The library is loaded at run time, so that a box without it says how to get it instead of
//! not starting at all, and so that a site can put in the build that its processor likes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};
use thiserror::Error;
use varco_proto::ids::Digest;

use crate::core::manifest::{Manifest, ManifestError};
use crate::core::nets::{Maps, NetError, Nets, Outputs};
use crate::core::number::index;
use crate::core::read::CLASSES;
use crate::core::vision::Vision;

/// Names the library when no path is configured.
pub const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Keeps the library from reporting to its maker that it runs.
///
/// Since version 1.29 its published builds send events over the network and keep a device's number on
/// the disk, the first before any call could forbid it. Read once, when the library is loaded.
pub const SILENCE_VARIABLE: &str = "ORT_DISABLE_TELEMETRY";
/// The library's name in a folder.
const LIBRARY_FILE: &str = "libonnxruntime.so";
/// Where packages put the library.
const LIBRARY_FOLDERS: [&str; 2] = ["/usr/lib/varco", "/opt/varco/lib"];
/// The manifest's name in the folder of models.
const MANIFEST_FILE: &str = "manifest.toml";

/// The nets cannot be run.
#[derive(Debug, Error)]
pub enum OnnxError {
    /// Install the library or name its path.
    #[error(
        "ONNX Runtime is not found: looked for {}; install it (version 1.17 or later; the PyPI \
         wheel `onnxruntime` holds {LIBRARY_FILE}), then name the file by the key \
         `onnxruntime_file` of the configuration, by --onnxruntime or in {LIBRARY_VARIABLE}",
        shown(.0)
    )]
    LibraryMissing(Vec<PathBuf>),
    /// Start the program as it starts itself, or set the variable.
    #[error("{SILENCE_VARIABLE}=1 is not set: without it ONNX Runtime would report to its maker")]
    NotSilenced,
    /// The file is not ONNX Runtime, or too old: install another.
    #[error("cannot load ONNX Runtime from `{path}`: {why}")]
    Library {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        why: String,
    },
    /// Correct the path of the models, or install them again.
    #[error("cannot read the model file `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Install the models again.
    #[error("cannot use the models of `{folder}`")]
    Manifest {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        #[source]
        source: ManifestError,
    },
    /// The file was changed or belongs to another release: install the models again, whole.
    #[error(
        "the model file `{path}` has SHA-256 {found}, its manifest says {wanted}; take all \
         files of the folder from one release"
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// Of the file.
        found: String,
        /// Of the manifest.
        wanted: String,
    },
    /// Install the models again; when that does not help, the library is too old for them.
    #[error("cannot load the model file `{path}`: {why}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What the library says, or which input or output does not fit.
        why: String,
    },
}

fn shown(paths: &[PathBuf]) -> String {
    let each: Vec<String> = paths.iter().map(|p| format!("`{}`", p.display())).collect();
    each.join(", ")
}

/// The loaded library. A process loads one, whichever is asked for first, and keeps it.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
}

impl Runtime {
    /// Loads the library: the configured file alone when there is one, else the first that is
    /// there of [`LIBRARY_VARIABLE`], the executable's folder and the packages' folders.
    ///
    /// # Errors
    /// [`OnnxError::LibraryMissing`] and [`OnnxError::Library`].
    pub fn load(configured: Option<&Path>) -> Result<Self, OnnxError> {
        static LOADED: Mutex<Option<Environment>> = Mutex::new(None);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let environment = match &*loaded {
            Some(environment) => environment.clone(),
            None => loaded.insert(load(&find(configured)?)?).clone(),
        };
        Ok(Self { environment })
    }

    /// Loads the manifest and both nets of a folder, ready to look at frames. Each net runs on
    /// `threads` threads; one is best when several cameras share the box.
    ///
    /// # Errors
    /// [`OnnxError`]: a missing or changed file, or one that does not fit its manifest.
    pub fn vision(&self, models: &Path, threads: usize) -> Result<Vision, OnnxError> {
        let (nets, manifest) = self.nets(models, threads)?;
        Ok(Vision::new(nets, manifest))
    }

    /// Loads the manifest and both nets of a folder.
    ///
    /// # Errors
    /// As [`Self::vision`].
    pub fn nets(
        &self,
        models: &Path,
        threads: usize,
    ) -> Result<(Box<dyn Nets>, Manifest), OnnxError> {
        let (manifest, [detector, recogniser]) = read_models(models)?;
        let nets = OnnxNets {
            detector: self.detector(&manifest, &detector, threads)?,
            recogniser: self.recogniser(&manifest, &recogniser, threads)?,
            names: [
                manifest.detector.heat.clone(),
                manifest.detector.quad.clone(),
                manifest.recogniser.characters.clone(),
                manifest.recogniser.country.clone(),
                manifest.recogniser.plate.clone(),
                manifest.recogniser.corners.clone(),
            ],
            stride_px: index(manifest.detector.stride_px),
            plate_px: [
                index(manifest.recogniser.height_px),
                index(manifest.recogniser.width_px),
            ],
        };
        Ok((Box::new(nets), manifest))
    }

    fn detector(
        &self,
        manifest: &Manifest,
        model: &ModelFile,
        threads: usize,
    ) -> Result<Session, OnnxError> {
        let rules = &manifest.detector;
        let inputs = [(
            rules.input.as_str(),
            TensorElementType::Uint8,
            [1, 1, -1, -1],
        )];
        let outputs = [
            (rules.heat.as_str(), &[1, 1, -1, -1][..]),
            (rules.quad.as_str(), &[1, 8, -1, -1][..]),
        ];
        self.session(model, threads, &inputs, &outputs)
    }

    fn recogniser(
        &self,
        manifest: &Manifest,
        model: &ModelFile,
        threads: usize,
    ) -> Result<Session, OnnxError> {
        let rules = &manifest.recogniser;
        let (height, width) = (i64::from(rules.height_px), i64::from(rules.width_px));
        let classes = i64::try_from(CLASSES).unwrap_or(-1);
        let countries = i64::try_from(rules.countries.len()).unwrap_or(-1);
        let inputs = [(
            rules.input.as_str(),
            TensorElementType::Uint8,
            [-1, 1, height, width],
        )];
        let outputs = [
            (rules.characters.as_str(), &[-1, -1, classes][..]),
            (rules.country.as_str(), &[-1, countries][..]),
            (rules.plate.as_str(), &[-1, 1][..]),
            (rules.corners.as_str(), &[-1, 8][..]),
        ];
        self.session(model, threads, &inputs, &outputs)
    }

    fn session(
        &self,
        model: &ModelFile,
        threads: usize,
        inputs: &[(&str, TensorElementType, [i64; 4]); 1],
        outputs: &[(&str, &[i64])],
    ) -> Result<Session, OnnxError> {
        let fault = |why: String| OnnxError::Model {
            path: model.path.clone(),
            why,
        };
        let session = build(&self.environment, &model.bytes, threads)
            .map_err(|error| fault(error.to_string()))?;
        if session.inputs().len() != inputs.len() {
            return Err(fault(format!("it has {} inputs", session.inputs().len())));
        }
        for (name, kind, shape) in inputs {
            fits(session.inputs(), name, *kind, shape).map_err(fault)?;
        }
        for (name, shape) in outputs {
            fits(session.outputs(), name, TensorElementType::Float32, shape).map_err(fault)?;
        }
        Ok(session)
    }
}

/// The places where the library may be, in order.
fn candidates(configured: Option<&Path>) -> Vec<PathBuf> {
    if let Some(path) = configured {
        return vec![path.to_owned()];
    }
    let variable = std::env::var_os(LIBRARY_VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(|folder| folder.join(LIBRARY_FILE)));
    let packaged = LIBRARY_FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(LIBRARY_FILE));
    variable.into_iter().chain(beside).chain(packaged).collect()
}

fn find(configured: Option<&Path>) -> Result<PathBuf, OnnxError> {
    let places = candidates(configured);
    match places.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(OnnxError::LibraryMissing(places)),
    }
}

/// Whether the library, once loaded, reports to nobody.
#[must_use]
pub fn is_silenced() -> bool {
    std::env::var_os(SILENCE_VARIABLE).is_some_and(|value| value == "1")
}

fn load(path: &Path) -> Result<Environment, OnnxError> {
    let fault = |why: String| OnnxError::Library {
        path: path.to_owned(),
        why,
    };
    if !is_silenced() {
        return Err(OnnxError::NotSilenced);
    }
    // Always by path: the library's own search panics when it finds nothing.
    let environment = ort::init_from(path)
        .map_err(|error| fault(error.to_string()))?
        .with_name("varco")
        .with_telemetry(false)
        .build()
        .map_err(|error| fault(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    Ok(environment)
}

/// A model file as checked: what is hashed is what is loaded.
struct ModelFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

fn read_models(folder: &Path) -> Result<(Manifest, [ModelFile; 2]), OnnxError> {
    let path = folder.join(MANIFEST_FILE);
    let text = std::fs::read_to_string(&path).map_err(|source| OnnxError::File { path, source })?;
    let manifest = Manifest::parse(&text).map_err(|source| OnnxError::Manifest {
        folder: folder.to_owned(),
        source,
    })?;
    let read = |file: &str, sha256: &str| {
        let path = folder.join(file);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(OnnxError::File { path, source }),
        };
        let found = Digest::of(&bytes).to_string();
        if found == sha256 {
            Ok(ModelFile { path, bytes })
        } else {
            Err(OnnxError::Digest {
                path,
                found,
                wanted: sha256.to_owned(),
            })
        }
    };
    let detector = read(&manifest.detector.file, &manifest.detector.sha256)?;
    let recogniser = read(&manifest.recogniser.file, &manifest.recogniser.sha256)?;
    Ok((manifest, [detector, recogniser]))
}

fn build(environment: &Environment, bytes: &[u8], threads: usize) -> Result<Session, ort::Error> {
    // `All`: in this release of ort `Level3` leaves optimisations out and runs half as fast.
    Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads.max(1))?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .commit_from_memory(bytes)
}

/// Whether an input or output is there with this type and shape; -1 on either side fits all.
fn fits(
    outlets: &[Outlet],
    name: &str,
    kind: TensorElementType,
    wanted: &[i64],
) -> Result<(), String> {
    let Some(outlet) = outlets.iter().find(|outlet| outlet.name() == name) else {
        return Err(format!("it has no `{name}`"));
    };
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Err(format!("`{name}` is no tensor"));
    };
    let same = shape.len() == wanted.len()
        && shape
            .iter()
            .zip(wanted)
            .all(|(has, want)| *has < 0 || *want < 0 || has == want);
    if *ty == kind && same {
        Ok(())
    } else {
        Err(format!(
            "`{name}` is {ty} {:?}, the manifest wants {kind} {wanted:?}",
            &**shape
        ))
    }
}

/// Both nets in ONNX Runtime.
#[derive(Debug)]
struct OnnxNets {
    detector: Session,
    recogniser: Session,
    /// Heat, quad, characters, country, plate, corners.
    names: [String; 6],
    stride_px: usize,
    /// Height and width of a straightened plate.
    plate_px: [usize; 2],
}

impl Nets for OnnxNets {
    fn detect(
        &mut self,
        luma: &[u8],
        width_px: usize,
        height_px: usize,
        maps: &mut Maps,
    ) -> Result<(), NetError> {
        let [heat, quad, ..] = &self.names;
        let input = TensorRef::from_array_view(([1, 1, height_px, width_px], luma))?;
        let outputs = self.detector.run(ort::inputs![input])?;
        maps.rows = height_px / self.stride_px;
        maps.columns = width_px / self.stride_px;
        let cells = [maps.rows, maps.columns];
        take(&outputs, heat, &[1, 1, cells[0], cells[1]], &mut maps.heat)?;
        take(&outputs, quad, &[1, 8, cells[0], cells[1]], &mut maps.quad)
    }

    fn recognise(
        &mut self,
        plates: &[u8],
        count: usize,
        outputs: &mut Outputs,
    ) -> Result<(), NetError> {
        let [.., characters, country, plate, corners] = &self.names;
        let [height, width] = self.plate_px;
        let input = TensorRef::from_array_view(([count, 1, height, width], plates))?;
        let given = self.recogniser.run(ort::inputs![input])?;
        copy(&given, characters, &mut outputs.characters)?;
        copy(&given, country, &mut outputs.country)?;
        copy(&given, plate, &mut outputs.plate)?;
        copy(&given, corners, &mut outputs.corners)?;
        outputs.steps = outputs.characters.len() / (count * CLASSES).max(1);
        Ok(())
    }
}

impl From<ort::Error> for NetError {
    fn from(error: ort::Error) -> Self {
        Self(error.to_string())
    }
}

/// Copies an output whose shape must be this.
fn take(
    outputs: &ort::session::SessionOutputs<'_>,
    name: &str,
    wanted: &[usize],
    to: &mut Vec<f32>,
) -> Result<(), NetError> {
    let shape = copy(outputs, name, to)?;
    let same = shape.len() == wanted.len()
        && shape
            .iter()
            .zip(wanted)
            .all(|(has, want)| usize::try_from(*has) == Ok(*want));
    if same {
        Ok(())
    } else {
        Err(NetError(format!(
            "`{name}` has shape {shape:?}, not {wanted:?}"
        )))
    }
}

/// Copies an output and gives its shape.
fn copy(
    outputs: &ort::session::SessionOutputs<'_>,
    name: &str,
    to: &mut Vec<f32>,
) -> Result<Vec<i64>, NetError> {
    let value = outputs
        .get(name)
        .ok_or_else(|| NetError(format!("there is no output `{name}`")))?;
    let (shape, numbers) = value.try_extract_tensor::<f32>()?;
    to.clear();
    to.extend_from_slice(numbers);
    Ok(shape.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::manifest::tests::TEXT;

    #[test]
    fn a_missing_library_is_named_with_its_cure() {
        let error = find(Some(Path::new("/nowhere/lib.so"))).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`/nowhere/lib.so`"), "{text}");
        assert!(text.contains("--onnxruntime"), "{text}");
    }

    #[test]
    fn a_configured_library_is_the_only_one_tried() {
        assert_eq!(
            candidates(Some(Path::new("/a.so"))),
            [PathBuf::from("/a.so")]
        );
        let others = candidates(None);
        assert!(others.ends_with(&[
            PathBuf::from("/usr/lib/varco/libonnxruntime.so"),
            PathBuf::from("/opt/varco/lib/libonnxruntime.so")
        ]));
    }

    #[test]
    fn a_changed_model_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("detector.onnx"), b"changed").unwrap();
        std::fs::write(folder.path().join("recogniser.onnx"), b"changed").unwrap();
        std::fs::write(folder.path().join(MANIFEST_FILE), TEXT).unwrap();
        let Err(error) = read_models(folder.path()) else {
            panic!("taken");
        };
        assert!(matches!(error, OnnxError::Digest { .. }), "{error}");
    }

    #[test]
    fn a_folder_without_models_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let Err(error) = read_models(folder.path()) else {
            panic!("taken");
        };
        assert!(error.to_string().contains(MANIFEST_FILE), "{error}");
    }
}
