//! `backbone run`: the daemon's pipeline in the foreground, for a person who waits.
//!
//! Each job file gets its own spool in a hidden folder of the outbox, removed afterwards, so that everything
//! happens as in the daemon: claims, copies, workers, bundles. The host lock keeps both from measuring at the
//! same time.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::failure::{Advise as _, Explain as _};
use super::{DaemonPlace, Exit, feasibility, outcome, print};
use crate::config::Config;
use crate::daemon::observer::{BundleLine, Observer, TrialBegins};
use crate::daemon::{Audience, Daemon, parts_of};
use crate::spec;

/// Measure job files now, in the foreground
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Job files; their models are in the same folder
    #[arg(required = true, value_name = "SPEC")]
    pub(super) specs: Vec<PathBuf>,
    /// Configuration file [default: /etc/backbone/config.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Folder for the bundles
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(super) outbox: PathBuf,
    /// Folder to use as / when reading the host; any other than / marks every bundle as simulated
    #[arg(long, value_name = "FOLDER")]
    pub(super) host_root: Option<PathBuf>,
    /// Fail at once if another measurement is running on this host
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Exit with code 3 for a suspect verdict too
    #[arg(long)]
    pub(super) strict: bool,
}

pub(super) fn execute(arguments: RunArguments) -> anyhow::Result<Exit> {
    let outbox = std::path::absolute(&arguments.outbox)?;
    let place = DaemonPlace { config: arguments.config, ..DaemonPlace::default() };
    let (config, _) = place.load(Some(outbox.clone()), arguments.host_root)?;
    let mut progress = Progress::new();
    for spec in &arguments.specs {
        let folder = RunFolder::make(&outbox)?;
        if let Some(mistakes) = folder.fill(spec)? {
            progress.say(mistakes.trim_end());
        }
        let mut daemon = Daemon::start(folder.config(&config), Audience::Nobody, &mut progress).explain()?;
        if arguments.no_wait && !daemon.lock_host() {
            let what =
                format!("cannot measure {}: another measurement is running on this host", spec.display());
            return Err(anyhow::anyhow!(what))
                .advise("run without --no-wait to wait for it")
                .exit(Exit::Busy);
        }
        if !daemon.work_off().context("cannot write to the disk of the outbox")? {
            drop(daemon);
            progress.finish();
            anyhow::bail!("stopped before {} was measured", spec.display());
        }
        daemon.reject_waiting();
    }
    progress.finish();
    let rows = &progress.rows;
    let compiled = feasibility::render(rows).unwrap_or_default();
    // The mistakes of a job file were shown before anything was measured.
    let reasons = outcome::reasons(rows.iter().filter(|row| row.outcome.mistakes.is_empty()));
    print(&format!("{}{reasons}{compiled}\nbundles: {}\n", outcome::table(rows), outbox.display()))?;
    Ok(outcome::exit(rows, arguments.strict))
}

/// A folder for one run: an inbox with the job and its models, and a spool. Removed when dropped.
struct RunFolder(PathBuf);

impl RunFolder {
    fn make(outbox: &Path) -> anyhow::Result<Self> {
        let folder = outbox.join(format!(".backbone-run-{}", std::process::id()));
        fs_err::create_dir(&folder)
            .advise("create the outbox and make it writable, or name another with --outbox")?;
        let folder = Self(folder);
        fs_err::create_dir(folder.0.join("inbox"))?;
        Ok(folder)
    }

    /// Put the job file and the models that it names into the inbox. Returns the mistakes in the job file, as
    /// `backbone check` prints them; its bundle has the same.
    fn fill(&self, spec: &Path) -> anyhow::Result<Option<String>> {
        let name = spec.file_name().context("the path of a job file ends in a file name")?;
        let is_file = fs_err::metadata(spec).exit(Exit::WrongInput)?.is_file();
        if !is_file {
            return Err(anyhow::anyhow!("{} is not a file", spec.display())).exit(Exit::WrongInput);
        }
        link_or_copy(spec, &self.0.join("inbox").join(name))?;
        let text = read_limited(spec)?;
        let job = match spec::resolve::job(&text, &name.to_string_lossy()) {
            Ok(job) => job,
            // A rejected job needs no models.
            Err(mistakes) => return Ok(Some(spec::render(&mistakes, &super::readable(spec.as_os_str())))),
        };
        for wanted in job.files() {
            let from = spec.with_file_name(wanted.file);
            if from.is_file() {
                link_or_copy(&from, &self.0.join("inbox").join(wanted.file))?;
                // What cannot be taken is rejected with its reason by the pipeline.
                let parts = parts_of(&from).unwrap_or_default();
                for part in parts.into_iter().filter(|part| spec.with_file_name(&part.file).is_file()) {
                    let to = self.0.join("inbox").join(&part.file);
                    if !to.exists() {
                        link_or_copy(&spec.with_file_name(&part.file), &to)?;
                    }
                }
            }
        }
        Ok(None)
    }

    fn config(&self, config: &Config) -> Config {
        Config {
            inbox: self.0.join("inbox"),
            spool: self.0.join("spool"),
            state: self.0.join("state"),
            // Nothing is uploaded here, so nothing has to settle.
            settle_seconds: 0,
            ..config.clone()
        }
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // A folder left behind is hidden and harmless.
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

/// The bytes of a job file, up to just over the largest size allowed.
fn read_limited(spec: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    fs_err::File::open(spec)?.take(spec::raw::MAXIMUM_SPEC_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// The pipeline copies what it measures; a link saves a second copy.
fn link_or_copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let from = fs_err::canonicalize(from)?;
    if fs_err::hard_link(&from, to).is_err() {
        fs_err::copy(&from, to)?;
    }
    Ok(())
}

/// Progress bars on a terminal, plain lines elsewhere. Drawn only between trials, so that nothing runs while
/// a worker measures.
struct Progress {
    bar: Option<ProgressBar>,
    rows: Vec<BundleLine>,
}

impl Progress {
    fn new() -> Self {
        Self { bar: std::io::stderr().is_terminal().then(bar), rows: Vec::new() }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => super::note(line),
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} trials  {elapsed}  {msg}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Observer for Progress {
    fn trial_begins(&mut self, trial: &TrialBegins<'_>) {
        let (configuration, configurations) = trial.configuration;
        let (number, trials) = trial.trial;
        let all = configurations as u64 * u64::from(trials);
        let before = (configuration as u64 - 1) * u64::from(trials) + u64::from(number) - 1;
        match &self.bar {
            Some(bar) => {
                bar.set_length(all);
                bar.set_position(before);
                bar.set_message(format!("{} on {}", trial.job, trial.runtime));
                bar.tick();
            }
            None => self.say(&format!("{} on {}: trial {} of {all}", trial.job, trial.runtime, before + 1)),
        }
    }

    fn bundled(&mut self, row: BundleLine) {
        self.say(&format!("{}: {}", super::readable(row.job.as_ref()), super::readable(row.bundle.as_ref())));
        self.rows.push(row);
    }

    fn waits_for_host(&mut self, holder: &str) {
        self.say(&format!("waiting for the host: {holder} is measuring"));
    }
}
