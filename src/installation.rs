//! Where the things are that runtimes need. Decided here and nowhere else; the daemon, `backbone doctor` and
//! `backbone run` ask.
//!
//! A path in the configuration is taken as it is. Without one, the search takes the first of these that
//! exists:
//!
//! | need | search |
//! |---|---|
//! | library | `../lib/backbone` seen from the executable's folder, where `make install` puts it; for an executable in `target/<profile>` of the source tree, `runtimes/<architecture>` there; then the system's loader, in the worker |
//! | delegate | the host's folders for libraries; then the system's loader, in the worker |
//! | program | `/usr/sbin`, `/usr/bin`, `/usr/src/tensorrt/bin`, then PATH |
//! | worker | next to `backbone` |
//! | plug-in | none: only the configuration names one |
//!
//! Delegates and programs belong to the host and are searched below the host root. The libraries of a source
//! tree are for the machine that built them: under another host root they are not used.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::host::{HostRoot, tool};
use crate::runtime::needs::Origin;
use crate::runtime::{Need, NeedKind, Provided, Runtime};

/// File name of the executable that is the daemon and nothing else.
pub(crate) const DAEMON: &str = "backbone-daemon";

/// File name of the executable with every command, the worker's among them.
const PROGRAM: &str = "backbone";

/// Where distributions install libraries, in the order of the system's loader.
pub(crate) const LIBRARY_FOLDERS: &[&str] = &[
    "/usr/local/lib",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/arm-linux-gnueabihf",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/usr/lib",
];

/// The executables of this project on a host.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    program: PathBuf,
    root: HostRoot,
}

/// How to start the worker of a runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkerCommand {
    /// The program.
    pub(crate) executable: PathBuf,
    /// Its arguments.
    pub(crate) arguments: &'static [&'static str],
    /// Variables to set in addition to the inherited ones.
    pub(crate) environment: Vec<(OsString, OsString)>,
}

impl Installation {
    /// The one that this process belongs to.
    ///
    /// # Errors
    /// The system does not say which executable this process runs.
    pub(crate) fn of_this_process(root: &HostRoot) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let is_daemon = own.file_name().is_some_and(|name| name == DAEMON);
        let program = if is_daemon { own.with_file_name(PROGRAM) } else { own };
        Ok(Self { program, root: root.clone() })
    }

    /// As `make install` leaves it: for a folder that stands for another machine.
    pub(crate) fn usual(root: &HostRoot) -> Self {
        Self { program: Path::new("/usr/bin").join(PROGRAM), root: root.clone() }
    }

    /// The executable with every command.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// What the runtime needs and where it is: as `named` in the configuration, otherwise as found. What is
    /// missing stays out, and the worker reports it.
    pub(crate) fn provide(&self, runtime: &Runtime, named: &Provided) -> Provided {
        let found = runtime.needs.iter().filter_map(|need| {
            let path = match (need, named.get(need.kind())) {
                (Need::Program { .. }, Some(path)) => self.root.path(path),
                (_, Some(path)) => path.to_owned(),
                (_, None) => self.find(need)?,
            };
            Some((need.kind(), path))
        });
        found.collect()
    }

    fn find(&self, need: &Need) -> Option<PathBuf> {
        match need {
            Need::Library { .. } => self.libraries(need).into_iter().find(|path| path.exists()),
            Need::Delegate { file } => {
                let paths = LIBRARY_FOLDERS.iter().map(|folder| self.root.path(folder).join(file));
                paths.into_iter().find(|path| path.exists())
            }
            Need::Program { name, .. } => tool::find(&self.root, name),
            Need::Worker { file } => Some(self.program.with_file_name(file)),
            Need::Plugin => None,
        }
    }

    /// Where a library is that comes with this project, in the order of the search.
    pub(crate) fn libraries(&self, need: &Need) -> Vec<PathBuf> {
        let Need::Library { file, origin: Origin::Installation, .. } = need else { return Vec::new() };
        let folder = self.program.parent();
        let installed = folder.and_then(Path::parent).map(|prefix| prefix.join("lib/backbone"));
        let fetched = folder.filter(|_| self.root.is_real()).and_then(source_libraries);
        installed.into_iter().chain(fetched).map(|folder| folder.join(file)).collect()
    }

    /// The worker of a runtime. Nothing is checked here: a missing executable is the worker's ending, and is
    /// reported in the bundle.
    pub(crate) fn worker(&self, runtime: &Runtime, provided: &Provided) -> WorkerCommand {
        let mut environment = Vec::new();
        if runtime.compiles() {
            environment.push((tool::ROOT_VARIABLE.into(), self.root.as_path().into()));
        }
        let Some(executable) = provided.get(NeedKind::Worker) else {
            return WorkerCommand { executable: self.program.clone(), arguments: &["__worker"], environment };
        };
        environment.extend(provided.get(NeedKind::Library).and_then(library_path));
        WorkerCommand { executable: executable.to_owned(), arguments: &[], environment }
    }
}

/// The fetched libraries of the source tree that an executable in this folder was built in.
fn source_libraries(folder: &Path) -> Option<PathBuf> {
    let target = folder.parent()?;
    let is_target = target.file_name().is_some_and(|name| name == "target");
    is_target.then(|| target.with_file_name("runtimes").join(std::env::consts::ARCH))
}

/// The variable through which the system's loader finds the libraries that the runtime's own library needs,
/// and which are next to it.
fn library_path(library: &Path) -> Option<(OsString, OsString)> {
    let mut folders = vec![library.parent()?.to_owned()];
    if let Some(inherited) = std::env::var_os("LD_LIBRARY_PATH") {
        folders.extend(std::env::split_paths(&inherited));
    }
    Some(("LD_LIBRARY_PATH".into(), std::env::join_paths(folders).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{edgetpu, onnxruntime, tflite};

    fn at(program: PathBuf, root: &HostRoot) -> Installation {
        Installation { program, root: root.clone() }
    }

    fn touched(path: PathBuf) -> PathBuf {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, "").unwrap();
        path
    }

    fn library(installation: &Installation, named: &Provided) -> Option<PathBuf> {
        let provided = installation.provide(&onnxruntime::RUNTIME, named);
        provided.get(NeedKind::Library).map(Path::to_path_buf)
    }

    #[test]
    fn library_is_the_named_one_then_the_installed_one_then_that_of_the_source_tree() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path();
        let installation = at(tree.join("target/release/backbone"), &HostRoot::real());
        let nothing = Provided::default();
        assert_eq!(library(&installation, &nothing), None);
        let fetched = touched(tree.join("runtimes").join(std::env::consts::ARCH).join("libonnxruntime.so"));
        assert_eq!(library(&installation, &nothing), Some(fetched));
        let installed = touched(tree.join("target/lib/backbone/libonnxruntime.so"));
        assert_eq!(library(&installation, &nothing), Some(installed));
        let named = PathBuf::from("/nowhere/libonnxruntime.so");
        let mut settings = Provided::default();
        settings.set(NeedKind::Library, &named);
        assert_eq!(library(&installation, &settings), Some(named));
    }

    #[test]
    fn libraries_of_a_source_tree_are_used_neither_on_another_host_root_nor_from_another_folder() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path();
        touched(tree.join("runtimes").join(std::env::consts::ARCH).join("libonnxruntime.so"));
        let other = HostRoot::new(tree).unwrap();
        assert_eq!(library(&at(tree.join("target/release/backbone"), &other), &Provided::default()), None);
        for program in ["bin/backbone", "target/release/deps/backbone", "target/backbone"] {
            let installation = at(tree.join(program), &HostRoot::real());
            assert_eq!(library(&installation, &Provided::default()), None, "{program}");
        }
    }

    #[test]
    fn things_of_the_host_are_searched_below_its_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        let delegate = touched(root.path("/usr/local/lib/libedgetpu.so.1"));
        let compiler = touched(root.path("/usr/bin/edgetpu_compiler"));
        let provided = Installation::usual(&root).provide(&edgetpu::RUNTIME, &Provided::default());
        assert_eq!(provided.get(NeedKind::Delegate), Some(&*delegate));
        assert_eq!(provided.get(NeedKind::Program), Some(&*compiler));
        assert_eq!(provided.get(NeedKind::Library), None);
    }

    #[test]
    fn worker_of_its_own_gets_the_folder_of_its_library() {
        let installation = Installation::usual(&HostRoot::real());
        let mut named = Provided::default();
        named.set(NeedKind::Library, "/opt/libtensorflowlite_c.so");
        let provided = installation.provide(&tflite::RUNTIME, &named);
        let command = installation.worker(&tflite::RUNTIME, &provided);
        assert_eq!(command.executable, Path::new("/usr/bin/backbone-worker-tflite"));
        assert!(command.environment[0].1.to_string_lossy().starts_with("/opt"));
        let provided = installation.provide(&onnxruntime::RUNTIME, &Provided::default());
        let command = installation.worker(&onnxruntime::RUNTIME, &provided);
        assert_eq!((command.executable, command.arguments), ("/usr/bin/backbone".into(), &["__worker"][..]));
    }
}
