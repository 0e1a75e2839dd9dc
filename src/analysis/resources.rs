//! What a result took besides latency: medians over its trials. Data comes from bundles, goes to rows.

use serde::Serialize;

use crate::bundle::format::{Bundle, Resources};
use crate::stats::sample;

/// Medians over the trials of a result that observed them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct RowResources {
    /// Seconds to load the model.
    pub load_seconds: Option<f64>,
    /// Seconds of the first inference.
    pub first_inference_seconds: Option<f64>,
    /// Memory of the worker when the model was loaded, in bytes.
    pub memory_after_load_bytes: Option<f64>,
    /// Its highest memory, in bytes.
    pub peak_memory_bytes: Option<f64>,
    /// Largest compiled file of its builds, in bytes.
    pub compiled_bytes: Option<u64>,
}

impl RowResources {
    /// `None` if the bundle has none.
    pub(super) fn of(bundle: &Bundle) -> Option<Self> {
        let median = |read: fn(&Resources) -> Option<f64>| {
            let seen: Vec<f64> = bundle.resources.iter().filter_map(|trial| read(&trial.resources)).collect();
            sample::median(&seen)
        };
        let compiled_bytes = bundle.preparation.iter().filter_map(|build| build.size_bytes).max();
        (!bundle.resources.is_empty() || compiled_bytes.is_some()).then(|| Self {
            load_seconds: median(|taken| taken.load_seconds),
            first_inference_seconds: median(|taken| taken.first_inference_seconds),
            memory_after_load_bytes: median(|taken| taken.memory_after_load_bytes.map(|bytes| bytes as f64)),
            peak_memory_bytes: median(|taken| taken.peak_memory_bytes.map(|bytes| bytes as f64)),
            compiled_bytes,
        })
    }
}
