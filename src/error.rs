//! The three kinds of errors: of a *job* (goes into its bundle, the queue goes on), of the *host* (stop taking jobs,
//! keep the inbox, retry), *fatal* (exit). Module errors are `thiserror` types beside their module; this holds what they
//! share.

/// Advice that an error carries for whoever reads it; printed once, after the chain, as `hint: …`.
pub(crate) trait Hint {
    /// What to do next, lower case, no full stop.
    fn hint(&self) -> Option<String>;
}
