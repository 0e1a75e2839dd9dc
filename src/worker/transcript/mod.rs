//! What a worker has written so far: takes bytes from its standard output and judges them.
//!
//! Bounded: a line that is longer than any result, is not an event, or comes out of turn ends the
//! conversation, and later bytes are ignored. Nothing here reads or waits.

use crate::bundle::format::{Failure, Latencies, LoadedModel, ReadOutputs, Resources, Sandbox, Stage};
use crate::units::Nanos;
use crate::worker::ending::{Afterwards, Ending};
use crate::worker::log_tail::printable;
use crate::worker::protocol::{Event, MAXIMUM_ENERGY_RUNS, PROTOCOL, Pause, Request, Task};

/// Longest event other than a result, in bytes: a model's tensors and options, or a library's whole error
/// text.
const EVENT_LIMIT: usize = 1 << 20;

/// Longest list of layers, in bytes: some hundred bytes for each node of a large network.
const LAYERS_LIMIT: usize = 8 << 20;

/// Bytes of one latency in JSON: the 20 digits of the largest, and a comma.
const LATENCY_BYTES: usize = 21;

/// How many characters of a bad line to show.
const SHOWN_CHARACTERS: usize = 200;

/// The conversation so far.
#[derive(Debug)]
pub(super) struct Transcript {
    warm_up_runs: usize,
    timed_runs: usize,
    asks_for_energy: bool,
    task: Task,
    line_limit: usize,
    line: Vec<u8>,
    /// Number of events received in order.
    said: usize,
    /// Start: no event yet. Load, prepare, warm-up: `hello`, `loaded`, the first pause arrived. Report:
    /// timing is over. Energy: result and outputs arrived, and energy runs follow.
    pub(super) stage: Stage,
    pub(super) loaded: Option<LoadedModel>,
    /// How the worker confined itself.
    pub(super) sandbox: Option<Sandbox>,
    asks_for_sandbox: bool,
    /// What came with the result, and after it.
    pub(super) resources: Option<Resources>,
    pub(super) outputs: Option<ReadOutputs>,
    pub(super) heard: Heard,
    /// The pause at which the worker waits, until it is taken.
    pub(super) pause: Option<Pause>,
}

/// What the worker has said, in sum.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing decisive yet.
    Unfinished,
    /// A result with as many latencies as requested; then those of the energy runs.
    Result { latencies: Latencies, energy_ns: Option<Vec<Nanos>> },
    /// The worker's last word: how it ends, unless it breaks the protocol after it.
    Answered(Ending),
    /// Something that breaks the protocol.
    Refused(Ending),
}

impl Transcript {
    pub(super) fn new(request: &Request) -> Self {
        let (warm_up_runs, timed_runs) = (request.warm_up_runs as usize, request.timed_runs as usize);
        let asks_for_energy = request.energy_seconds > 0;
        let energy_runs = if asks_for_energy { MAXIMUM_ENERGY_RUNS } else { 0 };
        let runs = warm_up_runs.saturating_add(timed_runs).max(energy_runs);
        let other = match request.load.task {
            Task::Profile | Task::Shapes => LAYERS_LIMIT,
            Task::Measure | Task::Build | Task::Outputs => EVENT_LIMIT,
        };
        let line_limit = runs.saturating_mul(LATENCY_BYTES).saturating_add(other);
        Self {
            warm_up_runs,
            timed_runs,
            asks_for_energy,
            task: request.load.task,
            line_limit,
            line: Vec::new(),
            said: 0,
            stage: Stage::Start,
            loaded: None,
            sandbox: None,
            asks_for_sandbox: request.confinement.is_some(),
            resources: None,
            outputs: None,
            heard: Heard::Unfinished,
            pause: None,
        }
    }

    /// Take what was read. `on_event` gets each event that is in order.
    pub(super) fn take(&mut self, bytes: &[u8], on_event: &mut dyn FnMut(&Event)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if matches!(self.heard, Heard::Answered(Ending::Failed(_)) | Heard::Refused(_)) {
                return;
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.take_line(&line[..line.len() - 1], on_event);
            } else if !self.line.starts_with(b"{") || self.line.len() > self.line_limit {
                // Judged before the line ends, because a flood may never end.
                self.refuse_unfinished();
            }
        }
    }

    /// No more bytes will come. A line without an end is not an event.
    pub(super) fn finish(&mut self) {
        if !self.line.is_empty() && matches!(self.heard, Heard::Unfinished | Heard::Result { .. }) {
            self.refuse_unfinished();
        }
    }

    /// Is the end of the process all that is left to wait for?
    pub(super) fn is_decided(&self) -> bool {
        match &self.heard {
            Heard::Unfinished => false,
            Heard::Result { energy_ns, .. } => {
                self.outputs.is_some() && !(self.asks_for_energy && energy_ns.is_none())
            }
            _ => true,
        }
    }

    fn refuse_unfinished(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.len() > self.line_limit && matches!(self.heard, Heard::Unfinished) {
            self.heard = Heard::Refused(Ending::LineTooLong { limit_bytes: self.line_limit });
        } else {
            self.refuse(&line);
        }
    }

    fn take_line(&mut self, line: &[u8], on_event: &mut dyn FnMut(&Event)) {
        let Ok(event) = serde_json::from_slice::<Event>(line) else { return self.refuse(line) };
        match self.turn_of(&event) {
            // Without energy runs, the outputs are the last event.
            Some((turn, next)) if turn == self.said && !self.is_decided() => {
                // Not every worker is asked to confine itself.
                self.said += usize::from(!matches!(event, Event::Confined(_)));
                self.stage = next;
                on_event(&event);
                self.take_event(event);
            }
            _ if matches!(self.heard, Heard::Result { .. }) => self.refuse(line),
            _ => {
                self.heard = Heard::Refused(Ending::OutOfTurn { line: printable(line, SHOWN_CHARACTERS) });
            }
        }
    }

    /// After how many events this one is in order, and the stage that it begins; `None` if it has no place
    /// here.
    fn turn_of(&self, event: &Event) -> Option<(usize, Stage)> {
        let measures = self.task == Task::Measure;
        let after_outputs = if self.asks_for_energy { Stage::Energy } else { Stage::Report };
        Some(match event {
            Event::Hello { .. } => (0, Stage::Load),
            Event::Confined(_) if self.asks_for_sandbox && self.sandbox.is_none() => (1, Stage::Load),
            Event::Loaded(_) => (1, self.after_loading()),
            Event::Built(_) if self.task == Task::Build => (2, Stage::Report),
            Event::Profiled { .. } if self.task == Task::Profile => (2, Stage::Report),
            Event::Shapes { .. } if self.task == Task::Shapes => (2, Stage::Report),
            Event::Paused { at: Pause::BeforeWarmUp } if measures => (2, Stage::WarmUp),
            Event::Paused { at: Pause::BeforeTiming } if measures => (3, Stage::WarmUp),
            Event::Paused { at: Pause::AfterTiming } if measures => (4, Stage::Report),
            Event::Result { .. } if measures => (5, Stage::Report),
            Event::Outputs(_) if measures => (6, after_outputs),
            Event::Outputs(_) if self.task == Task::Outputs => (2, Stage::Report),
            Event::Paused { at: Pause::IdleBeforeEnergy } if measures => (7, Stage::Energy),
            Event::Paused { at: Pause::BeforeEnergy } if measures => (8, Stage::Energy),
            Event::Paused { at: Pause::AfterEnergy } if measures => (9, Stage::Energy),
            Event::Energy { .. } if measures => (10, Stage::Energy),
            Event::Failed(failure) if self.said > 0 => (self.said, failure.stage),
            _ => return None,
        })
    }

    /// Take an event that is in order.
    fn take_event(&mut self, event: Event) {
        match event {
            Event::Hello { protocol: PROTOCOL } => {}
            Event::Hello { protocol } => {
                self.heard = Heard::Refused(Ending::ProtocolMismatch { theirs: protocol });
            }
            Event::Confined(sandbox) => self.sandbox = Some(sandbox),
            Event::Loaded(model) => self.loaded = Some(model),
            Event::Paused { at } => self.pause = Some(at),
            Event::Built(built) => self.heard = Heard::Answered(Ending::Built(Box::new(built))),
            Event::Profiled { layers } => self.heard = Heard::Answered(Ending::Profiled(layers)),
            Event::Shapes { nodes } => self.heard = Heard::Answered(Ending::Shapes(nodes)),
            Event::Outputs(outputs) if self.task == Task::Outputs => {
                self.heard = Heard::Answered(Ending::Outputs(Box::new(outputs)));
            }
            Event::Outputs(outputs) => self.outputs = Some(outputs),
            Event::Result { latencies, failure: Some(failure), resources } => {
                self.resources = Some(resources);
                self.heard = Heard::Answered(Ending::Objected { latencies, failure: Box::new(failure) });
            }
            Event::Result { latencies, failure: None, resources } => {
                self.resources = Some(resources);
                let asked = (self.warm_up_runs, self.timed_runs);
                let is_complete = (latencies.warm_up_ns.len(), latencies.latency_ns.len()) == asked;
                self.heard = if is_complete {
                    Heard::Result { latencies, energy_ns: None }
                } else {
                    Heard::Refused(Ending::WrongCount { asked, latencies })
                };
            }
            Event::Energy { latency_ns } => {
                if let Heard::Result { energy_ns, .. } = &mut self.heard {
                    *energy_ns = Some(latency_ns);
                }
            }
            Event::Failed(failure) => {
                self.heard = match std::mem::replace(&mut self.heard, Heard::Unfinished) {
                    Heard::Result { latencies, .. } => {
                        let Failure { reason, detail, .. } = failure;
                        let afterwards = Afterwards::Failed { reason, detail };
                        Heard::Refused(Ending::AfterResult { latencies, afterwards })
                    }
                    _ => Heard::Answered(Ending::Failed(failure)),
                };
            }
        }
    }

    fn after_loading(&self) -> Stage {
        match self.task {
            Task::Measure => Stage::Prepare,
            Task::Build => Stage::Build,
            Task::Profile => Stage::Timing,
            Task::Outputs | Task::Shapes => Stage::WarmUp,
        }
    }

    fn refuse(&mut self, line: &[u8]) {
        let line = printable(line, SHOWN_CHARACTERS);
        self.heard = Heard::Refused(match std::mem::replace(&mut self.heard, Heard::Unfinished) {
            Heard::Result { latencies, .. } => {
                Ending::AfterResult { latencies, afterwards: Afterwards::Line { line } }
            }
            _ => Ending::Garbage { line },
        });
    }
}

#[cfg(any(test, fuzzing))]
mod anything;
#[cfg(test)]
mod tests;

#[cfg(any(test, fuzzing))]
pub(crate) use anything::take_anything;
