//! What it takes to lock a host's clocks in a power mode, read them back, and restore everything: on a fake
//! AGX Xavier, without the time that its tools take, which is seconds on a device and not ours to save.
//!
//! One span is what the daemon does for a job's turn: the state found is read and made durable, the mode set,
//! the clocks locked stage by stage with a reading after each, the state read before and after a process,
//! everything restored and read again, and the durable state removed. The fake host is in memory, as sysfs
//! is, and once more on the disk, to show what the five fsync(2) calls of a span cost there: that is the
//! disk's time, and every disk has its own.

use std::cell::Cell;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::{Duration, Instant};

use backbone::bundle::format::PowerRequest;
use backbone::host::HostRoot;
use backbone::host::machine::Machine;
use backbone::host::power::hold::PowerHost;
use backbone::host::power::saved::SavedFile;
use backbone::host::tool::{ToolCall, ToolError, ToolOutput};

use crate::rig::{Report, quantile};

/// Enough for a median that repeats.
const SPANS: usize = 50;

/// The median may take this long.
const LIMIT_MS: f64 = 50.0;

/// A host whose tools are timed.
struct Timed {
    root: HostRoot,
    in_tools: Cell<Duration>,
}

impl Machine for Timed {
    fn read(&self, path: &str) -> std::io::Result<String> {
        Machine::read(&self.root, path)
    }

    fn write(&self, path: &str, value: &str) -> std::io::Result<()> {
        Machine::write(&self.root, path, value)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        self.root.names(folder)
    }

    fn run(&self, call: &ToolCall<'_>) -> Result<ToolOutput, ToolError> {
        let started = Instant::now();
        let result = self.root.run(call);
        self.in_tools.set(self.in_tools.get() + started.elapsed());
        result
    }
}

/// A file system in memory on every Linux.
const IN_MEMORY: &str = "/dev/shm";

/// Milliseconds of each span, its own and those of the tools.
struct Spans {
    own: Vec<f64>,
    tools: Vec<f64>,
}

pub(crate) fn run() -> ExitCode {
    let in_memory = spans(Path::new(IN_MEMORY));
    let on_disk = spans(&std::env::temp_dir());
    let mut report = Report::new("Lock, verify and restore a fake AGX Xavier");
    let (median, slow) = (quantile(in_memory.own.clone(), 0.5), quantile(in_memory.own, 0.95));
    let figure = format!("median {median:.1} ms, p95 {slow:.1} ms");
    report.judged("without its tools", &figure, "median ≤ 50 ms", median <= LIMIT_MS);
    report.figure("the same on the disk", &format!("median {:.1} ms", quantile(on_disk.own, 0.5)));
    report.figure("its tools (stubs)", &format!("median {:.1} ms", quantile(in_memory.tools, 0.5)));
    report.end()
}

fn spans(parent: &Path) -> Spans {
    let folder = tempfile::tempdir_in(parent).expect("a folder");
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host/make");
    let made = Command::new("bash").arg(make).arg("agx-xavier-jetpack-4.3").arg(folder.path()).status();
    assert!(made.is_ok_and(|status| status.success()), "tests/host/make failed");
    let root = HostRoot::new(folder.path()).expect("a host root");
    let keep = Rc::new(SavedFile::of(&root, folder.path()));
    let control = backbone::host::family(&root).power;
    let machine = Rc::new(Timed { root, in_tools: Cell::default() });
    let host = PowerHost::new(control, machine.clone(), keep);
    let request = PowerRequest { power_mode: Some("MODE_30W_ALL".to_owned()), lock_clocks: true };
    let mut spans = Spans { own: Vec::new(), tools: Vec::new() };
    for _ in 0..SPANS {
        machine.in_tools.set(Duration::ZERO);
        let started = Instant::now();
        let hold = host.take("1-bench", &request).expect("the state asked for");
        assert!(hold.not_applied.is_empty());
        for _ in 0..2 {
            assert_eq!(host.read(), hold.applied);
        }
        let recovered = hold.release().expect("the host is restored");
        assert!(recovered.not_restored.is_empty());
        let all = started.elapsed();
        spans.tools.push(machine.in_tools.get().as_secs_f64() * 1e3);
        spans.own.push((all - machine.in_tools.get()).as_secs_f64() * 1e3);
    }
    spans
}
