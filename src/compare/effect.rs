//! How much slower or faster B is, and how sure that is: a ratio of latencies with its interval.
//!
//! The unit is the build where a side has several, else the process, else the run. On a logarithmic scale a
//! side is the mean of its units; sides are independent, unless both were measured in pairs. Intervals are
//! Student's.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::hypothesis::ASSUMED_BETWEEN_PROCESSES;
use crate::analysis::process::RowProcess;
use crate::analysis::row::Row;
use crate::bundle::format::VerdictState;
use crate::compare::matching::AlikeRows;
use crate::compare::{COMPARISON_LABEL, PAIR_LABEL};
use crate::stats::dependence::Dependence;
use crate::stats::moderate::{Prior, Variance, of_sum, prior};
use crate::stats::sample::{mean, standard_deviation};
use crate::stats::student::{student_quantile, two_sided_probability};
use crate::stats::{CONFIDENCE, Span};

/// With this many samples of units, each variance is moderated by the others; two or three of them may look
/// alike by chance, and would then be taken for one large sample. In studies of so many cells the intervals
/// of moderated variances have the coverage that they should (`tests/desk/analysis.rs`).
const FEWEST_FOR_PRIOR: usize = 24;

/// Half a nanosecond in milliseconds, for a process all of whose runs were too short for the clock.
const SHORTEST_MS: f64 = 5e-7;

/// What is repeated on both sides, and is the unit of the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeated {
    /// Builds, each with its processes: the interval covers other builds.
    Builds,
    /// Processes: the interval covers other processes of these builds.
    Processes,
    /// Runs: the interval covers other runs of these two processes, and no other process.
    Runs,
}

/// A ratio of B to A.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// The estimate.
    pub value: f64,
    /// Its 95 % interval; `None` if there is no repetition.
    pub interval: Option<Span>,
}

impl Change {
    /// The same times a constant.
    pub(super) fn times(self, constant: f64) -> Self {
        let interval =
            self.interval.map(|ends| Span { low: ends.low * constant, high: ends.high * constant });
        Self { value: self.value * constant, interval }
    }
}

/// Latency of B over latency of A.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// The ratio.
    #[serde(flatten)]
    pub change: Change,
    /// What its interval covers.
    pub unit: Repeated,
    /// Units of A, and of B.
    pub units: [usize; 2],
    /// If the sides were measured in pairs: how many, and how alike the two of a pair are.
    pub pairs: Option<Pairing>,
    /// Standard error of the logarithm of the ratio.
    pub standard_error: Option<f64>,
    /// Its degrees of freedom; `None` for infinitely many.
    pub degrees_of_freedom: Option<f64>,
    /// What a verdict is based on: as above, and for single processes with what processes are assumed to
    /// differ by.
    #[serde(skip)]
    pub(super) judged: Option<Variance>,
    /// Logarithm of the mean latency of A in milliseconds.
    #[serde(skip)]
    pub(super) a_log: f64,
    /// Likewise of B.
    #[serde(skip)]
    pub(super) b_log: f64,
}

/// Pairs of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pairing {
    /// How many.
    pub count: usize,
    /// Correlation between the two of a pair; `None` if one side does not vary.
    pub correlation: Option<f64>,
}

/// Whether something went wrong or was odd.
pub(super) fn is_suspect(row: &Row) -> bool {
    row.verdict == VerdictState::Suspect
}

/// What all groups with several units together say about how much units differ.
pub(super) fn prior_of<'a>(groups: impl Iterator<Item = &'a AlikeRows<'a>>) -> Option<Prior> {
    let variances: Vec<Variance> =
        groups.filter_map(|group| own(&logarithms(group, has_builds(group)))).collect();
    (variances.len() >= FEWEST_FOR_PRIOR).then(|| prior(&variances)).flatten()
}

/// The ratio of two groups.
pub(super) fn effect(a: &AlikeRows<'_>, b: &AlikeRows<'_>, prior: Option<Prior>) -> Effect {
    if let Some(paired) = paired(a, b) {
        return paired;
    }
    let builds = has_builds(a) || has_builds(b);
    let (ours, theirs) = (logarithms(a, builds), logarithms(b, builds));
    let units = [ours.len(), theirs.len()];
    let (a_log, b_log) = (mean(&ours).unwrap_or_default(), mean(&theirs).unwrap_or_default());
    let between = between(&ours, &theirs, prior);
    let (unit, variance, judged) = match between {
        Some(parts) => {
            let variance = of_sum(&parts);
            (if builds { Repeated::Builds } else { Repeated::Processes }, Some(variance), Some(variance))
        }
        None => {
            let parts = within(a).zip(within(b));
            let assumed = ASSUMED_BETWEEN_PROCESSES * ASSUMED_BETWEEN_PROCESSES;
            let judged =
                parts.map(|(one, other)| of_sum(&[one, other, Variance::own(2.0 * assumed, f64::INFINITY)]));
            (Repeated::Runs, parts.map(|(one, other)| of_sum(&[one, other])), judged)
        }
    };
    Effect {
        change: change(b_log - a_log, variance),
        unit,
        units,
        pairs: None,
        standard_error: variance.map(|variance| variance.value.sqrt()),
        degrees_of_freedom: variance.and_then(finite),
        judged,
        a_log,
        b_log,
    }
}

/// Two-sided probability of a logarithm this far from `from`, if that were the truth.
pub(super) fn probability(logarithm: f64, from: f64, variance: Variance) -> f64 {
    let distance = logarithm - from;
    // Identical units: no distance is no difference, and any is one.
    if distance == 0.0 {
        return 1.0;
    }
    two_sided_probability(distance / variance.value.sqrt(), variance.degrees_of_freedom)
}

fn change(logarithm: f64, variance: Option<Variance>) -> Change {
    let interval = variance.map(|variance| {
        let reach =
            student_quantile(0.5 + CONFIDENCE / 2.0, variance.degrees_of_freedom) * variance.value.sqrt();
        Span { low: (logarithm - reach).exp(), high: (logarithm + reach).exp() }
    });
    Change { value: logarithm.exp(), interval }
}

fn finite(variance: Variance) -> Option<f64> {
    variance.degrees_of_freedom.is_finite().then_some(variance.degrees_of_freedom)
}

fn has_builds(group: &AlikeRows<'_>) -> bool {
    group.rows.iter().any(|row| row.builds.len() > 1)
}

/// Logarithms of the units' means, in milliseconds.
fn logarithms(group: &AlikeRows<'_>, builds: bool) -> Vec<f64> {
    let logarithm = |milliseconds: f64| milliseconds.max(SHORTEST_MS).ln();
    let rows = group.rows.iter();
    match builds {
        true => rows.flat_map(|row| &row.builds).map(|build| logarithm(build.mean_ms)).collect(),
        false => rows.flat_map(|row| &row.processes).map(|process| logarithm(process.mean_ms())).collect(),
    }
}

fn own(logarithms: &[f64]) -> Option<Variance> {
    let deviation = standard_deviation(logarithms)?;
    Some(Variance::own(deviation * deviation, (logarithms.len() - 1) as f64))
}

/// The variances of both means from how the units differ. A side of one unit is taken to vary as the others
/// do, or else as the other side does; `None` if nothing is known of either.
fn between(ours: &[f64], theirs: &[f64], prior: Option<Prior>) -> Option<[Variance; 2]> {
    let moderated = |side: &[f64]| match (prior, own(side)) {
        (Some(prior), own) => Some(prior.moderated(own)),
        (None, own) => own,
    };
    let of_mean = |variance: Variance, side: &[f64]| variance.weighted((side.len() as f64).sqrt().recip());
    let parts = match (moderated(ours), moderated(theirs)) {
        (Some(one), Some(other)) => [of_mean(one, ours), of_mean(other, theirs)],
        // One variance for both: its weight is the sum of the two.
        (Some(one), None) | (None, Some(one)) => {
            let weight = ours.len() as f64;
            let weight = (weight.recip() + (theirs.len() as f64).recip()).sqrt();
            return Some([one.weighted(weight), Variance { value: 0.0, ..one }]);
        }
        (None, None) => return None,
    };
    Some(parts)
}

/// The variance of the logarithm of the mean of a single process, from its runs; `None` for a single run.
fn within(group: &AlikeRows<'_>) -> Option<Variance> {
    let process: &RowProcess = group.rows.first()?.processes.first()?;
    let runs: Vec<f64> = process.milliseconds().collect();
    let centre = mean(&runs)?.max(SHORTEST_MS);
    let (variance, degrees) = Dependence::of(&runs)?.variance_of_mean()?;
    Some(Variance::own(variance / (centre * centre), degrees))
}

/// The effect if both sides were measured for one comparison, in at least two pairs.
fn paired(a: &AlikeRows<'_>, b: &AlikeRows<'_>) -> Option<Effect> {
    let (ours, theirs) = (numbered(a)?, numbered(b)?);
    if ours.0 != theirs.0 {
        return None;
    }
    let pairs: Vec<(f64, f64)> =
        ours.1.iter().filter_map(|(number, one)| Some((*one, *theirs.1.get(number)?))).collect();
    let differences: Vec<f64> = pairs.iter().map(|(one, other)| other - one).collect();
    let variance = own(&differences)?;
    let count = pairs.len() as f64;
    let variance = variance.weighted(count.sqrt().recip());
    let (one, other): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let (a_log, b_log) = (mean(&one)?, mean(&other)?);
    Some(Effect {
        change: change(b_log - a_log, Some(variance)),
        unit: Repeated::Processes,
        units: [one.len(), other.len()],
        pairs: Some(Pairing { count: one.len(), correlation: correlation(&one, &other) }),
        standard_error: Some(variance.value.sqrt()),
        degrees_of_freedom: finite(variance),
        judged: Some(variance),
        a_log,
        b_log,
    })
}

/// The comparison that a side was measured for, and its units by the number of their pair. `None` if a result
/// was measured for another one or for none, or if a number comes twice.
fn numbered<'a>(group: &AlikeRows<'a>) -> Option<(&'a str, BTreeMap<u64, f64>)> {
    let mut comparison = None;
    let mut units = BTreeMap::new();
    for row in &group.rows {
        let own = row.labels.get(COMPARISON_LABEL)?.as_str();
        if *comparison.get_or_insert(own) != own {
            return None;
        }
        let number = row.labels.get(PAIR_LABEL)?.parse().ok()?;
        let logarithms: Vec<f64> =
            row.processes.iter().map(|process| process.mean_ms().max(SHORTEST_MS).ln()).collect();
        if units.insert(number, mean(&logarithms)?).is_some() {
            return None;
        }
    }
    Some((comparison?, units))
}

/// Pearson's.
fn correlation(one: &[f64], other: &[f64]) -> Option<f64> {
    let (centre, middle) = (mean(one)?, mean(other)?);
    let products: f64 = one.iter().zip(other).map(|(one, other)| (one - centre) * (other - middle)).sum();
    let scale = standard_deviation(one)? * standard_deviation(other)? * (one.len() - 1) as f64;
    (scale > 0.0).then(|| products / scale)
}
