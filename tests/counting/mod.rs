//! Counts what a piece of code asks of the allocator and of the kernel. Shared by the test and the benchmark
//! of the timed loop; each executable that includes it allocates through [`Counting`].

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use rustix::thread::{gettid, set_no_new_privs};

/// Nothing that is counted here takes so long.
const DEADLINE: Duration = Duration::from_secs(60);

/// The system's allocator, with a count for each thread.
pub(crate) struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // Not counted while the thread's own storage comes or goes.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local number only.
#[expect(unsafe_code, reason = "an allocator cannot be written without it")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: as the caller promises us.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises us.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How often `work` allocates, reallocates or frees in this thread.
pub(crate) fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Does `work` make no system call?
///
/// It runs in a thread with a filter by which the kernel ends the thread at any system call, but for the one
/// write that announces the end of the work. (Not seccomp's strict mode, which on x86 forbids reading the
/// clock's counter too.)
///
/// # Errors
/// It did not.
pub(crate) fn makes_no_system_call(work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&reader, true).expect("a pipe that does not block");
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        sender.send(gettid()).expect("the receiver is there");
        forbid_system_calls_except_writing_to(&writer);
        work();
        let _ = rustix::io::write(&writer, b"over");
        // The thread's own end is a system call too: here the kernel ends it.
    });
    let thread = receiver.recv().expect("the thread starts");
    let task = PathBuf::from(format!("/proc/self/task/{thread}"));
    let deadline = Instant::now() + DEADLINE;
    loop {
        let is_gone = !task.exists();
        match rustix::io::read(&reader, &mut [0; 4]) {
            Ok(length) if length > 0 => return Ok(()),
            _ if is_gone => return Err("it makes a system call".into()),
            _ if Instant::now() >= deadline => return Err("it does not end".into()),
            _ => std::thread::yield_now(),
        }
    }
}

#[expect(unsafe_code, reason = "the kernel takes a pointer to the filter")]
fn forbid_system_calls_except_writing_to(descriptor: &OwnedFd) {
    set_no_new_privs(true).expect("a kernel with seccomp");
    let load = |offset| (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let unless_equal = |value, skip| (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, skip, value);
    let answer = |action| (libc::BPF_RET | libc::BPF_K, 0, 0, action);
    // Offsets of the call's number and of the low half of its first argument in the kernel's `struct
    // seccomp_data`.
    let (number, argument) = (0, if cfg!(target_endian = "little") { 16 } else { 20 });
    let mut filter = [
        load(number),
        unless_equal(u32::try_from(libc::SYS_write).expect("a call's number"), 3),
        load(argument),
        unless_equal(descriptor.as_raw_fd().cast_unsigned(), 1),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_KILL_THREAD),
    ]
    .map(|(code, jt, jf, k)| libc::sock_filter { code: code as u16, jt, jf, k });
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program points to as many instructions as it says, and the kernel copies them.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "a kernel with seccomp filters");
}
