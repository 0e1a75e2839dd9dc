//! The daemon as systemd sees it: ready, a line of status, and the watchdog. Does nothing without systemd.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The connection to the service manager.
#[derive(Debug)]
pub(super) struct Service {
    /// The service manager ends this process after so long without a sign of life.
    limit: Option<Duration>,
    fed: Instant,
}

impl Service {
    /// Read what the service manager asks for.
    pub(super) fn connect(now: Instant) -> Self {
        Self { limit: sd_notify::watchdog_enabled(), fed: now }
    }

    /// Say that start-up is done.
    pub(super) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// One line for `systemctl status`.
    pub(super) fn status(&self, line: &str) {
        tell(&[NotifyState::Status(line)]);
    }

    /// Say that this process is stopping.
    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// When to wake up for the watchdog, if nothing else wakes this process before. Later than the half that
    /// sd_watchdog_enabled(3) advises, so that the safety rescan usually comes first: an idle daemon wakes
    /// once, not twice.
    pub(super) fn feed_at(&self) -> Option<Instant> {
        self.limit.map(|limit| self.fed + limit * 3 / 4)
    }

    /// Feed the watchdog, unless it was fed just now. Called by the thread that does the work, whenever it is
    /// awake, so that a hang is noticed.
    pub(super) fn feed_watchdog(&mut self, now: Instant) {
        if self.limit.is_some_and(|limit| now.saturating_duration_since(self.fed) >= limit / 4) {
            tell(&[NotifyState::Watchdog]);
            self.fed = now;
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // Nothing depends on it, and there may be no service manager.
    let _ = sd_notify::notify(state);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_for_the_rescan_feeds_the_watchdog_too() {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        let mut service = Service { limit: Some(seconds(120)), fed: start };
        assert_eq!(service.feed_at(), Some(start + seconds(90)));
        service.feed_watchdog(start + seconds(60));
        assert_eq!(service.feed_at(), Some(start + seconds(150)), "the next rescan, at 120 s, comes before");
        service.feed_watchdog(start + seconds(61));
        assert_eq!(service.feed_at(), Some(start + seconds(150)), "not at each of many wake-ups");
    }
}
