//! `backbone compare`: is B faster or slower than A, configuration by configuration?

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::collected::{self, Sources};
use super::failure::Advise as _;
use super::{DaemonPlace, Exit, print, readable, show};
use crate::analysis::row::Row;
use crate::compare::{Compared, Decision, Fact, Refusal, Terms, compare};

mod text;

/// Compare two sets of results: faster, slower, equivalent, or ambiguous and why
#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// What to compare with: a folder with bundles at any depth, a bundle, or the name or id of a job whose
    /// bundles are in the outbox
    #[arg(value_name = "A")]
    a: PathBuf,
    /// What to compare, likewise
    #[arg(value_name = "B")]
    b: PathBuf,
    /// A change of the mean latency that is too small to matter: equivalent if its interval is inside
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = within)]
    within: f64,
    /// What may differ between A and B although it usually makes results incomparable; repeatable, or with
    /// commas
    #[arg(long, value_name = "FACT", value_delimiter = ',', value_parser = fact)]
    across: Vec<Fact>,
    /// Exit with code 6 if a configuration is ambiguous, was refused, or is on one side only
    #[arg(long)]
    strict: bool,
    /// Print everything as JSON, for programs
    #[arg(long)]
    json: bool,
    /// How many configurations to show, 0 for all
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 40)]
    limit: usize,
    /// Include simulated results
    #[arg(long)]
    include_simulated: bool,
    /// List every file that gave no result instead of the first few of each kind
    #[arg(long)]
    name_all: bool,
    /// Folder with the bundles of jobs [default: the daemon's outbox]
    #[arg(long, value_name = "FOLDER")]
    outbox: Option<PathBuf>,
    /// Configuration file [default: /etc/backbone/config.yaml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// `1%` or `0.5 %`, as a part of one.
fn within(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').ok_or("write a percentage, such as 1% or 0.5%")?.trim();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 50.0 => Ok(percent / 100.0),
        _ => Err("not a percentage above 0% and up to 50%".to_owned()),
    }
}

fn fact(text: &str) -> Result<Fact, String> {
    Fact::ALL.into_iter().find(|fact| fact.word() == text).ok_or_else(|| {
        let words: Vec<&str> = Fact::ALL.iter().map(|fact| fact.word()).collect();
        format!("not one of {}", words.join(", "))
    })
}

pub(super) fn execute(mut arguments: CompareArguments) -> anyhow::Result<Exit> {
    let files = |what: &Path, outbox: Option<&Path>| -> anyhow::Result<Vec<PathBuf>> {
        let Some(outbox) = outbox.filter(|_| !what.exists()) else { return Ok(vec![what.to_owned()]) };
        let files = show::files_of_job(outbox, &readable(what.as_os_str())).exit(Exit::WrongInput)?;
        if files.is_empty() {
            let (what, outbox) = (what.display(), outbox.display());
            let error = anyhow!(
                "there is no file or folder `{what}`, and no job of this name has a bundle in {outbox}"
            );
            return Err(error)
                .advise("`backbone results` lists what was measured; name another folder with `--outbox`")
                .exit(Exit::WrongInput);
        }
        Ok(files)
    };
    let outbox = match arguments.a.exists() && arguments.b.exists() {
        true => None,
        false => {
            let place = DaemonPlace { config: arguments.config.take(), ..DaemonPlace::default() };
            Some(place.load(arguments.outbox.take(), None)?.0.outbox)
        }
    };
    let side = |what: &Path| -> anyhow::Result<Vec<Row>> {
        let folders = files(what, outbox.as_deref())?;
        let (include_simulated, name_all) = (arguments.include_simulated, arguments.name_all);
        collected::rows(&Sources { folders, include_simulated, name_all })
    };
    let (a, b) = (side(&arguments.a)?, side(&arguments.b)?);
    let ours: HashSet<&str> = a.iter().map(|row| row.sha256.as_str()).collect();
    if let Some(same) = b.iter().find(|row| ours.contains(row.sha256.as_str())) {
        return Err(anyhow!("A and B both hold the result {}", readable(same.path.as_ref())))
            .advise("name two folders, bundles or jobs that have no result in common")
            .exit(Exit::WrongInput);
    }
    let terms = Terms { within: arguments.within, across: arguments.across.iter().copied().collect() };
    let compared = compare(a, b, &terms);
    if arguments.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&compared)?))?;
    } else {
        print(&text::render(&compared, arguments.limit))?;
    }
    if compared.configurations.is_empty() && !lost(&compared) {
        return Err(nothing_compared(&compared)).exit(Exit::WrongInput);
    }
    Ok(exit(&compared, arguments.strict))
}

/// What A has and B could not measure.
fn lost(compared: &Compared) -> bool {
    compared.refused.iter().any(|one| one.reason == Refusal::NoLatenciesInB)
}

fn exit(compared: &Compared, strict: bool) -> Exit {
    let is_open = compared.count(Decision::Ambiguous) + compared.refused.len() + compared.one_sided.len() > 0;
    match () {
        () if compared.count(Decision::Slower) > 0 => Exit::Slower,
        () if lost(compared) || (strict && is_open) => Exit::Undecided,
        () => Exit::Done,
    }
}

fn nothing_compared(compared: &Compared) -> anyhow::Error {
    let facts: BTreeSet<&str> =
        compared.refused.iter().flat_map(|one| &one.differs).map(|one| one.fact.word()).collect();
    let facts: Vec<&str> = facts.into_iter().filter(|word| fact(word).is_ok()).collect();
    let error = anyhow!("A and B have no configuration in common that can be compared");
    let advised: anyhow::Result<()> = match &facts[..] {
        [] => Err(error).advise("`backbone results` lists what each of them holds"),
        facts => Err(error).advise(format!(
            "compare results that are alike in {0}, or accept the difference with `--across {0}`",
            facts.join(",")
        )),
    };
    match advised {
        Err(error) => error,
        Ok(()) => anyhow!("nothing was compared"),
    }
}
