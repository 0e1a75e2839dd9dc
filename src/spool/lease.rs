//! Has anybody this file open for writing? The kernel answers through a read lease, and through nothing else.
//!
//! A lease is asked for and given back at once; it is never held, because a held one would stall writers and send signals.
//! This is the one place outside `runtime/` and `worker/` with `unsafe`: no maintained crate offers `F_SETLEASE`.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::plan::Writers;

/// Ask whether any process has the file open for writing. `file` must be open for reading only.
#[expect(unsafe_code, reason = "fcntl(F_SETLEASE) has no safe wrapper")]
pub(super) fn writers(file: BorrowedFd<'_>) -> Writers {
    let set_lease = |kind: libc::c_int| {
        // SAFETY: `file` is an open descriptor for the whole call, and F_SETLEASE takes an int and touches no memory.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) }
    };
    if set_lease(libc::F_RDLCK) == 0 {
        set_lease(libc::F_UNLCK);
        return Writers::None;
    }
    // EAGAIN: somebody has it open for writing. EACCES: not our file and no CAP_LEASE. EINVAL and others: not supported here.
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN) => Writers::Some,
        _ => Writers::Unknown,
    }
}
