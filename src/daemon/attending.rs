//! The daemon during a turn: it writes the status, feeds the watchdog, and looks whether the turn must end.

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::bench::{Attendant, TrialNumber};
use super::control;
use super::intake::Intake;
use super::job::QueuedJob;
use super::observer::TrialBegins;
use super::reporter::Urgency;
use super::status::{Cooling, Running};
use crate::worker::parent::Control;

/// Attends the turn of one job.
pub(super) struct Attending<'a> {
    intake: Intake<'a>,
    cancellation: Cancellation<'a>,
    /// Why the daemon must end.
    failed: Option<io::Error>,
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

impl<'a> Attending<'a> {
    pub(super) fn new(intake: Intake<'a>, cancellation: Cancellation<'a>) -> Self {
        Self { intake, cancellation, failed: None }
    }

    /// Why the daemon must end, if it must.
    pub(super) fn into_failure(self) -> Option<io::Error> {
        self.failed
    }
}

impl Attendant for Attending<'_> {
    fn trial_begins(&mut self, running: Running, number: TrialNumber) {
        self.intake.reporter.running(Some(running.clone()));
        self.intake.report(if number == TrialNumber::First { Urgency::Now } else { Urgency::Soon });
        self.intake.observer.trial_begins(&TrialBegins {
            job: &running.job,
            network: &running.network,
            runtime: &running.runtime,
            eta_seconds: running.eta_seconds,
            configuration: (running.configuration, running.configurations),
            trial: (running.trial, running.trials),
        });
    }

    fn cools(&mut self, cooling: Option<Cooling>) {
        self.intake.reporter.cooling(cooling);
        self.intake.report(Urgency::Now);
    }

    fn worker_starts(&mut self) {
        self.intake.inbox.pause_watch();
    }

    fn worker_ended(&mut self) {
        self.intake.inbox.resume_watch();
    }

    fn between_trials(&mut self) -> Control {
        let control = self.control();
        if control != Control::Continue {
            return control;
        }
        let (now, seen) = (Instant::now(), self.intake.inbox.seen());
        let running = &self.cancellation.queued.entry.id;
        if let Err(error) = self.intake.take_in(&seen, now, Some(running)) {
            self.failed = Some(error);
        }
        // A disk that refused a bundle would refuse that of this turn too.
        if self.failed.is_some() || self.intake.outlet.is_held_up() { Control::Stop } else { self.control() }
    }

    fn control(&mut self) -> Control {
        self.intake.inbox.wake().clear();
        self.intake.reporter.service().feed_watchdog(Instant::now());
        if self.stop_requested() {
            Control::Stop
        } else if self.cancellation.is_cancelled() {
            Control::Cancel
        } else {
            Control::Continue
        }
    }

    fn stop_requested(&self) -> bool {
        self.intake.inbox.wake().stop_requested()
    }

    fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        Some(self.intake.inbox.wake().descriptor())
    }

    fn sleep(&self, at_most: Duration) {
        self.intake.inbox.wake().sleep(at_most);
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
