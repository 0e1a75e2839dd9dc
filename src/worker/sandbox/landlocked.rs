//! What a worker may open, through Landlock: its model, its libraries and the system's to read, its own
//! folder to write, the device nodes of its runtime. Signals and abstract sockets stay within it if the
//! kernel knows that.
//!
//! Landlock also keeps it from the memory and the environment of every process outside (ptrace and the files
//! of `/proc` that it guards).

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::OpenPlaces;
use crate::bundle::format::{Sandbox, SandboxPart};
use crate::runtime::Reach;

/// The newest version whose rights were tried with the runtimes.
const NEWEST: ABI = ABI::V7;

/// Why files are not confined.
pub(super) const NO_LANDLOCK: &str =
    "the kernel has no Landlock, or it is off (Linux 5.13 or later, with `landlock` in lsm=)";

/// The version from which signals and abstract sockets have a scope (Linux 6.12).
const WITH_SCOPES: u32 = 6;

/// Programs, libraries and descriptions of the system; runtimes read `/proc` and `/sys` for processors and
/// devices.
const SYSTEM_READ: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/opt",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/alternatives",
    "/etc/group",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/nv_tegra_release",
    "/etc/OpenCL",
    "/etc/passwd",
    "/etc/vulkan",
    "/proc",
    "/sys",
];

/// Nodes that hold nothing.
const PLAIN_NODES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Libraries look for devices by listing this folder; that opens none.
const DEVICES: &str = "/dev";

/// Restrict this process. `most` caps the version, for tests of what older kernels do.
pub(super) fn apply(places: &OpenPlaces, reach: &Reach, most: Option<u32>, sandbox: &mut Sandbox) {
    let abi = match most {
        Some(version) => ABI::from(i32::try_from(version).unwrap_or(0)).min(NEWEST),
        None => NEWEST,
    };
    let found = if abi == ABI::Unsupported { Ok(0) } else { restrict(places, reach, abi) };
    let in_force = *found.as_ref().unwrap_or(&0);
    sandbox.landlock_abi = Some(in_force);
    let missing = match found {
        Ok(0) => NO_LANDLOCK.to_owned(),
        Ok(_) => String::new(),
        Err(error) => format!("Landlock: {error}"),
    };
    let scoped = |what: &str| match in_force {
        WITH_SCOPES.. => Ok(()),
        0 => Err(missing.clone()),
        _ => Err(format!("Landlock {in_force} does not confine {what}, {WITH_SCOPES} does (Linux 6.12)")),
    };
    sandbox.note(SandboxPart::Files, if in_force > 0 { Ok(()) } else { Err(missing.clone()) });
    sandbox.note(SandboxPart::Signals, scoped("signals; those to the daemon are refused as system calls"));
    sandbox.note(SandboxPart::AbstractSockets, scoped("abstract sockets"));
}

/// The version of this kernel; 0 if it has none.
#[expect(unsafe_code, reason = "the crate tells the version only to a process that it has restricted")]
pub(crate) fn abi_of_kernel() -> u32 {
    /// landlock_create_ruleset(2)
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no attributes, makes nothing, and returns a number.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0_usize, VERSION)
    };
    u32::try_from(version).unwrap_or(0)
}

fn restrict(places: &OpenPlaces, reach: &Reach, abi: ABI) -> Result<u32, RulesetError> {
    let all = AccessFs::from_all(abi);
    let mut ruleset = Ruleset::default().handle_access(all)?;
    if abi >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi))?;
    }
    if abi >= ABI::V6 {
        ruleset = ruleset.scope(Scope::from_all(abi))?;
    }
    let read = AccessFs::from_read(abi);
    let own = all & !(AccessFs::MakeChar | AccessFs::MakeBlock);
    let mut device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir;
    if abi >= ABI::V5 {
        device |= AccessFs::IoctlDev;
    }
    let reads = SYSTEM_READ.iter().map(PathBuf::from).chain(places.reads.iter().cloned());
    let nodes =
        PLAIN_NODES.iter().map(PathBuf::from).chain(reach.devices.iter().flat_map(|name| nodes(name)));
    let created = ruleset.create()?;
    let created = permit(created, reads, read)?;
    let created = permit(created, [places.workplace.clone()].into_iter().chain(places.host.clone()), own)?;
    let created = permit(created, nodes, device)?;
    let created = permit(created, [PathBuf::from(DEVICES)], AccessFs::ReadDir.into())?;
    let status = created.restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::NotEnforced => 0,
        _ => version(status.landlock).min(abi as u32),
    })
}

/// What does not exist needs no rule.
fn permit(
    ruleset: RulesetCreated,
    paths: impl IntoIterator<Item = PathBuf>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    ruleset.add_rules(path_beneath_rules(paths, access))
}

fn version(status: LandlockStatus) -> u32 {
    match status {
        LandlockStatus::Available { effective_abi, .. } => effective_abi as u32,
        _ => 0,
    }
}

/// The nodes that a name of [`Reach::devices`] stands for.
fn nodes(name: &str) -> Vec<PathBuf> {
    let Some(start) = name.strip_suffix('*') else { return vec![PathBuf::from(name)] };
    let path = Path::new(start);
    let (Some(folder), Some(start)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let start = start.to_string_lossy().into_owned();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&start))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_star_stand_for_the_nodes_that_exist() {
        assert_eq!(nodes("/dev/nul*"), [PathBuf::from("/dev/null")]);
        assert_eq!(nodes("/dev/nvmap"), [PathBuf::from("/dev/nvmap")]);
        assert!(nodes("/dev/no-such-node-*").is_empty());
    }
}
