//! Where the variance of latencies comes from: builds, processes, or runs.

use std::collections::BTreeMap;

/// Components of variance, in the square of the unit of the values. A component that comes out below zero is
/// zero: it is smaller than chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Components {
    /// Between builds; `None` with fewer than two.
    pub(crate) builds: Option<f64>,
    /// Between processes of one build; `None` if no build has two.
    pub(crate) processes: Option<f64>,
    /// Between runs of one process.
    pub(crate) runs: f64,
}

/// Moments of the runs of one process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ProcessMoments {
    /// Its build.
    pub(crate) build: u32,
    /// Number of runs.
    pub(crate) count: usize,
    /// Their mean.
    pub(crate) mean: f64,
    /// Their variance, divisor n − 1.
    pub(crate) variance: f64,
}

/// The nested analysis of variance of Kalibera and Jones ("Rigorous benchmarking in reasonable time", ISMM
/// 2013, §6.1), with the harmonic mean for numbers of runs or processes that differ: what is left of the
/// variance of the means at one level after the share that the level below it explains. `None` if no process
/// has two runs.
pub(crate) fn split(processes: &[ProcessMoments]) -> Option<Components> {
    let several: Vec<&ProcessMoments> = processes.iter().filter(|process| process.count > 1).collect();
    let runs = average(several.iter().map(|process| process.variance))?;
    let per_process = harmonic(processes.iter().map(|process| process.count as f64))?;
    let mut of_builds: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for process in processes {
        of_builds.entry(process.build).or_default().push(process.mean);
    }
    let between =
        |means: &[f64]| super::sample::standard_deviation(means).map(|deviation| deviation * deviation);
    let of_processes = average(of_builds.values().filter_map(|means| between(means)));
    let of_means: Vec<f64> = of_builds.values().filter_map(|means| super::sample::mean(means)).collect();
    let per_build = harmonic(of_builds.values().map(|means| means.len() as f64))?;
    // With one process a build, the variance of its mean is all that its runs say.
    let below = of_processes.unwrap_or(runs / per_process);
    Some(Components {
        builds: between(&of_means).map(|variance| (variance - below / per_build).max(0.0)),
        processes: of_processes.map(|variance| (variance - runs / per_process).max(0.0)),
        runs,
    })
}

fn average(values: impl Iterator<Item = f64>) -> Option<f64> {
    super::sample::mean(&values.collect::<Vec<f64>>())
}

fn harmonic(values: impl Iterator<Item = f64>) -> Option<f64> {
    average(values.map(f64::recip)).map(f64::recip)
}
