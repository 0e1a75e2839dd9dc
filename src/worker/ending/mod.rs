//! Every way in which a worker can end, and what a bundle says of each.
//!
//! Pure: an [`Ended`] comes in from [`super::parent`], an [`Outcome`] goes out. Two ways of ending are kept
//! apart if the person who reads the bundle would act differently on them.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use crate::bundle::format::{
    Failure, Fault, Latencies, Layer, LoadedModel, Outcome, ReadOutputs, Resources, Sandbox, Stage, Status,
};
use crate::runtime::{Built, NodeShapes};
use crate::units::Nanos;
pub use crate::worker::reserve::{Excess, Scarce};

mod signal;

/// How a trial went.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub ending: Ending,
    /// The model as loaded, if the worker got that far.
    pub loaded: Option<LoadedModel>,
    /// What it took, if it delivered latencies.
    pub resources: Option<Resources>,
    /// How it was confined, if that was asked for and it got that far.
    pub sandbox: Option<Sandbox>,
    /// What its runs computed, if it got that far.
    pub outputs: Option<ReadOutputs>,
    /// The last stage that the worker is known to have entered.
    pub reached: Stage,
    /// The last lines of its standard error, oldest first.
    pub log_tail: Vec<String>,
    /// From its start until nothing of it was left.
    pub wall: Duration,
}

/// The ways to end.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// All latencies, then exit 0.
    Complete {
        /// As many as requested, and those beyond.
        latencies: Latencies,
        /// Latencies of the energy runs, if requested.
        energy_ns: Option<Vec<Nanos>>,
    },
    /// The time of each layer, then exit 0.
    Profiled(Vec<Layer>),
    /// What untimed runs computed, then exit 0.
    Outputs(Box<ReadOutputs>),
    /// The shapes of what the nodes made, then exit 0.
    Shapes(NodeShapes),
    /// A compiled model, then exit 0.
    Built(Box<Built>),
    /// The worker reported why it failed.
    Failed(Failure),
    /// Latencies, complete or not, and the worker reported why not to trust them.
    Objected {
        /// As received.
        latencies: Latencies,
        /// What speaks against them.
        failure: Box<Failure>,
    },
    /// All latencies, but not the clean exit that should follow.
    AfterResult {
        /// All of them.
        latencies: Latencies,
        /// What followed.
        afterwards: Afterwards,
    },
    /// A result with another number of latencies than requested.
    WrongCount {
        /// Warm-up and timed runs requested.
        asked: (usize, usize),
        /// As received.
        latencies: Latencies,
    },
    /// The process did not start.
    NotStarted {
        /// The executable.
        executable: PathBuf,
        /// Which kind of error.
        kind: ErrorKind,
        /// The system's message.
        error: String,
    },
    /// The dynamic loader did not find a library that the worker is linked with.
    LibraryNotFound {
        /// The loader's message.
        line: String,
    },
    /// It exited with a code other than 0 and gave no reason.
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
        /// For SIGKILL: did the kernel count another out-of-memory kill meanwhile? `None` if unreadable.
        out_of_memory: Option<bool>,
    },
    /// It exceeded its time limit and was killed.
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// It printed nothing and did nothing for so long, and was killed.
    Silent {
        /// The limit.
        limit: Duration,
    },
    /// It took so much of the host's memory or disk that little was left, and was killed.
    Excess(Excess),
    /// A line on standard output that is not an event.
    Garbage {
        /// Its beginning, printable.
        line: String,
    },
    /// A line on standard output that did not end.
    LineTooLong {
        /// The longest line allowed.
        limit_bytes: usize,
    },
    /// An event that has no meaning at this point.
    OutOfTurn {
        /// Its beginning, printable.
        line: String,
    },
    /// The worker is of another version.
    ProtocolMismatch {
        /// The protocol it speaks.
        theirs: u32,
    },
    /// It closed its standard output and kept running.
    OutputClosed,
    /// The daemon failed to listen to it.
    Unheard {
        /// The system's message.
        error: String,
    },
    /// Killed because the job was cancelled.
    Cancelled,
    /// Killed because the daemon stops; the job is to run again.
    Stopped,
}

/// What a worker did after its result, instead of exiting with 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Afterwards {
    /// It kept writing.
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
    /// The energy runs failed, and it reported why.
    Failed {
        /// Code.
        reason: String,
        /// For a person.
        detail: String,
    },
}

/// What the host lacks for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// Processes, descriptors, memory, or room for temporary files.
    Resources,
    /// The worker's program: away or not executable, perhaps for the time of an upgrade.
    Program,
    /// A worker of this version.
    Version,
}

/// The reason of a worker and a daemon that do not understand each other.
pub(crate) const PROTOCOL_MISMATCH: &str = "protocol_mismatch";

/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

const WRONG_VERSION: &str = "the worker does not match this `backbone`; install both from the same version";
const LIBRARY_EXITED: &str = "a library ended the process; its last log lines may say why";

impl Ended {
    /// What the bundle says of it. `runtime` is the runtime's name, for hints about its configuration.
    ///
    /// A [`Ending::Stopped`] trial has no bundle, because its job runs again; its outcome is for the log.
    pub fn outcome(&self, runtime: &str) -> Outcome {
        let log_tail = self.log_tail.clone();
        let status = match &self.ending {
            Ending::Complete { .. }
            | Ending::Built(_)
            | Ending::Profiled(_)
            | Ending::Outputs(_)
            | Ending::Shapes(_) => return Outcome::measured(log_tail),
            Ending::Failed(failure) if failure.fault == Fault::Model => Status::NotCompilable,
            Ending::Objected { failure, .. } if failure.fault == Fault::Model => Status::NotCompilable,
            Ending::TimedOut { .. } => Status::TimedOut,
            Ending::Cancelled => Status::Cancelled,
            _ => Status::Failed,
        };
        Outcome { log_tail, ..self.failure(runtime).outcome(status) }
    }

    /// Does the host lack something that has nothing to do with the job, so that another attempt may end
    /// otherwise? What an installation never had is not meant: that is for [`Ended::outcome`].
    pub(crate) fn shortage(&self) -> Option<Shortage> {
        match &self.ending {
            Ending::NotStarted { kind: ErrorKind::NotFound | ErrorKind::PermissionDenied, .. } => {
                Some(Shortage::Program)
            }
            Ending::NotStarted { .. } | Ending::Unheard { .. } => Some(Shortage::Resources),
            Ending::ProtocolMismatch { .. } => Some(Shortage::Version),
            Ending::Failed(failure) if failure.reason == PROTOCOL_MISMATCH => Some(Shortage::Version),
            _ => None,
        }
    }

    /// Latencies as received, even if the trial failed after them.
    pub fn into_latencies(self) -> Option<Latencies> {
        match self.ending {
            Ending::Complete { latencies, .. }
            | Ending::AfterResult { latencies, .. }
            | Ending::Objected { latencies, .. }
            | Ending::WrongCount { latencies, .. } => Some(latencies),
            _ => None,
        }
    }

    fn failure(&self, runtime: &str) -> Failure {
        let stage = match &self.ending {
            Ending::Failed(failure) => return failure.clone(),
            Ending::Objected { failure, .. } => return Failure::clone(failure),
            Ending::AfterResult { .. } if self.reached != Stage::Energy => Stage::Report,
            _ => self.reached,
        };
        let hint = self.hint(runtime).map(Cow::into_owned);
        Failure { hint, ..Failure::new(stage, self.reason(), self.detail()) }
    }

    fn reason(&self) -> &str {
        match &self.ending {
            Ending::Complete { .. }
            | Ending::Built(_)
            | Ending::Profiled(_)
            | Ending::Outputs(_)
            | Ending::Shapes(_) => "",
            Ending::Failed(failure) => &failure.reason,
            Ending::Objected { failure, .. } => &failure.reason,
            Ending::AfterResult { afterwards, .. } => match afterwards {
                Afterwards::Failed { reason, .. } => reason,
                Afterwards::Line { .. } => "output_after_result",
                Afterwards::Exited { .. } => "wrong_exit_after_result",
                Afterwards::Signalled { .. } => "crash_after_result",
                Afterwards::Stayed => "did_not_exit",
            },
            Ending::WrongCount { .. } => "wrong_count",
            Ending::NotStarted { kind: ErrorKind::NotFound, .. } => "worker_not_found",
            Ending::NotStarted { kind: ErrorKind::PermissionDenied, .. } => "worker_not_executable",
            Ending::NotStarted { .. } => "worker_not_started",
            Ending::LibraryNotFound { .. } => "library_not_found",
            Ending::Exited { code: PANICKED } => "worker_panicked",
            Ending::Exited { .. } => "wrong_exit",
            Ending::NoResult => "no_result",
            Ending::Signalled { signal, out_of_memory } => {
                signal::explain(*signal, *out_of_memory, &self.log_tail).reason
            }
            Ending::TimedOut { .. } => "timed_out",
            Ending::Silent { .. } => "no_output",
            Ending::Excess(Excess { what: Scarce::Memory, .. }) => "out_of_memory",
            Ending::Excess(Excess { what: Scarce::Disk, .. }) => "disk_filled",
            Ending::Garbage { .. } => "garbage",
            Ending::LineTooLong { .. } => "line_too_long",
            Ending::OutOfTurn { .. } => "out_of_turn",
            Ending::ProtocolMismatch { .. } => PROTOCOL_MISMATCH,
            Ending::OutputClosed => "output_closed",
            Ending::Unheard { .. } => "worker_not_heard",
            Ending::Cancelled => "cancelled",
            Ending::Stopped => "daemon_stopped",
        }
    }

    fn detail(&self) -> String {
        let during = during(self.reached);
        match &self.ending {
            Ending::Complete { .. }
            | Ending::Built(_)
            | Ending::Profiled(_)
            | Ending::Outputs(_)
            | Ending::Shapes(_) => String::new(),
            Ending::Failed(failure) => failure.detail.clone(),
            Ending::Objected { failure, .. } => failure.detail.clone(),
            Ending::AfterResult { afterwards, .. } => {
                format!("the worker delivered all latencies, then {afterwards}")
            }
            Ending::WrongCount { asked: (warm_up_runs, timed_runs), latencies } => format!(
                "the job requested {warm_up_runs} warm-up and {timed_runs} timed runs; the worker delivered {} and {} \
                 latencies",
                latencies.warm_up_ns.len(),
                latencies.latency_ns.len()
            ),
            Ending::NotStarted { executable, error, .. } => {
                format!("cannot start the worker `{}`: {error}", executable.display())
            }
            Ending::LibraryNotFound { line } => format!("the worker cannot load a library it needs: {line}"),
            Ending::Exited { code: PANICKED } => format!("the worker panicked {during}"),
            Ending::Exited { code } => {
                format!("the worker exited with code {code} {during} and gave no reason")
            }
            Ending::NoResult => format!("the worker exited normally {during}, but gave no result"),
            Ending::Signalled { signal, out_of_memory } => {
                let cause = signal::explain(*signal, *out_of_memory, &self.log_tail).cause;
                format!("the worker was killed by {} {during}: {cause}", signal::name(*signal))
            }
            Ending::TimedOut { limit } => {
                format!("the worker exceeded its limit of {} s {during} and was killed", limit.as_secs_f64())
            }
            Ending::Silent { limit } => {
                let seconds = limit.as_secs_f64();
                format!("the worker printed nothing and did nothing for {seconds} s {during} and was killed")
            }
            Ending::Excess(Excess { what, taken_bytes, left_bytes }) => {
                let what = match what {
                    Scarce::Memory => "the memory",
                    Scarce::Disk => "the spool's disk",
                };
                let [taken, left] = [taken_bytes, left_bytes].map(|bytes| bytes >> 20);
                format!(
                    "the worker and what it started took {taken} MiB of {what}, which left {left} MiB to the host \
                     {during}, and were killed"
                )
            }
            Ending::Garbage { line } => {
                format!("the worker wrote `{line}` to its reserved standard output {during}")
            }
            Ending::LineTooLong { limit_bytes } => {
                format!("the worker wrote more than {limit_bytes} bytes without a line break {during}")
            }
            Ending::OutOfTurn { line } => format!("the worker wrote `{line}` out of turn {during}"),
            Ending::ProtocolMismatch { theirs } => format!(
                "the worker speaks protocol {theirs}, this `backbone` speaks {}",
                super::protocol::PROTOCOL
            ),
            Ending::OutputClosed => {
                format!("the worker closed its standard output {during} and kept running")
            }
            Ending::Unheard { error } => format!("the daemon cannot listen to the worker: {error}"),
            Ending::Cancelled => format!("the job was cancelled {during}"),
            Ending::Stopped => format!("the daemon was stopped {during}"),
        }
    }

    fn hint(&self, runtime: &str) -> Option<Cow<'static, str>> {
        let hint = match &self.ending {
            Ending::Complete { .. }
            | Ending::Built(_)
            | Ending::Profiled(_)
            | Ending::Outputs(_)
            | Ending::Shapes(_)
            | Ending::Cancelled => {
                return None;
            }
            Ending::Failed(failure) => return failure.hint.clone().map(Cow::from),
            Ending::Objected { failure, .. } => return failure.hint.clone().map(Cow::from),
            Ending::NotStarted { kind: ErrorKind::NotFound, .. } => {
                return Some(
                    format!("install it, or set `runtimes.{runtime}.worker` in the configuration").into(),
                );
            }
            Ending::LibraryNotFound { .. } => {
                let key = format!("runtimes.{runtime}.library");
                return Some(format!("set `{key}` in the configuration to the library file").into());
            }
            Ending::AfterResult { .. } => {
                "the latencies are in `trials`: decide whether to trust them, and see the log tail for what the library \
                 did at its end"
            }
            Ending::WrongCount { .. } | Ending::OutOfTurn { .. } | Ending::ProtocolMismatch { .. } => {
                WRONG_VERSION
            }
            Ending::NotStarted { kind: ErrorKind::PermissionDenied, .. } => {
                "make it executable for the daemon's user"
            }
            Ending::NotStarted { .. } => {
                "the host is short of processes or memory, or the file is not a program for this host"
            }
            Ending::Exited { code: PANICKED } => {
                "its last log lines say where; please report it with the model"
            }
            Ending::Exited { .. } | Ending::NoResult => LIBRARY_EXITED,
            Ending::Signalled { signal, out_of_memory } => {
                signal::explain(*signal, *out_of_memory, &self.log_tail).hint
            }
            Ending::TimedOut { .. } => "raise `measure.timeout_seconds`, or request fewer runs",
            Ending::Silent { .. } => {
                "it waited for something that did not come: a device that hangs, most likely; `no_output_seconds` in \
                 the configuration sets the limit"
            }
            Ending::Excess(Excess { what: Scarce::Memory, .. }) => signal::USE_LESS_MEMORY,
            Ending::Excess(Excess { what: Scarce::Disk, .. }) => {
                "its library or its model writes without end into the folder for temporary files; if it needs that \
                 much, give the spool a larger disk"
            }
            Ending::Garbage { .. } => {
                "a library prints there: turn its messages off, because printing also disturbs the timing"
            }
            Ending::LineTooLong { .. } => {
                "the worker does not match this `backbone`, or a library prints to standard output"
            }
            Ending::OutputClosed => {
                "a library closed a file that is not its own; its last log lines may say why"
            }
            Ending::Unheard { .. } => "the host is short of memory or file descriptors; see the daemon's log",
            Ending::Stopped => "the job runs again when the daemon starts",
        };
        Some(hint.into())
    }
}

impl std::fmt::Display for Afterwards {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line { line } => write!(formatter, "wrote `{line}`"),
            Self::Exited { code } => write!(formatter, "exited with code {code}"),
            Self::Signalled { signal } => write!(formatter, "was killed by {}", signal::name(*signal)),
            Self::Stayed => write!(formatter, "did not exit and was killed"),
            Self::Failed { detail, .. } => write!(formatter, "failed in the energy runs: {detail}"),
        }
    }
}

fn during(stage: Stage) -> &'static str {
    match stage {
        Stage::Claim | Stage::Spec | Stage::Model | Stage::Queue | Stage::Power | Stage::Start => {
            "during startup"
        }
        Stage::Load => "while loading the model",
        Stage::Prepare => "while preparing to run",
        Stage::Build => "while compiling the model",
        Stage::WarmUp => "during warm-up",
        Stage::Timing => "during the timed runs",
        Stage::Report => "after its last run",
        Stage::Energy => "during the energy runs",
    }
}

#[cfg(test)]
mod tests;
