//! Where a result was taken: the machine, its power state and its software stack, as recorded and no further.
//!
//! Results that differ here are from different platforms. Nothing is guessed: a fact that was not observed is
//! `None`, and two results that both lack it may still come from machines that differ in it. Data comes from
//! bundles.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::Serialize;
use serde_json::Value;

use crate::bundle::format::{Bundle, EdgeTpuBus, Environment, Host, PowerState, Runtime, Stage};

/// The runtime that runs on an Edge TPU; for every other one, whether a stick is plugged in says nothing.
const EDGE_TPU_RUNTIME: &str = "edgetpu";

/// The packages of the Edge TPU's library: one at full clock, one at half of it.
const EDGE_TPU_PACKAGES: &[&str] = &["libedgetpu1-max", "libedgetpu1-std"];

/// The facts of a bundle that identify where it was measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Identity {
    /// The machine.
    pub machine: Machine,
    /// Its power state; `None` if not observed.
    pub power: Option<Power>,
    /// Its software; `None` if the job never reached a runtime.
    pub(crate) software: Option<Software>,
}

/// The machine, as observed; nulls are what could not be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Machine {
    /// Host name.
    pub host: Option<String>,
    /// Board.
    pub board: Option<String>,
    /// The board's chip.
    pub chip: Option<String>,
    /// Processor model.
    pub processor: Option<String>,
    /// Architecture.
    pub architecture: Option<String>,
    /// Logical processors online: in the power state of the measurement if known, else when the program
    /// started.
    pub logical_cores: Option<u32>,
    /// Main memory in quarters of a GiB, rounded: what kernels report of the same machine differs by some
    /// megabytes.
    pub memory_quarter_gibibytes: Option<u64>,
    /// Graphics processors, in the order of their names.
    pub gpus: Vec<String>,
    /// Edge TPUs, for the runtime that runs on them.
    pub edge_tpus: Vec<EdgeTpuLink>,
    /// The folder that stood for `/`.
    pub root: String,
}

/// How an Edge TPU is connected. Its name on the bus is left out: it changes with the socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct EdgeTpuLink {
    /// `usb` or `pcie`.
    pub bus: &'static str,
    /// Speed of the USB link in Mbit/s; `None` on PCIe, or if not observed.
    pub megabits_per_second: Option<u32>,
}

/// The power state in which it was measured, as it was read back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Power {
    /// Name of the mode; `None` on hosts without named modes, or if it could not be read.
    pub mode: Option<String>,
    /// The processors' governors, each once; empty if none could be read.
    pub governors: Vec<String>,
    /// Whether every clock with limits was locked; `None` if no limit could be read.
    pub clocks_locked: Option<bool>,
}

/// What the clock covered. Its code alone identifies it: sentences change between versions of this program.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Clock {
    /// The code.
    #[serde(rename = "timed")]
    pub code: String,
    /// The same in a sentence, shown with every figure.
    #[serde(skip)]
    pub description: String,
}

/// The software stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(crate) struct Software {
    /// Name of the runtime.
    pub runtime: String,
    /// Its version; `None` if it was never loaded or does not report one.
    pub version: Option<String>,
    /// SHA-256 of its library.
    pub library_sha256: Option<String>,
    /// SHA-256 of the library of the requested execution provider, if it has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_sha256: Option<String>,
    /// Its options but those that follow from the model, as JSON with sorted keys.
    pub options: String,
    /// What the clock covered.
    #[serde(flatten)]
    pub timed: Clock,
    /// Distribution.
    pub operating_system: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Release of Linux for Tegra.
    pub l4t: Option<String>,
    /// The JetPack that came with it.
    pub jetpack: Option<String>,
    /// Package and version of the Edge TPU's library, for the runtime that needs it: its package decides the
    /// clock.
    pub edge_tpu_package: Option<String>,
}

impl Identity {
    /// Of a bundle.
    pub fn of(bundle: &Bundle) -> Self {
        // If the state was not reached, the state found is not one that was asked for.
        let is_reached = bundle.outcome.stage != Some(Stage::Power);
        let in_force = bundle.environment.as_ref().filter(|_| is_reached).and_then(in_force);
        let precision = bundle.configuration.as_ref().map(|network| network.precision.as_str());
        Self {
            machine: Machine::of(&bundle.host, in_force, bundle.runtime.as_ref()),
            power: in_force.map(Power::of),
            software: bundle.runtime.as_ref().map(|runtime| Software::of(&bundle.host, runtime, precision)),
        }
    }

    /// Is nothing left open? The result of a job that ended early may lack the power state, or the library's
    /// version.
    pub(super) fn tells_all(&self) -> bool {
        self.power.is_some() && self.software.as_ref().is_some_and(Software::is_loaded)
    }

    /// May a result that ended early be one of this platform? What it does know must agree.
    pub(super) fn may_hold(&self, early: &Self) -> bool {
        let (Some(ours), Some(theirs)) = (&self.software, &early.software) else { return false };
        let is_same_software =
            if theirs.is_loaded() { ours == theirs } else { ours.runtime == theirs.runtime };
        is_same_software
            && (early.power.is_none() || early.power == self.power)
            && self.machine.is_same(&early.machine)
    }
}

impl Machine {
    fn of(host: &Host, in_force: Option<&PowerState>, runtime: Option<&Runtime>) -> Self {
        const QUARTER_GIBIBYTE: u64 = 1 << 28;
        let needs_edge_tpu = runtime.is_some_and(|runtime| runtime.name == EDGE_TPU_RUNTIME);
        let mut edge_tpus: Vec<EdgeTpuLink> = host
            .edge_tpus
            .iter()
            .filter(|_| needs_edge_tpu)
            .map(|one| EdgeTpuLink {
                bus: match one.bus {
                    EdgeTpuBus::Usb => "usb",
                    EdgeTpuBus::Pcie => "pcie",
                },
                megabits_per_second: one.link_megabits_per_second,
            })
            .collect();
        edge_tpus.sort_unstable();
        let mut gpus = host.gpus.clone();
        gpus.sort_unstable();
        Self {
            host: host.name.clone(),
            board: host.board.clone(),
            chip: host.chip.clone(),
            processor: host.processor.clone(),
            architecture: host.architecture.clone(),
            logical_cores: in_force.and_then(processors_online).or(host.logical_cores),
            memory_quarter_gibibytes: host
                .memory_bytes
                .map(|bytes| bytes.saturating_add(QUARTER_GIBIBYTE / 2) / QUARTER_GIBIBYTE),
            gpus,
            edge_tpus,
            root: host.root.clone(),
        }
    }

    /// The same one, whatever of its processors a power mode switches off?
    pub(super) fn is_same(&self, other: &Self) -> bool {
        // Every field is named, so that a new one is not forgotten.
        let Self {
            host,
            board,
            chip,
            processor,
            architecture,
            logical_cores: _,
            memory_quarter_gibibytes,
            gpus,
            edge_tpus,
            root,
        } = self;
        *host == other.host
            && *board == other.board
            && *chip == other.chip
            && *processor == other.processor
            && *architecture == other.architecture
            && *memory_quarter_gibibytes == other.memory_quarter_gibibytes
            && *gpus == other.gpus
            && *edge_tpus == other.edge_tpus
            && *root == other.root
    }
}

impl EdgeTpuLink {
    /// Its name for people, the generation of its USB link by speed; `None` without a link, or if it was not
    /// observed.
    pub fn name(&self) -> Option<String> {
        match self.megabits_per_second? {
            ..5_000 => Some("USB 2".to_owned()),
            5_000.. => Some("USB 3".to_owned()),
        }
    }
}

impl Power {
    fn of(state: &PowerState) -> Self {
        let governors = state.settings.iter().filter(|(file, _)| file.ends_with("/scaling_governor"));
        let mut governors: Vec<String> = governors.map(|(_, governor)| governor.clone()).collect();
        governors.sort_unstable();
        governors.dedup();
        Self {
            mode: state.mode.as_ref().map(|mode| mode.name.clone()),
            governors,
            clocks_locked: clocks_locked(&state.settings),
        }
    }

    /// Its name for people, the mode or, on hosts without modes, the governor; `None` if neither is known.
    pub fn name(&self) -> Option<String> {
        let name = match (&self.mode, self.governors.as_slice()) {
            (Some(mode), _) => mode.clone(),
            (None, [governor]) => governor.clone(),
            (None, _) => return None,
        };
        Some(if self.clocks_locked == Some(true) { format!("{name}, clocks locked") } else { name })
    }
}

impl fmt::Display for Power {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mode) = &self.mode {
            write!(formatter, "mode {mode}, ")?;
        }
        if !self.governors.is_empty() {
            write!(formatter, "governor {}, ", self.governors.join(" and "))?;
        }
        formatter.write_str(match self.clocks_locked {
            Some(true) => "clocks locked",
            Some(false) => "clocks not locked",
            None => "clocks not observed",
        })
    }
}

impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Clock {}

impl Hash for Clock {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.code.hash(state);
    }
}

impl PartialOrd for Clock {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Clock {
    fn cmp(&self, other: &Self) -> Ordering {
        self.code.cmp(&other.code)
    }
}

impl Software {
    /// Before the library is loaded, neither its version nor the effective options are known.
    fn is_loaded(&self) -> bool {
        self.version.is_some() || self.library_sha256.is_some()
    }

    fn of(host: &Host, runtime: &Runtime, precision: Option<&str>) -> Self {
        let package = |name: &&str| host.packages.get(*name).map(|version| format!("{name} {version}"));
        let needs_edge_tpu = runtime.name == EDGE_TPU_RUNTIME;
        Self {
            runtime: runtime.name.clone(),
            version: runtime.version.clone(),
            library_sha256: runtime.library_sha256.clone(),
            provider_sha256: provider_sha256(runtime),
            options: options(runtime, precision),
            timed: Clock { code: runtime.timed.code.clone(), description: runtime.timed.description.clone() },
            operating_system: host.operating_system.clone(),
            kernel: host.kernel.clone(),
            l4t: host.l4t.clone(),
            jetpack: host.jetpack.clone(),
            edge_tpu_package: EDGE_TPU_PACKAGES.iter().filter(|_| needs_edge_tpu).find_map(package),
        }
    }
}

fn provider_sha256(runtime: &Runtime) -> Option<String> {
    let asked = runtime.providers.iter().find(|share| !share.is_fallback)?;
    let library = asked.library.as_ref()?;
    runtime.libraries.iter().find(|file| file.file == *library)?.sha256.clone()
}

/// Without what a runtime set because the model asks for it: the int8 and the fp32 network of one study are
/// to be compared on one platform. A precision other than the network's own was requested, and stays.
fn options(runtime: &Runtime, precision: Option<&str>) -> String {
    let is_of_model = |key: &str, value: &Value| {
        runtime.options_from_model.iter().any(|from_model| from_model == key)
            || (key == "precision" && precision.is_some_and(|own| value == own))
    };
    let options: BTreeMap<&String, &Value> =
        runtime.options.iter().filter(|(key, value)| !is_of_model(key, value)).collect();
    // A map of texts and JSON values always has a JSON text.
    serde_json::to_string(&options).unwrap_or_default()
}

/// The state while it was measured: what was applied, else what was found.
fn in_force(environment: &Environment) -> Option<&PowerState> {
    let power = environment.power.as_ref()?;
    let state = power.applied.as_ref().unwrap_or(&power.found);
    // A host that shows no mode and no setting was looked at and not seen.
    (state.mode.is_some() || !state.settings.is_empty()).then_some(state)
}

/// Processors that the state has switched on; `None` if none can be switched.
fn processors_online(state: &PowerState) -> Option<u32> {
    const PROCESSORS: &str = "/sys/devices/system/cpu/cpu";
    let switches: Vec<(&str, &str)> = state
        .settings
        .iter()
        .filter_map(|(file, value)| {
            Some((file.strip_prefix(PROCESSORS)?.strip_suffix("/online")?, value.as_str()))
        })
        .collect();
    // The first processor of most machines has no switch, for it is always on.
    let always_on = switches.iter().all(|(number, _)| *number != "0");
    let on = switches.iter().filter(|(_, value)| *value != "0").count() + usize::from(always_on);
    (!switches.is_empty()).then(|| u32::try_from(on).ok())?
}

/// Whether every lower limit equals its upper one and turbo, if any, is off; `None` if no limit could be
/// read.
fn clocks_locked(settings: &BTreeMap<String, String>) -> Option<bool> {
    let limits: Vec<bool> = settings
        .iter()
        .filter_map(|(file, lower)| Some((file.strip_suffix("min_freq")?, lower)))
        .filter_map(|(clock, lower)| Some(settings.get(&format!("{clock}max_freq"))? == lower))
        .collect();
    let has_turbo = settings.iter().any(|(file, value)| {
        (file.ends_with("/no_turbo") && value == "0") || (file.ends_with("/cpufreq/boost") && value == "1")
    });
    (!limits.is_empty()).then(|| !has_turbo && limits.into_iter().all(|is_held| is_held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::format::{LibraryFile, ProviderShare, Timed};

    fn runtime(options: Value) -> Runtime {
        let Value::Object(options) = options else { panic!("an object") };
        Runtime {
            name: "trtexec".to_owned(),
            version: None,
            library: None,
            library_sha256: None,
            options: options.into_iter().collect(),
            options_from_model: ["build_flags", "int8_mode"].map(str::to_owned).to_vec(),
            timed: Timed { code: "x".to_owned(), description: "x".to_owned() },
            providers: Vec::new(),
            libraries: Vec::new(),
        }
    }

    #[test]
    fn int8_and_fp32_networks_of_one_study_are_on_one_platform() {
        let int8 = serde_json::json!({"precision": "int8", "int8_mode": "explicit", "build_flags": ["--int8"], "tf32": false});
        let fp32 = serde_json::json!({"precision": "fp32", "build_flags": [], "tf32": false});
        assert_eq!(options(&runtime(int8.clone()), Some("int8")), r#"{"tf32":false}"#);
        assert_eq!(options(&runtime(fp32), Some("fp32")), r#"{"tf32":false}"#);
        let made_up_ranges = options(&runtime(int8), Some("fp32"));
        assert_eq!(
            made_up_ranges, r#"{"precision":"int8","tf32":false}"#,
            "another treatment of the fp32 network"
        );
    }

    #[test]
    fn the_sentence_about_the_clock_may_be_reworded() {
        let clock = |code: &str, description: &str| Clock {
            code: code.to_owned(),
            description: description.to_owned(),
        };
        assert_eq!(clock("run", "one call"), clock("run", "a single call"));
        assert_ne!(clock("run", "one call"), clock("gpu", "one call"));
    }

    #[test]
    fn another_build_of_the_provider_that_was_asked_for_is_another_platform() {
        let file = |file: &str, sha256: &str| LibraryFile {
            file: file.to_owned(),
            version: None,
            sha256: Some(sha256.to_owned()),
        };
        let share = |name: &str, is_fallback| ProviderShare {
            name: name.to_owned(),
            is_fallback,
            library: Some(format!("/lib/{name}.so")),
            nodes: Some(1),
            operations: None,
        };
        let mut runtime = runtime(serde_json::json!({}));
        assert_eq!(provider_sha256(&runtime), None);
        runtime.providers = vec![share("tensorrt", false), share("cuda", true)];
        runtime.libraries = vec![file("/lib/cuda.so", "c"), file("/lib/tensorrt.so", "t")];
        assert_eq!(provider_sha256(&runtime).as_deref(), Some("t"));
    }
}
