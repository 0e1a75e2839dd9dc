//! Bundles: what is published for every configuration of a job, measured or not.
//!
//! [`mod@format`] says what is in one, [`mod@write`] and [`read`] turn one into the bytes of a file and back. No file is opened
//! here: the spool places bundles durably, the desk side collects them, and this is all that the two share.

pub mod format;
pub mod read;
pub mod write;

#[cfg(test)]
mod tests;
