//! A worker's user and capabilities.

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{DumpableBehavior, Gid, Uid, getegid, geteuid, getgroups, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use super::OpenPlaces;
use crate::bundle::format::{Sandbox, SandboxPart};
use crate::worker::protocol::WorkerUser;

/// Become the worker's user, if this process may and that user can read what it needs.
pub(super) fn change_user(user: Option<&WorkerUser>, places: &OpenPlaces, sandbox: &mut Sandbox) {
    let changed = match user {
        None => {
            Err("the daemon may not change users, or the user `backbone-worker` does not exist".to_owned())
        }
        Some(user) => change(user, places),
    };
    sandbox.note(SandboxPart::OwnUser, changed);
}

fn change(user: &WorkerUser, places: &OpenPlaces) -> Result<(), String> {
    let failed = |what: &'static str| move |error| format!("{what}: {error}");
    let (uid, gid) = (Uid::from_raw(user.user), Gid::from_raw(user.group));
    let (own_user, own_group) = (geteuid(), getegid());
    let groups = getgroups().map_err(failed("getgroups"))?;
    // The groups through which the daemon opens devices, without the one that owns its folders.
    let others: Vec<Gid> = groups.iter().copied().filter(|group| *group != own_group).collect();
    set_thread_groups(&others).map_err(failed("setgroups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(failed("setresgid"))?;
    // The saved user stays for a moment, because what it cannot read would fail the trial.
    set_thread_res_uid(uid, uid, own_user).map_err(failed("setresuid"))?;
    let unreadable = unreadable(places);
    if let Some(path) = unreadable {
        let back = set_thread_res_uid(own_user, own_user, own_user)
            .and_then(|()| set_thread_res_gid(own_group, own_group, own_group))
            .and_then(|()| set_thread_groups(&groups));
        // What is left then has fewer rights than it should, and the trial says what it could not read.
        let whether =
            back.map_or_else(|error| format!(", nor could it change back: {error}"), |()| String::new());
        return Err(format!("{} cannot read {path}{whether}", user.name));
    }
    set_thread_res_uid(uid, uid, uid).map_err(failed("setresuid"))?;
    // The kernel made its files in /proc root's. The daemon reads them as before, and the libraries too.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(failed("prctl"))
}

fn unreadable(places: &OpenPlaces) -> Option<String> {
    let reads = places.reads.iter().filter(|path| path.exists()).map(|path| (path, Access::READ_OK));
    let writes = [(&places.workplace, Access::WRITE_OK | Access::EXEC_OK)];
    let denied = |(path, access): &(&std::path::PathBuf, Access)| {
        accessat(CWD, path.as_path(), *access, AtFlags::empty()).is_err()
    };
    reads.chain(writes).find(denied).map(|(path, _)| path.display().to_string())
}

/// Give up every capability for good, and the way to new ones.
pub(super) fn drop_all(sandbox: &mut Sandbox) {
    sandbox
        .note(SandboxPart::NoCapabilities, drop_capabilities().map_err(|error| format!("capset: {error}")));
    sandbox.note(
        SandboxPart::NoNewPrivileges,
        set_no_new_privs(true).map_err(|error| format!("prctl: {error}")),
    );
}

pub(super) fn drop_capabilities() -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let sets = capabilities(None)?;
    if sets.effective.contains(CapabilitySet::SETPCAP) {
        // Numbers that the kernel does not have end the list.
        for number in 0..u64::BITS {
            let capability = CapabilitySet::from_bits_retain(1 << number);
            match capability_is_in_bounding_set(capability) {
                Ok(true) => remove_capability_from_bounding_set(capability)?,
                Ok(false) => {}
                Err(_) => break,
            }
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}
