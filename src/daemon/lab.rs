//! For unit tests: the folders of a daemon in a temporary folder, and no process.

use std::ffi::OsStr;

use super::inbox::{Inbox, Wake};
use super::job::{QueuedJob, ReadJob, SpecFile};
use super::troubles::Troubles;
use crate::config::{Config, Overrides};
use crate::spec;
use crate::spool::journal::{BoundModel, Durable, Record};
use crate::spool::names::{Entry, EntryKind, JobId};
use crate::spool::watch::Watch;
use crate::spool::{Places, Spool};

/// A model of the runtime `sim`.
pub(crate) const MODEL: &str = r#"{"latency_us": [1]}"#;

/// A job that measures [`MODEL`].
pub(crate) const JOB: &str = "backbone: 1\nmodel: net.sim\nruntime: sim\n";

/// Folders, settings, and an open spool.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    pub(crate) config: Config,
    pub(crate) spool: Spool,
    pub(crate) troubles: Troubles,
}

impl Lab {
    /// Fresh folders. Uploads need no time to settle.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["inbox", "outbox", "state", "host/run/lock"] {
            fs_err::create_dir_all(path(name)).unwrap();
        }
        let file = path("config.yaml");
        fs_err::write(&file, "settle_seconds: 0\ngive_up_seconds: 60\n").unwrap();
        let flags = Overrides {
            inbox: Some(path("inbox")),
            outbox: Some(path("outbox")),
            spool: None,
            state: Some(path("state")),
            host_root: Some(path("host")),
        };
        let (config, _) = Config::load(flags, &|_| None, Some(&file)).unwrap();
        let places = Places {
            inbox: config.inbox.clone(),
            spool: config.spool.clone(),
            outbox: config.outbox.clone(),
        };
        let (spool, _) = Spool::open(&places).unwrap();
        Self { folder, config, spool, troubles: Troubles::default() }
    }

    /// The way in, with nothing in the queue.
    pub(crate) fn inbox(&self) -> Inbox {
        let watch = Watch::start(&self.config.inbox, self.spool.control().path(), Box::new(|| {}));
        Inbox::new(&self.config, watch, Wake::new().unwrap(), Some(1 << 30), std::time::Instant::now())
    }

    /// A path in the temporary folder.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Put a file into the inbox.
    pub(crate) fn upload(&self, name: &str, text: &str) {
        fs_err::write(self.config.inbox.join(name), text).unwrap();
    }

    /// A claimed job of this text, with a copy of [`MODEL`].
    pub(crate) fn queued(&mut self, text: &str) -> ReadJob {
        let id = JobId { number: 1, tag: "test".to_owned() };
        let entry = Entry { id: id.clone(), kind: EntryKind::Job, file: "a.yaml".into() };
        fs_err::write(self.spool.queue().join(entry.name()), text).unwrap();
        self.upload("net.sim", MODEL);
        let name = OsStr::new("net.sim");
        let stat = self.spool.inbox.entry(name).unwrap();
        let main = self.spool.models.copy(&self.spool.inbox, name, &stat, &id).unwrap().unwrap();
        let models = vec![BoundModel { main, parts: Vec::new() }];
        self.spool
            .journal(&id)
            .append(&Record::Bound { models, inputs: Vec::new() }, Durable::Later)
            .unwrap();
        let job = spec::resolve::job(text.as_bytes(), "a.yaml").unwrap();
        let queued = QueuedJob { name: job.name.clone(), priority: job.priority, entry };
        ReadJob { queued, spec: SpecFile { text: Some(text.as_bytes().to_vec()) }, job }
    }

    /// Names of the bundles in the outbox.
    pub(crate) fn bundles(&self) -> Vec<String> {
        let files = fs_err::read_dir(&self.config.outbox).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".json.gz")).collect()
    }

    /// Codes of the present troubles.
    pub(crate) fn codes(&self) -> Vec<&str> {
        self.troubles.attention().map(|attention| attention.code.as_str()).collect()
    }
}
