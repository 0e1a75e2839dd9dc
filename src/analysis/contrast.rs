//! Contrasts: what changes when one factor changes and nothing else does.
//!
//! Compares two levels of a factor in every pair of cells that differ in that factor only: each pair by
//! itself, and all together, averaged both ways. Pairs with a side missing are listed. Ratios are always `to`
//! over `from`. Data comes from cells and their replicates, goes to findings and reports.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::analysis::cell::{Cell, subject};
use crate::analysis::estimate::{Uncertainty, span};
use crate::analysis::factor::{FACTORS, Factor, Level};
use crate::analysis::row::{Row, word};
use crate::bundle::format::{Configuration, Status};
use crate::parallel;
use crate::stats::Span;
use crate::stats::moderate::{Variance, of_sum};

/// One level of a factor against another, on one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contrast {
    /// The platform.
    pub platform: usize,
    /// The block that all its networks have; `None` for a contrast over every block.
    pub within: Option<String>,
    /// The factor in which the two sides differ.
    pub factor: Factor,
    /// The level that is compared with.
    pub from: String,
    /// The level that is compared.
    pub to: String,
    /// Pairs that were measured on both sides.
    pub pairs: Vec<Pair>,
    /// Pairs with a side missing.
    pub missing: Vec<MissingPair>,
    /// Pairs with a suspect side.
    pub suspect_pairs: usize,
    /// Operations; `None` without pairs, or if those of any pair are unknown.
    pub operations: Option<Averages<f64>>,
    /// Latency; `None` without pairs.
    pub latency: Option<Averages<Ratio>>,
    /// Throughput; `None` as `operations`.
    pub throughput: Option<Averages<Ratio>>,
}

/// Two cells that differ in one factor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// What both have in common, with a `*` for the factor.
    pub others: String,
    /// Index of the cell that is compared with.
    pub from: usize,
    /// Index of the cell that is compared.
    pub to: usize,
    /// Ratio of the operations.
    pub operations: Option<f64>,
    /// Ratio of the operational densities.
    pub operational_density: Option<f64>,
    /// Ratio of the mean latencies.
    pub latency: Ratio,
    /// Ratio of the throughputs.
    pub throughput: Option<Ratio>,
}

/// A pair with at least one side missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MissingPair {
    /// What both have in common.
    pub others: String,
    /// Why the side that is compared with is missing; `None` if it is not.
    pub from: Option<String>,
    /// Why the side that is compared is missing; `None` if it is not.
    pub to: Option<String>,
}

/// The two ways to average ratios over pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Averages<T> {
    /// Every pair counts the same.
    pub mean_of_ratios: T,
    /// Every operation, or millisecond, counts the same: large networks outweigh small ones.
    pub ratio_of_means: T,
}

/// A ratio of two means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The estimate.
    pub value: f64,
    /// Its 95 % interval; `None` if the data supports none.
    pub interval: Option<Span>,
    /// Standard error of its logarithm.
    pub standard_error: Option<f64>,
    /// Degrees of freedom of that; `None` for infinitely many.
    pub degrees_of_freedom: Option<f64>,
}

impl Ratio {
    /// The same for c / ratio.
    fn under(self, constant: f64) -> Self {
        Self {
            value: constant / self.value,
            interval: self.interval.map(|interval| interval.under(constant)),
            ..self
        }
    }

    /// `from` over `to`.
    pub(crate) fn inverse(self) -> Self {
        self.under(1.0)
    }

    /// Is one outside its interval?
    pub(crate) fn is_beyond_interval(&self) -> bool {
        self.interval.is_some_and(|interval| interval.low > 1.0 || interval.high < 1.0)
    }
}

/// Beyond this many levels of a factor only neighbours are compared: a hundred widths would make five
/// thousand contrasts.
const MOST_LEVELS_FOR_ALL_PAIRS: usize = 8;

/// Design choices whose effect depends on the block, and is given within each as well.
const WITHIN_BLOCKS: &[Factor] = &[Factor::Kernel, Factor::Width, Factor::Depths];

/// What the contrasts of one platform are made of.
#[derive(Debug)]
pub(super) struct Material<'a> {
    pub(super) platform: usize,
    pub(super) rows: &'a [Row],
    /// All cells of the platform.
    pub(super) cells: &'a [Cell],
    /// Index of the first of them.
    pub(super) offset: usize,
    /// Those of the cells.
    pub(super) uncertainties: &'a [Uncertainty],
    pub(super) resamples: usize,
}

/// Every contrast of one platform.
pub(super) fn contrasts(of: &Material<'_>) -> Vec<Contrast> {
    compared(of, None, FACTORS)
}

/// The contrasts of [`WITHIN_BLOCKS`] within each block. They only describe: nothing is tested on them.
pub(super) fn within_blocks(of: &Material<'_>) -> Vec<Contrast> {
    let blocks: BTreeSet<Level> = of
        .cells
        .iter()
        .filter_map(|cell| cell.configuration.as_ref())
        .map(|configuration| Factor::Block.level(configuration))
        .collect();
    if blocks.len() < 2 {
        return Vec::new();
    }
    blocks.iter().flat_map(|block| compared(of, Some(block.text()), WITHIN_BLOCKS)).collect()
}

fn compared(of: &Material<'_>, within: Option<&str>, factors: &[Factor]) -> Vec<Contrast> {
    let grid = Grid::new(of, within);
    let mut comparisons = Vec::new();
    for &factor in factors {
        let levels: Vec<Level> = grid
            .configurations
            .values()
            .map(|presence| factor.level(presence.configuration))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        for (index, from) in levels.iter().enumerate() {
            let reach = if levels.len() > MOST_LEVELS_FOR_ALL_PAIRS { 1 } else { levels.len() };
            comparisons
                .extend(levels[index + 1..].iter().take(reach).map(|to| (factor, from.clone(), to.clone())));
        }
    }
    let lines: BTreeMap<Factor, Lines<'_>> =
        factors.iter().map(|&factor| (factor, grid.lines(factor))).collect();
    let made = parallel::map(&comparisons, |(factor, from, to)| {
        let mut contrast = Contrast {
            platform: of.platform,
            within: within.map(str::to_owned),
            factor: *factor,
            from: from.text().to_owned(),
            to: to.text().to_owned(),
            pairs: Vec::new(),
            missing: Vec::new(),
            suspect_pairs: 0,
            operations: None,
            latency: None,
            throughput: None,
        };
        for (others, line) in &lines[factor] {
            match (line.get(from), line.get(to)) {
                (None, None) => {}
                (Some(Presence { cell: Some(from), .. }), Some(Presence { cell: Some(to), .. })) => {
                    contrast.pairs.push(of.pair(others, *from, *to));
                }
                (from, to) => contrast.missing.push(MissingPair {
                    others: others.clone(),
                    from: why_missing(from),
                    to: why_missing(to),
                }),
            }
        }
        of.average(&mut contrast);
        contrast
    });
    made.into_iter().filter(|contrast| !(contrast.pairs.is_empty() && contrast.missing.is_empty())).collect()
}

/// What is known of a configuration on a platform.
#[derive(Debug)]
struct Presence<'a> {
    configuration: &'a Configuration,
    /// Its cell, counted from the platform's first.
    cell: Option<usize>,
    /// How it ended, if there is no cell.
    why: String,
}

/// By what is held fixed, then by the level.
type Lines<'a> = BTreeMap<String, BTreeMap<Level, &'a Presence<'a>>>;

/// Every configuration of a platform, measured or not.
#[derive(Debug)]
struct Grid<'a> {
    configurations: BTreeMap<String, Presence<'a>>,
}

impl<'a> Grid<'a> {
    fn new(of: &Material<'a>, within: Option<&str>) -> Self {
        let mut configurations: BTreeMap<String, Presence<'a>> = BTreeMap::new();
        let places: BTreeMap<&str, usize> =
            of.cells.iter().enumerate().map(|(index, cell)| (cell.subject.as_str(), index)).collect();
        for row in of.rows.iter().filter(|row| row.platform == Some(of.platform)) {
            let (Some(configuration), Some(name)) = (&row.configuration, subject(row)) else { continue };
            if within.is_some_and(|block| configuration.block != block) {
                continue;
            }
            let cell = places.get(name.as_str()).copied();
            configurations.entry(name).or_insert_with(|| Presence { configuration, cell, why: why(row) });
        }
        Self { configurations }
    }

    fn lines(&self, factor: Factor) -> Lines<'_> {
        let mut lines: Lines<'_> = BTreeMap::new();
        for presence in self.configurations.values() {
            let others = factor.others(presence.configuration);
            lines.entry(others).or_default().insert(factor.level(presence.configuration), presence);
        }
        lines
    }
}

/// How a row without usable numbers ended.
pub(crate) fn why(row: &Row) -> String {
    let status = word(&row.status).unwrap_or_default().replace('_', " ");
    match (&row.reason, row.status) {
        (_, Status::Measured) => "measured, and not usable".to_owned(),
        (Some(reason), _) => format!("{status}: {reason}"),
        (None, _) => status,
    }
}

fn why_missing(presence: Option<&&Presence<'_>>) -> Option<String> {
    match presence {
        None => Some("not in the data".to_owned()),
        Some(Presence { cell: Some(_), .. }) => None,
        Some(Presence { why, .. }) => Some(why.clone()),
    }
}

impl Material<'_> {
    fn pair(&self, others: &str, from: usize, to: usize) -> Pair {
        let (one, other) = (&self.cells[from], &self.cells[to]);
        let costs = one.cost.zip(other.cost);
        let operations = costs.map(|(one, other)| other.operations as f64 / one.operations as f64);
        let value = other.latency_ms.value / one.latency_ms.value;
        let parts = [self.part(from, 1.0), self.part(to, 1.0)];
        let latency = ratio(value, &parts, || self.replicates(from, to).collect());
        Pair {
            others: others.to_owned(),
            from: self.offset + from,
            to: self.offset + to,
            operations,
            operational_density: costs
                .map(|(one, other)| other.operational_density / one.operational_density),
            latency,
            throughput: operations.map(|operations| latency.under(operations)),
        }
    }

    /// Replicates of a latency ratio.
    fn replicates(&self, from: usize, to: usize) -> impl Iterator<Item = f64> {
        let (from, to) = (&self.uncertainties[from].replicates, &self.uncertainties[to].replicates);
        from.iter().zip(to).map(|(from, to)| to / from)
    }

    /// What a cell adds to the variance of the logarithm of an average in which it has that weight.
    fn part(&self, cell: usize, weight: f64) -> Option<Variance> {
        self.uncertainties[cell].variance.map(|variance| variance.weighted(weight))
    }

    fn average(&self, contrast: &mut Contrast) {
        let places: Vec<(usize, usize)> =
            contrast.pairs.iter().map(|pair| (pair.from - self.offset, pair.to - self.offset)).collect();
        if places.is_empty() {
            return;
        }
        let is_suspect =
            |&&(from, to): &&(usize, usize)| self.cells[from].is_suspect() || self.cells[to].is_suspect();
        contrast.suspect_pairs = places.iter().filter(is_suspect).count();
        let milliseconds = |cell: usize| self.cells[cell].latency_ms.value;
        contrast.latency = Some(Averages {
            mean_of_ratios: self.mean_of_ratios(&places, |_| 1.0, false),
            ratio_of_means: self.ratio_of_means(&places, milliseconds, |cell| {
                let replicates = self.uncertainties[cell].replicates.iter();
                Box::new(replicates.copied())
            }),
        });
        if !places.iter().all(|&(from, to)| self.cells[from].cost.and(self.cells[to].cost).is_some()) {
            return;
        }
        let operations: Vec<f64> =
            self.cells.iter().map(|cell| cell.cost.map_or(0.0, |cost| cost.operations as f64)).collect();
        let count = places.len() as f64;
        let sum = |side: fn(&(usize, usize)) -> usize| -> f64 {
            places.iter().map(|pair| operations[side(pair)]).sum()
        };
        contrast.operations = Some(Averages {
            mean_of_ratios: contrast.pairs.iter().filter_map(|pair| pair.operations).sum::<f64>() / count,
            ratio_of_means: sum(|pair| pair.1) / sum(|pair| pair.0),
        });
        contrast.throughput = Some(Averages {
            mean_of_ratios: self.mean_of_ratios(
                &places,
                |&(from, to)| operations[to] / operations[from],
                true,
            ),
            ratio_of_means: self.ratio_of_means(
                &places,
                |cell| operations[cell] / milliseconds(cell),
                |cell| {
                    let replicates = self.uncertainties[cell].replicates.iter();
                    let operations = operations[cell];
                    Box::new(replicates.map(move |replicate| operations / replicate))
                },
            ),
        });
    }

    /// Mean over the pairs of constant × latency ratio, or of constant / latency ratio.
    fn mean_of_ratios(
        &self,
        places: &[(usize, usize)],
        constant: impl Fn(&(usize, usize)) -> f64,
        is_inverse: bool,
    ) -> Ratio {
        let count = places.len() as f64;
        let apply = |constant: f64, ratio: f64| if is_inverse { constant / ratio } else { constant * ratio };
        let ratios: Vec<f64> = places
            .iter()
            .map(|pair| {
                let latency = self.cells[pair.1].latency_ms.value / self.cells[pair.0].latency_ms.value;
                apply(constant(pair), latency)
            })
            .collect();
        let sum: f64 = ratios.iter().sum();
        let parts: Vec<Option<Variance>> = places
            .iter()
            .zip(&ratios)
            .flat_map(|(&(from, to), ratio)| [self.part(from, ratio / sum), self.part(to, ratio / sum)])
            .collect();
        ratio(sum / count, &parts, || {
            let mut sums = vec![0.0; self.resamples];
            for pair in places {
                let constant = constant(pair);
                for (sum, ratio) in sums.iter_mut().zip(self.replicates(pair.0, pair.1)) {
                    *sum += apply(constant, ratio);
                }
            }
            sums.iter_mut().for_each(|sum| *sum /= count);
            sums
        })
    }

    /// Sum of a quantity over the one side divided by its sum over the other.
    fn ratio_of_means<'a>(
        &self,
        places: &[(usize, usize)],
        quantity: impl Fn(usize) -> f64,
        replicates: impl Fn(usize) -> Box<dyn Iterator<Item = f64> + 'a>,
    ) -> Ratio {
        let from: Vec<usize> = places.iter().map(|pair| pair.0).collect();
        let to: Vec<usize> = places.iter().map(|pair| pair.1).collect();
        let sum = |side: &[usize]| side.iter().map(|&cell| quantity(cell)).sum::<f64>();
        let (below, above) = (sum(&from), sum(&to));
        let parts: Vec<Option<Variance>> = from
            .iter()
            .map(|&cell| self.part(cell, quantity(cell) / below))
            .chain(to.iter().map(|&cell| self.part(cell, quantity(cell) / above)))
            .collect();
        ratio(above / below, &parts, || {
            let sums = |side: &[usize]| {
                let mut sums = vec![0.0; self.resamples];
                for &cell in side {
                    sums.iter_mut().zip(replicates(cell)).for_each(|(sum, replicate)| *sum += replicate);
                }
                sums
            };
            sums(&to).into_iter().zip(sums(&from)).map(|(above, below)| above / below).collect()
        })
    }
}

/// A ratio, with its interval if every part has a variance.
fn ratio(value: f64, parts: &[Option<Variance>], replicates: impl FnOnce() -> Vec<f64>) -> Ratio {
    let Some(parts) = parts.iter().copied().collect::<Option<Vec<Variance>>>() else {
        return Ratio { value, interval: None, standard_error: None, degrees_of_freedom: None };
    };
    let variance = of_sum(&parts);
    Ratio {
        value,
        interval: span(value, &replicates(), &parts),
        standard_error: Some(variance.value.sqrt()),
        degrees_of_freedom: finite(variance.degrees_of_freedom),
    }
}

/// `None` for infinitely many.
pub(super) fn finite(degrees_of_freedom: f64) -> Option<f64> {
    degrees_of_freedom.is_finite().then_some(degrees_of_freedom)
}
