//! Faults that a script may ask for. Each is the real thing, in this process.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;

use crate::runtime::RunError;

/// The most that [`FaultKind::OutOfMemory`] takes: enough for a limit that a test sets, harmless to a host
/// without one.
const MEMORY_LIMIT_BYTES: usize = 1 << 30;

/// The most that [`FaultKind::FillDisk`] writes, for the same reason.
const DISK_LIMIT_BYTES: usize = 1 << 30;

/// Taken at once, and every page of it written to.
const MEMORY_STEP_BYTES: usize = 16 << 20;

/// The least size of a page on the processors in question.
const PAGE_BYTES: usize = 4096;

/// How long an escaped process would live; no test waits for it.
const ESCAPED_SECONDS: &str = "600";

/// What goes wrong, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// In which run, from 1, warm-up included; without it, while loading.
    pub run: Option<u64>,
    /// Instead, when the outputs are read.
    #[serde(default)]
    pub in_outputs: bool,
    /// What.
    pub kind: FaultKind,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// A library's plain error.
    Error,
    /// A panic.
    Panic,
    /// Write to an address that is not mapped.
    SegmentationFault,
    /// `abort()`.
    Abort,
    /// An instruction that no processor has.
    IllegalInstruction,
    /// SIGKILL.
    Kill,
    /// Take memory until there is none, or one gibibyte.
    OutOfMemory,
    /// Fill the disk with files, in the folder for temporary ones, and then never return.
    FillDisk,
    /// Never return.
    Hang,
    /// Exit with this code.
    Exit(u8),
    /// A line of text on standard output, then go on.
    Print,
    /// Bytes without end on standard output.
    Flood,
    /// Many long lines on standard error, then go on.
    Chatter,
    /// Leave a process behind that has a session of its own, no environment, and the worker's streams; then
    /// go on.
    Escape,
}

impl FaultKind {
    /// Let it happen.
    ///
    /// # Errors
    /// For [`FaultKind::Error`], and where a fault could not be brought about.
    pub(super) fn happen(self) -> Result<(), RunError> {
        let failed = |error: std::io::Error| RunError(format!("the fault {self:?} did not work: {error}"));
        match self {
            Self::Error => Err(RunError("the script says so".into())),
            Self::Panic => panic!("the script says so"),
            Self::SegmentationFault => segmentation_fault(),
            Self::Abort => std::process::abort(),
            Self::IllegalInstruction => illegal_instruction(),
            Self::Kill => kill_process(getpid(), Signal::KILL).map_err(|error| failed(error.into())),
            Self::OutOfMemory => out_of_memory(),
            Self::FillDisk => {
                fill_disk();
                hang()
            }
            Self::Hang => hang(),
            Self::Exit(code) => std::process::exit(code.into()),
            Self::Print => say(std::io::stdout(), b"Loading kernels... done.\n").map_err(failed),
            Self::Flood => loop {
                say(std::io::stdout(), &[b'\xfe'; 4096]).map_err(failed)?;
            },
            Self::Chatter => {
                let line = [&[b'x'; 2000][..], b"\n"].concat();
                (0..5000).try_for_each(|_| say(std::io::stderr(), &line)).map_err(failed)
            }
            Self::Escape => escape().map_err(failed),
        }
    }
}

fn say(mut stream: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

#[expect(unsafe_code, reason = "a fault that is to be real")]
fn segmentation_fault() -> ! {
    // The first page is never mapped; not null, which a checked build would catch before the processor does.
    let address = std::ptr::without_provenance_mut::<u8>(8);
    loop {
        // SAFETY: none, on purpose. The write traps and ends the process; no code runs after it.
        unsafe { address.write_volatile(1) };
    }
}

#[expect(unsafe_code, reason = "a fault that is to be real")]
fn illegal_instruction() -> ! {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    // SAFETY: the instruction traps and ends the process; no code runs after it.
    unsafe {
        std::arch::asm!("ud2", options(noreturn))
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("udf #0", options(noreturn))
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    loop {
        // No portable instruction is illegal everywhere; the signal is the same.
        let _ = kill_process(getpid(), Signal::ILL);
    }
}

fn hang() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Files that no limit on the size of a file stops, until the disk takes no more.
fn fill_disk() {
    let piece = vec![1; MEMORY_STEP_BYTES];
    for number in 0..DISK_LIMIT_BYTES / MEMORY_STEP_BYTES {
        if fs_err::write(std::env::temp_dir().join(number.to_string()), &piece).is_err() {
            return;
        }
    }
}

fn out_of_memory() -> Result<(), RunError> {
    let mut taken = Vec::new();
    while taken.len() * MEMORY_STEP_BYTES < MEMORY_LIMIT_BYTES {
        let mut step = vec![0_u8; MEMORY_STEP_BYTES];
        step.iter_mut().step_by(PAGE_BYTES).for_each(|byte| *byte = 1);
        taken.push(std::hint::black_box(step));
    }
    Err(RunError(format!("{MEMORY_LIMIT_BYTES} bytes did not exhaust the memory")))
}

#[expect(unsafe_code, reason = "a session of its own needs a call between fork and exec")]
fn escape() -> std::io::Result<()> {
    let mut command = Command::new("sleep");
    command.arg(ESCAPED_SECONDS).env_clear().stdin(Stdio::null());
    // SAFETY: `setsid` is a bare system call, which is allowed after fork.
    unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
    command.spawn().map(drop)
}
