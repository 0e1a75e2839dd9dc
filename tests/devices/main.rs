//! Hosts, their sensors and power states, and the tools that come with a device: on fake hosts, with stubs of
//! the tools.

#![expect(clippy::unwrap_used, reason = "a test whose surroundings fail stops there")]
#![expect(clippy::print_stdout, reason = "skipped tests say why, others what they counted")]

#[path = "../rig/mod.rs"]
mod rig;
#[path = "../strace/mod.rs"]
mod strace;

mod doctor;
mod edgetpu;
mod hosts;
#[cfg(feature = "desk")]
mod lives;
mod nvml;
mod power;
mod power_crash;
mod sensing;
mod trtexec;
