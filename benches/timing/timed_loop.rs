//! What the timed loop adds to each run: time, allocations, system calls. Fails where a target is missed.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use backbone::measure::{MeasureError, measure, room_for};
use backbone::runtime::{RunError, Session, ShownOutput};

use crate::rig::{Report, quantile};

/// Runs of one loop; long enough that the two reads around the loop do not matter.
const RUNS: u32 = 1000;

/// Loops.
const LOOPS: usize = 2000;

/// The target for the median.
const ADDED_LIMIT_NS: f64 = 80.0;

/// Does nothing, but not so that the compiler could see it.
struct Null;

impl Session for Null {
    #[inline(never)]
    fn run(&mut self) -> Result<(), RunError> {
        black_box(());
        Ok(())
    }

    fn outputs(&mut self, _: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> {
        Ok(())
    }
}

pub(crate) fn run() -> ExitCode {
    let mut session = Null;
    let mut samples = room_for(0, RUNS).expect("memory");
    let mut timed = Vec::with_capacity(LOOPS);
    let mut bare = Vec::with_capacity(LOOPS);
    let mut seen = Vec::with_capacity(LOOPS * RUNS as usize);
    // Interleaved, so that a change of the processor's speed meets both.
    for _ in 0..LOOPS {
        let started = Instant::now();
        measure(black_box(&mut session), &mut samples, &mut |_| Ok::<(), MeasureError>(()))
            .expect("no failure");
        timed.push(started.elapsed().as_nanos() as f64 / f64::from(RUNS));
        seen.extend(samples.latency_ns.iter().map(|latency| latency.0 as f64));
        let started = Instant::now();
        for _ in 0..RUNS {
            let session: &mut dyn Session = black_box(&mut session);
            session.run().expect("no failure");
        }
        bare.push(started.elapsed().as_nanos() as f64 / f64::from(RUNS));
    }
    let added: Vec<f64> = timed.iter().zip(&bare).map(|(timed, bare)| timed - bare).collect();
    let (median, tail) = (quantile(added.clone(), 0.5), quantile(added, 0.99));
    let allocations = crate::counting::allocations_of(|| {
        measure(&mut Null, &mut samples, &mut |_| Ok::<(), MeasureError>(())).expect("no failure");
    });
    let calls = crate::counting::makes_no_system_call(move || {
        measure(&mut Null, &mut samples, &mut |_| Ok::<(), MeasureError>(())).expect("no failure");
        std::mem::forget(samples);
    });
    let mut report = Report::new(&format!("timed loop around a null session, {LOOPS} loops of {RUNS} runs"));
    report.judged(
        "added to each run",
        &format!("{median:.1} ns median, {tail:.1} ns 99th percentile"),
        &format!("median ≤ {ADDED_LIMIT_NS}"),
        median <= ADDED_LIMIT_NS,
    );
    report.figure("bare call", &format!("{:.1} ns median", quantile(bare, 0.5)));
    report.figure("latency it reports", &format!("{:.0} ns median", quantile(seen, 0.5)));
    report.judged("allocations", &format!("{allocations} in {RUNS} runs"), "0", allocations == 0);
    let called = calls.as_ref().map_or_else(String::as_str, |()| "none");
    report.judged("system calls", called, "none", calls.is_ok());
    report.end()
}
