//! How long a job will probably take, and how narrow its intervals will be: from its last results in an
//! outbox, if there are any; else from its operations and what other networks reached there; else from a
//! stated assumption. Never a promise.

use std::path::Path;

use super::duration::about;
use super::rates::{Rates, process_seconds, read_result};
use crate::bundle::format::Bundle;
use crate::bundle::write;
use crate::daemon::fewest_trials;
use crate::network::count_configuration::cost;
use crate::spec::{Job, JobConfiguration, MeasureProtocol, ModelSource};
use crate::text::counted;

/// Operations in a second that are assumed of a host without results: a modest one, an int8 network on two
/// cores of a small board.
const ASSUMED_OPERATIONS_PER_SECOND: f64 = 1e10;

/// Seconds that a process is assumed to take in addition to its runs: it loads a library and a model.
const ASSUMED_SECONDS_PER_PROCESS: f64 = 1.0;

/// Most results that are read: beyond that the first ones stand for the rest.
const MOST_READ: usize = 64;

/// The last result of a configuration tells its duration within this factor: load, heat and other programs
/// change between two jobs. A test holds it.
const FACTOR_OF_RESULTS: f64 = 1.5;

/// What can be told of a job before it is measured.
#[derive(Debug)]
pub(super) struct Estimate {
    /// A line for people.
    pub(super) duration: String,
    /// What the last results say of the width of intervals, if there are any.
    pub(super) precision: Option<String>,
}

/// Seconds and where they come from.
#[derive(Debug, Default)]
struct Sum {
    low: f64,
    seconds: f64,
    high: f64,
    from_results: usize,
    from_rates: usize,
    from_operations: usize,
    unknown: usize,
}

/// `operations` has those of each dropped model, if they are known.
pub(super) fn of(job: &Job, operations: &[Option<u64>], outbox: Option<&Path>) -> Estimate {
    let names = outbox.map(names_in).unwrap_or_default();
    let mut rates = Rates::new(outbox, &names);
    let (mut sum, mut widths) = (Sum::default(), Vec::new());
    for (index, configuration) in job.configurations.iter().enumerate() {
        let of_last = match index < MOST_READ {
            true => outbox.and_then(|outbox| last_result(job, configuration, outbox, &names)),
            false => None,
        };
        widths.extend(of_last.as_ref().and_then(|bundle| width_like(job, bundle)));
        let of_last = of_last.and_then(|bundle| seconds_like(job, configuration, &bundle));
        let known = match configuration.source {
            ModelSource::Dropped(index) => operations.get(index).copied().flatten(),
            ModelSource::Generated(network) => Some(cost(&network).operations()),
        };
        let processes = processes(job, configuration);
        let rate = rates.of(configuration.runtime.name);
        match (of_last, known, rate) {
            (Some(seconds), ..) => {
                sum.from_results += 1;
                sum.add([seconds / FACTOR_OF_RESULTS, seconds, seconds * FACTOR_OF_RESULTS]);
            }
            (None, Some(operations), Some(rate)) => {
                sum.from_rates += 1;
                let seconds = |per_operation: f64| {
                    processes * (rate.process_seconds + runs(job) * operations as f64 * per_operation)
                };
                sum.add(rate.seconds_per_operation.map(seconds));
            }
            (None, Some(operations), None) => {
                sum.from_operations += 1;
                let seconds = seconds_for(job, configuration, operations);
                sum.add([seconds, seconds, seconds]);
            }
            (None, None, _) => sum.unknown += 1,
        }
    }
    Estimate { duration: format!("  duration: {}\n", sum.in_words(outbox)), precision: in_words(&mut widths) }
}

impl Sum {
    fn add(&mut self, [low, seconds, high]: [f64; 3]) {
        self.low += low;
        self.seconds += seconds;
        self.high += high;
    }

    fn in_words(&self, outbox: Option<&Path>) -> String {
        let place = outbox.map_or_else(String::new, |outbox| format!(" in {}", outbox.display()));
        let assumption = format!(
            "a host that computes {} GOP/s and {} s for each process; compiling is not counted",
            ASSUMED_OPERATIONS_PER_SECOND / 1e9,
            ASSUMED_SECONDS_PER_PROCESS
        );
        let known = self.from_results + self.from_rates + self.from_operations;
        if known == 0 {
            return "not known: there is no earlier result, and the operations are not counted".to_owned();
        }
        let range = match known == self.from_operations {
            true => String::new(),
            false => format!(" ({} to {})", about(self.low), about(self.high)),
        };
        let sources = [
            (self.from_results, format!("by the last results{place}")),
            (self.from_rates, format!("by the operations per second of other results{place}")),
            (self.from_operations, format!("assuming {assumption}")),
            (self.unknown, "of unknown duration and not counted".to_owned()),
        ];
        let named: Vec<&(usize, String)> = sources.iter().filter(|(count, _)| *count > 0).collect();
        let sources = match named.as_slice() {
            [(_, only)] => format!(", {only}"),
            several => {
                let part = |(count, how): &&(usize, String)| {
                    format!("{} {how}", counted(*count, "configuration", "configurations"))
                };
                format!(": {}", several.iter().map(part).collect::<Vec<String>>().join("; "))
            }
        };
        format!("about {}{range}{sources}", about(self.seconds))
    }
}

/// Half width of the median's interval as a part of the median, for as many runs as this job wants: it goes
/// with one over the root of their number.
fn width_like(job: &Job, bundle: &Bundle) -> Option<f64> {
    let summary = bundle.summary.as_ref()?;
    let interval = summary.median_interval?;
    let runs = f64::from(job.measure.timed_runs) * f64::from(job.measure.processes);
    let half = (interval.high - interval.low) / 2.0 / summary.median;
    let scaled = half * (summary.count as f64 / runs).sqrt();
    (scaled.is_finite() && job.measure.protocol == MeasureProtocol::Paper).then_some(scaled)
}

fn in_words(widths: &mut [f64]) -> Option<String> {
    widths.sort_by(f64::total_cmp);
    let (middle, widest) = (widths.get(widths.len() / 2)?, widths.last()?);
    let widest = match widths.len() {
        1 => String::new(),
        count => format!(" in the middle of {count} configurations, {:.2} % at most", widest * 100.0),
    };
    Some(format!("by the last results about ± {:.2} %{widest}", middle * 100.0))
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
    Some(processes(job, configuration) * (process_seconds(bundle)? + runs(job) * mean))
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
    let bundle = read_result(outbox, name)?;
    // Another model may have the same stem.
    let is_same = bundle.model.as_ref().is_some_and(|found| found.file == configuration.model_file(job));
    is_same.then_some(bundle)
}
