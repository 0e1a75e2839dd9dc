//! `backbone status HOST…`: a line for each host.

use serde_json::{Value, json};

use super::rack::{Reach, as_json, hosts, troubles};
use super::{Exit, print, table};
use crate::rack::{Daemon, Device, HostName, Trouble};
use crate::text::{escaped, first_few};

/// Value of `format` in the output for programs.
const FORMAT: &str = "backbone.status-of-hosts/1";

type Surveyed = Vec<(HostName, Result<Device, Trouble>)>;

pub(super) fn execute(names: &[String], reach: &Reach, as_programs_read: bool) -> anyhow::Result<Exit> {
    let hosts = hosts(names.iter().map(String::as_str))?;
    let answers = reach.over(&hosts, |_, connection| Device::ask(&connection))?;
    let answers: Surveyed = hosts.into_iter().zip(answers).collect();
    print(&if as_programs_read { as_text(&answers)? } else { render(&answers) })?;
    let runs =
        |answer: &Result<Device, Trouble>| answer.as_ref().is_ok_and(|device| device.daemon == Daemon::Runs);
    Ok(if answers.iter().all(|(_, answer)| runs(answer)) { Exit::Done } else { Exit::Failed })
}

fn render(answers: &Surveyed) -> String {
    let rows: Vec<Vec<String>> = answers
        .iter()
        .map(|(host, answer)| match answer {
            Ok(device) => row(host, device),
            Err(trouble) => {
                let mut row = vec![host.to_string(), trouble.code().replace('_', " ")];
                row.resize(7, "-".to_owned());
                row
            }
        })
        .collect();
    let headings = ["host", "state", "job", "queue", "last result", "attention", "disk"];
    let failed = answers.iter().filter_map(|(host, answer)| Some((host, answer.as_ref().err()?)));
    format!("{}{}", table::render(&headings, &rows), troubles(failed))
}

fn row(host: &HostName, device: &Device) -> Vec<String> {
    let dash = || "-".to_owned();
    let state = device.state.replace('_', " ");
    let state = match device.daemon {
        Daemon::Runs => state,
        Daemon::Gone => format!("no daemon (was {state} at {})", device.updated),
    };
    let job = device.running.as_ref().map_or_else(dash, |running| {
        let left = running.eta_seconds.map(|seconds| format!(", {seconds:.0} s left")).unwrap_or_default();
        format!("{} {}/{}{left}", running.job, running.configuration, running.configurations)
    });
    let waiting = match device.waiting.len() {
        0 => String::new(),
        waiting => format!(", {waiting} waiting"),
    };
    let last = device
        .last_result
        .as_ref()
        .map_or_else(dash, |last| format!("{} {} {}", last.job, last.outcome.replace('_', " "), last.at));
    let attention = match device.attention.as_slice() {
        [] => dash(),
        all => first_few(all.iter().map(|one| format!("{} ({})", one.code, one.what))),
    };
    let disk = match (device.disk_free_bytes, device.disk_total_bytes) {
        (Some(free), Some(total)) => format!("{:.1} of {:.1} GB free", free as f64 / 1e9, total as f64 / 1e9),
        _ => dash(),
    };
    let cells = [host.to_string(), state, job, format!("{}{waiting}", device.queued), last, attention, disk];
    cells.iter().map(|cell| escaped(cell)).collect()
}

fn as_text(answers: &Surveyed) -> anyhow::Result<String> {
    let hosts: Vec<Value> = answers
        .iter()
        .map(|(host, answer)| match answer {
            Err(trouble) => json!({ "host": host.as_str(), "error": as_json(trouble) }),
            Ok(device) => json!({
                "host": host.as_str(),
                "error": null,
                "daemon_runs": device.daemon == Daemon::Runs,
                "status": serde_json::from_slice::<Value>(&device.text).unwrap_or_default(),
            }),
        })
        .collect();
    Ok(format!("{}\n", serde_json::to_string_pretty(&json!({ "format": FORMAT, "hosts": hosts }))?))
}
