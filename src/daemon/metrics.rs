//! `backbone.prom`: the status as numbers, for the textfile collector of Prometheus' node_exporter.
//!
//! Written with the status, and by an idle daemon whenever it wakes anyway; never while a worker times, and
//! the daemon does not wake for it. Labels have few values that are known beforehand: jobs and files are
//! not among them, because each would be a time series for ever.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::status::{Attention, State, Status};
use crate::bundle::format::Quantity;
use crate::guarded::{self, Synced};
use crate::host::{HostRoot, Sensors};

/// The file in the collector's folder.
pub(super) const FILE: &str = "backbone.prom";

/// An idle daemon writes it again after this long: its file shows that it lives, and the temperature.
const REFRESH_AFTER: Duration = Duration::from_secs(30);

/// Every state, so that each always has a value.
const STATES: &[State] = &[
    State::Idle,
    State::Running,
    State::Cooling,
    State::Paused,
    State::WaitingForHost,
    State::Trouble,
    State::Stopped,
];

/// Writes the file.
#[derive(Debug)]
pub(super) struct Metrics {
    folder: PathBuf,
    sensors: Sensors,
    zones: Vec<usize>,
    written_at: Option<Instant>,
    trouble: Option<Attention>,
}

/// What is not in a status.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Extra {
    /// Of the hottest zone.
    celsius: Option<f64>,
    /// Wall clock in seconds since 1970.
    now: f64,
}

impl Metrics {
    /// Into this folder.
    pub(super) fn into(folder: &Path, root: &HostRoot) -> Self {
        let sensors = Sensors::find(root);
        let zones = sensors.of(Quantity::Temperature);
        Self { folder: folder.to_owned(), sensors, zones, written_at: None, trouble: None }
    }

    /// Write it. What is wrong with the folder is said once in the log, and in the status.
    pub(super) fn write(&mut self, status: &Status, now: Instant) {
        self.written_at = Some(now);
        let zones = self.zones.iter().filter_map(|&zone| self.sensors.read_one(zone));
        let celsius = zones.collect::<Vec<_>>().into_iter().max_by(f64::total_cmp);
        let wall = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
        let text = render(status, Extra { celsius, now: wall });
        match guarded::write(&self.folder, FILE, text.as_bytes(), Synced::No) {
            Ok(()) => self.trouble = None,
            Err(error) => {
                let what = self.folder.join(FILE).display().to_string();
                if self.trouble.is_none() {
                    log::warn!(CODE = "metrics_unwritable"; "{what}: {error}");
                }
                let why = format!("{error}; make the folder writable for the daemon, see `metrics_folder`");
                self.trouble = Some(Attention { code: "metrics_unwritable".to_owned(), what, why });
            }
        }
    }

    /// Is it so old that an idle daemon should write it again?
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.written_at.is_none_or(|at| now.saturating_duration_since(at) >= REFRESH_AFTER)
    }

    /// For the status.
    pub(super) fn trouble(&self) -> Option<&Attention> {
        self.trouble.as_ref()
    }
}

/// The text exposition format of Prometheus.
fn render(status: &Status, extra: Extra) -> String {
    let mut page = Page::default();
    let id = status.host_id.as_deref().unwrap_or_default();
    page.metric("backbone_info", MetricKind::Gauge, "Version of the daemon and id of the host.");
    page.value(&[("version", status.version.as_str()), ("host_id", id)], 1.0);
    page.metric("backbone_state", MetricKind::Gauge, "1 for the state that the daemon is in.");
    for state in STATES {
        page.value(&[("state", word(state).as_str())], f64::from(u8::from(*state == status.state)));
    }
    page.metric("backbone_jobs_queued", MetricKind::Gauge, "Jobs that are ready for their turn.");
    page.value(&[], status.queued as f64);
    page.metric("backbone_jobs_waiting", MetricKind::Gauge, "Jobs that wait for files, of the first 20.");
    page.value(&[], status.waiting.len() as f64);
    page.metric("backbone_job_running", MetricKind::Gauge, "1 while a job is measured.");
    page.value(&[], f64::from(u8::from(status.running.is_some())));
    if let Some(running) = &status.running {
        page.metric(
            "backbone_job_configuration",
            MetricKind::Gauge,
            "The configuration that is measured, from 1.",
        );
        page.value(&[], running.configuration as f64);
        page.metric("backbone_job_configurations", MetricKind::Gauge, "Configurations of the running job.");
        page.value(&[], running.configurations as f64);
    }
    results(&mut page, status);
    page.metric(
        "backbone_attention",
        MetricKind::Gauge,
        "What needs attention, by the code that the status has.",
    );
    let mut codes: Vec<&str> = status.attention.iter().map(|attention| attention.code.as_str()).collect();
    codes.sort_unstable();
    for same in codes.chunk_by(|one, other| one == other) {
        page.value(&[("code", same[0])], same.len() as f64);
    }
    if let Some(celsius) = extra.celsius {
        page.metric(
            "backbone_temperature_celsius",
            MetricKind::Gauge,
            "The hottest zone, between measurements.",
        );
        page.value(&[], celsius);
    }
    for (name, bytes, help) in [
        ("backbone_disk_free_bytes", status.disk_free_bytes, "Free space for the spool."),
        ("backbone_disk_size_bytes", status.disk_total_bytes, "Size of the spool's file system."),
    ] {
        if let Some(bytes) = bytes {
            page.metric(name, MetricKind::Gauge, help);
            page.value(&[], bytes as f64);
        }
    }
    page.metric("backbone_status_timestamp_seconds", MetricKind::Gauge, "When this file was written.");
    page.value(&[], extra.now);
    page.text
}

/// What became of the jobs.
fn results(page: &mut Page, status: &Status) {
    page.metric(
        "backbone_bundles_total",
        MetricKind::Counter,
        "Bundles since the daemon started, by outcome.",
    );
    let finished = status.finished;
    let outcomes = [
        ("measured", finished.measured),
        ("rejected", finished.rejected),
        ("failed", finished.failed),
        ("cancelled", finished.cancelled),
    ];
    outcomes.iter().for_each(|(outcome, count)| page.value(&[("outcome", *outcome)], *count as f64));
    page.metric(
        "backbone_bundles_unpublished",
        MetricKind::Gauge,
        "Bundles that could not be published yet.",
    );
    page.value(&[], status.unpublished as f64);
    let last = status.last_result.as_ref().and_then(|last| last.at.parse::<jiff::Timestamp>().ok());
    if let Some(last) = last {
        page.metric(
            "backbone_last_result_timestamp_seconds",
            MetricKind::Gauge,
            "When the newest bundle was made.",
        );
        page.value(&[], last.as_millisecond() as f64 / 1e3);
    }
}

fn word(state: &State) -> String {
    serde_json::to_value(state).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[derive(Debug, Clone, Copy)]
enum MetricKind {
    Gauge,
    Counter,
}

impl fmt::Display for MetricKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        })
    }
}

/// Writing to a string cannot fail.
#[derive(Debug, Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    fn metric(&mut self, name: &'static str, kind: MetricKind, help: &str) {
        self.name = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the last metric.
    fn value(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> =
            labels.iter().map(|(name, text)| format!("{name}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::status::LastResult;

    #[test]
    fn every_number_of_the_status_has_a_line() {
        let odd = |code: &str| Attention { code: code.to_owned(), what: "x".to_owned(), why: String::new() };
        let status = Status {
            version: "0.1.0".to_owned(),
            host_id: Some("abc".to_owned()),
            queued: 3,
            attention: vec![odd("no_room"), odd("folder_in_inbox"), odd("no_room")],
            last_result: Some(LastResult {
                job: "smoke".to_owned(),
                bundle: "b".to_owned(),
                outcome: crate::bundle::format::Status::Measured,
                at: "2026-01-02T03:04:05Z".to_owned(),
            }),
            disk_free_bytes: Some(5_000_000_000),
            ..Status::default()
        };
        let text = render(&status, Extra { celsius: Some(41.5), now: 1_767_323_045.5 });
        insta::assert_snapshot!(text);
        assert!(!text.contains("smoke"), "no label grows with the jobs");
    }

    #[test]
    fn file_is_replaced_at_once_and_a_missing_folder_is_named_in_the_status() {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        let mut metrics = Metrics::into(&folder.path().join("textfile"), &root);
        let now = Instant::now();
        assert!(metrics.is_due(now));
        metrics.write(&Status::default(), now);
        assert_eq!(metrics.trouble().unwrap().code, "metrics_unwritable");
        fs_err::create_dir(folder.path().join("textfile")).unwrap();
        metrics.write(&Status::default(), now);
        assert_eq!(metrics.trouble(), None);
        assert!(!metrics.is_due(now) && metrics.is_due(now + REFRESH_AFTER));
        let names = fs_err::read_dir(folder.path().join("textfile")).unwrap();
        assert_eq!(names.map(|name| name.unwrap().file_name()).collect::<Vec<_>>(), [FILE]);
    }
}
