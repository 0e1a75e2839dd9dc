//! The columns of a table of rows: name, type, unit, meaning, and how each is read off a row.
//!
//! Scripts read them by name: a column never changes its meaning. A null is "not there" or "not observed", never zero.

use crate::analysis::condition::{RowConditions, RowEnergy};
use crate::analysis::platform::{Machine, Platform, Power, Software};
use crate::analysis::row::{Row, RowCost, RowLatency};
use crate::bundle::format::Configuration;

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its name.
    pub name: &'static str,
    /// Type of its values.
    pub kind: Kind,
    /// Their unit; empty if they have none.
    #[cfg_attr(not(test), expect(dead_code, reason = "documents show it"))]
    pub unit: &'static str,
    /// What it means.
    #[cfg_attr(not(test), expect(dead_code, reason = "documents show it"))]
    pub meaning: &'static str,
    /// The value of a row.
    pub(super) value: fn(&View<'_>) -> Value,
}

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A whole number that is not negative.
    Integer,
    /// A number with a fraction, always finite.
    Number,
    /// True or false.
    Boolean,
    /// A list of whole numbers; CSV has none of these columns.
    Integers,
}

impl Kind {
    /// For documents.
    #[cfg(test)]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Integers => "list of integers",
        }
    }
}

/// A value of a column; which variant follows from its [`Kind`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Text(String),
    Integer(u64),
    Number(f64),
    Boolean(bool),
    Integers(Vec<u64>),
}

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

    fn software(&self, read: impl Fn(&Software) -> Option<String>) -> Value {
        self.row.identity.software.as_ref().and_then(read).into()
    }

    fn power(&self, read: impl Fn(&Power) -> Value) -> Value {
        self.row.identity.power.as_ref().map_or(Value::Null, read)
    }

    fn conditions(&self, read: impl Fn(&RowConditions) -> Value) -> Value {
        self.row.conditions.as_ref().map_or(Value::Null, read)
    }

    fn energy(&self, read: impl Fn(&RowEnergy) -> Value) -> Value {
        self.row.energy.as_ref().map_or(Value::Null, read)
    }

    fn configuration(&self, read: impl Fn(&Configuration) -> Value) -> Value {
        self.row.configuration.as_ref().map_or(Value::Null, read)
    }

    fn cost(&self, read: impl Fn(&RowCost) -> Value) -> Value {
        self.row.cost.as_ref().map_or(Value::Null, read)
    }

    fn latency(&self, read: impl Fn(&RowLatency) -> Value) -> Value {
        self.row.latency.as_ref().map_or(Value::Null, read)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Integer(number as u64)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Boolean(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Null }
    }
}

/// The word that a value without fields has in a bundle.
fn word(value: &impl serde::Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Value::Text(word),
        _ => Value::Null,
    }
}

const fn column(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    meaning: &'static str,
    value: fn(&View<'_>) -> Value,
) -> Column {
    Column { name, kind, unit, meaning, value }
}

use Kind::{Boolean, Integer, Integers, Number, Text};

/// Every column, in order.
#[rustfmt::skip]
pub(crate) const COLUMNS: &[Column] = &[
    column("id", Text, "", "The result: the bundle's id; with `#` and eight digits of its digest where different results share one.", |view| view.row.id.as_str().into()),
    column("path", Text, "", "Where it was found.", |view| view.row.path.as_str().into()),
    column("sha256", Text, "", "SHA-256 of its JSON, decompressed.", |view| view.row.sha256.as_str().into()),
    column("platform", Text, "", "The platform, as eight digits that are the same in every export; null where the job never came to a runtime.", |view| view.platform.map(|platform| platform.id.as_str()).into()),
    column("platform_label", Text, "", "The same for people.", |view| view.platform.map(|platform| platform.label.as_str()).into()),
    column("host", Text, "", "Host name.", |view| view.machine().host.clone().into()),
    column("board", Text, "", "Board.", |view| view.machine().board.clone().into()),
    column("chip", Text, "", "The board's chip.", |view| view.machine().chip.clone().into()),
    column("processor", Text, "", "Processor model.", |view| view.machine().processor.clone().into()),
    column("architecture", Text, "", "Machine architecture.", |view| view.machine().architecture.clone().into()),
    column("logical_cores", Integer, "1", "Logical processors online.", |view| view.machine().logical_cores.into()),
    column("gpus", Text, "", "Graphics processors, with commas between; empty where none was seen.", |view| view.machine().gpus.join(", ").into()),
    column("edge_tpu_bus", Text, "", "`usb` or `pcie`, of the first Edge TPU, for the runtime that runs on it.", |view| view.machine().edge_tpus.first().map(|link| link.bus).into()),
    column("edge_tpu_link", Integer, "Mbit/s", "Speed of its USB link: 480 is USB 2.", |view| view.machine().edge_tpus.first().and_then(|link| link.megabits_per_second).into()),
    column("power_observed", Boolean, "", "Could the power state be read? If not, the next three are null.", |view| view.row.identity.power.is_some().into()),
    column("power_mode", Text, "", "Power mode, as read back; null also on hosts without named ones.", |view| view.power(|power| power.mode.clone().into())),
    column("governors", Text, "", "Governors of the processors, each once, with spaces between.", |view| view.power(|power| power.governors.join(" ").into())),
    column("clocks_locked", Boolean, "", "Were all clocks that have limits held still? Null where no limit could be read.", |view| view.power(|power| power.clocks_locked.into())),
    column("operating_system", Text, "", "Distribution.", |view| view.software(|software| software.operating_system.clone())),
    column("linux", Text, "", "Kernel release of the operating system.", |view| view.software(|software| software.kernel.clone())),
    column("l4t", Text, "", "Release of Linux for Tegra.", |view| view.software(|software| software.l4t.clone())),
    column("jetpack", Text, "", "The JetPack that came with it.", |view| view.software(|software| software.jetpack.clone())),
    column("runtime", Text, "", "Runtime.", |view| view.software(|software| Some(software.runtime.clone()))),
    column("runtime_version", Text, "", "Its version.", |view| view.software(|software| software.version.clone())),
    column("library_sha256", Text, "", "Digest of its library.", |view| view.software(|software| software.library_sha256.clone())),
    column("runtime_options", Text, "", "Its options, as JSON.", |view| view.software(|software| Some(software.options.clone()))),
    column("edge_tpu_package", Text, "", "Package and version of the Edge TPU's library, for the runtime that needs it.", |view| view.software(|software| software.edge_tpu_package.clone())),
    column("timed", Text, "", "What the clock covered, as a code.", |view| view.software(|software| Some(software.timed.clone()))),
    column("simulated", Boolean, "", "Not the real thing.", |view| Value::Boolean(view.row.simulated)),
    column("harness_version", Text, "", "Version of the program that measured.", |view| view.row.harness_version.as_str().into()),
    column("job_id", Text, "", "Id of the job.", |view| view.row.job_id.as_str().into()),
    column("job", Text, "", "Name of the job.", |view| view.row.job.as_str().into()),
    column("labels", Text, "", "Labels of the job, as JSON.", |view| serde_json::to_string(&view.row.labels).ok().into()),
    column("configuration", Text, "", "Name of θ; null for a dropped model.", |view| view.configuration(|theta| theta.name.as_str().into())),
    column("block", Text, "", "Block type.", |view| view.configuration(|theta| theta.block.as_str().into())),
    column("kernel", Integer, "pixels", "Kernel size k.", |view| view.configuration(|theta| theta.kernel.into())),
    column("batch", Integer, "images", "Batch size b.", |view| view.configuration(|theta| theta.batch.into())),
    column("input", Integer, "pixels", "Input size i.", |view| view.configuration(|theta| theta.input.into())),
    column("precision", Text, "", "Number format.", |view| view.configuration(|theta| theta.precision.as_str().into())),
    column("width_percent", Integer, "%", "Width multiplier.", |view| view.configuration(|theta| theta.width_percent.into())),
    column("depths", Text, "", "Blocks in the stages, such as `3_4_6_3`.", |view| view.configuration(|theta| theta.depths.map(|depth| depth.to_string()).join("_").into())),
    column("model", Text, "", "Model file.", |view| view.row.model.clone().into()),
    column("model_sha256", Text, "", "Its digest.", |view| view.row.model_sha256.clone().into()),
    column("status", Text, "", "How it ended.", |view| word(&view.row.status)),
    column("stage", Text, "", "Where it ended, unless measured.", |view| word(&view.row.stage)),
    column("reason", Text, "", "Why, as a code, unless measured.", |view| view.row.reason.clone().into()),
    column("detail", Text, "", "The same for people.", |view| view.row.detail.clone().into()),
    column("verdict", Text, "", "May the numbers be trusted: `valid`, `suspect`, `invalid`.", |view| word(&view.row.verdict)),
    column("verdict_reasons", Text, "", "Codes of the verdict's reasons, with spaces between.", |view| view.row.verdict_reasons.join(" ").into()),
    column("finished", Text, "", "When it was done; RFC 3339, UTC.", |view| view.row.finished.as_str().into()),
    column("operations", Integer, "1", "2 × MACs of one inference; null where not wholly counted.", |view| view.cost(|cost| cost.operations.into())),
    column("parameters", Integer, "1", "Weights and biases.", |view| view.cost(|cost| cost.parameters.into())),
    column("bytes_moved", Integer, "bytes", "In and out of every layer, and weights.", |view| view.cost(|cost| cost.bytes_moved.into())),
    column("operational_density", Number, "1/byte", "Operations for each byte.", |view| view.cost(|cost| cost.operational_density.into())),
    column("observation", Text, "", "How closely timed runs were observed: `unobserved`, `bracketed` (before and after), `watched` (within as well).", |view| view.conditions(|conditions| word(&conditions.observation))),
    column("temperature_begin", Number, "°C", "Hottest zone right before the first timed run.", |view| view.conditions(|conditions| conditions.begin_celsius.into())),
    column("temperature_end", Number, "°C", "Hottest zone right after the last timed run.", |view| view.conditions(|conditions| conditions.end_celsius.into())),
    column("builds", Integer, "1", "Builds that gave latencies.", |view| view.row.builds.len().into()),
    column("build", Integer, "", "The build that the statistics are over: the one with the lowest mean.", |view| view.row.builds.iter().find(|build| build.used).map(|build| build.build).into()),
    column("build_latency_means", Text, "ms", "Mean latency of each build, as JSON.", |view| build_means(view.row).into()),
    column("processes", Integer, "1", "Processes of that build that gave latencies.", |view| view.latency(|latency| latency.processes.into())),
    column("runs", Integer, "1", "Timed runs of these.", |view| view.latency(|latency| latency.runs.into())),
    column("latency_mean", Number, "ms", "Mean of the processes' means.", |view| view.latency(|latency| latency.mean.into())),
    column("latency_standard_deviation", Number, "ms", "Over these runs, n − 1.", |view| view.latency(|latency| latency.standard_deviation.into())),
    column("latency_median", Number, "ms", "Over these runs.", |view| view.latency(|latency| latency.median.into())),
    column("latency_mad", Number, "ms", "Median absolute deviation over these runs, not scaled.", |view| view.latency(|latency| latency.median_absolute_deviation.into())),
    column("mild_outliers", Integer, "1", "Runs with a modified z-score beyond 3.5.", |view| view.latency(|latency| latency.mild_outliers.into())),
    column("severe_outliers", Integer, "1", "Runs with one beyond 14.", |view| view.latency(|latency| latency.severe_outliers.into())),
    column("throughput", Number, "operations/s", "`operations` over the mean latency.", |view| throughput(view.row).into()),
    column("energy", Number, "J", "Energy of one inference beyond idle; null where not asked for or not observable.", |view| view.energy(|energy| energy.joules_per_inference.into())),
    column("energy_low", Number, "J", "Lower end of its interval.", |view| view.energy(|energy| energy.interval.map(|ends| ends.low).into())),
    column("energy_high", Number, "J", "Upper end of its interval.", |view| view.energy(|energy| energy.interval.map(|ends| ends.high).into())),
    column("build_of_process", Integers, "", "The build of each process, of all builds, in order.", |view| Value::Integers(view.row.processes.iter().map(|process| process.build.into()).collect())),
    column("runs_in_process", Integers, "1", "Timed runs of each of these processes.", |view| Value::Integers(view.row.processes.iter().map(|process| process.latency_ns.len() as u64).collect())),
    column("latency_ns", Integers, "ns", "Every timed run of these processes, in order.", |view| Value::Integers(view.row.processes.iter().flat_map(|process| process.latency_ns.iter().copied()).collect())),
];

/// Mean latency of each build, by its number; `None` where there are none.
fn build_means(row: &Row) -> Option<String> {
    let means: std::collections::BTreeMap<u32, f64> =
        row.builds.iter().map(|build| (build.build, build.mean_ms)).collect();
    (!means.is_empty()).then(|| serde_json::to_string(&means).ok())?
}

/// Operations for each second; `None` where either is unknown or no time passed.
fn throughput(row: &Row) -> Option<f64> {
    let (cost, latency) = (row.cost?, row.latency?);
    (latency.mean > 0.0).then(|| cost.operations as f64 * 1e3 / latency.mean)
}
