//! What the checks look at: the host as detection, power control and the sensors read it, and two snapshots
//! of its processes.
//!
//! Reads the host root only, writes nothing and judges nothing.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::mounts::Mount;
use super::process_rights::Rights;
use super::processes::{self, RunningProcess};
use crate::bundle::format::{Host, PowerMode, Quantity, Sensor};
use crate::host::cpufreq::Settings;
use crate::host::machine::Machine;
use crate::host::nvml::{Cards, Trouble, probe};
use crate::host::power::ModeError;
use crate::host::root::HostRoot;
use crate::host::sensors::Sensors;
use crate::host::tool::{self, ToolCall, ToolError, ToolOutput};
use crate::host::{HostFamily, facts, family};

/// nvpmodel answers within a few tens of milliseconds. A slower tool would use up the second that all checks
/// may take.
const TOOL_LIMIT: Duration = Duration::from_millis(500);

/// A card without persistence mode takes a second or two to answer; a driver that hangs never does.
const CARDS_LIMIT: Duration = Duration::from_secs(5);

/// Time between the two snapshots of the processes: twenty of the kernel's ticks, which count processor time.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// The settings that the checks look at. Paths are those on the host: under another root they are below it.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Folder for new jobs.
    pub inbox: PathBuf,
    /// Folder of the queue.
    pub spool: PathBuf,
    /// Folder for finished bundles.
    pub outbox: PathBuf,
    /// The daemon's small state.
    pub state: PathBuf,
    /// What the runtimes need.
    pub libraries: Vec<Library>,
}

/// What a runtime needs on the host.
#[derive(Debug, Clone)]
pub struct Library {
    /// The runtime's name.
    pub runtime: &'static str,
    /// The library that the settings name, or that is installed with the program.
    pub candidates: Vec<PathBuf>,
    /// Whether the settings name it; then no other is used.
    pub is_named: bool,
    /// Its name in the system's library folders.
    pub file_name: &'static str,
    /// The worker's executable.
    pub worker: PathBuf,
}

/// Why the power mode tool gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToolTrouble {
    Missing,
    NotStarted,
    Hung(Duration),
}

/// Everything the checks know about a host.
pub(super) struct Subject<'a> {
    pub(super) root: &'a HostRoot,
    pub(super) asked: &'a Asked,
    pub(super) host: Host,
    pub(super) family: &'static HostFamily,
    /// The power mode, if the family has a tool for it.
    pub(super) mode: Option<PowerMode>,
    /// What went wrong with that tool.
    pub(super) tool_trouble: Option<ToolTrouble>,
    pub(super) modes: Result<Vec<PowerMode>, ModeError>,
    pub(super) settings: Settings,
    /// Each sensor with what it reads.
    pub(super) sensors: Vec<(Sensor, Option<f64>)>,
    /// `None` if the host shows none.
    pub(super) processes: Option<Vec<RunningProcess>>,
    /// Of the daemon if one runs, else of this process; `None` if the host does not show them.
    pub(super) rights: Option<Rights>,
    /// Graphics cards; `None` if the host has no driver for them.
    pub(super) cards: Option<Result<Cards, Trouble>>,
}

impl<'a> Subject<'a> {
    /// Look at the host.
    pub(super) fn observe(root: &'a HostRoot, asked: &'a Asked) -> Self {
        let began = Instant::now();
        let earlier = processes::list(root);
        let family = family(root);
        let hurried = Hurried { root, trouble: Cell::default() };
        let mode = family.power.mode(&hurried);
        let mut found = Sensors::find(root);
        let values = found.read();
        let sensors = found.sensors().iter().cloned().zip(values).collect();
        let host = facts::observe(root);
        let settings = family.power.settings(root);
        let modes = family.power.modes(root);
        // Under another root no process runs.
        if root.is_real() {
            std::thread::sleep(BETWEEN_LOOKS.saturating_sub(began.elapsed()));
        }
        let processes = processes::since(earlier, processes::list(root), began.elapsed());
        let daemon = processes.iter().flatten().find(|process| process.is_daemon);
        let rights = Rights::of(root, daemon.map(|daemon| daemon.id));
        let tool_trouble = hurried.trouble.get();
        let cards = probe::cards(root, CARDS_LIMIT);
        Self {
            root,
            asked,
            host,
            family,
            mode,
            tool_trouble,
            modes,
            settings,
            sensors,
            processes,
            rights,
            cards,
        }
    }

    /// The text of a file of the host, if it can be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        self.root.read(path).ok()
    }

    /// A whole number in a file of the host.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.read(path)?.parse().ok()
    }

    /// The mount that holds a path; `None` if the host does not show its mounts.
    pub(super) fn mount(&self, path: &Path) -> Option<Mount> {
        let process = self.rights.as_ref().map_or("self", |rights| &rights.process);
        Mount::of(self.root, process, path)
    }

    /// Whether such a file or folder exists.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.path(path).exists()
    }

    /// Whether the host shows its devices at all; if not, a missing device means nothing.
    pub(super) fn shows_devices(&self) -> bool {
        self.exists("/sys/class") || self.exists("/sys/bus")
    }

    /// Is it a Jetson?
    pub(super) fn is_jetson(&self) -> bool {
        self.family.name == "jetson"
    }

    /// Settings whose file has this name, with their values.
    pub(super) fn settings_named<'b>(&'b self, name: &'b str) -> impl Iterator<Item = (&'b str, &'b str)> {
        self.settings
            .iter()
            .filter(move |(path, _)| path.rsplit('/').next() == Some(name))
            .map(|(path, value)| (path.as_str(), value.as_str()))
    }

    /// Sensors of a quantity, each with what it reads.
    pub(super) fn sensors_of(&self, quantity: Quantity) -> impl Iterator<Item = (&Sensor, Option<f64>)> {
        self.sensors
            .iter()
            .filter(move |(sensor, _)| sensor.quantity == quantity)
            .map(|(sensor, value)| (sensor, *value))
    }

    /// Sensors of a quantity that can be read, with their values.
    pub(super) fn readings(&self, quantity: Quantity) -> impl Iterator<Item = (&Sensor, f64)> {
        self.sensors_of(quantity).filter_map(|(sensor, value)| Some((sensor, value?)))
    }

    /// The value of a quantity that has one sensor.
    pub(super) fn value(&self, quantity: Quantity) -> Option<f64> {
        self.readings(quantity).next().map(|(_, value)| value)
    }

    /// PCI devices of a vendor, each with its folder.
    pub(super) fn pci_devices(&self, vendor: &str) -> Vec<String> {
        const FOLDER: &str = "/sys/bus/pci/devices";
        let devices = self.root.names_in(FOLDER).into_iter().map(|name| format!("{FOLDER}/{name}"));
        devices.filter(|device| self.read(&format!("{device}/vendor")).as_deref() == Some(vendor)).collect()
    }

    /// Version of an installed package.
    pub(super) fn package(&self, start: &str) -> Option<(&str, &str)> {
        let mut packages = self.host.packages.iter();
        packages
            .find(|(name, _)| name.starts_with(start))
            .map(|(name, version)| (name.as_str(), version.as_str()))
    }

    /// Running processes with one of these names; `None` if the host shows no processes.
    pub(super) fn running(&self, names: &[&str]) -> Option<Vec<&RunningProcess>> {
        let all = self.processes.as_ref()?.iter();
        Some(all.filter(|process| names.contains(&process.name.as_str())).collect())
    }
}

/// The host, with a short time limit for its tools.
struct Hurried<'a> {
    root: &'a HostRoot,
    trouble: Cell<Option<ToolTrouble>>,
}

impl Machine for Hurried<'_> {
    fn read(&self, path: &str) -> io::Result<String> {
        self.root.read(path)
    }

    fn write(&self, path: &str, _value: &str) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("the checks do not write to {path}")))
    }

    fn names(&self, folder: &str) -> Vec<String> {
        Machine::names(self.root, folder)
    }

    fn run(&self, call: &ToolCall<'_>) -> Result<ToolOutput, ToolError> {
        let call = ToolCall { limit: call.limit.min(TOOL_LIMIT), ..*call };
        let result = tool::run(self.root, &call);
        if let Err(error) = &result {
            self.trouble.set(Some(match error {
                ToolError::Missing { .. } => ToolTrouble::Missing,
                ToolError::Start { .. } => ToolTrouble::NotStarted,
                ToolError::Hung { limit, .. } => ToolTrouble::Hung(*limit),
            }));
        }
        result
    }
}
