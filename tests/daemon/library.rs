//! A daemon with the ONNX Runtime of this checkout.

use crate::rig::{Settings, fetched, lacks};

/// Settings with that library and more lines; `None`, with the reason printed, if it is missing.
pub(crate) fn with_onnxruntime(more: &str) -> Option<Settings> {
    let name = "libonnxruntime.so";
    if lacks(name) {
        return None;
    }
    let text = format!("runtimes:\n  onnxruntime: {{library: {}}}\n{more}", fetched(name).display());
    Some(Settings { more: text.leak(), ..Settings::default() })
}
