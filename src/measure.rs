//! Warm-up and timed runs, through one loop.
//!
//! Everything the loop needs exists before it starts: the session with its tensors bound, and room for the
//! latencies with every page written to. Between the two clock reads there is only the session's call.
//! Nothing here formats, averages or prints; latencies go out raw and in order.
//!
//! The clock is `CLOCK_MONOTONIC` read through the vDSO: in nanoseconds, never set back, and at the rate of
//! true seconds. Measured on an x86-64 virtual machine, a pair of reads takes 48 to 50 ns through rustix, 52
//! to 54 ns through `std::time::Instant` and 48 ns on `CLOCK_MONOTONIC_RAW`; each sees a null call as 20 ns.
//! The raw clock would save nothing and drift with the crystal.

use std::collections::TryReserveError;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::bundle::format::{Latencies, Stage};
use crate::runtime::{RunError, Session};
use crate::units::Nanos;

/// The largest number of warm-up runs that follow the pause before timing.
const LAST_WARM_UP_RUNS: usize = 5;

/// A phase of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Warm-up runs, which enter no statistic.
    WarmUp,
    /// The last warm-up runs, after a pause in which the daemon reads the host's state: the later half, at
    /// most five. They make a host that became idle in the pause busy again before timing begins.
    LastWarmUp,
    /// Timed runs. They follow the last warm-up run without a pause.
    Timing,
    /// More runs, to measure their energy.
    Energy,
}

/// A run failed.
#[derive(Debug, thiserror::Error)]
#[error("run {run} of {runs} {} failed", phase.runs())]
pub struct MeasureError {
    /// In which phase.
    pub(crate) phase: Phase,
    /// Number of the run in that phase, from 1.
    pub run: usize,
    /// Number of runs of that phase.
    pub runs: usize,
    /// The session's error.
    pub source: RunError,
}

/// Run the session as often as `latencies` has room, first for warm-up, then timed; fill in the latencies.
///
/// Calls `entering` before each phase, outside all latencies. It may wait before any phase but the timed one.
///
/// # Errors
/// The first run that failed, which makes the latencies from it on meaningless; or the error of `entering`.
pub fn measure<E: From<MeasureError>>(
    session: &mut dyn Session,
    latencies: &mut Latencies,
    entering: &mut dyn FnMut(Phase) -> Result<(), E>,
) -> Result<(), E> {
    // The first read binds the vDSO, which must not count towards the first latency.
    let _ = clock_gettime(ClockId::Monotonic);
    let warm_up_runs = latencies.warm_up_ns.len();
    let (first, last) = latencies.warm_up_ns.split_at_mut(warm_up_runs - last_warm_up_runs(warm_up_runs));
    for (phase, of_phase) in
        [(Phase::WarmUp, first), (Phase::LastWarmUp, last), (Phase::Timing, &mut latencies.latency_ns[..])]
    {
        entering(phase)?;
        repeat(session, phase, of_phase)?;
    }
    Ok(())
}

/// Run the session as often as there are latencies to fill in.
///
/// # Errors
/// The first run that failed.
pub fn repeat(session: &mut dyn Session, phase: Phase, latencies: &mut [Nanos]) -> Result<(), MeasureError> {
    let runs = latencies.len();
    time_each(session, latencies).map_err(|(run, source)| MeasureError { phase, run, runs, source })
}

/// How many warm-up runs follow the pause.
fn last_warm_up_runs(warm_up_runs: usize) -> usize {
    warm_up_runs.div_ceil(2).min(LAST_WARM_UP_RUNS)
}

fn time_each(session: &mut dyn Session, latencies: &mut [Nanos]) -> Result<(), (usize, RunError)> {
    for (index, latency) in latencies.iter_mut().enumerate() {
        let started = clock_gettime(ClockId::Monotonic);
        let result = session.run();
        let finished = clock_gettime(ClockId::Monotonic);
        *latency = span(started, finished);
        if let Err(error) = result {
            return Err((index + 1, error));
        }
    }
    Ok(())
}

// Not at the reads, so that no multiplication is between them.
fn span(started: Timespec, finished: Timespec) -> Nanos {
    let seconds = finished.tv_sec - started.tv_sec;
    Nanos((seconds * 1_000_000_000 + finished.tv_nsec - started.tv_nsec).cast_unsigned())
}

impl Phase {
    /// Name of its runs.
    fn runs(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up runs",
            Self::LastWarmUp => "last warm-up runs",
            Self::Timing => "timed runs",
            Self::Energy => "runs for energy",
        }
    }
}

impl From<Phase> for Stage {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::WarmUp | Phase::LastWarmUp => Self::WarmUp,
            Phase::Timing => Self::Timing,
            Phase::Energy => Self::Energy,
        }
    }
}

/// Room for the latencies of one trial, every page of it written to.
///
/// # Errors
/// The host does not have that much memory.
pub fn room_for(warm_up_runs: u32, timed_runs: u32) -> Result<Latencies, TryReserveError> {
    let (warm_up_ns, latency_ns) = (touched(warm_up_runs)?, touched(timed_runs)?);
    Ok(Latencies { warm_up_ns, latency_ns, ..Latencies::default() })
}

/// Room for the latencies of one phase, every page of it written to.
///
/// # Errors
/// The host does not have that much memory.
pub fn touched(runs: u32) -> Result<Vec<Nanos>, TryReserveError> {
    let mut latencies = Vec::new();
    latencies.try_reserve_exact(runs as usize)?;
    // Not zero: an allocator may hand out zeroed pages that fault at their first write.
    latencies.resize(runs as usize, Nanos(u64::MAX));
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ShownOutput;

    struct FailsAt {
        calls: usize,
        failing: usize,
    }

    impl Session for FailsAt {
        fn run(&mut self) -> Result<(), RunError> {
            self.calls += 1;
            if self.calls == self.failing { Err(RunError("no such kernel".into())) } else { Ok(()) }
        }

        fn outputs(&mut self, _: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> {
            Ok(())
        }
    }

    fn failing_at(failing: usize) -> MeasureError {
        let mut latencies = room_for(3, 5).unwrap();
        let mut session = FailsAt { calls: 0, failing };
        measure(&mut session, &mut latencies, &mut |_| Ok::<(), MeasureError>(())).unwrap_err()
    }

    #[test]
    fn every_run_gets_its_latency_in_order() {
        struct Longer(u64);
        impl Session for Longer {
            fn run(&mut self) -> Result<(), RunError> {
                self.0 += 2_000_000;
                std::thread::sleep(std::time::Duration::from_nanos(self.0));
                Ok(())
            }

            fn outputs(&mut self, _: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> {
                Ok(())
            }
        }
        let mut latencies = room_for(1, 3).unwrap();
        let mut phases = Vec::new();
        let mut entering = |phase| {
            phases.push(phase);
            Ok::<(), MeasureError>(())
        };
        measure(&mut Longer(0), &mut latencies, &mut entering).unwrap();
        assert_eq!(phases, [Phase::WarmUp, Phase::LastWarmUp, Phase::Timing]);
        assert_eq!(latencies.warm_up_ns.len(), 1);
        let at_least = [4_000_000, 6_000_000, 8_000_000].map(Nanos);
        assert_eq!(latencies.latency_ns.len(), at_least.len());
        for (latency, least) in latencies.latency_ns.iter().zip(at_least) {
            assert!(*latency >= least && *latency < Nanos(u64::MAX), "{latency:?}");
        }
    }

    #[test]
    fn a_failing_run_is_named_by_phase_and_number() {
        let warm_up = failing_at(1);
        assert_eq!((warm_up.phase, warm_up.run), (Phase::WarmUp, 1));
        let last = failing_at(2);
        assert_eq!((last.phase, last.run, Stage::from(last.phase)), (Phase::LastWarmUp, 1, Stage::WarmUp));
        let timing = failing_at(3 + 4);
        assert_eq!((timing.phase, timing.run), (Phase::Timing, 4));
        insta::assert_snapshot!(timing, @"run 4 of 5 timed runs failed");
    }

    #[test]
    fn what_follows_the_pause_is_the_later_half_of_the_warm_up_but_five_runs_at_most() {
        let last: Vec<usize> = [0, 1, 2, 3, 10, 11, 1000].map(last_warm_up_runs).into();
        assert_eq!(last, [0, 1, 1, 2, 5, 5, 5]);
    }

    #[test]
    fn a_span_over_a_full_second_is_right() {
        let at = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        assert_eq!(span(at(7, 999_999_990), at(8, 5)), Nanos(15));
        assert_eq!(span(at(7, 5), at(9, 4)), Nanos(1_999_999_999));
        assert_eq!(span(at(7, 5), at(7, 5)), Nanos(0));
    }

    #[test]
    fn room_that_no_machine_has_is_an_error_and_no_abort() {
        assert!(room_for(0, 0).is_ok());
        let mut latencies = Vec::<Nanos>::new();
        assert!(latencies.try_reserve_exact(usize::MAX / 16).is_err());
    }
}
