//! Where and how a worker runs: its processors, nice value and memory. The worker applies this to itself
//! before a library starts threads, reads it back and reports it. A refusal of the kernel does not end the
//! trial.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, geteuid, getpriority_process, getrlimit, setpriority_process};
use rustix::thread::{CapabilitySet, CpuSet, capabilities, sched_getaffinity, sched_setaffinity};

use crate::bundle::format::Placed;
use crate::worker::protocol::Wish;

/// Place this process. `None` if nothing is requested.
pub(super) fn apply(wish: &Wish) -> Option<Placed> {
    if *wish == Wish::default() {
        return None;
    }
    let mut refused = Vec::new();
    let mut attempt = |what: &str, result: Result<(), Errno>| {
        if let Err(errno) = result {
            refused.push(format!("{what}: {errno}"));
        }
    };
    if !wish.cpus.is_empty() {
        attempt(&format!("processors {:?}", wish.cpus), keep_to(&wish.cpus));
    }
    if let Some(nice) = wish.nice {
        attempt(&format!("nice value {nice}"), setpriority_process(None, nice));
    }
    let locked = if wish.lock_memory { lock_memory() } else { Ok(()) };
    attempt("locked memory", locked);
    let (cpus, nice) = (cpus_in_force(), getpriority_process(None).ok());
    // The kernel silently leaves out processors that it does not have.
    if !wish.cpus.is_empty()
        && refused.is_empty()
        && cpus.as_ref().is_some_and(|cpus| *cpus != sorted(&wish.cpus))
    {
        refused.push(format!("processors {:?}: the kernel gave {cpus:?}", wish.cpus));
    }
    Some(Placed { cpus, nice, memory_locked: wish.lock_memory && locked.is_ok(), refused })
}

/// Refused if there is a limit: later allocations of the library would fail beyond it, and the trial with
/// them.
fn lock_memory() -> Result<(), Errno> {
    let is_limited = getrlimit(Resource::Memlock).current.is_some();
    let is_above_limits = geteuid().is_root()
        && capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    if is_limited && !is_above_limits {
        return Err(Errno::PERM);
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE)
}

/// Restrict the calling thread, and the threads it starts, to these processors.
///
/// # Errors
/// None of them exists, or the kernel does not allow it.
pub(crate) fn keep_to(cpus: &[u32]) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    for cpu in cpus.iter().map(|&cpu| cpu as usize).filter(|&cpu| cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    sched_setaffinity(None, &set)
}

/// The processors that the calling thread may run on.
pub fn cpus_in_force() -> Option<Vec<u32>> {
    let set = sched_getaffinity(None).ok()?;
    Some((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).map(|cpu| cpu as u32).collect())
}

fn sorted(cpus: &[u32]) -> Vec<u32> {
    let mut cpus = cpus.to_vec();
    cpus.sort_unstable();
    cpus
}
