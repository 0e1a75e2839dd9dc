//! The protocol `rigorous`: is another process needed, and how many runs has it? Pure: the same past gives
//! the same answer, so a restart goes on where it was.
//!
//! The unit of the interval is the highest level that varies: builds for a runtime that compiles, else
//! processes. First comes a pilot. Its components of variance and its costs give the numbers of runs and of
//! processes that tell most in a given time (Kalibera and Jones, "Rigorous benchmarking in reasonable time",
//! ISMM 2013, §6.2): r_i = √(c_{i+1} / c_i · T_i² / T_{i+1}²). Then units follow until the t interval of
//! their means is as narrow as asked. Whether it is, is not looked up after each unit: at each look as many
//! are planned as the deviation so far asks for (Stein, "A two-sample test for a linear hypothesis whose
//! power is independent of the variance", *Annals of Mathematical Statistics* 16(3), 1945), because stopping
//! at the first interval that happens to be narrow makes intervals that cover too rarely.

use super::dependence::Dependence;
use super::variance::{ProcessMoments, split};
use super::{CONFIDENCE, Span, sample};
use crate::bundle::format::{Interval, ReachedPrecision, RunAllocation, Stopped, Trial, TrialId};
use crate::stats::student::student_quantile;

/// Processes of the pilot of a runtime that compiles nothing: the t quantile of fewer is above 3.
pub(crate) const PILOT_PROCESSES: u32 = 5;

/// Builds of the pilot.
pub(crate) const PILOT_BUILDS: u32 = 3;

/// Processes of each build of the pilot: the fewest that separate builds from processes.
pub(crate) const PILOT_PROCESSES_OF_BUILD: u32 = 2;

/// Most processes, the limit of `measure.processes`.
pub(crate) const MOST_PROCESSES: u32 = 100;

/// Most builds, the limit of `measure.builds`.
pub(crate) const MOST_BUILDS: u32 = 20;

/// Most processes of a build, however little builds seem to differ after the pilot.
const MOST_PROCESSES_OF_BUILD: u32 = 5;

/// Fewest runs of a process: with fewer, how neighbouring runs resemble each other cannot be seen.
const FEWEST_RUNS: u32 = 20;

/// Most runs of a process, in multiples of those of the pilot: a pilot often shows no difference between
/// processes by chance.
const MOST_TIMES_PILOT: u32 = 4;

/// Confidence of the t quantile. Because the protocol decides when to stop, an interval taken at this
/// confidence covers the mean in about [`CONFIDENCE`] of the cases; `docs/METHOD.md` has the simulated
/// coverage.
const SEQUENTIAL_CONFIDENCE: f64 = 0.96;

/// An interval of few units has to be narrower by this part of one over their number: most of those that stop
/// early by chance are among them.
const EARLY_MARGIN: f64 = 1.5;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Aim {
    /// Half width of the interval, as a part of the mean.
    pub(crate) precision: f64,
    /// Time for all builds and processes.
    pub(crate) limit_seconds: f64,
    /// Time for a process after the pilot, as long as it has the fewest runs.
    pub(crate) longest_process_seconds: f64,
    /// Timed runs of each process of the pilot.
    pub(crate) pilot_runs: u32,
    /// Untimed runs of each process.
    pub(crate) warm_up_runs: u32,
    /// Most timed runs of a process.
    pub(crate) most_runs: u32,
    /// Most latencies of all processes, warm-up included.
    pub(crate) most_latencies: u64,
    /// Does each build give another program?
    pub(crate) builds_vary: bool,
}

/// A trial that is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PastTrial {
    id: TrialId,
    runs: u32,
    /// Of the timed runs, in milliseconds.
    mean: f64,
    /// Variance of independent runs that would determine the mean as well.
    variance: f64,
    /// Time for the timed runs.
    run_seconds: f64,
    /// Time for the whole process.
    seconds: f64,
}

impl PastTrial {
    /// `None` without latencies.
    pub(crate) fn of(trial: &Trial, seconds: f64) -> Option<Self> {
        let latencies = &trial.latencies.latency_ns;
        let values: Vec<f64> = latencies.iter().map(|latency| latency.as_milliseconds()).collect();
        let deviation = sample::standard_deviation(&values).unwrap_or(0.0);
        let effective = Dependence::of(&values)?.effective_count;
        Some(Self {
            id: trial.id,
            runs: u32::try_from(values.len()).unwrap_or(u32::MAX),
            mean: sample::mean(&values)?,
            variance: deviation * deviation * values.len() as f64 / effective,
            run_seconds: values.iter().sum::<f64>() / 1e3,
            seconds,
        })
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Next {
    /// This trial with so many timed runs, one of so many as far as can be told now.
    Trial { id: TrialId, runs: u32, expected: u32 },
    /// Nothing.
    Stop(ReachedPrecision),
}

/// What comes after `past`, in the order of its trials; `builds` has the seconds of each build that took any.
pub(crate) fn next(aim: &Aim, past: &[PastTrial], builds: &[f64]) -> Next {
    let course = Past { aim, trials: past, builds, units: units(aim, past) };
    let target = match course.target() {
        Ok(target) => target,
        Err(stopped) => return course.stop(stopped),
    };
    let allocation = course.allocation();
    let done = course.units.len() as u32;
    let (pilot, of_pilot) = course.pilot();
    let of_unit = |unit: u32| match allocation {
        Some(allocation) if unit > pilot => allocation.processes.unwrap_or(1),
        _ => of_pilot,
    };
    let in_last = course.units.last().map_or(0, |unit| unit.len() as u32);
    let (unit, process) =
        if done > 0 && in_last < of_unit(done) { (done, in_last + 1) } else { (done + 1, 1) };
    let runs = match allocation {
        Some(allocation) if unit > pilot => allocation.runs,
        _ => aim.pilot_runs.min(aim.most_runs),
    };
    if !past.is_empty() && course.seconds() + course.cost_of_next(runs, process) > aim.limit_seconds {
        return course.stop(Stopped::TimeUp);
    }
    let next_latencies = u64::from(runs) + u64::from(aim.warm_up_runs);
    if course.latencies() + next_latencies > aim.most_latencies {
        return course.stop(Stopped::MostLatencies);
    }
    let expected = (1..=target.max(unit)).map(of_unit).sum();
    let id = match aim.builds_vary {
        true => TrialId { build: unit, process },
        false => TrialId { build: 1, process: unit },
    };
    Next::Trial { id, runs, expected }
}

/// The processes of each build, or each process for itself.
fn units(aim: &Aim, past: &[PastTrial]) -> Vec<Vec<PastTrial>> {
    let mut units: Vec<Vec<PastTrial>> = Vec::new();
    for trial in past {
        match units.last_mut() {
            Some(unit) if aim.builds_vary && unit[0].id.build == trial.id.build => unit.push(*trial),
            _ => units.push(vec![*trial]),
        }
    }
    units
}

struct Past<'a> {
    aim: &'a Aim,
    trials: &'a [PastTrial],
    builds: &'a [f64],
    units: Vec<Vec<PastTrial>>,
}

impl Past<'_> {
    /// Units of the pilot, and processes of each.
    fn pilot(&self) -> (u32, u32) {
        if self.aim.builds_vary { (PILOT_BUILDS, PILOT_PROCESSES_OF_BUILD) } else { (PILOT_PROCESSES, 1) }
    }

    /// Units to come to before the next look, or why there are no more.
    fn target(&self) -> Result<u32, Stopped> {
        let most = if self.aim.builds_vary { MOST_BUILDS } else { MOST_PROCESSES };
        let mut target = self.pilot().0;
        while self.is_complete(target) {
            let means = means(&self.units[..target as usize]);
            let Some(Width { half, mean, deviation, quantile }) = width(&means) else { break };
            let wanted = self.aim.precision * mean * (1.0 - EARLY_MARGIN / f64::from(target));
            if half <= wanted {
                return Err(Stopped::Precise);
            }
            if target >= most {
                return Err(Stopped::MostProcesses);
            }
            let needed = (quantile * deviation / wanted).powi(2).ceil();
            target = (needed.min(f64::from(most)) as u32).clamp(target + 1, most.min(2 * target));
        }
        Ok(target)
    }

    /// Are there so many units, the last one with all its processes?
    fn is_complete(&self, units: u32) -> bool {
        let of_pilot = self.pilot();
        let Some(last) = self.units.get(units as usize - 1) else { return false };
        let wanted = match units > of_pilot.0 {
            true => self.allocation().and_then(|allocation| allocation.processes).unwrap_or(1),
            false => of_pilot.1,
        };
        last.len() as u32 >= wanted
    }

    /// After Kalibera and Jones, from the pilot; `None` before it is complete.
    fn allocation(&self) -> Option<RunAllocation> {
        let (units, processes) = self.pilot();
        let pilot = self.trials.get(..(units * processes) as usize)?;
        let moments: Vec<ProcessMoments> = pilot
            .iter()
            .map(|trial| ProcessMoments {
                build: trial.id.build,
                count: trial.runs as usize,
                mean: trial.mean,
                variance: trial.variance,
            })
            .collect();
        let average = |of: fn(&PastTrial) -> f64| pilot.iter().map(of).sum::<f64>() / pilot.len() as f64;
        let run_seconds = average(|trial| trial.run_seconds / f64::from(trial.runs));
        let process_seconds = average(|trial| (trial.seconds - trial.run_seconds).max(0.0));
        let build_seconds = self.aim.builds_vary.then(|| sample::mean(self.builds).unwrap_or(0.0));
        let components = split(&moments)?;
        let best = |cost_above: f64, cost: f64, own: f64, above: Option<f64>| {
            // Zero over zero: nothing varies, and the fewest will do.
            let ratio = cost_above / cost * own / above.unwrap_or(0.0);
            if ratio.is_nan() { 1.0 } else { ratio.sqrt().ceil() }
        };
        let runs = best(process_seconds, run_seconds, components.runs, components.processes);
        let in_time = ((self.aim.longest_process_seconds - process_seconds) / run_seconds).max(0.0);
        let in_time = if in_time.is_nan() { u32::MAX } else { in_time as u32 };
        let most = self.aim.pilot_runs.saturating_mul(MOST_TIMES_PILOT).min(self.aim.most_runs);
        let fewest = FEWEST_RUNS.min(most);
        let most = most.min(in_time).max(fewest);
        let runs = runs.min(f64::from(most)) as u32;
        let processes = build_seconds.map(|build_seconds| {
            let own = components.processes.unwrap_or(0.0);
            let processes =
                best(build_seconds, process_seconds + run_seconds * f64::from(runs), own, components.builds);
            processes.clamp(1.0, f64::from(MOST_PROCESSES_OF_BUILD)) as u32
        });
        let runs = runs.max(fewest);
        Some(RunAllocation { runs, processes, run_seconds, process_seconds, build_seconds })
    }

    fn seconds(&self) -> f64 {
        self.trials.iter().map(|trial| trial.seconds).sum::<f64>() + self.builds.iter().sum::<f64>()
    }

    fn latencies(&self) -> u64 {
        let runs: u64 = self.trials.iter().map(|trial| u64::from(trial.runs)).sum();
        runs + u64::from(self.aim.warm_up_runs) * self.trials.len() as u64
    }

    /// Seconds that the next process will take, by those before; with its build if it is the first of one.
    fn cost_of_next(&self, runs: u32, process: u32) -> f64 {
        let count = self.trials.len().max(1) as f64;
        let sum = |of: fn(&PastTrial) -> f64| self.trials.iter().map(of).sum::<f64>();
        let run = sum(|trial| trial.run_seconds) / sum(|trial| f64::from(trial.runs)).max(1.0);
        let around = sum(|trial| (trial.seconds - trial.run_seconds).max(0.0)) / count;
        let is_first_of_build = self.aim.builds_vary && process == 1;
        let build = if is_first_of_build { sample::mean(self.builds).unwrap_or(0.0) } else { 0.0 };
        around + f64::from(runs) * run + build
    }

    fn stop(&self, stopped: Stopped) -> Next {
        let means = means(&self.units);
        let mean = sample::mean(&means).unwrap_or(0.0);
        let width = width(&means);
        let is_beyond_pilot = self.units.len() as u32 > self.pilot().0;
        Next::Stop(ReachedPrecision {
            stopped,
            mean,
            interval: width.map(|it| {
                let Span { low, high } = Span { low: it.mean - it.half, high: it.mean + it.half };
                Interval { low, high, confidence: CONFIDENCE }
            }),
            precision_percent: width.filter(|it| it.mean > 0.0).map(|it| it.half / it.mean * 100.0),
            seconds: self.seconds(),
            allocation: self.allocation().filter(|_| is_beyond_pilot),
        })
    }
}

fn means(units: &[Vec<PastTrial>]) -> Vec<f64> {
    let of_unit =
        |unit: &Vec<PastTrial>| unit.iter().map(|trial| trial.mean).sum::<f64>() / unit.len() as f64;
    units.iter().map(of_unit).collect()
}

/// The interval of a mean of independent values.
#[derive(Debug, Clone, Copy)]
struct Width {
    mean: f64,
    half: f64,
    deviation: f64,
    quantile: f64,
}

fn width(means: &[f64]) -> Option<Width> {
    let (mean, deviation) = (sample::mean(means)?, sample::standard_deviation(means)?);
    let quantile = student_quantile(0.5 + SEQUENTIAL_CONFIDENCE / 2.0, means.len() as f64 - 1.0);
    Some(Width { mean, half: quantile * deviation / (means.len() as f64).sqrt(), deviation, quantile })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::split_mix_64;

    const AIM: Aim = Aim {
        precision: 0.01,
        limit_seconds: 1e6,
        longest_process_seconds: 1e5,
        pilot_runs: 100,
        warm_up_runs: 10,
        most_runs: 1_000_000,
        most_latencies: 10_000_000,
        builds_vary: false,
    };

    fn uniform(state: &mut u64) -> f64 {
        ((split_mix_64(state) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Standard normal, after Box and Muller.
    fn normal(state: &mut u64) -> f64 {
        let (radius, angle) = (uniform(state), uniform(state));
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// A device: deviations of builds, processes and runs as parts of 10 ms, and the seconds they take.
    struct Device {
        deviations: [f64; 3],
        seconds: [f64; 3],
        state: u64,
        build: f64,
    }

    impl Device {
        fn new(deviations: [f64; 3], seconds: [f64; 3], seed: u64) -> Self {
            Self { deviations, seconds, state: seed, build: 0.0 }
        }

        /// Measures until the protocol stops.
        fn measure(&mut self, aim: &Aim) -> (ReachedPrecision, Vec<PastTrial>) {
            let (mut past, mut builds) = (Vec::new(), Vec::new());
            loop {
                let (id, runs) = match next(aim, &past, &builds) {
                    Next::Stop(reached) => return (reached, past),
                    Next::Trial { id, runs, .. } => (id, runs),
                };
                if id.process == 1 && aim.builds_vary {
                    self.build = normal(&mut self.state) * self.deviations[0];
                    builds.push(self.seconds[0]);
                }
                let process = normal(&mut self.state) * self.deviations[1];
                let of_runs = self.deviations[2] / f64::from(runs).sqrt() * normal(&mut self.state);
                let run_seconds = f64::from(runs) * self.seconds[2];
                past.push(PastTrial {
                    id,
                    runs,
                    mean: 10.0 * (1.0 + self.build + process + of_runs),
                    variance: (10.0 * self.deviations[2]).powi(2),
                    run_seconds,
                    seconds: self.seconds[1] + run_seconds,
                });
            }
        }
    }

    #[test]
    fn steady_device_stops_after_the_pilot_and_a_varying_one_when_it_is_as_narrow_as_asked() {
        let (reached, past) = Device::new([0.0, 0.001, 0.01], [0.0, 1.0, 0.01], 1).measure(&AIM);
        assert_eq!((reached.stopped, past.len()), (Stopped::Precise, PILOT_PROCESSES as usize));
        assert_eq!(reached.allocation, None);
        let (reached, past) = Device::new([0.0, 0.03, 0.01], [0.0, 1.0, 0.01], 1).measure(&AIM);
        assert_eq!(reached.stopped, Stopped::Precise);
        assert!(past.len() > 20 && past.len() < 100, "{}", past.len());
        assert!(reached.precision_percent.unwrap() <= 1.0);
        assert!(past.iter().enumerate().all(|(index, trial)| trial.id.process == index as u32 + 1));
    }

    #[test]
    fn runs_and_processes_are_allocated_as_kalibera_and_jones_do() {
        // √(4 s / 0.01 s · (0.05² / 0.05²)) = 20 runs, within the noise of a pilot's components; so the
        // components are planted exactly: process means ± d about 10 with variance of runs v.
        let trial = |process: u32, mean: f64| PastTrial {
            id: TrialId { build: 1, process },
            runs: 100,
            mean,
            variance: 4.0,
            run_seconds: 1.0,
            seconds: 5.0,
        };
        let past: Vec<PastTrial> = [9.0, 9.5, 10.0, 10.5, 11.0]
            .iter()
            .enumerate()
            .map(|(at, mean)| trial(at as u32 + 1, *mean))
            .collect();
        // Variance of the means 0.625, less 4 / 100: T₂² = 0.585; √(4 / 0.01 · 4 / 0.585) = 52.3.
        let Next::Trial { id, runs, expected } = next(&AIM, &past, &[]) else { panic!("stopped") };
        assert_eq!((id.process, runs, expected), (6, 53, 10));
        let of_build = |build: u32, process: u32, mean: f64| PastTrial {
            id: TrialId { build, process },
            ..trial(process, mean)
        };
        let past = [
            of_build(1, 1, 9.0),
            of_build(1, 2, 10.0),
            of_build(2, 1, 10.0),
            of_build(2, 2, 11.0),
            of_build(3, 1, 10.5),
            of_build(3, 2, 11.5),
        ];
        // Variance of processes 0.5 − 0.04 = 0.46, so √(4 / 0.01 · 4 / 0.46) = 59 runs; of builds (9.5,
        // 10.5, 11) 0.5833 − 0.5 / 2 = 0.3333; √(600 / (4 + 0.59) · 0.46 / 0.3333) = 13.4, at most 5.
        let aim = Aim { builds_vary: true, ..AIM };
        let Next::Trial { id, runs, expected } = next(&aim, &past, &[600.0; 3]) else { panic!("stopped") };
        assert_eq!((id.build, id.process, runs), (4, 1, 59));
        assert_eq!(expected, 3 * 2 + 3 * 5);
        // With builds of 10 s: √(10 / 4.59 · 1.38) = 1.7.
        let Next::Trial { expected, .. } = next(&aim, &past, &[10.0; 3]) else { panic!("stopped") };
        assert_eq!(expected, 3 * 2 + 3 * 2);
    }

    #[test]
    fn time_that_is_up_and_limits_stop_it_and_say_so() {
        let noisy = || Device::new([0.0, 0.2, 0.01], [0.0, 1.0, 0.01], 7);
        let (reached, past) = noisy().measure(&Aim { limit_seconds: 20.0, ..AIM });
        assert_eq!(reached.stopped, Stopped::TimeUp);
        assert!(reached.seconds <= 20.0 && reached.seconds > 17.0 && past.len() >= 5, "{reached:?}");
        assert!(reached.precision_percent.unwrap() > 1.0);
        let (reached, past) = noisy().measure(&Aim { limit_seconds: 1.0, ..AIM });
        assert_eq!((reached.stopped, past.len(), reached.interval), (Stopped::TimeUp, 1, None));
        let (reached, past) = noisy().measure(&AIM);
        assert_eq!((reached.stopped, past.len()), (Stopped::MostProcesses, 100));
        let (reached, past) = noisy().measure(&Aim { most_latencies: 1000, ..AIM });
        assert_eq!(reached.stopped, Stopped::MostLatencies);
        assert!(past.iter().map(|trial| trial.runs + 10).sum::<u32>() <= 1000);
        let (reached, past) =
            Device::new([0.2, 0.01, 0.01], [5.0, 1.0, 0.01], 3).measure(&Aim { builds_vary: true, ..AIM });
        assert_eq!(reached.stopped, Stopped::MostProcesses);
        assert_eq!(past.last().unwrap().id.build, MOST_BUILDS);
    }

    #[test]
    fn intervals_cover_the_mean_as_often_as_they_say_although_they_decide_when_to_stop() {
        for (deviations, builds_vary) in
            [([0.0, 0.01, 0.02], false), ([0.0, 0.02, 0.05], false), ([0.015, 0.01, 0.02], true)]
        {
            let aim = Aim { builds_vary, ..AIM };
            let covered = (0..2000)
                .filter(|seed| {
                    let mut device = Device::new(deviations, [10.0, 1.0, 0.01], seed * 7919);
                    let interval = device.measure(&aim).0.interval.unwrap();
                    (interval.low..=interval.high).contains(&10.0)
                })
                .count();
            let share = covered as f64 / 2000.0;
            println!("coverage {share} for {deviations:?}");
            assert!((0.93..=0.975).contains(&share), "{share} for {deviations:?}");
        }
    }

    #[test]
    fn values_that_do_not_vary_and_zeros_are_no_trouble() {
        let (reached, past) = Device::new([0.0; 3], [0.0; 3], 1).measure(&AIM);
        assert_eq!(
            (reached.stopped, reached.precision_percent, past.len()),
            (Stopped::Precise, Some(0.0), 5)
        );
        let zero = PastTrial {
            id: TrialId { build: 1, process: 1 },
            runs: 1,
            mean: 0.0,
            variance: 0.0,
            run_seconds: 0.0,
            seconds: 0.0,
        };
        let past: Vec<PastTrial> =
            (1..=5).map(|process| PastTrial { id: TrialId { build: 1, process }, ..zero }).collect();
        let Next::Stop(reached) = next(&AIM, &past, &[]) else { panic!("goes on") };
        assert_eq!((reached.stopped, reached.precision_percent), (Stopped::Precise, None));
    }
}
