//! What runtimes need of the host, as it was when the daemon started.
//!
//! What was there and is gone is away for a moment, because somebody upgrades it: jobs wait for it. What was
//! never there is an installation's matter, and the bundle says so. Reads no job.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::config::Config;
use crate::daemon::troubles::{Setback, Subject, TroubleKind};
use crate::installation::{Installation, WorkerCommand};
use crate::runtime::{Need, NeedKind, Provided, RUNTIMES, Runtime};
use crate::worker::ending::{Ended, Ending, Shortage};

/// The files and workers that were there.
#[derive(Debug)]
pub(super) struct NeedsAtStart {
    files: BTreeMap<(&'static str, NeedKind), PathBuf>,
    /// Runtimes whose worker could be started.
    workers: BTreeSet<&'static str>,
}

impl NeedsAtStart {
    /// Look for those of every runtime.
    pub(super) fn find(installation: &Installation, config: &Config) -> Self {
        let mut found = Self { files: BTreeMap::new(), workers: BTreeSet::new() };
        for runtime in RUNTIMES {
            let named = config.runtimes.get(runtime.name).cloned().unwrap_or_default();
            let provided = installation.provide(runtime, &named);
            let kinds = runtime.needs.iter().map(Need::kind);
            let files = kinds.filter_map(|kind| Some((kind, provided.get(kind)?)));
            let files = files.filter(|(_, path)| path.exists());
            found.files.extend(files.map(|(kind, path)| ((runtime.name, kind), path.to_owned())));
            let command = installation.worker(runtime, &provided);
            if is_program(&command.executable) {
                found.workers.insert(runtime.name);
            }
        }
        found
    }

    /// Is everything that the runtime had then still there? Another file may have taken the place of one.
    pub(super) fn check(
        &self,
        runtime: &Runtime,
        provided: &Provided,
        command: &WorkerCommand,
    ) -> Result<(), Setback> {
        let of_runtime = self.files.iter().filter(|((name, _), _)| *name == runtime.name);
        let is_gone = |kind: NeedKind| !provided.get(kind).is_some_and(Path::exists);
        let gone = of_runtime.filter(|((_, kind), _)| is_gone(*kind)).map(|(_, path)| path).next();
        let worker =
            Some(&command.executable).filter(|path| self.workers.contains(runtime.name) && !is_program(path));
        match gone.or(worker) {
            Some(path) => Err(gone_for_now(runtime, path)),
            None => Ok(()),
        }
    }

    /// What the host lacked, if a worker ended because of that.
    pub(super) fn setback(&self, runtime: &Runtime, ended: &Ended) -> Option<Setback> {
        let detail = ended.outcome(runtime.name).detail.unwrap_or_default();
        let (subject, trouble, why) = match ended.shortage()? {
            Shortage::Resources => {
                let advice =
                    "every job waits until the host has processes, memory, descriptors and room again";
                (Subject::Host, TroubleKind::WorkerNotStarted, format!("{detail}; {advice}"))
            }
            Shortage::Program if self.workers.contains(runtime.name) => match &ended.ending {
                Ending::NotStarted { executable, .. } => return Some(gone_for_now(runtime, executable)),
                _ => return None,
            },
            Shortage::Program => return None,
            Shortage::Version => (
                Subject::Runtime(runtime.name),
                TroubleKind::WorkerDiffers,
                format!("{detail}; its jobs wait: finish the upgrade, then restart the daemon"),
            ),
        };
        Some(Setback { subject, trouble, what: format!("the worker of {}", runtime.name), why })
    }
}

fn gone_for_now(runtime: &Runtime, path: &Path) -> Setback {
    let why = format!(
        "it was there when the daemon started; jobs on {} wait until it is back, or until a restart of the daemon",
        runtime.name
    );
    Setback {
        subject: Subject::Runtime(runtime.name),
        trouble: TroubleKind::RuntimeGone,
        what: path.display().to_string(),
        why,
    }
}

/// May this process start it?
fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}
