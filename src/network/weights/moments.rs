//! Mean and variance of activations, carried through layers by formulas.
//!
//! Every value of a tensor is taken for an independent draw of one normal distribution (rectified after a
//! ReLU). That is not true of any real network, but near enough for scales: what must be right is the order
//! of magnitude.

/// Mean and variance of the values of a tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// An image, uniform in [−1, 1). Uniform in [0, 1) has the same mean square, and that is what counts where
/// the weights have no sign of their own.
pub(super) const IMAGE: Moments = Moments { mean: 0.0, variance: 1.0 / 3.0 };

/// A 3×3 window after a 7×7 convolution sees values that overlap much: it is taken for four independent ones.
/// Mean of the largest of four standard normal values, and their variance (Teichroew 1956, table I).
const LARGEST_OF_FOUR: Moments = Moments { mean: 1.029_375, variance: 0.491_715 };

impl Moments {
    /// Of the sum of two independent values.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { mean: self.mean + other.mean, variance: self.variance + other.variance }
    }

    /// Of max(x, 0) for normal x: E = μ Φ(μ/σ) + σ φ(μ/σ), E² = (μ² + σ²) Φ(μ/σ) + μ σ φ(μ/σ).
    pub(super) fn rectified(self) -> Self {
        let deviation = self.variance.sqrt();
        let ratio = self.mean / deviation;
        let below = distribution(ratio);
        let density = density(ratio);
        let mean = self.mean * below + deviation * density;
        let square = (self.mean * self.mean + self.variance) * below + self.mean * deviation * density;
        Self { mean, variance: square - mean * mean }
    }

    /// Of the largest value in a window. Rectifying before or after makes no difference to the largest.
    pub(super) fn pooled(self) -> Self {
        let deviation = self.variance.sqrt();
        Self {
            mean: self.mean + deviation * LARGEST_OF_FOUR.mean,
            variance: self.variance * LARGEST_OF_FOUR.variance,
        }
    }
}

/// φ, the standard normal density.
fn density(x: f64) -> f64 {
    const ONE_OVER_SQUARE_ROOT_OF_TWO_PI: f64 = 0.398_942_280_401_432_7;
    ONE_OVER_SQUARE_ROOT_OF_TWO_PI * falling_exponential(x * x / 2.0)
}

/// Φ, the standard normal distribution, to 8 × 10^−8: Abramowitz and Stegun, formula 26.2.17.
fn distribution(x: f64) -> f64 {
    if x < 0.0 {
        return 1.0 - distribution(-x);
    }
    let t = 1.0 / (1.0 + 0.231_641_9 * x);
    let series = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    1.0 - density(x) * series
}

/// e^−x for x ≥ 0 without the mathematics library: the series for x / 1024, squared ten times.
fn falling_exponential(x: f64) -> f64 {
    const SQUARINGS: i32 = 10;
    const TERMS: u32 = 12;
    let small = -x / f64::from(1_u32 << SQUARINGS);
    let mut result = 1.0;
    for term in (1..=TERMS).rev() {
        result = 1.0 + small / f64::from(term) * result;
    }
    for _ in 0..SQUARINGS {
        result *= result;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_density_and_distribution_agree_with_their_tables() {
        for x in [0.0, 0.1, 1.0, 3.7, 12.5, 18.0] {
            assert!((falling_exponential(x) / (-x).exp() - 1.0).abs() < 1e-12, "{x}");
        }
        // Abramowitz and Stegun, table 26.1.
        for (x, expected) in [(0.0, 0.5), (1.0, 0.841_344_746), (2.0, 0.977_249_868), (-1.0, 0.158_655_254)] {
            assert!((distribution(x) - expected).abs() < 1e-7, "{x}");
        }
    }

    #[test]
    fn half_of_a_centred_normal_value_remains_after_rectifying() {
        let rectified = Moments { mean: 0.0, variance: 1.0 }.rectified();
        assert!((rectified.mean - 0.398_942_3).abs() < 1e-6);
        assert!((rectified.variance + rectified.mean * rectified.mean - 0.5).abs() < 1e-6);
    }
}
