//! Options that several runtimes share, and how a runtime reads the job's options.
//!
//! Values were checked against [`Runtime::options`](super::Runtime::options) before a worker saw them.

use std::collections::BTreeMap;
use std::thread;

use serde_json::Value;

use super::{OptionKind, RuntimeOption};

/// More threads than any device in this field has processors; a larger number is a mistake.
const MOST_THREADS: i64 = 256;

/// How many threads one inference uses.
pub const THREADS: RuntimeOption = RuntimeOption {
    name: "threads",
    kind: OptionKind::Integer { minimum: 1, maximum: MOST_THREADS },
    summary: "threads for one inference; default: one for each processor that the worker may use",
};

/// A profile after the trials, for runtimes that can make one. It changes nothing that is timed.
pub(crate) const PROFILE: RuntimeOption = RuntimeOption {
    name: "profile",
    kind: OptionKind::Boolean,
    summary: "run the chosen build again after all trials, for the time of each layer; default: false",
};

/// Threads that the job asks for, otherwise as many as processors that this process may use (by affinity and
/// CPU quota).
pub fn threads(options: &BTreeMap<String, Value>) -> u32 {
    let asked =
        options.get(THREADS.name).and_then(Value::as_u64).and_then(|threads| u32::try_from(threads).ok());
    asked.unwrap_or_else(|| {
        // Only if the system does not tell the count; every library runs with one thread.
        thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
    })
}

/// The word that the job sets, otherwise the default.
pub fn choice<'a>(options: &'a BTreeMap<String, Value>, name: &str, default: &'a str) -> &'a str {
    options.get(name).and_then(Value::as_str).unwrap_or(default)
}

/// The yes or no that the job sets, otherwise the default.
pub fn boolean(options: &BTreeMap<String, Value>, name: &str, default: bool) -> bool {
    options.get(name).and_then(Value::as_bool).unwrap_or(default)
}
