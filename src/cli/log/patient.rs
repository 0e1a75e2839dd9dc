//! Standard error that never holds up the program: if no one reads it, lines are dropped and counted.
//!
//! A daemon started by hand may write into a pipe that no one empties, or to a terminal that was stopped with
//! Ctrl-S. A measurement, a stop and the watchdog must not wait for that.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe that can be written at all takes this many bytes without blocking (`PIPE_BUF`, pipe(7)).
const PIECE_BYTES: usize = 4096;

/// How long a reader may take to empty a full pipe before lines are dropped: a pager or a slow terminal reads
/// on within this time, and one line of a state change may wait so long.
const PATIENCE: Duration = Duration::from_millis(100);

/// Writes lines to `inner`, each whole or not at all.
#[derive(Debug)]
pub(super) struct Patient<Inner> {
    inner: Inner,
    /// Lines that were dropped since the last one that was written.
    dropped: u64,
    /// The last line was cut: end it before the next one.
    is_cut: bool,
}

impl<Inner: Write + AsFd> Patient<Inner> {
    /// Nothing was dropped yet.
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner, dropped: 0, is_cut: false }
    }

    /// Write a line as far as it goes. Returns whether all of it was taken.
    fn write_line(&mut self, line: &[u8], patience: Duration) -> bool {
        for piece in line.chunks(PIECE_BYTES) {
            // An error is a reader that is gone; nothing is left to tell it.
            if !is_ready(&self.inner, patience) || self.inner.write_all(piece).is_err() {
                return false;
            }
            self.is_cut = !piece.ends_with(b"\n");
        }
        true
    }
}

impl<Inner: Write + AsFd> Write for Patient<Inner> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Who did not read the last line gets no more time for this one.
        let patience = if self.dropped == 0 { PATIENCE } else { Duration::ZERO };
        if self.dropped > 0 {
            let end = if self.is_cut { "\n" } else { "" };
            let note = format!("{end}… {} lines of the log were dropped: nothing read them\n", self.dropped);
            if !self.write_line(note.as_bytes(), patience) {
                self.dropped += 1;
                return Ok(line.len());
            }
            self.dropped = 0;
        }
        if !self.write_line(line, patience) {
            self.dropped += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Can it be written without blocking, now or within that time?
fn is_ready(output: &impl AsFd, patience: Duration) -> bool {
    let mut polled = [PollFd::new(output, PollFlags::OUT)];
    let timeout = Timespec::try_from(patience).ok();
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) => polled[0].revents().contains(PollFlags::OUT),
        // Interrupted by a signal: one line may be lost to it.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Instant;

    use super::*;

    #[test]
    fn reader_that_never_reads_costs_lines_and_no_time_and_sees_later_how_many() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut patient = Patient::new(writer);
        let line = [b"x".repeat(99), b"\n".to_vec()].concat();
        let began = Instant::now();
        for _ in 0..10_000 {
            patient.write_all(&line).unwrap();
        }
        assert!(began.elapsed() < 50 * PATIENCE, "{:?}", began.elapsed());
        assert!(patient.dropped > 5_000, "{}", patient.dropped);
        let mut taken = vec![0; 1 << 16];
        let length = reader.read(&mut taken).unwrap();
        assert!(taken[..length].ends_with(b"\n"), "whole lines");
        let dropped = patient.dropped;
        patient.write_all(b"after\n").unwrap();
        drop(patient);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(
            rest.ends_with(&format!("… {dropped} lines of the log were dropped: nothing read them\nafter\n"))
        );
    }

    #[test]
    fn reader_that_is_gone_is_no_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut patient = Patient::new(writer);
        patient.write_all(b"a line\n").unwrap();
        assert_eq!(patient.dropped, 1);
    }
}
