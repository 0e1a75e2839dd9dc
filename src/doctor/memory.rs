//! Memory and swap: a model that is swapped out is read back within a latency.

use super::Finding;
use super::subject::Subject;
use crate::bundle::format::Quantity;

/// Less is not enough for a runtime and a network of the family, whose largest inputs need some hundred megabytes.
const LEAST_BYTES: f64 = 512e6;

/// Less of all memory than this is left by a host that does more than measure.
const LEAST_SHARE: f64 = 0.25;

/// What the kernel swaps out of a host that has memory enough is about this much at most.
const USUAL_SWAP_BYTES: f64 = 64e6;

pub(super) fn available(subject: &Subject) -> Finding {
    let Some(bytes) = told(subject, Quantity::MemoryAvailable) else {
        return Finding::unobservable("the host does not tell how much memory is left");
    };
    let of_all = subject.host.memory_bytes.map(|all| bytes / all as f64);
    let observed = format!("{:.1} GB of memory are left", bytes / 1e9);
    if bytes < LEAST_BYTES {
        Finding::problem(observed, "end what takes it: `ps -eo rss,comm --sort -rss | head`")
    } else if of_all.is_some_and(|share| share < LEAST_SHARE) {
        Finding::advice(observed, "see what takes it: `ps -eo rss,comm --sort -rss | head`")
    } else {
        Finding::ok(observed)
    }
}

fn told(subject: &Subject, quantity: Quantity) -> Option<f64> {
    subject.sensors_of(quantity).find_map(|(_, value)| value)
}

pub(super) fn swap(subject: &Subject) -> Finding {
    match told(subject, Quantity::SwapUsed) {
        None => Finding::unobservable("the host does not tell how much swap is in use"),
        Some(bytes) if bytes > USUAL_SWAP_BYTES => Finding::advice(
            format!("{:.0} MB are swapped out", bytes / 1e6),
            "`sudo swapoff -a` while measuring, or let jobs ask for `host: {lock_memory: true}`",
        ),
        Some(bytes) => Finding::ok(format!("{:.0} MB are swapped out", bytes / 1e6)),
    }
}

pub(super) fn compressed_swap(subject: &Subject) -> Finding {
    match subject.read("/proc/swaps") {
        None => Finding::unobservable("the host does not tell what it swaps to"),
        Some(swaps) if swaps.lines().any(|line| line.starts_with("/dev/zram")) => Finding::advice(
            "memory is compressed by the processors (zram) when it runs short",
            "`sudo systemctl disable --now nvzramconfig` on a Jetson, `sudo swapoff /dev/zram0` elsewhere",
        ),
        Some(_) => Finding::ok("no memory is compressed"),
    }
}

pub(super) fn kills(subject: &Subject) -> Finding {
    let text = subject.read("/proc/vmstat").unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse::<u64>().ok());
    match count {
        None => Finding::unobservable("the kernel does not count processes killed for lack of memory"),
        Some(0) => Finding::ok("no process was killed for lack of memory"),
        Some(count) => Finding::advice(
            format!("{count} processes were killed for lack of memory since the host started"),
            "`journalctl -k | grep -i 'out of memory'` names them",
        ),
    }
}
