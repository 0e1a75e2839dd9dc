//! Running a program of the host in a worker: started, read to its end, without any input. It stays in the
//! worker's process group, so whatever ends the worker ends it too. The caller interprets what it prints.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::pipe::{PipeFlags, pipe_with};

use super::Failure;
use crate::bundle::format::Stage;

/// What a pipe holds by default.
const PIECE_BYTES: usize = 1 << 16;

/// A shell or a wrapper reports a signal as this plus its number.
const SIGNAL_CODES: i32 = 128;

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Exit {
    /// The signal that ended it, also if a shell reports it as a code.
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Signal(number) => Some(number),
            Self::Code(code) => {
                (code > SIGNAL_CODES && code <= SIGNAL_CODES + 64).then_some(code - SIGNAL_CODES)
            }
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self, self.signal()) {
            (_, Some(signal)) => write!(formatter, "was ended by signal {signal}"),
            (Self::Code(code) | Self::Signal(code), None) => write!(formatter, "exited with code {code}"),
        }
    }
}

/// Run it to its end. `take` gets what it prints on either stream, in order.
///
/// # Errors
/// It could not be started (advice: `where_from`), or it printed more than `limit` bytes.
pub(crate) fn listen(
    program: &Path,
    words: &[OsString],
    limit: u64,
    stage: Stage,
    where_from: &str,
    take: &mut dyn FnMut(&[u8]),
) -> Result<Exit, Failure> {
    let not_started = |error: std::io::Error| {
        let detail = format!("cannot run {}: {error}", program.display());
        Failure::new(Stage::Start, "program_not_started", detail)
            .with_hint(format!("check that the daemon's user may run it, and {where_from}"))
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
            // How it ends does not matter any more, and the end of the worker ends it too.
            let _ = child.kill();
            let name = program.file_name().unwrap_or_default().display();
            return Err(Failure::new(
                stage,
                "output_flood",
                format!("{name} printed more than {limit} bytes"),
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
