//! The daemon as systemd sees it: ready, a line of status, and the watchdog. Does nothing elsewhere.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The connection to the service manager.
#[derive(Debug)]
pub(super) struct Service {
    feed_every: Option<Duration>,
    fed: Instant,
}

impl Service {
    /// Read what the service manager asks for.
    pub(super) fn connect(now: Instant) -> Self {
        // Half of the limit, as sd_watchdog_enabled(3) advises.
        Self { feed_every: sd_notify::watchdog_enabled().map(|limit| limit / 2), fed: now }
    }

    /// Say that start-up is done.
    pub(super) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// One line for `systemctl status`.
    pub(super) fn status(&self, line: &str) {
        tell(&[NotifyState::Status(line)]);
    }

    /// Say that the end has begun.
    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// When the watchdog must be fed next.
    pub(super) fn feed_at(&self) -> Option<Instant> {
        self.feed_every.map(|every| self.fed + every)
    }

    /// Feed the watchdog, if it is time. Called by the thread that does the work, so that a hang is noticed.
    pub(super) fn feed_watchdog(&mut self, now: Instant) {
        if self.feed_at().is_some_and(|at| at <= now) {
            tell(&[NotifyState::Watchdog]);
            self.fed = now;
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell, and nothing depends on its hearing us.
    let _ = sd_notify::notify(state);
}
