//! `backbone serve`: the daemon.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::failure::{Advise as _, Explain as _};
use super::{DaemonPlace, Exit, outcome, print};
use crate::daemon::observer::{BundleLine, Observer, Unobserved};
use crate::daemon::{Audience, Daemon, StartError};
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

pub(super) fn execute(arguments: ServeArguments) -> anyhow::Result<Exit> {
    let (config, provenance) = arguments.place.load(arguments.outbox, arguments.host_root)?;
    for setting in provenance {
        log::info!("{} = {} (from {})", setting.setting, setting.value, setting.source);
    }
    let outbox = config.outbox.clone();
    let mut rows = Rows::default();
    let mut unobserved = Unobserved;
    let observer: &mut dyn Observer = if arguments.once { &mut rows } else { &mut unobserved };
    let started = Daemon::start(config, Audience::Collectors, observer);
    let busy =
        matches!(started, Err(StartError::Spool(OpenError::Locked { .. } | OpenError::InboxTaken { .. })));
    let mut daemon = started.explain().exit(if busy { Exit::Busy } else { Exit::Failed })?;
    if !arguments.once {
        daemon.serve().context("the spool's disk failed")?;
        return Ok(Exit::Done);
    }
    let done = daemon.work_off().context("the spool's disk failed")?;
    let waiting: Vec<String> = daemon
        .waiting()
        .map(|waiting| format!("{} still waits for {}\n", waiting.job.name, waiting.files()))
        .collect();
    let unpublished = daemon.unpublished();
    drop(daemon);
    print(&format!(
        "{}{}\nbundles: {}\n",
        outcome::of_inbox(&rows.0, &outbox),
        waiting.concat(),
        outbox.display()
    ))?;
    if unpublished > 0 {
        let what = format!("{unpublished} bundles could not be published in {}", outbox.display());
        return Err(anyhow::anyhow!(what)).advise("they are kept, and published by the next start");
    }
    Ok(if done { Exit::Done } else { Exit::Failed })
}

/// Keeps a line for every bundle, for the table at the end.
#[derive(Debug, Default)]
struct Rows(Vec<BundleLine>);

impl Observer for Rows {
    fn bundled(&mut self, row: BundleLine) {
        self.0.push(row);
    }
}
