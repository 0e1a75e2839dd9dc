//! The network family, and what any network costs.
//!
//! Pure: numbers and bytes in, numbers and bytes out. Nothing here opens a file, reads a clock or knows of
//! jobs.
//!
//! ```text
//! configuration (θ) ──▶ graph (layers, shapes) ──▶ cost
//!                                   │
//!                                   └──▶ weights (values, ranges) ──▶ emit (the bytes of a model file)
//! ```

pub(crate) mod blocks;
pub mod configuration;
pub(crate) mod cost;
pub mod count;
pub mod count_configuration;
pub mod emit;
pub(crate) mod graph;
pub(crate) mod weights;
