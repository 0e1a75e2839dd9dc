//! The columns of an export.
//!
//! Scripts read columns by name, so a column never changes its meaning. Null means absent or not observed,
//! never zero.

use crate::analysis::condition::{RowConditions, RowEnergy};
use crate::analysis::platform::{Machine, Platform, Power, Software};
use crate::analysis::resources::RowResources;
use crate::analysis::row::{self, Row, RowCost, RowLatency};
use crate::bundle::format::Configuration;
use crate::table::{Column, Datum, Kind};

/// A row with its platform.
#[derive(Debug)]
pub(super) struct View<'a> {
    row: &'a Row,
    platform: Option<&'a Platform>,
}

impl<'a> View<'a> {
    pub(super) fn new(row: &'a Row, platforms: &'a [Platform]) -> Self {
        Self { row, platform: row.platform.map(|index| &platforms[index]) }
    }

    fn machine(&self) -> &Machine {
        &self.row.identity.machine
    }

    fn software(&self, read: impl Fn(&Software) -> Option<String>) -> Datum {
        self.row.identity.software.as_ref().and_then(read).into()
    }

    fn power(&self, read: impl Fn(&Power) -> Datum) -> Datum {
        self.row.identity.power.as_ref().map_or(Datum::Absent, read)
    }

    fn conditions(&self, read: impl Fn(&RowConditions) -> Datum) -> Datum {
        self.row.conditions.as_ref().map_or(Datum::Absent, read)
    }

    fn resources(&self, read: impl Fn(&RowResources) -> Datum) -> Datum {
        self.row.resources.as_ref().map_or(Datum::Absent, read)
    }

    fn energy(&self, read: impl Fn(&RowEnergy) -> Datum) -> Datum {
        self.row.energy.as_ref().map_or(Datum::Absent, read)
    }

    fn configuration(&self, read: impl Fn(&Configuration) -> Datum) -> Datum {
        self.row.configuration.as_ref().map_or(Datum::Absent, read)
    }

    fn cost(&self, read: impl Fn(&RowCost) -> Datum) -> Datum {
        self.row.cost.as_ref().map_or(Datum::Absent, read)
    }

    fn latency(&self, read: impl Fn(&RowLatency) -> Datum) -> Datum {
        self.row.latency.as_ref().map_or(Datum::Absent, read)
    }
}

/// A text that is a word of an enum, as bundles spell it.
fn word(value: &impl serde::Serialize) -> Datum {
    row::word(value).into()
}

const fn column<'a>(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    meaning: &'static str,
    read: fn(&View<'a>) -> Datum,
) -> Column<View<'a>> {
    Column { name, kind, unit, meaning, read }
}

use Kind::{Boolean, Integer, Integers, Number, Text};

/// Every column, in order.
#[rustfmt::skip]
pub(super) fn columns<'a>() -> Vec<Column<View<'a>>> {
    let mut columns = described();
    columns.extend(measured());
    columns
}

/// What was measured, how it ended, and what it costs.
#[rustfmt::skip]
fn described<'a>() -> Vec<Column<View<'a>>> {
    vec![
        column("id", Text, "", "The result: the bundle's id; if different results share an id, followed by `#` and eight digits of the digest.", |view| view.row.id.as_str().into()),
        column("path", Text, "", "Where it was found.", |view| view.row.path.as_str().into()),
        column("sha256", Text, "", "SHA-256 of its JSON, decompressed.", |view| view.row.sha256.as_str().into()),
        column("platform", Text, "", "The platform: eight digits, the same in every export. Null if the job never reached a runtime.", |view| view.platform.map(|platform| platform.id.as_str()).into()),
        column("platform_label", Text, "", "The platform's label.", |view| view.platform.map(|platform| platform.label.as_str()).into()),
        column("host", Text, "", "Host name.", |view| view.machine().host.clone().into()),
        column("board", Text, "", "Board.", |view| view.machine().board.clone().into()),
        column("chip", Text, "", "The board's chip.", |view| view.machine().chip.clone().into()),
        column("processor", Text, "", "Processor model.", |view| view.machine().processor.clone().into()),
        column("architecture", Text, "", "Machine architecture.", |view| view.machine().architecture.clone().into()),
        column("logical_cores", Integer, "1", "Logical processors online.", |view| view.machine().logical_cores.into()),
        column("gpus", Text, "", "Graphics processors, separated by commas; empty if none was found.", |view| view.machine().gpus.join(", ").into()),
        column("edge_tpu_bus", Text, "", "Bus of the first Edge TPU, `usb` or `pcie`; only for the `edgetpu` runtime.", |view| view.machine().edge_tpus.first().map(|link| link.bus).into()),
        column("edge_tpu_link", Integer, "Mbit/s", "Speed of its USB link; 480 is USB 2.", |view| view.machine().edge_tpus.first().and_then(|link| link.megabits_per_second).into()),
        column("power_observed", Boolean, "", "Whether the power state could be read; if not, the next three columns are null.", |view| view.row.identity.power.is_some().into()),
        column("power_mode", Text, "", "Power mode, as read back; null also on hosts without named modes.", |view| view.power(|power| power.mode.clone().into())),
        column("governors", Text, "", "Governors of the processors, each once, separated by spaces.", |view| view.power(|power| power.governors.join(" ").into())),
        column("clocks_locked", Boolean, "", "Whether every clock with limits was locked; null if no limit could be read.", |view| view.power(|power| power.clocks_locked.into())),
        column("operating_system", Text, "", "Distribution.", |view| view.software(|software| software.operating_system.clone())),
        column("linux", Text, "", "Kernel release.", |view| view.software(|software| software.kernel.clone())),
        column("l4t", Text, "", "Release of Linux for Tegra.", |view| view.software(|software| software.l4t.clone())),
        column("jetpack", Text, "", "JetPack release.", |view| view.software(|software| software.jetpack.clone())),
        column("runtime", Text, "", "Runtime.", |view| view.software(|software| Some(software.runtime.clone()))),
        column("runtime_version", Text, "", "Version of the runtime.", |view| view.software(|software| software.version.clone())),
        column("library_sha256", Text, "", "SHA-256 of the runtime's library.", |view| view.software(|software| software.library_sha256.clone())),
        column("runtime_options", Text, "", "Options of the runtime, as JSON.", |view| view.software(|software| Some(software.options.clone()))),
        column("edge_tpu_package", Text, "", "Package and version of the Edge TPU library; only for the `edgetpu` runtime.", |view| view.software(|software| software.edge_tpu_package.clone())),
        column("timed", Text, "", "Code for what the clock covered.", |view| view.software(|software| Some(software.timed.code.clone()))),
        column("simulated", Boolean, "", "Whether the result is simulated.", |view| Datum::Boolean(view.row.simulated)),
        column("harness_version", Text, "", "Version of the program that took the measurement.", |view| view.row.harness_version.as_str().into()),
        column("job_id", Text, "", "Id of the job.", |view| view.row.job_id.as_str().into()),
        column("job", Text, "", "Name of the job.", |view| view.row.job.as_str().into()),
        column("labels", Text, "", "Labels of the job, as JSON.", |view| serde_json::to_string(&view.row.labels).ok().into()),
        column("configuration", Text, "", "Name of the configuration θ; null for a model file.", |view| view.configuration(|theta| theta.name.as_str().into())),
        column("block", Text, "", "Block type.", |view| view.configuration(|theta| theta.block.as_str().into())),
        column("kernel", Integer, "pixels", "Kernel size k.", |view| view.configuration(|theta| theta.kernel.into())),
        column("batch", Integer, "images", "Batch size b.", |view| view.configuration(|theta| theta.batch.into())),
        column("input", Integer, "pixels", "Input size i.", |view| view.configuration(|theta| theta.input.into())),
        column("precision", Text, "", "Number format.", |view| view.configuration(|theta| theta.precision.as_str().into())),
        column("width_percent", Integer, "%", "Width multiplier.", |view| view.configuration(|theta| theta.width_percent.into())),
        column("depths", Text, "", "Blocks in the stages, such as `3_4_6_3`.", |view| view.configuration(|theta| theta.depths.map(|depth| depth.to_string()).join("_").into())),
        column("model", Text, "", "Model file.", |view| view.row.model.clone().into()),
        column("model_sha256", Text, "", "SHA-256 of the model file.", |view| view.row.model_sha256.clone().into()),
        column("model_content_sha256", Text, "", "SHA-256 over all files of a model that has several.", |view| view.row.model_content_sha256.clone().into()),
        column("status", Text, "", "Status of the result.", |view| word(&view.row.status)),
        column("stage", Text, "", "Stage at which it ended; null if measured.", |view| word(&view.row.stage)),
        column("reason", Text, "", "Code of the reason; null if measured.", |view| view.row.reason.clone().into()),
        column("detail", Text, "", "What happened, in a sentence; null if measured.", |view| view.row.detail.clone().into()),
        column("verdict", Text, "", "Whether the numbers can be trusted: `valid`, `unverified`, `suspect` or `invalid`.", |view| word(&view.row.verdict)),
        column("role", Text, "", "What the result is for: `configuration`, or `sentinel` for a network that is measured again and again to see how the device drifts.", |view| word(&view.row.role)),
        column("protocol", Text, "", "The protocol of the measurement: `paper` or `rigorous`. Statistics of a `rigorous` result cover all builds.", |view| view.row.protocol.word().into()),
        column("verdict_reasons", Text, "", "Codes of the verdict's reasons, separated by spaces.", |view| view.row.verdict_reasons.join(" ").into()),
        column("finished", Text, "", "When the measurement finished; RFC 3339, UTC.", |view| view.row.finished.as_str().into()),
        column("operations", Integer, "1", "2 × MACs of one inference; null if any layer could not be counted.", |view| view.cost(|cost| cost.operations.into())),
        column("parameters", Integer, "1", "Weights and biases.", |view| view.cost(|cost| cost.parameters.into())),
        column("bytes_moved", Integer, "bytes", "Bytes read and written by every layer, weights included.", |view| view.cost(|cost| cost.bytes_moved.into())),
        column("operational_density", Number, "1/byte", "Operations per byte moved.", |view| view.cost(|cost| cost.operational_density.into())),
    ]
}

/// The measurements.
#[rustfmt::skip]
fn measured<'a>() -> Vec<Column<View<'a>>> {
    vec![
        column("observation", Text, "", "How closely the timed runs were observed: `unobserved`, `bracketed` (before and after) or `watched` (during as well).", |view| view.conditions(|conditions| word(&conditions.observation))),
        column("temperature_begin", Number, "°C", "Hottest zone just before the first timed run.", |view| view.conditions(|conditions| conditions.begin_celsius.into())),
        column("temperature_end", Number, "°C", "Hottest zone just after the last timed run.", |view| view.conditions(|conditions| conditions.end_celsius.into())),
        column("builds", Integer, "1", "Builds with latencies.", |view| view.row.builds.len().into()),
        column("build", Integer, "", "The build that the statistics cover: the one with the lowest mean.", |view| view.row.builds.iter().find(|build| build.used).map(|build| build.build).into()),
        column("build_latency_means", Text, "ms", "Mean latency of each build, as JSON.", |view| build_means(view.row).into()),
        column("processes", Integer, "1", "Processes of that build with latencies.", |view| view.latency(|latency| latency.processes.into())),
        column("runs", Integer, "1", "Timed runs of these processes.", |view| view.latency(|latency| latency.runs.into())),
        column("latency_mean", Number, "ms", "Mean of the process means.", |view| view.latency(|latency| latency.mean.into())),
        column("latency_standard_deviation", Number, "ms", "Sample standard deviation over these runs (n − 1).", |view| view.latency(|latency| latency.standard_deviation.into())),
        column("drift", Number, "1", "Latency of the job's sentinel at the time of this result, interpolated, divided by that of its first; null if the job has no two sentinels.", |view| view.row.drift.into()),
        column("latency_mean_corrected", Number, "ms", "`latency_mean` divided by `drift`.", |view| view.row.corrected_mean().into()),
        column("latency_median", Number, "ms", "Median over these runs.", |view| view.latency(|latency| latency.median.into())),
        column("latency_mad", Number, "ms", "Median absolute deviation over these runs, unscaled.", |view| view.latency(|latency| latency.median_absolute_deviation.into())),
        column("mild_outliers", Integer, "1", "Runs with a modified z-score above 3.5.", |view| view.latency(|latency| latency.mild_outliers.into())),
        column("severe_outliers", Integer, "1", "Runs with a modified z-score above 14.", |view| view.latency(|latency| latency.severe_outliers.into())),
        column("throughput", Number, "operations/s", "`operations` divided by the mean latency.", |view| throughput(view.row).into()),
        column("load_time", Number, "s", "Time to load the model; median over all processes of all builds, as the next three. Null if not observed.", |view| view.resources(|taken| taken.load_seconds.into())),
        column("first_inference", Number, "s", "Time of the first inference of a process.", |view| view.resources(|taken| taken.first_inference_seconds.into())),
        column("memory_after_load", Number, "bytes", "Resident memory of the process when the model was loaded.", |view| view.resources(|taken| taken.memory_after_load_bytes.into())),
        column("peak_memory", Number, "bytes", "Highest resident memory of the process.", |view| view.resources(|taken| taken.peak_memory_bytes.into())),
        column("compiled_size", Integer, "bytes", "Size of the compiled model; the largest of several builds.", |view| view.resources(|taken| taken.compiled_bytes.into())),
        column("energy", Number, "J", "Energy of one inference above idle; null if not requested or not observable.", |view| view.energy(|energy| energy.joules_per_inference.into())),
        column("energy_low", Number, "J", "Lower end of the energy interval.", |view| view.energy(|energy| energy.interval.map(|ends| ends.low).into())),
        column("energy_high", Number, "J", "Upper end of the energy interval.", |view| view.energy(|energy| energy.interval.map(|ends| ends.high).into())),
        column("build_of_process", Integers, "", "The build of each process, over all builds, in order.", |view| Datum::Integers(view.row.processes.iter().map(|process| process.build.into()).collect())),
        column("runs_in_process", Integers, "1", "Number of timed runs of each of these processes.", |view| Datum::Integers(view.row.processes.iter().map(|process| process.latency_ns.len() as u64).collect())),
        column("latency_ns", Integers, "ns", "Latency of every timed run of these processes, in order.", |view| Datum::Integers(view.row.processes.iter().flat_map(|process| process.latency_ns.iter().copied()).collect())),
    ]
}

/// Mean latency of each build by its number; `None` without builds.
fn build_means(row: &Row) -> Option<String> {
    let means: std::collections::BTreeMap<u32, f64> =
        row.builds.iter().map(|build| (build.build, build.mean_ms)).collect();
    (!means.is_empty()).then(|| serde_json::to_string(&means).ok())?
}

/// Operations per second; `None` if either is unknown or no time passed.
fn throughput(row: &Row) -> Option<f64> {
    let (cost, latency) = (row.cost?, row.latency?);
    (latency.mean > 0.0).then(|| cost.operations as f64 * 1e3 / latency.mean)
}
