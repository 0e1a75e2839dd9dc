//! Control of the host's power state: it is saved, changed, read back, and restored however the change ends.
//!
//! [`Hold`](hold::Hold) is a change in force; it ends when it is released or dropped. [`plan`] decides what
//! to write in which order and does no I/O; [`apply`] does it and reads the host again after each stage;
//! [`saved`] keeps the original state on disk from before the first write until everything is restored. The
//! host's family knows how to read its state and what its modes are. Nothing here knows more of a job than
//! its id.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rustix::io::Errno;

use super::machine::Machine;
use super::tool::ToolError;
use crate::bundle::format::{PowerDifference, PowerMode, PowerState};
use crate::error::Hint;
use crate::text::quoted_list;
use plan::Step;

pub mod hold;
pub(crate) mod plan;
pub mod saved;

#[cfg(test)]
mod fake_machine;
#[cfg(test)]
mod tests;

/// Rounds of reading and setting before it is given up: one for each stage, and one more for settings that
/// appear after the last.
const ROUNDS: usize = 8;

/// How a family of hosts controls power. Without a mode or locked clocks, `target` changes nothing.
pub trait PowerControl: Sync {
    /// The values of `host.power_mode`, in the host's order.
    ///
    /// # Errors
    /// The host has modes, but their list cannot be read.
    fn modes(&self, machine: &dyn Machine) -> Result<Vec<PowerMode>, ModeError>;

    /// The current mode, if the host has a tool that reports it. Runs the tool, so call it only if the mode
    /// may have changed.
    fn mode(&self, machine: &dyn Machine) -> Option<PowerMode> {
        let _ = machine;
        None
    }

    /// The current settings, as far as they can be read.
    fn settings(&self, machine: &dyn Machine) -> BTreeMap<String, String>;

    /// The settings wanted for one of [`PowerControl::modes`] and for locked clocks. No I/O.
    fn target(&self, present: &PowerState, mode: Option<&PowerMode>, clocks: Clocks) -> PowerState;

    /// Set a mode with the host's tool. Called only for a family whose `target` has a mode.
    ///
    /// # Errors
    /// It was not set, or needs a reboot.
    fn set_mode(&self, machine: &dyn Machine, mode: &PowerMode, reboot: Reboot) -> Result<(), ModeError>;

    /// Write a setting: into its file, unless the kernel wants it elsewhere.
    ///
    /// # Errors
    /// The host refuses the value.
    fn write(&self, machine: &dyn Machine, setting: &str, value: &str) -> io::Result<()> {
        machine.write(setting, value)
    }

    /// How many values of the host's own definition of a mode could be compared, and those that differ.
    fn mode_differences(&self, machine: &dyn Machine, mode: &PowerMode) -> (usize, Vec<PowerDifference>) {
        let _ = (machine, mode);
        (0, Vec::new())
    }
}

/// What a target wants of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clocks {
    /// As they are.
    Unchanged,
    /// Locked.
    Locked,
}

impl Clocks {
    /// What `lock_clocks` of a job asks for.
    pub(crate) fn wanted(lock: bool) -> Self {
        if lock { Self::Locked } else { Self::Unchanged }
    }
}

/// Whether settings are still changed if the mode could not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterModeError {
    /// No.
    Stop,
    /// Yes.
    Continue,
}

/// Whether the host may be rebooted to set a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reboot {
    /// Never: a mode that needs a reboot is not set.
    Never,
    /// Now: the caller has saved all it needs.
    Now,
}

/// A power mode could not be set.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    /// The host has no such mode.
    #[error("power mode `{name}` is not offered by this host, which has {}", modes(.offered))]
    NotOffered {
        /// The mode asked for.
        name: String,
        /// The modes of the host.
        offered: Vec<String>,
    },
    /// The file that lists the modes cannot be read.
    #[error("cannot read the list of power modes of this host")]
    Unlisted(#[source] io::Error),
    /// The tool is missing, cannot be started, or hangs.
    #[error("cannot set power mode `{name}`")]
    Tool {
        /// The mode.
        name: String,
        /// Why.
        #[source]
        source: ToolError,
    },
    /// The tool reported a failure, whatever its exit code.
    #[error("the host refused power mode `{name}`: {said}")]
    Refused {
        /// The mode.
        name: String,
        /// Its message.
        said: String,
        /// The file that the kernel refused, and its error.
        refused: Option<RefusedFile>,
    },
    /// The tool lacks a permission.
    #[error("setting power mode `{name}` needs root permissions: {said}")]
    Denied {
        /// The mode.
        name: String,
        /// Its message.
        said: String,
    },
    /// The tool asks for a reboot.
    #[error("power mode `{name}` needs a reboot of the host")]
    NeedsReboot {
        /// The mode.
        name: String,
    },
    /// The tool reported no error, but the mode is another.
    #[error("power mode `{name}` was set without an error, but the host is in {}", .found.as_deref().map_or_else(|| "a mode that cannot be read".to_owned(), |found| format!("`{found}`")))]
    NotSet {
        /// The mode.
        name: String,
        /// The current mode.
        found: Option<String>,
    },
}

/// A file that the kernel did not let a tool open, read or write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedFile {
    /// Its path.
    pub path: String,
    /// The kernel's error, errno(3).
    pub errno: i32,
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
                "remove `host.power_mode`: this host has no power modes".to_owned()
            }
            Self::NotOffered { .. } => {
                "set `host.power_mode` to one of these, or remove it to keep the current mode".to_owned()
            }
            Self::Unlisted(_) => "check that /etc/nvpmodel.conf exists and is readable".to_owned(),
            Self::Tool { source, .. } => source.hint()?,
            Self::Denied { .. } => {
                "give the daemon permission for power control; see Power in docs/OPERATING.md".to_owned()
            }
            Self::NeedsReboot { .. } => {
                "set the mode by hand and reboot, or allow it with `reboot: for_power_mode` in /etc/backbone/config.yaml"
                    .to_owned()
            }
            Self::Refused { refused: Some(file), .. } => hint_on(file),
            Self::Refused { .. } | Self::NotSet { .. } => BY_HAND.to_owned(),
        })
    }
}

const BY_HAND: &str = "set the mode by hand with `sudo nvpmodel -m` to see its message";

fn hint_on(file: &RefusedFile) -> String {
    let folder = file.path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    match Errno::from_raw_os_error(file.errno) {
        Errno::BUSY => "a program or the kernel uses what this mode switches off, such as the GPU or a processor: end such \
                        programs and retry the job, or reboot the host into the mode"
            .to_owned(),
        Errno::ROFS => format!(
            "the unit's `ProtectSystem=strict` makes the folder read-only: `sudo systemctl edit backbone`, and add \
             `[Service]` and `ReadWritePaths=-{folder}`"
        ),
        Errno::NOENT | Errno::NODEV | Errno::NXIO => {
            "/etc/nvpmodel.conf names what this kernel does not have: after an upgrade, reboot; else reinstall \
             nvidia-l4t-nvpmodel and the kernel of the same release"
                .to_owned()
        }
        _ => BY_HAND.to_owned(),
    }
}

fn modes(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { quoted_list(names) }
}

/// The result of changing a host's state.
#[derive(Debug, Default)]
pub struct Applied {
    /// The state, read back at the end.
    pub state: PowerState,
    /// Differences from the wanted state, each with the host's error.
    pub differences: Vec<PowerDifference>,
    /// Why the mode was not set.
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

/// The host's current state, as far as it can be read.
pub fn read(control: &dyn PowerControl, machine: &dyn Machine) -> PowerState {
    PowerState { mode: control.mode(machine), settings: control.settings(machine) }
}

/// Bring the host from its present state to the one that `wanted` makes of it, stage by stage.
pub fn apply(
    control: &dyn PowerControl,
    machine: &dyn Machine,
    mut present: PowerState,
    wanted: &dyn Fn(&PowerState) -> PowerState,
    after_mode_error: AfterModeError,
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
                    if let Err(error) = control.write(machine, setting, value) {
                        errors.insert(setting.clone(), error.kind().to_string());
                    }
                }
            }
        }
        tried.extend(steps);
        present.settings = control.settings(machine);
        if mode_error.is_some() && after_mode_error == AfterModeError::Stop {
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
