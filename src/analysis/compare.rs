//! Platforms side by side, and one machine before and after a change of its software or of its power state.
//!
//! Compares what both ran: cells of the same θ or the same model file. Replicates of one platform are dropped
//! before those of the next are made, so intervals here are Student's on a logarithmic scale. Data comes from
//! cells.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::cell::Cell;
use crate::analysis::contrast::{Ratio, finite};
use crate::analysis::platform::{Identity, Platform};
use crate::stats::moderate::{Variance, of_sum};
use crate::stats::student::student_quantile;
use crate::stats::{CONFIDENCE, Span};

/// Two platforms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The platform that is compared with.
    pub from: usize,
    /// The platform that is compared.
    pub to: usize,
    /// How they are related.
    pub relation: Relation,
    /// What of their software, processors online and power state differs, as keys of
    /// [`crate::analysis::platform::Software`] and, behind `power.`, of [`crate::analysis::platform::Power`],
    /// or `power` if one was not observed; empty between machines.
    pub differs_in: Vec<String>,
    /// Did both clocks cover the same? If not, the ratios say as much about that as about the platforms.
    pub comparable: bool,
    /// What both ran.
    pub pairs: Vec<ComparedPair>,
    /// Pairs with a suspect side.
    pub suspect_pairs: usize,
    /// Cells of `from` alone.
    pub only_from: usize,
    /// Cells of `to` alone.
    pub only_to: usize,
    /// Geometric mean of the latency ratios; `None` if they have no network in common.
    pub latency: Option<Ratio>,
    /// Geometric mean of the throughput ratios: the networks are the same, so it is one over the latency's.
    pub throughput: Option<Ratio>,
}

/// How two platforms are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The same machine with another version of its runtime, library, options, kernel or distribution,
    /// whatever its power state.
    SoftwareVersions,
    /// The same machine and software in another power state.
    PowerStates,
    /// Anything else.
    Platforms,
}

/// One network on two platforms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedPair {
    /// θ or model.
    pub subject: String,
    /// Index of the cell that is compared with.
    pub from: usize,
    /// Index of the cell that is compared.
    pub to: usize,
    /// Ratio of the mean latencies.
    pub latency: Ratio,
}

/// Up to so many platforms each is compared with each; a fleet is compared with its member that ran most, and
/// versions and power states of one machine with each other.
const MOST_FOR_ALL_PAIRS: usize = 6;

/// The comparisons of all platforms that ran anything.
pub(super) fn comparisons(
    platforms: &[Platform],
    cells: &[Cell],
    variances: &[Option<Variance>],
) -> Vec<Comparison> {
    let mut by_platform: Vec<BTreeMap<&str, usize>> = vec![BTreeMap::new(); platforms.len()];
    for (index, cell) in cells.iter().enumerate() {
        by_platform[cell.platform].insert(&cell.subject, index);
    }
    let with_cells: Vec<usize> =
        (0..platforms.len()).filter(|&index| !by_platform[index].is_empty()).collect();
    let reference =
        with_cells.iter().copied().max_by_key(|&index| (by_platform[index].len(), std::cmp::Reverse(index)));
    let mut found = Vec::new();
    for (place, &from) in with_cells.iter().enumerate() {
        for &to in &with_cells[place + 1..] {
            let relation = relation(&platforms[from], &platforms[to]);
            let wanted = with_cells.len() <= MOST_FOR_ALL_PAIRS
                || relation != Relation::Platforms
                || Some(from) == reference
                || Some(to) == reference;
            if wanted {
                let mut one = compare([from, to], &by_platform, cells, variances);
                one.relation = relation;
                (one.differs_in, one.comparable) = differences(&platforms[from], &platforms[to], relation);
                found.push(one);
            }
        }
    }
    found
}

fn relation(one: &Platform, other: &Platform) -> Relation {
    let (one, other) = (&one.identity, &other.identity);
    let runtime = |identity: &Identity| identity.software.as_ref().map(|software| software.runtime.clone());
    if !one.machine.is_same(&other.machine) || runtime(one) != runtime(other) {
        Relation::Platforms
    } else if one.software == other.software {
        Relation::PowerStates
    } else {
        Relation::SoftwareVersions
    }
}

/// What differs on the same machine, and whether both clocks covered the same.
fn differences(one: &Platform, other: &Platform, relation: Relation) -> (Vec<String>, bool) {
    let (one, other) = (&one.identity, &other.identity);
    let timed = |identity: &Identity| identity.software.as_ref().map(|software| software.timed.clone());
    let mut differing = Vec::new();
    if relation != Relation::Platforms {
        differing = differing_keys("", &one.software, &other.software);
        if one.machine.logical_cores != other.machine.logical_cores {
            differing.push("logical_cores".to_owned());
        }
        match (&one.power, &other.power) {
            (Some(one), Some(other)) => differing.extend(differing_keys("power.", one, other)),
            (None, None) => {}
            _ => differing.push("power".to_owned()),
        }
    }
    (differing, timed(one) == timed(other))
}

pub(crate) fn differing_keys<T: Serialize>(prefix: &str, one: &T, other: &T) -> Vec<String> {
    let keys = |value: &T| match serde_json::to_value(value) {
        Ok(serde_json::Value::Object(keys)) => keys,
        _ => serde_json::Map::new(),
    };
    let (one, other) = (keys(one), keys(other));
    let differs = one.iter().filter(|(key, value)| other.get(*key) != Some(*value));
    differs.map(|(key, _)| format!("{prefix}{key}")).collect()
}

fn compare(
    [from, to]: [usize; 2],
    by_platform: &[BTreeMap<&str, usize>],
    cells: &[Cell],
    variances: &[Option<Variance>],
) -> Comparison {
    let (ours, theirs) = (&by_platform[from], &by_platform[to]);
    let shared: Vec<(usize, usize)> =
        ours.iter().filter_map(|(subject, &from)| Some((from, *theirs.get(subject)?))).collect();
    let logarithm =
        |&(from, to): &(usize, usize)| (cells[to].latency_ms.value / cells[from].latency_ms.value).ln();
    let weighted = |cell: usize, weight: f64| variances[cell].map(|variance| variance.weighted(weight));
    let pairs: Vec<ComparedPair> = shared
        .iter()
        .map(|pair| ComparedPair {
            subject: cells[pair.0].subject.clone(),
            from: pair.0,
            to: pair.1,
            latency: student_ratio(logarithm(pair), &[weighted(pair.0, 1.0), weighted(pair.1, 1.0)]),
        })
        .collect();
    let latency = (!shared.is_empty()).then(|| {
        let weight = 1.0 / shared.len() as f64;
        let parts: Vec<Option<Variance>> =
            shared.iter().flat_map(|&(from, to)| [weighted(from, weight), weighted(to, weight)]).collect();
        student_ratio(shared.iter().map(logarithm).sum::<f64>() * weight, &parts)
    });
    Comparison {
        from,
        to,
        relation: Relation::Platforms,
        differs_in: Vec::new(),
        comparable: false,
        only_from: ours.len() - pairs.len(),
        only_to: theirs.len() - pairs.len(),
        suspect_pairs: shared
            .iter()
            .filter(|&&(from, to)| cells[from].is_suspect() || cells[to].is_suspect())
            .count(),
        pairs,
        throughput: latency.map(Ratio::inverse),
        latency,
    }
}

/// A ratio from its logarithm and the variances of what was added to it.
pub(super) fn student_ratio(logarithm: f64, parts: &[Option<Variance>]) -> Ratio {
    let value = logarithm.exp();
    let Some(parts) = parts.iter().copied().collect::<Option<Vec<Variance>>>() else {
        return Ratio { value, interval: None, standard_error: None, degrees_of_freedom: None };
    };
    let variance = of_sum(&parts);
    let error = variance.value.sqrt();
    let reach = student_quantile(0.5 + CONFIDENCE / 2.0, variance.degrees_of_freedom) * error;
    Ratio {
        value,
        interval: Some(Span { low: (logarithm - reach).exp(), high: (logarithm + reach).exp() }),
        standard_error: Some(error),
        degrees_of_freedom: finite(variance.degrees_of_freedom),
    }
}
