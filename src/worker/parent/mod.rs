//! The daemon's side of a trial: start a worker, listen to it, end it, and leave no process behind.
//!
//! One thread polls the worker's streams, its end and the caller's interrupt. During timed runs the `poll`
//! sleeps; [`Watch::tick`] lets the caller in at most once a second. At a pause, [`Watch::pause`] lets the
//! caller read the host's sensors and choose the length of the pause. `process` owns the process and its
//! streams, `transcript` judges what the worker writes, and [`super::ending`] says what became of it.
//!
//! The kernel kills a worker when the thread that called [`run`] ends.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::bundle::format::{Failure, SandboxPart, SandboxSetting, Stage};
use crate::runtime::causes::Cause;
pub(crate) use crate::worker::ending::Afterwards;
pub use crate::worker::ending::{Ended, Ending};
pub use crate::worker::process::Trial;
use crate::worker::process::{PIECE_BYTES, Surroundings, Worker};
use crate::worker::reserve::Excess;
use crate::worker::silence::Silence;
use crate::worker::transcript::{Heard, Transcript};
pub(crate) use crate::worker::watch::TICK;
pub use crate::worker::watch::{Control, Watch};

/// How often to check whether a worker that closed its output has ended, if the kernel has no pidfd (before
/// 5.3).
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// One worker at a time: two would disturb each other and be taken for each other's descendants.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Run a worker to its end, whatever that is. Returns once nothing of it is left, at the latest one second
/// after its timeout (unless a process hangs in the kernel).
///
/// Makes this process a child subreaper for the rest of its life.
pub fn run(trial: &Trial<'_>, watch: &mut dyn Watch) -> Ended {
    run_on(&Surroundings::default(), trial, watch)
}

fn run_on(surroundings: &Surroundings, trial: &Trial<'_>, watch: &mut dyn Watch) -> Ended {
    let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let started = Instant::now();
    let kills_before = out_of_memory_kills(&surroundings.vmstat);
    let mut transcript = Transcript::new(trial.request);
    let mut worker = match Worker::start(surroundings, trial) {
        Ok(worker) => worker,
        Err(ending) => {
            let wall = started.elapsed();
            return Ended {
                ending: *ending,
                loaded: None,
                resources: None,
                sandbox: None,
                outputs: None,
                reached: Stage::Start,
                log_tail: Vec::new(),
                wall,
            };
        }
    };
    let end = listen(&mut worker, &mut transcript, watch, started + trial.timeout, surroundings.exit_grace);
    if transcript.stage == Stage::WarmUp && worker.is_timing() {
        transcript.stage = Stage::Timing;
    }
    let request_is_met = transcript.is_decided();
    if let Some(sandbox) = transcript.sandbox.as_mut().filter(|known| known.setting != SandboxSetting::Off) {
        sandbox.note(SandboxPart::ControlGroup, worker.control_group());
    }
    let status = worker.end();
    let log_tail = std::mem::take(&mut worker.log).into_lines();
    let ran_out_of_memory = || {
        let (before, after) = (kills_before?, out_of_memory_kills(&surroundings.vmstat)?);
        Some(after > before)
    };
    let ending = match end {
        End::Exited => exited(
            std::mem::replace(&mut transcript.heard, Heard::Unfinished),
            request_is_met,
            status,
            &log_tail,
            ran_out_of_memory,
        ),
        End::Killed(cause) => killed(&cause, transcript.heard, trial.timeout),
        End::Unheard(error) => Ending::Unheard { error: error.to_string() },
    };
    Ended {
        ending,
        loaded: transcript.loaded,
        resources: transcript.resources,
        sandbox: transcript.sandbox,
        outputs: transcript.outputs,
        reached: transcript.stage,
        log_tail,
        wall: started.elapsed(),
    }
}

fn listen(
    worker: &mut Worker,
    transcript: &mut Transcript,
    watch: &mut dyn Watch,
    deadline: Instant,
    exit_grace: Duration,
) -> End {
    let mut next_tick = Instant::now() + watch.tick_after();
    let mut exit_deadline = None;
    let mut resume_at = None;
    let mut silence = Silence::new(watch.silence_limit(), Instant::now());
    loop {
        let now = Instant::now();
        if now >= deadline {
            return End::Killed(KillCause::TimedOut);
        }
        if exit_deadline.is_some_and(|exit_deadline| now >= exit_deadline) {
            return End::Killed(KillCause::Stayed);
        }
        let mut until =
            deadline.min(next_tick).min(exit_deadline.unwrap_or(deadline)).min(resume_at.unwrap_or(deadline));
        until = until.min(silence.look_at().unwrap_or(deadline));
        if worker.pidfd.is_none() && worker.output.is_none() {
            until = until.min(now + BETWEEN_LOOKS);
        }
        let ready = match worker.wait(watch.interrupt(), until.saturating_duration_since(now)) {
            Ok(ready) => ready,
            Err(error) => return End::Unheard(error),
        };
        if ready.interrupt || Instant::now() >= next_tick {
            if let Some(cause) = tick(worker, watch) {
                return End::Killed(cause);
            }
            next_tick = Instant::now() + watch.tick_after();
        }
        let is_broken = ready.output || ready.error || resume_at.is_some();
        if let Some(limit) = silence.too_long(is_broken, Instant::now(), || worker.activity()) {
            return End::Killed(KillCause::Silent(limit));
        }
        if ready.input {
            worker.write();
        }
        let mut piece = [0; PIECE_BYTES];
        if ready.error {
            worker.read_error(&mut piece);
        }
        if ready.output {
            worker.read_output(&mut piece, transcript, watch);
        }
        if ready.exit || (worker.pidfd.is_none() && worker.has_exited()) {
            worker.drain(&mut piece, transcript, watch);
            return End::Exited;
        }
        if matches!(transcript.heard, Heard::Refused(_)) {
            return End::Killed(KillCause::Refused);
        }
        // A worker that has said all may say more while it closes its device.
        if let Some((cause, line)) = worker.log.fatal().filter(|_| !transcript.is_decided()) {
            let stage = if worker.is_timing() { Stage::Timing } else { transcript.stage };
            return End::Killed(KillCause::Fatal(Box::new(fatal(stage, cause, line))));
        }
        if let Some(at) = transcript.pause.take() {
            let wait = watch.pause(at);
            resume_at = Some(Instant::now() + wait);
            next_tick = next_tick.min(Instant::now() + watch.tick_after());
        }
        if resume_at.is_some_and(|at| Instant::now() >= at) {
            resume_at = None;
            // Counted from here, so that no tick falls into a span that is shorter than the time between two
            // ticks.
            next_tick = Instant::now() + watch.tick_after();
            worker.resume();
        }
        if exit_deadline.is_none() && (transcript.is_decided() || worker.output.is_none()) {
            exit_deadline = Some(Instant::now() + exit_grace);
        }
    }
}

/// A tick: does the caller, or what the host has left, end the worker?
fn tick(worker: &Worker, watch: &mut dyn Watch) -> Option<KillCause> {
    match watch.tick() {
        Control::Continue => worker.excess().map(KillCause::Excess),
        Control::Cancel => Some(KillCause::Cancelled),
        Control::Stop => Some(KillCause::Stopped),
    }
}

/// Why listening ended.
#[derive(Debug)]
enum End {
    Exited,
    Killed(KillCause),
    Unheard(Errno),
}

/// Why the daemon kills a worker.
#[derive(Debug)]
enum KillCause {
    TimedOut,
    Cancelled,
    Stopped,
    Refused,
    Stayed,
    Silent(Duration),
    /// It left the rest of the host too little.
    Excess(Excess),
    /// It printed a line after which its device does not answer.
    Fatal(Box<Failure>),
}

fn fatal(stage: Stage, cause: &Cause, line: &str) -> Failure {
    let detail =
        format!("the worker printed `{line}` and was ended at once: its device does not answer after that");
    Failure::new(stage, cause.reason, detail).with_hint(cause.hint).with_fault(cause.fault)
}

fn exited(
    heard: Heard,
    request_is_met: bool,
    status: Option<ExitStatus>,
    log_tail: &[String],
    ran_out_of_memory: impl FnOnce() -> Option<bool>,
) -> Ending {
    let (code, signal) = (status.and_then(|it| it.code()), status.and_then(|it| it.signal()));
    match (heard, code, signal) {
        // However the worker exits: a compiled model is on disk by then, and the next worker checks it.
        (Heard::Answered(ending) | Heard::Refused(ending), _, _) => ending,
        (Heard::Result { latencies, energy_ns }, Some(0), _) if request_is_met => {
            Ending::Complete { latencies, energy_ns }
        }
        (Heard::Result { latencies, .. }, code, signal) => {
            let afterwards = match (code, signal) {
                (Some(code), _) => Afterwards::Exited { code },
                (None, Some(signal)) => Afterwards::Signalled { signal },
                (None, None) => Afterwards::Stayed,
            };
            Ending::AfterResult { latencies, afterwards }
        }
        (Heard::Unfinished, _, Some(signal)) => {
            let is_kill = signal == rustix::process::Signal::KILL.as_raw();
            Ending::Signalled { signal, out_of_memory: if is_kill { ran_out_of_memory() } else { None } }
        }
        (Heard::Unfinished, Some(0), None) => Ending::NoResult,
        (Heard::Unfinished, Some(code), None) => {
            match log_tail.iter().find(|line| says_library_not_found(line)) {
                Some(line) if code == LOADER_FAILED => Ending::LibraryNotFound { line: line.clone() },
                _ => Ending::Exited { code },
            }
        }
        (Heard::Unfinished, None, None) => Ending::Unheard { error: "its exit status was lost".into() },
    }
}

fn killed(cause: &KillCause, heard: Heard, limit: Duration) -> Ending {
    match (cause, heard) {
        (KillCause::Cancelled, _) => Ending::Cancelled,
        (KillCause::Stopped, _) => Ending::Stopped,
        (_, Heard::Answered(ending) | Heard::Refused(ending)) => ending,
        (_, Heard::Result { latencies, .. }) => {
            Ending::AfterResult { latencies, afterwards: Afterwards::Stayed }
        }
        (KillCause::TimedOut, Heard::Unfinished) => Ending::TimedOut { limit },
        (KillCause::Silent(limit), Heard::Unfinished) => Ending::Silent { limit: *limit },
        (KillCause::Excess(excess), Heard::Unfinished) => Ending::Excess(*excess),
        (KillCause::Fatal(failure), Heard::Unfinished) => Ending::Failed(Failure::clone(failure)),
        (KillCause::Stayed | KillCause::Refused, Heard::Unfinished) => Ending::OutputClosed,
    }
}

/// The exit code of a program whose libraries the dynamic loader did not find, both with glibc and musl.
const LOADER_FAILED: i32 = 127;

fn says_library_not_found(line: &str) -> bool {
    line.contains("error while loading shared libraries") || line.contains("Error loading shared library")
}

/// The kernel's count of processes that it killed for lack of memory; kernels before 4.13 do not report it.
fn out_of_memory_kills(vmstat: &Path) -> Option<u64> {
    let text = fs_err::read_to_string(vmstat).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
