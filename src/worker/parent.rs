//! The daemon's side of a trial: start a worker, listen to it, end it, and leave nothing of it behind.
//!
//! One thread and one `poll` over the worker's streams, its end and the caller's interrupt. While the worker times,
//! that `poll` sleeps; the caller is let in once a second at most, by [`Watch::tick`]. What the worker says is judged
//! by [`super::transcript`], what became of it is told by [`super::ending`].
//!
//! The worker gets the daemon's environment, because drivers and libraries are found through it, less what belongs to
//! the daemon's own service manager. It is killed by the kernel when the thread that called [`run`] ends.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::warn;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open, set_child_subreaper, waitid,
};

use crate::bundle::format::Stage;
use crate::worker::descendants::{self, Marks};
pub use crate::worker::ending::{Afterwards, Ended, Ending, LoadedModel};
use crate::worker::log_tail::LogTail;
use crate::worker::protocol::{Event, PARENT_VARIABLE, Request, TIMING_NAME};
use crate::worker::transcript::{Heard, Transcript};

/// Between two ticks: the design lets sensors be read at 1 Hz while a worker times.
const TICK: Duration = Duration::from_secs(1);

/// A worker that said its last word, or closed its output, exits within milliseconds; ten seconds leave room for a
/// device that is slow to let go of its memory.
const EXIT_GRACE: Duration = Duration::from_secs(10);

/// Between two looks for the end of a worker that closed its output, where the kernel has no pidfd (before 5.3).
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// How long killing may take. The contract: nothing of a worker is left one second after its timeout.
const KILL_LIMIT: Duration = Duration::from_secs(1);

/// Read at most so much of one stream before looking at the others: what a pipe holds by default.
const PIECE_BYTES: usize = 1 << 16;

/// The most a pipe can hold (`/proc/sys/fs/pipe-max-size`); read this much after the worker's end and no more, for
/// something that it left behind may go on writing.
const DRAIN_BYTES: usize = 1 << 20;

/// Added to the daemon's out-of-memory score, so that the kernel chooses the worker.
const OUT_OF_MEMORY_SCORE: i32 = 500;

/// The largest such score.
const OUT_OF_MEMORY_SCORE_LIMIT: i32 = 1000;

/// Variables by which a service manager talks with the daemon and nobody else.
const SERVICE_VARIABLES: &[&str] = &[
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "INVOCATION_ID",
];

/// One at a time in a process: two would disturb each other, and would be taken for each other's descendants.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What to start.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The worker executable.
    pub executable: &'a Path,
    /// Its arguments.
    pub arguments: &'a [&'a str],
    /// Variables to set beside the inherited ones.
    pub environment: Vec<(OsString, OsString)>,
    /// What it is to do.
    pub request: &'a Request,
    /// How long it may take from start to exit.
    pub timeout: Duration,
}

/// Who looks on.
pub trait Watch {
    /// A descriptor that becomes readable when [`Watch::tick`] should be called at once.
    fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The worker said something, in order. Not called while it times.
    fn event(&mut self, event: &Event) {
        let _ = event;
    }

    /// Called once a second at most, and whenever the interrupt is readable; it must read the interrupt empty.
    fn tick(&mut self) -> Control;
}

/// What becomes of the trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It goes on.
    Continue,
    /// It ends, because its job was cancelled.
    Cancel,
    /// It ends, because the daemon does.
    Stop,
}

/// Run a trial to its end, whatever that is. Returns when nothing of it is left, at the latest one second after its
/// timeout (unless a process hangs in the kernel).
///
/// Makes this process a child subreaper for the rest of its life.
pub fn run(trial: &Trial<'_>, watch: &mut dyn Watch) -> Ended {
    run_on(&Surroundings::default(), trial, watch)
}

/// What tests replace.
struct Surroundings {
    vmstat: PathBuf,
    has_pidfd: bool,
    exit_grace: Duration,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { vmstat: "/proc/vmstat".into(), has_pidfd: true, exit_grace: EXIT_GRACE }
    }
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
            return Ended { ending, loaded: None, reached: Stage::Start, log_tail: Vec::new(), wall };
        }
    };
    let end = worker.listen(&mut transcript, watch, started + trial.timeout, surroundings.exit_grace);
    if transcript.stage == Stage::WarmUp && worker.is_timing() {
        transcript.stage = Stage::Timing;
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
            status,
            &log_tail,
            ran_out_of_memory,
        ),
        End::Killed(cause) => killed(cause, transcript.heard, trial.timeout),
        End::Unheard(error) => Ending::Unheard { error: error.to_string() },
    };
    Ended { ending, loaded: transcript.loaded, reached: transcript.stage, log_tail, wall: started.elapsed() }
}

/// Why listening ended.
#[derive(Debug)]
enum End {
    Exited,
    Killed(Cause),
    Unheard(Errno),
}

/// Why a worker is killed.
#[derive(Debug, Clone, Copy)]
enum Cause {
    TimedOut,
    Cancelled,
    Stopped,
    Refused,
    Stayed,
}

fn exited(
    heard: Heard,
    status: Option<ExitStatus>,
    log_tail: &[String],
    ran_out_of_memory: impl FnOnce() -> Option<bool>,
) -> Ending {
    let (code, signal) = (status.and_then(|it| it.code()), status.and_then(|it| it.signal()));
    match (heard, code, signal) {
        (Heard::Failed(failure), _, _) => Ending::Failed(failure),
        (Heard::Refused(ending), _, _) => ending,
        (Heard::Result { warm_up_ns, latency_ns }, Some(0), _) => Ending::Complete { warm_up_ns, latency_ns },
        (Heard::Result { warm_up_ns, latency_ns }, code, signal) => {
            let afterwards = match (code, signal) {
                (Some(code), _) => Afterwards::Exited { code },
                (None, Some(signal)) => Afterwards::Signalled { signal },
                (None, None) => Afterwards::Stayed,
            };
            Ending::AfterResult { warm_up_ns, latency_ns, afterwards }
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
        (Heard::Unfinished, None, None) => Ending::Unheard { error: "its exit status is lost".into() },
    }
}

fn killed(cause: Cause, heard: Heard, limit: Duration) -> Ending {
    match (cause, heard) {
        (Cause::Cancelled, _) => Ending::Cancelled,
        (Cause::Stopped, _) => Ending::Stopped,
        (_, Heard::Refused(ending)) => ending,
        (_, Heard::Failed(failure)) => Ending::Failed(failure),
        (_, Heard::Result { warm_up_ns, latency_ns }) => {
            Ending::AfterResult { warm_up_ns, latency_ns, afterwards: Afterwards::Stayed }
        }
        (Cause::TimedOut, Heard::Unfinished) => Ending::TimedOut { limit },
        (Cause::Stayed | Cause::Refused, Heard::Unfinished) => Ending::OutputClosed,
    }
}

/// The exit code of a program whose libraries the dynamic loader did not find, with glibc and with musl.
const LOADER_FAILED: i32 = 127;

fn says_library_not_found(line: &str) -> bool {
    line.contains("error while loading shared libraries") || line.contains("Error loading shared library")
}

/// The kernel's count of processes it killed for lack of memory; kernels before 4.13 do not tell.
fn out_of_memory_kills(vmstat: &Path) -> Option<u64> {
    let text = fs_err::read_to_string(vmstat).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// A running worker. Dropping it kills it and all that came from it.
struct Worker {
    child: Child,
    marks: Marks,
    /// Readable when the process has ended.
    pidfd: Option<OwnedFd>,
    /// What is still to be written of the request, and where to.
    request: Option<(OwnedFd, Vec<u8>)>,
    output: Option<OwnedFd>,
    error: Option<OwnedFd>,
    log: LogTail,
    has_ended: bool,
}

/// What `poll` found.
#[derive(Debug, Default)]
struct Ready {
    request: bool,
    output: bool,
    error: bool,
    exit: bool,
    interrupt: bool,
}

impl Worker {
    fn start(surroundings: &Surroundings, trial: &Trial<'_>) -> Result<Self, Ending> {
        let not_started = |error: std::io::Error| Ending::NotStarted {
            executable: trial.executable.to_owned(),
            kind: error.kind(),
            error: error.to_string(),
        };
        let mut request = serde_json::to_vec(trial.request).map_err(|error| not_started(error.into()))?;
        request.push(b'\n');
        if let Err(reason) = set_child_subreaper(Some(getpid())) {
            warn!("processes that a worker leaves behind can not be found: {reason}");
        }
        let mut child = command(trial).spawn().map_err(not_started)?;
        let pid = Pid::from_child(&child);
        let (input, output, error) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let worker = Self {
            child,
            marks: Marks { worker: pid, out_of_memory_score: raise_out_of_memory_score(pid) },
            pidfd: surroundings.has_pidfd.then(|| pidfd_open(pid, PidfdFlags::empty()).ok()).flatten(),
            request: input.map(|input| (input.into(), request)),
            output: output.map(OwnedFd::from),
            error: error.map(OwnedFd::from),
            log: LogTail::default(),
            has_ended: false,
        };
        let streams =
            [worker.request.as_ref().map(|(input, _)| input), worker.output.as_ref(), worker.error.as_ref()];
        for stream in streams.into_iter().flatten() {
            rustix::io::ioctl_fionbio(stream, true).map_err(|error| not_started(error.into()))?;
        }
        Ok(worker)
    }

    fn listen(
        &mut self,
        transcript: &mut Transcript,
        watch: &mut dyn Watch,
        deadline: Instant,
        exit_grace: Duration,
    ) -> End {
        let mut next_tick = Instant::now() + TICK;
        let mut exit_deadline = None;
        loop {
            let now = Instant::now();
            if now >= deadline {
                return End::Killed(Cause::TimedOut);
            }
            if exit_deadline.is_some_and(|exit_deadline| now >= exit_deadline) {
                return End::Killed(Cause::Stayed);
            }
            let mut until = deadline.min(next_tick).min(exit_deadline.unwrap_or(deadline));
            if self.pidfd.is_none() && self.output.is_none() {
                until = until.min(now + BETWEEN_LOOKS);
            }
            let ready = match self.wait(watch.interrupt(), until - now) {
                Ok(ready) => ready,
                Err(error) => return End::Unheard(error),
            };
            if ready.interrupt || Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                match watch.tick() {
                    Control::Continue => {}
                    Control::Cancel => return End::Killed(Cause::Cancelled),
                    Control::Stop => return End::Killed(Cause::Stopped),
                }
            }
            if ready.request {
                self.write_request();
            }
            let mut piece = [0; PIECE_BYTES];
            if ready.error {
                self.read_error(&mut piece);
            }
            if ready.output {
                self.read_output(&mut piece, transcript, watch);
            }
            if ready.exit || (self.pidfd.is_none() && self.has_exited()) {
                self.drain(&mut piece, transcript, watch);
                return End::Exited;
            }
            if matches!(transcript.heard, Heard::Refused(_)) {
                return End::Killed(Cause::Refused);
            }
            if exit_deadline.is_none() && (transcript.is_decided() || self.output.is_none()) {
                exit_deadline = Some(Instant::now() + exit_grace);
            }
        }
    }

    fn wait(&self, interrupt: Option<BorrowedFd<'_>>, timeout: Duration) -> Result<Ready, Errno> {
        let sources = [
            (self.request.as_ref().map(|(input, _)| input.as_fd()), PollFlags::OUT),
            (self.output.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (self.error.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (self.pidfd.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (interrupt, PollFlags::IN),
        ];
        let mut polled: Vec<PollFd<'_>> = sources
            .iter()
            .filter_map(|(source, flags)| source.map(|source| PollFd::from_borrowed_fd(source, *flags)))
            .collect();
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
        match poll(&mut polled, Some(&timeout)) {
            // A signal woke the daemon; its handler has made the interrupt readable if it matters.
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let mut found = polled.iter().map(|polled| !polled.revents().is_empty());
        let mut next = |index: usize| sources[index].0.is_some() && found.next().unwrap_or(false);
        Ok(Ready { request: next(0), output: next(1), error: next(2), exit: next(3), interrupt: next(4) })
    }

    fn write_request(&mut self) {
        let Some((input, rest)) = &mut self.request else { return };
        match rustix::io::write(input, rest) {
            Ok(written) => drop(rest.drain(..written)),
            Err(Errno::AGAIN | Errno::INTR) => return,
            // It does not read; how it ends says more.
            Err(_) => rest.clear(),
        }
        if rest.is_empty() {
            self.request = None;
        }
    }

    fn read_output(&mut self, piece: &mut [u8], transcript: &mut Transcript, watch: &mut dyn Watch) -> usize {
        let length = read_some(&mut self.output, piece);
        transcript.take(&piece[..length], &mut |event| watch.event(event));
        length
    }

    fn read_error(&mut self, piece: &mut [u8]) -> usize {
        let length = read_some(&mut self.error, piece);
        self.log.take(&piece[..length]);
        length
    }

    /// Read what the worker wrote before its end. Streams that others still hold open are not waited for.
    fn drain(&mut self, piece: &mut [u8], transcript: &mut Transcript, watch: &mut dyn Watch) {
        let mut left = DRAIN_BYTES;
        while left > 0 {
            let length = self.read_output(piece, transcript, watch);
            if length == 0 {
                break;
            }
            left = left.saturating_sub(length);
        }
        transcript.finish();
        let mut left = DRAIN_BYTES;
        while left > 0 {
            let length = self.read_error(piece);
            if length == 0 {
                break;
            }
            left = left.saturating_sub(length);
        }
    }

    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.marks.worker), options), Ok(Some(_)))
    }

    /// Is it, or was it at its end, in its timed runs? To be asked before [`Worker::end`].
    fn is_timing(&self) -> bool {
        fs_err::read(format!("/proc/{}/comm", self.marks.worker))
            .is_ok_and(|name| name.trim_ascii_end() == TIMING_NAME.to_bytes())
    }

    /// Kill what is left of it and reap all; the status of the worker itself.
    fn end(&mut self) -> Option<ExitStatus> {
        self.has_ended = true;
        // Closed first: something that only waits for its end of a pipe then ends by itself.
        (self.request, self.output) = (None, None);
        let deadline = Instant::now() + KILL_LIMIT;
        descendants::end(self.marks, deadline);
        let mut piece = [0; PIECE_BYTES];
        self.read_error(&mut piece);
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end();
        }
    }
}

fn command(trial: &Trial<'_>) -> Command {
    let mut command = Command::new(trial.executable);
    command.args(trial.arguments);
    for variable in SERVICE_VARIABLES {
        command.env_remove(variable);
    }
    command
        .envs(trial.environment.iter().map(|(name, value)| (name, value)))
        .env(PARENT_VARIABLE, getpid().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    command
}

/// What is there to read, nothing where there is none yet; the stream is closed at its end.
fn read_some(stream: &mut Option<OwnedFd>, piece: &mut [u8]) -> usize {
    let Some(descriptor) = stream else { return 0 };
    match rustix::io::read(descriptor, piece) {
        Ok(0) => *stream = None,
        Ok(length) => return length,
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(error) => {
            warn!("cannot read from a worker: {error}");
            *stream = None;
        }
    }
    0
}

/// The worker's new score, where it differs from the daemon's.
fn raise_out_of_memory_score(pid: Pid) -> Option<i32> {
    let own = descendants::out_of_memory_score(getpid())?;
    let score = (own + OUT_OF_MEMORY_SCORE).min(OUT_OF_MEMORY_SCORE_LIMIT);
    // Best effort: where it fails, the worker is as likely to be chosen as the daemon.
    fs_err::write(format!("/proc/{pid}/oom_score_adj"), score.to_string()).ok()?;
    (score != own).then_some(score)
}

#[cfg(test)]
mod tests;
