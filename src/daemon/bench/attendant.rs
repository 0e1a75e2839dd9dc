//! What a turn needs from the daemon around it, while the daemon itself does nothing else.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::daemon::status::{Cooling, Running};
use crate::worker::parent::Control;

/// Attends a turn: reports how far it is, and ends it if that is asked for.
pub(crate) trait Attendant {
    /// A trial is about to begin.
    fn trial_begins(&mut self, running: Running, number: TrialNumber);

    /// No worker runs, and another trial is about to begin: look at what came meanwhile. Must the turn end?
    fn between_trials(&mut self) -> Control;

    /// The turn waits for a cool host, or no longer does.
    fn cools(&mut self, cooling: Option<Cooling>);

    /// From now on nothing but [`Attendant::interrupt`] may wake this process.
    fn worker_starts(&mut self);

    /// The worker is gone.
    fn worker_ended(&mut self);

    /// Must the turn end? Called at each tick; reads the interrupt empty.
    fn control(&mut self) -> Control;

    /// Was the daemon told to stop?
    fn stop_requested(&self) -> bool;

    /// A descriptor that becomes readable when [`Attendant::control`] should be called at once.
    fn interrupt(&self) -> Option<BorrowedFd<'_>>;

    /// Sleep until the interrupt becomes readable, at most for so long.
    fn sleep(&self, at_most: Duration);
}

/// Is it the first trial of its configuration in this process? A status from before it would hold for as long
/// as it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrialNumber {
    First,
    Later,
}
