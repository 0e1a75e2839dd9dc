//! Limits of a worker: what it may take of the memory, of the processes and of the disk. Each is below what
//! the host has, so that a model which takes all it gets does not take the host with it.

use std::path::Path;

use rustix::process::{Resource, Rlimit, getpriority_process, setrlimit};

use crate::bundle::format::{Sandbox, SandboxPart};
use crate::worker::memory::bytes;

/// Left to the rest of the host: a sixteenth of its memory or disk, and no less than this.
const LEAST_RESERVE_BYTES: u64 = 128 << 20;

/// Processes and threads in addition to those of the host now: some hundred threads are what compilers and
/// libraries start on the largest hosts.
const MORE_PROCESSES: u64 = 2048;

/// The smallest limit on a file, on a disk that is full.
const LEAST_FILE_BYTES: u64 = 16 << 20;

/// Set all limits of this process. Each is for every process that it starts, too.
pub(super) fn apply(workplace: &Path, sandbox: &mut Sandbox) {
    sandbox.note(SandboxPart::CoreFiles, limit(Resource::Core, 0));
    let memory = memory_limit_bytes();
    let memory = memory.ok_or_else(|| "/proc/meminfo does not say how much there is".to_owned());
    // Not the address space: CUDA reserves more of it than any host has memory.
    sandbox.note(SandboxPart::Memory, memory.and_then(|bytes| limit(Resource::Data, bytes)));
    sandbox.note(SandboxPart::Processes, processes());
    sandbox.note(SandboxPart::FileSize, file_size(workplace));
    // What placement asked for is in force by now, and the worker cannot ask for more.
    let nice = getpriority_process(None).unwrap_or(0);
    // getrlimit(2): the ceiling is 20 minus the nice value. Refused only if it is lower already.
    let _ = limit(Resource::Nice, u64::try_from(20 - nice).unwrap_or(0));
    let _ = limit(Resource::Rtprio, 0);
    let _ = limit(Resource::Msgqueue, 0);
}

fn processes() -> Result<(), String> {
    let now = fs_err::read_to_string("/proc/loadavg").ok().and_then(|text| tasks(&text));
    let now = now.ok_or_else(|| "/proc/loadavg does not say how many there are".to_owned())?;
    limit(Resource::Nproc, now + MORE_PROCESSES)?;
    if rustix::process::getuid().is_root() {
        return Err("the kernel does not count the processes of root; see `control_group`".to_owned());
    }
    Ok(())
}

fn file_size(workplace: &Path) -> Result<(), String> {
    let stat = rustix::fs::statvfs(workplace).map_err(|error| format!("statvfs: {error}"))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    limit(Resource::Fsize, reserved(free).max(LEAST_FILE_BYTES))
}

/// Lower a limit for good; one that is lower already stays.
fn limit(resource: Resource, most: u64) -> Result<(), String> {
    let present = rustix::process::getrlimit(resource);
    let lower = |bound: Option<u64>| Some(bound.map_or(most, |bound| bound.min(most)));
    let limit = Rlimit { current: lower(present.current), maximum: lower(present.maximum) };
    setrlimit(resource, limit).map_err(|error| format!("setrlimit: {error}"))
}

fn reserved(all: u64) -> u64 {
    all.saturating_sub((all / 16).max(LEAST_RESERVE_BYTES))
}

/// The memory that a worker may have; `None` if the kernel does not say how much there is.
pub(crate) fn memory_limit_bytes() -> Option<u64> {
    memory_bytes().map(reserved)
}

fn memory_bytes() -> Option<u64> {
    bytes(&fs_err::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

/// proc(5), loadavg: the fourth field is the number of runnable tasks, a slash, and the number of tasks.
fn tasks(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_the_host_are_counted_and_a_part_of_everything_is_left_to_it() {
        assert_eq!(tasks("0.20 0.18 0.12 1/345 11206\n"), Some(345));
        assert_eq!(tasks("0.20 0.18 0.12"), None);
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(reserved(16 << 30), 15 << 30);
        assert_eq!(reserved(64 << 20), 0);
    }
}
