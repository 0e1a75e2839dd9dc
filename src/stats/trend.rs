//! A steady rise or fall over the runs of a process.

use crate::stats::dependence::lag_one;
use crate::stats::sample::median;

/// Longer series are first reduced to medians of that many stretches: all pairs are compared.
const MOST_POINTS: usize = 200;

/// Fewer points show no trend.
const FEWEST_POINTS: usize = 10;

/// A rise or fall.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trend {
    /// Change from the first to the last run, relative to the median; 0 if the median is 0.
    pub(crate) change: f64,
    /// How many standard errors it is away from none.
    pub(crate) score: f64,
}

/// The slope is the median of the slopes of all pairs (Theil 1950; Sen, "Estimates of the regression
/// coefficient based on Kendall's tau", *Journal of the American Statistical Association* 63(324), 1968), the
/// score that of Mann and Kendall (Mann, *Econometrica* 13(3), 1945; Kendall, *Rank Correlation Methods*,
/// 1948) with ties, and with the variance of a series whose neighbours resemble each other (Yue and Wang,
/// *Water Resources Management* 18, 2004). `None` for fewer than ten runs.
pub(crate) fn trend(values: &[f64]) -> Option<Trend> {
    let length = values.len().div_ceil(MOST_POINTS).max(1);
    let points: Vec<f64> = values.chunks(length).filter_map(median).collect();
    let count = points.len();
    if count < FEWEST_POINTS {
        return None;
    }
    let (mut sum, mut slopes) = (0_i64, Vec::with_capacity(count * (count - 1) / 2));
    for later in 1..count {
        for earlier in 0..later {
            let difference = points[later] - points[earlier];
            sum += if difference > 0.0 {
                1
            } else if difference < 0.0 {
                -1
            } else {
                0
            };
            slopes.push(difference / (later - earlier) as f64);
        }
    }
    let slope = median(&slopes)?;
    let left: Vec<f64> =
        points.iter().enumerate().map(|(index, point)| point - slope * index as f64).collect();
    let resemblance = lag_one(&left);
    let n = count as f64;
    let tied = ties(&points).into_iter().map(|ties| ties * (ties - 1.0) * (2.0 * ties + 5.0)).sum::<f64>();
    let variance =
        (n * (n - 1.0) * (2.0 * n + 5.0) - tied) / 18.0 * (1.0 + resemblance) / (1.0 - resemblance);
    let continuous = (sum as f64).abs() - 1.0;
    let score = if variance > 0.0 && continuous > 0.0 { continuous / variance.sqrt() } else { 0.0 };
    let centre = median(&points)?;
    let change = if centre == 0.0 { 0.0 } else { slope * (n - 1.0) / centre };
    Some(Trend { change, score: score * (sum.signum() as f64) })
}

/// Sizes of the groups of equal values.
fn ties(points: &[f64]) -> Vec<f64> {
    let mut sorted = points.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.chunk_by(|one, other| one == other).map(|group| group.len() as f64).collect()
}
