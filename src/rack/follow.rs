//! Waiting for the results of submitted jobs on one host.
//!
//! The host measures meanwhile, and must be quiet: a look is one short process there, and looks become rare,
//! every ten seconds at most. Results are known by the name and the digest of their job file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::connection::{Connection, here};
use super::deliver::{Delivery, JobFile};
use super::device::{Daemon, Device};
use super::fetch::list;
use super::rsync;
use super::trouble::Trouble;
use crate::bundle::format::{Bundle, Status};
use crate::bundle::read;
use crate::guarded;
use crate::scratch::Scratch;
use crate::text::first_few;

/// The first look comes soon, for short jobs; then each wait is this much longer than the one before.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const LONGER_BY: f64 = 1.5;
const RAREST_LOOK: Duration = Duration::from_secs(10);

/// A daemon that was killed is started again within seconds.
const DAEMON_RETURNS_WITHIN: Duration = Duration::from_secs(60);

/// A host that has had nothing to do for this long has no job of ours: it takes one within a second or so.
const IDLE_FOR: Duration = Duration::from_secs(20);

/// How the name of the folder for results begins.
const OF_FOLLOWERS: &str = "backbone-follow-";

/// What a host made of the jobs: bundles by their file names, in order.
pub(crate) type Followed = BTreeMap<String, Bundle>;

/// A look at a host, for progress.
#[derive(Debug)]
pub(crate) struct Waited<'a> {
    /// The host, as it was.
    pub(crate) device: &'a Device,
    /// Number of results so far.
    pub(crate) results: usize,
}

/// What is in the outbox before anything is submitted.
///
/// # Errors
/// The outbox cannot be listed.
pub(crate) fn outbox_before(connection: &Connection, outbox: &Path) -> Result<BTreeSet<String>, Trouble> {
    Ok(list(connection, outbox)?.sizes.into_keys().collect())
}

/// Wait until every job has all its bundles, and return them. `known` is [`outbox_before`].
///
/// # Errors
/// The host is lost, its daemon ended, or the results were taken away.
pub(crate) fn follow(
    connection: &Connection,
    outbox: &Path,
    delivery: &Delivery,
    mut known: BTreeSet<String>,
    seen: &dyn Fn(&Waited<'_>),
) -> Result<Followed, Trouble> {
    let folder = Scratch::make(&std::env::temp_dir(), OF_FOLLOWERS).map_err(here)?;
    let (mut found, mut wait) = (Followed::new(), FIRST_LOOK);
    let (mut gone_since, mut idle_since) = (None::<Instant>, None::<Instant>);
    loop {
        std::thread::sleep(wait);
        wait = wait.mul_f64(LONGER_BY).min(RAREST_LOOK);
        // Before the list: what an idle host has made is in it.
        let device = Device::ask(connection)?;
        let listed = list(connection, outbox)?.sizes;
        let new: Vec<String> = listed.into_keys().filter(|name| !known.contains(name)).collect();
        if !new.is_empty() {
            bring(connection, outbox, &new, folder.path())?;
            for name in &new {
                if let Some(bundle) = of_ours(&folder.path().join(name), &delivery.jobs) {
                    found.insert(name.clone(), bundle);
                }
            }
            known.extend(new);
        }
        seen(&Waited { device: &device, results: found.len() });
        let unfinished: Vec<&str> = delivery
            .jobs
            .iter()
            .filter(|job| !is_finished(job, &found))
            .map(|job| job.file.name.as_str())
            .collect();
        if unfinished.is_empty() {
            return Ok(found);
        }
        let lasting = |since: &mut Option<Instant>, is_so: bool| {
            *since = is_so.then(|| since.unwrap_or_else(Instant::now));
            since.map(|since| since.elapsed()).unwrap_or_default()
        };
        if lasting(&mut gone_since, device.daemon == Daemon::Gone) > DAEMON_RETURNS_WITHIN {
            return Err(Trouble::NoDaemon);
        }
        if lasting(&mut idle_since, device.daemon == Daemon::Runs && device.is_idle()) > IDLE_FOR {
            return Err(Trouble::ResultsGone(first_few(unfinished)));
        }
    }
}

fn bring(connection: &Connection, outbox: &Path, names: &[String], to: &Path) -> Result<(), Trouble> {
    let list = connection.own_file("names");
    fs_err::write(&list, names.join("\0")).map_err(here)?;
    let mut from = std::ffi::OsString::from("--files-from=");
    from.push(&list);
    let source = rsync::there(outbox);
    let words =
        [OsStr::new("--from0"), from.as_os_str(), OsStr::new("--"), source.as_os_str(), to.as_os_str()];
    let transfer = rsync::call(connection, &words)?;
    match transfer.trouble {
        // A collector was faster; that it took one of ours shows when the host is idle.
        Some(trouble) if !transfer.is_partial => Err(trouble),
        _ => Ok(()),
    }
}

/// The bundle in a file, if it is of one of the jobs.
fn of_ours(file: &Path, jobs: &[JobFile]) -> Option<Bundle> {
    let bundle = read::decode(guarded::open_path(file).ok()?).ok()?;
    jobs.iter().any(|job| is_of(&bundle, job)).then_some(bundle)
}

fn is_of(bundle: &Bundle, job: &JobFile) -> bool {
    bundle.job.file == job.file.name
        && bundle.job.spec_sha256.as_ref().is_none_or(|sha256| *sha256 == job.sha256)
}

fn is_finished(job: &JobFile, found: &Followed) -> bool {
    let of_job = || found.values().filter(|bundle| is_of(bundle, job));
    // A job that the device does not understand has one bundle for all its configurations.
    let is_refused =
        || of_job().any(|bundle| bundle.outcome.status == Status::Rejected && bundle.runtime.is_none());
    of_job().count() >= job.configurations || is_refused()
}
