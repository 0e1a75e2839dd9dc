//! The machine that is measured on: what it is ([`facts`]), how fine its clock is ([`clock`]), and whose turn it is
//! ([`lock`]), and what its sensors tell meanwhile ([`sensors`]).
//!
//! Everything is seen through [`root::HostRoot`], so that a folder can stand for a machine. Nothing here knows jobs or
//! bundles beyond the [`Host`](crate::bundle::format::Host) it fills. What can not be observed is null, never a guess.

pub mod clock;
pub mod facts;
pub mod lock;
pub mod root;
pub mod sensors;

pub use facts::observe;
pub use lock::HostLock;
pub use root::HostRoot;
pub use sensors::Sensors;
