//! What a run of trtexec amounts to: its report, its exit and its files come in; an engine, latencies or a
//! failure go out. Pure.
//!
//! A success is exit 0 *and* the line PASSED *and* the numbers (or the engine). Otherwise latencies are kept,
//! if there are any, together with the failure.

use super::causes::{self, MEMORY, NO_IMPLEMENTATION, OUT_OF_MEMORY};
use super::report::{TrtexecReport, Wording};
use super::times::Times;
use super::{clock, profile};
use crate::bundle::format::{Fault, Latencies, Layer, Stage};
pub use crate::runtime::program::Exit;
use crate::runtime::{Failure, SelfTimed};

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
    times: Option<Times>,
    warm_up_runs: usize,
    timed_runs: usize,
) -> SelfTimed {
    let doubt = doubt(report, times.as_ref(), warm_up_runs + timed_runs);
    let step = Some(clock::step(loop_milliseconds(report, times.as_ref()), report.wording));
    let times = times.map(|times| times.latency_ns).filter(|times| times.len() >= report.latency_ns.len());
    let mut latency_ns = times.unwrap_or_else(|| report.latency_ns.clone());
    let count = latency_ns.len();
    let mut timed = latency_ns.split_off(warm_up_runs.min(count));
    let extra_latency_ns = timed.split_off(timed_runs.min(timed.len()));
    let failure = failure(report, exit, Stage::Timing)
        .or_else(|| {
            (timed.len() < timed_runs).then(|| {
                let detail = format!(
                    "trtexec was to run {warm_up_runs} warm-up and {timed_runs} timed queries, and reported {count} in total"
                );
                Failure::new(Stage::Timing, "wrong_count", detail)
                    .with_hint("see the log tail for what it printed instead")
            })
        })
        .or_else(|| {
            let detail = format!("trtexec reported success, but {}", doubt?);
            let failure = Failure::new(Stage::Timing, "report_contradicts_itself", detail);
            Some(failure.with_hint(
                "lines of it were lost or doubled: see the log tail, and whether `runtimes.trtexec.program` is a wrapper that changes them",
            ))
        });
    let latencies =
        Latencies { warm_up_ns: latency_ns, latency_ns: timed, extra_latency_ns, clock_step_ns: step };
    SelfTimed { latencies, failure }
}

/// Why the times of the queries may not be those that trtexec measured. The exported file or the summary must
/// agree with the lines; the releases before 7.0 have neither.
fn doubt(report: &TrtexecReport, times: Option<&Times>, asked: usize) -> Option<String> {
    let printed = &report.latency_ns;
    if let Some(times) = times.filter(|times| !printed.is_empty() && times.latency_ns != *printed) {
        let count = times.latency_ns.len();
        return Some(format!("the {count} times it exported are not the {} that it printed", printed.len()));
    }
    if report.wording.is_some_and(|wording| wording != Wording::Since7) && printed.len() > asked {
        return Some(format!("it shows the times of {} queries, and {asked} were to run", printed.len()));
    }
    let is_witnessed =
        times.is_some() || report.summary.is_whole() || report.wording != Some(Wording::Since7);
    let missing = || (!is_witnessed).then(|| "its summary is missing".to_owned());
    report.summary.contradicts(printed).or_else(missing)
}

/// How long the loop of queries ran, in milliseconds; at least as long as all queries together.
fn loop_milliseconds(report: &TrtexecReport, times: Option<&Times>) -> f64 {
    let exported = times.and_then(|times| times.last_milliseconds);
    let queries = report.latency_ns.iter().map(|latency| latency.0 as f64 / 1e6).sum();
    exported.map_or(queries, |last| last.max(queries))
}

/// After a run for the outputs: why they cannot be trusted.
pub(crate) fn of_outputs(report: &TrtexecReport, exit: Exit) -> Option<Failure> {
    failure(report, exit, Stage::Report)
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
    match (report.is_success(), exit) {
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
    let (known, line) = report.cause.row()?;
    let mut detail = format!("trtexec says `{line}`");
    if let (Some(node), "operator_not_supported" | "model_not_parsed" | "plugin_not_found") =
        (&report.node, known.reason)
    {
        detail = format!("{node}, could not be read: {detail}");
    }
    if let Some(meaning) = causes::cuda_error(line) {
        detail = format!("{detail}: {meaning}");
    }
    let failure = match (known.reason, &report.tactic_skipped, &report.workspace_short) {
        (NO_IMPLEMENTATION, Some(skipped), _) => {
            let detail = format!("{detail}, after `{skipped}`");
            of_memory(report, Failure::new(stage, OUT_OF_MEMORY, detail).with_hint(MEMORY))
        }
        (NO_IMPLEMENTATION, None, Some(short)) => {
            Failure::new(stage, "workspace_too_small", format!("{detail}, after `{short}`"))
                .with_hint("raise `runtime_options.workspace_mebibytes`")
                .with_fault(Fault::Job)
        }
        (OUT_OF_MEMORY, ..) => {
            of_memory(report, Failure::new(stage, OUT_OF_MEMORY, detail).with_hint(known.hint))
        }
        _ => Failure::new(stage, known.reason, detail).with_hint(known.hint).with_fault(known.fault),
    };
    Some(match failure.fault {
        // What a build made, the device can run.
        Fault::Model if stage != Stage::Build => failure.with_fault(Fault::Unknown),
        _ => failure,
    })
}

/// Lack of memory, and whose fault it is.
fn of_memory(report: &TrtexecReport, mut failure: Failure) -> Failure {
    if let Some(found) = report.memory.detail() {
        failure.detail = format!("{}; {found}", failure.detail);
    }
    failure.with_fault(report.memory.fault())
}

/// It failed without a known text.
fn unknown(report: &TrtexecReport, exit: Exit, stage: Stage) -> Failure {
    if exit == Exit::Code(0) {
        return Failure::new(stage, "not_passed", "trtexec exited with code 0 but did not report success")
            .with_hint("see the log tail; a wrapper that hides the exit code of trtexec does this");
    }
    let mut detail = format!("trtexec {exit}");
    if let Some(line) = report.telling_line() {
        detail.push_str(&format!("; its most telling line is `{line}`"));
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
        None if stage == Stage::Build => (
            "engine_not_built",
            "nothing says that the model is the cause: see the log tail, and please report it if it names one",
        ),
        None => ("tool_failed", "see the log tail"),
    };
    Failure::new(stage, reason, detail).with_hint(hint)
}
