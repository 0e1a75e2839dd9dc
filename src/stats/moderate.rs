//! Variances of many small samples, each moderated by the others.
//!
//! Three processes say little about how much processes of one configuration differ, a whole study says much
//! about how much they differ on its platform. Moderation weighs both. Data comes from `analysis`.

use crate::stats::gamma::{digamma, inverse_trigamma, trigamma};

/// What all samples together say about each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prior {
    /// The variance that they have in common.
    pub variance: f64,
    /// Its weight against a sample's own variance; infinite if the samples show no difference in variance.
    pub degrees_of_freedom: f64,
}

/// A variance and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Variance {
    /// The variance.
    pub value: f64,
    /// Its degrees of freedom; may be infinite.
    pub degrees_of_freedom: f64,
    /// Whether it was moderated by others; it is then the scale of a Student's distribution and not a
    /// sample's variance.
    pub moderated: bool,
}

impl Variance {
    /// A sample's own.
    pub(crate) fn own(value: f64, degrees_of_freedom: f64) -> Self {
        Self { value, degrees_of_freedom, moderated: false }
    }

    /// Of the same thing times `weight`.
    pub(crate) fn weighted(self, weight: f64) -> Self {
        Self { value: self.value * weight * weight, ..self }
    }
}

/// Below this part of the median a variance is lifted to it, because its logarithm would outweigh all others
/// (as `limma` does).
const SMALLEST_VARIANCE: f64 = 1e-5;

/// How many standard errors the spread of the logarithms is taken for larger than it is seen. A few samples
/// often look more alike than they are, and taking their variances for equal makes intervals too narrow;
/// taking them for too different makes intervals a little wide. Half a standard error gives 95 % coverage in
/// studies of 24 configurations (`tests/desk/analysis.rs`).
const CAUTION: f64 = 0.5;

/// The prior of samples with these variances; `None` for fewer than two samples or only zero variances.
///
/// Moments of the logarithms (Smyth, "Linear models and empirical Bayes methods for assessing differential
/// expression in microarray experiments", *Statistical Applications in Genetics and Molecular Biology* 3(1),
/// 2004, §6.2), with [`CAUTION`].
pub(crate) fn prior(variances: &[Variance]) -> Option<Prior> {
    let values: Vec<f64> = variances.iter().map(|variance| variance.value).collect();
    let middle = super::sample::median(&values)?;
    let largest = values.iter().copied().fold(0.0, f64::max);
    if values.len() < 2 || largest <= 0.0 {
        return None;
    }
    let floor = if middle > 0.0 { middle } else { largest } * SMALLEST_VARIANCE;
    let logarithms: Vec<f64> = variances
        .iter()
        .map(|Variance { value, degrees_of_freedom, .. }| {
            let half = degrees_of_freedom / 2.0;
            value.max(floor).ln() - digamma(half) + half.ln()
        })
        .collect();
    let centre = super::sample::mean(&logarithms)?;
    let spread = super::sample::standard_deviation(&logarithms)?.powi(2);
    let expected = super::sample::mean(
        &variances.iter().map(|variance| trigamma(variance.degrees_of_freedom / 2.0)).collect::<Vec<f64>>(),
    )?;
    let excess = spread * (1.0 + CAUTION * (2.0 / (values.len() - 1) as f64).sqrt()) - expected;
    if excess <= 0.0 {
        return Some(Prior { variance: pooled(variances), degrees_of_freedom: f64::INFINITY });
    }
    let (half, _) = inverse_trigamma(excess);
    Some(Prior { variance: (centre + digamma(half) - half.ln()).exp(), degrees_of_freedom: 2.0 * half })
}

impl Prior {
    /// The moderated variance of a sample: the weighted mean of its own and the common one (Smyth 2004, §3).
    pub(crate) fn moderated(self, own: Option<Variance>) -> Variance {
        let own = own.unwrap_or(Variance::own(self.variance, 0.0));
        let degrees_of_freedom = self.degrees_of_freedom + own.degrees_of_freedom;
        let value = if self.degrees_of_freedom.is_infinite() {
            self.variance
        } else {
            (self.degrees_of_freedom * self.variance + own.degrees_of_freedom * own.value)
                / degrees_of_freedom
        };
        Variance { value, degrees_of_freedom, moderated: true }
    }
}

/// Σ d s² / Σ d.
fn pooled(variances: &[Variance]) -> f64 {
    let weight: f64 = variances.iter().map(|variance| variance.degrees_of_freedom).sum();
    variances.iter().map(|variance| variance.value * variance.degrees_of_freedom).sum::<f64>() / weight
}

/// A moderated variance counts as having at least so many degrees of freedom in a sum: below four its fourth
/// moment is infinite. A little above, sums have the coverage that they should (`tests/desk/analysis.rs`).
const FEWEST_FOR_MOMENTS: f64 = 4.5;

/// The variance of a sum of independent parts.
///
/// Samples' own variances are added, with the degrees of freedom Σv² / Σ(v² / d) (Satterthwaite, "An
/// approximate distribution of estimates of variance components", *Biometrics Bulletin* 2(6), 1946).
/// Moderated ones are scales of Student's distributions, whose sum is given the Student's distribution with
/// the same second and fourth moment (Patil, "Approximation to the Behrens-Fisher distributions",
/// *Biometrika* 52(1/2), 1965): adding scales would be too narrow, because moderation draws large variances
/// down by more than it lifts small ones.
pub(crate) fn of_sum(parts: &[Variance]) -> Variance {
    match parts {
        [one] => *one,
        parts if parts.iter().all(|part| part.moderated) => of_moderated_sum(parts),
        parts => of_own_sum(parts),
    }
}

fn of_own_sum(parts: &[Variance]) -> Variance {
    let value: f64 = parts.iter().map(|part| part.value).sum();
    let squares: f64 = parts.iter().map(|part| part.value * part.value / part.degrees_of_freedom).sum();
    let degrees_of_freedom = if squares > 0.0 { value * value / squares } else { f64::INFINITY };
    Variance::own(value, degrees_of_freedom)
}

fn of_moderated_sum(parts: &[Variance]) -> Variance {
    let (mut second, mut fourth) = (0.0, 0.0);
    for part in parts {
        let degrees = part.degrees_of_freedom.max(FEWEST_FOR_MOMENTS);
        let moment = if degrees.is_infinite() { part.value } else { part.value * degrees / (degrees - 2.0) };
        second += moment;
        fourth += moment * moment / (degrees - 4.0);
    }
    if fourth == 0.0 {
        return Variance { value: second, degrees_of_freedom: f64::INFINITY, moderated: true };
    }
    let degrees_of_freedom = 4.0 + second * second / fourth;
    let value = second * (degrees_of_freedom - 2.0) / degrees_of_freedom;
    Variance { value, degrees_of_freedom, moderated: true }
}
