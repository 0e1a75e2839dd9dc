//! The worker executable for the TensorFlow Lite C library, which it opens while it runs.
//!
//! It speaks the same protocol as `backbone __worker`, and is an executable of its own so that no other holds
//! the code that calls the library.

use std::process::ExitCode;

#[path = "runtime/tflite/session.rs"]
mod session;

fn main() -> ExitCode {
    backbone::worker::child::run(&[&session::TensorFlowLite])
}
