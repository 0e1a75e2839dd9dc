//! Worker processes and their parent.
//!
//! An inference library may crash, hang, print, leak or fork. Therefore each trial runs in its own process,
//! which the daemon starts, listens to and ends. [`protocol`] defines the messages, [`child`] is the worker's
//! side, [`parent`] the daemon's, and [`ending`] lists every way in which a worker can end and what the
//! bundle says of it.

pub mod child;
mod control_group;
mod descendants;
pub mod ending;
pub(crate) mod hook;
mod log_tail;
mod memory;
mod outputs;
pub mod parent;
pub mod placement;
mod process;
pub mod protocol;
mod reserve;
mod rights;
pub mod sandbox;
mod silence;
pub(crate) mod transcript;
mod watch;
