//! stub
use super::*;
/// stub
pub const RUNTIME: Runtime = Runtime {
    name: "sim",
    summary: "",
    model_format: "sim",
    recognise: |_| Ok(()),
    options: &[],
    timed: ("", ""),
    worker: WorkerExecutable::ThisProgram,
    simulated: true,
    library_variables: &[],
};
