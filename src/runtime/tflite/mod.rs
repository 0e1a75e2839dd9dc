//! stub
use super::*;
/// stub
pub const RUNTIME: Runtime = Runtime {
    name: "tflite",
    summary: "",
    model_format: "tflite",
    recognise: |_| Ok(()),
    options: &[],
    timed: ("", ""),
    worker: WorkerExecutable::Tflite,
    simulated: false,
    library_file: Some("libtensorflowlite_c.so"),
    library_variables: &[],
};
