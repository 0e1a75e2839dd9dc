//! The daemon's settings and where each came from: built-in defaults < `/etc/backbone/config.yaml` < environment < flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where people drop job and model files. `/srv/backbone/inbox`
    pub inbox: PathBuf,
    /// Where finished bundles appear. `/srv/backbone/outbox`
    pub outbox: PathBuf,
    /// Claimed jobs, copied models, unpublished bundles; on the inbox's file system. Default: `spool` beside the inbox.
    pub spool: PathBuf,
    /// Small state: status, later the host's saved power state. `/var/lib/backbone`
    pub state: PathBuf,
    /// The folder that stands for `/` where the host is looked at. Other than `/` marks every bundle simulated.
    pub host_root: PathBuf,
    /// A file uploaded in place counts as whole when it was closed and quiet for this long. 1
    pub settle_seconds: u32,
    /// A job whose model never comes, or an upload that never ends, is rejected after this long. 86 400
    pub give_up_seconds: u32,
    /// The safety rescan of the inbox, for events that never came. 60
    pub rescan_seconds: u32,
    /// A model file that no waiting job names stays in the inbox for this long after its last use. 604 800
    pub model_retention_seconds: u32,
    /// Spec files of finished jobs that are kept for `retry`. 1 000
    pub keep_done_jobs: u32,
    /// Settings of runtimes, by runtime name.
    pub runtimes: BTreeMap<String, RuntimeConfig>,
}

/// How a host provides a runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// The inference library file.
    pub library: Option<PathBuf>,
    /// The worker executable; default: beside `backbone`.
    pub worker: Option<PathBuf>,
}
