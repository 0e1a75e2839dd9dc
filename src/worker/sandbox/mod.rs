//! The worker confines itself, before it loads a library or a model.
//!
//! Each part is enforced as far as the kernel and the rights of this process allow, and the report says which
//! parts were not. A model that takes over its library is then left with its own folder, the devices of its
//! runtime, and the processor.
//!
//! | part | file |
//! |---|---|
//! | user, capabilities, no new privileges | `rights` |
//! | files, signals, abstract sockets | `landlocked` |
//! | system calls | `system_calls` |
//! | memory, processes, size of a file, core files | `limits` |
//!
//! The control group is the parent's part, see `control_group`. Nothing here runs between two clock reads.

use std::path::{Path, PathBuf};

use crate::bundle::format::{Failure, Sandbox, SandboxPart, SandboxSetting, Stage};
use crate::runtime::{InputContent, LoadRequest, Reach};
use crate::worker::protocol::Confinement;

mod landlocked;
mod limits;
mod rights;
mod system_calls;

pub(in crate::worker) use limits::memory_limit_bytes;

/// What `required` requires: without these a worker can change what the daemon believes.
const REQUIRED: &[SandboxPart] =
    &[SandboxPart::NoNewPrivileges, SandboxPart::Files, SandboxPart::SystemCalls];

/// What helps where it is missing.
pub(crate) const REQUIRED_HINT: &str =
    "use a kernel with Landlock (5.13 or later), or set `sandbox: auto` in the configuration";

/// Confine this thread, and everything that it starts, for what it is asked to load. A worker has no other
/// thread by then.
///
/// # Errors
/// The configuration requires what this host does not have.
pub fn enforce(confinement: &Confinement, load: &LoadRequest, reach: &Reach) -> Result<Sandbox, Failure> {
    let mut sandbox = Sandbox { setting: confinement.setting, ..Sandbox::default() };
    if confinement.setting == SandboxSetting::Off {
        return Ok(sandbox);
    }
    let places = OpenPlaces::of(confinement, load);
    rights::change_user(confinement.user.as_ref(), &places, &mut sandbox);
    limits::apply(&places.workplace, &mut sandbox);
    rights::drop_all(&mut sandbox);
    landlocked::apply(&places, reach, confinement.landlock_abi, &mut sandbox);
    system_calls::apply(reach, &mut sandbox);
    sandbox.enforced.sort_unstable();
    match REQUIRED.iter().find(|part| !sandbox.enforced.contains(part)) {
        Some(part) if confinement.setting == SandboxSetting::Required => Err(refused(*part, &sandbox)),
        _ => Ok(sandbox),
    }
}

/// Give up every capability for good, and the way to new ones, for a program that is none of ours.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn give_up_every_capability() -> std::io::Result<()> {
    rights::drop_capabilities()?;
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// What this kernel lacks of what `required` requires; `None` if nothing.
pub(crate) fn obstacle() -> Option<String> {
    (landlocked::abi_of_kernel() == 0).then(|| landlocked::NO_LANDLOCK.to_owned())
}

fn refused(part: SandboxPart, sandbox: &Sandbox) -> Failure {
    let why = sandbox.missing.iter().find(|gap| gap.part == part).map_or("", |gap| gap.detail.as_str());
    let detail = format!("the configuration requires the sandbox, and {part:?} is missing: {why}");
    Failure::new(Stage::Start, "sandbox_not_enforced", detail).with_hint(REQUIRED_HINT)
}

/// The files that a worker needs, in addition to those of the system.
struct OpenPlaces {
    /// Read, and run.
    reads: Vec<PathBuf>,
    /// Its only folder to write to.
    workplace: PathBuf,
    /// The folder that stands for a host: its stubs of programs write there, and results are simulated.
    host: Option<PathBuf>,
}

impl OpenPlaces {
    fn of(confinement: &Confinement, load: &LoadRequest) -> Self {
        let mut reads = vec![load.model.clone()];
        // A model of several files has a folder of its own.
        reads.extend(confinement.model_folder.clone());
        for input in load.inputs.values() {
            if let Some(InputContent::File(file)) = &input.content {
                reads.push(file.path.clone());
            }
        }
        for path in load.provided.paths() {
            // Its folder: a library finds its providers next to it, a program its libraries.
            reads.push(path.parent().filter(|folder| *folder != Path::new("/")).unwrap_or(path).to_owned());
            // A link leads to the file that is opened.
            if let Some(folder) =
                fs_err::canonicalize(path).ok().and_then(|path| Some(path.parent()?.to_owned()))
            {
                reads.push(folder);
            }
        }
        let libraries = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        reads.extend(std::env::split_paths(&libraries).filter(|folder| folder.is_absolute()));
        reads.extend(std::env::current_exe().ok());
        let workplace = confinement.workplace.clone().unwrap_or_else(std::env::temp_dir);
        let host = std::env::var_os(ROOT_VARIABLE).map(PathBuf::from).filter(|root| *root != Path::new("/"));
        Self { reads, workplace, host }
    }
}

/// The variable with the folder that stands for `/`.
const ROOT_VARIABLE: &str = "BACKBONE_HOST_ROOT";
