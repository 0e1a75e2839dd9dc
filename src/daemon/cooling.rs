//! Waiting before a trial until the host is cool, as a job may ask. It gives up after the job's time, and the bundle says so.

use std::time::{Duration, Instant};

use super::Daemon;
use super::job::QueuedJob;
use super::quiet::Quiet;
use super::sensing::Sensing;
use super::status;
use super::tell::Urgency;
use crate::bundle::format::{Cooling, CoolingEnd, Quantity};
use crate::host::sensors::Sensors;
use crate::spec;
use crate::worker::parent::Control;

/// Between two looks: a zone changes by less than a degree in that time.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// What is to be done now.
#[derive(Debug)]
pub(super) enum Look {
    /// Wait until this moment and look again.
    Wait(Instant),
    /// It is over.
    Over(Cooling),
}

/// One wait.
#[derive(Debug)]
pub(super) struct Wait {
    below_celsius: u32,
    zones: Vec<usize>,
    is_named: bool,
    unknown: Vec<String>,
    trial: (u32, u32),
    began: Instant,
    limit: Duration,
}

impl Wait {
    /// Begin to wait, where the job asks for it.
    pub(super) fn begin(
        host: &spec::Host,
        sensors: &Sensors,
        trial: (u32, u32),
        now: Instant,
    ) -> Option<Self> {
        let below_celsius = host.start_below_celsius?;
        let all = sensors.of(Quantity::Temperature);
        let named = |name: &String| all.iter().copied().find(|&index| sensors.sensors()[index].name == *name);
        let unknown = host.zones.iter().filter(|name| named(name).is_none()).cloned().collect();
        let zones =
            if host.zones.is_empty() { all.clone() } else { host.zones.iter().filter_map(named).collect() };
        let limit = Duration::from_secs(host.wait_up_to_seconds.into());
        let is_named = !host.zones.is_empty();
        Some(Self { below_celsius, zones, is_named, unknown, trial, began: now, limit })
    }

    /// For the status: the hottest zone, and until when it is waited for at most.
    pub(super) fn told(&self, sensors: &mut Sensors) -> Option<status::Cooling> {
        let values = self.zones.iter().filter_map(|&index| Some((index, sensors.read_one(index)?)));
        let (hottest, celsius) = values.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        Some(status::Cooling {
            zone: sensors.sensors()[hottest].name.clone(),
            celsius,
            below_celsius: self.below_celsius,
            until: (jiff::Timestamp::now() + self.limit.saturating_sub(self.began.elapsed())).to_string(),
        })
    }

    /// Read the zones.
    pub(super) fn look(&self, sensors: &mut Sensors, now: Instant) -> Look {
        let values: Vec<Option<f64>> = self.zones.iter().map(|&index| sensors.read_one(index)).collect();
        let hottest = values.iter().flatten().copied().max_by(f64::total_cmp);
        let mut unobservable = self.unknown.clone();
        if self.is_named {
            let silent = self.zones.iter().zip(&values).filter(|(_, value)| value.is_none());
            unobservable.extend(silent.map(|(&index, _)| sensors.sensors()[index].name.clone()));
        }
        let is_cool = hottest.is_some_and(|hottest| hottest < f64::from(self.below_celsius));
        let ended = if hottest.is_none() || is_cool && !unobservable.is_empty() {
            CoolingEnd::Unobservable
        } else if is_cool {
            CoolingEnd::Cool
        } else if now >= self.began + self.limit {
            CoolingEnd::GaveUp
        } else {
            return Look::Wait((now + BETWEEN_LOOKS).min(self.began + self.limit));
        };
        Look::Over(Cooling {
            build: self.trial.0,
            process: self.trial.1,
            ended,
            waited_seconds: now.saturating_duration_since(self.began).as_secs_f64(),
            below_celsius: self.below_celsius,
            hottest_celsius: hottest,
            unobservable_zones: unobservable,
        })
    }
}

impl Daemon<'_> {
    /// Wait until the host is as cool as the job asks for, or its time for it is over.
    pub(super) fn wait_for_cool(
        &mut self,
        host: &spec::Host,
        sensing: &mut Sensing,
        queued: &QueuedJob,
    ) -> Control {
        let trial = sensing.trial();
        let Some(wait) = Wait::begin(host, sensing.sensors(), trial, Instant::now()) else {
            return Control::Continue;
        };
        if let Look::Over(cooling) = wait.look(sensing.sensors(), Instant::now()) {
            sensing.cooled(cooling);
            return Control::Continue;
        }
        log::info!(JOB = queued.name.as_str(); "waiting until the host is cool");
        self.cooling = wait.told(sensing.sensors());
        self.tell_status(Urgency::Now);
        let control = self.wait_out(&wait, sensing, queued);
        self.cooling = None;
        self.tell_status(Urgency::Now);
        control
    }

    /// Look once a second until the wait is over.
    fn wait_out(&mut self, wait: &Wait, sensing: &mut Sensing, queued: &QueuedJob) -> Control {
        let control = self.spool.control().path().to_owned();
        let mut quiet =
            Quiet::new(self.inbox.wake(), &mut self.service, sensing, &self.config.inbox, &control, queued);
        loop {
            let now = Instant::now();
            let until = match wait.look(quiet.sensing().sensors(), now) {
                Look::Over(cooling) => {
                    quiet.sensing().cooled(cooling);
                    return Control::Continue;
                }
                Look::Wait(until) => until,
            };
            self.inbox.wake().sleep(until.saturating_duration_since(now));
            match quiet.control() {
                Control::Continue => {}
                ended => return ended,
            }
        }
    }
}
