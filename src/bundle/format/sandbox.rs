//! How a worker was confined while it measured. Serialised types only, like the rest of the format.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was enforced on the workers of a configuration, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sandbox {
    /// What the configuration asks for.
    pub setting: SandboxSetting,
    /// What was enforced on every worker.
    pub enforced: Vec<SandboxPart>,
    /// What was not, or not entirely, and why.
    pub missing: Vec<SandboxGap>,
    /// The version of Landlock that was used; 0 if the kernel has none, null if it was not asked for.
    pub landlock_abi: Option<u32>,
}

/// Whether workers are confined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SandboxSetting {
    /// As far as the host can.
    #[default]
    Auto,
    /// No measurement without it.
    Required,
    /// Not at all.
    Off,
}

/// A part of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SandboxPart {
    /// No program that it starts gains rights.
    NoNewPrivileges,
    /// It has no capability.
    NoCapabilities,
    /// It runs as a user of its own.
    OwnUser,
    /// It reads its model, its libraries and the system's programs only, writes its temporary folder only,
    /// and opens the device nodes of its runtime only.
    Files,
    /// It sends signals to its own processes only.
    Signals,
    /// It connects to no abstract socket of another process.
    AbstractSockets,
    /// It makes no system call that a measurement does not need; the network is among them.
    SystemCalls,
    /// The memory that one of its processes may take has a limit.
    Memory,
    /// The number of its processes and threads has a limit.
    Processes,
    /// The size of a file that it writes has a limit.
    FileSize,
    /// It leaves no core files.
    CoreFiles,
    /// It is in a control group of its own, which is killed as a whole.
    ControlGroup,
}

/// A part that was not enforced, or not entirely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxGap {
    /// The part.
    pub part: SandboxPart,
    /// Why.
    pub detail: String,
}

impl SandboxPart {
    /// Every part, in the order of the documents.
    pub const ALL: &[Self] = &[
        Self::NoNewPrivileges,
        Self::NoCapabilities,
        Self::OwnUser,
        Self::Files,
        Self::Signals,
        Self::AbstractSockets,
        Self::SystemCalls,
        Self::Memory,
        Self::Processes,
        Self::FileSize,
        Self::CoreFiles,
        Self::ControlGroup,
    ];
}

impl Sandbox {
    /// Note whether a part is enforced.
    pub fn note(&mut self, part: SandboxPart, enforced: Result<(), String>) {
        match enforced {
            Ok(()) => self.enforced.push(part),
            Err(detail) => self.missing.push(SandboxGap { part, detail }),
        }
    }

    /// What holds for both.
    pub fn weakest(mut self, other: Self) -> Self {
        for gap in other.missing {
            self.enforced.retain(|part| *part != gap.part);
            if self.missing.iter().all(|known| known.part != gap.part) {
                self.missing.push(gap);
            }
        }
        self.enforced.retain(|part| other.enforced.contains(part));
        self.landlock_abi = self.landlock_abi.min(other.landlock_abi);
        self
    }
}
