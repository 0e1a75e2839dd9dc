//! Two jobs measured now, in turns: a process of A, two of B, two of A, and so on.
//!
//! Each process is a job of its own and goes through the pipeline of `backbone run`. What slows the host down
//! for a while slows both of a pair down, and cancels. Bundles say which pair they belong to, so that
//! comparing them again gives the same answer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde_json::{Map, Value, json};

use super::CompareArguments;
use crate::analysis::row::Row;
use crate::cli::collected::{self, Sources};
use crate::cli::failure::Advise as _;
use crate::cli::run::{Form, Given, Progress, Wait, measure};
use crate::cli::{DaemonPlace, Exit, readable};
use crate::compare::{COMPARISON_LABEL, Fact, PAIR_LABEL};
use crate::spec::raw::{self, Node};
use crate::spec::{self, resolve};

/// A job file or a model; `None` for results.
pub(super) fn job(what: &Path) -> Option<Given<'_>> {
    what.is_file().then(|| Given::of(what).ok()).flatten()
}

/// The results of both sides, and what may differ between them because the jobs say so.
pub(super) fn measured(
    arguments: &CompareArguments,
    a: &Given<'_>,
    b: &Given<'_>,
) -> anyhow::Result<(Vec<Row>, Vec<Row>, BTreeSet<Fact>)> {
    let outbox = std::path::absolute(arguments.outbox.as_deref().unwrap_or(Path::new(".")))?;
    fs_err::create_dir_all(&outbox).advise("name another outbox with --outbox")?;
    let place = DaemonPlace { config: arguments.config.clone(), ..DaemonPlace::default() };
    let (config, _) = place.load(Some(outbox.clone()), arguments.host_root.clone())?;
    let jobs = [read(a)?, read(b)?];
    let comparison = jiff::Timestamp::now().to_string();
    let mut progress = Progress::new(Form::Text);
    let mut bundles: [Vec<PathBuf>; 2] = [Vec::new(), Vec::new()];
    for pair in 1..=arguments.pairs {
        // A B, B A, A B, …: what changes evenly over the whole time cancels too.
        let order = if pair % 2 == 1 { [0, 1] } else { [1, 0] };
        for side in order {
            let given = [a, b][side];
            let text = of_pair(jobs[side].clone(), &comparison, pair);
            let before = progress.rows.len();
            measure(given, Some(&text), Wait::Yes, &outbox, &config, &mut progress)?;
            bundles[side].extend(progress.rows[before..].iter().map(|row| outbox.join(&row.bundle)));
        }
    }
    progress.finish();
    let [a, b] = bundles.map(|folders| {
        collected::rows(&Sources { folders, include_simulated: true, name_all: arguments.name_all })
    });
    let (a, b) = (a?, b?);
    let is_single = |rows: &[Row]| rows.iter().filter_map(Row::subject).collect::<BTreeSet<_>>().len() == 1;
    // Two single networks may be any two; of studies, the same configurations are compared.
    let across = match is_single(&a) && is_single(&b) {
        true => BTreeSet::from([Fact::Model, Fact::Runtime, Fact::Inputs, Fact::Options, Fact::Timed]),
        false => BTreeSet::from([Fact::Inputs, Fact::Options]),
    };
    Ok((a, b, across))
}

/// What a job file says, once it has no mistake.
fn read(given: &Given<'_>) -> anyhow::Result<Value> {
    let text = given.text()?;
    let shown = readable(given.path().as_os_str());
    if let Err(mistakes) = resolve::job(&text, &shown) {
        return Err(anyhow!("{}", spec::render(&mistakes, &shown).trim_end())).exit(Exit::WrongInput);
    }
    let node = raw::parse(&text).map_err(|mistake| anyhow!("{}", mistake.message))?;
    Ok(value(&node))
}

/// The job of one process.
fn of_pair(mut job: Value, comparison: &str, pair: u32) -> String {
    let mut set = |part: &str, key: &str, value: Value| {
        if !job[part].is_object() {
            job[part] = Value::Object(Map::new());
        }
        job[part][key] = value;
    };
    set("measure", "processes", json!(1));
    set("labels", COMPARISON_LABEL, json!(comparison));
    set("labels", PAIR_LABEL, json!(pair.to_string()));
    // Every JSON text is a YAML text.
    format!("{job:#}\n")
}

/// A node of a job file as JSON.
fn value(node: &Node) -> Value {
    match &node.value {
        raw::Value::Null => Value::Null,
        raw::Value::Boolean(is) => json!(is),
        raw::Value::Integer(number) => {
            i64::try_from(*number).map_or_else(|_| json!(number.to_string()), |it| json!(it))
        }
        raw::Value::Float(number) => json!(number),
        raw::Value::Text(text) => json!(text),
        raw::Value::List(items) => items.iter().map(value).collect(),
        raw::Value::Map(keys) => keys.iter().map(|(key, item)| (key.written.clone(), value(item))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_of_a_pair_says_what_its_file_says_of_one_process() {
        let text = "backbone: 1\nmodel: n.sim\nruntime: sim\nmeasure: {processes: 4, timed_runs: 7}\nlabels: {version: \"1.10\"}\n";
        let job = of_pair(value(&raw::parse(text.as_bytes()).unwrap()), "now", 3);
        let job = resolve::job(job.as_bytes(), "a.yaml").unwrap();
        assert_eq!(job.labels["version"], "1.10");
        assert_eq!((job.labels[COMPARISON_LABEL].as_str(), job.labels[PAIR_LABEL].as_str()), ("now", "3"));
        assert_eq!((job.measure.processes, job.measure.timed_runs), (1, 7));
        let bare = value(&raw::parse(b"backbone: 1\nmodel: n.sim\nruntime: sim\n").unwrap());
        assert!(resolve::job(of_pair(bare, "now", 1).as_bytes(), "a.yaml").is_ok());
    }
}
