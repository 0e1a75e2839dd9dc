//! A job's journal: what happened to it since its claim, one JSON object per line, in
//! `spool/journal/<id>.jsonl`.
//!
//! With it a restart loses at most the running trial, measures nothing twice, and notices a job that crashes
//! the machine. A power cut can tear only the last line, which then counts as never written.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bundle::format::{
    Build, DifferingProcess, Energy, Environment, LoadedModel, Power, ReadOutputs, Resources, Trial,
};
use crate::guarded;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// The job's files were copied. Files that are overwritten in the inbox later do not affect it.
    Bound {
        /// In the order of the spec.
        models: Vec<BoundModel>,
        /// All others that were dropped with the job.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        inputs: Vec<BoundFile>,
    },
    /// A trial begins.
    Started {
        /// Which configuration, from 1.
        configuration: usize,
        /// Wall clock, RFC 3339.
        at: String,
    },
    /// The host is about to reboot into the job's power mode.
    Rebooting,
    /// The trial begun last was ended on purpose (shutdown, pause). It does not count against the job.
    Interrupted,
    /// The trial begun last delivered its latencies.
    Finished(Box<Measured>),
    /// The build begun last succeeded.
    Built {
        /// Which configuration, from 1.
        configuration: usize,
        /// As in the bundle.
        build: Box<Build>,
    },
    /// The configuration's bundle is durable in `ready/`. Measuring it again would publish it twice.
    Bundled {
        /// Which configuration, from 1.
        configuration: usize,
    },
}

/// A trial that delivered its latencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Which configuration, from 1.
    pub configuration: usize,
    /// Raw latencies.
    pub trial: Trial,
    /// What the worker reported of library and model.
    pub loaded: LoadedModel,
    /// How long the worker's process lived, in seconds.
    pub wall_seconds: f64,
    /// What the host's sensors reported.
    #[serde(default)]
    pub environment: Option<Environment>,
    /// What an inference took in energy, if this trial was to measure it.
    #[serde(default)]
    pub energy: Option<Energy>,
    /// The host's power state, over this trial and those of the configuration before it.
    #[serde(default)]
    pub power: Option<Power>,
    /// What it computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<ReadOutputs>,
    /// How far that is from what the first process of its build computed, if it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differing: Option<DifferingProcess>,
    /// What it took besides time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// A copied file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundFile {
    /// Name in the inbox.
    pub file: String,
    /// SHA-256 of the copy, which is also its name in `spool/models/`.
    pub sha256: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Last change of the file in the inbox that was copied, in ns since the epoch; `None` for a generated
    /// file and in journals of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_ns: Option<i64>,
}

/// A copied model, in one file or several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundModel {
    /// The file that the spec names.
    #[serde(flatten)]
    pub main: BoundFile,
    /// Further files that it refers to, sorted by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<BoundFile>,
}

impl BoundModel {
    /// Its files: first the one that the spec names.
    pub fn files(&self) -> impl Iterator<Item = &BoundFile> {
        std::iter::once(&self.main).chain(&self.parts)
    }

    /// What tells its network from others: the digest of its file, or of the list of digests of all its
    /// files, one a line, as `sha256sum net.onnx net.onnx.data | cut -c 1-64 | sha256sum` prints it.
    pub fn content_sha256(&self) -> String {
        if self.parts.is_empty() {
            return self.main.sha256.clone();
        }
        let lines: String = self.files().map(|file| format!("{}\n", file.sha256)).collect();
        data_encoding::HEXLOWER.encode(&Sha256::digest(lines))
    }
}

/// The journal of one job, to read or append to.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
}

/// When an appended line is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// When it is appended.
    Now,
    /// With the next line that is durable at once.
    Later,
}

impl Journal {
    /// The journal at `path`, which need not exist yet.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Every complete line, in order; empty if there is no journal. Cuts off a torn last line, so that the
    /// next one starts on a line of its own.
    ///
    /// # Errors
    /// The file is unreadable.
    pub fn read(&self) -> io::Result<Vec<Record>> {
        let text = match guarded::read_path(&self.path, u64::MAX - 1) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut records = Vec::new();
        let mut whole = 0;
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            let Some(record) = line.ends_with(b"\n").then(|| serde_json::from_slice(line).ok()).flatten()
            else {
                break;
            };
            records.push(record);
            whole += line.len();
        }
        if whole < text.len() {
            guarded::open_to_write(&self.path)?.set_len(whole as u64)?;
        }
        Ok(records)
    }

    /// Append one line, which is durable when this returns or with the next durable line.
    ///
    /// # Errors
    /// The disk is full or broken. A partly written line is cut off again, as far as the disk allows.
    pub fn append(&self, record: &Record, durable: Durable) -> io::Result<()> {
        let mut line = serde_json::to_vec(record).map_err(io::Error::other)?;
        line.push(b'\n');
        let mut file = guarded::open_to_append(&self.path)?;
        let length = file.metadata()?.len();
        let written = file
            .write_all(&line)
            .and_then(|()| if durable == Durable::Now { file.sync_data() } else { Ok(()) });
        written.inspect_err(|_| {
            // Best effort: reading recognises a torn line as well.
            let _ = file.set_len(length);
        })?;
        if durable == Durable::Now && length == 0 { self.sync_folder() } else { Ok(()) }
    }

    /// Remove it.
    ///
    /// # Errors
    /// As unlink(2), unless there is none.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs_err::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Make all lines durable, and the file's name.
    ///
    /// # Errors
    /// As fsync(2).
    pub(crate) fn sync(&self) -> io::Result<()> {
        guarded::open_path(&self.path)?.sync_data()?;
        self.sync_folder()
    }

    /// Make the file's name durable, for a first line that was not appended durably.
    ///
    /// # Errors
    /// As fsync(2).
    pub(crate) fn sync_folder(&self) -> io::Result<()> {
        fs_err::File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}

/// The state of a job according to its journal.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Copied models; `None` while the job waits for its files.
    pub models: Option<Vec<BoundModel>>,
    /// All other copied files that were dropped with the job.
    pub inputs: Vec<BoundFile>,
    /// How often the job's files were copied.
    pub bound: usize,
    /// Finished trials, in order.
    pub trials: Vec<Measured>,
    /// Finished builds by configuration (from 1), in order.
    pub builds: Vec<(usize, Build)>,
    /// Configurations whose bundle is durable.
    pub bundled: Vec<usize>,
    /// Wall clock at the start of each configuration's first trial.
    pub started: Vec<(usize, String)>,
    /// Trials that began but neither finished nor were interrupted on purpose, by configuration: the machine
    /// or the daemon crashed.
    pub crashes: Vec<usize>,
    /// The host was rebooted for this job.
    pub rebooted: bool,
}

impl Progress {
    /// Every copied file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &BoundFile> {
        self.models.iter().flatten().flat_map(BoundModel::files).chain(&self.inputs)
    }

    /// Sum up the records.
    pub(crate) fn of(records: Vec<Record>) -> Self {
        let mut progress = Self::default();
        let mut running = None;
        for record in records {
            match record {
                Record::Bound { models, inputs } => {
                    let digests = |models: &[BoundModel], inputs: &[BoundFile]| -> Vec<String> {
                        let files = models.iter().flat_map(BoundModel::files).chain(inputs);
                        files.map(|file| file.sha256.clone()).collect()
                    };
                    let former = progress.models.as_deref().map(|models| digests(models, &progress.inputs));
                    // Copied again, because the copies were torn or the upload went on. Trials of other bytes
                    // do not count.
                    if former.is_some_and(|former| former != digests(&models, &inputs)) {
                        progress.trials.clear();
                        progress.builds.clear();
                    }
                    progress.models = Some(models);
                    progress.inputs = inputs;
                    progress.bound += 1;
                }
                Record::Started { configuration, at } => {
                    progress.crashes.extend(running.replace(configuration));
                    if !progress.started.iter().any(|(started, _)| *started == configuration) {
                        progress.started.push((configuration, at));
                    }
                }
                Record::Interrupted => running = None,
                Record::Rebooting => progress.rebooted = true,
                Record::Finished(measured) => {
                    running = None;
                    progress.trials.push(*measured);
                }
                Record::Built { configuration, build } => {
                    running = None;
                    progress.builds.push((configuration, *build));
                }
                Record::Bundled { configuration } => {
                    running = None;
                    progress.bundled.push(configuration);
                }
            }
        }
        progress.crashes.extend(running);
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::format::{Latencies, TrialId};

    fn model(file: &str, sha256: &str) -> BoundModel {
        let main = BoundFile { file: file.into(), sha256: sha256.into(), size_bytes: 1, modified_ns: None };
        BoundModel { main, parts: Vec::new() }
    }

    #[test]
    fn files_of_the_previous_version_are_read_and_written_byte_for_byte() {
        let line = r#"{"record":"bound","models":[{"file":"net.onnx","sha256":"ab","size_bytes":1}]}"#;
        let record: Record = serde_json::from_str(line).expect("a record");
        assert_eq!(record, Record::Bound { models: vec![model("net.onnx", "ab")], inputs: Vec::new() });
        assert_eq!(serde_json::to_string(&record).expect("JSON"), line);
        let whole = Record::Bound {
            models: vec![BoundModel {
                parts: vec![model("net.onnx.data", "cd").main],
                ..model("net.onnx", "ab")
            }],
            inputs: vec![BoundFile { modified_ns: Some(i64::MAX), ..model("mel.npy", "ef").main }],
        };
        let written = serde_json::to_string(&whole).expect("JSON");
        assert_eq!(serde_json::from_str::<Record>(&written).expect("a record"), whole);
        let names: Vec<String> = Progress::of(vec![whole]).files().map(|file| file.file.clone()).collect();
        assert_eq!(names, ["net.onnx", "net.onnx.data", "mel.npy"]);
    }

    #[test]
    fn a_torn_last_line_counts_as_never_written_and_the_next_one_is_whole() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("1.jsonl");
        let journal = Journal::at(&path);
        let started = Record::Started { configuration: 1, at: "2026-01-01T00:00:00Z".into() };
        journal.append(&started, Durable::Now).expect("append");
        let mut bytes = fs_err::read(&path).expect("read");
        bytes.extend_from_slice(b"{\"record\":\"bundl");
        fs_err::write(&path, bytes).expect("write");
        assert_eq!(journal.read().expect("read"), vec![started.clone()]);
        journal.append(&Record::Interrupted, Durable::Later).expect("append");
        assert_eq!(journal.read().expect("read"), vec![started, Record::Interrupted]);
    }

    #[test]
    fn only_trials_that_were_not_ended_on_purpose_count_as_crashes() {
        let started = |configuration| Record::Started { configuration, at: "t".into() };
        let progress =
            Progress::of(vec![started(1), Record::Interrupted, started(1), started(1), started(2)]);
        assert_eq!(progress.crashes, vec![1, 1, 2]);
        let progress = Progress::of(vec![started(1), Record::Bundled { configuration: 1 }]);
        assert!(progress.crashes.is_empty());
        assert_eq!(progress.bundled, vec![1]);
    }

    #[test]
    fn finished_build_is_known_after_a_restart_and_is_no_crash() {
        let build = Build {
            build: 1,
            status: crate::bundle::format::Status::Measured,
            reason: None,
            seconds: Some(2.5),
            size_bytes: Some(7),
            is_kept: false,
            edge_tpu: None,
            log_tail: Vec::new(),
        };
        let record = Record::Built { configuration: 2, build: Box::new(build.clone()) };
        let started = Record::Started { configuration: 2, at: "t".into() };
        let progress = Progress::of(vec![started.clone(), record, started.clone()]);
        assert_eq!(progress.builds, vec![(2, build)]);
        assert_eq!(progress.crashes, vec![2], "only the trial that did not end");
    }

    #[test]
    fn trials_of_a_model_that_was_taken_again_with_other_bytes_do_not_count() {
        let bound =
            |sha256: &str| Record::Bound { models: vec![model("net.onnx", sha256)], inputs: Vec::new() };
        let finished = Record::Finished(Box::new(Measured {
            configuration: 1,
            trial: Trial { id: TrialId { build: 1, process: 1 }, latencies: Latencies::default() },
            loaded: LoadedModel::default(),
            wall_seconds: 1.0,
            environment: None,
            energy: None,
            power: None,
            outputs: None,
            differing: None,
            resources: None,
        }));
        let same = Progress::of(vec![bound("a"), finished.clone(), bound("a")]);
        assert_eq!(same.trials.len(), 1);
        let other = Progress::of(vec![bound("a"), finished, bound("b")]);
        assert!(other.trials.is_empty());
    }

    #[test]
    fn lines_of_the_previous_version_are_read_and_written_byte_for_byte() {
        let line = r#"{"record":"finished","configuration":1,"trial":{"build":1,"process":2,"warm_up_ns":[1],"latency_ns":[2,3],"extra_latency_ns":[4]},"loaded":{"version":"1.0","library":"/lib/x.so","options":{},"inputs":[],"outputs":[],"placed":null},"wall_seconds":1.5,"environment":null,"energy":null,"power":null}"#;
        let record: Record = serde_json::from_str(line).expect("a record");
        let Record::Finished(measured) = &record else { panic!("{record:?}") };
        assert_eq!(measured.trial.id, TrialId { build: 1, process: 2 });
        assert_eq!(measured.trial.latencies.latency_ns.len(), 2);
        assert_eq!(serde_json::to_string(&record).expect("JSON"), line);
        let unknown = line.replace("\"wall_seconds\"", "\"walls\":[],\"wall_seconds\"");
        assert!(
            serde_json::from_str::<Record>(&unknown).is_err(),
            "another version's record is not half understood"
        );
    }
}
