//! What this process does while a worker lives: it lets the sensors and the power state be read, and asks
//! whether the turn must end. It sleeps between these, at least a second at a time within the timed runs.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::attendant::Attendant;
use super::sensing::Sensing;
use crate::worker::parent::{Control, Watch};
use crate::worker::protocol::Pause;

/// Where the power state is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PowerLook {
    BeforeTiming,
    AfterTiming,
}

/// What the parent of a worker asks while it sleeps.
pub(super) struct Quiet<'a> {
    pub(super) attendant: &'a mut dyn Attendant,
    pub(super) sensing: &'a mut Sensing,
    /// Reads the power state again.
    pub(super) look_at_power: &'a mut dyn FnMut(PowerLook),
    pub(super) silence_limit: Option<Duration>,
}

impl Watch for Quiet<'_> {
    fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        self.attendant.interrupt()
    }

    fn pause(&mut self, at: Pause) -> Duration {
        // The sensors go nearest to the timed runs: they change faster, and a tool of the host may take its
        // time.
        if at == Pause::BeforeTiming {
            (self.look_at_power)(PowerLook::BeforeTiming);
        }
        let wait = self.sensing.pause(at);
        if at == Pause::AfterTiming {
            (self.look_at_power)(PowerLook::AfterTiming);
        }
        wait
    }

    fn tick_after(&self) -> Duration {
        self.sensing.tick_after()
    }

    fn silence_limit(&self) -> Option<Duration> {
        self.silence_limit
    }

    fn tick(&mut self) -> Control {
        self.sensing.tick();
        self.attendant.control()
    }
}
