//! For unit tests: the folders of a daemon in a temporary folder, and no process.

use crate::config::{Config, Overrides};
use crate::spool::{Found, Places, Spool};

use super::inbox::{Inbox, Wake};
use super::troubles::Troubles;
use crate::spool::watch::Watch;

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
        for name in ["inbox", "outbox", "state", "host"] {
            fs_err::create_dir(path(name)).unwrap();
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
        let (spool, Found { .. }) = Spool::open(&places).unwrap();
        Self { folder, config, spool, troubles: Troubles::default() }
    }

    /// The way in, with nothing in the queue.
    pub(crate) fn inbox(&self) -> Inbox {
        let watch = Watch::start(&self.config.inbox, self.spool.control().path(), Box::new(|| {})).unwrap();
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

    /// Codes of the present troubles.
    pub(crate) fn codes(&self) -> Vec<&str> {
        self.troubles.attention().map(|attention| attention.code.as_str()).collect()
    }
}
