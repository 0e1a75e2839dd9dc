//! `backbone collect`: brings the outboxes of many hosts here.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::failure::Advise as _;
use super::rack::{Reach, as_json, hosts, troubles};
use super::{Exit, print, readable, table};
use crate::rack::{Brought, HostName, Removal, Trouble, fetch};

/// Value of `format` in the output for programs.
const FORMAT: &str = "backbone.collect/1";

/// Damaged files that are named one by one.
const NAMED: usize = 5;

/// Bring the outboxes of hosts into DIR/host=ID, verify each bundle, and show what each host gave
///
/// Needs ssh and rsync here, and sshd and rsync on the hosts. A second time brings only what is new. Files
/// that are not whole bundles are named and left where they are. Ends with code 1 if a host did not answer
/// or had such a file.
#[derive(Debug, Args)]
pub(super) struct CollectArguments {
    /// Hosts as ssh names them
    #[arg(required = true, value_name = "HOST")]
    hosts: Vec<String>,
    /// Folder for the folders of hosts; made if it does not exist
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Remove on each host the bundles that are verified and durable here
    #[arg(long)]
    remove: bool,
    /// The outbox on the hosts [default: what the daemon's status says]
    #[arg(long, value_name = "FOLDER")]
    outbox: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// Print what each host gave for programs
    #[arg(long)]
    json: bool,
}

type Gathered = Vec<(HostName, Result<Brought, Trouble>)>;

pub(super) fn execute(arguments: &CollectArguments) -> anyhow::Result<Exit> {
    let hosts = hosts(arguments.hosts.iter().map(String::as_str))?;
    let output = std::path::absolute(&arguments.output)?;
    fs_err::create_dir_all(&output).advise("name another folder with --output")?;
    let removal = if arguments.remove { Removal::OfSafe } else { Removal::None };
    let answers = arguments
        .reach
        .over(&hosts, |_, connection| fetch(&connection, arguments.outbox.as_deref(), &output, removal))?;
    let answers: Gathered = hosts.into_iter().zip(answers).collect();
    print(&if arguments.json { as_text(&answers)? } else { render(&answers) })?;
    let is_good = |answer: &Result<Brought, Trouble>| {
        answer.as_ref().is_ok_and(|brought| brought.trouble.is_none() && brought.damaged.is_empty())
    };
    Ok(if answers.iter().all(|(_, answer)| is_good(answer)) { Exit::Done } else { Exit::Failed })
}

fn render(answers: &Gathered) -> String {
    let rows: Vec<Vec<String>> = answers.iter().map(|(host, answer)| row(host, answer)).collect();
    let headings = ["host", "id", "new", "here", "removed", "damaged", "outcome"];
    let mut text = table::render(&headings, &rows);
    text.push_str(&troubles(answers.iter().filter_map(|(host, answer)| Some((host, trouble(answer)?)))));
    for (host, brought) in answers.iter().filter_map(|(host, answer)| Some((host, answer.as_ref().ok()?))) {
        for (name, detail) in brought.damaged.iter().take(NAMED) {
            text.push_str(&format!("{host}: {name}: {}\n", readable(detail.as_ref())));
        }
        if brought.damaged.len() > NAMED {
            text.push_str(&format!("{host}: and {} more damaged files\n", brought.damaged.len() - NAMED));
        }
        if brought.kept > 0 {
            let kept = brought.kept;
            text.push_str(&format!("{host}: {kept} bundles changed there or cannot be removed; they stay\n"));
        }
        if brought.odd_names > 0 {
            text.push_str(&format!("{host}: {} files with odd names, left alone\n", brought.odd_names));
        }
        for (other, same) in answers.iter().take_while(|(other, _)| other != host) {
            if same.as_ref().is_ok_and(|same| same.host_id.is_some() && same.host_id == brought.host_id) {
                text.push_str(&format!(
                    "{host}: has the id of {other}: is it the same host, or a running copy of it?\n"
                ));
            }
        }
    }
    text
}

fn trouble(answer: &Result<Brought, Trouble>) -> Option<&Trouble> {
    match answer {
        Ok(brought) => brought.trouble.as_ref(),
        Err(trouble) => Some(trouble),
    }
}

fn row(host: &HostName, answer: &Result<Brought, Trouble>) -> Vec<String> {
    let brought = match answer {
        Ok(brought) => brought,
        Err(trouble) => {
            let dash = || "-".to_owned();
            let word = trouble.code().replace('_', " ");
            return vec![host.to_string(), dash(), dash(), dash(), dash(), dash(), word];
        }
    };
    let outcome = match &brought.trouble {
        Some(trouble) => format!("in part: {}", trouble.code().replace('_', " ")),
        None if brought.vanished > 0 => format!("done; {} taken by another collector", brought.vanished),
        None => "done".to_owned(),
    };
    let id = brought.host_id.clone().unwrap_or_else(|| "-".to_owned());
    let counts = [brought.new, brought.here, brought.removed, brought.damaged.len()];
    let counts = counts.map(|count| count.to_string());
    [host.to_string(), id].into_iter().chain(counts).chain([outcome]).collect()
}

fn as_text(answers: &Gathered) -> anyhow::Result<String> {
    let hosts: Vec<serde_json::Value> = answers
        .iter()
        .map(|(host, answer)| match answer {
            Err(trouble) => json!({ "host": host.as_str(), "error": as_json(trouble) }),
            Ok(brought) => json!({
                "host": host.as_str(),
                "id": brought.host_id,
                "folder": brought.folder.to_string_lossy(),
                "new": brought.new,
                "here": brought.here,
                "removed": brought.removed,
                "kept": brought.kept,
                "vanished": brought.vanished,
                "odd_names": brought.odd_names,
                "damaged": brought.damaged.iter()
                    .map(|(name, detail)| json!({ "name": name, "detail": detail })).collect::<Vec<_>>(),
                "error": brought.trouble.as_ref().map(as_json),
            }),
        })
        .collect();
    Ok(format!("{}\n", serde_json::to_string_pretty(&json!({ "format": FORMAT, "hosts": hosts }))?))
}
