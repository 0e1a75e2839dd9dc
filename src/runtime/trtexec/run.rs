//! Running trtexec in a worker: what it prints goes to standard error, whose tail the daemon keeps, and is
//! read for its report.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use super::release::Release;
use super::report::TrtexecReport;
use crate::bundle::format::Stage;
use crate::runtime::Failure;
use crate::runtime::program::{self, Exit};

/// Bytes that a run may print in addition to its latencies: the longest help text and the memory reports are
/// some kilobytes, a verbose build a few megabytes.
const OUTPUT_BYTES: u64 = 64 << 20;

/// Bytes of one latency; the lines of 8.0, which are the longest, have some 160.
const LATENCY_BYTES: u64 = 256;

/// What a host needs so that it starts.
const WHERE_FROM: &str = "that TensorRT's libraries are installed";

/// Run it to its end: the report of what it printed, and how it ended.
///
/// # Errors
/// It could not be started, or it prints without end.
pub(super) fn run(
    (program, release): (&Path, Release),
    words: &[OsString],
    runs: u64,
    stage: Stage,
) -> Result<(TrtexecReport, Exit), Failure> {
    let mut report = TrtexecReport::of(release);
    let limit = OUTPUT_BYTES + runs * LATENCY_BYTES;
    let exit = program::listen(program, words, limit, stage, WHERE_FROM, &mut |piece| {
        // Keep going even if the reader is gone.
        let _ = std::io::stderr().write_all(piece);
        report.take(piece);
    })?;
    report.finish();
    Ok((report, exit))
}

/// Its help text.
pub(super) fn help(program: &Path) -> Result<String, Failure> {
    let mut text = Vec::new();
    program::listen(program, &["--help".into()], OUTPUT_BYTES, Stage::Start, WHERE_FROM, &mut |piece| {
        text.extend_from_slice(piece);
    })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
