//! The network family, and what any network costs.
//!
//! Pure: numbers and bytes in, numbers and bytes out. Nothing here opens a file, reads a clock or knows of jobs.

pub mod cost;
pub mod count;
