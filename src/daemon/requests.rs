//! What people ask of a running daemon: cancel a job, or retry one. `control` reads and names the requests;
//! here they are carried out.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Instant;

use super::Daemon;
use super::control::{self, ControlRequest};
use super::troubles::TroubleKind;

impl Daemon<'_> {
    /// Carry out the requests that commands left. One that the disk refuses stays for another attempt.
    pub(super) fn carry_out_requests(&mut self) {
        let requests = match control::requests(self.spool.control().path()) {
            Ok(requests) => requests,
            Err(error) => {
                let folder = self.spool.control().path();
                self.troubles.report(TroubleKind::RequestsUnreadable, folder, &error, Instant::now());
                return;
            }
        };
        self.troubles.fixed(TroubleKind::RequestsUnreadable);
        for (mut file, wish) in requests {
            let is_done = match wish {
                ControlRequest::Cancel(job) => self.intake().cancel(&job, None),
                ControlRequest::Retry(job) => self.retry(&job, &mut file),
                ControlRequest::Resume => true,
            };
            if is_done && let Err(error) = fs_err::remove_file(&file) {
                log::warn!("cannot remove a request that was carried out: {error}");
            }
        }
    }

    /// Queue the newest finished job meant by this again. False if the disk refuses.
    fn retry(&mut self, meant: &OsStr, request: &mut PathBuf) -> bool {
        let Some(entry) = control::finished_job(&self.spool, meant) else {
            log::warn!("no finished job `{}` to retry", meant.to_string_lossy());
            return true;
        };
        // Found again after a crash, a request by name would mean an older job of the same name.
        match control::narrow(request, &entry.id).and_then(|()| self.spool.requeue(&entry)) {
            Ok(again) => {
                log::info!(ID:% = again.id; "{} is queued again", again.file.to_string_lossy());
                self.intake().admit(again);
                true
            }
            Err(error) => {
                self.troubles.report(
                    TroubleKind::SpoolUnwritable,
                    &self.config.spool,
                    &error,
                    Instant::now(),
                );
                false
            }
        }
    }
}
