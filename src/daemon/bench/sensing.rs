//! The host's sensors around and within the trials of one configuration. Their readings go into its bundle.
//!
//! The sensors are found before the first trial and released after the last: an idle daemon holds none. They
//! are read while the worker waits for it, and at most once a second within the timed runs; nothing is judged
//! here.

use std::time::{Duration, Instant};

use crate::bundle::format::{
    ClockSpan, Cooling, Energy, EnergyReading, EnergySource, EnergyState, Environment, Graphics,
    JoulesInterval, Observation, Placement, Quantity, Reading, Sensor, TrialId,
};
use crate::host::clocks::{Clocks, Drift};
use crate::host::nvml::watch::watch;
use crate::host::sensors::{Sensors, total_of};
use crate::host::{self, HostRoot};
use crate::stats::{self, energy};
use crate::units::Nanos;
use crate::worker::parent::TICK;
use crate::worker::protocol::Pause;

/// Samples are a second apart at first, and a 1800th of the span so far if that is more: a trial of a week
/// then leaves some twelve thousand of them, and one of half an hour as many seconds.
const SPAN_PER_SAMPLE: u32 = 1800;

/// Between two readings while energy is measured. Nothing is timed then, and ten a second follow a board's
/// power.
const ENERGY_READINGS_APART: Duration = Duration::from_millis(100);

/// The shortest time for which an idle host is observed: half a second of it is discarded, and as much again
/// is too short to measure.
const SHORTEST_IDLE: Duration = Duration::from_secs(2);

/// Fraction of the readings of a span that a sensor may miss: one bus error does not spoil a minute, and what
/// is left of twenty readings still follows the power.
const MISSING_READINGS: f64 = 0.05;

/// The sensors, and their readings of the present trial.
#[derive(Debug)]
pub(super) struct Sensing {
    sensors: Sensors,
    /// Indices of those that measure power or energy.
    energy_sensors: Vec<usize>,
    energy_seconds: u32,
    /// The graphics card that the job asks for.
    graphics: Option<Graphics>,
    /// The runtime's program times itself, and does not pause before.
    times_itself: bool,
    trial: TrialId,
    started: Instant,
    /// Where the worker was last, until the next pause.
    after: Option<Pause>,
    span_began: Instant,
    sample_at: Instant,
    root: HostRoot,
    /// The clocks right before the timed runs.
    clocks_before: Option<Clocks>,
    observed: Environment,
    energy: [Vec<EnergyReading>; 3],
}

impl Sensing {
    /// Find the host's sensors, and those of the graphics card to which CUDA gives that number.
    pub(super) fn find(root: &HostRoot, times_itself: bool, cuda_device: Option<u32>) -> Self {
        // A Jetson's GPU has its sensors in sysfs.
        let device = cuda_device.filter(|_| host::family(root).name != "jetson");
        let (graphics, cards) = device.map(|device| watch(root, device)).unzip();
        let sensors = Sensors::find_with(root, cards.flatten());
        let mut energy_sensors = sensors.of(Quantity::Power);
        energy_sensors.extend(sensors.of(Quantity::Energy));
        // The first reading looks for the kernel's fast clocks, which is not to happen while a worker lives.
        Clocks::read(root);
        let now = Instant::now();
        Self {
            sensors,
            energy_sensors,
            energy_seconds: 0,
            graphics,
            times_itself,
            trial: TrialId { build: 1, process: 0 },
            started: now,
            after: None,
            span_began: now,
            sample_at: now,
            root: root.clone(),
            clocks_before: None,
            observed: Environment::default(),
            energy: Default::default(),
        }
    }

    /// The sensors themselves, between trials.
    pub(super) fn sensors(&mut self) -> &mut Sensors {
        &mut self.sensors
    }

    /// A trial begins.
    pub(super) fn begin(&mut self, trial: TrialId, energy_seconds: u32) {
        self.trial = trial;
        self.energy_seconds = energy_seconds;
        self.after = None;
        self.clocks_before = None;
        self.observed = Environment {
            sensors: self.sensors.sensors().to_vec(),
            unobservable: self.sensors.unobservable(),
            graphics: self.graphics.clone(),
            ..Environment::default()
        };
        self.energy = Default::default();
    }

    /// Its worker is started now, after any wait.
    pub(super) fn worker_starts(&mut self) {
        self.started = Instant::now();
    }

    /// The present trial.
    pub(super) fn trial(&self) -> TrialId {
        self.trial
    }

    /// The wait for a cool host before this trial.
    pub(super) fn cooled(&mut self, cooling: Cooling) {
        self.observed.cooling.push(cooling);
    }

    /// The worker waits: read, and return for how long it should wait.
    pub(super) fn pause(&mut self, at: Pause) -> Duration {
        // A span begins after these readings and ends before them.
        match at {
            Pause::BeforeWarmUp => {
                let reading = self.reading();
                self.observed.before_warm_up.push(reading);
            }
            Pause::BeforeTiming => {
                let reading = self.reading();
                self.observed.before.push(reading);
                self.clocks_before = Some(Clocks::read(&self.root));
            }
            Pause::AfterTiming => {
                let span = self.clock_span();
                self.observed.clocks.extend(span);
                let reading = self.reading();
                self.observed.after.push(reading);
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
                self.observed.samples.push(reading);
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

    /// The environment of the present trial.
    pub(super) fn environment(&mut self, placement: Option<Placement>) -> Environment {
        let observed = std::mem::take(&mut self.observed);
        let is_bracketed = !observed.before.is_empty() && !observed.after.is_empty();
        let observation = match (is_bracketed, observed.samples.is_empty()) {
            (false, _) => Observation::Unobserved,
            _ if self.times_itself => Observation::Around,
            (true, true) => Observation::Bracketed,
            (true, false) => Observation::Watched,
        };
        Environment { observation, placement, ..observed }
    }

    /// The energy of an inference of the present trial; `latency_ns` are from its energy runs.
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
        let (total, not_known) = match total_of(&candidates) {
            Ok(total) => (total, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        let total_from: Vec<String> = total.iter().map(|&index| candidates[index].name.clone()).collect();
        let found = of(&total).filter(|_| not_known.is_none());
        let too_short = || {
            format!(
                "{} did not tell throughout, or the {loop_seconds:.1} s of runs were too short for it",
                total_from.join(", ")
            )
        };
        let detail = if found.is_some() { None } else { Some(not_known.unwrap_or_else(too_short)) };
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

    /// The energy of some sources together, from the readings that all of them gave; `None` if too many are
    /// missing.
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

    /// What the clocks did since right before the timed runs.
    fn clock_span(&mut self) -> Option<ClockSpan> {
        let Drift { seconds, stepped_seconds, suspended_seconds } =
            Clocks::read(&self.root).since(&self.clocks_before.take()?);
        let TrialId { build, process } = self.trial;
        Some(ClockSpan { build, process, seconds, stepped_seconds, suspended_seconds })
    }

    fn reading(&mut self) -> Reading {
        Reading {
            build: self.trial.build,
            process: self.trial.process,
            at_seconds: self.started.elapsed().as_secs_f64(),
            values: self.sensors.read(),
        }
    }

    fn read_energy(&mut self, span: usize) {
        let at_seconds = self.started.elapsed().as_secs_f64();
        let values = self.sensors.read_some(&self.energy_sensors);
        self.energy[span].push(EnergyReading { at_seconds, values });
    }
}

/// How long the idle host is observed before the energy runs, and as long again after them.
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
