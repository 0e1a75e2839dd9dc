//! How long a job will probably take: from its last results in an outbox, if there are any, else from its
//! operations and a stated assumption. Never a promise.

use std::path::Path;

use jiff::Timestamp;

use super::duration::about;
use crate::bundle::format::Bundle;
use crate::bundle::{read, write};
use crate::daemon::fewest_trials;
use crate::guarded;
use crate::network::count_configuration::cost;
use crate::spec::{Job, JobConfiguration, ModelSource};
use crate::text::counted;

/// Operations in a second that are assumed of a host without results: a modest one, an int8 network on two
/// cores of a small board.
const ASSUMED_OPERATIONS_PER_SECOND: f64 = 1e10;

/// Seconds that a process is assumed to take in addition to its runs: it loads a library and a model.
const ASSUMED_SECONDS_PER_PROCESS: f64 = 1.0;

/// Most results that are read: beyond that the first ones stand for the rest.
const MOST_READ: usize = 64;

/// Largest decompressed result that is read for an estimate.
const LARGEST_READ_BYTES: u64 = 32 << 20;

/// Seconds by what they come from.
#[derive(Debug, Default)]
struct Sum {
    seconds: f64,
    from_results: usize,
    from_operations: usize,
    unknown: usize,
}

/// A line for people. `operations` has those of each dropped model, if they are known.
pub(super) fn line(job: &Job, operations: &[Option<u64>], outbox: Option<&Path>) -> String {
    let names = outbox.map(names_in).unwrap_or_default();
    let mut sum = Sum::default();
    for (index, configuration) in job.configurations.iter().enumerate() {
        let of_last = match index < MOST_READ {
            true => outbox.and_then(|outbox| last_result(job, configuration, outbox, &names)),
            false => None,
        };
        let of_last = of_last.and_then(|bundle| seconds_like(job, configuration, &bundle));
        let known = match configuration.source {
            ModelSource::Dropped(index) => operations.get(index).copied().flatten(),
            ModelSource::Generated(network) => Some(cost(&network).operations()),
        };
        match (of_last, known) {
            (Some(seconds), _) => {
                sum.from_results += 1;
                sum.seconds += seconds;
            }
            (None, Some(operations)) => {
                sum.from_operations += 1;
                sum.seconds += seconds_for(job, configuration, operations);
            }
            (None, None) => sum.unknown += 1,
        }
    }
    format!("  duration: {}\n", sum.in_words(outbox))
}

impl Sum {
    fn in_words(&self, outbox: Option<&Path>) -> String {
        let place = outbox.map_or_else(String::new, |outbox| format!(" in {}", outbox.display()));
        let assumption = format!(
            "a host that computes {} GOP/s and {} s for each process; compiling is not counted",
            ASSUMED_OPERATIONS_PER_SECOND / 1e9,
            ASSUMED_SECONDS_PER_PROCESS
        );
        let known = self.from_results + self.from_operations;
        let mut text = match (self.from_results, self.from_operations) {
            (0, 0) => "not known: there is no earlier result, and the operations are not counted".to_owned(),
            (_, 0) => format!("about {}, by the last results{place}", about(self.seconds)),
            (0, _) => format!("about {}, assuming {assumption}", about(self.seconds)),
            (results, _) => format!(
                "about {}, by the last results{place} for {results} of {}, the rest assuming {assumption}",
                about(self.seconds),
                counted(known, "configuration", "configurations")
            ),
        };
        if known > 0 && self.unknown > 0 {
            text.push_str(&format!(
                "; {} more of unknown duration",
                counted(self.unknown, "configuration", "configurations")
            ));
        }
        text
    }
}

fn runs(job: &Job) -> f64 {
    f64::from(job.measure.warm_up_runs) + f64::from(job.measure.timed_runs)
}

fn processes(job: &Job, configuration: &JobConfiguration) -> f64 {
    let (builds, processes) = fewest_trials(configuration, &job.measure);
    f64::from(builds) * f64::from(processes)
}

fn seconds_for(job: &Job, configuration: &JobConfiguration, operations: u64) -> f64 {
    let each = ASSUMED_SECONDS_PER_PROCESS + runs(job) * operations as f64 / ASSUMED_OPERATIONS_PER_SECOND;
    processes(job, configuration) * each
}

/// As the earlier result took, for as many runs and processes as this job wants.
fn seconds_like(job: &Job, configuration: &JobConfiguration, bundle: &Bundle) -> Option<f64> {
    let mean = bundle.summary.as_ref()?.mean / 1e3;
    let started: Timestamp = bundle.times.started.as_ref()?.parse().ok()?;
    let finished: Timestamp = bundle.times.finished.parse().ok()?;
    let whole = finished.duration_since(started).as_secs_f64();
    let all = |latencies: &crate::bundle::format::Latencies| {
        latencies
            .warm_up_ns
            .iter()
            .chain(&latencies.latency_ns)
            .map(|latency| latency.0 as f64 / 1e9)
            .sum::<f64>()
    };
    let running: f64 = bundle.trials.iter().map(|trial| all(&trial.latencies)).sum();
    let around = (whole - running).max(0.0) / bundle.trials.len().max(1) as f64;
    Some(processes(job, configuration) * (around + runs(job) * mean))
}

fn names_in(outbox: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(outbox).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The last result of this model on this runtime; one of this job goes before others.
fn last_result(
    job: &Job,
    configuration: &JobConfiguration,
    outbox: &Path,
    names: &[String],
) -> Option<Bundle> {
    let (model, runtime) = (configuration.model_name(job), configuration.runtime.name);
    let whole = write::file_name(&job.name, Some(&model), Some(runtime), "0");
    let of_job = whole.strip_suffix("0.json.gz")?;
    let of_model = of_job.find('.').map(|dot| &of_job[dot..])?;
    let id = |name: &&String| name.rsplit('.').nth(2).unwrap_or_default().to_owned();
    let of_this_job = names.iter().filter(|name| name.starts_with(of_job)).max_by_key(id);
    let name = of_this_job.or_else(|| names.iter().filter(|name| name.contains(of_model)).max_by_key(id))?;
    let file = guarded::open_path(&outbox.join(name)).ok()?;
    let (bundle, _) = read::decode_within(file, LARGEST_READ_BYTES).ok()?;
    // Another model may have the same stem.
    let is_same = bundle.model.as_ref().is_some_and(|found| found.file == configuration.model_file(job));
    is_same.then_some(bundle)
}
