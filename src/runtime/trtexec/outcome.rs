//! What a run of trtexec amounts to: its report, its exit and its files come in; an engine, latencies or a
//! failure go out. Pure.
//!
//! A success is exit 0 *and* the line PASSED *and* the numbers (or the engine). Otherwise latencies are kept,
//! if there are any, together with the failure.

use super::causes::CAUSES;
use super::profile;
use super::report::TrtexecReport;
use crate::bundle::format::{Fault, Latencies, Layer, Stage};
pub use crate::runtime::program::Exit;
use crate::runtime::{Failure, SelfTimed};
use crate::units::Nanos;

const SIGABRT: i32 = rustix::process::Signal::ABORT.as_raw();
const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();

/// After a build. `engine_bytes` is the size of the engine file, if it exists.
///
/// # Errors
/// Why there is no engine.
pub(crate) fn of_build(
    report: &TrtexecReport,
    exit: Exit,
    engine_bytes: Option<u64>,
) -> Result<u64, Failure> {
    if let Some(failure) = failure(report, exit, Stage::Build) {
        return Err(failure);
    }
    engine_bytes.filter(|bytes| *bytes > 0).ok_or_else(|| {
        Failure::new(Stage::Build, "engine_not_saved", "trtexec reported success but wrote no engine file")
            .with_hint("free space on the spool's disk, and see the log tail")
    })
}

/// After a timed run of `warm_up_runs` and then `timed_runs` queries. `times` come from the exported file, if
/// it is complete; otherwise those of the report count.
pub fn of_timing(
    report: &TrtexecReport,
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
                "trtexec was to run {warm_up_runs} warm-up and {timed_runs} timed queries, and reported {count} in total"
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
pub(crate) fn of_profile(report: &TrtexecReport, exit: Exit, exported: &[u8]) -> Result<Vec<Layer>, Failure> {
    if let Some(failure) = failure(report, exit, Stage::Timing) {
        return Err(failure);
    }
    profile::parse(exported).ok_or_else(|| {
        Failure::new(Stage::Timing, "no_profile", "trtexec reported success but wrote no profile")
            .with_hint("see the log tail")
    })
}

fn failure(report: &TrtexecReport, exit: Exit, stage: Stage) -> Option<Failure> {
    match (report.is_passed, exit) {
        (true, Exit::Code(0)) => None,
        (true, exit) => Some(
            Failure::new(stage, "crash_after_passed", format!("trtexec reported success, then {exit}"))
                .with_hint("its results are kept; see the log tail for how it ended, and decide whether to trust them"),
        ),
        (false, exit) => Some(known(report, stage).unwrap_or_else(|| unknown(report, exit, stage))),
    }
}

/// The failure that a known text among its lines explains.
fn known(report: &TrtexecReport, stage: Stage) -> Option<Failure> {
    let (cause, line) = report.cause.of(CAUSES)?;
    let mut detail = format!("trtexec says `{line}`");
    if let (Some(node), "operator_not_supported" | "model_not_parsed") = (&report.node, cause.reason) {
        detail = format!("{node}, could not be read: {detail}");
    }
    let failure = Failure::new(stage, cause.reason, detail).with_hint(cause.hint);
    let fault = match cause.fault {
        // What a build made, the device can run.
        Fault::Model if stage != Stage::Build => Fault::Unknown,
        fault => fault,
    };
    Some(failure.with_fault(fault))
}

/// It failed without a known text.
fn unknown(report: &TrtexecReport, exit: Exit, stage: Stage) -> Failure {
    if exit == Exit::Code(0) {
        return Failure::new(stage, "not_passed", "trtexec exited with code 0 but did not report success")
            .with_hint("see the log tail; a wrapper that hides the exit code of trtexec does this");
    }
    let mut detail = format!("trtexec {exit}");
    if let Some(error) = &report.first_error {
        detail.push_str(&format!("; its first error is `{error}`"));
    }
    let (reason, hint) = match exit.signal() {
        Some(SIGKILL) => (
            "killed",
            "it most often lacked memory: look for `Out of memory` in the kernel's log, and use a smaller input or batch",
        ),
        Some(SIGABRT) => {
            ("aborted", "releases before 8.6 end like this at any exception; the log tail names it")
        }
        Some(_) => (
            "tool_crashed",
            "this is a fault of TensorRT or of its driver; see the log tail and the kernel's log",
        ),
        None => ("tool_failed", "see the log tail"),
    };
    Failure::new(stage, reason, detail).with_hint(hint)
}
