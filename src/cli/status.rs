//! `backbone status`: what the daemon last wrote about itself.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::failure::Advise as _;
use super::local_time::{later, local, seconds_since};
use super::outcome::{
    self,
    failures::{self, Ending},
};
use super::{DaemonPlace, Exit, about, print, table};
use crate::bundle::format::{self, Bundle};
use crate::bundle::read;
use crate::daemon::observer::BundleLine;
use crate::daemon::status::{CopiedFile, FILE_NAME, SentinelSeries, State, Status, Waiting};
use crate::daemon::status_file::is_silent;
use crate::guarded;
use crate::spool;
use crate::spool::names::JobId;
use crate::text::{counted, escaped};

/// How often `--watch` looks whether the file changed, and counts on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Clear the screen and go to its first line (ECMA-48 ED and CUP).
const CLEAR_SCREEN: &str = "\x1b[2J\x1b[H";

/// How many of the newest bundles in the outbox are searched for failures.
const NEWEST_BUNDLES: usize = 20;

/// How many of them are listed.
const NEWEST_RESULTS: usize = 10;

/// Show what the daemon is doing: the running trial, the queue, recent failures, the disk
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Hosts as ssh names them, a line for each [default: this host, in detail]
    #[cfg(feature = "desk")]
    #[arg(value_name = "HOST", conflicts_with_all = ["config", "inbox", "state", "watch"])]
    hosts: Vec<String>,
    #[cfg(feature = "desk")]
    #[command(flatten)]
    reach: super::rack::Reach,
    #[command(flatten)]
    place: DaemonPlace,
    /// Show it again every second in which it changes, until interrupted
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Print the daemon's status file, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(arguments: StatusArguments) -> anyhow::Result<Exit> {
    #[cfg(feature = "desk")]
    if !arguments.hosts.is_empty() {
        return super::rack_status::execute(&arguments.hosts, &arguments.reach, arguments.json);
    }
    let (config, _) = arguments.place.load(None, None)?;
    if arguments.json {
        let text = found(Status::read_text(&config.state), &config.state)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        print(&format!("{}\n", text.trim_end()))?;
        if spool::owner(&config.spool).is_some_and(|process| is_silent(&process)) {
            anyhow::bail!("the daemon cannot write its status: this is an older one");
        }
        return Ok(Exit::Done);
    }
    let (mut known, mut bundles, mut shown) = (None, Vec::new(), String::new());
    loop {
        let status = found(Status::read(&config.state), &config.state)?;
        let author = match spool::owner(&config.spool) {
            None => Author::Gone,
            Some(process) if is_silent(&process) => Author::Silent,
            Some(_) => Author::Writes,
        };
        if known.as_ref() != Some(&status) {
            bundles = newest_bundles(&status.outbox);
        }
        let text = render(&status, author, &bundles, Timestamp::now());
        if text != shown {
            print(&format!("{}{text}", if arguments.watch { CLEAR_SCREEN } else { "" }))?;
        }
        if !arguments.watch {
            return Ok(if author == Author::Writes { Exit::Done } else { Exit::Failed });
        }
        (known, shown) = (Some(status), text);
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The daemon that wrote a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    /// It runs, and this is its present status.
    Writes,
    /// It runs and cannot write its status.
    Silent,
    /// It ended.
    Gone,
}

/// A status file that is missing means that no daemon runs, which is the usual reason to be told so.
fn found<T>(status: std::io::Result<T>, state: &Path) -> anyhow::Result<T> {
    let is_missing = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
    match status {
        Err(error) if is_missing(&error) => {
            let file = state.join(FILE_NAME);
            Err(anyhow::anyhow!("no daemon is running on this host (no status in {})", file.display())).advise(
                "start it with `sudo systemctl start backbone` or `backbone serve`, or name its folder with --state",
            )
        }
        status => status.advise("restart the daemon to write the file again"),
    }
}

/// The newest bundles in the outbox, the newest last. Collectors may have taken some away.
fn newest_bundles(outbox: &Path) -> Vec<Bundle> {
    let entries = fs_err::read_dir(outbox).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter_map(|name| Some((JobId::of_bundle(&name)?, name))).collect();
    names.sort();
    let newest = names.split_off(names.len().saturating_sub(NEWEST_BUNDLES));
    let bundles =
        newest.iter().filter_map(|(_, name)| read::decode(guarded::open_path(&outbox.join(name)).ok()?).ok());
    bundles.collect()
}

fn render(status: &Status, author: Author, bundles: &[Bundle], now: Timestamp) -> String {
    let state = serde_json::to_value(status.state).unwrap_or_default();
    let state = state.as_str().unwrap_or("unknown").replace('_', " ");
    let mut text = match author {
        Author::Writes => format!("{state} (process {}, as of {})\n", status.process, local(&status.updated)),
        Author::Silent => format!(
            "not known: the daemon (process {}) cannot write its status; check the disk of the state folder\n\
             it was {state} at {}, and what follows is as old\n",
            status.process,
            local(&status.updated)
        ),
        Author::Gone => {
            let ended = if status.state == State::Stopped { state } else { format!("was {state}") };
            format!("no daemon is running; the last one {ended} at {}\n", local(&status.updated))
        }
    };
    for (label, line) in lines(status, now) {
        text.push_str(&format!("  {label:<7}  {}\n", escaped(&line)));
    }
    let next = status.next.iter().map(|it| vec![it.job.clone(), it.id.clone(), it.priority.to_string()]);
    let waiting = status.waiting.iter();
    let waiting = waiting.map(|it| vec![it.job.clone(), waits_for(it), format!("{} s", it.seconds)]);
    let attention = status.attention.iter().map(|it| vec![it.what.clone(), it.code.clone(), it.why.clone()]);
    section(&mut text, "next", &["job", "id", "priority"], next);
    section(&mut text, "waiting", &["job", "for", "since"], waiting);
    section(&mut text, "attention", &["what", "code", "why"], attention);
    let newest = bundles.iter().rev().take(NEWEST_RESULTS);
    let recent = newest.map(|bundle| {
        let line = BundleLine::of(bundle, "");
        std::iter::once(local(&bundle.times.finished)).chain(outcome::cells(&line)).collect()
    });
    let headings: Vec<&str> = std::iter::once("finished").chain(outcome::HEADINGS).collect();
    section(&mut text, "newest results", &headings, recent);
    // A cancelled job is as somebody wanted it.
    let failed = bundles.iter().filter(|bundle| bundle.outcome.status != format::Status::Cancelled);
    let failed = failures::render(failed.map(|bundle| Ending {
        job: &bundle.job.name,
        file: &bundle.job.file,
        runtime: bundle.runtime.as_ref().map(|runtime| runtime.name.as_str()),
        outcome: &bundle.outcome,
    }));
    if !failed.is_empty() {
        text.push_str(&format!("\nrecent failures\n{}", table::indent(&failed)));
    }
    text
}

/// What a job waits for.
fn waits_for(waiting: &Waiting) -> String {
    if let Some(CopiedFile { file, copied_bytes, size_bytes }) = &waiting.copying {
        let percent = copied_bytes.saturating_mul(100).checked_div(*size_bytes).unwrap_or(100);
        return format!("the copy of {file}: {percent} %");
    }
    if waiting.models.is_empty() {
        return "the copy of another job's files".to_owned();
    }
    let why = if waiting.why.is_empty() { String::new() } else { format!(" ({})", waiting.why.join("; ")) };
    format!("{}{why}", waiting.models.join(", "))
}

/// Labels and sentences below the first line.
fn lines(status: &Status, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if status.state == State::Paused {
        lines.push(("paused", "the inbox is still read; no job starts until `backbone resume`".to_owned()));
    }
    if let Some(running) = &status.running {
        lines.push(("job", format!("{}: {} on {}", running.job, running.network, running.runtime)));
        let elapsed = seconds_since(&running.since, now);
        lines.push((
            "trial",
            format!(
                "{} of {}, of configuration {} of {}; since {}{}",
                running.trial,
                running.trials,
                running.configuration,
                running.configurations,
                local(&running.since),
                elapsed.map(|seconds| format!(" ({})", about(seconds))).unwrap_or_default()
            ),
        ));
        if let Some(seconds) = running.eta_seconds {
            let ends = later(&running.since, seconds).map(|ends| format!(", at {ends}")).unwrap_or_default();
            let left = (seconds - elapsed.unwrap_or_default()).max(0.0);
            lines.push(("done in", format!("{}{ends}", about(left))));
        }
    }
    if let Some(cooling) = &status.cooling {
        lines.push((
            "cooling",
            format!(
                "{} was at {:.1} °C, and the job starts below {} °C; the wait ends at {}",
                cooling.zone,
                cooling.celsius,
                cooling.below_celsius,
                local(&cooling.until)
            ),
        ));
    }
    let queue = match (status.queued, status.waiting.len(), &status.running) {
        (0, 0, None) => "no job is queued or running".to_owned(),
        (queued, waiting, _) => {
            format!("{} queued, {waiting} waiting for a model", counted(queued, "job", "jobs"))
        }
    };
    lines.push(("queue", queue));
    if let Some(looked_at) = &status.inbox_looked_at {
        lines.push(("inbox", format!("looked at last at {}", local(looked_at))));
    }
    lines.extend(status.sentinel.as_ref().map(|sentinel| ("sentinel", sentinel_line(sentinel))));
    let finished = status.finished;
    lines.push((
        "done",
        format!(
            "{}; {} measured, {} rejected, {} failed, {} cancelled, {} not yet published",
            counted(finished.jobs, "job", "jobs"),
            counted(finished.measured, "result", "results"),
            finished.rejected,
            finished.failed,
            finished.cancelled,
            status.unpublished
        ),
    ));
    if let (Some(free), Some(total)) = (status.disk_free_bytes, status.disk_total_bytes) {
        lines.push(("disk", format!("{:.1} GB free of {:.1} GB", free as f64 / 1e9, total as f64 / 1e9)));
    }
    lines
}

/// The newest result of the host's sentinel, and since when it is another than before.
fn sentinel_line(sentinel: &SentinelSeries) -> String {
    let SentinelSeries { count, last, changes } = sentinel;
    let change = changes.last().map(|change| {
        format!("; changed by {:+.1} % since {}", (change.ratio - 1.0) * 100.0, local(&change.since))
    });
    format!(
        "{:.3} ms on {} at {}, number {count}{}",
        last.mean_milliseconds,
        last.runtime,
        local(&last.at),
        change.unwrap_or_else(|| "; no change of level".to_owned())
    )
}

/// A table under its name, if it has rows.
fn section(text: &mut String, name: &str, headings: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<Vec<String>> = rows.map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n{name}\n{}", table::indent(&table::render(headings, &rows))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::status::{Attention, Cooling, Queued, Running};

    #[test]
    fn the_status_names_the_running_trial_the_queue_and_whatever_is_odd() {
        let status = Status {
            state: State::Running,
            process: 7,
            updated: "2026-01-02T03:04:05Z".into(),
            running: Some(Running {
                id: "0000000001-abc".into(),
                job: "smoke".into(),
                network: "net.sim".into(),
                runtime: "sim".into(),
                configuration: 1,
                configurations: 2,
                trial: 2,
                trials: 3,
                since: "2026-01-02T03:04:00Z".into(),
                eta_seconds: Some(12.3),
            }),
            cooling: Some(Cooling {
                zone: "CPU-therm".into(),
                celsius: 61.5,
                below_celsius: 50,
                until: "2026-01-02T03:34:00Z".into(),
            }),
            queued: 1,
            next: vec![Queued { id: "0000000002-abc".into(), job: "later".into(), priority: 5 }],
            waiting: vec![Waiting {
                id: "x".into(),
                job: "w".into(),
                models: vec!["net.onnx".into()],
                why: Vec::new(),
                copying: None,
                seconds: 9,
            }],
            attention: vec![Attention {
                code: "folder_in_inbox".into(),
                what: "d".into(),
                why: "not entered".into(),
            }],
            inbox_looked_at: Some("2026-01-02T03:04:01Z".into()),
            disk_free_bytes: Some(2_500_000_000),
            disk_total_bytes: Some(10_000_000_000),
            ..Status::default()
        };
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let render = |author| render(&status, author, &[], now);
        insta::assert_snapshot!(render(Author::Writes));
        let silent = render(Author::Silent);
        assert!(
            silent.starts_with("not known: the daemon (process ") && silent.contains("was running"),
            "{silent}"
        );
        assert!(render(Author::Gone).starts_with("no daemon is running; the last one was running at"));
    }
}
