//! What the daemon is doing, for `backbone status` and for collectors: one JSON file, rewritten atomically at
//! state changes.
//!
//! The file is in the state folder, with a copy in the outbox. It is not synced: after a power cut a new
//! daemon writes a new one. Nothing is written while a worker times.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bundle::format::ChainHead;
use crate::guarded::{self, Synced};

/// Value of [`Status::format`].
pub const FORMAT: &str = "backbone.status/1";

/// File name, in the state folder and in the outbox.
pub(crate) const FILE_NAME: &str = "status.json";

/// More than the named jobs and the attention of any daemon take.
const LARGEST_BYTES: u64 = 64 << 20;

/// Jobs listed one by one; the rest is a number.
pub(crate) const NAMED_JOBS: usize = 20;

/// What the daemon is doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`FORMAT`].
    pub format: String,
    /// Version of the program.
    pub version: String,
    /// Process id of the daemon.
    pub process: u32,
    /// Wall clock of this writing, RFC 3339.
    pub updated: String,
    /// In one word.
    pub state: State,
    /// The job being measured.
    pub running: Option<Running>,
    /// What the job being measured waits for while the host is too hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooling: Option<Cooling>,
    /// Number of jobs ready for their turn, without the one that is being measured.
    pub queued: u64,
    /// The first of them, in order.
    pub next: Vec<Queued>,
    /// Jobs that wait for their model.
    pub waiting: Vec<Waiting>,
    /// What needs attention.
    pub attention: Vec<Attention>,
    /// Jobs and bundles since this daemon started.
    pub finished: Finished,
    /// Wall clock when the inbox was looked at last, as of this writing: at every change of it, and between
    /// two trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbox_looked_at: Option<String>,
    /// Id of the host; null if it could not be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// The newest bundle that this daemon made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_result: Option<LastResult>,
    /// The sentinel of this host; left out before its first result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<SentinelSeries>,
    /// The newest bundle of this host's chain of bundles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainHead>,
    /// Bundles that are durable but could not be published yet.
    pub unpublished: u64,
    /// Free space for the spool in bytes, when this was written; null if unknown.
    pub disk_free_bytes: Option<u64>,
    /// Size of that file system in bytes.
    pub disk_total_bytes: Option<u64>,
    /// The folders in use.
    pub inbox: PathBuf,
    /// See above.
    pub outbox: PathBuf,
}

/// The sentinel of a host over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentinelSeries {
    /// Number of results.
    pub count: u64,
    /// The newest one.
    pub last: SentinelPoint,
    /// Changes of the level of its means, in order.
    pub changes: Vec<SentinelChange>,
}

/// One result of the sentinel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentinelPoint {
    /// Wall clock when it was measured.
    pub at: String,
    /// Id of its bundle.
    pub bundle: String,
    /// Its runtime.
    pub runtime: String,
    /// Mean latency.
    pub mean_milliseconds: f64,
}

/// A change of the level of the sentinel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentinelChange {
    /// Wall clock of the first result of the new level.
    pub since: String,
    /// Median of the new level divided by that of the one before.
    pub ratio: f64,
}

/// The daemon's state in one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing to do.
    #[default]
    Idle,
    /// A job is being measured.
    Running,
    /// A job waits for a cool host; see `cooling`.
    Cooling,
    /// After `backbone pause`: jobs are claimed and not measured.
    Paused,
    /// Another process measures on this host.
    WaitingForHost,
    /// Something of the host is broken; see `attention`. Jobs are kept.
    Trouble,
    /// The daemon ended.
    Stopped,
}

/// The job being measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// Job id.
    pub id: String,
    /// Job name.
    pub job: String,
    /// The network: θ, or the name of the model file.
    #[serde(default)]
    pub network: String,
    /// Runtime.
    pub runtime: String,
    /// Which configuration, from 1.
    pub configuration: usize,
    /// Of how many.
    pub configurations: usize,
    /// Which trial of the configuration, from 1.
    pub trial: u32,
    /// Of how many.
    pub trials: u32,
    /// Wall clock at the start of this trial.
    pub since: String,
    /// Expected seconds until the job is done, from its finished trials; null before the first one.
    pub eta_seconds: Option<f64>,
}

/// Waiting until the host is cool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cooling {
    /// The hottest zone when the wait began.
    pub zone: String,
    /// Its temperature then, in °C. It is not updated, because a status is written at changes only.
    pub celsius: f64,
    /// What the job asks for, in °C.
    pub below_celsius: u32,
    /// Wall clock at which the job stops waiting.
    pub until: String,
}

/// A job in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Job id.
    pub id: String,
    /// Job name.
    pub job: String,
    /// Its priority.
    pub priority: i8,
}

/// A job that waits for its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Job id.
    pub id: String,
    /// Job name.
    pub job: String,
    /// Files that are missing or not fully uploaded; empty while the job's files are copied, or wait for
    /// that.
    pub models: Vec<String>,
    /// What the job file does not say of these files: which model needs one, and how long it has to be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// Its file that is being copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copying: Option<CopiedFile>,
    /// Seconds that it has been waiting, as far as this daemon knows.
    pub seconds: u64,
}

/// A file that is being copied into the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedFile {
    /// Name in the inbox.
    pub file: String,
    /// Bytes that were copied when this was written.
    pub copied_bytes: u64,
    /// Size of the file.
    pub size_bytes: u64,
}

/// Something that needs attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// A stable code.
    pub code: String,
    /// The file or folder.
    pub what: String,
    /// What is wrong with it, and what to do.
    pub why: String,
}

/// The newest bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastResult {
    /// Job name.
    pub job: String,
    /// File name of the bundle.
    pub bundle: String,
    /// How the configuration ended.
    pub outcome: crate::bundle::format::Status,
    /// Wall clock when the bundle was durable.
    pub at: String,
}

/// Jobs that are done, and their bundles by what they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Jobs that have all their bundles.
    #[serde(default)]
    pub jobs: u64,
    /// Measured.
    pub measured: u64,
    /// Rejected.
    pub rejected: u64,
    /// Failed or timed out.
    pub failed: u64,
    /// Cancelled.
    pub cancelled: u64,
}

impl Finished {
    /// One more bundle.
    pub(super) fn count(&mut self, outcome: crate::bundle::format::Status) {
        use crate::bundle::format::Status;
        *match outcome {
            Status::Measured => &mut self.measured,
            Status::Rejected => &mut self.rejected,
            Status::Cancelled => &mut self.cancelled,
            Status::NotCompilable | Status::Failed | Status::TimedOut => &mut self.failed,
        } += 1;
    }
}

impl Status {
    /// Write the file into a folder, so that a reader sees either the old one or the new one.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        Self::write_text(folder, &self.text()?)
    }

    /// The file's text.
    pub(super) fn text(&self) -> std::io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }

    pub(super) fn write_text(folder: &Path, text: &[u8]) -> std::io::Result<()> {
        guarded::write(folder, FILE_NAME, text, Synced::No)
    }

    /// Read the file of a folder.
    ///
    /// # Errors
    /// There is none, or it is not a status file.
    pub fn read(folder: &Path) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&Self::read_text(folder)?)?)
    }

    /// The bytes of the file of a folder.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn read_text(folder: &Path) -> std::io::Result<Vec<u8>> {
        guarded::read_path(&folder.join(FILE_NAME), LARGEST_BYTES)
    }
}
