//! What confining a worker adds to an inference: one session, run by two threads in turn, of which one is
//! confined as a worker is and the other is not.
//!
//! Threads, because fresh processes differ by far more than what is to be shown; Landlock and the list of
//! system calls hold for a thread. Both keep to one processor, and the session uses no other thread. Compared
//! are the medians of the two blocks of each pair, in random order, as the median of their ratios with an
//! interval from resampling pairs (percentile bootstrap, Efron 1979).
//!
//! Needs the inference libraries; `make bench` gets them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use backbone::bundle::format::SandboxPart;
use backbone::runtime::{Execution, LoadRequest, Session, find, loaders};
use backbone::worker::protocol::Confinement;
use backbone::worker::sandbox;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::rig::{self, Random, Report, quantile};

/// Pairs of blocks.
const PAIRS: usize = 4000;

/// Runs of a block: some tens of milliseconds, short compared with what disturbs a machine.
const RUNS: usize = 20;

/// Runs before the first block.
const WARM_UP_RUNS: usize = 200;

/// Bootstrap resamples; enough for two digits of a 95 % interval.
const RESAMPLES: usize = 4000;

/// Largest difference of the medians, as a share.
const LIMIT: f64 = 0.001;

pub(crate) fn run() -> ExitCode {
    let mut report = Report::new("blocks of runs in a confined thread and in one that is not");
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let library = repository.join("runtimes").join(std::env::consts::ARCH).join("libonnxruntime.so");
    if !library.exists() {
        let missing = format!("{} is missing", library.display());
        report.judged("compared", &missing, "the library is there", false);
        return report.end();
    }
    let model = repository.join("inbox-examples/tiny-cnn.onnx");
    let mut request = rig::request("onnxruntime", model, library, 0, 1).load;
    request.options.insert("threads".to_owned(), 1.into());
    keep_to_one_processor();
    let mut session = session(&request);
    (0..WARM_UP_RUNS).for_each(|_| session.run().expect("a run"));
    let (confined, plain) = in_turn(Lent(session), &request, &mut report);
    let ratios: Vec<f64> = confined.iter().zip(&plain).map(|(confined, plain)| confined / plain).collect();
    let mut random = Random(2);
    let resampled = (0..RESAMPLES).map(|_| {
        let again = (0..ratios.len()).map(|_| ratios[random.below(ratios.len())]).collect();
        quantile(again, 0.5)
    });
    let spread: Vec<f64> = resampled.collect();
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    let ratio = quantile(ratios, 0.5);
    let (low, high) = (quantile(spread.clone(), 0.025), quantile(spread, 0.975));
    report.figure("latency", &format!("{:.3} ms median", quantile(plain, 0.5) / 1e6));
    report.judged(
        "confined against not",
        &format!(
            "{:+.3} %, 95 % interval {:+.3} to {:+.3} %, {PAIRS} pairs",
            percent(ratio),
            percent(low),
            percent(high)
        ),
        &format!("within {} %", LIMIT * 100.0),
        (ratio - 1.0).abs() <= LIMIT,
    );
    report.end()
}

/// A session that one thread at a time has.
struct Lent(Box<dyn Session>);

// SAFETY: ONNX Runtime allows a session to be run from any thread, and the channels below give it to one at a
// time; its inputs and outputs are bound memory that nothing else touches.
#[expect(unsafe_code, reason = "sessions are not marked for threads, because a worker has one")]
unsafe impl Send for Lent {}

/// The medians of the blocks of both threads.
fn in_turn(session: Lent, request: &LoadRequest, report: &mut Report) -> (Vec<f64>, Vec<f64>) {
    let (to_confined, from_main) = channel();
    let (to_main, from_confined) = channel();
    let (told, enforced) = channel();
    let request = request.clone();
    let thread = std::thread::spawn(move || {
        let folder = std::env::temp_dir();
        let confinement = Confinement { workplace: Some(folder), ..Confinement::default() };
        let runtime = find("onnxruntime").expect("it is listed");
        let reach = (runtime.reach)(&request.options);
        let sandbox = sandbox::enforce(&confinement, &request, &reach).expect("it is not required");
        told.send(sandbox.enforced).expect("the other thread waits");
        serve(&from_main, &to_main);
    });
    let enforced: Vec<SandboxPart> = enforced.recv().expect("it is confined");
    let is_confined =
        [SandboxPart::Files, SandboxPart::SystemCalls].iter().all(|part| enforced.contains(part));
    report.judged("confined", &format!("{enforced:?}"), "files and system calls", is_confined);
    let mut random = Random(1);
    let (mut confined, mut plain) = (Vec::with_capacity(PAIRS), Vec::with_capacity(PAIRS));
    let mut session = session;
    for _ in 0..PAIRS {
        let is_first = random.below(2) == 0;
        for is_confined in [is_first, !is_first] {
            if is_confined {
                to_confined.send(session).expect("the other thread waits");
                let (median, back) = from_confined.recv().expect("it answers");
                confined.push(median);
                session = back;
            } else {
                plain.push(block(session.0.as_mut()));
            }
        }
    }
    drop(to_confined);
    thread.join().expect("it ends by itself");
    (confined, plain)
}

fn serve(from_main: &Receiver<Lent>, to_main: &Sender<(f64, Lent)>) {
    while let Ok(mut session) = from_main.recv() {
        let median = block(session.0.as_mut());
        to_main.send((median, session)).expect("the other thread waits");
    }
}

fn keep_to_one_processor() {
    let allowed = sched_getaffinity(None).expect("processors");
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).rfind(|&cpu| allowed.is_set(cpu)).expect("a processor"));
    sched_setaffinity(None, &one).expect("a processor");
}

fn session(request: &LoadRequest) -> Box<dyn Session> {
    let loaders = loaders();
    let loader = loaders.iter().find(|loader| loader.runtime().name == "onnxruntime").expect("it is listed");
    match loader.load(request).expect("the example loads").execution {
        Execution::Session(session) => session,
        _ => unreachable!("ONNX Runtime measures with a session"),
    }
}

/// The median latency in nanoseconds; the first run finds the caches cold and does not count.
fn block(session: &mut dyn Session) -> f64 {
    let mut latencies = Vec::with_capacity(RUNS);
    session.run().expect("a run");
    for _ in 0..RUNS {
        let begun = Instant::now();
        session.run().expect("a run");
        latencies.push(begun.elapsed().as_nanos() as f64);
    }
    quantile(latencies, 0.5)
}
