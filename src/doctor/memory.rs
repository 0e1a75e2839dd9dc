//! Memory and swap: reading a swapped-out model back adds to a latency.

use super::Finding;
use super::subject::Subject;
use crate::bundle::format::Quantity;
use crate::text::counted;

/// Less is not enough for a runtime and a network of the family, whose largest inputs need a few hundred
/// megabytes.
const LEAST_BYTES: f64 = 512e6;

/// A smaller share of free memory means that the host does more than measure.
const LEAST_SHARE: f64 = 0.25;

/// The kernel swaps out at most about this much on a host that has enough memory.
const USUAL_SWAP_BYTES: f64 = 64e6;

pub(super) fn available(subject: &Subject) -> Finding {
    let Some(bytes) = subject.value(Quantity::MemoryAvailable) else {
        return Finding::unobservable("the free memory is not known");
    };
    let of_all = subject.host.memory_bytes.map(|all| bytes / all as f64);
    let observed = format!("{:.1} GB of memory are free", bytes / 1e9);
    if bytes < LEAST_BYTES {
        Finding::problem(observed, "stop the largest processes: `ps -eo rss,comm --sort -rss | head`")
    } else if of_all.is_some_and(|share| share < LEAST_SHARE) {
        Finding::advice(observed, "look for the largest processes: `ps -eo rss,comm --sort -rss | head`")
    } else {
        Finding::ok(observed)
    }
}

pub(super) fn swap(subject: &Subject) -> Finding {
    match subject.value(Quantity::SwapUsed) {
        None => Finding::unobservable("the swap in use is not known"),
        Some(bytes) if bytes > USUAL_SWAP_BYTES => Finding::advice(
            format!("{:.0} MB are swapped out", bytes / 1e6),
            "`sudo swapoff -a` while measuring, or set `host: {lock_memory: true}` in jobs",
        ),
        Some(bytes) => Finding::ok(format!("{:.0} MB are swapped out", bytes / 1e6)),
    }
}

pub(super) fn compressed_swap(subject: &Subject) -> Finding {
    match subject.read("/proc/swaps") {
        None => Finding::unobservable("the swap devices are not known"),
        Some(swaps) if swaps.lines().any(|line| line.starts_with("/dev/zram")) => Finding::advice(
            "the processors compress memory (zram) when it runs short",
            "`sudo systemctl disable --now nvzramconfig` on a Jetson, `sudo swapoff /dev/zram0` elsewhere",
        ),
        Some(_) => Finding::ok("swap is not compressed in memory"),
    }
}

pub(super) fn kills(subject: &Subject) -> Finding {
    let text = subject.read("/proc/vmstat").unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse::<u64>().ok());
    match count {
        None => Finding::unobservable("the kernel does not count processes killed for lack of memory"),
        Some(0) => Finding::ok("no process has been killed for lack of memory"),
        Some(count) => Finding::advice(
            format!(
                "{} killed for lack of memory since boot",
                counted(count, "process was", "processes were")
            ),
            "`journalctl -k | grep -i 'out of memory'` shows which",
        ),
    }
}
