//! `backbone results`: a line for each result, the newest first.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::collected::{self, Sources};
use super::failure::Advise as _;
use super::local_time::local;
use super::{DaemonPlace, Exit, note, outcome, print, table};
use crate::analysis::device::{self, DeviceChange, DeviceSeries};
use crate::analysis::drift::JobDrift;
use crate::analysis::platform;
use crate::analysis::row::Row;
use crate::bundle::format::{ProtocolName, Role, Status, VerdictState};
use crate::collect::Collection;
use crate::export::{Export, Results};
use crate::stats::Sorted;
use crate::text::{counted, escaped, scaled};
use crate::units::Nanos;

/// Lines that a person reads at once; the newest are what is asked for most.
const NEWEST: usize = 40;

/// The format of `--json`.
const JSON: &str = "jsonl";

/// List what was measured, the newest first
#[derive(Debug, Args)]
pub(super) struct ResultsArguments {
    /// Folders with bundles at any depth, or single bundles [default: the daemon's outbox]
    #[arg(value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Only results of the job of this name; repeat it for several, like the others below
    #[arg(long, value_name = "NAME")]
    job: Vec<String>,
    /// Only results with this label
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// Only results of this host
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Only results of this runtime
    #[arg(long, value_name = "NAME")]
    runtime: Vec<String>,
    /// Only generated networks of this precision
    #[arg(long, value_name = "fp32|int8")]
    precision: Vec<String>,
    /// Only results with this verdict, or that ended like this: `failed`, `timed_out`, …
    #[arg(long, value_name = "STATE")]
    verdict: Vec<String>,
    /// Only results that were finished at this time or later, such as `2026-11-28` or `2026-11-28T08:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only results that were finished before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// How many to show, 0 for all; `--json` shows all by default
    #[arg(short = 'n', long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Print a line of JSON for each, with the keys of `backbone export --format jsonl`
    #[arg(long)]
    json: bool,
    /// Include simulated results
    #[arg(long)]
    include_simulated: bool,
    /// List every file that gave no result instead of the first few of each kind
    #[arg(long)]
    name_all: bool,
    /// Configuration file, which names the outbox [default: /etc/backbone/config.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn execute(mut arguments: ResultsArguments) -> anyhow::Result<Exit> {
    let mut folders = std::mem::take(&mut arguments.folders);
    if folders.is_empty() {
        let place = DaemonPlace { config: arguments.config.take(), ..DaemonPlace::default() };
        folders.push(place.load(None, None)?.0.outbox);
    }
    let sources =
        Sources { folders, include_simulated: arguments.include_simulated, name_all: arguments.name_all };
    let Collection { mut rows, drifts, .. } = collected::collection(&sources)?;
    let platforms = platform::assign(&mut rows);
    let devices = device::series(&rows);
    let all = rows.len();
    rows.retain(|row| arguments.admits(row));
    if rows.is_empty() {
        return Err(anyhow!("none of {} is what was asked for", counted(all, "result", "results")))
            .advise("ask for fewer things at once, or list all with `-n 0`")
            .exit(Exit::WrongInput);
    }
    rows.sort_by(|one, other| (&other.finished, &other.id).cmp(&(&one.finished, &one.id)));
    let found = rows.len();
    let limit = arguments.limit.unwrap_or(if arguments.json { 0 } else { NEWEST });
    rows.truncate(if limit == 0 { found } else { limit });
    if arguments.json {
        let export = Export::find(JSON).context("the format is in the list of exports")?;
        let mut text = Vec::new();
        export.write(&Results { rows: &rows, platforms: &platforms }, &mut text)?;
        print(&String::from_utf8_lossy(&text))?;
    } else {
        print(&render(&rows))?;
        for drift in drifts.iter().filter(|drift| rows.iter().any(|row| row.job_id == drift.job_id)) {
            note(&drift_line(drift));
        }
        devices.iter().flat_map(device_lines).for_each(|line| note(&line));
    }
    if rows.len() < found {
        note(&format!("the newest {} of {found}; `-n 0` lists all", rows.len()));
    }
    Ok(Exit::Done)
}

impl ResultsArguments {
    fn admits(&self, row: &Row) -> bool {
        let is_one = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|wanted| wanted == found))
        };
        let software = row.identity.software.as_ref();
        let finished = row.finished.parse::<Timestamp>().ok();
        is_one(&self.job, Some(&row.job))
            && is_one(&self.host, row.identity.machine.host.as_deref())
            && is_one(&self.runtime, software.map(|software| software.runtime.as_str()))
            && is_one(&self.precision, row.configuration.as_ref().map(|it| it.precision.as_str()))
            && is_one(&self.verdict, Some(&ending(row)))
            && (self.label.is_empty()
                || self.label.iter().any(|(key, value)| row.labels.get(key) == Some(value)))
            && self.since.is_none_or(|since| finished.is_some_and(|finished| finished >= since))
            && self.until.is_none_or(|until| finished.is_some_and(|finished| finished < until))
    }
}

/// The verdict of what was measured, else how it ended; as bundles spell it.
fn ending(row: &Row) -> String {
    match row.status {
        Status::Measured => row.verdict.word().to_owned(),
        status => outcome::word(status).replace(' ', "_"),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is written KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A point in time; a date alone is the beginning of that day here.
fn time(text: &str) -> Result<Timestamp, String> {
    let date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::system()).ok();
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| Some(date()?.timestamp()))
        .ok_or_else(|| "a time is written 2026-11-28 or 2026-11-28T08:00:00Z".to_owned())
}

/// Since when a device is another, by its sentinels.
fn device_lines(series: &DeviceSeries) -> Vec<String> {
    let line = |change: &DeviceChange| {
        format!(
            "{} changed: sentinel {} {:+.1} % since {} (of {})",
            escaped(series.host.as_deref().unwrap_or("a host without a name")),
            escaped(&series.subject),
            (change.ratio - 1.0) * 100.0,
            local(&change.since),
            counted(series.rows.len(), "result", "results"),
        )
    };
    series.changes.iter().map(line).collect()
}

/// How the device drifted over a job with sentinels.
fn drift_line(drift: &JobDrift) -> String {
    let on = drift.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
    format!(
        "drift of {}{on}, {}: up to {:+.1} % over {} (corrected mean = mean / (1 + drift))",
        escaped(&drift.job),
        drift.runtime,
        drift.largest() * 100.0,
        counted(drift.ratios.len(), "sentinel", "sentinels"),
    )
}

fn render(rows: &[Row]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    // A column that says the same in every row says it once, in none.
    let hosts = rows.iter().map(|row| &row.identity.machine.host);
    let is_one_host = hosts.clone().skip(1).all(|host| Some(host) == hosts.clone().next());
    let mut headings = vec![
        "finished",
        "host",
        "job",
        "network",
        "runtime",
        "median (95 % interval)",
        "throughput",
        "verdict",
    ];
    let mut cells = cells;
    if rows.iter().any(|row| row.drift.is_some()) {
        headings.insert(6, "mean, corrected for drift");
        cells.iter_mut().zip(rows).for_each(|(cells, row)| cells.insert(6, corrected(row)));
    }
    if is_one_host {
        headings.remove(1);
        cells.iter_mut().for_each(|cells| drop(cells.remove(1)));
    }
    table::render(&headings, &cells)
}

/// Raw and corrected, next to each other.
fn corrected(row: &Row) -> String {
    let values = row.latency.zip(row.drift).zip(row.corrected_mean());
    values.map_or_else(
        || "-".to_owned(),
        |((latency, drift), corrected)| {
            format!("{:.3} ms, {corrected:.3} ms ({:+.1} %)", latency.mean, (drift - 1.0) * 100.0)
        },
    )
}

fn cells(row: &Row) -> Vec<String> {
    let network = row.configuration.as_ref().map(|it| it.name.as_str()).or(row.model.as_deref());
    let software = row.identity.software.as_ref();
    let runs: Vec<Nanos> =
        row.used().flat_map(|process| process.latency_ns.iter().copied().map(Nanos)).collect();
    let interval = Sorted::new(&runs).and_then(|sorted| sorted.median_interval());
    let interval = interval
        .map(|ends| format!(" ({:.3} to {:.3})", ends.low.as_milliseconds(), ends.high.as_milliseconds()));
    let median =
        row.latency.map(|latency| format!("{:.3} ms{}", latency.median, interval.unwrap_or_default()));
    let throughput = row.latency.zip(row.cost).map(|(latency, cost)| {
        format!("{}/s", scaled((cost.operations as f64 / latency.mean * 1e3) as u128, "OP"))
    });
    let sentinel = if row.role == Role::Sentinel { " (sentinel)" } else { "" };
    let protocol = match row.protocol {
        ProtocolName::Paper => "",
        ProtocolName::Rigorous => " (rigorous)",
    };
    let why = match row.status {
        Status::Measured => row.verdict_reasons.join(", "),
        _ => row.reason.clone().unwrap_or_default(),
    };
    let verdict = ending(row).replace('_', " ");
    let simulated = if row.simulated { " (simulated)" } else { "" };
    let verdict = if why.is_empty() || row.verdict == VerdictState::Valid {
        format!("{verdict}{simulated}")
    } else {
        format!("{verdict}: {why}{simulated}")
    };
    [
        local(&row.finished),
        row.identity.machine.host.clone().unwrap_or_default(),
        row.job.clone(),
        format!("{}{sentinel}", network.unwrap_or("-")),
        software.map_or("-", |software| software.runtime.as_str()).to_owned(),
        median.map_or_else(|| "-".to_owned(), |median| format!("{median}{protocol}")),
        throughput.unwrap_or_else(|| "-".to_owned()),
        verdict,
    ]
    .map(|cell| escaped(&cell))
    .to_vec()
}
