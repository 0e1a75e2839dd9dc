//! What a worker may not: the daemon's rights of root. The unit gives the daemon capabilities to read uploads and to control
//! power; a model and its library get none of them, nor does anything they start.

use log::warn;
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities, clear_ambient_capability_set, set_capabilities};

/// What the unit gives the daemon, see `systemd/backbone.service`.
const OF_THE_DAEMON: CapabilitySet = CapabilitySet::DAC_OVERRIDE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::LEASE)
    .union(CapabilitySet::SYS_BOOT);

/// Give up the daemon's rights, for good. Root keeps its own: it was told to measure as root.
pub(super) fn give_up() {
    if geteuid().is_root() {
        return;
    }
    if let Err(error) = try_to_give_up() {
        warn!("this worker has the rights of its parent: {error}");
    }
}

fn try_to_give_up() -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let mut sets = capabilities(None)?;
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        set.remove(OF_THE_DAEMON);
    }
    set_capabilities(None, sets)
}
