//! `backbone serve`: the daemon.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;

use super::failure::{Advise as _, Explain as _};
use super::{DaemonPlace, Exit, outcome, print};
use crate::daemon::observer::{Nobody, Observer, Row};
use crate::daemon::{Audience, Daemon, StartError};
use crate::installation::DAEMON;
use crate::spool::OpenError;

/// Watch the inbox, measure every job that is dropped there, and publish its bundles in the outbox
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    #[command(flatten)]
    pub(super) place: DaemonPlace,
    /// Folder where finished bundles appear
    #[arg(long, value_name = "FOLDER")]
    pub(super) outbox: Option<PathBuf>,
    /// Folder that stands for / where the host is looked at; other than / marks every bundle simulated
    #[arg(long, value_name = "FOLDER")]
    pub(super) host_root: Option<PathBuf>,
    /// End when the inbox is done, with a table of what was measured
    #[arg(long)]
    pub(super) once: bool,
}

/// Go on as the daemon's own executable, the same process with the same arguments. Comes back where there is none beside this
/// one: a daemon that holds more code in memory does the same.
pub(super) fn hand_over() {
    let daemon = std::env::current_exe().map(|own| own.with_file_name(DAEMON));
    let Ok(daemon) = daemon else { return };
    if daemon.is_file() {
        let error = Command::new(&daemon).arg0("backbone").args(std::env::args_os().skip(1)).exec();
        super::note(&format!("{} did not start, going on without it: {error}", daemon.display()));
    }
}

pub(super) fn execute(arguments: ServeArguments) -> anyhow::Result<Exit> {
    let (config, provenance) = arguments.place.load(arguments.outbox, arguments.host_root)?;
    for setting in provenance {
        log::info!("{} = {} (from {})", setting.setting, setting.value, setting.source);
    }
    let outbox = config.outbox.clone();
    let started = if arguments.once {
        let mut rows = Rows::default();
        Daemon::start(config, Audience::Collectors, &mut rows).map(|daemon| (daemon, Some(rows)))
    } else {
        Daemon::start(config, Audience::Collectors, &mut Nobody).map(|daemon| (daemon, None))
    };
    let busy =
        matches!(started, Err(StartError::Spool(OpenError::Locked { .. } | OpenError::InboxTaken { .. })));
    let (mut daemon, rows) = started.explain().exit(if busy { Exit::Busy } else { Exit::Failed })?;
    let Some(mut rows) = rows else {
        daemon.serve(&mut Nobody).context("the spool's disk failed")?;
        return Ok(Exit::Done);
    };
    let done = daemon.work_off(&mut rows).context("the spool's disk failed")?;
    let mut text = outcome::of_inbox(&rows.0, &outbox);
    for waiting in daemon.waiting() {
        text.push_str(&format!("{} still waits for {}\n", waiting.job.name, waiting.missing.join(", ")));
    }
    let unpublished = daemon.unpublished();
    text.push_str(&format!("\nbundles: {}\n", outbox.display()));
    print(&text)?;
    if unpublished > 0 {
        let what = format!("{unpublished} bundles could not be published in {}", outbox.display());
        return Err(anyhow::anyhow!(what)).advise("they are kept, and published by the next start");
    }
    Ok(if done { Exit::Done } else { Exit::Failed })
}

/// Remembers every bundle for the table at the end.
#[derive(Debug, Default)]
struct Rows(Vec<Row>);

impl Observer for Rows {
    fn bundled(&mut self, row: Row) {
        self.0.push(row);
    }
}
