//! The worker process and its parent.
//!
//! An inference library may crash, hang, print, leak or fork; so each trial runs in a process of its own that the
//! daemon starts, listens to and ends. [`protocol`] is what the two say to each other, [`child`] the worker's side,
//! [`parent`] the daemon's, [`ending`] every way in which a worker can end and what the bundle says of it.

pub mod child;
mod descendants;
pub mod ending;
mod log_tail;
pub mod parent;
pub mod placement;
mod process;
pub mod protocol;
mod rights;
mod transcript;
mod watch;
