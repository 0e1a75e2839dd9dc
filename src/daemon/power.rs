//! The host's power state over a job's turn: changed before its first trial, looked at around every trial, and put back when the
//! turn ends. While nothing is measured the host is as its owner left it.
//!
//! The state is held for a job, not for each trial: setting a mode takes seconds, and a study would do it hundreds of times. All
//! of it happens under the host's lock and while no worker lives.

use std::time::{Duration, Instant};

use super::assemble::not_measured;
use super::configuration::{Left, Turn};
use super::job::QueuedJob;
use super::trials::Course;
use super::troubles::Trouble;
use super::{Audience, Daemon};
use crate::bundle::format::{Power, PowerChange, PowerRequest, Stage, Status};
use crate::error::Hint as _;
use crate::host::power::ModeError;
use crate::host::power::hold::{Hold, PowerHost, Recovered, TakeError, describe};
use crate::host::power::plan;
use crate::spool::journal::Record;
use crate::spool::names::JobId;

/// A host that was told to reboot and is still there after this long does not; going on is better than waiting for ever.
const REBOOT_PATIENCE: Duration = Duration::from_secs(300);

/// The state held for a job.
#[derive(Debug)]
pub(super) struct JobHold {
    job: JobId,
    hold: Hold,
}

/// Read the state again, right before or right after the timed runs of a process, and note what is no longer as it was.
pub(super) fn look_at_power(
    host: &PowerHost,
    held: Option<&JobHold>,
    power: &mut Power,
    process: u32,
    after: bool,
) {
    let Some(JobHold { hold, .. }) = held else { return };
    let is_known =
        |change: &PowerChange| power.not_held.iter().any(|known| known.difference == change.difference);
    let found: Vec<PowerChange> = plan::differences(&host.read(), &hold.applied)
        .into_iter()
        .map(|difference| PowerChange { process, after, difference })
        .filter(|change| !is_known(change))
        .collect();
    power.not_held.extend(found);
}

impl Daemon<'_> {
    /// Bring the host into the state that the job asks for, unless it is in it since an earlier configuration.
    pub(super) fn take_power(&mut self, turn: &Turn<'_>) -> Result<Power, Left> {
        let job = &turn.queued.entry.id;
        let request = &turn.job.power;
        if self.hold.is_none() {
            let hold = match self.power.take(&job.to_string(), request) {
                Ok(hold) => hold,
                Err(error) => return Err(self.not_taken(turn, error)),
            };
            if hold.is_changed() {
                log::info!(JOB = turn.job.name.as_str(), STAGE = "power"; "power state changed for the job's turn");
            }
            self.hold = Some(JobHold { job: job.clone(), hold });
            self.rebooted_job = None;
        }
        let Some(JobHold { hold, .. }) = &self.hold else {
            // Only the line above could have left it empty.
            return Err(Left::Interrupted);
        };
        Ok(Power {
            requested: request.clone(),
            found: hold.found().clone(),
            applied: (*request != PowerRequest::default()).then(|| hold.applied.clone()),
            not_applied: hold.not_applied.clone(),
            not_held: Vec::new(),
            restored: None,
            not_restored: Vec::new(),
        })
    }

    /// The state can not be had: what becomes of the job.
    fn not_taken(&mut self, turn: &Turn<'_>, error: TakeError) -> Left {
        let needs_reboot = matches!(error, TakeError::Mode(ModeError::NeedsReboot { .. }));
        let may_reboot = needs_reboot && self.may_reboot();
        if let Some(mode) = turn.job.power.power_mode.as_deref().filter(|_| may_reboot)
            && !turn.progress.rebooted
        {
            return self.reboot_for(turn, mode);
        }
        self.rebooted_job = None;
        self.recover_power();
        let status = match error {
            TakeError::Mode(ModeError::NotOffered { .. }) => Status::Rejected,
            _ => Status::Failed,
        };
        let mut detail = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            detail = format!("{detail}: {cause}");
            source = cause.source();
        }
        if needs_reboot && turn.progress.rebooted {
            detail.push_str(", also after it was rebooted for this job");
        }
        let outcome = not_measured(status, Stage::Power, error.code(), detail, error.hint());
        Course::default().ended(outcome, None)
    }

    /// Reboot into the mode; the job goes on after, once. The record comes first: a job never reboots a host twice.
    fn reboot_for(&mut self, turn: &Turn<'_>, mode: &str) -> Left {
        let job = &turn.queued.entry.id;
        let journal = self.spool.journal(job);
        let recorded = journal.append(&Record::Rebooting, true).and_then(|()| journal.sync_folder());
        if let Err(error) = recorded {
            return Left::Trouble(error);
        }
        log::warn!(JOB = turn.job.name.as_str(), ID:% = job; "rebooting the host for power mode `{mode}`");
        match self.power.reboot_for(&job.to_string(), mode) {
            Ok(()) => {
                self.goes_down();
                Left::Interrupted
            }
            Err(error) => {
                let outcome =
                    not_measured(Status::Failed, Stage::Power, error.code(), error.to_string(), error.hint());
                Course::default().ended(outcome, None)
            }
        }
    }

    /// The host is on its way down: nothing is begun any more.
    fn goes_down(&mut self) {
        let until = Instant::now() + REBOOT_PATIENCE;
        self.rebooting_until = Some(until);
        self.troubles.try_again(until);
    }

    /// Is the host on its way down?
    pub(super) fn is_going_down(&mut self, now: Instant) -> bool {
        if self.rebooting_until.is_some_and(|until| until <= now) {
            log::error!("the host was told to reboot and did not");
            self.rebooting_until = None;
        }
        self.rebooting_until.is_some()
    }

    /// Put the host back if its state is held for another job.
    pub(super) fn release_power_of_others(&mut self, queued: &QueuedJob) {
        if self.hold.as_ref().is_some_and(|held| held.job != queued.entry.id) {
            self.release_power();
        }
    }

    /// Put the host back; what came of it, where there was anything to put back.
    pub(super) fn release_power(&mut self) -> Option<Recovered> {
        let held = self.hold.take().filter(|held| held.hold.is_changed())?;
        let result = held.hold.release();
        self.restored(result)
    }

    /// As [`Daemon::release_power`], told in a bundle too.
    pub(super) fn end_power(&mut self, power: Option<&mut Power>) {
        let recovered = self.release_power();
        if let Some((power, recovered)) = power.zip(recovered) {
            power.restored = Some(recovered.not_restored.is_empty());
            power.not_restored = recovered.not_restored;
        }
    }

    /// Put back what a former process left changed. A job that the host was rebooted for finds it as it is.
    pub(super) fn recover_power(&mut self) {
        if self.rebooted_job.is_some() {
            return;
        }
        let result = self.power.recover();
        if let Some(recovered) = self.restored(result)
            && recovered.was_left
            && recovered.not_restored.is_empty()
        {
            log::info!("the power state that was left changed is as it was found");
        }
    }

    fn restored(&mut self, result: std::io::Result<Recovered>) -> Option<Recovered> {
        let what = self.config.host_root.clone();
        match result {
            Ok(recovered) if recovered.not_restored.is_empty() => {
                self.troubles.fixed(Trouble::PowerNotRestored);
                Some(recovered)
            }
            Ok(recovered) => {
                if self.may_reboot() {
                    // Not now: the bundle of what was measured is still to be made durable.
                    self.reboot_back_to.clone_from(&recovered.needs_reboot);
                }
                self.troubles.report(
                    Trouble::PowerNotRestored,
                    &what,
                    &describe(&recovered.not_restored),
                    Instant::now(),
                );
                Some(recovered)
            }
            Err(error) => {
                self.troubles.report(Trouble::PowerNotRestored, &what, &error, Instant::now());
                None
            }
        }
    }

    fn may_reboot(&self) -> bool {
        self.config.reboots_for_power_mode && self.audience == Audience::Collectors
    }

    /// Reboot to bring the owner's mode back, once everything measured is durable and nothing is held.
    pub(super) fn reboot_back(&mut self) {
        if self.unwritten.is_some() || self.hold.is_some() {
            return;
        }
        let Some(mode) = self.reboot_back_to.take() else { return };
        match self.power.reboot_to_restore(&mode) {
            Ok(true) => {
                log::warn!("rebooting the host to bring back power mode `{}`", mode.name);
                self.goes_down();
            }
            Ok(false) => {}
            Err(error) => log::error!("can not reboot the host: {error}"),
        }
    }

    /// At a start: is a job to go on for which the host was rebooted, and is anything to be put back?
    pub(super) fn take_up_power(&mut self) {
        match self.power.rebooted_for() {
            Ok(job) => {
                let is_queued = |job: &String| {
                    self.inbox.queue().in_order().any(|queued| queued.entry.id.to_string() == *job)
                };
                self.rebooted_job = job.filter(is_queued);
            }
            Err(error) => {
                self.troubles.report(
                    Trouble::PowerNotRestored,
                    &self.config.host_root,
                    &error,
                    Instant::now(),
                );
            }
        }
        if self.power.is_left() && self.host_lock.is_none() && self.lock_host() {
            // Taking the lock has put the host back.
            self.host_lock = None;
        }
    }

    /// The job whose turn it is: the one that the host was rebooted for, or the queue's first.
    pub(super) fn next_in_turn(&self) -> Option<&QueuedJob> {
        let rebooted = self.rebooted_job.as_ref();
        let is_it = |queued: &&QueuedJob| rebooted.is_some_and(|job| queued.entry.id.to_string() == *job);
        self.inbox.queue().in_order().find(is_it).or_else(|| self.inbox.queue().first())
    }
}
