//! Any Linux machine: clocks by governor, limits, turbo and energy preference. Its power modes are the governors that all of
//! its processors offer. What is read and written are the files of cpufreq; nothing is run.

use super::cpufreq::{self, FASTEST, Settings};
use super::machine::Machine;
use super::power::{ModeError, PowerControl, Reboot};
use crate::bundle::format::{PowerMode, PowerState};

/// Control by cpufreq alone.
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
        settings
    }

    fn target(&self, present: &PowerState, mode: Option<&PowerMode>, lock_clocks: bool) -> PowerState {
        let mut wanted = PowerState::default();
        match mode {
            Some(mode) => cpufreq::governed_by(&mode.name, &present.settings, &mut wanted.settings),
            // Not where the author chose one: with both limits equal, every governor holds the clock.
            None if lock_clocks => cpufreq::governed_by(FASTEST, &present.settings, &mut wanted.settings),
            None => {}
        }
        if lock_clocks {
            cpufreq::without_turbo(&present.settings, &mut wanted.settings);
            cpufreq::limits_together(&present.settings, &mut wanted.settings);
        }
        wanted
    }

    fn set_mode(&self, _machine: &dyn Machine, mode: &PowerMode, _reboot: Reboot) -> Result<(), ModeError> {
        // `target` asks for no mode, so nothing but a saved state of another family comes here.
        Err(ModeError::NotOffered { name: mode.name.clone(), offered: Vec::new() })
    }
}
