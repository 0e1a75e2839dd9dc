//! The worker executable that is linked with the TensorFlow Lite C library.
//!
//! It speaks the same protocol as `backbone __worker`, and is an executable of its own so that no other names
//! the library.

use std::process::ExitCode;

#[path = "runtime/tflite/session.rs"]
mod session;

fn main() -> ExitCode {
    backbone::worker::child::run(&[&session::TensorFlowLite])
}
