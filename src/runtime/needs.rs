//! What a runtime needs of the host, as a list. Keys of the configuration, the search on the host, `backbone
//! doctor` and the reference of settings follow from it, so that a new runtime only says what it needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Runtime;

/// Something that a runtime needs of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The inference library.
    Library {
        /// Its file name.
        file: &'static str,
        /// Environment variables in which users of the library name it.
        variables: &'static [&'static str],
        /// Who provides it.
        origin: Origin,
    },
    /// A second library, through which the first one reaches the device.
    Delegate {
        /// Its file name.
        file: &'static str,
    },
    /// A library that adds a provider to the first one; optional.
    Plugin,
    /// A program of the host that compiles models.
    Program {
        /// Its name in a folder of programs.
        name: &'static str,
        /// What it does.
        work: ProgramWork,
        /// How many builds of a model with inputs of up to 560 pixels the paper measured.
        builds_in_paper: u32,
    },
    /// A worker executable of its own, with the code that calls the library.
    Worker {
        /// Its file name, next to `backbone`.
        file: &'static str,
    },
}

/// Who provides a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An installation of this project includes it.
    Installation,
    /// Only the host: the library of the installation does not work for this runtime.
    Host,
}

/// What a program of the host does for a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramWork {
    /// It compiles models; the runtime's library runs them.
    Compile,
    /// It compiles models, runs them, and takes the times.
    CompileAndTime,
}

/// The kinds of needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedKind {
    /// [`Need::Library`].
    Library,
    /// [`Need::Delegate`].
    Delegate,
    /// [`Need::Plugin`].
    Plugin,
    /// [`Need::Program`].
    Program,
    /// [`Need::Worker`].
    Worker,
}

impl Need {
    /// Its kind.
    pub fn kind(&self) -> NeedKind {
        match self {
            Self::Library { .. } => NeedKind::Library,
            Self::Delegate { .. } => NeedKind::Delegate,
            Self::Plugin => NeedKind::Plugin,
            Self::Program { .. } => NeedKind::Program,
            Self::Worker { .. } => NeedKind::Worker,
        }
    }

    /// The key under `runtimes.NAME` in the configuration.
    pub fn key(&self) -> &'static str {
        match self.kind() {
            NeedKind::Library => "library",
            NeedKind::Delegate => "delegate",
            NeedKind::Plugin => "plugin",
            NeedKind::Program => "program",
            NeedKind::Worker => "worker",
        }
    }

    /// Environment variables of the field that name it.
    pub fn variables(&self) -> &'static [&'static str] {
        match self {
            Self::Library { variables, .. } => variables,
            _ => &[],
        }
    }
}

impl Runtime {
    /// Its need of that kind.
    pub fn need(&self, kind: NeedKind) -> Option<&'static Need> {
        self.needs.iter().find(|need| need.kind() == kind)
    }

    /// Does a program of the host compile the models?
    pub fn compiles(&self) -> bool {
        self.need(NeedKind::Program).is_some()
    }

    /// Does a program of the host run the models and take the times, in place of our clock?
    pub fn times_itself(&self) -> bool {
        matches!(self.need(NeedKind::Program), Some(Need::Program { work: ProgramWork::CompileAndTime, .. }))
    }

    /// File name of its own worker executable; `None` if `backbone` is the worker.
    pub fn own_worker(&self) -> Option<&'static str> {
        match self.need(NeedKind::Worker) {
            Some(Need::Worker { file }) => Some(file),
            _ => None,
        }
    }
}

/// Where the things are that a runtime needs: as the configuration names them, or as they were found on the
/// host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Provided(BTreeMap<NeedKind, PathBuf>);

impl Provided {
    /// The path of that kind of thing.
    pub fn get(&self, kind: NeedKind) -> Option<&Path> {
        self.0.get(&kind).map(PathBuf::as_path)
    }

    /// Add a path, or replace the one that was there.
    pub fn set(&mut self, kind: NeedKind, path: impl Into<PathBuf>) {
        self.0.insert(kind, path.into());
    }

    /// All paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.values().map(PathBuf::as_path)
    }

    /// Is nothing named?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(NeedKind, PathBuf)> for Provided {
    fn from_iter<Pairs: IntoIterator<Item = (NeedKind, PathBuf)>>(pairs: Pairs) -> Self {
        Self(pairs.into_iter().collect())
    }
}
