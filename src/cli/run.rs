//! `backbone run`: the daemon's pipeline in the foreground, for a person who waits.
//!
//! Each job file gets its own spool in a hidden folder of the outbox, removed afterwards, so that everything
//! happens as in the daemon: claims, copies, workers, bundles. The host lock keeps both from measuring at the
//! same time.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::failure::{Advise as _, Explain as _};
use super::{DaemonPlace, Exit, about, feasibility, job_files, outcome, print};
use crate::config::Config;
use crate::daemon::observer::{BundleLine, Observer, TrialBegins};
use crate::daemon::{Audience, Daemon};
use crate::runtime::{RUNTIMES, Runtime};
use crate::scratch::{self, OF_RUNS, Scratch};
use crate::spec;
use crate::text::alternatives;

/// Measure job files or models now, in the foreground
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Job files, whose models are in the same folder, and models to measure with defaults
    #[arg(required = true, value_name = "SPEC|MODEL")]
    pub(super) files: Vec<PathBuf>,
    /// Configuration file [default: /etc/backbone/config.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Folder for the bundles; made if it does not exist
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
    /// Print a line of JSON for each result as it comes, for programs, instead of the table
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn execute(arguments: RunArguments) -> anyhow::Result<Exit> {
    let given = arguments.files.iter().map(|file| Given::of(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let outbox = std::path::absolute(&arguments.outbox)?;
    fs_err::create_dir_all(&outbox).advise("name another outbox with --outbox")?;
    let place = DaemonPlace { config: arguments.config, ..DaemonPlace::default() };
    let (config, _) = place.load(Some(outbox.clone()), arguments.host_root)?;
    let mut progress = Progress::new(if arguments.json { Form::Json } else { Form::Text });
    let host = if arguments.no_wait { Wait::No } else { Wait::Yes };
    for given in &given {
        measure(given, None, host, &outbox, &config, &mut progress)?;
    }
    progress.finish();
    let rows = &progress.rows;
    if arguments.json {
        return Ok(outcome::exit(rows, arguments.strict));
    }
    let compiled = feasibility::render(rows).unwrap_or_default();
    // The mistakes of a job file were shown before anything was measured.
    let reasons = outcome::reasons(rows.iter().filter(|row| row.outcome.mistakes.is_empty()));
    print(&format!("{}{reasons}{compiled}\nbundles: {}\n", outcome::table(rows), outbox.display()))?;
    Ok(outcome::exit(rows, arguments.strict))
}

/// What to do while another measurement is running on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Wait for its end.
    Yes,
    /// Fail.
    No,
}

/// Measure one job, as `text` has it if its file is to be read otherwise.
///
/// # Errors
/// If it cannot be measured at all. What a job makes of itself is in its bundles.
pub(super) fn measure(
    given: &Given<'_>,
    text: Option<&str>,
    wait: Wait,
    outbox: &Path,
    config: &Config,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let folder = RunFolder::make(outbox)?;
    if let Some(mistakes) = folder.fill(given, text)? {
        progress.say(mistakes.trim_end());
    }
    let mut daemon = Daemon::start(folder.config(config), Audience::Nobody, progress).explain()?;
    if wait == Wait::No && !daemon.lock_host() {
        let what =
            format!("cannot measure {}: another measurement is running on this host", given.path().display());
        return Err(anyhow!(what)).advise("run without --no-wait to wait for it").exit(Exit::Busy);
    }
    if !daemon.work_off().context("cannot write to the disk of the outbox")? {
        drop(daemon);
        progress.finish();
        anyhow::bail!("stopped before {} was measured", given.path().display());
    }
    daemon.reject_waiting();
    Ok(())
}

/// A file on the command line.
pub(super) enum Given<'a> {
    /// A job file.
    Spec(&'a Path),
    /// A model, and the runtime that measures it.
    Model(&'a Path, &'static Runtime),
}

impl<'a> Given<'a> {
    pub(super) fn of(file: &'a Path) -> anyhow::Result<Self> {
        let is_file = fs_err::metadata(file).exit(Exit::WrongInput)?.is_file();
        if !is_file {
            return Err(anyhow!("{} is not a file", file.display())).exit(Exit::WrongInput);
        }
        let extension = file.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if spec::SPEC_EXTENSIONS.contains(&extension.as_str()) {
            return Ok(Self::Spec(file));
        }
        // The first one that reads the format needs nothing but the processor.
        let runtime = RUNTIMES.iter().find(|runtime| runtime.model_format == extension);
        let Some(runtime) = runtime else {
            let real = RUNTIMES.iter().filter(|runtime| !runtime.simulated);
            let formats: BTreeSet<&str> = real.map(|runtime| runtime.model_format).collect();
            let known = spec::SPEC_EXTENSIONS.iter().copied().chain(formats).map(|known| format!(".{known}"));
            let known: Vec<String> = known.collect();
            return Err(anyhow!("{} is neither a job file nor a model", file.display()))
                .advise(format!("names end in {}", alternatives(&known)))
                .exit(Exit::WrongInput);
        };
        Ok(Self::Model(file, runtime))
    }

    pub(super) fn path(&self) -> &'a Path {
        match self {
            Self::Spec(path) | Self::Model(path, _) => path,
        }
    }

    /// The text of its job file.
    pub(super) fn text(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Spec(spec) => read_limited(spec),
            Self::Model(model, runtime) => Ok(job_with_defaults(model, runtime)?.into_bytes()),
        }
    }

    /// The name of its job file.
    fn spec_name(&self) -> anyhow::Result<OsString> {
        let part = match self {
            Self::Spec(spec) => spec.file_name(),
            Self::Model(model, _) => model.file_stem(),
        };
        let mut name = part.context("the path ends in no file name")?.to_owned();
        if let Self::Model(..) = self {
            name.push(format!(".{}", spec::SPEC_EXTENSIONS[0]));
        }
        Ok(name)
    }
}

/// A job that measures one model, with defaults for everything else.
fn job_with_defaults(model: &Path, runtime: &Runtime) -> anyhow::Result<String> {
    let name = model.file_name().and_then(OsStr::to_str);
    let name =
        name.with_context(|| format!("the name {} is not UTF-8", model.display())).exit(Exit::WrongInput)?;
    // A string in JSON is one in YAML.
    Ok(format!("backbone: 1\nmodel: {}\nruntime: {}\n", serde_json::to_string(name)?, runtime.name))
}

/// A folder for one run: an inbox with the job and its models, and a spool. Removed when dropped.
struct RunFolder(Scratch);

impl RunFolder {
    fn make(outbox: &Path) -> anyhow::Result<Self> {
        scratch::sweep(outbox, OF_RUNS);
        let folder = Scratch::make(outbox, OF_RUNS)
            .advise("make the outbox writable, or name another with --outbox")?;
        fs_err::create_dir(folder.path().join("inbox"))?;
        Ok(Self(folder))
    }

    /// Put the job file, and the models that it names, into the inbox. Returns the mistakes in the job file,
    /// as `backbone check` prints them; its bundle has the same.
    fn fill(&self, given: &Given<'_>, text: Option<&str>) -> anyhow::Result<Option<String>> {
        let spec = given.path();
        let name = given.spec_name()?;
        let to = self.0.path().join("inbox").join(&name);
        let is_own = text.is_none() && matches!(given, Given::Spec(_));
        let text = text.map_or_else(|| given.text(), |text| Ok(text.as_bytes().to_vec()))?;
        if is_own {
            link_or_copy(spec, &to)?;
        } else {
            fs_err::write(&to, &text)?;
        }
        let job = match spec::resolve::job(&text, &name.to_string_lossy()) {
            Ok(job) => job,
            // A rejected job needs no models.
            Err(mistakes) => return Ok(Some(spec::render(&mistakes, &super::readable(spec.as_os_str())))),
        };
        for file in job_files::of(spec, &job) {
            let name = file.file_name().unwrap_or_default();
            link_or_copy(&file, &self.0.path().join("inbox").join(name))?;
        }
        Ok(None)
    }

    fn config(&self, config: &Config) -> Config {
        Config {
            inbox: self.0.path().join("inbox"),
            spool: self.0.path().join("spool"),
            state: self.0.path().join("state"),
            // Nothing is uploaded here, so nothing has to settle.
            settle_seconds: 0,
            // Who waits for a run sees its end.
            notify: None,
            ..config.clone()
        }
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
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    form: Form,
    pub(super) rows: Vec<BundleLine>,
}

/// What standard output is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A table for people, at the end.
    Text,
    /// A line of JSON for each result.
    Json,
}

impl Progress {
    pub(super) fn new(form: Form) -> Self {
        Self { bar: std::io::stderr().is_terminal().then(bar), form, rows: Vec::new() }
    }

    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => super::note(line),
        }
    }

    pub(super) fn finish(&mut self) {
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
        let left = trial.eta_seconds.map(|seconds| format!(", {} left", about(seconds))).unwrap_or_default();
        let what = format!("{}: {} on {}", trial.job, trial.network, trial.runtime);
        match &self.bar {
            Some(bar) => {
                bar.set_length(all);
                bar.set_position(before);
                bar.set_message(format!("{what}{left}"));
                bar.tick();
            }
            None => self.say(&format!("{what}, trial {} of {all}{left}", before + 1)),
        }
    }

    fn bundled(&mut self, row: BundleLine) {
        if self.form == Form::Json {
            // A reader that goes away ends nothing: the bundles are what is measured for.
            let _ = print(&format!("{}\n", outcome::as_json(&row)));
        } else {
            self.say(&outcome::line(&row));
        }
        self.rows.push(row);
    }

    fn waits_for_host(&mut self, holder: &str) {
        self.say(&format!("waiting for the host: {holder} is measuring"));
    }
}
