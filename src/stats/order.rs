//! Order statistics: median, percentiles, and an interval for the median that assumes no distribution.
//!
//! Latencies are skewed and often have several peaks, so nothing here supposes a normal distribution. What is
//! supposed is that runs are independent and drawn from one distribution; see `docs/METHOD.md` for how far
//! that holds.

use crate::stats::CONFIDENCE;
use crate::units::Nanos;

/// Latencies in ascending order, at least one.
#[derive(Debug, Clone)]
pub(crate) struct Sorted(Vec<Nanos>);

/// A confidence interval for the median, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MedianInterval {
    /// Lower end, one of the latencies.
    pub low: Nanos,
    /// Upper end, one of the latencies.
    pub high: Nanos,
    /// Exact probability that an interval made this way covers the median of a continuous distribution; ties
    /// make it larger. At least [`CONFIDENCE`].
    pub confidence: f64,
}

impl Sorted {
    /// A sorted copy; `None` for an empty slice.
    pub(crate) fn new(latencies: &[Nanos]) -> Option<Self> {
        let mut sorted = latencies.to_vec();
        sorted.sort_unstable();
        (!sorted.is_empty()).then_some(Self(sorted))
    }

    /// How many latencies there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Smallest latency.
    pub(crate) fn minimum(&self) -> Nanos {
        self.0[0]
    }

    /// Largest latency.
    pub(crate) fn maximum(&self) -> Nanos {
        self.0[self.0.len() - 1]
    }

    /// The slowest latency but for so many.
    pub(crate) fn slowest(&self, but_for: usize) -> Nanos {
        self.0[self.0.len().saturating_sub(but_for + 1)]
    }

    /// Median in nanoseconds; the mean of the two middle values for an even count.
    pub(crate) fn median(&self) -> f64 {
        let count = self.0.len();
        let (low, high) = (self.0[(count - 1) / 2], self.0[count / 2]);
        (u128::from(low.0) + u128::from(high.0)) as f64 / 2.0
    }

    /// The value in nanoseconds below which `percent` % of the latencies lie, 0 ≤ `percent` ≤ 100.
    ///
    /// Type 7 of Hyndman and Fan, "Sample quantiles in statistical packages", *The American Statistician*
    /// 50(4), 1996: linear between the two latencies around rank 1 + (n − 1) p. It is the default of R and
    /// NumPy, so whoever computes it again from the raw latencies finds the same number. Its value at 50 is
    /// [`Sorted::median`].
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let rank = (self.0.len() - 1) as f64 * percent.clamp(0.0, 100.0) / 100.0;
        let below = self.0[rank.floor() as usize];
        let above = self.0[rank.ceil() as usize];
        below.0 as f64 + rank.fract() * (above.0 - below.0) as f64
    }

    /// The shortest interval between two latencies of equal rank from either end that covers the median with
    /// at least [`CONFIDENCE`]; `None` if even the whole range does not (fewer than six latencies).
    ///
    /// The number of latencies below the median is binomial (n, ½), so \[x₍ⱼ₎, x₍ₙ₊₁₋ⱼ₎\] covers it with
    /// probability P(j ≤ B ≤ n − j) (Conover, *Practical Nonparametric Statistics*, 3rd ed., Wiley 1999,
    /// §3.2; Le Boudec 2010, §2.2).
    pub(crate) fn median_interval(&self) -> Option<MedianInterval> {
        let (rank, confidence) = median_rank(self.0.len())?;
        Some(MedianInterval { low: self.0[rank - 1], high: self.0[self.0.len() - rank], confidence })
    }
}

/// Ranks, from 1, of the two latencies between which [`Sorted::median_interval`] of that many reaches.
pub(crate) fn median_interval_ranks(count: usize) -> Option<(usize, usize)> {
    median_rank(count).map(|(rank, _)| (rank, count + 1 - rank))
}

/// The fewest latencies for which [`Sorted::median_interval`] gives one: 1 − 2 · ½ⁿ ≥ 0.95 from n = 6.
pub(crate) fn fewest_runs_for_interval() -> usize {
    (1..=MOST_STEPS).find(|&count| median_rank(count).is_some()).unwrap_or(MOST_STEPS)
}

/// The most probabilities that [`median_rank`] multiplies or adds: enough for 10¹³ latencies, of which memory
/// holds none.
const MOST_STEPS: usize = 1 << 22;

/// The largest rank j, from 1, whose interval still covers the median with [`CONFIDENCE`], and its coverage.
///
/// Adds binomial probabilities outwards from the centre, so that only positive numbers of similar size are
/// added and nothing underflows however large n is. That takes √n steps; after [`MOST_STEPS`] no rank is
/// known.
fn median_rank(count: usize) -> Option<(usize, f64)> {
    let mut rank = count.div_ceil(2);
    let mut probability = central_probability(count);
    // An odd count has two central terms, an even one has one; every further rank adds one on either side.
    let mut coverage = if count % 2 == 1 { 0.0 } else { probability };
    if count % 2 == 1 {
        rank -= 1;
        coverage += 2.0 * probability;
    }
    for _ in 0..MOST_STEPS {
        if coverage >= CONFIDENCE || rank <= 1 {
            break;
        }
        // P(B = j − 1) = P(B = j) · j / (n − j + 1)
        probability *= rank as f64 / (count - rank + 1) as f64;
        rank -= 1;
        coverage += 2.0 * probability;
    }
    (rank >= 1 && coverage >= CONFIDENCE).then_some((rank, coverage))
}

/// P(B = ⌊n/2⌋) for a binomial (n, ½): the product of (2i − 1)/(2i) up to ⌈n/2⌉, which holds for even and odd
/// n because C(2m + 1, m) / 2^(2m + 1) = C(2m + 2, m + 1) / 2^(2m + 2).
fn central_probability(count: usize) -> f64 {
    let factors = count.div_ceil(2);
    if factors > MOST_STEPS {
        // Stirling's series (Abramowitz and Stegun, *Handbook of Mathematical Functions*, 6.1.37), exact from
        // here on.
        let factors = factors as f64;
        return (1.0 - 1.0 / (8.0 * factors)) / (std::f64::consts::PI * factors).sqrt();
    }
    (1..=factors).map(|i| (2 * i - 1) as f64 / (2 * i) as f64).product()
}
