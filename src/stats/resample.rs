//! Bootstrap: resampled means and the intervals that they give, from a seed.
//!
//! Random numbers are counted, not drawn from a state: number i of a seed is always the same, so a resample
//! can be repeated anywhere and in any order. Data comes from `analysis`.

use crate::random::split_mix_64;
use crate::stats::sample::at_rank;

/// Resamples behind every published interval. The ends of a 95 % interval are then settled to about a
/// fortieth of its width (Efron and Tibshirani, *An Introduction to the Bootstrap*, Chapman & Hall 1993,
/// §12.6 and §19.3, ask for 1,000 to 2,000 at the least).
pub const RESAMPLES: usize = 10_000;

/// Random numbers that are a function of a seed and a counter: SplitMix64 (Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014).
#[derive(Debug, Clone)]
pub struct Draws(u64);

impl Draws {
    /// The numbers of that seed, from the first.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, uniform over all of `u64`.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        split_mix_64(&mut self.0)
    }

    /// The next index below `count` ≤ 2³²: the upper half of a number, times `count`, over 2³² (Lemire, "Fast
    /// random integer generation in an interval", *ACM TOMACS* 29(1), 2019, without the rejection: the bias
    /// is below `count` / 2³²).
    #[inline]
    pub(crate) fn next_index(&mut self, count: usize) -> usize {
        (((self.next_u64() >> 32) * count as u64) >> 32) as usize
    }
}

/// A seed for something that has a name: FNV-1a over its bytes, started from `seed`. What is resampled for
/// one cell then does not depend on which others there are.
pub fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// `resamples` means, each of `size` values drawn from `values` with replacement; draw `r · size + j` of the
/// seed is the j-th value of resample r.
///
/// With `size` = the number of values it is the bootstrap of the mean (Efron 1979).
///
/// # Panics
/// For no values.
pub(crate) fn resampled_means(values: &[f64], size: usize, seed: u64, resamples: usize) -> Vec<f64> {
    assert!(!values.is_empty(), "nothing to draw from");
    let mut draws = Draws::new(seed);
    let part = 1.0 / size as f64;
    (0..resamples)
        .map(|_| {
            let mut sum = 0.0;
            for _ in 0..size {
                sum += values[draws.next_index(values.len())];
            }
            sum * part
        })
        .collect()
}

/// The mean of every block of `length` neighbours, the first following the last: what the circular block
/// bootstrap draws from (Politis and Romano, "A circular block-resampling procedure for stationary data", in
/// *Exploring the Limits of Bootstrap*, Wiley 1992). Neighbouring runs of one process resemble each other,
/// and drawing them one by one would hide it.
pub(crate) fn circular_block_means(values: &[f64], length: usize) -> Vec<f64> {
    let length = length.clamp(1, values.len().max(1));
    let around = |index: usize| values[index % values.len()];
    let block = |start: usize| (start..start + length).map(around).sum::<f64>() / length as f64;
    (0..values.len()).map(block).collect()
}

/// Length of the blocks for a mean of `count` runs: ∛n, the order that minimises the error of the variance
/// (Künsch, "The jackknife and the bootstrap for general stationary observations", *Annals of Statistics*
/// 17(3), 1989).
pub(crate) fn block_length(count: usize) -> usize {
    (count as f64).cbrt().round().max(1.0) as usize
}

/// The values between which the middle `confidence` of the replicates lies (Efron and Tibshirani 1993,
/// §13.3).
///
/// # Panics
/// For no replicates.
pub(crate) fn percentile_interval(replicates: &[f64], confidence: f64) -> (f64, f64) {
    let count = replicates.len();
    let low_rank = (count - 1) as f64 * (1.0 - confidence) / 2.0;
    let high_rank = (count - 1) as f64 - low_rank;
    let (low_part, high_part) = tails(replicates);
    let before = count - high_part.len();
    let low = at_rank_if_inside(low_part, low_rank);
    let high = at_rank_if_inside(high_part, high_rank - before as f64);
    low.zip(high).unwrap_or_else(|| {
        let mut all = replicates.to_vec();
        (at_rank(&mut all, low_rank), at_rank(&mut all, high_rank))
    })
}

/// The values more than a standard deviation below and above the mean. Selecting from these is several times
/// as fast as from all, and they nearly always hold the ends of an interval.
fn tails(values: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let count = values.len() as f64;
    let origin = values[0];
    let (mut sum, mut squares) = (0.0, 0.0);
    for value in values {
        let distance = value - origin;
        sum += distance;
        squares += distance * distance;
    }
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).max(0.0).sqrt();
    let (below, above) = (origin + mean - deviation, origin + mean + deviation);
    let (mut low_part, mut high_part) = (Vec::new(), Vec::new());
    for &value in values {
        if value < below {
            low_part.push(value);
        } else if value > above {
            high_part.push(value);
        }
    }
    (low_part, high_part)
}

/// [`at_rank`], if that rank and the next are inside.
fn at_rank_if_inside(mut values: Vec<f64>, rank: f64) -> Option<f64> {
    let is_inside = rank >= 0.0 && rank.ceil() < values.len() as f64;
    is_inside.then(|| at_rank(&mut values, rank))
}
