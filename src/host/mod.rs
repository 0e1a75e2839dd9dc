//! The machine that is measured on: what it is ([`facts`]), how fine its clock is ([`clock`]), whose turn it is ([`lock`]), its
//! power state ([`power`]), and what its sensors tell meanwhile ([`sensors`]). Whether it is fit to measure on is
//! what [`doctor`] looks at.
//!
//! Everything is seen through [`root::HostRoot`], so that a folder can stand for a machine. Nothing here knows jobs or
//! bundles beyond the parts of [`crate::bundle::format`] it fills. What can not be observed is null, never a guess.
//!
//! A family of hosts is one folder and one line in [`HOSTS`].

pub(crate) mod clock;
mod coral;
pub(crate) mod cpufreq;
mod detect;
mod device_tree;
pub(crate) mod edge_tpu;
pub(crate) mod facts;
pub(crate) mod graphics;
mod jetson;
mod linux;
pub(crate) mod lock;
pub mod machine;
pub mod power;
pub(crate) mod root;
pub(crate) mod sensors;
pub mod tool;

pub use facts::observe;
pub use lock::HostLock;
pub use root::HostRoot;
pub use sensors::Sensors;

use machine::Machine;
use power::PowerControl;

/// A family of hosts.
pub struct HostFamily {
    /// Its name, as bundles carry it.
    pub name: &'static str,
    /// What it is, in a few words.
    pub summary: &'static str,
    /// What `host.power_mode` names there.
    pub power_modes: &'static str,
    /// What `host.lock_clocks` does there.
    pub locked_clocks: &'static str,
    /// Does a host belong to it?
    pub is_here: fn(&dyn Machine) -> bool,
    /// Its power control.
    pub power: &'static dyn PowerControl,
}

/// Every family; a host belongs to the first that says so, and the last takes all.
pub(crate) const HOSTS: &[HostFamily] = &[
    HostFamily {
        name: "jetson",
        summary: "NVIDIA Jetson, by nvpmodel and sysfs",
        power_modes: "a mode of /etc/nvpmodel.conf, by its name",
        locked_clocks: "lower limits of processors and graphics raised to the mode's upper ones, idle states and power gating \
                        off, memory at its highest rate, as jetson_clocks does",
        is_here: jetson::is_here,
        power: &jetson::Jetson,
    },
    HostFamily {
        name: "coral",
        summary: "Coral boards, by cpufreq",
        power_modes: "a governor of cpufreq that every processor offers",
        locked_clocks: "as on linux",
        is_here: coral::is_here,
        power: &linux::Linux,
    },
    HostFamily {
        name: "linux",
        summary: "any other Linux machine, by cpufreq",
        power_modes: "a governor of cpufreq that every processor offers",
        locked_clocks: "turbo off, lower limits raised to the upper ones, and the governor `performance` unless the job names one",
        is_here: |_| true,
        power: &linux::Linux,
    },
];

/// The family of a host.
pub fn family(machine: &dyn Machine) -> &'static HostFamily {
    HOSTS.iter().find(|family| (family.is_here)(machine)).unwrap_or(&HOSTS[HOSTS.len() - 1])
}
