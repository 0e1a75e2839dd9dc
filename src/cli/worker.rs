//! `backbone __worker`: one trial in this process, for the daemon. Not for people: standard input and output are a
//! protocol, see `worker::protocol`.

use std::process::ExitCode;

use crate::runtime::{edgetpu, onnxruntime, sim, trtexec};
use crate::worker::child;

/// Every runtime whose library is loaded, or program started, at run time; the others have executables of their own.
pub(super) fn execute() -> ExitCode {
    child::run(&[&onnxruntime::Loader, &edgetpu::Loader, &trtexec::Loader, &sim::Simulator])
}
