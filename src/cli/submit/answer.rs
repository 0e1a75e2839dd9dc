//! What `backbone submit` prints, and how it ends.

use serde_json::{Value, json};

use super::super::outcome;
use super::super::rack::{as_json, troubles};
use super::super::{Exit, table};
use super::Submitted;
use crate::bundle::format::{Bundle, Status};
use crate::daemon::observer::BundleLine;
use crate::rack::{Daemon, Delivery, HostName, Trouble};
use crate::text::{counted, escaped};

/// Value of `format` in the output for programs.
const FORMAT: &str = "backbone.submit/1";

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Hosts in the order in which they were named.
pub(super) type Answers = Vec<(HostName, Result<Submitted, Trouble>)>;

/// For people.
pub(super) fn render(answers: &Answers, delivery: &Delivery) -> String {
    let jobs = counted(delivery.jobs.len(), "job", "jobs");
    let rows: Vec<Vec<String>> = answers.iter().map(|(host, answer)| row(host, answer, &jobs)).collect();
    let mut text = table::render(&["host", "id", "version", "outcome"], &rows);
    for (host, answer) in answers {
        let Ok(Submitted { results: Some(results), .. }) = answer else { continue };
        let lines: Vec<BundleLine> =
            results.iter().map(|(name, bundle)| BundleLine::of(bundle, name)).collect();
        text.push_str(&format!("\n{host}\n{}", table::indent(&outcome::table(&lines))));
        text.push_str(&outcome::reasons(&lines));
    }
    text.push_str(&troubles(
        answers.iter().filter_map(|(host, answer)| Some((host, answer.as_ref().err()?))),
    ));
    text
}

fn row(host: &HostName, answer: &Result<Submitted, Trouble>, jobs: &str) -> Vec<String> {
    let (device, outcome) = match answer {
        Err(trouble) => (None, trouble.code().replace('_', " ")),
        Ok(Submitted { device, results }) => {
            let notes = notes(device).into_iter().map(|note| format!("; {note}"));
            let done = match results {
                Some(results) => counted(results.len(), "result", "results"),
                None => format!("{jobs} submitted"),
            };
            (Some(device), format!("{done}{}", notes.collect::<String>()))
        }
    };
    let of_device = |text: Option<&str>| escaped(text.filter(|text| !text.is_empty()).unwrap_or("-"));
    let id = of_device(device.and_then(|device| device.host_id.as_deref()));
    vec![host.to_string(), id, of_device(device.map(|device| device.version.as_str())), outcome]
}

/// What a person should know about a host that took the jobs.
fn notes(device: &crate::rack::Device) -> Vec<String> {
    let mut notes = Vec::new();
    if device.version != VERSION {
        notes.push(format!("it may judge a job otherwise than version {VERSION}, which is here"));
    }
    if device.daemon == Daemon::Gone {
        notes.push("no daemon is running there; the jobs start with the next one".to_owned());
    } else if device.state == "paused" {
        notes.push("paused: the jobs start after `backbone resume` there".to_owned());
    }
    notes
}

/// For programs.
pub(super) fn as_text(answers: &Answers) -> anyhow::Result<String> {
    let hosts = answers.iter().map(|(host, answer)| match answer {
        Err(trouble) => json!({ "host": host.as_str(), "error": as_json(trouble), "results": [] }),
        Ok(Submitted { device, results }) => json!({
            "host": host.as_str(),
            "id": device.host_id,
            "version": device.version,
            "error": null,
            "notes": notes(device),
            "results": results.iter().flatten().map(|(name, bundle)| result(name, bundle)).collect::<Vec<_>>(),
        }),
    });
    let hosts: Vec<Value> = hosts.collect();
    Ok(format!("{}\n", serde_json::to_string_pretty(&json!({ "format": FORMAT, "hosts": hosts }))?))
}

/// `value_ms` is the median, and `interval_ms` its 95 % interval.
fn result(name: &str, bundle: &Bundle) -> Value {
    let line = BundleLine::of(bundle, name);
    let is_measured = bundle.outcome.status == Status::Measured;
    json!({
        "job": line.job,
        "bundle": name,
        "model": line.model,
        "runtime": line.runtime,
        "status": bundle.outcome.status,
        "reason": bundle.outcome.reason,
        "mistakes": bundle.outcome.mistakes,
        "value_ms": line.median_ms,
        "interval_ms": line.interval_ms.map(|(low, high)| [low, high]),
        "runs": line.count,
        "verdict": is_measured.then_some(line.verdict),
        "verdict_reasons": line.verdict_reasons,
        "simulated": line.simulated,
    })
}

/// The worst of all hosts, as `backbone run` ends.
pub(super) fn exit(answers: &Answers, strict: bool) -> Exit {
    let mut lines = Vec::new();
    for (_, answer) in answers {
        match answer {
            Err(_) => return Exit::Failed,
            Ok(submitted) => {
                let results = submitted.results.iter().flatten();
                lines.extend(results.map(|(name, bundle)| BundleLine::of(bundle, name)));
            }
        }
    }
    outcome::exit(&lines, strict)
}
