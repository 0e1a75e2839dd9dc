//! A rack on this machine: hosts with folders, a daemon and an sshd of their own, on loopback only, and
//! `backbone submit`, `collect` and `status` on them as people call them.

#![expect(clippy::unwrap_used, reason = "a test whose surroundings fail stops there")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "skipped tests say why, others show their table"
)]

#[path = "../rig/mod.rs"]
mod rig;

mod collect;
mod faults;
mod lab;
mod playbooks;
mod proof;
mod search;
mod submit;
