//! Measure how neural-network design choices change latency on edge devices.
//!
//! Start with `docs/ARCHITECTURE.md`. The device side runs `inbox → spec → spool → worker → stats → bundle → outbox`; the
//! modules below are named after those steps.

pub mod bundle;
pub mod cli;
pub mod config;
pub mod daemon;
#[cfg(test)]
mod derived_docs;
pub mod error;
pub mod host;
pub mod measure;
pub mod net;
pub mod runtime;
pub mod spec;
pub mod spool;
pub mod stats;
pub mod units;
pub mod verdict;
pub mod worker;
