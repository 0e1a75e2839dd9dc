//! Options that several runtimes share, and how a runtime reads the job's options.
//!
//! Values were checked against [`Runtime::options`](super::Runtime::options) before a worker saw them.

use std::collections::BTreeMap;
use std::thread;

use serde_json::Value;

use super::{OptionKind, RuntimeOption};

/// More threads than any device that this field measures has processors; a larger number is a slip.
const MOST_THREADS: i64 = 256;

/// How many processors one inference uses.
pub const THREADS: RuntimeOption = RuntimeOption {
    name: "threads",
    kind: OptionKind::Integer { minimum: 1, maximum: MOST_THREADS },
    summary: "threads for one inference; default: as many as the worker may run on",
};

/// A profile after the trials, for runtimes that can make one.
pub(crate) const PROFILE: RuntimeOption = RuntimeOption {
    name: "profile",
    kind: OptionKind::Boolean,
    summary: "after all trials, run the chosen build once more for the time of each layer; default: false",
};

/// Threads that the job asks for, else the processors that this process may run on (by affinity and CPU quota).
pub fn threads(options: &BTreeMap<String, Value>) -> u32 {
    let asked =
        options.get(THREADS.name).and_then(Value::as_u64).and_then(|threads| u32::try_from(threads).ok());
    asked.unwrap_or_else(|| {
        // The count is missing only where the system does not tell; every library can do one thread.
        thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
    })
}

/// The word that the job chose, else the default.
pub fn choice<'a>(options: &'a BTreeMap<String, Value>, name: &str, default: &'a str) -> &'a str {
    options.get(name).and_then(Value::as_str).unwrap_or(default)
}

/// The job's yes or no, else the default.
pub fn boolean(options: &BTreeMap<String, Value>, name: &str, default: bool) -> bool {
    options.get(name).and_then(Value::as_bool).unwrap_or(default)
}
