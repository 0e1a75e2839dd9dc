//! The host's id at a start, and what else must not go on with a copied image.

use std::path::Path;

use super::outlet::chain::Chain;
use crate::host::HostRoot;
use crate::host::id::HostId;
use crate::spool::Spool;

/// The id of this host, made if it has none. `None` if it cannot be kept: an id that is another one after
/// each start would be worse.
pub(super) fn establish(root: &HostRoot, state: &Path, spool: &mut Spool) -> Option<String> {
    let established = HostId::find(root, state).and_then(|host_id| {
        // Before the id is kept: a crash in between must not hide from the next start that this is a copy.
        if host_id.copied_from().is_some() {
            spool.renew_tag()?;
            Chain::end(state)?;
        }
        host_id.keep(state)?;
        Ok(host_id)
    });
    match established {
        Ok(host_id) => {
            if let Some(former) = host_id.copied_from() {
                log::warn!(
                    "the state folder {} is of another machine, whose id is {former}: this host gets the id {}, and a \
                     new chain of bundles",
                    state.display(),
                    host_id.id()
                );
            }
            Some(host_id.id().to_owned())
        }
        Err(error) => {
            log::error!(
                "bundles will not have the host's id, which cannot be kept in {}: {error}",
                state.display()
            );
            None
        }
    }
}

/// The id that the daemon of this host keeps, for a run in the foreground, which makes none.
pub(super) fn recall(root: &HostRoot, state: &Path) -> Option<String> {
    // Without a daemon there is none, and another user's may not be readable.
    let host_id = HostId::find(root, state).ok()?;
    host_id.is_kept().then(|| host_id.id().to_owned())
}
