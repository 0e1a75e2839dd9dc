//! How fine the clock is that latencies are taken with.
//!
//! `clock_getres` is not asked: it tells the unit that the kernel counts in, 1 ns, even where the counter below ticks
//! every 32 ns, as on many ARM boards. So the clock is watched instead, once, when the program starts.

use std::time::Instant;

use crate::units::Nanos;

/// Steps that are watched. The smallest counts, so a step that the scheduler stretched does no harm.
const STEPS: u32 = 1_000;

/// The smallest step between two reads of the monotonic clock: its tick, or the time that one read takes where that
/// is longer. Takes about a thousand steps, well below a millisecond on a usual machine.
pub(crate) fn smallest_step() -> Nanos {
    (0..STEPS).map(|_| next_step()).min().unwrap_or(Nanos(1))
}

fn next_step() -> Nanos {
    let start = Instant::now();
    loop {
        let step = start.elapsed().as_nanos();
        if step > 0 {
            return Nanos(u64::try_from(step).unwrap_or(u64::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_is_fine_enough_to_measure_microseconds() {
        let step = smallest_step();
        assert!((1..10_000).contains(&step.0), "{step:?}");
    }
}
