//! What killed processes left, and folders of the spool that were removed while the daemon runs.

use std::time::Instant;

use super::troubles::TroubleKind;
use super::{Daemon, metrics, outlet, status};
use crate::config::Config;
use crate::guarded;
use crate::host::id::FILE as HOST_ID_FILE;
use crate::host::power::saved::FILE as POWER_STATE_FILE;
use crate::scratch::{self, OF_RUNS, OF_WORKERS};

/// Remove temporary files and folders of processes that were killed.
pub(super) fn sweep(config: &Config) {
    scratch::sweep(&std::env::temp_dir(), OF_WORKERS);
    scratch::sweep(&config.outbox, OF_RUNS);
    guarded::sweep_path(&config.outbox, &[status::FILE_NAME]);
    let of_state = [status::FILE_NAME, POWER_STATE_FILE, outlet::chain::FILE, HOST_ID_FILE];
    guarded::sweep_path(&config.state, &of_state);
    if let Some(folder) = &config.metrics_folder {
        guarded::sweep_path(folder, &[metrics::FILE]);
    }
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
