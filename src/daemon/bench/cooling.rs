//! Waiting before a trial until the host is cool, if the job asks for it. It gives up after the job's time,
//! and the bundle says so. Decides from readings and instants; the trials do the waiting.

use std::time::{Duration, Instant};

use crate::bundle::format::{Cooling, CoolingEnd, Quantity, TrialId};
use crate::daemon::status;
use crate::host::sensors::Sensors;
use crate::spec;

/// Between two looks: a zone changes by less than a degree in that time.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// What to do now.
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
    trial: TrialId,
    began: Instant,
    limit: Duration,
}

impl Wait {
    /// Begin to wait, if the job asks for it.
    pub(super) fn begin(host: &spec::Host, sensors: &Sensors, trial: TrialId, now: Instant) -> Option<Self> {
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

    /// For the status: the hottest zone, and when the wait ends at the latest.
    pub(super) fn status(&self, sensors: &mut Sensors) -> Option<status::Cooling> {
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
            build: self.trial.build,
            process: self.trial.process,
            ended,
            waited_seconds: now.saturating_duration_since(self.began).as_secs_f64(),
            below_celsius: self.below_celsius,
            hottest_celsius: hottest,
            unobservable_zones: unobservable,
        })
    }
}
