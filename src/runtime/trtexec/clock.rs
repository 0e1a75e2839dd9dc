//! The clock of trtexec: how far apart two times are that it can tell apart. Pure.
//!
//! trtexec takes both ends of a query as milliseconds since its loop began, in 32-bit floats
//! (`cudaEventElapsedTime`), and subtracts them. The longer the loop has run, the coarser they are: 1 µs
//! after 10 s, 7.8 µs after two minutes, 62.5 µs after ten. The tag 6.0.1 measures each query by itself.

use super::report::Wording;
use crate::units::Nanos;

/// What CUDA's events resolve at best, by CUDA's own documents: about half a microsecond.
const EVENT_STEP: Nanos = Nanos(500);

/// Bits of a 32-bit float's fraction.
const FRACTION_BITS: i32 = 23;

/// The most queries of one loop for which the clock's step stays below a hundredth of a query. A float's
/// step is at most 2⁻²³ of its value, and the value is the number of queries times their latency: how long a
/// query takes makes no difference.
pub(super) const MOST_QUERIES: u32 = (1 << FRACTION_BITS) / STEPS_IN_QUERY;

/// A result of fewer steps than this is suspect (`near_clock_resolution`).
const STEPS_IN_QUERY: u32 = 100;

/// The step at the end of a loop that lasted so long.
pub(super) fn step(loop_milliseconds: f64, wording: Option<Wording>) -> Nanos {
    if wording == Some(Wording::Tag6) || loop_milliseconds < f64::from(f32::MIN_POSITIVE) {
        return EVENT_STEP;
    }
    let exponent = loop_milliseconds.log2().floor() as i32;
    let spacing = 2f64.powi(exponent - FRACTION_BITS) * 1e6;
    EVENT_STEP.max(Nanos(spacing.ceil() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: a float's spacing at 10 s is 2⁻¹⁰ ms, at two minutes 2⁻⁷ ms, at ten minutes 2⁻⁴ ms.
    #[test]
    fn step_grows_with_the_loop() {
        let step = |milliseconds| step(milliseconds, Some(Wording::Since7)).0;
        assert_eq!([0.0, 1.0, 4_000.0].map(step), [500; 3]);
        assert_eq!(step(10_000.0), 977);
        assert_eq!(step(120_000.0), 7_813);
        assert_eq!(step(600_000.0), 62_500);
        for milliseconds in [1.5e4_f32, 9.9e4, 3e5] {
            let spacing = f64::from(milliseconds.next_up()) - f64::from(milliseconds);
            assert_eq!(step(f64::from(milliseconds)), (spacing * 1e6).ceil() as u64);
        }
    }

    #[test]
    fn verdict_and_limit_ask_for_the_same_steps() {
        assert_eq!(u64::from(STEPS_IN_QUERY), crate::verdict::CLOCK_STEPS_IN_MEDIAN);
        assert_eq!(MOST_QUERIES, 83_886);
    }

    #[test]
    fn tag_6_measures_each_query_by_itself() {
        assert_eq!(step(600_000.0, Some(Wording::Tag6)), EVENT_STEP);
    }

    #[test]
    fn most_queries_keep_the_step_below_a_hundredth_of_each() {
        for milliseconds in [0.1, 1.0, 7.3, 250.0] {
            let step = step(f64::from(MOST_QUERIES) * milliseconds, Some(Wording::Since7));
            assert!(
                step == EVENT_STEP || step.0 as f64 <= milliseconds * 1e4 + 1.0,
                "{milliseconds}: {step:?}"
            );
        }
    }
}
