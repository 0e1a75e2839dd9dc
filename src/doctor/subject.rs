//! What the checks look at: the host as detection, power control and the sensors read it, once, and its processes, twice.
//!
//! Nothing is judged here. Only the host root is asked, and nothing is written.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::processes::{self, Process};
use super::rights::Rights;
use crate::bundle::format::{Host, PowerMode, Quantity, Sensor};
use crate::host::cpufreq::Settings;
use crate::host::machine::{Machine, ToolCall};
use crate::host::power::ModeError;
use crate::host::root::HostRoot;
use crate::host::sensors::Sensors;
use crate::host::tool::{self, ToolError, ToolOutput};
use crate::host::{HostFamily, facts, family};

/// nvpmodel answers within some ten milliseconds; a tool that takes longer than this would take the second of all checks.
const TOOL_LIMIT: Duration = Duration::from_millis(500);

/// Between the two looks at the processes: ten of the kernel's ticks, which count their time.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What of the settings is looked at. Paths are the host's: on a folder that stands for a machine they lie below it.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Where jobs are dropped.
    pub inbox: PathBuf,
    /// Where jobs live.
    pub spool: PathBuf,
    /// Where bundles are published.
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
    /// The library that the settings name, or that is installed beside the program.
    pub candidates: Vec<PathBuf>,
    /// Do the settings name it? Then no other is taken.
    pub is_named: bool,
    /// What the system's folders would have it as.
    pub file_name: &'static str,
    /// The worker's executable.
    pub worker: PathBuf,
}

/// Why the tool of the power mode told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToolTrouble {
    Missing,
    NotStarted,
    Hung(Duration),
}

/// A host, looked at.
pub(super) struct Subject<'a> {
    pub(super) root: &'a HostRoot,
    pub(super) asked: &'a Asked,
    pub(super) host: Host,
    pub(super) family: &'static HostFamily,
    /// The power mode, where the family has a tool that tells.
    pub(super) mode: Option<PowerMode>,
    /// What went wrong with that tool.
    pub(super) tool_trouble: Option<ToolTrouble>,
    pub(super) modes: Result<Vec<PowerMode>, ModeError>,
    pub(super) settings: Settings,
    /// Each sensor with what it reads.
    pub(super) sensors: Vec<(Sensor, Option<f64>)>,
    /// `None` where the host shows none.
    pub(super) processes: Option<Vec<Process>>,
    /// Of the daemon where one runs, else of this process; `None` where the host does not tell.
    pub(super) rights: Option<Rights>,
}

impl<'a> Subject<'a> {
    /// Look.
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
        // The processes of a folder that stands for a machine do not run.
        if root.is_real() {
            std::thread::sleep(BETWEEN_LOOKS.saturating_sub(began.elapsed()));
        }
        let processes = processes::since(earlier, processes::list(root), began.elapsed());
        let daemon = processes.iter().flatten().find(|process| process.is_daemon);
        let rights = Rights::of(root, daemon.map(|daemon| daemon.id));
        let tool_trouble = hurried.trouble.get();
        Self { root, asked, host, family, mode, tool_trouble, modes, settings, sensors, processes, rights }
    }

    /// The text of a file of the host, where it can be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        self.root.read(path).ok()
    }

    /// A whole number in a file of the host.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.read(path)?.parse().ok()
    }

    /// Is there such a file or folder?
    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.path(path).exists()
    }

    /// Does the host show its devices at all? Else that one is missing means nothing.
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

    /// Version of an installed package.
    pub(super) fn package(&self, start: &str) -> Option<(&str, &str)> {
        let mut packages = self.host.packages.iter();
        packages
            .find(|(name, _)| name.starts_with(start))
            .map(|(name, version)| (name.as_str(), version.as_str()))
    }

    /// Running processes that go by one of these names; `None` where processes are not shown.
    pub(super) fn running(&self, names: &[&str]) -> Option<Vec<&Process>> {
        let all = self.processes.as_ref()?.iter();
        Some(all.filter(|process| names.contains(&process.name.as_str())).collect())
    }
}

/// The host, whose tools have little time.
struct Hurried<'a> {
    root: &'a HostRoot,
    trouble: Cell<Option<ToolTrouble>>,
}

impl Machine for Hurried<'_> {
    fn read(&self, path: &str) -> io::Result<String> {
        self.root.read(path)
    }

    fn write(&self, path: &str, _value: &str) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("`{path}` is looked at only")))
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
