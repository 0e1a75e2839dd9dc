//! Units in types, so that a number can not be read in the wrong one.
//!
//! Inside the program a latency is always [`Nanos`]; seconds and milliseconds appear only where a person or the
//! bundle's summary reads them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A span of time in whole nanoseconds, as the clock gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The span in milliseconds; exact for spans below 2^53 ns (104 days).
    pub(crate) fn as_milliseconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}
