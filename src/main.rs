//! The `backbone` executable.

use std::process::ExitCode;

use backbone::runtime::sim::Simulator;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "__worker") {
        // The ONNX loader's place is in this list.
        return backbone::worker::child::run(&[&Simulator]);
    }
    ExitCode::FAILURE
}
