//! `backbone __worker`: one trial in this process, for the daemon. Not for people: standard input and output
//! are a protocol, see `worker::protocol`.

use std::process::ExitCode;

use crate::{runtime, worker};

/// Every runtime without a worker executable of its own.
pub(super) fn execute() -> ExitCode {
    worker::child::run(&runtime::loaders())
}
