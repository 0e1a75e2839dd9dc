//! stub
use super::*;
/// stub
pub const RUNTIME: Runtime = Runtime {
    name: "onnxruntime",
    summary: "",
    model_format: "onnx",
    recognise: |_| Ok(()),
    options: &[],
    timed: ("", ""),
    worker: WorkerExecutable::ThisProgram,
    simulated: false,
    library_variables: &[],
};
