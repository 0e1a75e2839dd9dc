//! One result as text: what a person asks first comes first, and what was not observed says so.

use super::histogram;
use crate::bundle::format::{
    Bundle, Cost, EnergyState, Environment, Model, Observation, Power, Protocol, Quantity, Resources, Role,
    ScheduleOrder, Status, Stopped, Tensor, VarianceSplit,
};
use crate::cli::outcome;
use crate::cli::outcome::failures::{self, Ending};
use crate::stats;
use crate::text::{counted, escaped, scaled};
use crate::verdict::{REASONS, reread};

/// Columns of labels.
const LABEL_WIDTH: usize = 12;

/// Hexadecimal digits by which a digest is recognised; all are in the bundle.
const DIGEST_DIGITS: usize = 12;

/// Text under construction: a label at the beginning of a line, values below each other next to it.
#[derive(Default)]
struct Sheet(String);

impl Sheet {
    /// A label with its lines; nothing if there are none. What bundles contain is not trusted.
    fn entry(&mut self, label: &str, lines: impl IntoIterator<Item = String>) {
        for (index, line) in lines.into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.0.push_str(format!("{label:<LABEL_WIDTH$}{}", escaped(&line)).trim_end());
            self.0.push('\n');
        }
    }

    fn gap(&mut self) {
        if !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }
}

pub(super) fn render(bundle: &Bundle) -> String {
    let mut sheet = Sheet::default();
    let on = bundle.runtime.as_ref().map(|runtime| format!(" on {}", runtime.name)).unwrap_or_default();
    let role = match bundle.schedule.map(|schedule| schedule.role) {
        Some(Role::Sentinel) => " (sentinel)",
        _ => "",
    };
    let named = network_name(bundle).map(|name| format!(": {name}")).unwrap_or_default();
    sheet.entry("result", [format!("{}{named}{role}{on}", bundle.job.name)]);
    if bundle.simulated {
        sheet.entry("", ["SIMULATED: not a measurement of real hardware".to_owned()]);
    }
    if bundle.outcome.status == Status::Measured {
        latency(&mut sheet, bundle);
    } else {
        sheet.entry("outcome", [outcome::word(bundle.outcome.status).to_owned()]);
        let ending = Ending {
            job: &bundle.job.name,
            file: &bundle.job.file,
            runtime: bundle.runtime.as_ref().map(|runtime| runtime.name.as_str()),
            outcome: &bundle.outcome,
        };
        sheet.entry("", failures::render([ending]).lines().map(str::to_owned));
        sheet.entry("log", bundle.outcome.log_tail.iter().cloned());
    }
    verdict(&mut sheet, bundle);
    sheet.gap();
    sheet.entry("network", network(bundle));
    sheet.entry("inputs", bundle.model.iter().flat_map(|model| &model.inputs).map(tensor));
    sheet.entry("outputs", outputs(bundle));
    sheet.gap();
    sheet.entry("platform", platform(bundle));
    sheet.entry("power", bundle.environment.iter().filter_map(|it| it.power.as_ref()).flat_map(power));
    sheet.entry("sensors", bundle.environment.iter().flat_map(sensors));
    sheet.entry("sandbox", bundle.environment.iter().flat_map(sandbox));
    sheet.entry("runtime", runtime(bundle));
    sheet.entry("builds", bundle.preparation.iter().map(build));
    sheet.entry("takes", takes(bundle));
    sheet.entry("energy", energy(bundle));
    sheet.gap();
    sheet.entry("source", source(bundle));
    sheet.0
}

fn latency(sheet: &mut Sheet, bundle: &Bundle) {
    let Some(summary) = &bundle.summary else { return };
    let interval = summary.median_interval.map(|ends| {
        format!(" ({:.0} % interval {:.4} to {:.4})", stats::CONFIDENCE * 100.0, ends.low, ends.high)
    });
    sheet.entry("median", [format!("{:.4} ms{}", summary.median, interval.unwrap_or_default())]);
    let deviation = summary.standard_deviation.map(|deviation| format!(" ± {deviation:.4}"));
    sheet.entry(
        "mean",
        [format!("{:.4} ms{} (standard deviation)", summary.mean, deviation.unwrap_or_default())],
    );
    let percentiles = summary.percentiles.iter().map(|it| format!(", p{} {:.4}", it.percent, it.value));
    sheet.entry(
        "range",
        [format!("{:.4} to {:.4} ms{}", summary.minimum, summary.maximum, percentiles.collect::<String>())],
    );
    if let Some(throughput) = bundle.throughput_operations_per_second {
        let frames = bundle.configuration.as_ref().map(|it| f64::from(it.batch) * 1e3 / summary.mean);
        let frames = frames.map(|frames| format!(", {frames:.1} images/s")).unwrap_or_default();
        sheet.entry("throughput", [format!("{}/s{frames}", scaled(throughput as u128, "OP"))]);
    }
    let warm_up: usize = bundle.trials.iter().map(|trial| trial.latencies.warm_up_ns.len()).sum();
    let build = summary.build.map(|build| format!(", of build {build}, the fastest")).unwrap_or_default();
    sheet.entry(
        "runs",
        [format!(
            "{} in {}{build}; {warm_up} to warm up before",
            summary.count,
            counted(summary.trials_used, "process", "processes")
        )],
    );
    sheet.entry("deviation", summary.variance.as_ref().and_then(split));
    sheet.entry("protocol", bundle.protocol.iter().flat_map(protocol));
    sheet.gap();
    let latencies = stats::pooled(&bundle.trials);
    sheet.entry("ms", histogram::lines(latencies.iter().map(|latency| latency.as_milliseconds())));
    sheet.gap();
}

/// What was asked of `rigorous`, what it reached, and how it spent its time.
fn protocol(protocol: &Protocol) -> Vec<String> {
    let Some(asked) = protocol.asked else { return Vec::new() };
    let mut lines = vec![format!(
        "{}: mean to ± {} % within {} s",
        protocol.name.word(),
        asked.precision_percent,
        asked.time_limit_seconds
    )];
    let Some(reached) = protocol.reached else {
        lines.push("not finished".to_owned());
        return lines;
    };
    let interval = reached.interval.map(|ends| {
        format!(" ({:.0} % interval {:.4} to {:.4})", ends.confidence * 100.0, ends.low, ends.high)
    });
    let precision = reached.precision_percent.map(|percent| format!(", ± {percent:.2} %"));
    lines.push(format!(
        "{:.4} ms{}{} after {:.1} s: {}",
        reached.mean,
        interval.unwrap_or_default(),
        precision.unwrap_or_default(),
        reached.seconds,
        match reached.stopped {
            Stopped::Precise => "as precise as asked",
            Stopped::TimeUp => "the time was up",
            Stopped::MostProcesses => "no more processes are started for one result",
            Stopped::MostLatencies => "a result holds no more latencies",
        }
    ));
    lines.extend(reached.allocation.map(|it| {
        let processes = it.processes.map(|count| format!(", {count} a build"));
        let build = it.build_seconds.map(|seconds| format!(", {seconds:.1} s a build"));
        format!(
            "later processes with {} runs{}, as a run takes {:.6} s and a process {:.2} s around its runs{}",
            it.runs,
            processes.unwrap_or_default(),
            it.run_seconds,
            it.process_seconds,
            build.unwrap_or_default()
        )
    }));
    lines
}

/// Standard deviations by where they come from, if more than runs vary.
fn split(split: &VarianceSplit) -> Option<String> {
    let of = |name: &str, variance: Option<f64>| {
        variance.map(|variance| format!("{:.4} ms between {name}", variance.sqrt()))
    };
    let parts: Vec<String> = [of("builds", split.between_builds), of("processes", split.between_processes)]
        .into_iter()
        .flatten()
        .collect();
    let runs = of("runs", Some(split.between_runs)).unwrap_or_default();
    (!parts.is_empty()).then(|| format!("{}, {runs}", parts.join(", ")))
}

fn verdict(sheet: &mut Sheet, bundle: &Bundle) {
    let verdict = reread(bundle);
    sheet.entry("verdict", [verdict.state.word().to_owned()]);
    for reason in &verdict.reasons {
        sheet.entry("", [format!("{}: {}", reason.code, reason.detail)]);
        let known = REASONS.iter().find(|known| known.code == reason.code);
        sheet.entry("", known.map(|known| format!("  hint: {}", known.advice)));
    }
}

/// θ, or the model's file.
fn network_name(bundle: &Bundle) -> Option<String> {
    let generated = bundle.configuration.as_ref().map(|configuration| configuration.name.clone());
    generated.or_else(|| bundle.model.as_ref().map(|model| model.file.clone()))
}

fn network(bundle: &Bundle) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(it) = &bundle.configuration {
        let width =
            if it.width_percent == 100 { String::new() } else { format!(", {} % width", it.width_percent) };
        lines.push(format!(
            "{}, kernel {}, batch {}, input {} × {}, {}{width}",
            it.block, it.kernel, it.batch, it.input, it.input, it.precision
        ));
    }
    lines.extend(bundle.model.as_ref().map(model));
    lines.extend(bundle.cost.as_ref().map(cost));
    lines.extend(bundle.cost_missing.as_ref().map(|why| format!("operations not counted: {why}")));
    lines
}

fn model(model: &Model) -> String {
    let size = model.size_bytes + model.parts.iter().map(|part| part.size_bytes).sum::<u64>();
    let parts = match model.parts.len() {
        0 => String::new(),
        count => format!(" and {}", counted(count, "more file", "more files")),
    };
    let digest = model.content_sha256.as_ref().unwrap_or(&model.sha256);
    format!(
        "{}{parts}, {}, {}, SHA-256 {}",
        model.file,
        model.format,
        scaled(size.into(), "B"),
        short(digest)
    )
}

fn cost(cost: &Cost) -> String {
    let at_least = if cost.uncounted.is_empty() { "" } else { "at least " };
    let density = cost.operational_density.map(|density| format!(", {density:.1} OP/B")).unwrap_or_default();
    format!(
        "{at_least}{}, {} parameters, {} moved{density}",
        scaled(cost.operations.into(), "OP"),
        scaled(cost.parameters.into(), "").trim_end(),
        scaled(cost.bytes_moved.into(), "B"),
    )
}

fn tensor(tensor: &Tensor) -> String {
    let shape: Vec<String> = tensor
        .shape
        .iter()
        .map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string()))
        .collect();
    format!("{}: {} [{}]", tensor.name, tensor.element_type, shape.join(", "))
}

fn outputs(bundle: &Bundle) -> Vec<String> {
    let Some(outputs) = &bundle.outputs else {
        return bundle.model.iter().flat_map(|model| &model.outputs).map(tensor).collect();
    };
    let line = |output: &crate::bundle::format::Output| {
        let shape: Vec<String> = output.shape.iter().map(u64::to_string).collect();
        let range = output.minimum.zip(output.maximum).map(|(low, high)| format!(", {low} to {high}"));
        let finite = if output.is_finite == Some(false) { ", not all finite" } else { "" };
        let constant = if output.is_constant == Some(true) { ", all equal" } else { "" };
        let range = range.unwrap_or_default();
        format!("{}: {} [{}]{range}{finite}{constant}", output.name, output.element_type, shape.join(", "))
    };
    outputs.tensors.iter().map(line).chain(outputs.detail.clone()).collect()
}

fn platform(bundle: &Bundle) -> Vec<String> {
    let host = &bundle.host;
    let machine = [
        host.board.clone(),
        host.processor.clone(),
        host.logical_cores.map(|cores| counted(cores, "core", "cores")),
    ];
    let memory = host.memory_bytes.map(|bytes| format!("{} memory", scaled(bytes.into(), "B")));
    let machine = machine.into_iter().chain([memory]).chain(host.gpus.iter().cloned().map(Some));
    let tpus = (!host.edge_tpus.is_empty()).then(|| counted(host.edge_tpus.len(), "Edge TPU", "Edge TPUs"));
    let release = [
        host.operating_system.clone(),
        host.kernel.as_ref().map(|kernel| format!("Linux {kernel}")),
        host.architecture.clone(),
        host.l4t.as_ref().map(|l4t| format!("L4T {l4t}")),
        host.jetpack.as_ref().map(|jetpack| format!("JetPack {jetpack}")),
        host.nvidia_driver.as_ref().map(|driver| format!("NVIDIA driver {driver}")),
    ];
    let joined = |parts: Vec<String>| (!parts.is_empty()).then(|| parts.join(", "));
    [
        host.name.clone(),
        joined(machine.flatten().chain(tpus).collect()),
        joined(release.into_iter().flatten().collect()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn power(power: &Power) -> Vec<String> {
    let state = power.applied.as_ref().unwrap_or(&power.found);
    let mode = state.mode.as_ref().map_or_else(|| "no named power mode".to_owned(), |mode| mode.name.clone());
    let asked = match (&power.requested.power_mode, power.requested.lock_clocks) {
        (None, false) => "as it was found",
        (_, true) => "clocks locked",
        (Some(_), false) => "as the job asks",
    };
    let wrong = [
        (power.not_applied.len(), "not applied"),
        (power.not_held.len(), "not held"),
        (power.not_restored.len(), "not restored"),
    ];
    let wrong = wrong.iter().filter(|(count, _)| *count > 0);
    let wrong: String =
        wrong.map(|(count, what)| format!("; {} {what}", counted(*count, "setting", "settings"))).collect();
    vec![format!("{mode}, {asked}{wrong}")]
}

/// The hottest zone, clocks and load around the timed runs, and what no sensor of the host measures.
fn sensors(environment: &Environment) -> Vec<String> {
    let observed = match environment.observation {
        Observation::Unobserved => "not observed",
        Observation::Around => "read before and after the program that times itself",
        Observation::Bracketed => "read before and after the timed runs",
        Observation::Watched => "read before, during and after the timed runs",
    };
    let mut lines = vec![observed.to_owned()];
    for (quantity, what, unit, scale) in [
        (Quantity::Temperature, "hottest zone", "°C", 1.0),
        (Quantity::CpuFrequency, "fastest core", "MHz", 1e-6),
        (Quantity::GpuFrequency, "GPU", "MHz", 1e-6),
        (Quantity::LoadAverage, "load average", "", 1.0),
    ] {
        let highest = |values: &[Option<f64>]| {
            let of_quantity =
                environment.sensors.iter().zip(values).filter(|(it, _)| it.quantity == quantity);
            of_quantity.filter_map(|(_, value)| *value).max_by(f64::total_cmp)
        };
        let before = environment.before.first().and_then(|reading| highest(&reading.values));
        let after = environment.after.last().and_then(|reading| highest(&reading.values));
        if let Some((before, after)) = before.zip(after) {
            let line =
                format!("{what} {:.1} {unit} before, {:.1} {unit} after", before * scale, after * scale);
            lines.push(line.replace("  ", " ").replace(" ,", ","));
        }
    }
    if !environment.unobservable.is_empty() {
        let names: Vec<String> = environment.unobservable.iter().map(word).collect();
        lines.push(format!("no sensor: {}", names.join(", ")));
    }
    lines
}

/// As bundles spell it, with spaces.
fn word(value: &impl serde::Serialize) -> String {
    let spelled = serde_json::to_value(value).unwrap_or_default();
    spelled.as_str().unwrap_or_default().replace('_', " ")
}

fn sandbox(environment: &Environment) -> Vec<String> {
    let Some(sandbox) = &environment.sandbox else { return Vec::new() };
    let names = |parts: Vec<String>| if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    let enforced = names(sandbox.enforced.iter().map(word).collect());
    let missing: Vec<String> = sandbox.missing.iter().map(|gap| word(&gap.part)).collect();
    let missing = (!missing.is_empty()).then(|| format!("not: {}", missing.join(", ")));
    std::iter::once(enforced).chain(missing).collect()
}

fn runtime(bundle: &Bundle) -> Vec<String> {
    let Some(runtime) = &bundle.runtime else { return Vec::new() };
    let version = runtime.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let digest = runtime.library_sha256.as_ref().map(|digest| format!(", SHA-256 {}", short(digest)));
    let library = runtime.library.as_ref().map(|file| format!(" ({file}{})", digest.unwrap_or_default()));
    let options: Vec<String> =
        runtime.options.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let shares = runtime.providers.iter().map(|provider| {
        let nodes = provider
            .nodes
            .map_or_else(|| "nodes not known".to_owned(), |nodes| counted(nodes, "node", "nodes"));
        format!("{}{}: {nodes}", provider.name, if provider.is_fallback { ", not asked for" } else { "" })
    });
    let mut lines = vec![format!("{}{version}{}", runtime.name, library.unwrap_or_default())];
    lines.extend((!options.is_empty()).then(|| options.join(", ")));
    lines.push(format!("the clock covers {}: {}", runtime.timed.code, runtime.timed.description));
    lines.extend(shares);
    lines
}

fn build(build: &crate::bundle::format::Build) -> String {
    let seconds = build.seconds.map(|seconds| format!(", {seconds:.1} s")).unwrap_or_default();
    let size = build.size_bytes.map(|bytes| format!(", {}", scaled(bytes.into(), "B"))).unwrap_or_default();
    let kept = if build.is_kept { ", kept from an earlier job" } else { "" };
    let how = match (build.status, &build.reason) {
        (Status::Measured, _) => "done".to_owned(),
        (status, None) => outcome::word(status).to_owned(),
        (status, Some(reason)) => format!("{}: {reason}", outcome::word(status)),
    };
    format!("{}: {how}{seconds}{size}{kept}", build.build)
}

/// The most that a trial took.
fn takes(bundle: &Bundle) -> Vec<String> {
    let most = |read: fn(&Resources) -> Option<f64>| {
        bundle.resources.iter().filter_map(|trial| read(&trial.resources)).max_by(f64::total_cmp)
    };
    let load = most(|it| it.load_seconds).map(|seconds| format!("{seconds:.3} s to load"));
    let first = most(|it| it.first_inference_seconds)
        .map(|seconds| format!("{:.3} ms for the first inference", seconds * 1e3));
    let memory = most(|it| it.peak_memory_bytes.map(|bytes| bytes as f64));
    let memory = memory.map(|bytes| format!("{} of memory at most", scaled(bytes as u128, "B")));
    let parts: Vec<String> = [load, first, memory].into_iter().flatten().collect();
    if parts.is_empty() { Vec::new() } else { vec![parts.join(", ")] }
}

fn energy(bundle: &Bundle) -> Option<String> {
    let energy = bundle.energy.as_ref()?;
    Some(match (energy.state, energy.joules_per_inference) {
        (EnergyState::Measured, Some(joules)) => {
            let interval =
                energy.interval.map(|ends| format!(" ({:.4} to {:.4})", ends.low_joules, ends.high_joules));
            format!("{joules:.4} J an inference beyond idle{}", interval.unwrap_or_default())
        }
        _ => format!("not known: {}", energy.detail.as_deref().unwrap_or("no total for this board")),
    })
}

fn source(bundle: &Bundle) -> Vec<String> {
    let job = &bundle.job;
    let digest = job.spec_sha256.as_ref().map(|digest| format!(", SHA-256 {}", short(digest)));
    let labels: Vec<String> = job.labels.iter().map(|(key, value)| format!("{key} {value}")).collect();
    let mut lines =
        vec![format!("bundle {}, job file {}{}", bundle.id, job.file, digest.unwrap_or_default())];
    lines.extend((!labels.is_empty()).then(|| format!("labels: {}", labels.join(", "))));
    let started = bundle.times.started.as_ref().map(|started| format!("started {started}, "));
    lines.extend(bundle.schedule.map(|it| {
        let seed = it.seed.map(|seed| format!(" with seed {seed}")).unwrap_or_default();
        let order = if it.order == ScheduleOrder::Random { "random" } else { "listed" };
        format!("number {} of {} of its job, in {order} order{seed}", it.place, it.places)
    }));
    lines.push(format!("{}finished {}", started.unwrap_or_default(), bundle.times.finished));
    lines.push(format!("{} {}, {}", bundle.harness.name, bundle.harness.version, bundle.format));
    lines.extend(bundle.integrity.as_ref().map(|it| format!("number {} of chain {}", it.sequence, it.chain)));
    lines
}

fn short(digest: &str) -> &str {
    digest.get(..DIGEST_DIGITS).unwrap_or(digest)
}
