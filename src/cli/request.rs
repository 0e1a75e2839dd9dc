//! What `cancel`, `retry`, `pause` and `resume` share: find the job, leave the request, wait until it was carried out.

use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use super::failure::Advise as _;
use super::{Exit, Place, print};
use crate::daemon::control::{self, ControlRequest};
use crate::spool;

/// A daemon that measures looks for requests once a second; five times that and it is not answering.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often the request file is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ask the daemon to do something with a job that lies in `folder` of its spool (`queue` or `done`).
pub(super) fn ask(
    place: Place,
    job: &str,
    folder: &str,
    wish: fn(OsString) -> ControlRequest,
    done: &str,
) -> anyhow::Result<Exit> {
    let (config, _) = place.load(None, None)?;
    let jobs = control::jobs_in(&config.spool.join(folder))
        .advise("is there a daemon with this inbox? name it with --inbox")?;
    if !jobs.iter().any(|known| known.is_meant_by(OsStr::new(job))) {
        let names: Vec<&str> = jobs.iter().take(10).map(|job| job.name.as_str()).collect();
        let hint = if names.is_empty() {
            "there is none at all".to_owned()
        } else {
            format!("there is: {}", names.join(", "))
        };
        let what = if folder == "queue" { "queued or running" } else { "finished" };
        return Err(anyhow::anyhow!("no {what} job `{job}`")).advise(hint).exit(Exit::WrongInput);
    }
    let request = control::leave(&config.spool.join("control"), &wish(job.into()))
        .advise("who may write into the inbox may also write there; is the right group set?")?;
    if spool::owner(&config.spool).is_none() {
        print(&format!("no daemon is running; `{job}` will be {done} when one starts\n"))?;
        return Ok(Exit::Done);
    }
    let deadline = Instant::now() + ANSWER_WITHIN;
    while request.exists() {
        if Instant::now() >= deadline {
            print(&format!("asked for; `{job}` will be {done} when the daemon comes to it\n"))?;
            return Ok(Exit::Done);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    print(&format!("`{job}` is {done}\n"))?;
    Ok(Exit::Done)
}

/// Pause or resume measuring.
pub(super) fn pause(place: Place, paused: bool) -> anyhow::Result<Exit> {
    let (config, _) = place.load(None, None)?;
    control::set_paused(&config.spool.join("control"), paused)
        .advise("is there a daemon with this inbox? name it with --inbox")?;
    print(if paused { "paused: jobs are taken, none is started\n" } else { "going on\n" })?;
    Ok(Exit::Done)
}
