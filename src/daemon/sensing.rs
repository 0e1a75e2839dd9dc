//! The host's sensors around and within the trials of one configuration, and what they say goes into its bundle.
//!
//! The sensors are found before the first trial and given back after the last: an idle daemon keeps nothing of them. They are
//! read where the worker waits for it, and at most once a second within the timed runs; nothing is judged here.

use std::time::{Duration, Instant};

use crate::bundle::format::{
    Cooling, Energy, EnergyReading, EnergySource, EnergyState, Environment, JoulesInterval, Observation,
    Placement, Quantity, Reading, Sensor,
};
use crate::host::HostRoot;
use crate::host::sensors::{Sensors, total_of};
use crate::stats::{self, energy};
use crate::units::Nanos;
use crate::worker::parent::TICK;
use crate::worker::protocol::Pause;

/// Samples are a second apart at first, and a 1800th of the span so far where that is more: a trial of a week then leaves some
/// twelve thousand of them, and one of half an hour as many seconds.
const SPAN_PER_SAMPLE: u32 = 1800;

/// Between two readings while energy is measured. Nothing is timed then, and ten a second follow what a board's power does.
const ENERGY_READINGS_APART: Duration = Duration::from_millis(100);

/// The least time for which a host is watched idle: half a second of it is left out, and as much again is no measurement.
const SHORTEST_IDLE: Duration = Duration::from_secs(2);

/// Readings of a span that a sensor may miss, as a part of all: one bus error does not spoil a minute, and what is left of twenty
/// readings still shows what power did.
const MISSING_READINGS: f64 = 0.05;

/// The sensors, and what they told of the present trial.
#[derive(Debug)]
pub(super) struct Sensing {
    sensors: Sensors,
    /// Indices of those that tell of energy.
    energy_sensors: Vec<usize>,
    energy_seconds: u32,
    /// What is timed times itself, and gives no pause before it does.
    times_itself: bool,
    build: u32,
    process: u32,
    started: Instant,
    /// Where the worker was last, until the next pause.
    after: Option<Pause>,
    span_began: Instant,
    sample_at: Instant,
    told: Environment,
    energy: [Vec<EnergyReading>; 3],
}

impl Sensing {
    /// Find the host's sensors.
    pub(super) fn find(root: &HostRoot, times_itself: bool) -> Self {
        let sensors = Sensors::find(root);
        let mut energy_sensors = sensors.of(Quantity::Power);
        energy_sensors.extend(sensors.of(Quantity::Energy));
        let now = Instant::now();
        Self {
            sensors,
            energy_sensors,
            energy_seconds: 0,
            times_itself,
            build: 1,
            process: 0,
            started: now,
            after: None,
            span_began: now,
            sample_at: now,
            told: Environment::default(),
            energy: Default::default(),
        }
    }

    /// The sensors themselves, between trials.
    pub(super) fn sensors(&mut self) -> &mut Sensors {
        &mut self.sensors
    }

    /// A trial begins.
    pub(super) fn begin(&mut self, trial: (u32, u32), energy_seconds: u32) {
        (self.build, self.process) = trial;
        self.energy_seconds = energy_seconds;
        self.after = None;
        self.told = Environment {
            sensors: self.sensors.sensors().to_vec(),
            unobservable: self.sensors.unobservable(),
            ..Environment::default()
        };
        self.energy = Default::default();
    }

    /// Its worker is started now, after whatever was waited for.
    pub(super) fn worker_starts(&mut self) {
        self.started = Instant::now();
    }

    /// Build and process of the present trial.
    pub(super) fn trial(&self) -> (u32, u32) {
        (self.build, self.process)
    }

    /// How it was waited for a cool host before this trial.
    pub(super) fn cooled(&mut self, cooling: Cooling) {
        self.told.cooling.push(cooling);
    }

    /// The worker waits: read, and say for how long it is to wait.
    pub(super) fn pause(&mut self, at: Pause) -> Duration {
        // A span ends where the worker stopped, and begins where it goes on: each reading lies outside.
        match at {
            Pause::BeforeWarmUp => {
                let reading = self.reading();
                self.told.before_warm_up.push(reading);
            }
            Pause::BeforeTiming => {
                let reading = self.reading();
                self.told.before.push(reading);
            }
            Pause::AfterTiming => {
                let reading = self.reading();
                self.told.after.push(reading);
            }
            Pause::IdleBeforeEnergy => self.read_energy(0),
            Pause::BeforeEnergy => self.read_energy(1),
            Pause::AfterEnergy => {
                self.read_energy(1);
                self.read_energy(2);
            }
        }
        self.after = Some(at);
        self.span_began = Instant::now();
        self.sample_at = self.span_began + TICK;
        match at {
            Pause::IdleBeforeEnergy | Pause::AfterEnergy => idle_beside_energy(self.energy_seconds),
            _ => Duration::ZERO,
        }
    }

    /// Read what is due now.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        match self.after {
            Some(Pause::BeforeTiming) if now >= self.sample_at => {
                let reading = self.reading();
                self.told.samples.push(reading);
                self.sample_at = now + TICK.max((now - self.span_began) / SPAN_PER_SAMPLE);
            }
            Some(Pause::IdleBeforeEnergy) => self.read_energy(0),
            Some(Pause::BeforeEnergy) => self.read_energy(1),
            Some(Pause::AfterEnergy) => self.read_energy(2),
            _ => {}
        }
    }

    /// How long after one tick the next is due.
    pub(super) fn tick_after(&self) -> Duration {
        let is_energy =
            matches!(self.after, Some(Pause::IdleBeforeEnergy | Pause::BeforeEnergy | Pause::AfterEnergy));
        if is_energy { ENERGY_READINGS_APART } else { TICK }
    }

    /// What the present trial's environment was.
    pub(super) fn environment(&mut self, placement: Option<Placement>) -> Environment {
        let told = std::mem::take(&mut self.told);
        let is_bracketed = !told.before.is_empty() && !told.after.is_empty();
        let observation = match (is_bracketed, told.samples.is_empty()) {
            (false, _) => Observation::Unobserved,
            _ if self.times_itself => Observation::Around,
            (true, true) => Observation::Bracketed,
            (true, false) => Observation::Watched,
        };
        Environment { observation, placement, ..told }
    }

    /// What an inference of the present trial took in energy; `latency_ns` are those of its runs for energy.
    pub(super) fn energy(&mut self, latency_ns: Vec<Nanos>) -> Energy {
        let [idle_before, loaded, idle_after] = std::mem::take(&mut self.energy);
        let loop_seconds = match (loaded.first(), loaded.last()) {
            (Some(first), Some(last)) => last.at_seconds - first.at_seconds,
            _ => 0.0,
        };
        let runs = latency_ns.len() as u64;
        let every = [&idle_before, &loaded, &idle_after];
        let of = |indices: &[usize]| {
            let spans = every.map(|readings| self.span_of(readings, indices));
            let [Some(idle_before), Some(loaded), Some(idle_after)] = spans else { return None };
            energy::per_inference(&energy::Spans { idle_before, loaded, idle_after }, runs, loop_seconds)
        };
        let candidates: Vec<&Sensor> =
            self.energy_sensors.iter().map(|&index| &self.sensors.sensors()[index]).collect();
        let sources =
            candidates.iter().enumerate().map(|(index, sensor)| source(sensor, of(&[index]))).collect();
        let total = total_of(&candidates);
        let total_from: Vec<String> = total.iter().map(|&index| candidates[index].name.clone()).collect();
        let found = of(&total);
        let detail = match (&found, total.is_empty()) {
            (Some(_), _) => None,
            (None, true) => Some("this host has no sensor of power or energy".to_owned()),
            (None, false) => Some(format!(
                "{} did not tell throughout, or the {loop_seconds:.1} s of runs were too short for it",
                total_from.join(", ")
            )),
        };
        Energy {
            state: if found.is_some() { EnergyState::Measured } else { EnergyState::Unobservable },
            detail,
            joules_per_inference: found.map(|found| found.joules),
            interval: found.map(|found| JoulesInterval {
                low_joules: found.joules - found.half_width_joules,
                high_joules: found.joules + found.half_width_joules,
                confidence: stats::CONFIDENCE,
            }),
            total_from,
            sources,
            runs,
            loop_seconds,
            latency_ns,
            idle_before,
            loaded,
            idle_after,
        }
    }

    /// The energy of some sources together, by the readings in which all of them told; `None` where too many are missing.
    fn span_of(&self, readings: &[EnergyReading], indices: &[usize]) -> Option<energy::Stretch> {
        let is_whole =
            |reading: &&EnergyReading| indices.iter().all(|&index| reading.values[index].is_some());
        let whole: Vec<&EnergyReading> = readings.iter().filter(is_whole).collect();
        if (readings.len() - whole.len()) as f64 > readings.len() as f64 * MISSING_READINGS {
            return None;
        }
        let spans = indices.iter().map(|&index| {
            let points: Vec<(f64, f64)> = whole
                .iter()
                .filter_map(|reading| Some((reading.at_seconds, reading.values[index]?)))
                .collect();
            let sensor = &self.sensors.sensors()[self.energy_sensors[index]];
            match sensor.quantity {
                Quantity::Energy => energy::of_counter(&points, sensor.wraps_at_joules),
                _ => Some(energy::of_power(&points)),
            }
        });
        energy::sum(&spans.collect::<Option<Vec<_>>>()?)
    }

    fn reading(&mut self) -> Reading {
        Reading {
            build: self.build,
            process: self.process,
            at_seconds: self.started.elapsed().as_secs_f64(),
            values: self.sensors.read(),
        }
    }

    fn read_energy(&mut self, span: usize) {
        let at_seconds = self.started.elapsed().as_secs_f64();
        let values = self.energy_sensors.iter().map(|&index| self.sensors.read_one(index)).collect();
        self.energy[span].push(EnergyReading { at_seconds, values });
    }
}

/// How long the host is watched idle before the runs for energy, and as long again after them.
pub(crate) fn idle_beside_energy(energy_seconds: u32) -> Duration {
    (Duration::from_secs(energy_seconds.into()) / 2).max(SHORTEST_IDLE)
}

fn source(sensor: &Sensor, found: Option<energy::PerInference>) -> EnergySource {
    EnergySource {
        name: sensor.name.clone(),
        quantity: sensor.quantity,
        wraps_at_joules: sensor.wraps_at_joules,
        idle_watts: found.map(|found| found.idle_watts),
        loaded_watts: found.map(|found| found.loaded_watts),
        joules_per_inference: found.map(|found| found.joules),
    }
}

/// One environment of the trials of a configuration. A restart of the daemon between two of them may have found other sensors;
/// readings are put in the order of all.
pub(super) fn joined(trials: impl IntoIterator<Item = Environment>) -> Option<Environment> {
    let mut trials = trials.into_iter();
    let mut all = trials.next()?;
    for next in trials {
        let places: Vec<usize> = next
            .sensors
            .iter()
            .map(|sensor| {
                let is_same =
                    |known: &Sensor| (known.quantity, &known.name) == (sensor.quantity, &sensor.name);
                all.sensors.iter().position(is_same).unwrap_or_else(|| {
                    all.sensors.push(sensor.clone());
                    all.sensors.len() - 1
                })
            })
            .collect();
        let count = all.sensors.len();
        let placed = |reading: Reading| {
            let mut values = vec![None; count];
            places.iter().zip(reading.values).for_each(|(&place, value)| values[place] = value);
            Reading { values, ..reading }
        };
        for (into, from) in [
            (&mut all.before_warm_up, next.before_warm_up),
            (&mut all.before, next.before),
            (&mut all.samples, next.samples),
            (&mut all.after, next.after),
        ] {
            into.iter_mut().for_each(|reading| reading.values.resize(count, None));
            into.extend(from.into_iter().map(placed));
        }
        all.observation = all.observation.min(next.observation);
        all.unobservable.retain(|quantity| next.unobservable.contains(quantity));
        all.cooling.extend(next.cooling);
        all.placement = next.placement.or(all.placement);
    }
    Some(all)
}
