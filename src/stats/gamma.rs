//! The gamma function's relatives that the other statistics need: a ratio of two of its values, and its
//! logarithmic derivatives.
//!
//! Each is a recurrence up to [`SERIES_FROM`], which takes at most that many steps, and an asymptotic series
//! from there on.

/// From here on the first term that each series leaves out is below 1e-15 of the sum.
const SERIES_FROM: f64 = 20.0;

/// Γ(x + ½) / Γ(x) for x > 0, else not a number.
///
/// The series is that of Tricomi and Erdélyi, "The asymptotic expansion of a ratio of gamma functions",
/// *Pacific Journal of Mathematics* 1(1), 1951.
pub(super) fn half_step_ratio(x: f64) -> f64 {
    let mut factor = 1.0;
    let x = step_up(x, |x| factor *= x / (x + 0.5));
    let inverse = 1.0 / x;
    let sum = 39_325.0 / 33_554_432.0;
    let sum = 869.0 / 4_194_304.0 + inverse * sum;
    let sum = -399.0 / 262_144.0 + inverse * sum;
    let sum = -21.0 / 32_768.0 + inverse * sum;
    let sum = 5.0 / 1024.0 + inverse * sum;
    let sum = 1.0 / 128.0 + inverse * sum;
    let sum = -1.0 / 8.0 + inverse * sum;
    factor * x.sqrt() * (1.0 + inverse * sum)
}

/// ψ(x) for x > 0, else not a number (Abramowitz and Stegun, *Handbook of Mathematical Functions*, 6.3.5 and
/// 6.3.18).
pub(super) fn digamma(x: f64) -> f64 {
    let mut sum = 0.0;
    let x = step_up(x, |x| sum -= 1.0 / x);
    let square = 1.0 / (x * x);
    let series = 1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0 - square * (1.0 / 240.0)));
    sum + x.ln() - 0.5 / x - square * series
}

/// ψ′(x) for x > 0, else not a number (Abramowitz and Stegun 6.4.6 and 6.4.12).
pub(super) fn trigamma(x: f64) -> f64 {
    let mut sum = 0.0;
    let x = step_up(x, |x| sum += 1.0 / (x * x));
    let square = 1.0 / (x * x);
    let series = 1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square * (1.0 / 30.0)));
    sum + 1.0 / x + square / 2.0 + square / x * series
}

/// ψ″(x) for x > 0, else not a number (Abramowitz and Stegun 6.4.6 and 6.4.13).
fn tetragamma(x: f64) -> f64 {
    let mut sum = 0.0;
    let x = step_up(x, |x| sum -= 2.0 / (x * x * x));
    let square = 1.0 / (x * x);
    let series = 0.5 - square * (1.0 / 6.0 - square * (1.0 / 6.0 - square * (3.0 / 10.0)));
    sum - square - square / x - square * square * series
}

/// `x`, plus one until it reaches [`SERIES_FROM`]; `term` is called with each value below that. Not a number
/// for x ≤ 0, where the functions here have poles.
fn step_up(x: f64, mut term: impl FnMut(f64)) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    let steps = (SERIES_FROM - x).max(0.0).ceil() as usize;
    (0..steps).for_each(|step| term(x + step as f64));
    x + steps as f64
}

/// The most steps of [`inverse_trigamma`]. It takes six.
pub(super) const MOST_STEPS: usize = 16;

/// The x with ψ′(x) = y > 0, and the steps that it took; not a number for any other y.
///
/// Newton's method on 1/ψ′, which is convex and nearly linear (Smyth 2004, appendix), from where 1/x + 1/(2
/// x²), a little less than ψ′, is y.
pub(super) fn inverse_trigamma(y: f64) -> (f64, usize) {
    // Steps from here on change nothing: the error of the next is the square of this one.
    const SETTLED: f64 = 1e-9;
    let mut x = match y {
        y if y.is_nan() || y < 0.0 => return (f64::NAN, 0),
        y if y.is_infinite() => return (0.0, 0),
        y => (1.0 + (1.0 + 2.0 * y).sqrt()) / y / 2.0,
    };
    // So few that one over it is y to the last digit; infinitely many for zero.
    if x > 1e15 {
        return (x, 0);
    }
    for step in 1..=MOST_STEPS {
        let value = trigamma(x);
        let change = value * (1.0 - value / y) / tetragamma(x);
        x += change;
        if (change / x).abs() < SETTLED {
            return (x, step);
        }
    }
    (x, MOST_STEPS)
}
