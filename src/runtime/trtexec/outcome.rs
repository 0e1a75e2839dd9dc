//! What a run of trtexec amounts to: its report, its exit and its files come in, an engine, latencies or a failure go out. Pure.
//!
//! A success is exit 0 *and* the line PASSED *and* the numbers (or the engine). Whatever else happened, latencies that were
//! there are kept beside the failure.

use super::profile;
use super::report::Report;
use crate::bundle::format::{Latencies, Layer, Stage};
pub use crate::runtime::program::Exit;
use crate::runtime::{Failure, SelfTimed};
use crate::units::Nanos;

const SIGABRT: i32 = rustix::process::Signal::ABORT.as_raw();
const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();

/// After a build. `engine_bytes` is the size of the engine file, where there is one.
///
/// # Errors
/// Why there is no engine.
pub(crate) fn of_build(report: &Report, exit: Exit, engine_bytes: Option<u64>) -> Result<u64, Failure> {
    if let Some(failure) = failure(report, exit, Stage::Build) {
        return Err(failure);
    }
    engine_bytes.filter(|bytes| *bytes > 0).ok_or_else(|| {
        Failure::new(
            Stage::Build,
            "engine_not_saved",
            "trtexec says that it passed, and wrote no engine file",
        )
        .with_hint("make room on the disk of the spool, and see the log tail")
    })
}

/// After a timed run of `warm_up_runs` and then `timed_runs` queries. `times` are those of the exported file, where it is
/// whole; else those of the report count.
pub fn of_timing(
    report: &Report,
    exit: Exit,
    times: Option<Vec<Nanos>>,
    warm_up_runs: usize,
    timed_runs: usize,
) -> SelfTimed {
    let times = times.filter(|times| times.len() >= report.latency_ns.len());
    let mut latency_ns = times.unwrap_or_else(|| report.latency_ns.clone());
    let count = latency_ns.len();
    let mut timed = latency_ns.split_off(warm_up_runs.min(count));
    let extra_latency_ns = timed.split_off(timed_runs.min(timed.len()));
    let failure = failure(report, exit, Stage::Timing).or_else(|| {
        (timed.len() < timed_runs).then(|| {
            let detail = format!(
                "{warm_up_runs} warm-up and {timed_runs} timed runs were asked for, and trtexec reports {count} in all"
            );
            Failure::new(Stage::Timing, "wrong_count", detail)
                .with_hint("see the log tail for what it printed instead")
        })
    });
    let latencies = Latencies { warm_up_ns: latency_ns, latency_ns: timed, extra_latency_ns };
    SelfTimed { latencies, failure }
}

/// After a run for a profile.
///
/// # Errors
/// Why there is none.
pub(crate) fn of_profile(report: &Report, exit: Exit, exported: &[u8]) -> Result<Vec<Layer>, Failure> {
    if let Some(failure) = failure(report, exit, Stage::Timing) {
        return Err(failure);
    }
    profile::parse(exported).ok_or_else(|| {
        Failure::new(Stage::Timing, "no_profile", "trtexec says that it passed, and wrote no profile")
            .with_hint("see the log tail")
    })
}

fn failure(report: &Report, exit: Exit, stage: Stage) -> Option<Failure> {
    match (report.is_passed, exit) {
        (true, Exit::Code(0)) => None,
        (true, exit) => Some(
            Failure::new(
                stage,
                "crash_after_passed",
                format!("trtexec says that it passed, and then {exit}"),
            )
            .with_hint("what it gave is kept; decide whether to trust it, and see the log tail for its end"),
        ),
        (false, _) if report.cause.is_some() => told(report, stage),
        (false, Exit::Code(0)) => Some(
            Failure::new(stage, "not_passed", "trtexec exited with 0 and never said that it passed")
                .with_hint("see the log tail; a wrapper that hides the exit code of trtexec does this"),
        ),
        (false, exit) => Some(silent(report, exit, stage)),
    }
}

fn told(report: &Report, stage: Stage) -> Option<Failure> {
    let (cause, line) = report.cause.as_ref()?;
    let mut detail = format!("trtexec says `{line}`");
    if let (Some(node), "operator_not_supported" | "model_not_parsed") = (&report.node, cause.reason) {
        detail = format!("{node}, could not be read: {detail}");
    }
    let failure = Failure::new(stage, cause.reason, detail).with_hint(cause.hint);
    Some(if cause.concerns_model && stage == Stage::Build { failure.not_compilable() } else { failure })
}

/// It ended badly and none of the known texts says why.
fn silent(report: &Report, exit: Exit, stage: Stage) -> Failure {
    let mut detail = format!("trtexec {exit}");
    if let Some(error) = &report.first_error {
        detail.push_str(&format!("; its first error is `{error}`"));
    }
    let (reason, hint) = match exit.signal() {
        Some(SIGKILL) => (
            "killed",
            "most often for lack of memory: look for `Out of memory` in the kernel's log; use a smaller input or batch",
        ),
        Some(SIGABRT) => ("aborted", "a release before 8.6 ends so at any exception; the log tail names it"),
        Some(_) => {
            ("tool_crashed", "a fault of TensorRT or of its driver; see the log tail and the kernel's log")
        }
        None => ("tool_failed", "see the log tail"),
    };
    Failure::new(stage, reason, detail).with_hint(hint)
}
