//! What the daemon has started, from `/proc`.

use std::path::PathBuf;

use backbone::worker::protocol::TIMING_NAME;

use super::Rig;

/// A process that must not outlive something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    id: u32,
    /// When it started, in clock ticks: a process id may be given out again.
    started: String,
}

impl Process {
    /// Is it alive? A process that only waits to be reaped is not.
    pub(crate) fn is_alive(&self) -> bool {
        fields(self.id).is_some_and(|fields| {
            fields.started == self.started && !matches!(fields.state.as_str(), "Z" | "X")
        })
    }
}

struct Fields {
    state: String,
    parent: String,
    started: String,
}

/// Of `/proc/ID/stat`, proc_pid_stat(5): after the name in parentheses the state, the parent, and as 20th the
/// start time.
fn fields(id: u32) -> Option<Fields> {
    let stat = fs_err::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(Fields {
        state: fields.first()?.to_string(),
        parent: fields.get(1)?.to_string(),
        started: fields.get(19)?.to_string(),
    })
}

impl Rig {
    /// The worker that is timing now.
    pub(crate) fn wait_for_timing(&self) -> Process {
        self.wait_for("a worker that times", || {
            self.children().into_iter().find(|child| {
                let name = fs_err::read_to_string(format!("/proc/{}/comm", child.id)).unwrap_or_default();
                name.trim().as_bytes() == TIMING_NAME.to_bytes()
            })
        })
    }

    /// Processes whose parent is the daemon.
    pub(crate) fn children(&self) -> Vec<Process> {
        let daemon = self.process().to_string();
        let ids = fs_err::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        ids.filter_map(|id| {
            let fields = fields(id).filter(|fields| fields.parent == daemon)?;
            Some(Process { id, started: fields.started })
        })
        .collect()
    }

    /// The daemon's peak of resident memory, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let path = PathBuf::from(format!("/proc/{}/status", self.process()));
        let status = fs_err::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }
}
