//! Bundles: what is published for every configuration.
pub mod format;
