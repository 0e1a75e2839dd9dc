//! The host's power state under control: written down, changed, read back, and put back on every way out.
//!
//! [`Hold`](hold::Hold) is a change that is in force; it ends when it is released or dropped. What to write in which order is
//! decided in [`plan`], pure; [`apply`] does it and reads the host again after each stage; [`saved`] keeps the state found on
//! disk from before the first write until all is put back. How a host's state is read and what its modes are is the business
//! of its family. Nothing here knows jobs beyond the id of the one that a change is for.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::Machine;
use super::tool::ToolError;
use crate::bundle::format::{PowerDifference, PowerMode, PowerState};
use crate::error::Hint;
use plan::Step;

pub mod hold;
pub(crate) mod plan;
pub mod saved;

#[cfg(test)]
mod fake_machine;
#[cfg(test)]
mod tests;

/// Rounds of reading and setting before it is given up: one for each stage, and one more for settings that appear after the
/// last.
const ROUNDS: usize = 8;

/// How a family of hosts controls power. `target` of the present state, with nothing asked for, changes nothing.
pub trait PowerControl: Sync {
    /// What a job may name as `host.power_mode`, in the host's order.
    ///
    /// # Errors
    /// The host has modes, and does not tell which.
    fn modes(&self, machine: &dyn Machine) -> Result<Vec<PowerMode>, ModeError>;

    /// The mode the host is in, where it has a tool that tells; that tool is run, so ask only when it may have changed.
    fn mode(&self, machine: &dyn Machine) -> Option<PowerMode> {
        let _ = machine;
        None
    }

    /// The settings that are in force, as far as they can be read.
    fn settings(&self, machine: &dyn Machine) -> BTreeMap<String, String>;

    /// What of the state should be how, for a mode of [`PowerControl::modes`] and for locked clocks. Pure.
    fn target(&self, present: &PowerState, mode: Option<&PowerMode>, lock_clocks: bool) -> PowerState;

    /// Set a mode by the host's tool. Only a family whose `target` has a mode is asked.
    ///
    /// # Errors
    /// It was not set, or needs a reboot.
    fn set_mode(&self, machine: &dyn Machine, mode: &PowerMode, reboot: Reboot) -> Result<(), ModeError>;

    /// How many of the values that the host itself says a mode has could be compared, and those that are not in force.
    fn mode_differences(&self, machine: &dyn Machine, mode: &PowerMode) -> (usize, Vec<PowerDifference>) {
        let _ = (machine, mode);
        (0, Vec::new())
    }
}

/// May the host be rebooted to set a mode?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    /// No: a mode that needs it is not set.
    Never,
    /// The caller wrote down all it needs, and the host goes down now.
    Now,
}

/// A power mode was not set.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    /// The host has no such mode.
    #[error("power mode `{name}` is not offered by this host, which has {}", listed(.offered))]
    NotOffered {
        /// What was asked for.
        name: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// The file that lists the modes can not be read.
    #[error("can not read which power modes this host has")]
    Unlisted(#[source] std::io::Error),
    /// The tool is missing, can not be started, or hangs.
    #[error("can not set power mode `{name}`")]
    Tool {
        /// The mode.
        name: String,
        /// Why.
        #[source]
        source: ToolError,
    },
    /// The tool said that it failed, whatever its exit code.
    #[error("the host refused power mode `{name}`: {said}")]
    Refused {
        /// The mode.
        name: String,
        /// Its words.
        said: String,
    },
    /// The tool may not write what it must.
    #[error("power mode `{name}` needs the rights of root: {said}")]
    Denied {
        /// The mode.
        name: String,
        /// Its words.
        said: String,
    },
    /// The tool asks for a reboot.
    #[error("power mode `{name}` needs a reboot of the host")]
    NeedsReboot {
        /// The mode.
        name: String,
    },
    /// Nothing was said, and the mode is another.
    #[error("power mode `{name}` was set without an error, but the host is in {}", .found.as_deref().map_or_else(|| "a mode that can not be read".to_owned(), |found| format!("`{found}`")))]
    NotSet {
        /// The mode.
        name: String,
        /// The mode it is in.
        found: Option<String>,
    },
}

impl ModeError {
    /// A stable code, as bundles carry it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOffered { .. } => "power_mode_not_offered",
            Self::Unlisted(_) => "power_modes_unlisted",
            Self::Tool { source: ToolError::Missing { .. }, .. } => "power_tool_missing",
            Self::Tool { source: ToolError::Hung { .. }, .. } => "power_tool_hung",
            Self::Tool { .. } => "power_tool_not_started",
            Self::Refused { .. } => "power_mode_refused",
            Self::Denied { .. } => "power_mode_denied",
            Self::NeedsReboot { .. } => "reboot_needed",
            Self::NotSet { .. } => "power_mode_not_set",
        }
    }
}

impl Hint for ModeError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotOffered { offered, .. } if offered.is_empty() => {
                "leave out `host.power_mode`: this host has no power modes".to_owned()
            }
            Self::NotOffered { .. } => {
                "set `host.power_mode` to one of these, or leave it out to keep the present mode".to_owned()
            }
            Self::Unlisted(_) => "check that /etc/nvpmodel.conf is there and may be read".to_owned(),
            Self::Tool { source, .. } => source.hint()?,
            Self::Denied { .. } => {
                "give the daemon the rights for power control, see docs/OPERATING.md".to_owned()
            }
            Self::NeedsReboot { .. } => {
                "set the mode by hand and reboot, or let the configuration of the host allow it with `reboot: \
                 for_power_mode`"
                    .to_owned()
            }
            Self::Refused { .. } | Self::NotSet { .. } => {
                "set the mode by hand with `sudo nvpmodel -m`, and see what it says".to_owned()
            }
        })
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What came of bringing a host into a state.
#[derive(Debug, Default)]
pub struct Applied {
    /// Read back at the end.
    pub state: PowerState,
    /// What of the wanted state is not so, each with what the host said.
    pub differences: Vec<PowerDifference>,
    /// The mode was not set.
    pub(crate) mode_error: Option<ModeError>,
}

impl Applied {
    fn without_mode_error(self) -> Result<Self, ModeError> {
        match self.mode_error {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }
}

/// The state the host is in, as far as it can be read.
pub fn read(control: &dyn PowerControl, machine: &dyn Machine) -> PowerState {
    PowerState { mode: control.mode(machine), settings: control.settings(machine) }
}

/// Bring the host from the state it is in to the one that `wanted` makes of it, stage by stage.
pub fn apply(
    control: &dyn PowerControl,
    machine: &dyn Machine,
    mut present: PowerState,
    wanted: &dyn Fn(&PowerState) -> PowerState,
    goes_on_without_mode: bool,
) -> Applied {
    let mut tried: BTreeSet<Step> = BTreeSet::new();
    let mut errors: BTreeMap<String, String> = BTreeMap::new();
    let mut mode_error = None;
    for _ in 0..ROUNDS {
        let steps = plan::next(&present, &wanted(&present), &tried);
        if steps.is_empty() {
            break;
        }
        for step in &steps {
            match step {
                Step::Mode(mode) => {
                    if let Err(error) = control.set_mode(machine, mode, Reboot::Never) {
                        errors.insert(plan::MODE.to_owned(), error.to_string());
                        mode_error = Some(error);
                    }
                    present.mode = control.mode(machine);
                }
                Step::Write { setting, value } => {
                    if let Err(error) = machine.write(setting, value) {
                        errors.insert(setting.clone(), error.kind().to_string());
                    }
                }
            }
        }
        tried.extend(steps);
        present.settings = control.settings(machine);
        if mode_error.is_some() && !goes_on_without_mode {
            break;
        }
    }
    let mut differences = plan::differences(&present, &wanted(&present));
    for difference in &mut differences {
        difference.error = errors.remove(&difference.setting);
    }
    if mode_error.is_none()
        && let Some(mode) = wanted(&present).mode.filter(|mode| present.mode.as_ref() != Some(mode))
    {
        let found = present.mode.as_ref().map(|mode| mode.name.clone());
        mode_error = Some(ModeError::NotSet { name: mode.name, found });
    }
    Applied { state: present, differences, mode_error }
}
