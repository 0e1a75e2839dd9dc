//! The daemon as people meet it: files come into an inbox in all ways, and bundles come out of the outbox,
//! whatever happens between. The real executable on a machine of each test's own.

mod clocks;
mod crashes;
mod disks;
mod failing_disks;
mod faults;
mod parts;
mod queue;
mod shortages;
mod stops;
mod studies;
mod uploads;
mod workers;
