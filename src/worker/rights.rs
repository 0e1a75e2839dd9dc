//! Workers give up the daemon's capabilities. The unit grants the daemon capabilities to read uploads and
//! control power; a model, its library and the processes they start must not have them.

use log::warn;
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities, clear_ambient_capability_set, set_capabilities};

/// The capabilities that the unit grants the daemon, see `systemd/backbone.service`.
const OF_THE_DAEMON: CapabilitySet = CapabilitySet::DAC_OVERRIDE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::LEASE)
    .union(CapabilitySet::SYS_BOOT)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::KILL)
    // In a drop-in, for the clocks of graphics cards.
    .union(CapabilitySet::SYS_ADMIN);

/// Those with which a worker becomes the user of workers, see `sandbox::rights`.
const TO_CHANGE_USER: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID);

/// Give up the daemon's capabilities for good, but for those that a sandbox needs. A worker that runs as root
/// keeps root's until its sandbox takes them.
pub(super) fn give_up() {
    lose(OF_THE_DAEMON);
}

/// Give up the rest, without a sandbox.
pub(super) fn give_up_the_rest() {
    lose(TO_CHANGE_USER);
}

fn lose(lost: CapabilitySet) {
    if geteuid().is_root() {
        return;
    }
    if let Err(error) = try_to_lose(lost) {
        warn!("this worker keeps the capabilities of its parent: {error}");
    }
}

fn try_to_lose(lost: CapabilitySet) -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let mut sets = capabilities(None)?;
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        set.remove(lost);
    }
    set_capabilities(None, sets)
}
