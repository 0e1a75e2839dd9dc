//! The trials wait until the host is cool, as [`super::cooling`] decides.

use std::time::Instant;

use super::cooling::{Look, Wait};
use super::trials::Trials;
use crate::daemon::turn::Turn;
use crate::worker::parent::Control;

impl Trials<'_> {
    /// Wait until the host is as cool as the job asks for, or its time for it is over.
    pub(super) fn wait_for_cool(&mut self) -> Control {
        let Turn { job, queued, .. } = *self.turn;
        let sensing = &mut self.workers.sensing;
        let id = sensing.trial();
        let Some(wait) = Wait::begin(&job.host, sensing.sensors(), id, Instant::now()) else {
            return Control::Continue;
        };
        if let Look::Over(cooling) = wait.look(sensing.sensors(), Instant::now()) {
            sensing.cooled(cooling);
            return Control::Continue;
        }
        log::info!(JOB = queued.name.as_str(); "waiting until the host is cool");
        self.attendant.cools(wait.status(sensing.sensors()));
        let control = self.wait_out(&wait);
        self.attendant.cools(None);
        control
    }

    /// Look once a second until the wait is over.
    fn wait_out(&mut self, wait: &Wait) -> Control {
        let sensing = &mut self.workers.sensing;
        loop {
            let now = Instant::now();
            let until = match wait.look(sensing.sensors(), now) {
                Look::Over(cooling) => {
                    sensing.cooled(cooling);
                    return Control::Continue;
                }
                Look::Wait(until) => until,
            };
            self.attendant.sleep(until.saturating_duration_since(now));
            match self.attendant.control() {
                Control::Continue => {}
                ended => return ended,
            }
        }
    }
}
