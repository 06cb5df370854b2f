//! Flags of all commands that look at pictures, and the models they name.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::adapters::onnx::Runtime;
use crate::core::manifest::Manifest;
use crate::core::nets::Nets;
use crate::core::vision::Vision;

/// Names the folder of models when no flag does.
const MODELS_VARIABLE: &str = "VARCO_MODELS";
/// Where the package puts the models.
const MODELS_PACKAGED: &str = "/usr/lib/varco/models";

/// Where the models and the library that runs them are.
#[derive(Debug, Clone, Default, Args)]
pub struct ModelFlags {
    /// Folder with manifest.toml and both models. Without it: `VARCO_MODELS`, then `models`
    /// beside the executable, in the working folder, then /usr/lib/varco/models
    #[arg(long, value_name = "FOLDER")]
    pub models: Option<PathBuf>,
    /// The ONNX Runtime library. Without it: `ORT_DYLIB_PATH`, then libonnxruntime.so beside the
    /// executable, in /usr/lib/varco and in /opt/varco/lib
    #[arg(long, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,
}

impl ModelFlags {
    /// The folder of models that these flags and the surroundings name.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        if let Some(folder) = &self.models {
            return folder.clone();
        }
        if let Some(named) = std::env::var_os(MODELS_VARIABLE).filter(|v| !v.is_empty()) {
            return named.into();
        }
        let beside = std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(|folder| folder.join("models")));
        beside
            .into_iter()
            .chain([PathBuf::from("models")])
            .find(|folder| folder.join("manifest.toml").is_file())
            .unwrap_or_else(|| MODELS_PACKAGED.into())
    }

    /// Loads the library once and the models once for each of `count` workers, one thread each.
    pub(super) fn visions(&self, count: usize) -> anyhow::Result<Vec<Vision>> {
        let folder = self.folder();
        let runtime = Runtime::load(self.onnxruntime.as_deref())?;
        (0..count.max(1)).map(|_| load(&runtime, &folder)).collect()
    }

    /// Loads the library once and both nets of a folder alone, one thread each.
    pub(super) fn nets(&self, folder: &Path) -> anyhow::Result<(Box<dyn Nets>, Manifest)> {
        let runtime = Runtime::load(self.onnxruntime.as_deref())?;
        runtime.nets(folder, 1).with_context(|| cannot_load(folder))
    }
}

fn cannot_load(folder: &Path) -> String {
    format!("cannot load the models of `{}`", folder.display())
}

fn load(runtime: &Runtime, folder: &Path) -> anyhow::Result<Vision> {
    runtime
        .vision(folder, 1)
        .with_context(|| cannot_load(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins() {
        let flags = ModelFlags {
            models: Some("/some/where".into()),
            onnxruntime: None,
        };
        assert_eq!(flags.folder(), Path::new("/some/where"));
    }
}
