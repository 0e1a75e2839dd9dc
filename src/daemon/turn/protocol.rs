//! Which trial of a configuration comes next: the protocol of its job. Pure; what was measured before a
//! restart counts like what was measured after it.

use super::{Course, Turn};
use crate::bundle::format::{AskedPrecision, Build, Protocol, ProtocolName, ReachedPrecision, TrialId};
use crate::bundle::read::MOST_LATENCIES;
use crate::runtime::Runtime;
use crate::spec::{JobConfiguration, Measure, MeasureProtocol};
use crate::stats::rigorous::{self, Aim, Next};

/// A process of `rigorous` takes at most this part of `measure.timeout_seconds`: a host that gets slower must
/// not run into it.
const PART_OF_TIMEOUT: f64 = 0.5;

/// And at most this part of `measure.time_limit_seconds`, so that there can be several.
const PART_OF_TIME_LIMIT: f64 = 0.1;

/// A trial to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextTrial {
    pub(crate) id: TrialId,
    /// Its timed runs.
    pub(crate) runs: u32,
    /// Which one of the configuration it is, from 1, and of how many, as far as can be told now.
    pub(crate) place: (u32, u32),
    /// Is it known to be the last one?
    pub(crate) is_last: bool,
}

impl Turn<'_> {
    /// The trial that comes next; `None` if there are enough.
    pub(crate) fn next_trial(&self, course: &Course) -> Option<NextTrial> {
        let measure = &self.job.measure;
        let MeasureProtocol::Rigorous { .. } = measure.protocol else {
            let builds = self.builds(course);
            let (build, done) = (1..=builds)
                .map(|build| (build, course.processes_done(build)))
                .find(|(_, done)| *done < measure.processes)?;
            let id = TrialId { build, process: done + 1 };
            let place = ((build - 1) * measure.processes + id.process, builds * measure.processes);
            return Some(NextTrial { id, runs: measure.timed_runs, place, is_last: place.0 == place.1 });
        };
        match rigorously(measure, self.chosen().runtime, course)? {
            Next::Stop(_) => None,
            Next::Trial { id, runs, expected } => {
                let number = course.past.len() as u32 + 1;
                Some(NextTrial { id, runs, place: (number, expected.max(number)), is_last: false })
            }
        }
    }
}

/// Builds, and processes of each, that a configuration has at least.
pub(crate) fn fewest_trials(chosen: &JobConfiguration, measure: &Measure) -> (u32, u32) {
    match measure.protocol {
        MeasureProtocol::Paper => (chosen.builds(measure), measure.processes),
        MeasureProtocol::Rigorous { .. } if chosen.runtime.compiles() => {
            (rigorous::PILOT_BUILDS, rigorous::PILOT_PROCESSES_OF_BUILD)
        }
        MeasureProtocol::Rigorous { .. } => (1, rigorous::PILOT_PROCESSES),
    }
}

/// The protocol as a bundle has it.
pub(crate) fn in_bundle(measure: &Measure, runtime: &Runtime, course: &Course) -> Protocol {
    match measure.protocol {
        MeasureProtocol::Paper => Protocol { name: ProtocolName::Paper, asked: None, reached: None },
        MeasureProtocol::Rigorous { precision_percent, time_limit_seconds } => Protocol {
            name: ProtocolName::Rigorous,
            asked: Some(AskedPrecision { precision_percent, time_limit_seconds }),
            reached: reached(measure, runtime, course),
        },
    }
}

fn reached(measure: &Measure, runtime: &Runtime, course: &Course) -> Option<ReachedPrecision> {
    // A trial that failed has latencies and is none of the past.
    let is_whole = course.trials.len() == course.past.len();
    match rigorously(measure, runtime, course).filter(|_| is_whole)? {
        Next::Stop(reached) => Some(reached),
        Next::Trial { .. } => None,
    }
}

/// `None` for another protocol.
fn rigorously(measure: &Measure, runtime: &Runtime, course: &Course) -> Option<Next> {
    let MeasureProtocol::Rigorous { precision_percent, time_limit_seconds } = measure.protocol else {
        return None;
    };
    let builds: Vec<f64> = course.preparation.iter().filter_map(|build| build.seconds).collect();
    // A model that came compiled has a build that took no time.
    let came_compiled = course.preparation.iter().any(|build: &Build| build.seconds.is_none());
    let most_runs = runtime.most_runs.unwrap_or(u32::MAX).saturating_sub(measure.warm_up_runs).max(1);
    let limit_seconds = f64::from(time_limit_seconds);
    let aim = Aim {
        precision: precision_percent / 100.0,
        limit_seconds,
        longest_process_seconds: (PART_OF_TIMEOUT * f64::from(measure.timeout_seconds))
            .min(PART_OF_TIME_LIMIT * limit_seconds),
        pilot_runs: measure.timed_runs,
        warm_up_runs: measure.warm_up_runs,
        most_runs,
        most_latencies: MOST_LATENCIES,
        builds_vary: runtime.compiles() && !came_compiled,
    };
    Some(rigorous::next(&aim, &course.past, &builds))
}
