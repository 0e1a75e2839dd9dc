//! Reads what a session computed, after the timed runs, and keeps the bytes in a file if that is asked for.

use std::io::Write as _;
use std::path::Path;

use fs_err::File;

use crate::bundle::format::{Failure, ReadOutputs, Stage};
use crate::runtime::{Program, RunError, Session, ShownOutput};
use crate::worker::protocol::{KEPT_OUTPUTS_LIMIT, Request};

/// The outputs of a session that has run.
pub(super) fn read(session: &mut dyn Session, file: Option<&Path>) -> ReadOutputs {
    read_from(&mut |show| session.outputs(show), file)
}

/// The outputs of a program that has timed itself: it runs once more for them.
pub(super) fn of_a_program(program: &mut dyn Program, file: Option<&Path>) -> ReadOutputs {
    read_from(&mut |show| program.outputs(show), file)
}

/// What shows every output to its argument.
type Shows<'a> = dyn FnMut(&mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> + 'a;

fn read_from(shows: &mut Shows<'_>, file: Option<&Path>) -> ReadOutputs {
    let mut kept = file.map(Kept::at);
    let mut read = ReadOutputs::default();
    let shown = shows(&mut |output| {
        read.tensors.push(output.describe());
        if let Some(kept) = &mut kept {
            kept.add(&output);
        }
    });
    if let Err(RunError(why)) = shown {
        read.tensors.clear();
        read.detail = Some(why);
    }
    read.not_kept = kept.and_then(Kept::end);
    read
}

/// The outputs of a session that is run without being timed, in the same number of runs if they depend on
/// it.
pub(super) fn of_untimed_runs(session: &mut dyn Session, request: &Request) -> Result<ReadOutputs, Failure> {
    let run = |session: &mut dyn Session| {
        session.run().map_err(|RunError(why)| {
            Failure::new(Stage::WarmUp, "run_failed", why)
                .with_hint("the runtime loaded the model but failed to run it; its message says why")
        })
    };
    run(session)?;
    let first = read(session, None);
    run(session)?;
    let second = read(session, request.outputs_file.as_deref());
    if second.tensors == first.tensors {
        return Ok(second);
    }
    for _ in 2..request.warm_up_runs.saturating_add(request.timed_runs) {
        run(session)?;
    }
    Ok(ReadOutputs { change_between_runs: true, ..read(session, request.outputs_file.as_deref()) })
}

/// A file that takes the bytes of all outputs, as long as they are not too many.
struct Kept {
    file: std::io::Result<File>,
    bytes: u64,
}

impl Kept {
    fn at(path: &Path) -> Self {
        Self { file: File::create(path), bytes: 0 }
    }

    fn add(&mut self, output: &ShownOutput<'_>) {
        let Ok(file) = &mut self.file else { return };
        // Its reader knows the size of an output from its type only.
        let bytes = output.elements.and(output.bytes).unwrap_or_default();
        self.bytes += bytes.len() as u64;
        let written = if self.bytes > KEPT_OUTPUTS_LIMIT {
            Err(std::io::Error::other(format!("the outputs have more than {KEPT_OUTPUTS_LIMIT} bytes")))
        } else {
            file.write_all(bytes)
        };
        if let Err(error) = written {
            // What is there is of no use; if it cannot be shortened, its reader sees a wrong length.
            let _ = file.set_len(0);
            self.file = Err(error);
        }
    }

    /// Why the file is not whole.
    fn end(self) -> Option<String> {
        self.file.err().map(|error| error.to_string())
    }
}
