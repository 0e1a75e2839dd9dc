//! For `fuzzing`: what edgetpu_compiler prints, if it were any bytes.

use super::outcome::{self, Output};
use super::report::CompilerReport;
use crate::runtime::program::Exit;

/// Read the bytes as a log.
pub(crate) fn read_anything(bytes: &[u8]) {
    let mut report = CompilerReport::default();
    report.take(bytes);
    report.finish();
    for exit in [Exit::Code(0), Exit::Code(1), Exit::Signal(6)] {
        let _ = outcome::may_succeed_again(&report, exit);
        for output in [Output::Unsound, Output::Processor, Output::EdgeTpu] {
            let _ = outcome::of(&report, exit, output);
        }
    }
}
