//! Any Linux machine: clocks through governor, limits, turbo and energy preference, and those of the NVIDIA
//! card that a job uses. Its power modes are the governors that all its processors offer. Reads and writes
//! the files of cpufreq and runs no tool.

use super::cpufreq::{self, FASTEST, Settings};
use super::machine::Machine;
use super::nvml;
use super::power::{Clocks, ModeError, PowerControl, Reboot};
use crate::bundle::format::{PowerMode, PowerState};

/// Control through cpufreq alone.
#[derive(Debug)]
pub(super) struct Linux;

impl PowerControl for Linux {
    fn modes(&self, machine: &dyn Machine) -> Result<Vec<PowerMode>, ModeError> {
        let named = |(id, name)| PowerMode { id, name };
        Ok((0..).zip(cpufreq::governors(machine)).map(named).collect())
    }

    fn settings(&self, machine: &dyn Machine) -> Settings {
        let mut settings = Settings::new();
        cpufreq::read_all(machine, &mut settings);
        settings.extend(machine.cards());
        settings
    }

    fn target(&self, present: &PowerState, mode: Option<&PowerMode>, clocks: Clocks) -> PowerState {
        let mut wanted = PowerState::default();
        match mode {
            Some(mode) => cpufreq::governed_by(&mode.name, &present.settings, &mut wanted.settings),
            // Not if the job names one: with equal limits, every governor keeps the clock.
            None if clocks == Clocks::Locked => {
                cpufreq::governed_by(FASTEST, &present.settings, &mut wanted.settings);
            }
            None => {}
        }
        if clocks == Clocks::Locked {
            cpufreq::without_turbo(&present.settings, &mut wanted.settings);
            cpufreq::limits_together(&present.settings, &mut wanted.settings);
            nvml::clocks::locked(&present.settings, &mut wanted.settings);
        }
        wanted
    }

    fn set_mode(&self, _machine: &dyn Machine, mode: &PowerMode, _reboot: Reboot) -> Result<(), ModeError> {
        // `target` names no mode, so only a saved state of another family gets here.
        Err(ModeError::NotOffered { name: mode.name.clone(), offered: Vec::new() })
    }
}
