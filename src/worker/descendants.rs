//! Finding and killing every process that a worker started.
//!
//! Killing the process group reaches the processes that stayed in it. A process that left with `setsid`
//! becomes a child of the daemon when its parent dies, because the daemon is a child subreaper. Inherited
//! marks distinguish it from the daemon's own children. One is enough, and covers all descendants. A process
//! may leave its group, change its out-of-memory score and its environment, but nothing without rights raises
//! a hard limit again: the parent lowers one of the worker's, which no other process needs. `/proc` is read
//! only after a trial, never during one.

use std::time::{Duration, Instant};

use log::warn;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getpid, getrlimit, kill_process,
    kill_process_group, prlimit, waitid,
};

use super::memory::bytes;
use super::protocol::PARENT_VARIABLE;

/// How often to check whether killed processes are gone. A kill takes effect within microseconds, unless the
/// kernel has much memory to free first.
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// How to recognise a worker's descendants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) worker: Pid,
    /// The worker's out-of-memory score, if it differs from the daemon's.
    pub(super) out_of_memory_score: Option<i32>,
    /// The hard limit on pending signals that the worker has at most, if it is below the daemon's.
    pub(super) pending_signals: Option<u64>,
}

/// A process that queues as many signals as this does nothing else.
const MOST_PENDING_SIGNALS: u64 = 1 << 20;

/// Lower the worker's limit on pending signals a little. Returns the new one.
pub(super) fn lower_limit(worker: Pid) -> Option<u64> {
    let own = getrlimit(Resource::Sigpending).maximum;
    let lower = own.unwrap_or(MOST_PENDING_SIGNALS + 1).min(MOST_PENDING_SIGNALS + 1).checked_sub(1)?;
    let limit = Rlimit { current: Some(lower), maximum: Some(lower) };
    prlimit(Some(worker), Resource::Sigpending, limit).ok()?;
    Some(lower)
}

/// Kill the worker and its descendants; reap all but the worker itself. Gives up at `deadline`, because a
/// process that hangs in the kernel cannot be killed.
pub(super) fn end(marks: Marks, deadline: Instant) {
    // A dying process loses its environment but is still a descendant.
    let mut known = vec![marks.worker];
    loop {
        // Before the worker is reaped, so that its number cannot mean another group. If there is no such
        // group, there is nothing to do.
        let _ = kill_process_group(marks.worker, Signal::KILL);
        let (dead, alive) = family(marks, &known);
        known.extend(alive.iter().map(|process| process.pid));
        let mut is_all_reaped = true;
        for process in dead {
            if process.parent == getpid() && process.pid != marks.worker {
                let reaped = waitid(WaitId::Pid(process.pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
                // Nothing to reap: the process looks dead, but some of its threads are still dying.
                is_all_reaped &= !matches!(reaped, Ok(None));
            }
        }
        if alive.is_empty() && is_all_reaped {
            return;
        }
        for process in &alive {
            // It may have ended meanwhile; the warning below names what cannot be killed.
            let _ = kill_process(process.pid, Signal::KILL);
        }
        if Instant::now() >= deadline {
            let numbers: Vec<_> = known.iter().map(|pid| pid.as_raw_nonzero()).collect();
            warn!("some of a worker's processes {numbers:?} cannot be killed");
            return;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// What the main threads of a worker and its descendants have run so far: it changes with each time slice of
/// any of them. `None` if the kernel does not count.
pub(super) fn activity(marks: Marks) -> Option<String> {
    let (_, alive) = family(marks, &[marks.worker]);
    let slices = |process: &Process| {
        let text = fs_err::read_to_string(format!("/proc/{}/schedstat", process.pid)).ok()?;
        Some(format!("{} {text}", process.pid))
    };
    alive.iter().map(slices).collect()
}

/// The memory that only a worker and its descendants have, in bytes: not that of files, which the kernel
/// takes back when it needs it.
pub(super) fn memory(marks: Marks) -> u64 {
    let (_, alive) = family(marks, &[marks.worker]);
    alive.iter().filter_map(|process| own_memory(process.pid)).sum()
}

/// proc(5), status: since Linux 4.5.
fn own_memory(pid: Pid) -> Option<u64> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(bytes(&status, "RssAnon:")?.saturating_add(bytes(&status, "RssShmem:")?))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: Pid,
    parent: Pid,
    group: i32,
    is_dead: bool,
}

/// The worker's family: dead but not reaped, and alive.
fn family(marks: Marks, known: &[Pid]) -> (Vec<Process>, Vec<Process>) {
    let table = processes();
    let myself = getpid();
    let belongs = |process: &Process| known.contains(&process.pid) || is_marked(process, marks);
    let mut family: Vec<Process> =
        table.iter().copied().filter(|process| process.parent == myself && belongs(process)).collect();
    let mut visited = 0;
    while visited < family.len() {
        let parent = family[visited].pid;
        family.extend(table.iter().filter(|process| process.parent == parent));
        visited += 1;
    }
    family.into_iter().partition(|process| process.is_dead)
}

fn is_marked(process: &Process, marks: Marks) -> bool {
    process.group == marks.worker.as_raw_nonzero().get()
        || marks.out_of_memory_score.is_some_and(|score| out_of_memory_score(process.pid) == Some(score))
        || has_parent_variable(process.pid)
        || marks
            .pending_signals
            .is_some_and(|limit| pending_signals(process.pid).is_some_and(|found| found <= limit))
}

/// The hard limit on pending signals of a process, also of one that is dead but not reaped.
fn pending_signals(pid: Pid) -> Option<u64> {
    let limits = fs_err::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max pending signals"))?
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

/// A process's out-of-memory score adjustment, −1000 … 1000; also of one that is dead but not reaped.
pub(super) fn out_of_memory_score(pid: Pid) -> Option<i32> {
    fs_err::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok()?.trim().parse().ok()
}

fn has_parent_variable(pid: Pid) -> bool {
    let wanted = format!("{PARENT_VARIABLE}={}", getpid());
    fs_err::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
}

// Not `/proc/PID/task/TID/children`: kernels need not have it, and those of some boards do not.
fn processes() -> Vec<Process> {
    let Ok(folder) = fs_err::read_dir("/proc") else { return Vec::new() };
    folder
        .filter_map(|entry| {
            let number: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            parse(&fs_err::read(format!("/proc/{number}/stat")).ok()?)
        })
        .collect()
}

/// One `/proc/PID/stat`: `pid (name) state parent group …`. The name may contain anything, including brackets
/// and spaces.
fn parse(stat: &[u8]) -> Option<Process> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(stat.split(|byte| *byte == b' ').next()?).ok()?.parse().ok()?;
    let mut fields = std::str::from_utf8(&stat[name_end + 1..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Process {
        pid: Pid::from_raw(pid)?,
        parent: Pid::from_raw(fields.next()?.parse().ok()?)?,
        group: fields.next()?.parse().ok()?,
        is_dead: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_and_spaces_is_no_trap() {
        let process = parse(b"4711 (a) Z 1 (b) S 12 99 99 0 -1").unwrap();
        assert_eq!(process.pid.as_raw_nonzero().get(), 4711);
        assert_eq!((process.parent.as_raw_nonzero().get(), process.group), (12, 99));
        assert!(!process.is_dead);
        assert!(parse(b"4711 (a) Z 12 99 99 0 -1").unwrap().is_dead);
        assert_eq!(parse(b"2 (kthreadd) S 0 0 0 0 -1"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn this_process_is_in_the_table() {
        assert!(processes().iter().any(|process| process.pid == getpid()));
    }
}
