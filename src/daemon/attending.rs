//! The daemon during a turn: it writes the status, feeds the watchdog, and looks whether the turn must end.

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::bench::{Attendant, TrialNumber};
use super::control;
use super::inbox::Inbox;
use super::job::QueuedJob;
use super::observer::{Observer, TrialBegins};
use super::outlet::Outlet;
use super::reporter::{Reporter, StatusSources, Urgency};
use super::status::{Cooling, Running};
use super::troubles::Troubles;
use crate::spool::Spool;
use crate::worker::parent::Control;

/// Attends the turn of one job.
pub(super) struct Attending<'a> {
    pub(super) inbox: &'a mut Inbox,
    pub(super) outlet: &'a Outlet,
    pub(super) troubles: &'a Troubles,
    pub(super) spool: &'a Spool,
    pub(super) reporter: &'a mut Reporter,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) cancellation: Cancellation<'a>,
}

/// Looks whether one job was cancelled.
pub(super) struct Cancellation<'a> {
    queued: &'a QueuedJob,
    /// The cancel files that would mean it.
    files: Vec<PathBuf>,
    control: PathBuf,
    control_changed: Option<SystemTime>,
    is_cancelled: bool,
}

impl<'a> Cancellation<'a> {
    /// Of this job, by cancel files in the inbox or by requests in the control folder, from now on.
    pub(super) fn of(queued: &'a QueuedJob, inbox: &Path, control: &Path) -> Self {
        Self {
            queued,
            files: cancel_files(inbox, queued),
            control: control.to_owned(),
            control_changed: changed(control),
            is_cancelled: false,
        }
    }

    fn is_cancelled(&mut self) -> bool {
        let control_changed = changed(&self.control);
        if control_changed != self.control_changed {
            self.control_changed = control_changed;
            self.is_cancelled |= control::cancels(&self.control, self.queued);
        }
        self.is_cancelled |= self.files.iter().any(|file| file.exists());
        self.is_cancelled
    }
}

impl Attending<'_> {
    fn report(&mut self, urgency: Urgency) {
        let view = StatusSources {
            inbox: self.inbox,
            outlet: self.outlet,
            troubles: self.troubles,
            spool: self.spool,
            host_is_taken: false,
        };
        self.reporter.report(urgency, &view);
    }
}

impl Attendant for Attending<'_> {
    fn trial_begins(&mut self, running: Running, number: TrialNumber) {
        self.reporter.running(Some(running.clone()));
        self.report(if number == TrialNumber::First { Urgency::Now } else { Urgency::Soon });
        self.observer.trial_begins(&TrialBegins {
            job: &running.job,
            runtime: &running.runtime,
            configuration: (running.configuration, running.configurations),
            trial: (running.trial, running.trials),
        });
    }

    fn cools(&mut self, cooling: Option<Cooling>) {
        self.reporter.cooling(cooling);
        self.report(Urgency::Now);
    }

    fn worker_starts(&mut self) {
        self.inbox.pause_watch();
    }

    fn worker_ended(&mut self) {
        self.inbox.resume_watch();
    }

    fn control(&mut self) -> Control {
        self.inbox.wake().clear();
        self.reporter.service().feed_watchdog(Instant::now());
        if self.stop_requested() {
            Control::Stop
        } else if self.cancellation.is_cancelled() {
            Control::Cancel
        } else {
            Control::Continue
        }
    }

    fn stop_requested(&self) -> bool {
        self.inbox.wake().stop_requested()
    }

    fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        Some(self.inbox.wake().descriptor())
    }

    fn sleep(&self, at_most: Duration) {
        self.inbox.wake().sleep(at_most);
    }
}

/// Time of a folder's last change: one system call shows whether there is anything to read.
fn changed(folder: &Path) -> Option<SystemTime> {
    fs_err::metadata(folder).and_then(|stat| stat.modified()).ok()
}

fn cancel_files(inbox: &Path, queued: &QueuedJob) -> Vec<PathBuf> {
    let file = PathBuf::from(&queued.entry.file);
    let stem = file.file_stem().unwrap_or_default().to_owned();
    let names = [stem, file.into_os_string(), queued.name.clone().into(), queued.entry.id.to_string().into()];
    let with_ending = |mut name: OsString| {
        name.push(".cancel");
        // A job's name is free text; one with a separator cannot be a file's name.
        (Path::new(&name).components().count() == 1).then(|| inbox.join(name))
    };
    names.into_iter().filter_map(with_ending).collect()
}
