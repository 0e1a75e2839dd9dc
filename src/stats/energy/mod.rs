//! What one inference takes in energy, from readings of power or of energy before, during and after many
//! inferences.
//!
//! The mean power while idle is taken off the mean power of the loop, and what is left is shared among its
//! inferences. Power is integrated by the trapezoidal rule; a counter of energy is a difference. The interval
//! comes from the means of batches, which are nearly independent where single readings are not (the method of
//! batch means: Law, *Simulation Modeling and Analysis*, 2015), and from Welch's two-sample t with the
//! degrees of freedom of Satterthwaite (1946); `docs/METHOD.md` has the formulas.

/// Readings this soon after a span began may still reflect the one before: sensors average over some of their
/// conversions, and regulators and governors take some tenths of a second to settle.
pub(crate) const SETTLING_SECONDS: f64 = 0.5;

/// Batches of each span for the interval: more give little.
const BATCHES: usize = 10;

/// Readings that a span must have.
const FEWEST_READINGS: usize = 3;

/// Energy counted from the first reading on: seconds and joules, ascending.
pub(crate) type Curve = Vec<(f64, f64)>;

/// One span of readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Its energy.
    pub curve: Curve,
    /// Were the ends of the span read in energy? Then the difference is exact; power is known between its
    /// readings only.
    pub is_counted: bool,
}

/// The three spans of one sensor, or of a sum of sensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Spans {
    /// Idle before.
    pub idle_before: Stretch,
    /// The inferences, from right before the first to right after the last.
    pub loaded: Stretch,
    /// Idle after.
    pub idle_after: Stretch,
}

/// What an inference takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PerInference {
    /// Mean power while idle, in W.
    pub idle_watts: f64,
    /// Mean power during the loop, in W.
    pub loaded_watts: f64,
    /// Beyond idle, in J.
    pub joules: f64,
    /// Half the width of the interval around it, in J.
    pub half_width_joules: f64,
}

/// The energy under readings of power: seconds and watts.
pub fn of_power(readings: &[(f64, f64)]) -> Stretch {
    let mut curve: Curve = Vec::with_capacity(readings.len());
    let mut joules = 0.0;
    for (index, &(at, watts)) in readings.iter().enumerate() {
        if let Some(&(before, watts_before)) = index.checked_sub(1).map(|before| &readings[before]) {
            joules += (at - before) * (watts + watts_before) / 2.0;
        }
        curve.push((at, joules));
    }
    Stretch { curve, is_counted: false }
}

/// The energy of a counter: seconds and joules, which begin again at zero after `wraps_at`. `None` if the
/// counter went back and its range is not known.
pub(crate) fn of_counter(readings: &[(f64, f64)], wraps_at: Option<f64>) -> Option<Stretch> {
    let mut curve: Curve = Vec::with_capacity(readings.len());
    let mut joules = 0.0;
    for (index, &(at, counted)) in readings.iter().enumerate() {
        if let Some(&(_, before)) = index.checked_sub(1).map(|before| &readings[before]) {
            joules += if counted >= before { counted - before } else { counted + wraps_at? - before };
        }
        curve.push((at, joules));
    }
    Some(Stretch { curve, is_counted: true })
}

/// The sum of sensors that were read together.
pub fn sum(spans: &[Stretch]) -> Option<Stretch> {
    let (first, rest) = spans.split_first()?;
    let mut sum = first.clone();
    for span in rest {
        sum.is_counted &= span.is_counted;
        for (into, from) in sum.curve.iter_mut().zip(&span.curve) {
            into.1 += from.1;
        }
    }
    Some(sum)
}

/// The energy of one of `runs` inferences that took so many seconds; `None` if a span has too few readings.
pub(crate) fn per_inference(spans: &Spans, runs: u64, seconds: f64) -> Option<PerInference> {
    let loaded = settled(&spans.loaded, true)?;
    let idle = [settled(&spans.idle_before, false)?, settled(&spans.idle_after, false)?];
    let idle_watts = idle.iter().map(|curve| mean_watts(curve)).sum::<f64>() / 2.0;
    let loaded_watts =
        if spans.loaded.is_counted { mean_watts(&spans.loaded.curve) } else { mean_watts(&loaded) };
    let idle_batches: Vec<f64> = idle.iter().flat_map(|curve| batches(curve, BATCHES / 2)).collect();
    let width = welch_half_width(&batches(&loaded, BATCHES), &idle_batches)?;
    let share = seconds / runs.max(1) as f64;
    Some(PerInference {
        idle_watts,
        loaded_watts,
        joules: (loaded_watts - idle_watts) * share,
        half_width_joules: width * share,
    })
}

/// The part of a span that its sensors reflect alone. The last reading of a loop comes after its end.
fn settled(span: &Stretch, is_loop: bool) -> Option<Curve> {
    let began = span.curve.first()?.0;
    let mut curve: Curve =
        span.curve.iter().copied().filter(|(at, _)| at - began >= SETTLING_SECONDS).collect();
    if is_loop && !span.is_counted {
        curve.pop();
    }
    (curve.len() >= FEWEST_READINGS && length(&curve) > 0.0).then_some(curve)
}

fn length(curve: &[(f64, f64)]) -> f64 {
    match (curve.first(), curve.last()) {
        (Some(first), Some(last)) => last.0 - first.0,
        _ => 0.0,
    }
}

fn mean_watts(curve: &[(f64, f64)]) -> f64 {
    match (curve.first(), curve.last()) {
        (Some(first), Some(last)) if last.0 > first.0 => (last.1 - first.1) / (last.0 - first.0),
        _ => 0.0,
    }
}

/// Mean power of `count` consecutive parts of a curve, or of fewer if it has fewer readings.
fn batches(curve: &[(f64, f64)], count: usize) -> Vec<f64> {
    let steps = curve.len() - 1;
    let count = count.min(steps);
    (0..count).map(|batch| mean_watts(&curve[batch * steps / count..=(batch + 1) * steps / count])).collect()
}

/// Half the width of the interval for the difference of two means.
fn welch_half_width(one: &[f64], other: &[f64]) -> Option<f64> {
    let part = |values: &[f64]| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (values.len() >= 2).then(|| (squares / (count - 1.0) / count, count - 1.0))
    };
    let ((one, one_freedom), (other, other_freedom)) = (part(one)?, part(other)?);
    let variance = one + other;
    if variance == 0.0 {
        return Some(0.0);
    }
    let freedom = variance.powi(2) / (one.powi(2) / one_freedom + other.powi(2) / other_freedom);
    Some(student(freedom) * variance.sqrt())
}

/// The 97.5 % points of Student's t for 1 to 10 degrees of freedom (any table of it), for
/// [`super::CONFIDENCE`].
const STUDENT: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/// The same for any degrees of freedom, rounded down; beyond the table 1.96 + 2.7 / ν, which is never less
/// than the true value there and at most 0.02 more.
fn student(freedom: f64) -> f64 {
    let whole = freedom.floor().max(1.0);
    if whole <= STUDENT.len() as f64 { STUDENT[whole as usize - 1] } else { 1.96 + 2.7 / whole }
}

#[cfg(test)]
mod tests;
