//! How long it takes to read the longest transcript of trtexec with its exported times, and what a worker
//! adds to a run of it. The program is the tests' stub, which does nothing but print. Fails where a target is
//! missed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use backbone::runtime::trtexec::outcome::{self, Exit};
use backbone::runtime::trtexec::report::TrtexecReport;
use backbone::runtime::trtexec::times;
use backbone::runtime::{Compilation, LoadRequest, NeedKind};
use backbone::worker::ending::Ending;
use backbone::worker::parent::{self, Control, Trial, Watch};
use backbone::worker::protocol::{PROTOCOL, Request, Task};

/// Queries in the transcript.
const ROWS: u32 = 10_000;

/// The target for reading them, median.
const READING_LIMIT: Duration = Duration::from_millis(20);

/// The target for what a worker adds to a run, median.
const ADDED_LIMIT: Duration = Duration::from_millis(50);

/// Readings.
const READINGS: usize = 15;

/// Pairs of a bare run and one in a worker, in turns.
const PAIRS: usize = 20;

struct NoWatch;

impl Watch for NoWatch {
    fn tick(&mut self) -> Control {
        Control::Continue
    }
}

fn transcript() -> (String, String) {
    let mut text =
        String::from("&&&& RUNNING TensorRT.trtexec [TensorRT v8001] # trtexec --loadEngine=m.engine\n");
    let mut exported = String::from("[\n  ");
    for row in 0..ROWS {
        let milliseconds = 39.0 + f64::from(row % 977) / 1000.0;
        let start = f64::from(row) * milliseconds;
        let _ = writeln!(
            text,
            "[04/14/2026-01:36:58] [I] Average on 1 runs - GPU latency: {milliseconds} ms - Host latency: 40.3851 ms (end to end \
             40.3977 ms, enqueue 7.484 ms)"
        );
        let _ = write!(
            exported,
            "{}{{ \"startEnqMs\" : {start}, \"endEnqMs\" : {start}, \"startH2dMs\" : {start}, \"endH2dMs\" : {start}, \
             \"startComputeMs\" : {start}, \"endComputeMs\" : {start}, \"startD2hMs\" : {start}, \"endD2hMs\" : {start}, \"h2dMs\" : \
             0.47, \"computeMs\" : {milliseconds}, \"d2hMs\" : 0.03, \"latencyMs\" : 40.3, \"endToEndMs\" : 40.4 }}",
            if row == 0 { "" } else { "\n, " }
        );
    }
    text.push_str("&&&& PASSED TensorRT.trtexec [TensorRT v8001] # trtexec --loadEngine=m.engine\n");
    exported.push_str("\n]\n");
    (text, exported)
}

fn reading() -> Duration {
    let (text, exported) = transcript();
    let taken = (0..READINGS).map(|_| {
        let started = Instant::now();
        let mut report = TrtexecReport::default();
        report.take(text.as_bytes());
        report.finish();
        let times = times::parse(exported.as_bytes());
        let timed = outcome::of_timing(&report, Exit::Code(0), times, 0, ROWS as usize);
        let taken = started.elapsed();
        assert!(timed.failure.is_none() && timed.latencies.latency_ns.len() == ROWS as usize);
        taken
    });
    median(taken.collect())
}

/// A folder with the stub as TensorRT 8.5.2, and a model.
fn host(folder: &Path) -> (PathBuf, Request) {
    fs_err::create_dir_all(folder.join("etc")).expect("folder");
    fs_err::create_dir(folder.join("engines")).expect("folder");
    fs_err::write(folder.join("etc/trtexec-stub"), "RELEASE=8502\n").expect("file");
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = repository.join("tests/trtexec/stub");
    let request = Request {
        protocol: PROTOCOL,
        runtime: "trtexec".to_owned(),
        load: LoadRequest {
            task: Task::Build,
            model: repository.join("inbox-examples/tiny-cnn.onnx"),
            provided: [(NeedKind::Program, program.clone())].into_iter().collect(),
            options: [].into(),
            inputs: [].into(),
            seed: 1,
            filled_like: Vec::new(),
            compilation: Some(Compilation {
                folder: folder.join("engines"),
                platform: String::new(),
                model_sha256: String::new(),
                build: 1,
            }),
        },
        warm_up_runs: 10,
        timed_runs: 100,
        energy_seconds: 0,
        outputs_file: None,
        placement: Default::default(),
        confinement: None,
    };
    (program, request)
}

fn in_worker(folder: &Path, request: &Request) -> (Duration, Ending) {
    let trial = Trial {
        executable: Path::new(env!("CARGO_BIN_EXE_backbone")),
        arguments: &["__worker"],
        environment: vec![("BACKBONE_HOST_ROOT".into(), folder.into())],
        request,
        timeout: Duration::from_secs(60),
    };
    let started = Instant::now();
    let ended = parent::run(&trial, &mut NoWatch);
    (started.elapsed(), ended.ending)
}

fn bare(folder: &Path, program: &Path) -> Duration {
    let engines = fs_err::read_dir(folder.join("engines")).expect("folder");
    let mut paths = engines.map(|entry| entry.expect("entry").path());
    let engine =
        paths.find(|path| path.extension().is_some_and(|ending| ending == "engine")).expect("an engine");
    let mut command = Command::new(program);
    command.arg(format!("--loadEngine={}", engine.display()));
    command.arg(format!("--exportTimes={}", folder.join("times").display()));
    command.args([
        "--iterations=110",
        "--device=0",
        "--warmUp=0",
        "--duration=0",
        "--avgRuns=1",
        "--streams=1",
    ]);
    command.args(["--useSpinWait", "--noDataTransfers"]).env("BACKBONE_HOST_ROOT", folder);
    let started = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("the stub");
    assert!(output.status.success());
    started.elapsed()
}

fn added() -> Duration {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (program, mut request) = host(folder.path());
    let (_, built) = in_worker(folder.path(), &request);
    assert!(matches!(built, Ending::Built(_)), "{built:?}");
    request.load.task = Task::Measure;
    let pairs = (0..PAIRS).map(|_| {
        let bare = bare(folder.path(), &program);
        let (whole, ending) = in_worker(folder.path(), &request);
        assert!(matches!(ending, Ending::Complete { .. }), "{ending:?}");
        whole.saturating_sub(bare)
    });
    median(pairs.collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]
pub(crate) fn run() -> ExitCode {
    let (reading, added) = (reading(), added());
    println!("reading a transcript and times of {ROWS} queries: {reading:.2?} (limit {READING_LIMIT:?})");
    println!("added to a run by a worker: {added:.2?} (limit {ADDED_LIMIT:?})");
    let is_met = reading <= READING_LIMIT && added <= ADDED_LIMIT;
    if is_met || std::env::var_os("BACKBONE_BENCH_REPORT_ONLY").is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
