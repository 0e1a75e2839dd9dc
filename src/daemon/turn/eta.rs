//! When a job will be done, by what its trials took so far. Pure.

use super::{Course, Turn, fewest_trials};
use crate::bundle::format::Role;
use crate::spec::{JobConfiguration, MeasureProtocol};

/// Trials that are alike enough to tell each other's duration: networks of a study differ, and a study in
/// random order has seen a fair sample of them soon.
type TrialKind = (&'static str, Role);

/// The rest of a job.
struct Rest {
    /// Seconds of each finished trial of this configuration.
    here: Vec<f64>,
    kind: TrialKind,
    /// Its trials to come, the next one included.
    to_come: u32,
    /// TrialKind and seconds of each finished trial of the job.
    taken: Vec<(TrialKind, f64)>,
    /// Later configurations.
    later: Vec<Later>,
}

/// A later configuration.
struct Later {
    kind: TrialKind,
    trials: u32,
    /// More seconds it will not take.
    limit: f64,
}

/// Seconds until the job is done; `None` before its first trial is. Trial `place.0` of `place.1` of this
/// configuration is next.
pub(crate) fn seconds(turn: &Turn<'_>, course: &Course, place: (u32, u32)) -> Option<f64> {
    let (job, measure) = (turn.job, &turn.job.measure);
    let earlier = turn.progress.trials.iter().filter(|trial| trial.configuration < turn.configuration);
    let of_earlier = earlier.filter_map(|trial| {
        Some((kind(job.configurations.get(trial.configuration - 1)?), trial.wall_seconds))
    });
    let of_this = course.walls.iter().map(|seconds| (kind(turn.chosen()), *seconds));
    let later = job.configurations[turn.configuration..].iter().map(|chosen| {
        let (builds, processes) = fewest_trials(chosen, measure);
        let (trials, limit) = match measure.protocol {
            MeasureProtocol::Paper => (builds * processes, f64::INFINITY),
            // As many as this one needs, for want of better.
            MeasureProtocol::Rigorous { time_limit_seconds, .. } => {
                ((builds * processes).max(place.1), time_limit_seconds.into())
            }
        };
        Later { kind: kind(chosen), trials, limit }
    });
    let rest = Rest {
        here: course.walls.clone(),
        kind: kind(turn.chosen()),
        to_come: place.1 - place.0 + 1,
        taken: of_earlier.chain(of_this).collect(),
        later: later.collect(),
    };
    rest.seconds()
}

impl Rest {
    /// The rest of this configuration takes as long for each trial as its trials took so far, later ones as
    /// those of the same kind, or as all if there is none yet.
    fn seconds(&self) -> Option<f64> {
        let all = mean(self.taken.iter().map(|(_, seconds)| *seconds))?;
        let of = |kind: TrialKind| {
            let alike = self.taken.iter().filter(|(other, _)| *other == kind);
            mean(alike.map(|(_, seconds)| *seconds)).unwrap_or(all)
        };
        let here = mean(self.here.iter().copied()).unwrap_or_else(|| of(self.kind));
        let later =
            self.later.iter().map(|later| (f64::from(later.trials) * of(later.kind)).min(later.limit));
        Some(here * f64::from(self.to_come) + later.sum::<f64>())
    }
}

fn kind(chosen: &JobConfiguration) -> TrialKind {
    (chosen.runtime.name, chosen.role)
}

fn mean(seconds: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = seconds.fold((0.0, 0.0), |(count, sum), seconds| (count + 1.0, sum + seconds));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: TrialKind = ("onnxruntime", Role::Configuration);
    const SLOW: TrialKind = ("tflite", Role::Configuration);
    const SENTINEL: TrialKind = ("onnxruntime", Role::Sentinel);

    fn later(kind: TrialKind, trials: u32) -> Later {
        Later { kind, trials, limit: f64::INFINITY }
    }

    #[test]
    fn later_trials_take_as_long_as_those_of_their_kind_and_unknown_kinds_as_all() {
        let rest = Rest {
            here: vec![3.0],
            kind: FAST,
            to_come: 2,
            taken: vec![(FAST, 1.0), (SENTINEL, 2.0), (FAST, 3.0)],
            later: vec![later(FAST, 10), later(SENTINEL, 1), later(SLOW, 3)],
        };
        // 2 × 3 s here; 10 × 2 s, 2 s, and 3 × 2 s of a kind without a trial.
        assert_eq!(rest.seconds(), Some(6.0 + 20.0 + 2.0 + 6.0));
        let limited = Later { limit: 5.0, ..later(FAST, 10) };
        let rest = Rest { here: vec![], later: vec![limited], ..rest };
        assert_eq!(rest.seconds(), Some(4.0 + 5.0), "nothing done here: as its kind");
        let unknown = Rest { here: vec![], taken: vec![], ..rest };
        assert_eq!(unknown.seconds(), None);
    }
}
