//! Does any process have a file open for writing? Only a read lease makes the kernel answer this.
//!
//! The lease is released at once, because a held one would stall writers. A writer that opens the file in
//! that microsecond makes the kernel send SIGIO, which would end the process without a handler. This is the
//! only `unsafe` outside `runtime/` and `worker/`: no maintained crate offers `F_SETLEASE`.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Arc, Once};

use super::plan::Writers;

/// Once per process, before its first lease.
static SIGNAL_IS_HANDLED: Once = Once::new();

/// Does any process have the file open for writing? `file` must be open for reading only.
#[expect(unsafe_code, reason = "fcntl(F_SETLEASE) has no safe wrapper")]
pub(super) fn writers(file: BorrowedFd<'_>) -> Writers {
    SIGNAL_IS_HANDLED.call_once(|| {
        // A handler, not "ignore", which worker processes would inherit. Registering fails only for signals
        // that cannot be handled.
        let _ = signal_hook::flag::register(libc::SIGIO, Arc::default());
    });
    let set_lease = |kind: libc::c_int| {
        // SAFETY: `file` is an open descriptor for the whole call, and F_SETLEASE takes an int and touches no
        // memory.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) }
    };
    if set_lease(libc::F_RDLCK) == 0 {
        set_lease(libc::F_UNLCK);
        return Writers::None;
    }
    // EAGAIN: a process has it open for writing. EACCES: not our file and no CAP_LEASE. Others: not supported
    // here.
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) => Writers::Some,
        _ => Writers::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Without the handler a few hundred were enough to end the test.
    const ASKED: usize = 20_000;

    #[test]
    fn writer_that_opens_the_file_during_the_lease_does_not_end_the_process() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("upload.yaml");
        fs_err::write(&path, "x").expect("write");
        let reader = fs_err::File::open(&path).expect("open");
        let met = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !met.load(Ordering::Relaxed) {
                    drop(fs_err::OpenOptions::new().write(true).open(&path).expect("open"));
                }
            });
            for _ in 0..ASKED {
                std::hint::black_box(writers(reader.as_fd()));
            }
            met.store(true, Ordering::Relaxed);
        });
    }
}
