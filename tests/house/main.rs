//! What holds for the repository as a whole: layering and habits of the sources, documents that name what
//! exists, and the digests of generated networks.

#![expect(clippy::unwrap_used, reason = "a test whose surroundings fail stops there")]

mod architecture;
mod arm64;
mod circles;
mod digests;
mod faults;
mod layers;
mod scan;
mod scripts;
mod sizes;
mod tidy;
mod unit;
mod words;
