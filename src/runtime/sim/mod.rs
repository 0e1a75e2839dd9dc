//! The runtime `sim`: scripted latencies and faults, always built, always marked simulated.
//!
//! A model file of this runtime is a small JSON text, see [`script::Script`]. It sets how long each run takes
//! and, optionally, what goes wrong, so that every way a worker can end can be tried on any host, without a
//! library. The faults are real: the segmentation fault touches memory, the hang hangs. They happen in a
//! worker process only.

use std::time::{Duration, Instant};

use crate::bundle::format::{LoadedModel, Stage, Tensor};
use crate::model_file::signatures::other_format;
use crate::runtime::fill::ElementType;
use crate::runtime::{
    Execution, Failure, Load, LoadRequest, Loaded, Reach, RunError, Runtime, Session, ShownOutput, Spent,
};

mod fault;
mod script;

pub(crate) use fault::Fault;

use script::ScriptedOutput;

/// What the daemon knows of it.
pub(crate) const RUNTIME: Runtime = Runtime {
    name: "sim",
    summary: "scripted latencies and faults, for tests and demonstrations",
    model_format: "sim",
    recognise,
    networks: |_| None,
    options: &[],
    options_from_model: &[],
    most_runs: None,
    timed: |_| ("scripted_delay", "A delay that the model file prescribes; no inference takes place."),
    needs: &[],
    reach: |_| Reach::PROCESSOR,
    fatal_lines: &[],
    simulated: true,
};

/// Shorter delays spin on the clock: a sleep is late by some 60 µs (the kernel's timer slack and a wake-up).
const SLEEP_FROM: Duration = Duration::from_millis(1);

/// Elements of the one input, which nothing reads.
const INPUT_ELEMENTS: u64 = 1;

/// Type of all elements.
const OUTPUT_TYPE: ElementType = ElementType::Float32;

/// The executing half.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Simulator;

impl Load for Simulator {
    fn runtime(&self) -> &'static Runtime {
        &RUNTIME
    }

    fn load(&self, request: &LoadRequest) -> Result<Loaded, Failure> {
        let started = Instant::now();
        let script = script::read(&request.model)?;
        if let Some(name) = request.inputs.keys().next() {
            let detail = format!("a model of `sim` has no tensors, and so no input `{name}`");
            return Err(Failure::new(Stage::Prepare, "unknown_input", detail)
                .with_hint("leave `inputs` out; a script only says how long each run takes"));
        }
        let mut fault = script.fault;
        if let Some(Fault { kind, run: None, in_outputs: false }) = fault {
            kind.happen().map_err(|RunError(detail)| {
                Failure::new(Stage::Load, "model_not_readable", detail)
                    .with_hint("the script asks for this failure; change its `fault`")
            })?;
            fault = None;
        }
        let latencies = script.latency_us.iter().map(|latency| Duration::from_micros(*latency)).collect();
        let described = |output: &ScriptedOutput| tensor(&output.name, output.values.len() as u64);
        Ok(Loaded {
            model: LoadedModel {
                version: Some(env!("CARGO_PKG_VERSION").into()),
                inputs: vec![tensor("input", INPUT_ELEMENTS)],
                outputs: script.outputs.iter().map(described).collect(),
                ..LoadedModel::default()
            },
            execution: Execution::Session(Box::new(Playing {
                latencies,
                next: 0,
                runs: 0,
                fault,
                outputs: script.outputs,
            })),
            spent: Spent { load: Some(started.elapsed()), first_inference: None },
        })
    }
}

/// A script is a JSON object.
fn recognise(head: &[u8]) -> Result<(), String> {
    if head.trim_ascii_start().starts_with(b"{") { Ok(()) } else { Err(other_format(head)) }
}

fn tensor(name: &str, elements: u64) -> Tensor {
    let shape = vec![Some(elements)];
    Tensor { name: name.into(), element_type: OUTPUT_TYPE.name().into(), shape, quantization: None }
}

struct Playing {
    latencies: Vec<Duration>,
    next: usize,
    runs: u64,
    fault: Option<Fault>,
    outputs: Vec<ScriptedOutput>,
}

impl Session for Playing {
    fn run(&mut self) -> Result<(), RunError> {
        let started = Instant::now();
        self.runs += 1;
        if let Some(Fault { kind, run: Some(run), .. }) = self.fault
            && run == self.runs
        {
            kind.happen()?;
        }
        let latency = self.latencies[self.next];
        self.next = (self.next + 1) % self.latencies.len();
        if latency >= SLEEP_FROM {
            std::thread::sleep(latency.saturating_sub(started.elapsed()));
        }
        while started.elapsed() < latency {
            std::hint::spin_loop();
        }
        Ok(())
    }

    fn outputs(&mut self, show: &mut dyn FnMut(ShownOutput<'_>)) -> Result<(), RunError> {
        if let Some(Fault { kind, in_outputs: true, .. }) = self.fault {
            kind.happen()?;
        }
        for output in &self.outputs {
            let bytes: Vec<u8> = output.values_of(std::process::id()).flat_map(f32::to_ne_bytes).collect();
            show(ShownOutput {
                name: &output.name,
                element_type: OUTPUT_TYPE.name(),
                elements: Some(OUTPUT_TYPE),
                shape: &[output.values.len() as u64],
                bytes: Some(&bytes),
            });
        }
        Ok(())
    }
}
