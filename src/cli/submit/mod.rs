//! `backbone submit`: copies jobs to many hosts, and waits for their results if asked to.

use std::cell::Cell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::failure::Advise as _;
use super::rack::{Reach, hosts};
use super::{Exit, check, job_files, note, print, readable};
use crate::rack::{
    Connection, Daemon, Delivery, Device, Followed, HostName, JobFile, LocalFile, Trouble, deliver, follow,
    outbox_before,
};
use crate::spec::SPEC_EXTENSIONS;

mod answer;

/// Copy job files and their models to hosts; with --wait, also wait for the results and show them
///
/// Needs ssh and rsync here, and sshd and rsync on the hosts. Job files are checked here first, as `backbone
/// check` does; with a mistake nothing is copied. Models are copied before jobs, and each file gets its name
/// once it is whole. With --wait the exit codes are those of `backbone run`.
#[derive(Debug, Args)]
pub(super) struct SubmitArguments {
    /// Hosts as ssh names them, then job files, with their models next to them
    #[arg(required = true, value_name = "HOST… SPEC")]
    words: Vec<String>,
    /// Wait until every host has measured every job
    #[arg(long)]
    wait: bool,
    /// Exit with code 3 for a suspect verdict too
    #[arg(long, requires = "wait")]
    strict: bool,
    /// The inbox on the hosts [default: what the daemon's status says]
    #[arg(long, value_name = "FOLDER")]
    inbox: Option<PathBuf>,
    /// The outbox on the hosts [default: what the daemon's status says]
    #[arg(long, value_name = "FOLDER")]
    outbox: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// Print for programs: value, interval and verdict of each result
    #[arg(long)]
    json: bool,
}

/// What a host answered.
#[derive(Debug)]
struct Submitted {
    /// What it said of itself before.
    device: Device,
    /// Its results, if they were waited for.
    results: Option<Followed>,
}

pub(super) fn execute(arguments: &SubmitArguments) -> anyhow::Result<Exit> {
    let (names, specs) = split(&arguments.words)?;
    let hosts = hosts(names.iter().map(String::as_str))?;
    let Some(delivery) = delivery(&specs)? else { return Ok(Exit::WrongInput) };
    let answers =
        arguments.reach.over(&hosts, |host, connection| one(host, &connection, &delivery, arguments))?;
    let answers: answer::Answers = hosts.into_iter().zip(answers).collect();
    print(&if arguments.json { answer::as_text(&answers)? } else { answer::render(&answers, &delivery) })?;
    Ok(answer::exit(&answers, arguments.strict))
}

/// Hosts come before files.
fn split(words: &[String]) -> anyhow::Result<(&[String], Vec<PathBuf>)> {
    let is_spec = |word: &String| {
        let extension = Path::new(word).extension().and_then(OsStr::to_str).unwrap_or_default();
        SPEC_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())
    };
    let first = words.iter().position(is_spec).unwrap_or(words.len());
    let (hosts, specs) = words.split_at(first);
    let wrong = |why: String, hint: &str| Err(anyhow!(why)).advise(hint).exit(Exit::WrongInput);
    if specs.is_empty() {
        return wrong(
            "no job file is named".to_owned(),
            "job files end in .yaml or .yml, and come after the hosts",
        );
    }
    if hosts.is_empty() {
        return wrong("no host is named".to_owned(), "hosts come before job files");
    }
    if let Some(other) = specs.iter().find(|word| !is_spec(word)) {
        let why = format!("`{}` comes after a job file and is none", readable(other.as_ref()));
        return wrong(why, "hosts come before job files; models that a job names are copied with it");
    }
    Ok((hosts, specs.iter().map(PathBuf::from).collect()))
}

/// What to copy; `None` if a job file has mistakes, which were shown.
fn delivery(specs: &[PathBuf]) -> anyhow::Result<Option<Delivery>> {
    let (mut delivery, mut is_right) = (Delivery::default(), true);
    for spec in specs {
        let (text, job) = match check::examine(spec) {
            Ok(examined) => examined,
            Err(report) => {
                note(report.trim_end());
                is_right = false;
                continue;
            }
        };
        delivery.jobs.push(JobFile {
            file: local(spec)?,
            sha256: HEXLOWER.encode(&Sha256::digest(&text)),
            configurations: job.configurations.len(),
        });
        for file in job_files::of(spec, &job) {
            delivery.files.push(local(&file)?);
        }
    }
    delivery.files.sort();
    delivery.files.dedup();
    let files = delivery.files.iter().chain(delivery.jobs.iter().map(|job| &job.file));
    let mut files: Vec<&LocalFile> = files.collect();
    files.sort_by_key(|file| &file.name);
    if let Some([one, other]) = files.windows(2).find(|pair| pair[0].name == pair[1].name) {
        let (one, other) = (readable(one.path.as_os_str()), readable(other.path.as_os_str()));
        return Err(anyhow!("{one} and {other} would have the same name in an inbox, which has no folders"))
            .advise("rename one of them, or submit them one after the other")
            .exit(Exit::WrongInput);
    }
    Ok(is_right.then_some(delivery))
}

fn local(file: &Path) -> anyhow::Result<LocalFile> {
    let path = std::path::absolute(file)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(LocalFile { path, name })
}

/// Everything on one host.
fn one(
    host: &HostName,
    connection: &Connection,
    delivery: &Delivery,
    arguments: &SubmitArguments,
) -> Result<Submitted, Trouble> {
    let device = Device::ask(connection)?;
    if !arguments.wait {
        deliver(connection, &device, delivery, arguments.inbox.as_deref())?;
        return Ok(Submitted { device, results: None });
    }
    if device.daemon == Daemon::Gone {
        return Err(Trouble::NoDaemon);
    }
    let outbox = arguments.outbox.as_deref().unwrap_or(&device.outbox);
    let known = outbox_before(connection, outbox)?;
    deliver(connection, &device, delivery, arguments.inbox.as_deref())?;
    let expected: usize = delivery.jobs.iter().map(|job| job.configurations).sum();
    let (shown, was_paused) = (Cell::new(0), Cell::new(false));
    let results = follow(connection, outbox, delivery, known, &|waited| {
        if shown.replace(waited.results) != waited.results {
            note(&format!("{host}: {} of {expected} results", waited.results));
        }
        let is_paused = waited.device.state == "paused";
        if is_paused && !was_paused.replace(true) {
            note(&format!("{host}: paused; nothing is measured until `backbone resume` there"));
        }
    })?;
    Ok(Submitted { device, results: Some(results) })
}
