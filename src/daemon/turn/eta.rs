//! When a job will be done, by what its trials took so far. Pure.

use std::collections::BTreeMap;

use super::{Course, Turn, fewest_trials};
use crate::bundle::format::Role;
use crate::spec::{JobConfiguration, MeasureProtocol};

/// Trials that are alike enough to tell each other's duration: networks of a study differ, and a study in
/// random order has seen a fair sample of them soon.
type Kind = (&'static str, Role);

/// Number of trials and their seconds, together.
type Taken = (f64, f64);

/// Seconds until the job is done; `None` before its first trial is. The rest of this configuration takes as
/// long for each trial as its trials took so far, later ones as those of the same runtime and role; trial
/// `place.0` of `place.1` is next. Later configurations of `rigorous` are taken to need as many trials as
/// this one.
pub(crate) fn seconds(turn: &Turn<'_>, course: &Course, place: (u32, u32)) -> Option<f64> {
    let earlier = turn.progress.trials.iter().filter(|trial| trial.configuration < turn.configuration);
    let mut taken: BTreeMap<Kind, Taken> = BTreeMap::new();
    let of_earlier = earlier.map(|trial| (trial.configuration, trial.wall_seconds));
    let of_this = course.walls.iter().map(|seconds| (turn.configuration, *seconds));
    for (configuration, seconds) in of_earlier.chain(of_this) {
        let Some(chosen) = turn.job.configurations.get(configuration - 1) else { continue };
        let (count, sum) = taken.entry(kind(chosen)).or_default();
        *count += 1.0;
        *sum += seconds;
    }
    let all = taken.values().fold((0.0, 0.0), |(count, sum), (more, seconds)| (count + more, sum + seconds));
    let mean_of = |chosen: &JobConfiguration| mean(taken.get(&kind(chosen)).copied().unwrap_or(all));
    let here = match course.walls.as_slice() {
        [] => mean_of(turn.chosen())?,
        walls => walls.iter().sum::<f64>() / walls.len() as f64,
    };
    let measure = &turn.job.measure;
    let of_later = |chosen: &JobConfiguration| {
        let (builds, processes) = fewest_trials(chosen, measure);
        let fewest = f64::from(builds) * f64::from(processes);
        let each = mean_of(chosen)?;
        Some(match measure.protocol {
            MeasureProtocol::Paper => fewest * each,
            MeasureProtocol::Rigorous { time_limit_seconds, .. } => {
                (fewest.max(f64::from(place.1)) * each).min(time_limit_seconds.into())
            }
        })
    };
    let later: f64 = turn.job.configurations[turn.configuration..].iter().filter_map(of_later).sum();
    Some(here * f64::from(place.1 - place.0 + 1) + later)
}

fn kind(chosen: &JobConfiguration) -> Kind {
    (chosen.runtime.name, chosen.role)
}

fn mean((count, sum): Taken) -> Option<f64> {
    (count > 0.0).then(|| sum / count)
}
