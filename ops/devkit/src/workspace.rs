//! The workspace's own binaries, built now so that no test runs a stale service.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use cargo_metadata::Message;
use tokio::sync::Mutex;

use crate::environment::{self, BIN_DIR};

/// Why a binary is not there.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// cargo could not be run, or its answer not read.
    #[error("cannot run cargo build")]
    Cargo(#[source] std::io::Error),
    /// The workspace does not build.
    #[error("cargo build failed:\n{errors}")]
    Build {
        /// What the compiler said.
        errors: String,
    },
    /// No package that was built has this binary.
    #[error("there is no binary {name} in {}", place.display())]
    NoSuchBinary {
        /// The binary.
        name: String,
        /// Where it was looked for.
        place: PathBuf,
    },
}

/// Where freshly built binaries are.
#[derive(Debug)]
pub struct Binaries {
    place: PathBuf,
    paths: BTreeMap<String, PathBuf>,
}

impl Binaries {
    /// Builds the binaries of `packages` with `features` once per process, in the profile of the
    /// caller. If `DEVKIT_BIN_DIR` names a folder, its files are taken instead: whoever set
    /// it has just built them.
    pub async fn build(packages: &[&str], features: &[&str]) -> Result<Arc<Self>, WorkspaceError> {
        if let Some(folder) = environment::variable(BIN_DIR) {
            return Ok(Arc::new(Self { place: folder.into(), paths: BTreeMap::new() }));
        }
        Self::build_now(packages, features).await
    }

    /// As [`Binaries::build`], whatever the environment says.
    pub async fn build_now(
        packages: &[&str],
        features: &[&str],
    ) -> Result<Arc<Self>, WorkspaceError> {
        static BUILT: Mutex<BTreeMap<Vec<String>, Arc<Binaries>>> =
            Mutex::const_new(BTreeMap::new());
        let mut arguments: Vec<String> = Vec::new();
        arguments.extend(packages.iter().map(|package| format!("--package={package}")));
        arguments.extend(features.iter().map(|feature| format!("--features={feature}")));
        let mut built = BUILT.lock().await;
        if let Some(binaries) = built.get(&arguments) {
            return Ok(Arc::clone(binaries));
        }
        let key = arguments.clone();
        let building = tokio::task::spawn_blocking(move || build(&arguments));
        let binaries = building.await.map_err(|error| WorkspaceError::Cargo(error.into()))??;
        let binaries = Arc::new(binaries);
        built.insert(key, Arc::clone(&binaries));
        Ok(binaries)
    }

    /// The path of one binary.
    pub fn path(&self, name: &str) -> Result<PathBuf, WorkspaceError> {
        let beside = self.place.join(name);
        self.paths
            .get(name)
            .cloned()
            .or_else(|| environment::is_executable(&beside).then_some(beside))
            .ok_or_else(|| {
                let (name, place) = (name.to_owned(), self.place.clone());
                WorkspaceError::NoSuchBinary { name, place }
            })
    }
}

fn build(arguments: &[String]) -> Result<Binaries, WorkspaceError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = environment::variable("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--bins", "--message-format=json-render-diagnostics"])
        .args(arguments)
        .args((!cfg!(debug_assertions)).then_some("--release"))
        .current_dir(&root)
        .stdin(Stdio::null());
    let output = command.output().map_err(WorkspaceError::Cargo)?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(WorkspaceError::Build { errors });
    }
    let mut paths = BTreeMap::new();
    for message in Message::parse_stream(output.stdout.as_slice()) {
        if let Message::CompilerArtifact(artifact) = message.map_err(WorkspaceError::Cargo)?
            && let Some(path) = artifact.executable
        {
            paths.insert(artifact.target.name, path.into_std_path_buf());
        }
    }
    Ok(Binaries { place: root, paths })
}
