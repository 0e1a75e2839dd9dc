//! Who looks on while a worker runs: told of its events, asked at its pauses, and able to end it.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::worker::protocol::{Event, Pause};

/// Between two ticks: the design lets sensors be read at 1 Hz while a worker times.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Who looks on.
pub trait Watch {
    /// A descriptor that becomes readable when [`Watch::tick`] should be called at once.
    fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The worker said something, in order. Not called while it times.
    fn event(&mut self, event: &Event) {
        let _ = event;
    }

    /// The worker waits. How long it is to wait from when this returns; ticks go on meanwhile.
    fn pause(&mut self, at: Pause) -> Duration {
        let _ = at;
        Duration::ZERO
    }

    /// How long after one tick the next is due. Shorter than a second only outside the timed runs.
    fn tick_after(&self) -> Duration {
        TICK
    }

    /// Called when it is due, and whenever the interrupt is readable; it must read the interrupt empty.
    fn tick(&mut self) -> Control;
}

/// What becomes of the trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It goes on.
    Continue,
    /// It ends, because its job was cancelled.
    Cancel,
    /// It ends, because the daemon does.
    Stop,
}
