//! Student's distribution: quantiles, and probabilities of its tails, for any degrees of freedom. Infinitely
//! many make it the normal distribution.
//!
//! With t = √ν sinh(w / √ν) the density of w is cosh(w / √ν)^−ν / c, which is smooth, falls on either side of
//! zero, and becomes exp(−w² / 2) for large ν. Its integrals take a fixed number of points and quantiles a
//! bounded number of steps: no loop here depends on the degrees of freedom. Functions of continued fractions,
//! as most libraries have, take √ν steps and may not settle.

use std::f64::consts::{LN_2, PI};
use std::sync::LazyLock;

use crate::stats::gamma::half_step_ratio;

/// The most steps that a quantile takes. It takes four from one degree of freedom on; a test sweeps them.
pub(super) const MOST_STEPS: usize = 16;

/// A change by less than this part of the quantile was the last: the error of Newton's next step is its
/// square.
const SETTLED: f64 = 1e-8;

/// From here on the normal distribution is the same to the last digit: z² / (4ν) is how much they differ.
const NORMAL_FROM: f64 = 1e18;

/// Fewer degrees of freedom are none: every quantile is beyond the largest number.
const FEWEST_DEGREES: f64 = 1e-100;

/// Quantile of Student's distribution.
///
/// Not a number for an impossible probability, or if the degrees of freedom are not a number. Without degrees
/// of freedom nothing is known: every quantile but the median is infinite.
pub(crate) fn student_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    quantile_and_steps(probability, degrees_of_freedom).0
}

/// Probability of a value at least as far from zero as `t`, on either side; not a number where either is not
/// a number.
pub(crate) fn two_sided_probability(t: f64, degrees_of_freedom: f64) -> f64 {
    if t.is_nan() || degrees_of_freedom.is_nan() {
        return f64::NAN;
    }
    if degrees_of_freedom < FEWEST_DEGREES {
        return 1.0;
    }
    let student = Student::new(degrees_of_freedom);
    let place = student.place(t.abs());
    let within_width = place <= student.width();
    if within_width { 1.0 - 2.0 * student.centre(place) } else { (2.0 * student.tail(place)).min(1.0) }
}

/// How much wider an interval must be than the normal distribution has it, for so many degrees of freedom: t
/// / z at both ends of `confidence` (Hesterberg, "What teachers should know about the bootstrap", *The
/// American Statistician* 69(4), 2015, §3.2). One for infinitely many.
pub(crate) fn expansion(degrees_of_freedom: f64, confidence: f64) -> f64 {
    let upper = 0.5 + confidence / 2.0;
    student_quantile(upper, degrees_of_freedom) / student_quantile(upper, f64::INFINITY)
}

/// [`student_quantile`], and the steps of Newton's method that it took.
pub(super) fn quantile_and_steps(probability: f64, degrees_of_freedom: f64) -> (f64, usize) {
    if !(0.0..=1.0).contains(&probability) || degrees_of_freedom.is_nan() {
        return (f64::NAN, 0);
    }
    // Exact for every probability near one half.
    let beyond_centre = probability - 0.5;
    if beyond_centre == 0.0 {
        return (0.0, 0);
    }
    let tail = if beyond_centre < 0.0 { probability } else { 1.0 - probability };
    let (size, steps) = if tail == 0.0 || degrees_of_freedom < FEWEST_DEGREES {
        (f64::INFINITY, 0)
    } else {
        let student = Student::new(degrees_of_freedom);
        let (place, steps) = student.solve(beyond_centre.abs(), tail);
        (student.value(place), steps)
    };
    (size.copysign(beyond_centre), steps)
}

/// The distribution of w.
#[derive(Debug, Clone, Copy)]
struct Student {
    /// ν; infinite for the normal distribution.
    degrees: f64,
    root: f64,
    /// c = √(νπ) Γ(ν/2) / Γ((ν + 1)/2).
    constant: f64,
}

impl Student {
    fn new(degrees_of_freedom: f64) -> Self {
        if degrees_of_freedom >= NORMAL_FROM {
            return Self { degrees: f64::INFINITY, root: f64::INFINITY, constant: (2.0 * PI).sqrt() };
        }
        let root = degrees_of_freedom.sqrt();
        let constant = root * PI.sqrt() / half_step_ratio(degrees_of_freedom / 2.0);
        Self { degrees: degrees_of_freedom, root, constant }
    }

    fn is_normal(&self) -> bool {
        self.degrees.is_infinite()
    }

    /// t at w ≥ 0.
    fn value(&self, place: f64) -> f64 {
        if self.is_normal() { place } else { self.root * (place / self.root).sinh() }
    }

    /// w at t ≥ 0.
    fn place(&self, value: f64) -> f64 {
        if self.is_normal() {
            return value;
        }
        let quotient = value / self.root;
        // Beyond this asinh x is ln 2x, which does not overflow.
        let inverse = if quotient > 1e9 { LN_2 + value.ln() - self.root.ln() } else { quotient.asinh() };
        self.root * inverse
    }

    /// −ln of the density at w ≥ 0 over that at zero: ν ln cosh(w / √ν).
    fn fall(&self, place: f64) -> f64 {
        if self.is_normal() {
            return place * place / 2.0;
        }
        let scaled = place / self.root;
        if scaled < 1.0 {
            self.degrees * scaled.sinh().powi(2).ln_1p() / 2.0
        } else {
            self.degrees * (scaled + (-2.0 * scaled).exp().ln_1p() - LN_2)
        }
    }

    /// How fast [`Self::fall`] grows.
    fn slope(&self, place: f64) -> f64 {
        if self.is_normal() { place } else { self.root * (place / self.root).tanh() }
    }

    /// Below this w the integral from zero is taken, beyond it that to infinity.
    fn width(&self) -> f64 {
        self.root.min(1.0)
    }

    /// Probability of a value beyond w ≥ 0.
    fn tail(&self, place: f64) -> f64 {
        if place.is_infinite() {
            return 0.0;
        }
        // About how far beyond w the density is that much smaller.
        let scale = (self.slope(place) + self.width()).recip();
        let fall = self.fall(place);
        let sum: f64 = TAIL
            .iter()
            .map(|(beyond, weight)| weight * (fall - self.fall(place + scale * beyond)).exp())
            .sum();
        (-fall).exp() * sum * scale / self.constant
    }

    /// Probability of a value between zero and w ≥ 0.
    fn centre(&self, place: f64) -> f64 {
        if place > self.width() {
            return 0.5 - self.tail(place);
        }
        let half = place / 2.0;
        let density = |node: f64| (-self.fall(half * (1.0 + node))).exp();
        let sum: f64 = LEGENDRE.iter().map(|(node, weight)| weight * (density(*node) + density(-node))).sum();
        half * sum / self.constant
    }

    /// The w > 0 beyond which `tail` is and below which, down to zero, `centre` is: the two make one half,
    /// and the smaller is the more exact. With it the steps that it took.
    ///
    /// Newton's method, on the centre or on the logarithm of the tail: both are concave, so that every change
    /// is smaller than the last until rounding is all that is left.
    fn solve(&self, centre: f64, tail: f64) -> (f64, usize) {
        let is_central = centre <= tail;
        let mut place = if is_central { centre * self.constant } else { normal_guess(tail) };
        let mut last = f64::INFINITY;
        for step in 1..=MOST_STEPS {
            let density = (-self.fall(place)).exp() / self.constant;
            let change = if is_central {
                (centre - self.centre(place)) / density
            } else {
                let found = self.tail(place);
                (found / tail).ln() * found / density
            };
            place += change;
            if change.abs() <= SETTLED * place || change.abs() >= last {
                return (place, step);
            }
            last = change.abs();
        }
        (place, MOST_STEPS)
    }
}

/// The normal quantile beyond which `tail` ≤ ½ is, to 4.5e-4 (Abramowitz and Stegun, *Handbook of
/// Mathematical Functions*, 26.2.23).
fn normal_guess(tail: f64) -> f64 {
    let t = (-2.0 * tail.ln()).sqrt();
    t - (2.515_517 + t * (0.802_853 + t * 0.010_328))
        / (1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308)))
}

/// Places x and weights of ∫ f(x) dx over all x > 0 for functions that fall exponentially: the trapezoidal
/// rule after x = exp(s − exp(−s)) (Takahasi and Mori, "Double exponential formulas for numerical
/// integration", *Publications of the RIMS* 9(3), 1974). What is left out is below 1e-15 of the sum, and the
/// rule's error is too at half the step.
static TAIL: LazyLock<Vec<(f64, f64)>> = LazyLock::new(|| {
    const STEP: f64 = 0.125;
    const FIRST: f64 = -3.5;
    const COUNT: u32 = 64;
    (0..COUNT)
        .map(|index| {
            let s = FIRST + STEP * f64::from(index);
            let x = (s - (-s).exp()).exp();
            (x, STEP * x * (1.0 + (-s).exp()))
        })
        .collect()
});

/// The positive places and the weights of the Gauss-Legendre rule of 16 points (Abramowitz and Stegun, table
/// 25.4).
const LEGENDRE: [(f64, f64); 8] = [
    (0.095_012_509_837_637_44, 0.189_450_610_455_068_5),
    (0.281_603_550_779_258_9, 0.182_603_415_044_923_6),
    (0.458_016_777_657_227_4, 0.169_156_519_395_002_5),
    (0.617_876_244_402_643_7, 0.149_595_988_816_576_7),
    (0.755_404_408_355_003, 0.124_628_971_255_533_9),
    (0.865_631_202_387_831_7, 0.095_158_511_682_492_78),
    (0.944_575_023_073_232_6, 0.062_253_523_938_647_89),
    (0.989_400_934_991_649_9, 0.027_152_459_411_754_1),
];
