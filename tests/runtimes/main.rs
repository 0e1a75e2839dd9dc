//! Runtimes, their workers and the timed loop: with the inference libraries where they are, and with the
//! simulated runtime.
//!
//! Every executable that includes `counting` allocates through its counter, which changes nothing but the
//! counts.

#![expect(clippy::unwrap_used, reason = "a test whose surroundings fail stops there")]
#[path = "../counting/mod.rs"]
mod counting;
#[path = "../rig/mod.rs"]
mod rig;

mod conformance;
mod escape;
mod linked;
mod providers;
mod source_tree;
mod timed_loop;
mod worker;
