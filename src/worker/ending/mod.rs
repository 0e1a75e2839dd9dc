//! Every way in which a worker can end, and what a bundle says of each.
//!
//! Pure: an [`Ended`] comes in from [`super::parent`], an [`Outcome`] goes out. No way of ending is folded into
//! another where the person who reads the bundle would do something else about it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::format::{Layer, Outcome, Stage, Status, Tensor};
use crate::runtime::{Built, Failure, ProviderNodes};
use crate::units::Nanos;
use crate::worker::protocol::Placed;

/// How a trial went.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub ending: Ending,
    /// The model as loaded, where the worker came that far.
    pub loaded: Option<LoadedModel>,
    /// The last stage that the worker is known to have entered.
    pub reached: Stage,
    /// Latencies of a complete trial beyond those asked for.
    pub extra_latency_ns: Vec<Nanos>,
    /// The last lines of its standard error, oldest first.
    pub log_tail: Vec<String>,
    /// From its start until nothing of it was left.
    pub wall: Duration,
}

/// A model as a worker loaded it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadedModel {
    /// Version as the library tells it.
    pub version: Option<String>,
    /// The library file that was mapped.
    pub library: Option<PathBuf>,
    /// Options in force, defaults included.
    pub options: BTreeMap<String, Value>,
    /// Input tensors as bound.
    pub inputs: Vec<Tensor>,
    /// Output tensors.
    pub outputs: Vec<Tensor>,
    /// Which provider runs which nodes; empty for a runtime that has no providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderNodes>,
    /// Library files that were mapped beside `library`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<PathBuf>,
    /// Where and how the worker ran, where something was asked for.
    #[serde(default)]
    pub placed: Option<Placed>,
}

/// The ways to end.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// All latencies, then exit 0.
    Complete {
        /// Latencies of the warm-up runs.
        warm_up_ns: Vec<Nanos>,
        /// Latencies of the timed runs.
        latency_ns: Vec<Nanos>,
        /// Latencies of the runs for energy, where it was asked for.
        energy_ns: Option<Vec<Nanos>>,
    },
    /// The time of each layer, then exit 0.
    Profiled(Vec<Layer>),
    /// A compiled model, then exit 0.
    Built(Box<Built>),
    /// The worker told why it could not.
    Failed(Failure),
    /// Latencies, whole or not, and the worker told why they are not to be trusted.
    Objected {
        /// Latencies of the warm-up runs, as received.
        warm_up_ns: Vec<Nanos>,
        /// Latencies of the timed runs, as received.
        latency_ns: Vec<Nanos>,
        /// What speaks against them.
        failure: Box<Failure>,
    },
    /// All latencies, and then not the clean exit that should follow.
    AfterResult {
        /// Latencies of the warm-up runs, whole.
        warm_up_ns: Vec<Nanos>,
        /// Latencies of the timed runs, whole.
        latency_ns: Vec<Nanos>,
        /// What followed.
        afterwards: Afterwards,
    },
    /// A result, but not with as many latencies as asked for.
    WrongCount {
        /// Warm-up and timed runs as asked for.
        asked: (usize, usize),
        /// Latencies of warm-up runs, as received.
        warm_up_ns: Vec<Nanos>,
        /// Latencies of timed runs, as received.
        latency_ns: Vec<Nanos>,
    },
    /// The process could not be started.
    NotStarted {
        /// The executable.
        executable: PathBuf,
        /// Which kind of error.
        kind: std::io::ErrorKind,
        /// The system's words.
        error: String,
    },
    /// The dynamic loader could not find a library that the worker is linked with.
    LibraryNotFound {
        /// The loader's words.
        line: String,
    },
    /// It exited with a code other than 0 and without a word.
    Exited {
        /// The code.
        code: i32,
    },
    /// It exited 0 without a result.
    NoResult,
    /// A signal that the daemon did not send.
    Signalled {
        /// Its number.
        signal: i32,
        /// For SIGKILL: did the kernel's count of out-of-memory kills rise meanwhile? None where it could not be read.
        out_of_memory: Option<bool>,
    },
    /// It ran longer than it may, and was killed.
    TimedOut {
        /// How long it may run.
        limit: Duration,
    },
    /// A line on standard output that is no event.
    Garbage {
        /// Its beginning, printable.
        line: String,
    },
    /// A line on standard output that found no end.
    LineTooLong {
        /// What a line may have.
        limit_bytes: usize,
    },
    /// An event at a point where it means nothing.
    OutOfTurn {
        /// Its beginning, printable.
        line: String,
    },
    /// The worker is of another version.
    ProtocolMismatch {
        /// The protocol it speaks.
        theirs: u32,
    },
    /// It closed its standard output and ran on.
    OutputClosed,
    /// The daemon could not listen to it.
    Unheard {
        /// The system's words.
        error: String,
    },
    /// Killed because somebody cancelled the job.
    Cancelled,
    /// Killed because the daemon stops; the job is to run again.
    Stopped,
}

/// What a worker did after its result, instead of exiting with 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Afterwards {
    /// It wrote on.
    Line {
        /// The line's beginning, printable.
        line: String,
    },
    /// It exited with another code.
    Exited {
        /// The code.
        code: i32,
    },
    /// A signal ended it.
    Signalled {
        /// Its number.
        signal: i32,
    },
    /// It did not end.
    Stayed,
    /// It could not run for energy, and told why.
    Failed {
        /// Code.
        reason: String,
        /// For a person.
        detail: String,
    },
}

impl Ended {
    /// Latencies of warm-up and timed runs as received, also where the trial failed after them.
    pub fn latencies(&self) -> Option<(&[Nanos], &[Nanos])> {
        match &self.ending {
            Ending::Complete { warm_up_ns, latency_ns, .. }
            | Ending::AfterResult { warm_up_ns, latency_ns, .. }
            | Ending::Objected { warm_up_ns, latency_ns, .. }
            | Ending::WrongCount { warm_up_ns, latency_ns, .. } => Some((warm_up_ns, latency_ns)),
            _ => None,
        }
    }

    /// What the bundle says of it. `runtime` is the runtime's name, for hints about its configuration.
    ///
    /// A [`Ending::Stopped`] trial has no bundle: its job runs again. It is described all the same, for the log.
    pub fn outcome(&self, runtime: &str) -> Outcome {
        let Told { status, stage, reason, detail, hint } = self.told(runtime);
        let is_measured = status == Status::Measured;
        Outcome {
            status,
            stage: (!is_measured).then_some(stage),
            reason: (!is_measured).then_some(reason),
            detail: (!is_measured).then_some(detail),
            hint,
            mistakes: Vec::new(),
            log_tail: self.log_tail.clone(),
        }
    }

    fn told(&self, runtime: &str) -> Told {
        let during = during(self.reached);
        let fail = |reason: &str, detail: String, hint: &str| Told {
            status: Status::Failed,
            stage: self.reached,
            reason: reason.into(),
            detail,
            hint: Some(hint.into()),
        };
        match &self.ending {
            Ending::Complete { .. } | Ending::Built(_) | Ending::Profiled(_) => {
                Told { status: Status::Measured, hint: None, ..fail("", String::new(), "") }
            }
            Ending::Failed(failure) => told_by_worker(failure),
            Ending::Objected { failure, .. } => told_by_worker(failure),
            Ending::AfterResult { afterwards, .. } => Told {
                stage: if self.reached == Stage::Energy { Stage::Energy } else { Stage::Report },
                ..fail(
                    match afterwards {
                        Afterwards::Failed { reason, .. } => reason,
                        Afterwards::Line { .. } => "output_after_result",
                        Afterwards::Exited { .. } => "wrong_exit_after_result",
                        Afterwards::Signalled { .. } => "crash_after_result",
                        Afterwards::Stayed => "did_not_exit",
                    },
                    format!("the worker gave all latencies, and then {afterwards}"),
                    "the latencies are in `trials`; decide whether to trust them, and see the log tail for what the \
                     library did at its end",
                )
            },
            Ending::WrongCount { asked, warm_up_ns, latency_ns } => fail(
                "wrong_count",
                format!(
                    "{} warm-up and {} timed runs were asked for, and {} and {} latencies came back",
                    asked.0,
                    asked.1,
                    warm_up_ns.len(),
                    latency_ns.len()
                ),
                "the worker executable does not fit this `backbone`; install both from the same version",
            ),
            Ending::NotStarted { executable, kind, error } => not_started(
                |reason, detail, hint| fail(reason, detail, hint),
                executable.display(),
                *kind,
                error,
                runtime,
            ),
            Ending::LibraryNotFound { line } => fail(
                "library_not_found",
                format!("the worker's executable could not be loaded: {line}"),
                &format!("name the library file in the configuration, `runtimes.{runtime}.library`"),
            ),
            Ending::Exited { code: 101 } => fail(
                "worker_panicked",
                format!("the worker gave up {during} with a panic"),
                "its last log lines say where; please report it with the model",
            ),
            Ending::Exited { code } => fail(
                "wrong_exit",
                format!("the worker exited with code {code} {during} and gave no reason"),
                "a library ended the process by itself; its last log lines may say why",
            ),
            Ending::NoResult => fail(
                "no_result",
                format!("the worker exited {during} as if all were well, but gave no result"),
                "a library ended the process by itself; its last log lines may say why",
            ),
            Ending::Signalled { signal, out_of_memory } => {
                let (reason, cause, hint) = self.signal(*signal, *out_of_memory);
                fail(
                    reason,
                    format!("the worker was ended {during} by {}: {cause}", signal_name(*signal)),
                    hint,
                )
            }
            Ending::TimedOut { limit } => Told {
                status: Status::TimedOut,
                ..fail(
                    "timed_out",
                    format!(
                        "the worker was still running {during} after {} s and was killed",
                        limit.as_secs_f64()
                    ),
                    "raise `measure.timeout_seconds`, or ask for fewer runs",
                )
            },
            Ending::Garbage { line } => fail(
                "garbage",
                format!("the worker wrote `{line}` {during} to its standard output, which is reserved"),
                "a library prints there; turn its messages off, for printing would disturb the timing as well",
            ),
            Ending::LineTooLong { limit_bytes } => fail(
                "line_too_long",
                format!("the worker wrote more than {limit_bytes} bytes without a line's end {during}"),
                "the worker executable does not fit this `backbone`, or a library prints to standard output",
            ),
            Ending::OutOfTurn { line } => fail(
                "out_of_turn",
                format!("the worker wrote `{line}` {during}, where it means nothing"),
                "the worker executable does not fit this `backbone`; install both from the same version",
            ),
            Ending::ProtocolMismatch { theirs } => fail(
                "protocol_mismatch",
                format!("the worker speaks protocol {theirs}, this `backbone` {}", super::protocol::PROTOCOL),
                "install the worker executable and `backbone` from the same version",
            ),
            Ending::OutputClosed => fail(
                "output_closed",
                format!("the worker closed its standard output {during} and ran on"),
                "a library closed a file that is not its own; its last log lines may say why",
            ),
            Ending::Unheard { error } => fail(
                "worker_not_heard",
                format!("the worker could not be listened to: {error}"),
                "the host lacks memory or file descriptors; see the daemon's log",
            ),
            Ending::Cancelled => Told {
                status: Status::Cancelled,
                hint: None,
                ..fail("cancelled", format!("the job was cancelled {during}"), "")
            },
            Ending::Stopped => fail(
                "daemon_stopped",
                format!("the daemon was stopped {during}"),
                "the job runs again when the daemon does",
            ),
        }
    }

    fn signal(&self, signal: i32, out_of_memory: Option<bool>) -> (&'static str, &'static str, &'static str) {
        match (signal, out_of_memory) {
            (SIGKILL, Some(true)) => (
                "out_of_memory",
                "the host's memory was exhausted",
                "use a smaller model or batch, stop other programs, or lift the unit's memory limit",
            ),
            (SIGKILL, Some(false)) => (
                "killed",
                "someone killed it, and it was not the kernel for lack of memory",
                "look for an operator, a script or a supervisor that kills processes",
            ),
            (SIGKILL, None) => (
                "killed",
                "whether for lack of memory, this host does not tell",
                "look for `Out of memory` in the kernel's log, then for someone who kills processes",
            ),
            (SIGABRT, _) if self.log_tail.iter().any(|line| says_out_of_memory(line)) => (
                "out_of_memory",
                "it could not get the memory it asked for",
                "use a smaller model or batch, stop other programs, or lift the unit's memory limit",
            ),
            (SIGABRT, _) => (
                "aborted",
                "the library gave up by itself",
                "its last log lines say why; a model that the library does not expect is the usual cause",
            ),
            (SIGSEGV, _) => (
                "segmentation_fault",
                "it touched memory that is not its own",
                "a fault of the library, or a model made to break it; try another version of the library",
            ),
            (SIGBUS, _) => (
                "bus_error",
                "it touched memory that has nothing behind it",
                "a file was shortened while mapped, or the disk is full or failing; see the kernel's log",
            ),
            (SIGILL, _) => (
                "illegal_instruction",
                "it ran an instruction that this processor does not have",
                "the library was built for another processor; install one built for this host",
            ),
            (SIGFPE, _) => (
                "arithmetic_fault",
                "it divided by zero",
                "a fault of the library, or a model with an empty dimension; try another version of the library",
            ),
            (SIGSYS, _) => (
                "blocked_system_call",
                "it used a system call that a sandbox forbids",
                "loosen `SystemCallFilter=` of the unit",
            ),
            _ => (
                "signalled",
                "nothing in the worker expects that",
                "look for someone who sends signals to processes, and at the last log lines",
            ),
        }
    }
}

struct Told {
    status: Status,
    stage: Stage,
    reason: String,
    detail: String,
    hint: Option<String>,
}

fn told_by_worker(failure: &Failure) -> Told {
    Told {
        status: if failure.is_not_compilable { Status::NotCompilable } else { Status::Failed },
        stage: failure.stage,
        reason: failure.reason.clone(),
        detail: failure.detail.clone(),
        hint: failure.hint.clone(),
    }
}

fn not_started(
    fail: impl Fn(&str, String, &str) -> Told,
    executable: std::path::Display<'_>,
    kind: std::io::ErrorKind,
    error: &str,
    runtime: &str,
) -> Told {
    let detail = format!("cannot start the worker `{executable}`: {error}");
    match kind {
        std::io::ErrorKind::NotFound => fail(
            "worker_not_found",
            detail,
            &format!("install it, or name it in the configuration, `runtimes.{runtime}.worker`"),
        ),
        std::io::ErrorKind::PermissionDenied => {
            fail("worker_not_executable", detail, "make it executable for the daemon's user")
        }
        _ => fail(
            "worker_not_started",
            detail,
            "the host lacks processes or memory, or the file is no program for it",
        ),
    }
}

impl std::fmt::Display for Afterwards {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line { line } => write!(formatter, "wrote `{line}`"),
            Self::Exited { code } => write!(formatter, "exited with code {code}"),
            Self::Signalled { signal } => write!(formatter, "was ended by {}", signal_name(*signal)),
            Self::Stayed => write!(formatter, "did not exit and was killed"),
            Self::Failed { detail, .. } => write!(formatter, "could not run for energy: {detail}"),
        }
    }
}

fn during(stage: Stage) -> &'static str {
    match stage {
        Stage::Claim | Stage::Spec | Stage::Model | Stage::Queue | Stage::Power | Stage::Start => {
            "at its start"
        }
        Stage::Load => "while it loaded the model",
        Stage::Prepare => "while it prepared to run",
        Stage::Build => "while it compiled the model",
        Stage::WarmUp => "in its warm-up runs",
        Stage::Timing => "in its timed runs",
        Stage::Report => "after its last run",
        Stage::Energy => "in its runs for energy",
    }
}

// What Rust, C++ and C libraries print when an allocation fails.
fn says_out_of_memory(line: &str) -> bool {
    ["memory allocation of ", "std::bad_alloc", "Cannot allocate memory"]
        .iter()
        .any(|words| line.contains(words))
}

const SIGILL: i32 = rustix::process::Signal::ILL.as_raw();
const SIGABRT: i32 = rustix::process::Signal::ABORT.as_raw();
const SIGBUS: i32 = rustix::process::Signal::BUS.as_raw();
const SIGFPE: i32 = rustix::process::Signal::FPE.as_raw();
const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();
const SIGSEGV: i32 = rustix::process::Signal::SEGV.as_raw();
const SIGSYS: i32 = rustix::process::Signal::SYS.as_raw();

fn signal_name(signal: i32) -> String {
    let name = match signal {
        SIGILL => "SIGILL",
        SIGABRT => "SIGABRT",
        SIGBUS => "SIGBUS",
        SIGFPE => "SIGFPE",
        SIGKILL => "SIGKILL",
        SIGSEGV => "SIGSEGV",
        SIGSYS => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.into()
}

#[cfg(test)]
mod tests;
