//! The sentinel of the host: a fixed network, measured once in so many hours by a job that the daemon drops
//! itself, shows whether the device changed. Its means are kept in the state folder, a line each; the status
//! names changes of their level.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::reporter::Audience;
use super::status::{SentinelChange, SentinelPoint, SentinelSeries};
use crate::config::Config;
use crate::guarded::{self, Synced};
use crate::runtime;
use crate::spec;
use crate::stats::levels;

/// Name of the job file in the inbox.
pub(super) const JOB_FILE: &str = "backbone-sentinel.yaml";

/// The file with the series, in the state folder.
const SERIES_FILE: &str = "sentinel.jsonl";

/// Points that are kept: nearly three years of days.
const MOST_POINTS: usize = 1000;

/// More than so many lines take.
const LARGEST_BYTES: u64 = 1 << 20;

/// When to measure it, and what was measured.
#[derive(Debug)]
pub(super) struct HostSentinel {
    state: PathBuf,
    /// The job, and how often; `None` if there is no sentinel.
    job: Option<(String, Duration)>,
    due: Instant,
    series: Vec<SentinelPoint>,
}

impl HostSentinel {
    /// As the settings say, with the series of former runs.
    pub(super) fn start(config: &Config, audience: Audience, now: Instant) -> Self {
        let every = Duration::from_secs(u64::from(config.sentinel_hours) * 3600);
        let wanted = audience == Audience::Collectors && !every.is_zero();
        let runtime = runtime::find(config.sentinel_runtime).filter(|_| wanted);
        let text = runtime.and_then(spec::sentinel_job);
        let series = if wanted { read(&config.state) } else { Vec::new() };
        let waited = series.last().and_then(|last| since(&last.at, Timestamp::now()));
        // A series from the future: the clock jumped, and how long ago it was cannot be known.
        let left = waited.map_or(Duration::ZERO, |waited| every.saturating_sub(waited));
        Self { state: config.state.clone(), job: text.map(|text| (text, every)), due: now + left, series }
    }

    /// When its next job is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.job.as_ref().map(|_| self.due)
    }

    /// The text of its job, if that is due now; it is then due again after its hours.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<&str> {
        let (text, every) = self.job.as_ref().filter(|_| now >= self.due)?;
        self.due = now + *every;
        Some(text)
    }

    /// A mean of its network. The series in memory is right even if the disk refuses.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn record(&mut self, point: SentinelPoint) -> io::Result<()> {
        self.series.push(point);
        let surplus = self.series.len().saturating_sub(MOST_POINTS);
        self.series.drain(..surplus);
        let mut text = Vec::new();
        for point in &self.series {
            serde_json::to_writer(&mut text, point)?;
            text.push(b'\n');
        }
        guarded::write(&self.state, SERIES_FILE, &text, Synced::Yes)
    }

    /// As the status has it; `None` before the first mean.
    pub(super) fn in_status(&self) -> Option<SentinelSeries> {
        let last = self.series.last()?.clone();
        let means: Vec<f64> = self.series.iter().map(|point| point.mean_milliseconds).collect();
        let changes = levels::steps(&means);
        let change = |step: &levels::LevelStep| SentinelChange {
            since: self.series[step.start].at.clone(),
            ratio: step.ratio,
        };
        Some(SentinelSeries {
            count: self.series.len() as u64,
            last,
            changes: changes.iter().map(change).collect(),
        })
    }
}

/// The series of former runs. A line that cannot be read is none.
fn read(state: &std::path::Path) -> Vec<SentinelPoint> {
    let text = match guarded::read_path(&state.join(SERIES_FILE), LARGEST_BYTES) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                log::warn!("cannot read the series of the sentinel: {error}");
            }
            return Vec::new();
        }
    };
    text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// How long ago; `None` for the future.
fn since(at: &str, now: Timestamp) -> Option<Duration> {
    let at: Timestamp = at.parse().ok()?;
    Duration::try_from(now.duration_since(at)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::split_mix_64;

    fn sentinel(state: &std::path::Path) -> HostSentinel {
        HostSentinel {
            state: state.to_owned(),
            job: Some(("job".to_owned(), Duration::from_secs(3600))),
            due: Instant::now(),
            series: read(state),
        }
    }

    fn day(day: usize, mean_milliseconds: f64) -> SentinelPoint {
        SentinelPoint {
            at: format!("2026-{:02}-{:02}T04:00:00Z", 1 + day / 28, 1 + day % 28),
            bundle: format!("b{day}"),
            runtime: "onnxruntime".to_owned(),
            mean_milliseconds,
        }
    }

    #[test]
    fn planted_change_is_named_with_the_day_since_when_and_noise_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut sentinel = sentinel(folder.path());
        let mut state = 7;
        for number in 0..45 {
            let noise = (split_mix_64(&mut state) >> 40) as f64 / (1 << 24) as f64 * 0.02;
            let level = if number < 30 { 10.0 } else { 10.8 };
            sentinel.record(day(number, level * (1.0 + noise))).unwrap();
            if number < 30 {
                assert_eq!(sentinel.in_status().unwrap().changes, [], "day {number}");
            }
        }
        let again = self::sentinel(folder.path()).in_status().unwrap();
        assert_eq!(Some(&again), sentinel.in_status().as_ref());
        assert_eq!((again.count, again.last.bundle.as_str(), again.changes.len()), (45, "b44", 1));
        assert_eq!(again.changes[0].since, "2026-02-03T04:00:00Z");
        assert!((again.changes[0].ratio - 1.08).abs() < 0.01, "{:?}", again.changes);
    }

    #[test]
    fn series_is_bounded_and_lines_that_are_damaged_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut sentinel = sentinel(folder.path());
        sentinel.series = (0..MOST_POINTS).map(|number| day(number % 300, 1.0)).collect();
        sentinel.record(day(1, 2.0)).unwrap();
        assert_eq!(sentinel.series.len(), MOST_POINTS);
        fs_err::write(folder.path().join(SERIES_FILE), "{}\nno\n").unwrap();
        assert!(read(folder.path()).is_empty());
        fs_err::write(folder.path().join(SERIES_FILE), vec![b'x'; 1 << 21]).unwrap();
        assert!(read(folder.path()).is_empty());
    }

    #[test]
    fn it_is_due_once_in_its_hours_and_at_once_after_a_clock_that_jumped_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut sentinel = sentinel(folder.path());
        let now = sentinel.due;
        assert!(sentinel.take_due(now).is_some() && sentinel.take_due(now).is_none());
        assert!(sentinel.take_due(now + Duration::from_secs(3600)).is_some());
        let then: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(since("2026-01-01T00:00:00Z", then), Some(Duration::from_secs(86_400)));
        assert_eq!(since("2027-01-01T00:00:00Z", then), None);
    }
}
