//! The three kinds of errors, and what they share.
//!
//! A *job's* error goes into its bundle, and the queue continues. A *host's* error makes the daemon stop
//! taking jobs, keep the inbox, and try again. A *fatal* error ends the process. The errors of a module are
//! `thiserror` types in that module.

/// Advice in an error, for the person who reads it. Printed once, after the chain of causes, as `hint: …`.
pub(crate) trait Hint {
    /// What to do next; lower case, no full stop.
    fn hint(&self) -> Option<String>;
}
