//! Running trtexec in a worker: started, read to its end, and everything it prints passed on to standard error, from where the
//! daemon keeps the tail. It stays in the worker's process group, so that whatever ends the worker ends it too.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::pipe::{PipeFlags, pipe_with};

use super::outcome::Exit;
use super::report::Report;
use crate::bundle::format::Stage;
use crate::runtime::Failure;

/// Bytes that a run may print beside its latencies: the longest help text and the memory reports are some kilobytes, a verbose
/// build a few megabytes.
const OUTPUT_BYTES: u64 = 64 << 20;

/// Bytes that one latency takes there; the lines of 8.0, which are the longest, have some 160.
const LATENCY_BYTES: u64 = 256;

/// What a pipe holds by default.
const PIECE_BYTES: usize = 1 << 16;

/// Run it to its end; the report of what it printed, and how it ended.
///
/// # Errors
/// It could not be started, or it prints without end.
pub(super) fn run(
    program: &Path,
    words: &[OsString],
    runs: u64,
    stage: Stage,
) -> Result<(Report, Exit), Failure> {
    let mut report = Report::default();
    let limit = OUTPUT_BYTES + runs * LATENCY_BYTES;
    let exit = listen(program, words, limit, stage, &mut |piece| {
        // Nobody to read it is no reason to stop.
        let _ = std::io::stderr().write_all(piece);
        report.take(piece);
    })?;
    report.finish();
    Ok((report, exit))
}

/// What it prints when it is asked for help.
pub(super) fn help(program: &Path) -> Result<String, Failure> {
    let mut text = Vec::new();
    listen(program, &["--help".into()], OUTPUT_BYTES, Stage::Start, &mut |piece| {
        text.extend_from_slice(piece);
    })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn listen(
    program: &Path,
    words: &[OsString],
    limit: u64,
    stage: Stage,
    take: &mut dyn FnMut(&[u8]),
) -> Result<Exit, Failure> {
    let not_started = |error: std::io::Error| {
        Failure::new(
            Stage::Start,
            "program_not_started",
            format!("can not run {}: {error}", program.display()),
        )
        .with_hint("check that the daemon's user may run it, and that TensorRT's libraries are installed")
    };
    // One pipe for both streams, so that their lines stay in order.
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| not_started(error.into()))?;
    let mut child = {
        let mut command = Command::new(program);
        command.args(words).env("LC_ALL", "C").stdin(Stdio::null());
        command.stdout(writer.try_clone().map_err(not_started)?).stderr(writer);
        command.spawn().map_err(not_started)?
    };
    let mut reader = std::fs::File::from(reader);
    let mut piece = vec![0; PIECE_BYTES];
    let mut left = limit;
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                take(&piece[..length]);
                left = left.saturating_sub(length as u64);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(not_started(error)),
        }
        if left == 0 {
            // Its end does not matter any more, and the worker's takes it along.
            let _ = child.kill();
            return Err(Failure::new(
                stage,
                "output_flood",
                format!("trtexec printed more than {limit} bytes"),
            )
            .with_hint("see the log tail for what it repeats"));
        }
    }
    child.wait().map(exit_of).map_err(not_started)
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}
