//! Files that a power cut may have torn, and copies that it did.
//!
//! Upload programs sync nothing. Of a file that was uploaded right before a power cut the next boot may show
//! its name and nothing in it, or zeros. Such a file and a bad one look alike, except for their age: so a
//! model from before the boot that is no model is waited for, as if it had not come, and not judged. A copy
//! in the spool is synced before a journal names it. If one is damaged all the same, only a file with the
//! same digest takes its place: by then the inbox may hold another model under the name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::admit::Rejection;
use super::{Inbox, Missing};
use crate::daemon::job::{QueuedJob, ReadJob};
use crate::spool::journal::{BoundFile, BoundModel, Progress};
use crate::spool::plan::Stat;
use crate::spool::{Folder, Spool};

/// A daemon that starts within this time after the boot is started by it: then every file that is there is
/// from before, whatever the clock says. Hosts without a battery for their clock begin with a wrong one.
const STARTED_BY_BOOT_SECONDS: f64 = 600.0;

/// Which files of the inbox were there before the host booted.
#[derive(Debug, Default)]
pub(crate) struct UploadsBeforeBoot {
    /// When the host booted, in nanoseconds since the epoch, by the clock at our start.
    booted_ns: Option<i128>,
    /// What was there when the boot started us: when each file was last changed.
    found: BTreeMap<OsString, i128>,
}

impl UploadsBeforeBoot {
    /// For a host that has been up for so long now, if that is known.
    pub(crate) fn of(inbox: &Folder, uptime_seconds: Option<f64>, now_ns: i128) -> Self {
        let Some(uptime) = uptime_seconds else { return Self::default() };
        let booted_ns = Some(now_ns - (uptime * 1e9) as i128);
        if uptime > STARTED_BY_BOOT_SECONDS {
            return Self { booted_ns, found: BTreeMap::new() };
        }
        // Unreadable: the first look says so.
        let names = inbox.names().unwrap_or_default();
        let found = names.into_iter().filter_map(|name| {
            let changed_ns = inbox.entry(&name)?.changed_ns;
            Some((name, changed_ns))
        });
        Self { booted_ns, found: found.collect() }
    }

    /// Is a file in this state from before the boot?
    pub(super) fn has(&self, name: &OsStr, stat: &Stat) -> bool {
        self.booted_ns.is_some_and(|booted_ns| stat.changed_ns < booted_ns)
            || self.found.get(name) == Some(&stat.changed_ns)
    }
}

impl Inbox {
    /// The files of a job that a power cut may have torn, if it is to be rejected because one is no model.
    pub(super) fn torn(&self, read: &ReadJob, rejection: &Rejection, spool: &Spool) -> Vec<Missing> {
        if rejection.failure.reason != "wrong_format" {
            return Vec::new();
        }
        let is_old = |file: &str| {
            let name = OsStr::new(file);
            spool.inbox.entry(name).is_some_and(|stat| self.uploads.has(name, &stat))
        };
        let files = read.job.files();
        let old = files.iter().map(|wanted| wanted.file).filter(|file| is_old(file));
        let why = format!(
            "it is from before the last boot and may be torn by a power cut ({}); upload it again",
            rejection.failure.detail
        );
        old.map(|file| Missing { file: file.to_owned(), why: Some(why.clone()) }).collect()
    }

    /// The copy of a file of this job was damaged: from now on only the same bytes will do.
    pub(crate) fn lost(&mut self, queued: &QueuedJob, progress: &Progress) {
        let digests = progress.files().map(|file| (file.file.clone(), file.sha256.clone()));
        self.lost.insert(queued.entry.id.clone(), digests.collect());
    }

    /// Files that are not those whose copies were damaged.
    pub(super) fn others(
        &self,
        queued: &QueuedJob,
        models: &[BoundModel],
        inputs: &[BoundFile],
    ) -> Vec<Missing> {
        let Some(lost) = self.lost.get(&queued.entry.id) else { return Vec::new() };
        let files = models.iter().flat_map(BoundModel::files).chain(inputs);
        let other = |file: &BoundFile| {
            let sha256 = lost.get(&file.file).filter(|sha256| **sha256 != file.sha256)?;
            let why = format!(
                "the spool's copy of `{}` is damaged and the inbox has another file; upload the one with SHA-256 {sha256} again",
                file.file
            );
            Some(Missing { file: file.file.clone(), why: Some(why) })
        };
        files.filter_map(other).collect()
    }
}
