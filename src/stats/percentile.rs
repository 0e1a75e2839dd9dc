//! How many samples a percentile needs, and how far a sample bounds it from above: the rule of MLPerf's
//! LoadGen.
//!
//! A run of n samples of which more than t are above a latency l shows, with confidence c, that l is above
//! the p-quantile if P(B ≤ t) ≤ 1 − c for B binomial (n, 1 − p); LoadGen counts the t + 1 slowest as too many
//! (*MLPerf Inference Rules*, appendix on early stopping; `loadgen/early_stopping.cc` and `results.cc` of
//! mlcommons/inference). Its estimate is the t-th slowest latency, which discards the t − 1 above it, and
//! there is none before t = 1. Each statement holds for one percentile by itself, not for several together.

/// Confidence of [`discarded`] and of the floors: LoadGen's.
pub(crate) const PERCENTILE_CONFIDENCE: f64 = 0.99;

/// How many of the slowest of `count` latencies may be discarded so that the slowest of the rest is above the
/// percentile with [`PERCENTILE_CONFIDENCE`]; `None` if there are too few for any bound.
pub(crate) fn discarded(count: usize, percent: f64) -> Option<usize> {
    if !(percent > 0.0 && percent < 100.0) {
        return None;
    }
    let slow = 1.0 - percent / 100.0;
    let is_rare = |above: usize| at_most(count, slow, above) < 1.0 - PERCENTILE_CONFIDENCE;
    // The largest t with P(B ≤ t) < 1 − c. It is below the mean, because the median of B is not rare.
    let (mut rare, mut common) = (None, (count as f64 * slow).ceil() as usize + 1);
    while rare.map_or(0, |rare: usize| rare + 1) < common {
        let low = rare.map_or(0, |rare: usize| rare + 1);
        let middle = low + (common - low) / 2;
        if is_rare(middle) { rare = Some(middle) } else { common = middle }
    }
    rare?.checked_sub(1)
}

/// The fewest latencies that bound the percentile: 11, 24, 31, 64, 130, 219, 662 and 6,636 for 50, 75, 80,
/// 90, 95, 97, 99 and 99.9 %.
pub(crate) fn fewest_for_percentile(percent: f64) -> usize {
    let (mut low, mut high) = (1, 2);
    while discarded(high, percent).is_none() && high < MOST_SAMPLES {
        (low, high) = (high, high * 2);
    }
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if discarded(middle, percent).is_some() { high = middle } else { low = middle }
    }
    high
}

/// More samples than any bundle has.
const MOST_SAMPLES: usize = 1 << 40;

/// P(B ≤ t) for B binomial (n, q): the probability of t, and below it terms in the ratio
/// k (1 − q) / ((n − k + 1) q), which get smaller until they do not matter.
fn at_most(count: usize, probability: f64, most: usize) -> f64 {
    if most >= count {
        return 1.0;
    }
    let (n, k) = (count as f64, most as f64);
    let choices = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    let mut term = (choices + k * probability.ln() + (n - k) * (-probability).ln_1p()).exp();
    let mut sum = 0.0;
    for below in (0..=most).rev() {
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
        term *= below as f64 * (1.0 - probability) / ((count - below + 1) as f64 * probability);
    }
    sum.min(1.0)
}

/// ln Γ(x), x ≥ 1: Stirling's series after a shift beyond 16 (Abramowitz and Stegun, *Handbook of
/// Mathematical Functions*, 6.1.41).
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 16.0 {
        shift += x.ln();
        x += 1.0;
    }
    let square = x * x;
    let series =
        (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}
