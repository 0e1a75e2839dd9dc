//! Which executable runs a runtime's trials on this host, with which library.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::config::{Config, RuntimeConfig};
use crate::runtime::{Runtime, WorkerExecutable};

/// File name of the executable that is the daemon and nothing else.
pub(crate) const DAEMON: &str = "backbone-daemon";

/// File name of the executable with every command, the worker's among them.
const PROGRAM: &str = "backbone";

/// The executable that has the worker: this one, or the one beside it where this is the daemon's own.
///
/// # Errors
/// Where the system does not tell.
pub(crate) fn program() -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(if own.file_name().is_some_and(|name| name == DAEMON) { own.with_file_name(PROGRAM) } else { own })
}

/// How to start the worker of a runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkerCommand {
    /// The program.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// Variables to set beside the inherited ones.
    pub environment: Vec<(OsString, OsString)>,
    /// The library to load at run time.
    pub library: Option<PathBuf>,
    /// The plug-in that it may load.
    pub plugin: Option<PathBuf>,
}

/// Find it. Nothing is checked here: what is missing is the worker's ending, and lands in the bundle.
///
/// The library comes from the configuration (which has looked at the runtime's usual environment variables), else from
/// `../lib/backbone` beside the executable, where `make install` puts it, else from wherever the runtime itself looks.
pub(crate) fn worker_command(runtime: &Runtime, config: &Config, own: &Path) -> WorkerCommand {
    let settings = config.runtimes.get(runtime.name).cloned().unwrap_or_default();
    let library = library(runtime, &settings, own);
    match runtime.worker {
        WorkerExecutable::ThisProgram => WorkerCommand {
            executable: settings.worker.unwrap_or_else(|| own.to_owned()),
            arguments: &["__worker"],
            environment: Vec::new(),
            library,
            plugin: settings.plugin,
        },
        WorkerExecutable::Tflite => WorkerCommand {
            executable: settings.worker.unwrap_or_else(|| own.with_file_name("backbone-worker-tflite")),
            arguments: &[],
            environment: library.as_deref().and_then(library_path).into_iter().collect(),
            library,
            plugin: settings.plugin,
        },
    }
}

fn library(runtime: &Runtime, settings: &RuntimeConfig, own: &Path) -> Option<PathBuf> {
    let installed = || {
        let path = own.parent()?.parent()?.join("lib/backbone").join(runtime.library_file?);
        path.exists().then_some(path)
    };
    settings.library.clone().or_else(installed)
}

/// The dynamic loader finds a library that the worker is linked with through this variable.
fn library_path(library: &Path) -> Option<(OsString, OsString)> {
    let mut folders = vec![library.parent()?.to_owned()];
    if let Some(inherited) = std::env::var_os("LD_LIBRARY_PATH") {
        folders.extend(std::env::split_paths(&inherited));
    }
    Some(("LD_LIBRARY_PATH".into(), std::env::join_paths(folders).ok()?))
}
