//! The worker process and its parent.
pub mod protocol;
