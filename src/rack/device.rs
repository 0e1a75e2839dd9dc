//! What a device says of itself: its daemon's status.
//!
//! Read leniently, because the device may have another version: what it does not say has the value of
//! nothing.

use std::path::PathBuf;

use serde::Deserialize;

use super::connection::Connection;
use super::trouble::{Trouble, last_line};

/// Prints the status, and on standard error whether its daemon is gone. If there is no status, prints what
/// the program and the machine are. `env` and the like do not help: a program for another machine is taken
/// for a script by some shells, and the message is then about its syntax.
const SCRIPT: &str = "b=$(command -v backbone) || exit 127; \
     if s=$(\"$b\" status --json); then printf \"%s\\n\" \"$s\"; \
     p=$(printf \"%s\\n\" \"$s\" | sed -n \"s/^ *\\\"process\\\": *\\([0-9][0-9]*\\).*/\\1/p\" | head -n 1); \
     [ -d \"/proc/$p\" ] || echo backbone-gone >&2; exit 0; else c=$?; fi; \
     echo \"backbone-program $(od -An -tx1 -j18 -N2 \"$b\" 2>/dev/null | tr -d \" \") $(uname -m)\" >&2; exit $c";

/// Words of the script.
const GONE: &str = "backbone-gone";
const PROGRAM: &str = "backbone-program ";

/// `e_machine` of an executable (elf(5)), as the script prints it, and what `uname -m` says there.
const MACHINES: &[(&str, &str, &[&str])] = &[
    ("3e00", "x86-64", &["x86_64"]),
    ("b700", "arm64", &["aarch64", "armv8l"]),
    ("2800", "arm", &["armv6l", "armv7l", "armv8l", "aarch64"]),
    ("f300", "RISC-V", &["riscv64", "riscv32"]),
];

/// A device.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Device {
    /// Version of its daemon.
    pub(crate) version: String,
    /// When its daemon wrote this.
    pub(crate) updated: String,
    /// What its daemon does, in a word.
    pub(crate) state: String,
    /// Its id, if it has one that can be part of a path.
    pub(crate) host_id: Option<String>,
    /// The job being measured.
    pub(crate) running: Option<Running>,
    /// Number of jobs ready for their turn.
    pub(crate) queued: u64,
    /// Jobs that wait for files.
    pub(crate) waiting: Vec<serde::de::IgnoredAny>,
    /// What needs attention.
    pub(crate) attention: Vec<Attention>,
    /// Its newest result.
    pub(crate) last_result: Option<LastResult>,
    /// Bundles that could not be published yet.
    pub(crate) unpublished: u64,
    /// Free space for the spool.
    pub(crate) disk_free_bytes: Option<u64>,
    /// Size of that file system.
    pub(crate) disk_total_bytes: Option<u64>,
    /// Where it takes jobs.
    pub(crate) inbox: PathBuf,
    /// Where it publishes.
    pub(crate) outbox: PathBuf,
    /// Whether the daemon that wrote this runs.
    #[serde(skip)]
    pub(crate) daemon: Daemon,
    /// The status as it was written.
    #[serde(skip)]
    pub(crate) text: Vec<u8>,
}

/// Does the daemon run?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Daemon {
    /// It does.
    #[default]
    Runs,
    /// It ended.
    Gone,
}

/// The job being measured.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Running {
    /// Its name.
    pub(crate) job: String,
    /// Which configuration.
    pub(crate) configuration: u64,
    /// Of how many.
    pub(crate) configurations: u64,
    /// Expected seconds until the job is done.
    pub(crate) eta_seconds: Option<f64>,
}

/// Something that needs attention.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Attention {
    /// Its code.
    pub(crate) code: String,
    /// The file, folder or job.
    pub(crate) what: String,
}

/// The newest result.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LastResult {
    /// Its job.
    pub(crate) job: String,
    /// How it ended.
    pub(crate) outcome: String,
    /// When.
    pub(crate) at: String,
}

impl Device {
    /// Ask the device.
    ///
    /// # Errors
    /// It has no `backbone` that runs, or that says nothing.
    pub(crate) fn ask(connection: &Connection) -> Result<Self, Trouble> {
        let answer = connection.run(SCRIPT, &[], b"")?;
        if answer.code != 0 {
            return Err(without_status(answer.code, &answer.stderr));
        }
        let mut device: Self = serde_json::from_slice(&answer.stdout)
            .map_err(|error| Trouble::NoStatus(format!("its status is not understood here: {error}")))?;
        device.host_id = device.host_id.filter(|id| is_id(id));
        device.daemon = if answer.stderr.contains(GONE) { Daemon::Gone } else { Daemon::Runs };
        device.text = answer.stdout;
        Ok(device)
    }

    /// Is there nothing left to do?
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.queued == 0 && self.waiting.is_empty() && self.unpublished == 0
    }
}

/// Ids become parts of paths.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn without_status(code: i32, stderr: &str) -> Trouble {
    if code == 127 && !stderr.contains(PROGRAM) {
        return Trouble::NoBackbone;
    }
    let program = stderr.lines().find_map(|line| line.strip_prefix(PROGRAM)?.split_once(' '));
    if let Some((hex, machine)) = program
        && let Some((_, program, machines)) = MACHINES.iter().find(|(known, ..)| *known == hex)
        && !machines.contains(&machine.trim())
    {
        return Trouble::WrongArchitecture {
            program: (*program).to_owned(),
            machine: crate::text::escaped(machine.trim()),
        };
    }
    let said = stderr.lines().filter(|line| !line.starts_with(PROGRAM) && !line.starts_with("hint:"));
    Trouble::NoStatus(last_line(&said.collect::<Vec<_>>().join("\n")))
}
