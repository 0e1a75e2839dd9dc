//! From rows to what they say: the paper's evaluation, automatic, for each platform.
//!
//! Pure: rows come from `collect`, an [`Analysis`] of plain numbers goes to reports. Everything in it names
//! the rows behind it, and what was excluded and why. Aggregates exclude rows that are not usable
//! ([`row::Row::usable`]) and mark suspect ones. `docs/METHOD.md` explains every number;
//! `tests/desk/recompute.py` computes them again.

use serde::Serialize;

use crate::parallel;
use crate::stats::moderate::Variance;
use crate::stats::resample::RESAMPLES;

pub(crate) mod advice;
pub mod build;
pub(crate) mod cause;
pub(crate) mod cell;
pub(crate) mod choice;
pub mod compare;
pub(crate) mod condition;
pub mod contrast;
#[cfg(test)]
mod contrast_tests;
pub(crate) mod device;
pub(crate) mod drift;
pub mod estimate;
pub(crate) mod factor;
pub(crate) mod figure;
pub mod finding;
pub(crate) mod hypothesis;
mod identity;
pub(crate) mod likeness;
pub(crate) mod named;
pub mod pareto;
pub(crate) mod peaks;
pub(crate) mod platform;
pub(crate) mod predict;
pub(crate) mod process;
pub(crate) mod resources;
pub(crate) mod roofline;
pub mod row;
mod significance;

/// Version of the form of [`Analysis`], raised when a key changes its meaning or goes.
pub const VERSION: u32 = 1;

/// Options of an analysis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnalysisOptions {
    /// Resamples behind each interval.
    pub resamples: usize,
    /// Seed of all resampling. The same rows, seed and resamples give the same numbers.
    pub seed: u64,
    /// Exclude suspect rows from aggregates as well.
    pub only_valid: bool,
    /// Which builds of each result its statistics cover.
    pub builds: build::Builds,
    /// Peaks to use instead of the measured ones; the first that applies to a roofline counts.
    pub peaks: Vec<peaks::GivenPeaks>,
}

impl Default for AnalysisOptions {
    fn default() -> Self {
        Self {
            resamples: RESAMPLES,
            seed: 1,
            only_valid: false,
            builds: build::Builds::default(),
            peaks: Vec::new(),
        }
    }
}

/// Everything that rows say. Indices refer to the lists of this value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// [`VERSION`].
    pub version: u32,
    /// How it was made.
    pub options: AnalysisOptions,
    /// The rows, in the order in which they came.
    pub rows: Vec<row::Row>,
    /// The platforms, by label.
    pub platforms: Vec<platform::Platform>,
    /// How the intervals of each platform were made, and what was left out of its aggregates.
    pub bases: Vec<cell::Basis>,
    /// The cells, by platform and subject.
    pub cells: Vec<cell::Cell>,
    /// What ran on each platform and what did not.
    pub feasibility: Vec<figure::Feasibility>,
    /// Figures 1 and 2 of the paper for each platform.
    pub figures: Vec<figure::Figure>,
    /// One-factor contrasts.
    pub contrasts: Vec<contrast::Contrast>,
    /// Contrasts of the design choices whose effect depends on the block, within each block.
    pub within_blocks: Vec<contrast::Contrast>,
    /// Dropped models that differ in one label.
    pub named: Vec<named::NamedContrast>,
    /// What to use for each task.
    pub choices: Vec<choice::Choice>,
    /// What the choices and contrasts of each platform come to, as sentences.
    pub advice: Vec<advice::Advice>,
    /// Contrasts of bottleneck against none (Fig. 3), as indices.
    pub bottlenecks: Vec<usize>,
    /// Rooflines.
    pub rooflines: Vec<roofline::Roofline>,
    /// Contradictions of the rooflines.
    pub contradictions: Vec<roofline::Contradiction>,
    /// What contradictions share.
    pub causes: Vec<cause::Cause>,
    /// Pareto fronts.
    pub(crate) fronts: Vec<pareto::Front>,
    /// Predictions of what was not measured.
    pub predictions: Vec<predict::Prediction>,
    /// Platforms side by side.
    pub comparisons: Vec<compare::Comparison>,
    /// Significant effects, largest first.
    pub findings: Vec<finding::Finding>,
    /// Sentinels over time, and where their level changed.
    pub(crate) devices: Vec<device::DeviceSeries>,
    /// Rows of jobs that never reached a runtime.
    pub without_platform: Vec<usize>,
}

/// What the cells of each platform say on their own.
struct OwnEffects {
    contrasts: Vec<contrast::Contrast>,
    within_blocks: Vec<contrast::Contrast>,
    /// Of each cell's mean, on a logarithmic scale.
    variances: Vec<Option<Variance>>,
}

/// Estimate the cells, and compare them within their platforms, whose cells follow each other.
fn own_effects(
    rows: &[row::Row],
    platforms: &[platform::Platform],
    cells: &mut [cell::Cell],
    bases: &mut [cell::Basis],
    options: &AnalysisOptions,
) -> OwnEffects {
    let (mut contrasts, mut within_blocks) = (Vec::new(), Vec::new());
    let mut variances = Vec::with_capacity(cells.len());
    let (mut offset, all_cells) = (0, cells.len());
    for (index, platform) in platforms.iter().enumerate() {
        let count = cells[offset..].iter().take_while(|cell| cell.platform == index).count();
        let own = &mut cells[offset..offset + count];
        let uncertainties = cell::estimate(rows, own, platform, &mut bases[index], options, all_cells);
        let material = contrast::Material {
            platform: index,
            rows,
            cells: own,
            offset,
            uncertainties: &uncertainties,
            resamples: bases[index].resamples,
        };
        contrasts.extend(contrast::contrasts(&material));
        within_blocks.extend(contrast::within_blocks(&material));
        variances.extend(uncertainties.iter().map(|uncertainty| uncertainty.variance));
        offset += count;
    }
    OwnEffects { contrasts, within_blocks, variances }
}

/// What the rows say.
pub fn analyse(mut rows: Vec<row::Row>, options: AnalysisOptions) -> Analysis {
    rows.iter_mut().for_each(|row| row.choose(options.builds));
    let platforms = platform::assign(&mut rows);
    let (mut cells, mut bases) = cell::group(&mut rows, &platforms, &options);
    let OwnEffects { contrasts, within_blocks, variances } =
        own_effects(&rows, &platforms, &mut cells, &mut bases, &options);
    let numbers: Vec<usize> = (0..platforms.len()).collect();
    let of = |platform: usize| {
        let start = cells.partition_point(|cell| cell.platform < platform);
        &cells[start..start + cells[start..].partition_point(|cell| cell.platform == platform)]
    };
    let predictions = parallel::map(&numbers, |&platform| predict::predict(platform, &rows, of(platform)));
    let comparisons = compare::comparisons(&platforms, &cells, &variances);
    let mut contradictions = roofline::contradictions(&contrasts, &cells);
    let named = named::contrasts(&rows, &cells, &variances);
    let grounds = hypothesis::Grounds {
        named: &named,
        platforms: &platforms,
        bases: &bases,
        cells: &cells,
        variances: &variances,
        row_ids: &|row| rows[row].id.clone(),
        contrasts: &contrasts,
        comparisons: &comparisons,
    };
    let fronts = pareto::fronts(&cells);
    let choices = choice::choices(&cells, &variances, &fronts);
    let counsel = advice::Counsel {
        cells: &cells,
        choices: &choices,
        contrasts: &contrasts,
        within: &within_blocks,
        platforms: &platforms,
        comparisons: &comparisons,
    };
    let advice = numbers.iter().flat_map(|&platform| counsel.advice(platform)).collect();
    let findings = significance::findings(&grounds, &mut contradictions);
    Analysis {
        causes: cause::causes(&contradictions, &cells),
        version: VERSION,
        feasibility: numbers.iter().map(|&index| figure::feasibility(index, &rows)).collect(),
        figures: numbers.iter().flat_map(|&index| figure::figures(index, &rows)).collect(),
        bottlenecks: figure::bottlenecks(&contrasts),
        rooflines: roofline::rooflines(&platforms, &cells, &options.peaks),
        options,
        devices: device::series(&rows),
        fronts,
        within_blocks,
        named,
        choices,
        advice,
        predictions: predictions.into_iter().flatten().collect(),
        without_platform: (0..rows.len()).filter(|&row| rows[row].platform.is_none()).collect(),
        rows,
        platforms,
        bases,
        cells,
        contrasts,
        contradictions,
        comparisons,
        findings,
    }
}
