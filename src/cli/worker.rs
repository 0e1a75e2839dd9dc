//! `backbone __worker`: one trial in this process, for the daemon. Not for people: standard input and output are a protocol,
//! see `worker::protocol`.

use std::process::ExitCode;

use crate::runtime::{edgetpu, onnxruntime, sim, trtexec};
use crate::worker::child;

/// Every runtime that loads its library or starts its program at run time; the others have their own executables.
pub(super) fn execute() -> ExitCode {
    child::run(&[&onnxruntime::Loader, &edgetpu::Loader, &trtexec::Loader, &sim::Simulator])
}
