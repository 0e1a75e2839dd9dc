//! The worker's side: read one request, send events, exit.
//!
//! Standard output carries the protocol and is not redirected: if an inference library prints there, the
//! parent reports it as garbage, because such a write takes time within a measurement. Logs go to standard
//! error. Nothing here knows jobs, folders or statistics.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

use log::{LevelFilter, error, warn};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::bundle::format::{LoadedModel, Resources, Stage};
use crate::measure::{MeasureError, Phase, measure, repeat, room_for, touched};
use crate::runtime::{Execution, Failure, Load, Loaded, Program, SelfTimed, Session, Spent};
use crate::units::Nanos;
use crate::worker::ending::PROTOCOL_MISMATCH;
use crate::worker::memory::{self, Memory};
use crate::worker::protocol::{
    Event, MAXIMUM_ENERGY_RUNS, PARENT_VARIABLE, PROTOCOL, Pause, REQUEST_LIMIT, Request, TIMING_NAME, Task,
    WARM_UP_NAME,
};
use crate::worker::{outputs, placement, sandbox};

/// Exit code of a worker whose parent is gone or does not listen.
const PARENT_GONE: u8 = 1;

/// Serve one request with one of `loaders`.
///
/// Exits with 0 once it has delivered its answer.
pub fn run(loaders: &[&dyn Load]) -> ExitCode {
    // Fails only if there already is a logger, which will do.
    let _ = env_logger::Builder::new().filter_level(LevelFilter::Warn).parse_default_env().try_init();
    super::rights::give_up();
    if !die_with_parent() {
        return ExitCode::from(PARENT_GONE);
    }
    match serve(loaders) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("cannot write to the parent: {reason}");
            ExitCode::from(PARENT_GONE)
        }
    }
}

/// False if the parent died before this process could tie itself to it.
fn die_with_parent() -> bool {
    if let Err(reason) = set_parent_process_death_signal(Some(Signal::KILL)) {
        warn!("this worker may outlive its parent: {reason}");
    }
    let Ok(parent) = std::env::var(PARENT_VARIABLE) else { return true };
    getppid().is_some_and(|actual| actual.as_raw_nonzero().to_string() == parent)
}

fn serve(loaders: &[&dyn Load]) -> std::io::Result<()> {
    say(&Event::Hello { protocol: PROTOCOL })?;
    match carry_out(loaders) {
        Ok(()) => Ok(()),
        Err(Stop::Failed(failure)) => say(&Event::Failed(failure)),
        Err(Stop::ParentGone(reason)) => Err(reason),
    }
}

enum Stop {
    Failed(Failure),
    ParentGone(std::io::Error),
}

fn carry_out(loaders: &[&dyn Load]) -> Result<(), Stop> {
    let request = read_request(std::io::stdin().lock())?;
    let loader = loaders
        .iter()
        .find(|loader| loader.runtime().name == request.runtime)
        .ok_or_else(|| unknown_runtime(&request.runtime, loaders))?;
    // Before the library starts threads, which inherit it.
    let placed = placement::apply(&request.placement);
    if let Some(confinement) = &request.confinement {
        let reach = (loader.runtime().reach)(&request.load.options);
        let confined = sandbox::enforce(confinement, &request.load, &reach)?;
        // The kernel forgets it when the user changes.
        die_with_parent();
        say(&Event::Confined(confined))?;
    }
    super::rights::give_up_the_rest();
    let before_load = memory::of_this_process();
    let Loaded { execution, model, spent } = loader.load(&request.load)?;
    let taken = Taken { spent, before_load, after_load: memory::of_this_process() };
    // Never dropped: a library's teardown could crash or hang and lose complete latencies. The end of the
    // process frees everything anyway.
    let execution = Box::leak(Box::new(execution));
    say(&Event::Loaded(LoadedModel { placed, ..model }))?;
    let runs = (request.warm_up_runs, request.timed_runs);
    match (request.load.task, execution) {
        (Task::Measure, Execution::Session(session)) => timed_by_us(session.as_mut(), &request, &taken),
        (Task::Outputs, Execution::Session(session)) => {
            let read = outputs::of_untimed_runs(session.as_mut(), &request)?;
            Ok(say(&Event::Outputs(read))?)
        }
        (Task::Measure, Execution::Program(program)) => timed_by_itself(program.as_mut(), &request),
        (Task::Profile, Execution::Profiler(profiler)) => {
            Ok(say(&Event::Profiled { layers: profiler.profile(runs.0, runs.1)? })?)
        }
        (Task::Shapes, Execution::Shapes(nodes)) => Ok(say(&Event::Shapes { nodes: std::mem::take(nodes) })?),
        (Task::Build, Execution::Compiler(compiler)) => Ok(say(&Event::Built(compiler.build()?))?),
        (task, _) => {
            Err(refusal("task_not_possible", format!("`{}` cannot do this task: {task:?}", request.runtime))
                .into())
        }
    }
}

fn timed_by_us(session: &mut dyn Session, request: &Request, taken: &Taken) -> Result<(), Stop> {
    let runs = (request.warm_up_runs, request.timed_runs);
    let mut latencies = room_for(runs.0, runs.1).map_err(|_| {
        let detail = format!("no memory for the latencies of {} warm-up and {} timed runs", runs.0, runs.1);
        Failure::new(Stage::Prepare, "out_of_memory", detail).with_hint("request fewer runs in `measure`")
    })?;
    measure(session, &mut latencies, &mut enter)?;
    pause(Pause::AfterTiming)?;
    let timed_ns = latencies.latency_ns.iter().map(|latency| u128::from(latency.0)).sum::<u128>();
    let mean_ns = timed_ns / latencies.latency_ns.len().max(1) as u128;
    let resources = taken.resources(latencies.warm_up_ns.iter().chain(&latencies.latency_ns).next());
    say(&Event::Result { latencies, failure: None, resources })?;
    // Only now: whatever happens here, the latencies have arrived.
    say(&Event::Outputs(outputs::read(session, request.outputs_file.as_deref())))?;
    if request.energy_seconds > 0 {
        let latency_ns = run_for_energy(session, request.energy_seconds, mean_ns)?;
        say(&Event::Energy { latency_ns })?;
    }
    Ok(())
}

/// The program starts once and ends by itself, so both pauses before timing come before it.
fn timed_by_itself(program: &mut dyn Program, request: &Request) -> Result<(), Stop> {
    pause(Pause::BeforeWarmUp)?;
    pause(Pause::BeforeTiming)?;
    // Until it ends, its warm-up cannot be distinguished. Without the name, the stage of a crash is less
    // exact.
    let _ = rustix::thread::set_name(TIMING_NAME);
    let SelfTimed { latencies, failure } = program.time(request.warm_up_runs, request.timed_runs)?;
    pause(Pause::AfterTiming)?;
    let has_failed = failure.is_some();
    let resources = Resources { peak_memory_bytes: memory::peak_of_programs(), ..Resources::default() };
    say(&Event::Result { latencies, failure, resources })?;
    if !has_failed {
        // A run of its own, after all latencies have arrived.
        say(&Event::Outputs(outputs::of_a_program(program, request.outputs_file.as_deref())))?;
    }
    Ok(())
}

/// What loading took.
struct Taken {
    spent: Spent,
    before_load: Memory,
    after_load: Memory,
}

impl Taken {
    /// Everything until now. `first_run` is the latency of the first run in the loop, which is the first
    /// inference if loading included none.
    fn resources(&self, first_run: Option<&Nanos>) -> Resources {
        let first_in_loop = first_run.map(|latency| Duration::from_nanos(latency.0));
        let first_inference = self.spent.first_inference.or(first_in_loop);
        Resources {
            load_seconds: self.spent.load.map(|spent| spent.as_secs_f64()),
            first_inference_seconds: first_inference.map(|spent| spent.as_secs_f64()),
            memory_before_load_bytes: self.before_load.resident_bytes,
            memory_after_load_bytes: self.after_load.resident_bytes,
            peak_memory_bytes: memory::of_this_process().peak_bytes,
        }
    }
}

/// Report the phase to the parent, which reads the host's sensors during pauses.
fn enter(phase: Phase) -> Result<(), Stop> {
    // The names tell the parent where a crash happened; without them the stage is less exact.
    match phase {
        Phase::WarmUp => {
            let _ = rustix::thread::set_name(WARM_UP_NAME);
            pause(Pause::BeforeWarmUp)?;
        }
        Phase::LastWarmUp => pause(Pause::BeforeTiming)?,
        Phase::Timing => {
            let _ = rustix::thread::set_name(TIMING_NAME);
        }
        Phase::Energy => pause(Pause::BeforeEnergy)?,
    }
    Ok(())
}

/// Run as often as fills the given seconds at the mean latency of the timed runs, in the same loop.
fn run_for_energy(session: &mut dyn Session, seconds: u32, mean_ns: u128) -> Result<Vec<Nanos>, Stop> {
    let runs =
        (u128::from(seconds) * 1_000_000_000).div_ceil(mean_ns.max(1)).min(MAXIMUM_ENERGY_RUNS as u128);
    let mut latencies = touched(runs as u32).map_err(|_| {
        let detail = format!("no memory for the latencies of {runs} runs");
        Failure::new(Stage::Energy, "out_of_memory", detail).with_hint("lower `measure.energy_seconds`")
    })?;
    pause(Pause::IdleBeforeEnergy)?;
    // One run wakes what the pause put to sleep, before the energy of the others is counted.
    repeat(session, Phase::Energy, &mut latencies[..1])?;
    enter(Phase::Energy)?;
    repeat(session, Phase::Energy, &mut latencies)?;
    pause(Pause::AfterEnergy)?;
    Ok(latencies)
}

/// Report a pause to the parent and wait for its line, or for its end of the pipe to close.
fn pause(at: Pause) -> std::io::Result<()> {
    say(&Event::Paused { at })?;
    std::io::stdin().lock().skip_until(b'\n').map(drop)
}

fn read_request(input: impl BufRead) -> Result<Request, Failure> {
    let mut line = String::new();
    input
        .take(REQUEST_LIMIT)
        .read_line(&mut line)
        .map_err(|error| refusal("request_not_readable", format!("cannot read the request: {error}")))?;
    if !line.ends_with('\n') {
        return Err(refusal("request_not_readable", "the request ends without a line break".into()));
    }
    // Read before the other fields, which another version may define differently.
    #[derive(serde::Deserialize)]
    struct Version {
        protocol: u32,
    }
    match serde_json::from_str(&line) {
        Ok(Version { protocol: PROTOCOL }) => {}
        Ok(Version { protocol }) => {
            return Err(refusal(
                PROTOCOL_MISMATCH,
                format!("the parent speaks protocol {protocol}, this worker speaks {PROTOCOL}"),
            ));
        }
        Err(error) => {
            return Err(refusal("request_not_readable", format!("the request has no version: {error}")));
        }
    }
    serde_json::from_str(&line)
        .map_err(|error| refusal("request_not_readable", format!("cannot understand the request: {error}")))
}

fn refusal(reason: &str, detail: String) -> Failure {
    Failure::new(Stage::Start, reason, detail)
        .with_hint("do not start a worker yourself; `backbone` starts workers of its own version")
}

fn unknown_runtime(name: &str, loaders: &[&dyn Load]) -> Failure {
    let known: Vec<_> = loaders.iter().map(|loader| format!("`{}`", loader.runtime().name)).collect();
    let detail = format!("this worker executable has no runtime `{name}`; it has {}", known.join(", "));
    Failure::new(Stage::Start, "runtime_not_built_in", detail)
        .with_hint(format!("set `runtimes.{name}.worker` in the configuration to an executable that has it"))
}

fn say(event: &Event) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    let mut output = std::io::stdout().lock();
    output.write_all(&line)?;
    output.flush()
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<MeasureError> for Stop {
    fn from(error: MeasureError) -> Self {
        let detail = format!("{error}: {}", error.source);
        let failure = Failure::new(error.phase.into(), "run_failed", detail);
        Self::Failed(
            failure.with_hint("the runtime loaded the model but failed to run it; its message says why"),
        )
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::ParentGone(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_another_version_is_refused_before_its_fields_are_read() {
        let failure = read_request(&b"{\"protocol\": 77, \"news\": 1}\n"[..]).unwrap_err();
        assert_eq!(failure.reason, "protocol_mismatch");
        insta::assert_snapshot!(failure, @"the parent speaks protocol 77, this worker speaks 6");
    }

    #[test]
    fn a_request_without_an_end_is_refused() {
        for bytes in [&b""[..], b"{\"protocol\": 6", &vec![b' '; 5 << 20]] {
            assert_eq!(read_request(bytes).unwrap_err().reason, "request_not_readable");
        }
    }
}
