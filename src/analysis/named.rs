//! Dropped models that differ in one label: what a factor does that a person named.
//!
//! Labels of jobs are `key: value`; two models whose labels have the same keys and differ in one value are a
//! pair, and the key is the factor. A label that is the same everywhere says nothing. Data comes from cells
//! and rows, goes to findings and reports.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::analysis::cell::Cell;
use crate::analysis::compare::student_ratio;
use crate::analysis::contrast::Ratio;
use crate::analysis::row::Row;
use crate::stats::moderate::Variance;

/// Two levels of a label, over all pairs of models that differ in nothing else.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedContrast {
    /// The platform.
    pub platform: usize,
    /// The label's key.
    pub key: String,
    /// The level that is compared with.
    pub from: String,
    /// The level that is compared.
    pub to: String,
    /// The two cells of each pair.
    pub pairs: Vec<[usize; 2]>,
    /// Geometric mean of the operations' ratios, if all are known.
    pub operations: Option<f64>,
    /// Geometric mean of the latencies' ratios, `to` over `from`, with Student's interval.
    pub latency: Ratio,
}

/// Beyond this many levels only neighbours are compared.
const MOST_LEVELS_FOR_ALL_PAIRS: usize = 8;

type Labels<'a> = BTreeMap<&'a str, &'a str>;

/// The contrasts of all labels on each platform.
pub(super) fn contrasts(rows: &[Row], cells: &[Cell], variances: &[Option<Variance>]) -> Vec<NamedContrast> {
    let mut models: BTreeMap<usize, Vec<(usize, Labels<'_>)>> = BTreeMap::new();
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.configuration.is_none()) {
        models.entry(cell.platform).or_default().push((index, labels(rows, cell)));
    }
    let mut found = Vec::new();
    for (platform, models) in models {
        let keys: BTreeSet<&str> = models.iter().flat_map(|(_, labels)| labels.keys().copied()).collect();
        for key in keys {
            for ([from, to], pairs) in pairs(key, &models) {
                let weight = 1.0 / pairs.len() as f64;
                let mean = |read: &dyn Fn(usize) -> Option<f64>| -> Option<f64> {
                    let ratios = pairs.iter().map(|&[from, to]| Some((read(to)? / read(from)?).ln()));
                    Some(ratios.collect::<Option<Vec<f64>>>()?.iter().sum::<f64>() * weight)
                };
                let parts: Vec<Option<Variance>> = pairs
                    .iter()
                    .flatten()
                    .map(|&cell| variances[cell].map(|variance| variance.weighted(weight)))
                    .collect();
                let Some(latency) = mean(&|cell| Some(cells[cell].latency_ms.value)) else { continue };
                let operations = mean(&|cell| Some(cells[cell].cost?.operations as f64));
                found.push(NamedContrast {
                    platform,
                    key: key.to_owned(),
                    from: from.to_owned(),
                    to: to.to_owned(),
                    latency: student_ratio(latency, &parts),
                    operations: operations.map(f64::exp),
                    pairs,
                });
            }
        }
    }
    found
}

/// The labels that all results of a cell have in common.
fn labels<'a>(rows: &'a [Row], cell: &Cell) -> Labels<'a> {
    let mut all = cell.rows.iter().map(|&row| &rows[row].labels);
    let Some(first) = all.next() else { return Labels::new() };
    let others: Vec<&BTreeMap<String, String>> = all.collect();
    let shared = first.iter().filter(|(key, value)| others.iter().all(|one| one.get(*key) == Some(value)));
    shared.map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// For each two levels of a key, the pairs of models that have them and are the same in every other label.
fn pairs<'a>(key: &str, models: &[(usize, Labels<'a>)]) -> Vec<([&'a str; 2], Vec<[usize; 2]>)> {
    // By the other labels, then by level; a level that two models share names none of them.
    let mut lines: BTreeMap<Labels<'a>, BTreeMap<&'a str, Option<usize>>> = BTreeMap::new();
    for (cell, labels) in models {
        let mut others = labels.clone();
        let Some(level) = others.remove(key) else { continue };
        let line = lines.entry(others).or_default();
        line.entry(level).and_modify(|known| *known = None).or_insert(Some(*cell));
    }
    let mut levels: Vec<&str> = lines.values().flat_map(|line| line.keys().copied()).collect();
    sort(&mut levels);
    levels.dedup();
    let reach = if levels.len() > MOST_LEVELS_FOR_ALL_PAIRS { 1 } else { levels.len() };
    let mut found = Vec::new();
    for (place, &from) in levels.iter().enumerate() {
        for &to in levels[place + 1..].iter().take(reach) {
            let cell = |line: &BTreeMap<&str, Option<usize>>, level: &str| *line.get(level)?;
            let pairs: Vec<[usize; 2]> =
                lines.values().filter_map(|line| Some([cell(line, from)?, cell(line, to)?])).collect();
            if !pairs.is_empty() {
                found.push(([from, to], pairs));
            }
        }
    }
    found
}

/// As numbers if all are, else as texts.
fn sort(levels: &mut [&str]) {
    let number = |level: &str| level.parse::<f64>().ok().filter(|number| number.is_finite());
    if levels.iter().all(|level| number(level).is_some()) {
        levels.sort_by(|one, other| {
            number(one).unwrap_or_default().total_cmp(&number(other).unwrap_or_default()).then(one.cmp(other))
        });
    } else {
        levels.sort_unstable();
    }
}
