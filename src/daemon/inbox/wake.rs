//! One descriptor that ends every sleep: a signal, an arrival in the inbox, a command.
//!
//! A socket pair: the watcher's thread and the signal handlers write a byte to one end, the daemon polls the
//! other. The bytes mean nothing; the daemon then checks what happened.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};

/// Signals that ask for a stop: those of people, of a terminal or a session that closes, and of a limit of
/// processor time. Each would end the process anyway, and leave the host's power state changed.
const STOPS: &[i32] = &[SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGXCPU];

/// Signals that would end the process and mean nothing to it. They only wake it. Not ignored: a worker would
/// inherit that. SIGXFSZ: a write beyond the limit of a file's size fails instead.
const WAKES: &[i32] = &[SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXFSZ];

/// The sleeping end.
#[derive(Debug)]
pub(crate) struct Wake {
    reader: UnixStream,
    writer: UnixStream,
    stop: Arc<AtomicBool>,
}

/// The waking end.
#[derive(Debug)]
pub(crate) struct Waker(UnixStream);

impl Waker {
    /// Wake the sleeper; does nothing if it is being woken already.
    pub(crate) fn wake(&self) {
        // A full pair means that a wake-up is under way.
        let _ = (&self.0).write(&[1]);
    }
}

impl Wake {
    /// A pair that no signal is connected to.
    ///
    /// # Errors
    /// No descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { reader, writer, stop: Arc::default() })
    }

    /// Let [`STOPS`] ask for a stop, and let no other signal end this process that can be caught.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub(crate) fn connect_signals(&self) -> io::Result<()> {
        for &signal in STOPS {
            // First the flag, then the byte: the daemon finds the flag set when it wakes.
            signal_hook::flag::register(signal, Arc::clone(&self.stop))?;
        }
        for &signal in STOPS.iter().chain(WAKES) {
            signal_hook::low_level::pipe::register(signal, self.writer.try_clone()?)?;
        }
        Ok(())
    }

    /// An end for another thread.
    ///
    /// # Errors
    /// No descriptors left.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        Ok(Waker(self.writer.try_clone()?))
    }

    /// Was a stop asked for?
    pub(crate) fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The descriptor to poll.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// Forget the wake-ups so far.
    pub(crate) fn clear(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.reader).read(&mut bytes), Ok(read) if read == bytes.len()) {}
    }

    /// Sleep until woken, or for so long.
    pub(crate) fn sleep(&self, at_most: Duration) {
        let mut descriptors = [PollFd::new(&self.reader, PollFlags::IN)];
        let timeout = Timespec::try_from(at_most).ok();
        // An interrupted sleep is a wake-up like any other.
        let _ = rustix::event::poll(&mut descriptors, timeout.as_ref());
        self.clear();
    }
}
