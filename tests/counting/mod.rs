//! Counts what a piece of code asks of the allocator and of the kernel. Shared by the test and the benchmark of the
//! timed loop; each executable that includes it allocates through [`Counting`].

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use rustix::thread::{SecureComputingMode, gettid, set_secure_computing_mode};

/// Nothing that is counted here takes so long.
const DEADLINE: Duration = Duration::from_secs(60);

/// The system's allocator, with a count for each thread.
pub struct Counting;

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
#[expect(unsafe_code, reason = "an allocator can not be written without")]
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
pub fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// Did `work` do without system calls?
///
/// It runs in a thread for which the kernel allows `read` and `write` and answers any other system call by ending the
/// thread (seccomp's strict mode). The two that are allowed are counted by the kernel itself, in `/proc/…/io`.
///
/// # Errors
/// What it called, as far as that can be told.
pub fn makes_no_system_call(work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&reader, true).expect("a pipe that does not block");
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        // Each copy gives the counts of its first read.
        let open = || File::open("/proc/thread-self/io").expect("a kernel with task accounting");
        let (mut before, mut after, mut answer) = (open(), open(), File::from(writer));
        let mut texts = ([0; 1024], [0; 1024]);
        sender.send(gettid()).expect("somebody listens");
        set_secure_computing_mode(SecureComputingMode::Strict).expect("a kernel with seccomp");
        // From here on nothing but `read`, `write` and the work.
        let before_length = before.read(&mut texts.0).unwrap_or(0);
        work();
        let after_length = after.read(&mut texts.1).unwrap_or(0);
        let calls = |text: &[u8]| {
            let text = std::str::from_utf8(text).ok()?;
            let number = |name: &str| {
                text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse::<u64>().ok()
            };
            Some((number("syscr:")?, number("syscw:")?))
        };
        let counts = (calls(&texts.0[..before_length]), calls(&texts.1[..after_length]));
        let verdict: &[u8] = match counts {
            // The first read itself was counted after it had told.
            (Some((reads, writes)), Some((reads_after, writes_after)))
                if (reads_after, writes_after) == (reads + 1, writes) =>
            {
                b"none"
            }
            (Some(_), Some(_)) => b"it calls read or write",
            _ => b"the kernel does not tell how often it reads and writes",
        };
        let _ = answer.write(verdict);
        // The thread's own end is a system call too: here the kernel ends it.
    });
    let thread = receiver.recv().expect("the thread starts");
    let task = PathBuf::from(format!("/proc/self/task/{thread}"));
    let deadline = Instant::now() + DEADLINE;
    loop {
        let is_gone = !task.exists();
        let mut answer = [0; 100];
        match rustix::io::read(&reader, &mut answer) {
            Ok(length) if length > 0 => {
                let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
                return if answer == "none" { Ok(()) } else { Err(answer) };
            }
            _ if is_gone => return Err("it makes a system call, and not read or write".into()),
            _ if Instant::now() >= deadline => return Err("it does not end".into()),
            _ => std::thread::yield_now(),
        }
    }
}
