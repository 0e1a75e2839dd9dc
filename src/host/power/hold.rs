//! A change of the host's power state, in force from the moment the original state is on disk until it is
//! restored.
//!
//! Dropping a [`Hold`], in a panic for example, restores the host. [`PowerHost::recover`] restores what a
//! killed process left changed. The caller must hold the host lock for both.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::rc::Rc;

use super::saved::{Keep, RebootFor, Saved};
use super::{AfterModeError, Clocks, ModeError, PowerControl, Reboot, apply, plan, read};
use crate::bundle::format::{PowerDifference, PowerMode, PowerRequest, PowerState};
use crate::error::Hint;
use crate::host::machine::Machine;

/// A host whose power state can be changed.
#[derive(Clone)]
pub struct PowerHost {
    control: &'static dyn PowerControl,
    machine: Rc<dyn Machine>,
    keep: Rc<dyn Keep>,
}

impl fmt::Debug for PowerHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PowerHost").finish_non_exhaustive()
    }
}

/// A changed state; releasing or dropping it restores the original one.
#[derive(Debug)]
pub struct Hold {
    host: PowerHost,
    saved: Saved,
    /// The state, read back after the change.
    pub applied: PowerState,
    /// What was asked for but not reached.
    pub not_applied: Vec<PowerDifference>,
    /// There is something to restore.
    is_changed: bool,
}

/// The requested state cannot be reached. The host is restored as far as possible.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The mode cannot be set.
    #[error(transparent)]
    Mode(#[from] ModeError),
    /// The original state could not be saved, so nothing was changed.
    #[error("cannot save the power state, so it is not changed")]
    NotSaved(#[source] io::Error),
}

impl TakeError {
    /// A stable code, as bundles carry it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mode(error) => error.code(),
            Self::NotSaved(_) => "power_state_not_saved",
        }
    }
}

impl Hint for TakeError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Mode(error) => error.hint(),
            Self::NotSaved(_) => Some(
                "make the state folder writable; `state` in /etc/backbone/config.yaml names it".to_owned(),
            ),
        }
    }
}

/// The result of restoring a state that was left changed.
#[derive(Debug, Default)]
pub struct Recovered {
    /// A changed state was found.
    pub was_left: bool,
    /// What could not be restored; it is tried again next time.
    pub not_restored: Vec<PowerDifference>,
    /// Restoring this mode needs a reboot.
    pub needs_reboot: Option<PowerMode>,
}

impl PowerHost {
    /// A host, and where its original state is kept.
    pub fn new(control: &'static dyn PowerControl, machine: Rc<dyn Machine>, keep: Rc<dyn Keep>) -> Self {
        Self { control, machine, keep }
    }

    /// The host's current state.
    pub fn read(&self) -> PowerState {
        read(self.control, &*self.machine)
    }

    /// Whether a saved state remains to be restored.
    pub fn is_left(&self) -> bool {
        !matches!(self.keep.read(), Ok(None))
    }

    /// Where a saved state that could not be understood was set aside. What the host was like is then
    /// unknown, and it stays as it is.
    pub(crate) fn damaged(&self) -> Option<std::path::PathBuf> {
        self.keep.damaged()
    }

    /// The job for which the host was rebooted, until that job has its turn.
    ///
    /// # Errors
    /// The saved state cannot be read.
    pub(crate) fn rebooted_for(&self) -> io::Result<Option<String>> {
        let saved = self.keep.read()?.filter(|saved| saved.reboot == Some(RebootFor::Job));
        Ok(saved.map(|saved| saved.job))
    }

    /// Restore what a former process left changed.
    ///
    /// # Errors
    /// The saved state cannot be read, or cannot be removed after the host is restored.
    pub(crate) fn recover(&self) -> io::Result<Recovered> {
        match self.keep.read()? {
            Some(saved) => self.restore(&saved),
            None => Ok(Recovered::default()),
        }
    }

    /// Apply what a job asks for.
    ///
    /// # Errors
    /// The mode cannot be set, or the original state cannot be saved. The host is restored.
    pub fn take(&self, job: &str, request: &PowerRequest) -> Result<Hold, TakeError> {
        let mode = request.power_mode.as_deref().map(|name| self.mode(name)).transpose()?;
        let in_mode = |present: &PowerState| self.control.target(present, mode.as_ref(), Clocks::Unchanged);
        let clocks = Clocks::wanted(request.lock_clocks);
        let wanted = |present: &PowerState| self.control.target(present, mode.as_ref(), clocks);
        // A state that is still saved could not be restored, or is from before a reboot: it remains the one
        // to restore.
        let kept = self.keep.read().map_err(TakeError::NotSaved)?;
        let present = self.read();
        let is_changed =
            kept.is_some() || !plan::next(&present, &wanted(&present), &Default::default()).is_empty();
        let (found, came) =
            kept.map_or_else(|| (present.clone(), BTreeMap::new()), |saved| (saved.found, saved.came));
        let saved = Saved { job: job.to_owned(), found, came, reboot: None };
        if is_changed {
            self.keep.write(&saved).map_err(TakeError::NotSaved)?;
        }
        let mut hold = Hold {
            host: self.clone(),
            saved,
            applied: PowerState::default(),
            not_applied: Vec::new(),
            is_changed,
        };
        // On an error, dropping the hold restores the host.
        let (control, machine) = (self.control, &*self.machine);
        let mut applied =
            apply(control, machine, present, &in_mode, AfterModeError::Stop).without_mode_error()?;
        // Compared before the clocks are locked, which changes the limits that a mode sets.
        let not_of_mode = mode.as_ref().map(|mode| control.mode_differences(machine, mode).1);
        if request.lock_clocks {
            hold.keep_what_came(&applied.state)?;
            applied =
                apply(control, machine, applied.state, &wanted, AfterModeError::Stop).without_mode_error()?;
        }
        hold.applied = applied.state;
        hold.not_applied = applied.differences;
        hold.not_applied.extend(not_of_mode.unwrap_or_default());
        Ok(hold)
    }

    fn mode(&self, name: &str) -> Result<PowerMode, ModeError> {
        let modes = self.control.modes(&*self.machine)?;
        match modes.iter().find(|mode| mode.name == name) {
            Some(mode) => Ok(mode.clone()),
            None => {
                let offered = modes.into_iter().map(|mode| mode.name).collect();
                Err(ModeError::NotOffered { name: name.to_owned(), offered })
            }
        }
    }

    /// Reboot the host into the mode that a job asks for. When this returns, the host is shutting down.
    ///
    /// # Errors
    /// As [`PowerHost::take`]; the host stays up.
    pub(crate) fn reboot_for(&self, job: &str, mode: &str) -> Result<(), TakeError> {
        let mode = self.mode(mode)?;
        let kept = self.keep.read().map_err(TakeError::NotSaved)?;
        let found = kept.map_or_else(|| self.read(), |saved| saved.found);
        let saved = Saved { job: job.to_owned(), found, came: BTreeMap::new(), reboot: Some(RebootFor::Job) };
        self.keep.write(&saved).map_err(TakeError::NotSaved)?;
        let told = self.control.set_mode(&*self.machine, &mode, Reboot::Now);
        if told.is_err() {
            // Nothing was changed, so no saved state may remain.
            let _ = self.recover();
        }
        Ok(told?)
    }

    /// Reboot the host to restore it, unless that was tried before. Returns whether the host is shutting
    /// down.
    ///
    /// # Errors
    /// The state cannot be saved, or the host refuses.
    pub(crate) fn reboot_to_restore(&self, mode: &PowerMode) -> Result<bool, TakeError> {
        let kept = self.keep.read().map_err(TakeError::NotSaved)?;
        let Some(saved) = kept.filter(|saved| saved.reboot != Some(RebootFor::Restore)) else {
            return Ok(false);
        };
        let saved = Saved { reboot: Some(RebootFor::Restore), ..saved };
        self.keep.write(&saved).map_err(TakeError::NotSaved)?;
        self.control.set_mode(&*self.machine, mode, Reboot::Now)?;
        Ok(true)
    }

    fn restore(&self, saved: &Saved) -> io::Result<Recovered> {
        let (control, machine) = (self.control, &*self.machine);
        let came = PowerState { mode: None, settings: saved.came.clone() };
        let present = apply(control, machine, self.read(), &|_| came.clone(), AfterModeError::Continue).state;
        let applied = apply(control, machine, present, &|_| saved.found.clone(), AfterModeError::Continue);
        if applied.differences.is_empty() {
            self.keep.remove()?;
        }
        let needs_reboot = match applied.mode_error {
            Some(ModeError::NeedsReboot { .. }) => saved.found.mode.clone(),
            _ => None,
        };
        Ok(Recovered { was_left: true, not_restored: applied.differences, needs_reboot })
    }
}

impl Hold {
    /// The original state.
    pub fn found(&self) -> &PowerState {
        &self.saved.found
    }

    /// Whether anything had to be changed.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Save the settings that appeared with the mode, before they are changed.
    fn keep_what_came(&mut self, state: &PowerState) -> Result<(), TakeError> {
        let known = self.saved.found.settings.len() + self.saved.came.len();
        for (setting, value) in &state.settings {
            if !self.saved.found.settings.contains_key(setting) {
                self.saved.came.entry(setting.clone()).or_insert_with(|| value.clone());
            }
        }
        let is_more = known < self.saved.found.settings.len() + self.saved.came.len();
        if is_more { self.host.keep.write(&self.saved).map_err(TakeError::NotSaved) } else { Ok(()) }
    }

    /// Restore the host.
    ///
    /// # Errors
    /// The host is restored, but that cannot be recorded: the next start restores it again.
    pub fn release(mut self) -> io::Result<Recovered> {
        self.restore_once()
    }

    fn restore_once(&mut self) -> io::Result<Recovered> {
        if !std::mem::take(&mut self.is_changed) {
            return Ok(Recovered::default());
        }
        self.host.restore(&self.saved)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        match self.restore_once() {
            Ok(Recovered { not_restored, .. }) if not_restored.is_empty() => {}
            Ok(Recovered { not_restored, .. }) => {
                log::error!("cannot restore the power state: {}", describe(&not_restored));
            }
            Err(error) => log::error!("cannot restore the power state: {error}"),
        }
    }
}

/// Differences in one line, for people.
pub(crate) fn describe(differences: &[PowerDifference]) -> String {
    let one = |difference: &PowerDifference| {
        let found = difference.found.as_deref().unwrap_or("not readable");
        let said = difference.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
        format!("{} is {found}, not {}{said}", difference.setting, difference.wanted)
    };
    /// More would make a log line too long.
    const SHOWN: usize = 4;
    let mut text: Vec<String> = differences.iter().take(SHOWN).map(one).collect();
    if differences.len() > SHOWN {
        text.push(format!("and {} more", differences.len() - SHOWN));
    }
    text.join("; ")
}
