//! A worker process and everything it starts: start, write, read, kill, reap.
//!
//! It inherits the daemon's environment, through which drivers and libraries are found, without the variables
//! of the service manager. Temporary files have their own folder, which is removed with the worker however it
//! ends. Only [`Worker::wait`] waits, and nothing here decides what an ending means.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use log::warn;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open, set_child_subreaper, waitid,
};

use crate::runtime::{self, causes::Cause};
use crate::scratch::{OF_WORKERS, Scratch};
use crate::worker::control_group::ControlGroup;
use crate::worker::descendants::{self, Marks};
use crate::worker::ending::Ending;
use crate::worker::log_tail::LogTail;
use crate::worker::protocol::{PARENT_VARIABLE, Request, TIMING_NAME};
use crate::worker::reserve::{Excess, Reserve};
use crate::worker::transcript::Transcript;
use crate::worker::watch::Watch;

/// How long killing may take: nothing of a worker is left one second after its timeout.
const KILL_LIMIT: Duration = Duration::from_secs(1);

/// How much to read from one stream before looking at the others: what a pipe holds by default.
pub(super) const PIECE_BYTES: usize = 1 << 16;

/// The most a pipe can hold (`/proc/sys/fs/pipe-max-size`). No more is read after the worker's end, because a
/// process that it left behind may keep writing.
const DRAIN_BYTES: usize = 1 << 20;

/// A worker that has sent its last event or closed its output exits within milliseconds; ten seconds leave
/// room for a device that is slow to release its memory.
const EXIT_GRACE: Duration = Duration::from_secs(10);

/// Added to the daemon's out-of-memory score, so that the kernel kills the worker first.
const OUT_OF_MEMORY_SCORE: i32 = 500;

/// The largest out-of-memory score.
const OUT_OF_MEMORY_SCORE_LIMIT: i32 = 1000;

/// Variables of the service manager that are for the daemon only.
const SERVICE_VARIABLES: &[&str] = &[
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "INVOCATION_ID",
];

/// The variable that names the folder for temporary files, environ(7).
const TEMPORARY_VARIABLE: &str = "TMPDIR";

/// Variables that name a folder for what a library compiles at a load: CUDA's, and the desktop's convention.
const CACHE_VARIABLES: &[&str] = &["CUDA_CACHE_PATH", "XDG_CACHE_HOME"];

/// A worker to start.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The worker executable.
    pub executable: &'a Path,
    /// Its arguments.
    pub arguments: &'a [&'a str],
    /// Variables to set in addition to the inherited ones.
    pub environment: Vec<(OsString, OsString)>,
    /// The request to send it.
    pub request: &'a Request,
    /// Time limit from start to exit.
    pub timeout: Duration,
}

/// The parts of the system that tests replace.
pub(super) struct Surroundings {
    pub(super) vmstat: PathBuf,
    pub(super) meminfo: PathBuf,
    /// Since Linux 5.3.
    pub(super) has_pidfd: bool,
    /// False if the daemon has the largest score itself.
    pub(super) raises_score: bool,
    pub(super) exit_grace: Duration,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            vmstat: "/proc/vmstat".into(),
            meminfo: "/proc/meminfo".into(),
            has_pidfd: true,
            raises_score: true,
            exit_grace: EXIT_GRACE,
        }
    }
}

/// A running worker. Dropping it kills it and every process it started.
pub(super) struct Worker {
    child: Child,
    marks: Marks,
    /// Readable once the process has ended.
    pub(super) pidfd: Option<OwnedFd>,
    /// Standard input, for the request and the line that ends each pause.
    input: Option<OwnedFd>,
    /// What is still to be written to it.
    unwritten: Vec<u8>,
    pub(super) output: Option<OwnedFd>,
    error: Option<OwnedFd>,
    pub(super) log: LogTail,
    has_ended: bool,
    control_group: Result<ControlGroup, String>,
    reserve: Reserve,
    /// Removed once every process that could write there is dead.
    _temporary: Option<Scratch>,
}

/// What `poll` found.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) input: bool,
    pub(super) output: bool,
    pub(super) error: bool,
    pub(super) exit: bool,
    pub(super) interrupt: bool,
}

impl Worker {
    pub(super) fn start(surroundings: &Surroundings, trial: &Trial<'_>) -> Result<Self, Box<Ending>> {
        let not_started = |error: std::io::Error| {
            Box::new(Ending::NotStarted {
                executable: trial.executable.to_owned(),
                kind: error.kind(),
                error: error.to_string(),
            })
        };
        let mut request = serde_json::to_vec(trial.request).map_err(|error| not_started(error.into()))?;
        request.push(b'\n');
        if let Err(reason) = set_child_subreaper(Some(getpid())) {
            warn!("cannot find processes that a worker leaves behind: {reason}");
        }
        let workplace = trial.request.confinement.as_ref().and_then(|asked| asked.workplace.as_deref());
        let temporary = if workplace.is_none() { temporary_folder() } else { None };
        let own_folder = workplace.or_else(|| temporary.as_ref().map(Scratch::path));
        let reserve = Reserve::now(&surroundings.meminfo, own_folder);
        let mut command = command(trial);
        if let Some(folder) = own_folder {
            command.env(TEMPORARY_VARIABLE, folder);
            // Caches of compiled kernels: the user's own folder is closed to a worker.
            command.envs(CACHE_VARIABLES.iter().map(|name| (name, folder)));
        }
        let mut child = command.spawn().map_err(not_started)?;
        let pid = Pid::from_child(&child);
        let (input, output, error) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let out_of_memory_score = surroundings.raises_score.then(|| raise_out_of_memory_score(pid)).flatten();
        let worker = Self {
            child,
            marks: Marks { worker: pid, out_of_memory_score, pending_signals: descendants::lower_limit(pid) },
            control_group: ControlGroup::around(pid),
            reserve,
            pidfd: surroundings.has_pidfd.then(|| pidfd_open(pid, PidfdFlags::empty()).ok()).flatten(),
            input: input.map(OwnedFd::from),
            unwritten: request,
            output: output.map(OwnedFd::from),
            error: error.map(OwnedFd::from),
            log: LogTail::watching(fatal_lines(&trial.request.runtime)),
            has_ended: false,
            _temporary: temporary,
        };
        let streams = [worker.input.as_ref(), worker.output.as_ref(), worker.error.as_ref()];
        for stream in streams.into_iter().flatten() {
            rustix::io::ioctl_fionbio(stream, true).map_err(|error| not_started(error.into()))?;
        }
        Ok(worker)
    }

    /// Is it in a control group of its own? Otherwise why not.
    pub(super) fn control_group(&self) -> Result<(), String> {
        self.control_group.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    pub(super) fn wait(&self, interrupt: Option<BorrowedFd<'_>>, timeout: Duration) -> Result<Ready, Errno> {
        let sources = [
            (self.input.as_ref().filter(|_| !self.unwritten.is_empty()).map(AsFd::as_fd), PollFlags::OUT),
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
            // A signal woke the daemon. If it matters, its handler has made the interrupt readable.
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        let mut found = polled.iter().map(|polled| !polled.revents().is_empty());
        let mut next = |index: usize| sources[index].0.is_some() && found.next().unwrap_or(false);
        Ok(Ready { input: next(0), output: next(1), error: next(2), exit: next(3), interrupt: next(4) })
    }

    /// End a pause of the worker.
    pub(super) fn resume(&mut self) {
        self.unwritten.push(b'\n');
        self.write();
    }

    pub(super) fn write(&mut self) {
        let Some(input) = &self.input else { return };
        match rustix::io::write(input, &self.unwritten) {
            Ok(written) => drop(self.unwritten.drain(..written)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // It does not read. How it ends says more.
            Err(_) => self.input = None,
        }
    }

    pub(super) fn read_output(
        &mut self,
        piece: &mut [u8],
        transcript: &mut Transcript,
        watch: &mut dyn Watch,
    ) -> usize {
        let length = read_some(&mut self.output, piece);
        transcript.take(&piece[..length], &mut |event| watch.event(event));
        length
    }

    pub(super) fn read_error(&mut self, piece: &mut [u8]) -> usize {
        let length = read_some(&mut self.error, piece);
        self.log.take(&piece[..length]);
        length
    }

    /// Read what the worker wrote before its end, without waiting for streams that other processes still hold
    /// open.
    pub(super) fn drain(&mut self, piece: &mut [u8], transcript: &mut Transcript, watch: &mut dyn Watch) {
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

    /// Changes whenever anything of it runs.
    pub(super) fn activity(&self) -> Option<String> {
        descendants::activity(self.marks)
    }

    /// Did it take so much of the host's memory or disk that little is left?
    pub(super) fn excess(&self) -> Option<Excess> {
        self.reserve.excess(self.marks)
    }

    pub(super) fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.marks.worker), options), Ok(Some(_)))
    }

    /// Is it in its timed runs, or was it when it ended? Ask before [`Worker::end`].
    pub(super) fn is_timing(&self) -> bool {
        fs_err::read(format!("/proc/{}/comm", self.marks.worker))
            .is_ok_and(|name| name.trim_ascii_end() == TIMING_NAME.to_bytes())
    }

    /// Kill and reap everything that is left. Returns the status of the worker itself.
    pub(super) fn end(&mut self) -> Option<ExitStatus> {
        self.has_ended = true;
        // Closed first, so that a process that only waits for the end of a pipe ends by itself.
        (self.input, self.output) = (None, None);
        let deadline = Instant::now() + KILL_LIMIT;
        if let Ok(group) = &self.control_group {
            group.kill();
        }
        descendants::end(self.marks, deadline);
        let mut piece = [0; PIECE_BYTES];
        self.read_error(&mut piece);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    if let Ok(group) = &self.control_group {
                        group.remove(deadline);
                    }
                    return Some(status);
                }
                // A thread of it is still dying.
                Ok(None) if Instant::now() < deadline => std::thread::sleep(descendants::BETWEEN_LOOKS),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end();
        }
    }
}

/// Those of a runtime; none of one that is not known, which is a worker of another version's.
fn fatal_lines(runtime: &str) -> &'static [Cause] {
    runtime::find(runtime).map_or(&[], |runtime| runtime.fatal_lines)
}

/// If it cannot be made, the worker uses the daemon's.
fn temporary_folder() -> Option<Scratch> {
    let made = Scratch::make(&std::env::temp_dir(), OF_WORKERS);
    made.inspect_err(|error| warn!("cannot make a folder for a worker's temporary files: {error}")).ok()
}

pub(super) fn command(trial: &Trial<'_>) -> Command {
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

/// Read what is available, which may be nothing. The stream is closed at its end.
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

/// The worker's new score, if it differs from the daemon's.
fn raise_out_of_memory_score(pid: Pid) -> Option<i32> {
    let own = descendants::out_of_memory_score(getpid())?;
    let score = (own + OUT_OF_MEMORY_SCORE).min(OUT_OF_MEMORY_SCORE_LIMIT);
    // Best effort: if it fails, the kernel is as likely to kill the daemon as the worker.
    fs_err::write(format!("/proc/{pid}/oom_score_adj"), score.to_string()).ok()?;
    (score != own).then_some(score)
}
