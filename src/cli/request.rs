//! `backbone cancel`, `retry`, `pause` and `resume`: leave a request for the daemon, and wait until it is carried out.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use super::failure::Advise as _;
use super::{DaemonPlace, Exit, print};
use crate::daemon::control::{self, ControlRequest};
use crate::spool;
use crate::text::first_few;

/// A daemon that measures looks for requests once a second; after five times that it does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often to look whether the request was carried out.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const NO_SPOOL: &str = "start a daemon first, or name the inbox of a running one with --inbox";

#[derive(Debug, Args)]
pub(super) struct JobArguments {
    #[command(flatten)]
    place: DaemonPlace,
    /// Name or id of the job, as `backbone status` shows it
    #[arg(value_name = "JOB")]
    job: String,
}

#[derive(Debug, Args)]
pub(super) struct DaemonArguments {
    #[command(flatten)]
    place: DaemonPlace,
}

/// Something that the daemon can do with a job.
struct Request {
    /// Folder of the spool that has the jobs it can be done with.
    folder: &'static str,
    /// What these jobs are.
    kind: &'static str,
    wish: fn(OsString) -> ControlRequest,
    /// What the job is afterwards.
    done: &'static str,
}

pub(super) fn cancel(arguments: JobArguments) -> anyhow::Result<Exit> {
    ask(
        arguments,
        &Request {
            folder: "queue",
            kind: "queued or running",
            wish: ControlRequest::Cancel,
            done: "cancelled",
        },
    )
}

pub(super) fn retry(arguments: JobArguments) -> anyhow::Result<Exit> {
    ask(
        arguments,
        &Request { folder: "done", kind: "finished", wish: ControlRequest::Retry, done: "queued again" },
    )
}

pub(super) fn pause(arguments: DaemonArguments) -> anyhow::Result<Exit> {
    switch(
        arguments,
        control::pause,
        "Paused. The inbox is still read; no job starts until `backbone resume`.\n",
    )
}

pub(super) fn resume(arguments: DaemonArguments) -> anyhow::Result<Exit> {
    switch(arguments, control::resume, "Resumed.\n")
}

fn switch(
    arguments: DaemonArguments,
    set: fn(&Path) -> std::io::Result<()>,
    answer: &str,
) -> anyhow::Result<Exit> {
    let (config, _) = arguments.place.load(None, None)?;
    set(&config.spool.join("control")).advise(NO_SPOOL)?;
    print(answer)?;
    Ok(Exit::Done)
}

fn ask(JobArguments { place, job }: JobArguments, request: &Request) -> anyhow::Result<Exit> {
    let Request { folder, kind, wish, done } = *request;
    let (config, _) = place.load(None, None)?;
    let jobs = control::jobs_in(&config.spool.join(folder)).advise(NO_SPOOL)?;
    if !jobs.iter().any(|known| known.is_meant_by(OsStr::new(&job))) {
        let hint = if jobs.is_empty() {
            format!("no job is {kind}")
        } else {
            format!("{kind}: {}", first_few(jobs.iter().map(|job| &job.name)))
        };
        return Err(anyhow::anyhow!("no {kind} job `{job}`")).advise(hint).exit(Exit::WrongInput);
    }
    let file = control::leave(&config.spool.join("control"), &wish(OsString::from(&job)))
        .advise("run this as a user of the group that may write into the inbox")?;
    if spool::owner(&config.spool).is_none() {
        print(&format!("No daemon is running; `{job}` will be {done} when one starts.\n"))?;
        return Ok(Exit::Done);
    }
    let deadline = Instant::now() + ANSWER_WITHIN;
    while file.exists() {
        if Instant::now() >= deadline {
            print(&format!("The daemon is busy; `{job}` will be {done} as soon as it answers.\n"))?;
            return Ok(Exit::Done);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    print(&format!("`{job}` is {done}.\n"))?;
    Ok(Exit::Done)
}
