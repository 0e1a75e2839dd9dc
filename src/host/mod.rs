//! The measured machine: what it is ([`facts`]), its clock ([`clock`]), the lock for exclusive use
//! ([`lock`]), its power state ([`power`]) and its sensors ([`sensors`]). Whether it is fit to measure is for
//! [`crate::doctor`].
//!
//! All access goes through [`root::HostRoot`], so that a folder can stand in for a machine. Nothing here
//! knows jobs, or more of bundles than the parts of [`crate::bundle::format`] that it fills. What cannot be
//! observed is null, never a guess.
//!
//! A family of hosts is one folder and one line in [`HOSTS`].

pub(crate) mod clock;
pub(crate) mod clocks;
mod coral;
pub(crate) mod cpufreq;
mod detect;
mod device_tree;
pub(crate) mod edge_tpu;
pub(crate) mod facts;
pub(crate) mod graphics;
pub(crate) mod id;
pub(crate) mod jetson;
mod linux;
pub(crate) mod lock;
pub mod machine;
pub(crate) mod nvml;
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
    /// A short description.
    pub summary: &'static str,
    /// What `host.power_mode` means there.
    pub power_modes: &'static str,
    /// What `host.lock_clocks` does there.
    pub locked_clocks: &'static str,
    /// Whether a host belongs to it.
    pub is_here: fn(&dyn Machine) -> bool,
    /// Its power control.
    pub power: &'static dyn PowerControl,
}

/// Every family; a host belongs to the first that recognises it, and the last recognises all.
pub(crate) const HOSTS: &[HostFamily] = &[
    HostFamily {
        name: "jetson",
        summary: "NVIDIA Jetson, through nvpmodel and sysfs",
        power_modes: "the name of a mode in /etc/nvpmodel.conf",
        locked_clocks: "raises the lower clock limits of processors and GPU to the mode's upper ones, turns off idle states and \
                        power gating, and sets memory to its highest rate, as jetson_clocks does",
        is_here: jetson::is_here,
        power: &jetson::Jetson,
    },
    HostFamily {
        name: "coral",
        summary: "Coral boards, through cpufreq",
        power_modes: "a cpufreq governor that every processor offers",
        locked_clocks: "as on linux",
        is_here: coral::is_here,
        power: &linux::Linux,
    },
    HostFamily {
        name: "linux",
        summary: "any other Linux machine, through cpufreq",
        power_modes: "a cpufreq governor that every processor offers",
        locked_clocks: "turns turbo off, raises the lower clock limits to the upper ones, and sets the governor `performance` unless \
                        the job names one; locks the clocks of the NVIDIA card that the job computes on",
        is_here: |_| true,
        power: &linux::Linux,
    },
];

/// The family of a host.
pub fn family(machine: &dyn Machine) -> &'static HostFamily {
    HOSTS.iter().find(|family| (family.is_here)(machine)).unwrap_or(&HOSTS[HOSTS.len() - 1])
}
