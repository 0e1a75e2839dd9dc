//! Measure how neural-network design choices change latency on edge devices.
//!
//! Start with `docs/ARCHITECTURE.md`. The device side runs `inbox → spec → spool → worker → stats → bundle → outbox`; the
//! modules below are named after those steps.

#[cfg(feature = "desk")]
pub mod analysis;
pub mod bundle;
pub mod cli;
#[cfg(feature = "desk")]
pub mod collect;
pub(crate) mod config;
pub mod daemon;
#[cfg(test)]
mod derived_docs;
pub mod doctor;
pub(crate) mod error;
#[cfg(feature = "desk")]
pub(crate) mod export;
pub mod host;
mod installation;
pub mod measure;
pub mod model_file;
pub mod network;
#[cfg(feature = "desk")]
mod parallel;
#[cfg(feature = "desk")]
pub mod report;
pub mod runtime;
pub mod spec;
pub mod spool;
pub mod stats;
pub mod units;
pub mod verdict;
pub mod worker;
