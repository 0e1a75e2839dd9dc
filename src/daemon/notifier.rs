//! The command of the setting `notify`, at the end of each job: between two measurements, with a time limit,
//! and with none of the daemon's rights.
//!
//! The daemon waits for it, so that it never runs while a worker times; it is started only while this program
//! has the host's lock, so that it disturbs no other measurement either. Its standard input is one line of
//! JSON. That it fails is named in the status and holds up nothing.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

use super::clock::now_text;
use super::observer::BundleLine;
use super::status::Finished;
use crate::bundle::format::Host;
use crate::config::Config;
use crate::installation::Installation;
use crate::spool::names::JobId;
use crate::worker::hook;

/// Value of `format` in its input.
const FORMAT: &str = "backbone.notify/1";

/// Jobs that wait for their call; older ones are given up. A host that is never free for it has had no end of
/// a job either.
const LONGEST_QUEUE: usize = 100;

/// No more is kept of what it prints.
const LONGEST_OUTPUT_BYTES: u64 = 4096;

/// Between two looks whether it has ended.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// One line of JSON for the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct JobFinished {
    format: &'static str,
    event: &'static str,
    job: String,
    id: String,
    bundles: Finished,
    /// Reasons of what was not measured, each once.
    reasons: Vec<String>,
    host: Option<String>,
    host_id: Option<String>,
    outbox: PathBuf,
    at: String,
}

/// What is known of a job that is not finished.
#[derive(Debug, Default)]
struct Tally {
    job: String,
    bundles: Finished,
    reasons: Vec<String>,
}

/// Calls the command.
#[derive(Debug)]
pub(super) struct Notifier {
    /// The command, and how long it may take.
    hook: Option<(PathBuf, Duration)>,
    backbone: PathBuf,
    host: Option<String>,
    host_id: Option<String>,
    outbox: PathBuf,
    tallies: BTreeMap<JobId, Tally>,
    pending: VecDeque<JobFinished>,
}

impl Notifier {
    /// As the settings say.
    pub(super) fn new(config: &Config, host: &Host, installation: &Installation) -> Self {
        let limit = Duration::from_secs(config.notify_seconds.into());
        Self {
            hook: config.notify.clone().map(|command| (command, limit)),
            backbone: installation.program().to_owned(),
            host: host.name.clone(),
            host_id: host.id.clone(),
            outbox: config.outbox.clone(),
            tallies: BTreeMap::new(),
            pending: VecDeque::new(),
        }
    }

    /// A bundle was made.
    pub(super) fn bundled(&mut self, row: &BundleLine) {
        let Some((id, _)) = JobId::of_bundle(&row.bundle).filter(|_| self.hook.is_some()) else { return };
        let tally = self.tallies.entry(id).or_default();
        tally.job.clone_from(&row.job);
        tally.bundles.count(row.outcome.status);
        if let Some(reason) = &row.outcome.reason
            && !tally.reasons.contains(reason)
        {
            tally.reasons.push(reason.clone());
        }
    }

    /// A job has all its bundles. Those of before a restart of the daemon are not counted.
    pub(super) fn finished(&mut self, id: &JobId) {
        let Some(Tally { job, bundles, reasons }) = self.tallies.remove(id) else { return };
        if self.pending.len() >= LONGEST_QUEUE {
            self.pending.pop_front();
        }
        self.pending.push_back(JobFinished {
            format: FORMAT,
            event: "job_finished",
            job,
            id: id.to_string(),
            bundles,
            reasons,
            host: self.host.clone(),
            host_id: self.host_id.clone(),
            outbox: self.outbox.clone(),
            at: now_text(),
        });
    }

    /// Is there a call to make?
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The command.
    pub(super) fn command(&self) -> Option<&Path> {
        self.hook.as_ref().map(|(command, _)| command.as_path())
    }

    /// Make the next call, and wait for its end.
    ///
    /// # Errors
    /// A sentence: it could not be started, took too long, or failed.
    pub(super) fn call_next(&mut self) -> Result<(), String> {
        let (Some(event), Some((command, limit))) = (self.pending.pop_front(), &self.hook) else {
            return Ok(());
        };
        let mut input = serde_json::to_vec(&event).unwrap_or_default();
        input.push(b'\n');
        let job = event.job;
        match call(&self.backbone, command, &input, *limit) {
            Ok((Some(status), _)) if status.success() => Ok(()),
            Ok((Some(status), said)) => Err(format!("for job {job}: {status}{said}")),
            Ok((None, said)) => Err(format!("for job {job}: ended after {} s{said}", limit.as_secs())),
            Err(error) => Err(format!("for job {job}: cannot be started: {error}")),
        }
    }
}

/// How it ended (`None`: it took too long) and its last words.
fn call(
    backbone: &Path,
    command: &Path,
    input: &[u8],
    limit: Duration,
) -> io::Result<(Option<ExitStatus>, String)> {
    // Files in memory, not pipes: a process that it leaves behind would keep a pipe open.
    let memory = || memfd_create("notify", MemfdFlags::CLOEXEC).map(File::from);
    let (mut output, mut given) = (memory()?, memory()?);
    given.write_all(input)?;
    given.rewind()?;
    let mut process = Command::new(backbone);
    process.args([OsString::from(hook::COMMAND), command.into()]);
    process.stdin(given).stdout(output.try_clone()?).stderr(output.try_clone()?).process_group(0);
    let mut child = process.spawn()?;
    let status = wait(&mut child, limit)?;
    output.seek(SeekFrom::Start(0))?;
    let mut said = Vec::new();
    output.take(LONGEST_OUTPUT_BYTES).read_to_end(&mut said)?;
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Ok((status, last.map(|line| format!(": {}", line.trim())).unwrap_or_default()))
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            // With what it started.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}
