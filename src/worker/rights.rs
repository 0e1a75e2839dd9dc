//! Workers give up the daemon's capabilities. The unit grants the daemon capabilities to read uploads and
//! control power; a model, its library and the processes they start must not have them.

use log::warn;
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities, clear_ambient_capability_set, set_capabilities};

/// The capabilities that the unit grants the daemon, see `systemd/backbone.service`.
const OF_THE_DAEMON: CapabilitySet = CapabilitySet::DAC_OVERRIDE
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::LEASE)
    // In a drop-in, for the clocks of graphics cards.
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_BOOT);

/// Give up the daemon's capabilities for good. A worker that runs as root keeps root's: its owner chose to
/// measure as root.
pub(super) fn give_up() {
    if geteuid().is_root() {
        return;
    }
    if let Err(error) = try_to_give_up() {
        warn!("this worker keeps the capabilities of its parent: {error}");
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
