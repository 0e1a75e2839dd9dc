//! Reporting: the status file and the service manager's line.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::clock::now_text;
use super::control;
use super::inbox::{Inbox, WaitingJob};
use super::job::QueuedJob;
use super::metrics::Metrics;
use super::outlet::Outlet;
use super::service::Service;
use super::status::{
    self, Attention, Cooling, CopiedFile, Queued, Running, SentinelSeries, State, Status, Waiting,
};
use super::status_file::StatusFile;
use super::troubles::Troubles;
use crate::config::Config;
use crate::spool::names::JobId;
use crate::spool::{Spool, Unexpected};

/// The status file is written at most this often while jobs are short.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// For whom the status is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// People and collectors: into the state folder and the outbox.
    Collectors,
    /// No one: the pipeline runs in the foreground.
    Nobody,
}

/// How soon the status file must say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Now.
    Now,
    /// Now, unless it was written less than a second ago: short jobs would otherwise spend their time on it.
    Soon,
}

/// What the status is made of.
pub(super) struct StatusSources<'a> {
    pub(super) inbox: &'a Inbox,
    pub(super) outlet: &'a Outlet,
    pub(super) troubles: &'a Troubles,
    pub(super) spool: &'a Spool,
    /// Does another process measure on this host?
    pub(super) host_is_taken: bool,
}

/// Writes the status.
#[derive(Debug)]
pub(super) struct Reporter {
    config: Rc<Config>,
    audience: Audience,
    service: Service,
    running: Option<Running>,
    /// Set while the running job waits for a cool host.
    cooling: Option<Cooling>,
    written_at: Option<Instant>,
    metrics: Option<Metrics>,
    sentinel: Option<SentinelSeries>,
    file: StatusFile,
    /// What the status file says, without what is not news.
    written: Option<Status>,
}

impl Reporter {
    pub(super) fn new(config: Rc<Config>, audience: Audience, service: Service) -> Self {
        Self {
            file: StatusFile::of(&config.state),
            config,
            audience,
            service,
            running: None,
            cooling: None,
            written_at: None,
            metrics: None,
            sentinel: None,
            written: None,
        }
    }

    /// Write the status as numbers, too.
    pub(super) fn keep_metrics(&mut self, metrics: Metrics) {
        self.metrics = Some(metrics);
    }

    /// The service manager.
    pub(super) fn service(&mut self) -> &mut Service {
        &mut self.service
    }

    /// This trial runs, or none.
    pub(super) fn running(&mut self, running: Option<Running>) {
        self.running = running;
    }

    /// What the host's sentinel shows.
    pub(super) fn sentinel(&mut self, sentinel: Option<SentinelSeries>) {
        self.sentinel = sentinel;
    }

    /// The running job waits for a cool host, or no longer does.
    pub(super) fn cooling(&mut self, cooling: Option<Cooling>) {
        self.cooling = cooling;
    }

    /// Write the present state.
    pub(super) fn report(&mut self, urgency: Urgency, view: &StatusSources<'_>) {
        let is_recent = self.written_at.is_some_and(|at| at.elapsed() < STATUS_EVERY);
        if urgency == Urgency::Soon && is_recent {
            return;
        }
        let state = if self.cooling.is_some() {
            State::Cooling
        } else if self.running.is_some() {
            State::Running
        } else if !view.troubles.is_empty() {
            State::Trouble
        } else if control::is_paused(view.spool.control().path()) {
            State::Paused
        } else if view.host_is_taken {
            State::WaitingForHost
        } else {
            State::Idle
        };
        self.write(state, view);
    }

    /// Write this state into the status file, and tell the service manager.
    pub(super) fn write(&mut self, state: State, view: &StatusSources<'_>) {
        if self.audience == Audience::Nobody {
            return;
        }
        let now = Instant::now();
        let status = self.status(state, view, now);
        let news = Some(news_of(&status));
        if news == self.written {
            let is_idle = self.running.is_none();
            if let Some(metrics) = self.metrics.as_mut().filter(|metrics| is_idle && metrics.is_due(now)) {
                metrics.write(&status, now);
            }
            return;
        }
        self.service.status(&line(&status));
        // The copy for collectors goes first, so that whoever reads the status finds the same in the outbox.
        // An outbox that refuses is reported elsewhere.
        let copied = status.write(&self.config.outbox);
        let written = self.file.write(&status);
        if let Err(error) = &written {
            log::warn!("cannot write the status: {error}");
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.write(&status, now);
        }
        self.written = if written.is_ok() && copied.is_ok() { news } else { None };
        self.written_at = Some(now);
    }

    fn status(&self, state: State, view: &StatusSources<'_>, now: Instant) -> Status {
        let StatusSources { inbox, outlet, troubles, spool, .. } = view;
        let space = spool.queue().space().ok();
        let queue = inbox.queue();
        let waiting = queue.waiting().take(status::NAMED_JOBS);
        let running = self.running.as_ref().and_then(|running| JobId::parse(&running.id));
        let is_next = |queued: &&QueuedJob| running.as_ref() != Some(&queued.entry.id);
        Status {
            format: status::FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            updated: now_text(),
            state,
            running: self.running.clone(),
            cooling: self.cooling.clone(),
            queued: queue.in_order().filter(is_next).count() as u64,
            next: queue.in_order().filter(is_next).take(status::NAMED_JOBS).map(Queued::of).collect(),
            waiting: waiting.map(|waiting| waiting_line(waiting, inbox, now)).collect(),
            attention: troubles
                .attention()
                .chain(inbox.oddities())
                .cloned()
                .chain(spool.oddities().map(odd))
                .chain(self.metrics.as_ref().and_then(Metrics::trouble).cloned())
                .collect(),
            finished: outlet.finished(),
            inbox_looked_at: inbox.looked_at().map(str::to_owned),
            host_id: outlet.host_id().map(str::to_owned),
            last_result: outlet.last_result().cloned(),
            sentinel: self.sentinel.clone(),
            chain: outlet.chain_head().cloned(),
            unpublished: outlet.unpublished() as u64 + u64::from(outlet.is_held_up()),
            disk_free_bytes: space.map(|(free, _)| free),
            disk_total_bytes: space.map(|(_, total)| total),
            inbox: self.config.inbox.clone(),
            outbox: self.config.outbox.clone(),
        }
    }
}

/// The line for `systemctl status`.
fn line(status: &Status) -> String {
    match (&status.cooling, &status.running) {
        (Some(cooling), Some(running)) => {
            format!(
                "waiting until {} is below {} °C, for {}",
                cooling.zone, cooling.below_celsius, running.job
            )
        }
        (_, Some(running)) => {
            format!("measuring {} on {}, {} queued", running.job, running.runtime, status.queued)
        }
        (_, None) => {
            let waiting = status.waiting.len();
            format!("{:?}, {} queued, {waiting} waiting", status.state, status.queued).to_lowercase()
        }
    }
}

/// What makes a status worth writing again: not the time, nor the free space, which changes with every file
/// that anything on the disk writes. An idle daemon writes nothing.
fn news_of(status: &Status) -> Status {
    Status { updated: String::new(), inbox_looked_at: None, disk_free_bytes: None, ..status.clone() }
}

impl Queued {
    fn of(queued: &QueuedJob) -> Self {
        Self { id: queued.entry.id.to_string(), job: queued.name.clone(), priority: queued.priority }
    }
}

fn odd(oddity: &Unexpected) -> Attention {
    let what = oddity.path.display().to_string();
    Attention { code: "odd_spool".to_owned(), what, why: oddity.why.clone() }
}

fn waiting_line(waiting: &WaitingJob, inbox: &Inbox, now: Instant) -> Waiting {
    Waiting {
        id: waiting.job.entry.id.to_string(),
        job: waiting.job.name.clone(),
        models: waiting.missing.iter().map(|missing| missing.file.clone()).collect(),
        why: waiting.missing.iter().filter_map(|missing| missing.why.clone()).collect(),
        copying: inbox.copied(&waiting.job).map(|(file, copied_bytes, size_bytes)| CopiedFile {
            file: file.to_owned(),
            copied_bytes,
            size_bytes,
        }),
        seconds: now.saturating_duration_since(waiting.since).as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_time_nor_the_free_space_is_news() {
        let status = Status { updated: "then".into(), disk_free_bytes: Some(9), ..Status::default() };
        let later = Status { updated: "now".into(), disk_free_bytes: Some(8), ..status.clone() };
        assert_eq!(news_of(&status), news_of(&later));
        for changed in [Status { state: State::Paused, ..later.clone() }, Status { queued: 1, ..later }] {
            assert_ne!(news_of(&status), news_of(&changed));
        }
    }
}
