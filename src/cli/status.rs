//! `backbone status`: what the daemon last wrote about itself.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;

use super::failure::Advise as _;
use super::{Exit, Place, print, table};
use crate::daemon::status::{FILE_NAME, Status};
use crate::spool;

/// How often `--watch` looks whether the file changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Clear the screen and go to its first line (ECMA-48 ED and CUP).
const CLEAR_SCREEN: &str = "\x1b[2J\x1b[H";

/// Show the queue, the running trial, what waits for a model, and the disk
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: Place,
    /// Show it again whenever it changes, until interrupted
    #[arg(long, conflicts_with = "json")]
    pub(super) watch: bool,
    /// The status file as it is, for programs
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn execute(arguments: Arguments) -> anyhow::Result<Exit> {
    let (config, _) = arguments.place.load(None, None)?;
    let missing = "is the daemon running? `backbone serve` writes the status into its state folder (--state)";
    if arguments.json {
        let text = fs_err::read_to_string(config.state.join(FILE_NAME)).advise(missing)?;
        print(&text)?;
        return Ok(Exit::Done);
    }
    let mut shown = String::new();
    loop {
        let status = Status::read(&config.state).advise(missing)?;
        let alive = spool::owner(&config.spool).is_some();
        let text = render(&status, alive);
        if !arguments.watch {
            print(&text)?;
            return Ok(if alive { Exit::Done } else { Exit::Failed });
        }
        if text != shown {
            print(&format!("{CLEAR_SCREEN}{text}"))?;
            shown = text;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn render(status: &Status, alive: bool) -> String {
    let mut text = String::new();
    // Writing to a String can not fail.
    let _ = compose(&mut text, status, alive);
    text
}

fn compose(text: &mut String, status: &Status, alive: bool) -> std::fmt::Result {
    let state = serde_json::to_value(status.state).unwrap_or_default();
    let state = state.as_str().unwrap_or("unknown").replace('_', " ");
    if alive {
        writeln!(text, "{state}, process {}, as of {}", status.process, status.updated)?;
    } else {
        writeln!(text, "no daemon is running; the last one was {state} at {}", status.updated)?;
    }
    if let Some(running) = &status.running {
        let eta =
            running.eta_seconds.map_or_else(|| "unknown".to_owned(), |seconds| format!("{seconds:.0} s"));
        writeln!(
            text,
            "measuring {} on {}: configuration {} of {}, trial {} of {}, since {}, time left {eta}",
            running.job,
            running.runtime,
            running.configuration,
            running.configurations,
            running.trial,
            running.trials,
            running.since
        )?;
    }
    if let Some(cooling) = &status.cooling {
        writeln!(
            text,
            "waiting for a cool host: {} was at {:.1} °C, the job asks for less than {} °C; given up at {}",
            cooling.zone, cooling.celsius, cooling.below_celsius, cooling.until
        )?;
    }
    let finished = status.finished;
    writeln!(
        text,
        "{} queued, {} waiting for a model; {} measured, {} rejected, {} failed, {} cancelled, {} not published yet",
        status.queued,
        status.waiting.len(),
        finished.measured,
        finished.rejected,
        finished.failed,
        finished.cancelled,
        status.unpublished
    )?;
    if let (Some(free), Some(total)) = (status.disk_free_bytes, status.disk_total_bytes) {
        writeln!(text, "disk: {:.1} GB free of {:.1} GB", free as f64 / 1e9, total as f64 / 1e9)?;
    }
    if !status.next.is_empty() {
        let rows: Vec<Vec<String>> = status
            .next
            .iter()
            .map(|queued| vec![queued.job.clone(), queued.id.clone(), queued.priority.to_string()])
            .collect();
        write!(text, "\nnext\n{}", table::indent(&table::render(&["job", "id", "priority"], &rows)))?;
    }
    if !status.waiting.is_empty() {
        let rows: Vec<Vec<String>> = status
            .waiting
            .iter()
            .map(|waiting| {
                vec![waiting.job.clone(), waiting.models.join(", "), format!("{} s", waiting.seconds)]
            })
            .collect();
        write!(text, "\nwaiting\n{}", table::indent(&table::render(&["job", "for", "since"], &rows)))?;
    }
    if !status.attention.is_empty() {
        let rows: Vec<Vec<String>> = status
            .attention
            .iter()
            .map(|attention| vec![attention.what.clone(), attention.code.clone(), attention.why.clone()])
            .collect();
        write!(text, "\nattention\n{}", table::indent(&table::render(&["what", "code", "why"], &rows)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::status::{Attention, Cooling, Queued, Running, State, Waiting};

    #[test]
    fn the_status_names_the_running_trial_the_queue_and_whatever_is_odd() {
        let status = Status {
            state: State::Running,
            process: 7,
            updated: "2026-01-02T03:04:05Z".into(),
            running: Some(Running {
                id: "0000000001-abc".into(),
                job: "smoke".into(),
                runtime: "sim".into(),
                configuration: 1,
                configurations: 2,
                trial: 2,
                trials: 3,
                since: "2026-01-02T03:04:00Z".into(),
                eta_seconds: Some(12.3),
            }),
            cooling: Some(Cooling {
                zone: "CPU-therm".into(),
                celsius: 61.5,
                below_celsius: 50,
                until: "2026-01-02T03:34:00Z".into(),
            }),
            queued: 1,
            next: vec![Queued { id: "0000000002-abc".into(), job: "later".into(), priority: 5 }],
            waiting: vec![Waiting {
                id: "x".into(),
                job: "w".into(),
                models: vec!["net.onnx".into()],
                seconds: 9,
            }],
            attention: vec![Attention {
                code: "folder_in_inbox".into(),
                what: "d".into(),
                why: "not entered".into(),
            }],
            disk_free_bytes: Some(2_500_000_000),
            disk_total_bytes: Some(10_000_000_000),
            ..Status::default()
        };
        insta::assert_snapshot!(render(&status, true));
        assert!(render(&status, false).starts_with("no daemon is running; the last one was running at"));
    }
}
