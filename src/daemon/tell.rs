//! Telling: the status file and the service manager's line.

use std::time::{Duration, Instant};

use super::inbox::WaitingJob;
use super::job::QueuedJob;
use super::status::{self, Queued, State, Status};
use super::{Audience, Daemon, control, now_text};

/// The status file is written at most this often while jobs are short.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// How soon the status file must say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Now.
    Now,
    /// Now, unless it was written less than a second ago: short jobs would otherwise spend their time on it.
    Soon,
}

impl Daemon<'_> {
    /// Write what is going on.
    pub(super) fn tell_status(&mut self, urgency: Urgency) {
        let recent = self.status_written.is_some_and(|at| at.elapsed() < STATUS_EVERY);
        if urgency == Urgency::Soon && recent {
            return;
        }
        self.write_status(if self.cooling.is_some() {
            State::Cooling
        } else if self.running.is_some() {
            State::Running
        } else if !self.troubles.is_empty() {
            State::Trouble
        } else if control::is_paused(self.spool.control().path()) {
            State::Paused
        } else if self.host_holder.is_some() {
            State::WaitingForHost
        } else {
            State::Idle
        });
    }

    /// Write the status file and tell the service manager.
    pub(super) fn write_status(&mut self, state: State) {
        if self.audience == Audience::Nobody {
            return;
        }
        let now = Instant::now();
        let space = self.spool.queue().space().ok();
        let status = Status {
            format: status::FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            updated: now_text(),
            state,
            running: self.running.clone(),
            cooling: self.cooling.clone(),
            queued: self.inbox.queue().len() as u64,
            next: self.inbox.queue().in_order().take(status::NAMED_JOBS).map(Queued::of).collect(),
            waiting: self
                .inbox
                .queue()
                .waiting()
                .take(status::NAMED_JOBS)
                .map(|waiting| waiting_line(waiting, now))
                .collect(),
            attention: self.troubles.attention().chain(self.inbox.oddities()).cloned().collect(),
            finished: self.finished,
            unpublished: self.unpublished.len() as u64 + u64::from(self.unwritten.is_some()),
            disk_free_bytes: space.map(|(free, _)| free),
            disk_total_bytes: space.map(|(_, total)| total),
            inbox: self.config.inbox.clone(),
            outbox: self.config.outbox.clone(),
        };
        let news = Some(news_of(&status));
        if news == self.told {
            return;
        }
        let line = match (&status.cooling, &status.running) {
            (Some(cooling), Some(running)) => {
                format!(
                    "waiting until {} is below {} °C, for {}",
                    cooling.zone, cooling.below_celsius, running.job
                )
            }
            (_, Some(running)) => {
                format!("measuring {} on {}, {} queued", running.job, running.runtime, status.queued)
            }
            (_, None) => format!("{state:?}, {} queued, {} waiting", status.queued, status.waiting.len())
                .to_lowercase(),
        };
        self.service.status(&line);
        // The copy for collectors goes first, so that whoever reads the status finds the same in the outbox. An outbox that
        // refuses is named elsewhere.
        let copied = status.write(&self.config.outbox);
        let written = status.write(&self.config.state);
        if let Err(error) = &written {
            log::warn!("can not write the status: {error}");
        }
        self.told = if written.is_ok() && copied.is_ok() { news } else { None };
        self.status_written = Some(now);
    }
}

/// What of a status is worth writing it again: not the time, nor the free space, which changes whenever anybody writes. An
/// idle daemon writes nothing.
fn news_of(status: &Status) -> Status {
    Status { updated: String::new(), disk_free_bytes: None, ..status.clone() }
}

impl Queued {
    fn of(queued: &QueuedJob) -> Self {
        Self { id: queued.entry.id.to_string(), job: queued.name.clone(), priority: queued.priority }
    }
}

fn waiting_line(waiting: &WaitingJob, now: Instant) -> status::Waiting {
    status::Waiting {
        id: waiting.job.entry.id.to_string(),
        job: waiting.job.name.clone(),
        models: waiting.missing.clone(),
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
