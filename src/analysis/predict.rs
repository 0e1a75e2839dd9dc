//! Latencies of configurations that were not measured, from those that were; always marked as predicted.
//!
//! A linear model of the logarithm of latency: operations, bytes moved, and a constant for each block, each
//! kernel and each number format, by least squares. Its error is that of leaving each cell out in turn and
//! predicting it from the others. Data comes from cells and from the cost of the paper's family.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::analysis::cell::Cell;
use crate::analysis::factor;
use crate::analysis::row::Row;
use crate::bundle::format::Configuration;
use crate::network::configuration::{Configuration as Theta, Precision};
use crate::network::count_configuration::cost;
use crate::stats::sample::percentile;

/// Predictions for a platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The platform.
    pub platform: usize,
    /// Cells that the model was fitted to.
    pub fitted: usize,
    /// Median of |predicted / measured − 1| over the cells, each predicted from the others.
    pub median_error: f64,
    /// The error that one cell in ten exceeds.
    pub error_90: f64,
    /// The coefficients, by name.
    pub coefficients: BTreeMap<String, f64>,
    /// Configurations of the paper's family that have no cell.
    pub(crate) predicted: Vec<Predicted>,
}

/// One configuration that was not measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Predicted {
    /// Its name.
    pub subject: String,
    /// Predicted mean latency in milliseconds.
    pub latency_ms: f64,
    /// Predicted operations per second.
    pub throughput: f64,
    /// How it ended, if it was tried: a prediction does not say whether it compiles.
    pub tried: Option<String>,
}

/// A model needs this many cells beyond its coefficients before its error means anything.
const FEWEST_TO_SPARE: usize = 6;

/// The paper's family has ten. A fit takes the cube of their number, and bundles may name any number of
/// blocks.
const MOST_COEFFICIENTS: usize = 64;

/// The prediction of one platform, whose cells' places in `cells` begin at `offset`; `None` if too few were
/// measured, or they have too many levels.
pub(super) fn predict(platform: usize, rows: &[Row], cells: &[Cell]) -> Option<Prediction> {
    let known: Vec<(&Configuration, f64, f64, f64)> = cells
        .iter()
        .filter_map(|cell| {
            let cost = cell.cost?;
            let logarithm = cell.latency_ms.value.ln();
            Some((cell.configuration.as_ref()?, cost.operations as f64, cost.bytes_moved as f64, logarithm))
        })
        .collect();
    let features = Features::of(known.iter().map(|(configuration, ..)| *configuration));
    let count = features.names.len();
    if known.len() < count + FEWEST_TO_SPARE || count > MOST_COEFFICIENTS {
        return None;
    }
    let design: Vec<Vec<f64>> = known
        .iter()
        .map(|(configuration, operations, bytes, _)| features.row(configuration, *operations, *bytes))
        .collect::<Option<_>>()?;
    let logarithms: Vec<f64> = known.iter().map(|(.., logarithm)| *logarithm).collect();
    let fit = Fit::new(&design, &logarithms)?;
    let errors: Vec<f64> = fit
        .errors_when_left_out(&design, &logarithms)
        .iter()
        .map(|error| (error.exp() - 1.0).abs())
        .collect();
    Some(Prediction {
        platform,
        fitted: known.len(),
        median_error: percentile(&errors, 50.0)?,
        error_90: percentile(&errors, 90.0)?,
        coefficients: features.names.iter().cloned().zip(fit.coefficients.iter().copied()).collect(),
        predicted: unmeasured(platform, rows, cells, &features, &fit),
    })
}

fn unmeasured(
    platform: usize,
    rows: &[Row],
    cells: &[Cell],
    features: &Features,
    fit: &Fit,
) -> Vec<Predicted> {
    let measured: BTreeSet<&str> = cells.iter().map(|cell| cell.subject.as_str()).collect();
    let tried: BTreeMap<String, String> = rows
        .iter()
        .filter(|row| row.platform == Some(platform) && row.cell.is_none())
        .filter_map(|row| Some((factor::name(row.configuration.as_ref()?), super::contrast::why(row))))
        .collect();
    let precisions = Precision::ALL.iter().filter(|precision| features.has("precision", precision.name()));
    precisions
        .flat_map(|&precision| Theta::family(precision))
        .filter_map(|theta| {
            let configuration = Configuration {
                name: theta.to_string(),
                block: theta.block().name.to_owned(),
                kernel: theta.kernel(),
                batch: theta.batch(),
                input: theta.input(),
                precision: theta.precision().name().to_owned(),
                width_percent: theta.width_percent(),
                depths: theta.depths(),
            };
            if measured.contains(configuration.name.as_str())
                || !features.has("block", &configuration.block)
                || !features.has("kernel", &configuration.kernel.to_string())
            {
                return None;
            }
            let cost = cost(&theta);
            let operations = cost.operations() as f64;
            let row = features.row(&configuration, operations, cost.bytes_moved() as f64)?;
            let latency_ms = dot(&row, &fit.coefficients).exp();
            Some(Predicted {
                latency_ms,
                throughput: operations * 1e3 / latency_ms,
                tried: tried.get(&configuration.name).cloned(),
                subject: configuration.name,
            })
        })
        .collect()
}

/// What the model knows of a configuration.
#[derive(Debug)]
struct Features {
    /// `constant`, `ln operations`, `ln bytes moved`, and one for each level but the first of its factor.
    names: Vec<String>,
    /// Every level that was measured, the first included.
    levels: BTreeSet<String>,
}

impl Features {
    fn of<'a>(configurations: impl Iterator<Item = &'a Configuration>) -> Self {
        let mut by_factor: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for configuration in configurations {
            for (factor, level) in Self::levels_of(configuration) {
                by_factor.entry(factor).or_default().insert(format!("{factor} {level}"));
            }
        }
        let mut names = vec!["constant".to_owned(), "ln operations".to_owned(), "ln bytes moved".to_owned()];
        names.extend(by_factor.values().flat_map(|levels| levels.iter().skip(1).cloned()));
        Self { names, levels: by_factor.into_values().flatten().collect() }
    }

    fn levels_of(configuration: &Configuration) -> [(&'static str, String); 3] {
        [
            ("block", configuration.block.clone()),
            ("kernel", configuration.kernel.to_string()),
            ("precision", configuration.precision.clone()),
        ]
    }

    fn has(&self, factor: &str, level: &str) -> bool {
        self.levels.contains(&format!("{factor} {level}"))
    }

    /// `None` if a number has no logarithm.
    fn row(&self, configuration: &Configuration, operations: f64, bytes: f64) -> Option<Vec<f64>> {
        let mut row = vec![0.0; self.names.len()];
        (row[0], row[1], row[2]) = (1.0, operations.ln(), bytes.ln());
        for (factor, level) in Self::levels_of(configuration) {
            let name = format!("{factor} {level}");
            if let Some(place) = self.names.iter().position(|known| *known == name) {
                row[place] = 1.0;
            }
        }
        row.iter().all(|value| value.is_finite()).then_some(row)
    }
}

/// A least-squares fit.
#[derive(Debug)]
struct Fit {
    coefficients: Vec<f64>,
    /// Lower triangle of the Cholesky factor of XᵀX.
    factor: Vec<Vec<f64>>,
}

/// Added to the diagonal as a part of it, so that factors which always change together share what they
/// explain.
const RIDGE: f64 = 1e-9;

impl Fit {
    fn new(design: &[Vec<f64>], targets: &[f64]) -> Option<Self> {
        let size = design.first()?.len();
        let column = |place: usize| design.iter().map(move |row| row[place]);
        let mut matrix: Vec<Vec<f64>> = (0..size)
            .map(|i| (0..size).map(|j| column(i).zip(column(j)).map(|(a, b)| a * b).sum()).collect())
            .collect();
        (0..size).for_each(|i| matrix[i][i] *= 1.0 + RIDGE);
        let right: Vec<f64> = (0..size).map(|i| column(i).zip(targets).map(|(a, b)| a * b).sum()).collect();
        let factor = cholesky(&matrix)?;
        let coefficients = backward(&factor, &forward(&factor, &right));
        Some(Self { coefficients, factor })
    }

    /// Logarithm of predicted over measured for each row, predicted from the others: e / (1 − h) with the
    /// leverage h (Allen, "The relationship between variable selection and data augmentation and a method for
    /// prediction", *Technometrics* 16(1), 1974).
    fn errors_when_left_out(&self, design: &[Vec<f64>], targets: &[f64]) -> Vec<f64> {
        // A row that alone decides a coefficient has a leverage of one, and nothing to be checked by.
        const LARGEST_LEVERAGE: f64 = 1.0 - 1e-6;
        design
            .iter()
            .zip(targets)
            .map(|(row, target)| {
                let leverage: f64 = forward(&self.factor, row).iter().map(|part| part * part).sum();
                (dot(row, &self.coefficients) - target) / (1.0 - leverage.min(LARGEST_LEVERAGE))
            })
            .collect()
    }
}

fn cholesky(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let size = matrix.len();
    let mut factor = vec![vec![0.0; size]; size];
    for i in 0..size {
        for j in 0..=i {
            let rest = matrix[i][j] - dot(&factor[i][..j], &factor[j][..j]);
            factor[i][j] = if i == j { rest.sqrt() } else { rest / factor[j][j] };
        }
        // Not a number if the columns are more dependent than the ridge can correct.
        if factor[i][i].is_nan() || factor[i][i] <= 0.0 {
            return None;
        }
    }
    Some(factor)
}

/// Solves L z = right.
fn forward(factor: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut solution: Vec<f64> = Vec::with_capacity(right.len());
    for (row, value) in factor.iter().zip(right) {
        let place = solution.len();
        solution.push((value - dot(&row[..place], &solution)) / row[place]);
    }
    solution
}

/// Solves Lᵀ x = right.
fn backward(factor: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let size = right.len();
    let mut solution = vec![0.0; size];
    for i in (0..size).rev() {
        let rest: f64 = (i + 1..size).map(|j| factor[j][i] * solution[j]).sum();
        solution[i] = (right[i] - rest) / factor[i][i];
    }
    solution
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}
