//! Moments: mean and standard deviation of latencies, exact or nearly so for any `u64`.
//!
//! Latencies of one run lie close together, so the textbook sum of squares would lose all digits that matter;
//! sums are kept in integers or taken about a pivot.

use crate::units::Nanos;

/// Arithmetic mean in nanoseconds, within two roundings of the exact value; `None` for an empty slice.
///
/// The sum is exact: 2^64 latencies of 2^64 ns fit in 128 bits.
pub fn mean(latencies: &[Nanos]) -> Option<f64> {
    (!latencies.is_empty()).then(|| sum(latencies) as f64 / latencies.len() as f64)
}

/// Sample standard deviation (divisor n − 1) in nanoseconds; `None` for fewer than two latencies.
///
/// The corrected two-pass algorithm (Chan, Golub and LeVeque, "Algorithms for computing the sample variance",
/// *The American Statistician* 37(3), 1983), with the deviations taken exactly, in integers, about the mean
/// rounded to whole nanoseconds. The correction removes what that rounding adds.
pub(crate) fn standard_deviation(latencies: &[Nanos]) -> Option<f64> {
    let count = latencies.len();
    if count < 2 {
        return None;
    }
    let pivot = (sum(latencies) / count as u128) as i128;
    let (mut squares, mut rest) = (0.0_f64, 0.0_f64);
    for latency in latencies {
        let deviation = (i128::from(latency.0) - pivot) as f64;
        squares += deviation * deviation;
        rest += deviation;
    }
    let variance = (squares - rest * rest / count as f64) / (count - 1) as f64;
    // Rounding may leave a variance of zero a hair below it, and the bundle takes no NaN.
    Some(variance.max(0.0).sqrt())
}

fn sum(latencies: &[Nanos]) -> u128 {
    latencies.iter().map(|latency| u128::from(latency.0)).sum()
}
