//! Bundles: the published result of every configuration of a job, measured or not.
//!
//! [`mod@format`] defines the contents; [`mod@write`] and [`read`] turn a bundle into the bytes of a file and
//! back. No file is opened here: the spool stores bundles durably and the desk side collects them. This
//! module is all that the two share.

pub mod format;
pub mod read;
#[cfg_attr(not(any(feature = "desk", test)), expect(dead_code, reason = "only the desk looks at seals"))]
pub(crate) mod seal;
pub mod write;

#[cfg(test)]
mod tests;
