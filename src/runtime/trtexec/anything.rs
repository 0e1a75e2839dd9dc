//! For `fuzzing`: what trtexec prints and exports, if it were any bytes.

use super::outcome::{self, Exit};
use super::release::Program;
use super::report::TrtexecReport;
use super::times;

/// Read the bytes as a log, as a help text and as exported times.
pub(crate) fn read_anything(bytes: &[u8]) {
    let mut report = TrtexecReport::default();
    report.take(bytes);
    report.finish();
    for exit in [Exit::Code(0), Exit::Code(1), Exit::Signal(6)] {
        let _ = outcome::of_build(&report, exit, Some(1));
        let _ = outcome::of_timing(&report, exit, times::parse(bytes), 1, 2);
        let _ = outcome::of_profile(&report, exit, bytes);
    }
    let _ = Program::from_help(&String::from_utf8_lossy(bytes));
}
