//! What killed processes left, and folders of the spool that were removed while the daemon runs.

use std::time::Instant;

use super::troubles::TroubleKind;
use super::{Daemon, outlet, status};
use crate::config::Config;
use crate::guarded;
use crate::host::power::saved::FILE as POWER_STATE_FILE;
use crate::scratch::{self, OF_RUNS, OF_WORKERS};

/// Remove temporary files and folders of processes that were killed.
pub(super) fn sweep(config: &Config) {
    scratch::sweep(&std::env::temp_dir(), OF_WORKERS);
    scratch::sweep(&config.outbox, OF_RUNS);
    guarded::sweep_path(&config.outbox, &[status::FILE_NAME]);
    guarded::sweep_path(&config.state, &[status::FILE_NAME, POWER_STATE_FILE, outlet::chain::FILE]);
}

impl Daemon<'_> {
    /// Make folders of the spool again that somebody removed.
    pub(super) fn restore_folders(&mut self, now: Instant) {
        match self.spool.restore_folders() {
            Ok(false) => self.troubles.fixed(TroubleKind::SpoolGone),
            Ok(true) => {
                self.troubles.fixed(TroubleKind::SpoolGone);
                self.inbox.watch_control_again();
                self.inbox.rescan(now);
            }
            Err((folder, error)) => self.troubles.report(TroubleKind::SpoolGone, &folder, &error, now),
        }
    }
}
