//! The roofline of a platform, and its contradictions.
//!
//! The model (Williams, Waterman and Patterson, "Roofline", *Communications of the ACM* 52(4), 2009) bounds
//! throughput by min(roof, slope × operational density): more operations per byte can never cost throughput.
//! A pair of cells that differ in one factor contradicts it if the denser one is slower. Data comes from
//! cells and contrasts.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::cell::Cell;
use crate::analysis::contrast::{Contrast, Ratio};
use crate::analysis::factor::Factor;
use crate::analysis::peaks::{GivenPeaks, Peaks};
use crate::analysis::platform::Platform;

/// The roofline of one platform for one number format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Roofline {
    /// The platform.
    pub platform: usize,
    /// Number format; `None` for model files, whose number format is unknown.
    pub precision: Option<String>,
    /// Roof and slope. Where they are from the data, the roof is the highest throughput and the slope the
    /// highest throughput over density: the lowest roofline that no point is above.
    pub peaks: Peaks,
    /// Whether the peaks were given.
    pub given: bool,
    /// Density at which roof and slope meet, in operations for each byte.
    pub ridge: f64,
    /// The points, by their density.
    pub points: Vec<RooflinePoint>,
}

/// One cell under the roofline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RooflinePoint {
    /// Index of the cell.
    pub cell: usize,
    /// Operations per byte.
    pub operational_density: f64,
    /// Operations per second.
    pub throughput: f64,
    /// Throughput over what the roofline allows at this density.
    pub attained: f64,
}

/// Two cells that differ in one factor, of which the denser has the lower throughput, beyond the interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contradiction {
    /// The platform.
    pub platform: usize,
    /// The factor in which they differ.
    pub factor: Factor,
    /// The cell with the lower density.
    pub sparser: usize,
    /// The cell with the higher density.
    pub denser: usize,
    /// Density of the denser over that of the sparser: above one.
    pub operational_density: f64,
    /// Throughput of the denser over that of the sparser: below one.
    pub throughput: Ratio,
    /// Whether it is significant by itself after correction for multiple tests.
    pub holds_among_all: bool,
    /// Either side is suspect.
    pub suspect: bool,
}

/// Rounding makes densities of equal networks differ; this much is a difference.
pub(super) const SMALLEST_DENSITY_RATIO: f64 = 1.0 + 1e-6;

/// The rooflines of the cells, one for each platform and number format.
pub(super) fn rooflines(platforms: &[Platform], cells: &[Cell], given: &[GivenPeaks]) -> Vec<Roofline> {
    let mut groups: BTreeMap<(usize, Option<String>), Vec<RooflinePoint>> = BTreeMap::new();
    for (index, cell) in cells.iter().enumerate() {
        if let (Some(cost), Some(throughput)) = (cell.cost, cell.throughput) {
            let precision = cell.configuration.as_ref().map(|configuration| configuration.precision.clone());
            groups.entry((cell.platform, precision)).or_default().push(RooflinePoint {
                cell: index,
                operational_density: cost.operational_density,
                throughput: throughput.value,
                attained: 0.0,
            });
        }
    }
    groups
        .into_iter()
        .map(|((platform, precision), points)| {
            let meant = given.iter().find(|given| given.are_for(&platforms[platform], precision.as_deref()));
            roofline(platform, precision, points, meant.map(|given| given.peaks))
        })
        .collect()
}

fn roofline(
    platform: usize,
    precision: Option<String>,
    mut points: Vec<RooflinePoint>,
    given: Option<Peaks>,
) -> Roofline {
    let highest = |measure: fn(&RooflinePoint) -> f64| points.iter().map(measure).fold(0.0, f64::max);
    let peaks = given.unwrap_or(Peaks {
        operations_per_second: highest(|point| point.throughput),
        bytes_per_second: highest(|point| point.throughput / point.operational_density),
    });
    for point in &mut points {
        let allowed = peaks.operations_per_second.min(peaks.bytes_per_second * point.operational_density);
        point.attained = point.throughput / allowed;
    }
    points.sort_by(|one, other| {
        one.operational_density.total_cmp(&other.operational_density).then(one.cell.cmp(&other.cell))
    });
    let ridge = peaks.operations_per_second / peaks.bytes_per_second;
    Roofline { platform, precision, peaks, given: given.is_some(), ridge, points }
}

/// Every contradiction in the contrasts, the largest loss first.
pub(super) fn contradictions(contrasts: &[Contrast], cells: &[Cell]) -> Vec<Contradiction> {
    let mut found: Vec<Contradiction> = contrasts
        .iter()
        .flat_map(|contrast| contrast.pairs.iter().map(move |pair| (contrast, pair)))
        .filter_map(|(contrast, pair)| {
            let (density, throughput) = (pair.operational_density?, pair.throughput?);
            let (sparser, denser, density, throughput) = if density > 1.0 {
                (pair.from, pair.to, density, throughput)
            } else {
                (pair.to, pair.from, 1.0 / density, throughput.inverse())
            };
            let is_lower = throughput.interval.is_some_and(|interval| interval.high < 1.0);
            (density > SMALLEST_DENSITY_RATIO && is_lower).then(|| Contradiction {
                platform: contrast.platform,
                factor: contrast.factor,
                sparser,
                denser,
                operational_density: density,
                throughput,
                holds_among_all: false,
                suspect: cells[sparser].is_suspect() || cells[denser].is_suspect(),
            })
        })
        .collect();
    found.sort_by(|one, other| {
        one.throughput
            .value
            .total_cmp(&other.throughput.value)
            .then((one.sparser, one.denser).cmp(&(other.sparser, other.denser)))
    });
    found
}
