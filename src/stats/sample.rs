//! Statistics of real numbers: what the desk side computes from means of processes and from ratios.
//!
//! [`super::mean`] and its neighbours are exact for whole nanoseconds; these take any finite numbers. Data
//! comes from `analysis`; nothing is thrown away here, only labelled.

/// Arithmetic mean; `None` for an empty slice.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation (divisor n − 1); `None` for fewer than two values.
///
/// Corrected two-pass algorithm (Chan, Golub and LeVeque, *The American Statistician* 37(3), 1983).
pub(crate) fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let count = values.len();
    if count < 2 {
        return None;
    }
    let (mut squares, mut rest) = (0.0, 0.0);
    for value in values {
        let deviation = value - mean;
        squares += deviation * deviation;
        rest += deviation;
    }
    Some(((squares - rest * rest / count as f64) / (count - 1) as f64).max(0.0).sqrt())
}

/// Median; the mean of the two middle values for an even count. `None` for an empty slice.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50.0)
}

/// Median absolute deviation from the median, not scaled; `None` for an empty slice.
///
/// Times 1.4826 it estimates the standard deviation of a normal distribution (Rousseeuw and Croux,
/// "Alternatives to the median absolute deviation", *Journal of the American Statistical Association*
/// 88(424), 1993).
pub(crate) fn median_absolute_deviation(values: &[f64]) -> Option<f64> {
    let centre = median(values)?;
    let deviations: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    median(&deviations)
}

/// Type 7 of Hyndman and Fan (*The American Statistician* 50(4), 1996), 0 ≤ `percent` ≤ 100; `None` for an
/// empty slice.
pub(crate) fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let rank = values.len().checked_sub(1)? as f64 * percent.clamp(0.0, 100.0) / 100.0;
    Some(at_rank(&mut values.to_vec(), rank))
}

/// The value at a rank from 0, linear between two; reorders the values, in linear time.
///
/// # Panics
/// For a rank that is not inside.
pub(super) fn at_rank(values: &mut [f64], rank: f64) -> f64 {
    let (_, &mut below, above) = values.select_nth_unstable_by(rank.floor() as usize, f64::total_cmp);
    if rank.fract() == 0.0 {
        return below;
    }
    let above = above.iter().copied().fold(f64::INFINITY, f64::min);
    below + rank.fract() * (above - below)
}

/// How far out a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outlier {
    /// Among the others.
    No,
    /// Beyond [`MILD_SCORE`].
    Mild,
    /// Beyond [`SEVERE_SCORE`].
    Severe,
}

/// Modified z-score beyond which a value is labelled: the recommendation of Iglewicz and Hoaglin, *How to
/// Detect and Handle Outliers*, ASQC Quality Press 1993, §3.3.
pub(crate) const MILD_SCORE: f64 = 3.5;

/// Beyond four times that, as hyperfine draws its line, a value is no member of the same distribution by any
/// reading.
pub(crate) const SEVERE_SCORE: f64 = 14.0;

/// 0.6745 = Φ⁻¹(¾), which makes the score of a normal sample a z-score (Iglewicz and Hoaglin 1993).
const NORMAL_QUARTILE: f64 = 0.6745;

/// A label for each value by its modified z-score 0.6745 (x − median) / MAD. Where the MAD is zero (more than
/// half of the values are equal) nothing is labelled: there is no scale to measure by.
pub(crate) fn outliers(values: &[f64]) -> Vec<Outlier> {
    let (Some(centre), Some(deviation)) = (median(values), median_absolute_deviation(values)) else {
        return Vec::new();
    };
    let label = |value: &f64| {
        let score = (NORMAL_QUARTILE * (value - centre) / deviation).abs();
        match score {
            _ if deviation == 0.0 => Outlier::No,
            score if score > SEVERE_SCORE => Outlier::Severe,
            score if score > MILD_SCORE => Outlier::Mild,
            _ => Outlier::No,
        }
    };
    values.iter().map(label).collect()
}
