//! The daemon and the commands as people meet them: uploads, job files good and bad, crashes, disks, systemd.
//! The real executable on folders of each test's own.

#![expect(clippy::unwrap_used, reason = "a test whose surroundings fail stops there")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "skipped tests say why, others what they counted"
)]

#[path = "../hostile/mod.rs"]
mod hostile;
#[path = "../rig/mod.rs"]
mod rig;
#[path = "../strace/stops.rs"]
mod stops;
#[path = "../strace/mod.rs"]
mod strace;

mod bad_input;
mod commands;
mod crash;
mod durability;
mod examples;
mod inbox;
mod library;
mod machine;
mod model;
mod monitoring;
mod old_kernel;
mod outputs;
mod packages;
mod planner;
mod planted;
mod power_loss;
mod protocol;
mod sentinel;
mod spec_memory;
mod strace_log;
mod systemd;
mod verdict;
