//! The daemon as people meet it: files come into an inbox in all ways, and bundles come out of the outbox, whatever happens
//! between. The real executable on a machine of each test's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

#[path = "../rig/mod.rs"]
mod rig;

mod crashes;
mod disks;
mod queue;
mod studies;
mod uploads;
mod workers;
