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
use signal_hook::consts::{SIGINT, SIGTERM};

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

    /// Let SIGTERM and SIGINT ask for a stop.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub(crate) fn connect_signals(&self) -> io::Result<()> {
        for signal in [SIGTERM, SIGINT] {
            // First the flag, then the byte: the daemon finds the flag set when it wakes.
            signal_hook::flag::register(signal, Arc::clone(&self.stop))?;
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
