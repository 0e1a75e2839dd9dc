//! The resolution of the clock that measures latencies.
//!
//! `clock_getres` does not help: it returns the kernel's unit, 1 ns, even if the hardware counter ticks every
//! 32 ns, as on many ARM boards. So this observes the clock itself, once, at the start of the program.

use std::time::Instant;

use crate::units::Nanos;

/// Steps to observe. The smallest one counts, so it does not matter if the scheduler stretches one.
const STEPS: u32 = 1_000;

/// The smallest step between two reads of the monotonic clock: its tick, or the time that one read takes if
/// that is longer. Takes about a thousand steps, well under a millisecond on a usual machine.
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
