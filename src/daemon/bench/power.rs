//! The host's power state over a job's turn: changed before its first trial, read around every trial, and
//! restored when the turn ends. While nothing is measured the host is as its owner left it.
//!
//! The state is held for a job, not for each trial: setting a mode takes seconds, and a study would do it
//! hundreds of times. All of it happens under the host's lock and while no worker lives.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::quiet::PowerLook;
use crate::bundle::format::{Failure, Outcome, Power, PowerChange, PowerMode, PowerRequest, Stage, Status};
use crate::daemon::job::QueuedJob;
use crate::daemon::troubles::{TroubleKind, Troubles};
use crate::daemon::turn::{Course, Left, Turn};
use crate::error::Hint as _;
use crate::host::power::ModeError;
use crate::host::power::hold::{Hold, PowerHost, Recovered, TakeError, describe};
use crate::host::power::plan;
use crate::spool::journal::{Durable, Journal, Record};
use crate::spool::names::JobId;

/// A host that was asked to reboot and is still up after this long will not; continuing is better than
/// waiting for ever.
const REBOOT_PATIENCE: Duration = Duration::from_secs(300);

/// The state held for a job.
#[derive(Debug)]
struct JobHold {
    job: JobId,
    hold: Hold,
}

/// The host's power state, and what this daemon did to it.
pub(super) struct HeldPower {
    host: PowerHost,
    hold: Option<JobHold>,
    /// The job that the host was rebooted for, until its turn.
    rebooted_job: Option<String>,
    /// The owner's mode, if only a reboot brings it back.
    reboot_back_to: Option<PowerMode>,
    /// Until when the host has time to go down.
    rebooting_until: Option<Instant>,
    reboots: Reboots,
    /// Named in troubles.
    root: PathBuf,
}

/// May the host be rebooted for a power mode?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reboots {
    Allowed,
    Forbidden,
}

impl HeldPower {
    pub(super) fn new(host: PowerHost, reboots: Reboots, root: PathBuf) -> Self {
        Self {
            host,
            hold: None,
            rebooted_job: None,
            reboot_back_to: None,
            rebooting_until: None,
            reboots,
            root,
        }
    }

    /// Bring the host into the state that the job asks for, unless it is in it since an earlier
    /// configuration.
    pub(super) fn take(
        &mut self,
        turn: &Turn<'_>,
        journal: &Journal,
        troubles: &mut Troubles,
    ) -> Result<Power, Left> {
        let job = &turn.queued.entry.id;
        let request = &turn.job.power;
        if self.hold.is_none() {
            let hold = match self.host.take(&job.to_string(), request) {
                Ok(hold) => hold,
                Err(error) => return Err(self.not_taken(turn, error, journal, troubles)),
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

    /// The state is not available: what becomes of the job.
    fn not_taken(
        &mut self,
        turn: &Turn<'_>,
        error: TakeError,
        journal: &Journal,
        troubles: &mut Troubles,
    ) -> Left {
        let needs_reboot = matches!(error, TakeError::Mode(ModeError::NeedsReboot { .. }));
        let may_reboot = needs_reboot && self.reboots == Reboots::Allowed;
        if let Some(mode) = turn.job.power.power_mode.as_deref().filter(|_| may_reboot)
            && !turn.progress.rebooted
        {
            return self.reboot_for(turn, mode, journal, troubles);
        }
        self.rebooted_job = None;
        self.recover(troubles);
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
            detail.push_str(", even after a reboot for this job");
        }
        Course::default().ended(outcome(&error, detail, status), None).into()
    }

    /// Reboot into the mode; the job goes on after it, once. The record comes first: a job never reboots a
    /// host twice.
    fn reboot_for(
        &mut self,
        turn: &Turn<'_>,
        mode: &str,
        journal: &Journal,
        troubles: &mut Troubles,
    ) -> Left {
        let job = &turn.queued.entry.id;
        let recorded = journal.append(&Record::Rebooting, Durable::Now).and_then(|()| journal.sync_folder());
        if let Err(error) = recorded {
            return Left::Trouble(error);
        }
        log::warn!(JOB = turn.job.name.as_str(), ID:% = job; "rebooting the host for power mode `{mode}`");
        match self.host.reboot_for(&job.to_string(), mode) {
            Ok(()) => {
                self.goes_down(troubles);
                Left::Interrupted
            }
            Err(error) => {
                let outcome = outcome(&error, error.to_string(), Status::Failed);
                Course::default().ended(outcome, None).into()
            }
        }
    }

    /// The host is on its way down: start nothing any more.
    fn goes_down(&mut self, troubles: &mut Troubles) {
        let until = Instant::now() + REBOOT_PATIENCE;
        self.rebooting_until = Some(until);
        troubles.try_again(until);
    }

    /// Is the host on its way down?
    pub(super) fn is_going_down(&mut self, now: Instant) -> bool {
        if self.rebooting_until.is_some_and(|until| until <= now) {
            log::error!("the host was asked to reboot and did not");
            self.rebooting_until = None;
        }
        self.rebooting_until.is_some()
    }

    /// Read the state again, right before or right after the timed runs of a process, and note what changed.
    pub(super) fn look(&self, power: &mut Power, process: u32, look: PowerLook) {
        let Some(JobHold { hold, .. }) = &self.hold else { return };
        let after = look == PowerLook::AfterTiming;
        let is_known =
            |change: &PowerChange| power.not_held.iter().any(|known| known.difference == change.difference);
        let found: Vec<PowerChange> = plan::differences(&self.host.read(), &hold.applied)
            .into_iter()
            .map(|difference| PowerChange { process, after, difference })
            .filter(|change| !is_known(change))
            .collect();
        power.not_held.extend(found);
    }

    /// Restore the host if its state is held for another job.
    pub(super) fn release_of_others(&mut self, queued: &QueuedJob, troubles: &mut Troubles) {
        if self.hold.as_ref().is_some_and(|held| held.job != queued.entry.id) {
            self.release(troubles);
        }
    }

    /// Restore the host; the result, if there was anything to restore.
    pub(super) fn release(&mut self, troubles: &mut Troubles) -> Option<Recovered> {
        let held = self.hold.take().filter(|held| held.hold.is_changed())?;
        let result = held.hold.release();
        self.restored(result, troubles)
    }

    /// Restore what a former process left changed. A job that the host was rebooted for finds it as it is.
    pub(super) fn recover(&mut self, troubles: &mut Troubles) {
        if self.rebooted_job.is_some() {
            return;
        }
        let result = self.host.recover();
        self.look_for_damage(troubles);
        if let Some(recovered) = self.restored(result, troubles)
            && recovered.was_left
            && recovered.not_restored.is_empty()
        {
            log::info!("restored the power state that a former run left changed");
        }
    }

    fn restored(&mut self, result: io::Result<Recovered>, troubles: &mut Troubles) -> Option<Recovered> {
        match result {
            Ok(recovered) if recovered.not_restored.is_empty() => {
                troubles.fixed(TroubleKind::PowerNotRestored);
                Some(recovered)
            }
            Ok(recovered) => {
                if self.reboots == Reboots::Allowed {
                    // Not now: the bundle of what was measured is not durable yet.
                    self.reboot_back_to.clone_from(&recovered.needs_reboot);
                }
                self.report(&describe(&recovered.not_restored), troubles);
                Some(recovered)
            }
            Err(error) => {
                self.report(&error, troubles);
                None
            }
        }
    }

    /// Say so as long as a saved state that cannot be understood is set aside.
    fn look_for_damage(&self, troubles: &mut Troubles) {
        match self.host.damaged() {
            None => troubles.fixed(TroubleKind::PowerStateLost),
            Some(file) => troubles.report(
                TroubleKind::PowerStateLost,
                &file,
                &"this saved power state cannot be understood, so nothing was restored and the host stays as it is; \
                  set the host as it should be, then remove the file",
                Instant::now(),
            ),
        }
    }

    fn report(&self, why: &dyn std::fmt::Display, troubles: &mut Troubles) {
        troubles.report(TroubleKind::PowerNotRestored, &self.root, why, Instant::now());
    }

    /// Reboot to bring the owner's mode back, unless a state is held. Only once everything measured is
    /// durable.
    pub(super) fn reboot_back(&mut self, troubles: &mut Troubles) {
        if self.hold.is_some() {
            return;
        }
        let Some(mode) = self.reboot_back_to.take() else { return };
        match self.host.reboot_to_restore(&mode) {
            Ok(true) => {
                log::warn!("rebooting the host to restore power mode `{}`", mode.name);
                self.goes_down(troubles);
            }
            Ok(false) => {}
            Err(error) => log::error!("cannot reboot the host: {error}"),
        }
    }

    /// At a start: find the job that the host was rebooted for, if it is queued. Returns whether there is
    /// anything to restore.
    pub(super) fn take_up(&mut self, is_queued: &dyn Fn(&str) -> bool, troubles: &mut Troubles) -> bool {
        match self.host.rebooted_for() {
            Ok(job) => self.rebooted_job = job.filter(|job| is_queued(job)),
            Err(error) => self.report(&error, troubles),
        }
        self.look_for_damage(troubles);
        self.host.is_left()
    }

    /// The job that the host was rebooted for.
    pub(super) fn rebooted_job(&self) -> Option<&str> {
        self.rebooted_job.as_deref()
    }
}

fn outcome(error: &TakeError, detail: String, status: Status) -> Outcome {
    let failure = Failure::new(Stage::Power, error.code(), detail);
    Failure { hint: error.hint(), ..failure }.outcome(status)
}
