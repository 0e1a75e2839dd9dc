//! Observing a running worker: its events, its pauses, and the choice to end it.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::worker::protocol::{Event, Pause};

/// Time between two ticks: sensors may be read at 1 Hz during timed runs.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Observes a running worker.
pub trait Watch {
    /// A descriptor that becomes readable when [`Watch::tick`] is to be called at once.
    fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The worker sent an event. Not called during timed runs.
    fn event(&mut self, event: &Event) {
        let _ = event;
    }

    /// The worker waits. Returns how long it is to wait from now; ticks continue meanwhile.
    fn pause(&mut self, at: Pause) -> Duration {
        let _ = at;
        Duration::ZERO
    }

    /// Time until the next tick. Less than a second only outside the timed runs.
    fn tick_after(&self) -> Duration {
        TICK
    }

    /// How long a worker may print nothing and do nothing; `None` for as long as its time limit allows.
    fn silence_limit(&self) -> Option<Duration> {
        None
    }

    /// Called when due, and whenever the interrupt is readable; it must read the interrupt empty.
    fn tick(&mut self) -> Control;
}

/// What to do with the running worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Keep it running.
    Continue,
    /// End it, because its job was cancelled.
    Cancel,
    /// End it, because the daemon stops.
    Stop,
}
