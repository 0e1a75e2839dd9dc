//! Units as types, so that a number cannot be read in the wrong unit.
//!
//! Inside the program a latency is always [`Nanos`]. Seconds and milliseconds appear only in output for
//! people and in a bundle's summary.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A span of time in whole nanoseconds, as measured by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The span in milliseconds; exact for spans below 2^53 ns (104 days).
    pub(crate) fn as_milliseconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}
