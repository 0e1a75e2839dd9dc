//! What a job file means: the tree of values against the table of fields and the runtimes there are. All
//! mistakes of a file come at once. Does no I/O and reads no clock.

use std::collections::BTreeMap;

use super::check;
use super::fields::{FIELDS, Fallback, Field, Kind, MAXIMUM_ENTRY_BYTES};
use super::fields::{FORMAT, MAXIMUM_NAME_BYTES, PAPER, RIGOROUS, SENTINEL};
use super::mistakes::{Mistakes, is_printable, quoted};
use super::raw::{self, Node, Value};
use super::source::{self, JobSource};
use super::{Builds, Host, Job, JobConfiguration, Measure, MeasureProtocol, SPEC_EXTENSIONS, Verify};
use super::{host, inputs, networks, order, runtimes, sentinel};
use crate::bundle::format::{Mistake, PowerRequest, Role, ScheduleOrder};
use crate::bundle::read::MOST_LATENCIES;
use crate::runtime::{RUNTIMES, Runtime};

/// Understand a job file. `file_name` is its bare name, from which a job without `name` takes its own.
///
/// # Errors
/// Every mistake of the file, in file order.
pub fn job(text: &[u8], file_name: &str) -> Result<Job, Vec<Mistake>> {
    job_on(RUNTIMES, text, file_name)
}

/// [`job`] with other runtimes than the ones built in.
pub(super) fn job_on(known: &[&'static Runtime], text: &[u8], file_name: &str) -> Result<Job, Vec<Mistake>> {
    let root = raw::parse(text).map_err(|mistake| vec![mistake])?;
    let mut mistakes = Mistakes::default();
    if is_of_another_format(&root, &mut mistakes) {
        return Err(mistakes.into_sorted());
    }
    let mut mistakes = Mistakes::default();
    let fields = Fields { nodes: check::fields(&root, FIELDS, &mut mistakes) };
    if let Some(node) = fields.get("backbone") {
        check::integer(node, "backbone", FORMAT, FORMAT, &mut mistakes);
    }
    let name =
        fields.get("name").and_then(|node| check::text(node, "name", MAXIMUM_NAME_BYTES, &mut mistakes));
    let source = source::read(&root, &fields.nodes, known, &mut mistakes);
    let chosen = runtimes::choose(fields.get("runtime"), source.as_ref(), known, &mut mistakes);
    let options = fields.get("runtime_options");
    let configurations = runtimes::configure(&chosen, source.as_ref(), options, &mut mistakes);
    let inputs = fields.get("inputs").map(|node| inputs::read(node, &mut mistakes)).unwrap_or_default();
    let labels = fields.get("labels").map(|node| labels(node, &mut mistakes)).unwrap_or_default();
    let measure = Measure {
        protocol: protocol(&fields, &mut mistakes),
        warm_up_runs: fields.integer("measure.warm_up_runs", &mut mistakes),
        timed_runs: fields.integer("measure.timed_runs", &mut mistakes),
        builds: builds(&fields, &configurations, &mut mistakes),
        processes: fields.integer("measure.processes", &mut mistakes),
        timeout_seconds: fields.integer("measure.timeout_seconds", &mut mistakes),
        seed: fields.integer("measure.seed", &mut mistakes),
        energy_seconds: fields.integer("measure.energy_seconds", &mut mistakes),
    };
    check_latencies(&fields, &configurations, &measure, &mut mistakes);
    runs_of_one_loop(&fields, &configurations, &measure, &mut mistakes);
    let host = host_of(&fields, &mut mistakes);
    let power = PowerRequest {
        power_mode: fields
            .get("host.power_mode")
            .and_then(|node| check::text(node, "host.power_mode", MAXIMUM_NAME_BYTES, &mut mistakes)),
        lock_clocks: fields.boolean("host.lock_clocks", &mut mistakes),
    };
    let verify = match fields.choice("verify", &mut mistakes) {
        Some(_) => Verify::Cpu,
        None => Verify::Others,
    };
    let priority = fields.integer("priority", &mut mistakes);
    let (order, configurations) = ordered(&fields, configurations, measure.seed, &mut mistakes);
    let models = match source {
        Some(JobSource::Dropped(models)) => models.into_iter().map(|model| model.reference).collect(),
        _ => Vec::new(),
    };
    match configurations.is_empty() {
        false if mistakes.is_empty() => Ok(Job {
            name: name.unwrap_or_else(|| name_of_file(file_name)),
            models,
            configurations,
            order,
            inputs,
            measure,
            host,
            power,
            verify,
            priority,
            labels,
        }),
        _ => Err(mistakes.into_sorted()),
    }
}

/// The configurations in the order of their measurement, with the sentinels between them.
fn ordered(
    fields: &Fields<'_>,
    mut configurations: Vec<JobConfiguration>,
    seed: u64,
    mistakes: &mut Mistakes,
) -> (ScheduleOrder, Vec<JobConfiguration>) {
    let order = match fields.choice("order", mistakes) {
        Some("random") => ScheduleOrder::Random,
        _ => ScheduleOrder::Listed,
    };
    if order == ScheduleOrder::Random {
        order::shuffle(&mut configurations, seed);
    }
    if fields.choice("role", mistakes) == Some(SENTINEL) {
        configurations.iter_mut().for_each(|one| one.role = Role::Sentinel);
    }
    let every: u32 = fields.integer("sentinel_every", mistakes);
    let network = networks::network(&networks::SENTINEL, &fields.nodes, mistakes);
    if let (Some(node), 0) = (fields.get("sentinel"), every) {
        let hint = "add `sentinel_every`, such as `sentinel_every: 10`, or leave the key out";
        mistakes.add(node.position, "sentinel", "no_effect", "nothing measures this network", hint);
    }
    // A network with a mistake must not be taken for none.
    let place =
        fields.get("sentinel_every").filter(|_| network.is_some() || fields.get("sentinel").is_none());
    (order, sentinel::insert(configurations, every as usize, network, place, mistakes))
}

/// The clock of a program that times itself may get coarser with every run.
fn runs_of_one_loop(
    fields: &Fields<'_>,
    configurations: &[JobConfiguration],
    measure: &Measure,
    mistakes: &mut Mistakes,
) {
    let runs = measure.warm_up_runs.saturating_add(measure.timed_runs);
    let limited = configurations
        .iter()
        .map(|configuration| configuration.runtime)
        .find(|runtime| runtime.most_runs.is_some_and(|most| runs > most));
    let Some((runtime, most)) = limited.and_then(|runtime| Some((runtime, runtime.most_runs?))) else {
        return;
    };
    let field =
        if measure.warm_up_runs > measure.timed_runs { "measure.warm_up_runs" } else { "measure.timed_runs" };
    let Some(node) = fields.get(field) else { return };
    let message = format!(
        "`{}` can time at most {most} runs in one process, warm-up included: its clock gets coarser with every run",
        runtime.name
    );
    let hint = "to warm up a board for longer, raise `measure.processes` (the first ones warm it), or run a job of the same \
                network right before this one";
    mistakes.add(node.position, field, "too_many_runs", message, hint);
}

fn host_of(fields: &Fields<'_>, mistakes: &mut Mistakes) -> Host {
    if let (Some(node), None) = (fields.get("host.zones"), fields.get("host.start_below_celsius")) {
        let hint = "add `start_below_celsius` to `host`, or leave the key out";
        mistakes.add(node.position, "host.zones", "no_effect", "nothing waits for these zones", hint);
    }
    Host {
        start_below_celsius: fields.integer_if_there("host.start_below_celsius", mistakes),
        wait_up_to_seconds: fields.integer("host.wait_up_to_seconds", mistakes),
        zones: fields
            .get("host.zones")
            .map(|node| host::zones(node, "host.zones", mistakes))
            .unwrap_or_default(),
        cpus: fields.get("host.cpus").map(|node| host::cpus(node, "host.cpus", mistakes)).unwrap_or_default(),
        nice: fields.integer_if_there("host.nice", mistakes),
        lock_memory: fields.boolean("host.lock_memory", mistakes),
    }
}

/// A file of another version may use words that mean something else here, so nothing more is said about it.
fn is_of_another_format(root: &Node, mistakes: &mut Mistakes) -> bool {
    let Value::Map(entries) = &root.value else { return false };
    let Some((_, node)) = entries.iter().find(|(key, _)| key.written == "backbone") else { return false };
    match node.value {
        Value::Integer(number) if number != i128::from(FORMAT) => {
            let message =
                format!("the file has format {}; this program reads format {FORMAT}", quoted(&node.written));
            let hint = format!("write `backbone: {FORMAT}`, or bring this program up to date");
            mistakes.add(node.position, "backbone", "unsupported_format", message, hint);
            true
        }
        _ => false,
    }
}

/// The values of the file by field path.
struct Fields<'a> {
    nodes: BTreeMap<&'static str, &'a Node>,
}

impl<'a> Fields<'a> {
    fn get(&self, path: &str) -> Option<&'a Node> {
        self.nodes.get(path).copied()
    }

    /// A whole number or its default. The table's range fits the type, which a test holds.
    fn integer<T: TryFrom<i64> + Default>(&self, path: &'static str, mistakes: &mut Mistakes) -> T {
        let (Kind::Integer { minimum, maximum }, Fallback::Integer(fallback)) = kind_of(path) else {
            return T::default();
        };
        let number = match self.get(path) {
            Some(node) => check::integer(node, path, minimum, maximum, mistakes),
            None => Some(fallback),
        };
        number.and_then(|number| T::try_from(number).ok()).unwrap_or_default()
    }

    /// A number or its default, which is whole.
    fn decimal(&self, path: &'static str, mistakes: &mut Mistakes) -> f64 {
        let (Kind::Decimal { minimum, maximum }, Fallback::Integer(fallback)) = kind_of(path) else {
            return 0.0;
        };
        let read = |node| check::decimal(node, path, (minimum, maximum), mistakes);
        self.get(path).and_then(read).unwrap_or(fallback as f64)
    }

    /// A whole number of a key without a default.
    fn integer_if_there<T: TryFrom<i64>>(&self, path: &'static str, mistakes: &mut Mistakes) -> Option<T> {
        let (Kind::Integer { minimum, maximum }, _) = kind_of(path) else { return None };
        let number = check::integer(self.get(path)?, path, minimum, maximum, mistakes)?;
        T::try_from(number).ok()
    }

    fn boolean(&self, path: &'static str, mistakes: &mut Mistakes) -> bool {
        let fallback = kind_of(path).1 == Fallback::Boolean(true);
        self.get(path).map_or(Some(fallback), |node| check::boolean(node, path, mistakes)).unwrap_or_default()
    }

    fn choice(&self, path: &'static str, mistakes: &mut Mistakes) -> Option<&'static str> {
        let (Kind::Choice(choices), _) = kind_of(path) else { return None };
        check::choice(self.get(path)?, path, choices, mistakes)
    }
}

fn kind_of(path: &str) -> (Kind, Fallback) {
    FIELDS
        .iter()
        .find(|field| field.path == path)
        .map(|Field { kind, fallback, .. }| (*kind, *fallback))
        .expect("only paths of the table are asked for, and every test that reads a job asks for all of them")
}

fn builds(fields: &Fields<'_>, configurations: &[JobConfiguration], mistakes: &mut Mistakes) -> Builds {
    let path = "measure.builds";
    let (Some(node), (Kind::Builds { maximum }, _)) = (fields.get(path), kind_of(path)) else {
        return Builds::Paper;
    };
    if !configurations.is_empty() && !configurations.iter().any(|chosen| chosen.runtime.compiles()) {
        let message = "no runtime of this job compiles models";
        mistakes.add(node.position, path, "nothing_to_build", message, "leave `builds` out");
    }
    if node.written == PAPER {
        return Builds::Paper;
    }
    if matches!(node.value, Value::Text(_)) {
        check::choice(node, path, &[PAPER], mistakes);
        return Builds::Paper;
    }
    let count = check::integer(node, path, 1, maximum, mistakes);
    count.and_then(|count| u32::try_from(count).ok()).map_or(Builds::Paper, Builds::Count)
}

/// Keys that `rigorous` decides on, or has no place for.
const NOT_WITH_RIGOROUS: &[(&str, &str)] = &[
    (
        "measure.processes",
        "it decides how many processes there are; `precision_percent` and `time_limit_seconds` limit them",
    ),
    (
        "measure.builds",
        "it decides how many builds there are; `precision_percent` and `time_limit_seconds` limit them",
    ),
    (
        "measure.energy_seconds",
        "which process is the last one is not known in advance; measure energy in a job with `protocol: paper`",
    ),
];

/// Keys that nothing but `rigorous` reads.
const ONLY_WITH_RIGOROUS: &[&str] = &["measure.precision_percent", "measure.time_limit_seconds"];

fn protocol(fields: &Fields<'_>, mistakes: &mut Mistakes) -> MeasureProtocol {
    let precision_percent = fields.decimal("measure.precision_percent", mistakes);
    let time_limit_seconds = fields.integer("measure.time_limit_seconds", mistakes);
    let chosen = fields.choice("measure.protocol", mistakes);
    if chosen == Some(RIGOROUS) {
        for (path, why) in NOT_WITH_RIGOROUS {
            if let Some(node) = fields.get(path) {
                let message = format!("`protocol: {RIGOROUS}` does not go together with this key");
                let hint = format!("leave it out: {why}");
                mistakes.add(node.position, path, "not_with_rigorous", message, hint);
            }
        }
        return MeasureProtocol::Rigorous { precision_percent, time_limit_seconds };
    }
    // A protocol that could not be read may well have been this one.
    if chosen.is_some() || fields.get("measure.protocol").is_none() {
        for path in ONLY_WITH_RIGOROUS {
            if let Some(node) = fields.get(path) {
                let hint = format!("add `protocol: {RIGOROUS}` to `measure`, or leave the key out");
                mistakes.add(
                    node.position,
                    path,
                    "no_effect",
                    format!("only `protocol: {RIGOROUS}` reads this key"),
                    hint,
                );
            }
        }
    }
    MeasureProtocol::Paper
}

/// Does the bundle of each configuration stay readable? More latencies take more than its readers read.
fn check_latencies(
    fields: &Fields<'_>,
    configurations: &[JobConfiguration],
    measure: &Measure,
    mistakes: &mut Mistakes,
) {
    let runs = u64::from(measure.warm_up_runs) + u64::from(measure.timed_runs);
    let builds = configurations.iter().map(|chosen| chosen.builds(measure)).max().unwrap_or(1);
    let processes = u64::from(builds) * u64::from(measure.processes);
    let latencies = runs * processes;
    if latencies <= MOST_LATENCIES {
        return;
    }
    // At least one of them is written: the defaults are far below.
    let written = ["measure.timed_runs", "measure.processes", "measure.builds", "measure.warm_up_runs"]
        .into_iter()
        .find_map(|path| Some((path, fields.get(path)?)));
    if let Some((path, node)) = written {
        let message = format!(
            "{runs} runs in {processes} processes are {latencies} latencies for one bundle; at most {MOST_LATENCIES} can be read again"
        );
        let fewer = MOST_LATENCIES / processes;
        let hint = format!(
            "at most {fewer} runs, warm-up included, in {processes} processes; or use fewer processes"
        );
        mistakes.add(node.position, path, "too_many_latencies", message, hint);
    }
}

/// The file's name without its extension, shortened, with unprintable characters replaced.
fn name_of_file(file_name: &str) -> String {
    let stem = file_name
        .rsplit_once('.')
        .filter(|(stem, extension)| {
            !stem.is_empty() && SPEC_EXTENSIONS.contains(&extension.to_lowercase().as_str())
        })
        .map_or(file_name, |(stem, _)| stem);
    let mut name: String = stem.chars().map(|c| if is_printable(c) { c } else { '_' }).collect();
    while name.len() > MAXIMUM_NAME_BYTES {
        name.pop();
    }
    if name.trim().is_empty() { "job".to_owned() } else { name }
}

fn labels(node: &Node, mistakes: &mut Mistakes) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, value) in check::entries(node, "labels", mistakes) {
        let field = check::below("labels", &key.written);
        if matches!(value.value, Value::Null | Value::List(_) | Value::Map(_)) {
            let hint = "write one text or number for each label";
            check::wrong_type(value, &field, "a text, a number or a truth value", hint, mistakes);
            continue;
        }
        // Not the value: `1.10` is a version to its author and a number to YAML.
        let is_key_right = check::is_line(key, &key.written, &field, MAXIMUM_NAME_BYTES, mistakes);
        if is_key_right && check::is_line(value, &value.written, &field, MAXIMUM_ENTRY_BYTES, mistakes) {
            found.insert(key.written.clone(), value.written.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests;
