//! A process that is stopped before each of its system calls, as ptrace(2) does it: whatever is on the disk
//! then is what a SIGKILL at that moment leaves there.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};

/// What is or-ed to SIGTRAP at the stops of system calls.
const OF_CALL: i32 = 0x80;

/// Where a request has no use for an address.
const NOWHERE: *mut libc::c_void = std::ptr::null_mut();

/// Run a program to its end, and look whenever its main thread is about to make a system call.
#[expect(unsafe_code, reason = "nothing safe offers ptrace")]
#[expect(clippy::zombie_processes, reason = "it is waited for by its number")]
pub(crate) fn before_each_call(command: &mut Command, mut look: impl FnMut()) -> ExitStatus {
    let trace_me = || {
        // SAFETY: a bare system call, which is allowed between fork and exec.
        let traced = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, NOWHERE, NOWHERE) };
        if traced < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(trace_me) };
    let child = command.spawn().expect("a program that may be traced");
    let process = i32::try_from(child.id()).expect("a process id");
    let wait = || {
        let mut status = 0;
        // SAFETY: a place to write the status to. This thread started the process, and no other waits for it.
        let waited = unsafe { libc::waitpid(process, &raw mut status, 0) };
        assert_eq!(waited, process, "{}", std::io::Error::last_os_error());
        status
    };
    // The signal of its exec.
    wait();
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
    // SAFETY: the process is stopped, and this thread traces it.
    unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, process, NOWHERE, options as usize) };
    let mut signal: i32 = 0;
    let mut is_entry = false;
    let status = loop {
        // SAFETY: as above.
        unsafe { libc::ptrace(libc::PTRACE_SYSCALL, process, NOWHERE, signal as usize) };
        let status = wait();
        if !libc::WIFSTOPPED(status) {
            break status;
        }
        signal = libc::WSTOPSIG(status);
        if signal == libc::SIGTRAP | OF_CALL {
            // One stop before each call and one after it.
            is_entry = !is_entry;
            if is_entry {
                look();
            }
        }
        if signal & !OF_CALL == libc::SIGTRAP {
            signal = 0;
        }
    };
    ExitStatus::from_raw(status)
}
