//! What a worker has said so far: bytes from its standard output in, a judgement out.
//!
//! Bounded: a line that is longer than the longest result can be, or that is no event, or that comes out of turn, ends
//! the conversation, and no later byte is looked at. Nothing is read or waited for here.

use crate::bundle::format::{Layer, Stage};
use crate::runtime::{Built, Failure};
use crate::units::Nanos;
use crate::worker::ending::{Afterwards, Ending, LoadedModel};
use crate::worker::log_tail::printable;
use crate::worker::protocol::{Event, MAXIMUM_ENERGY_RUNS, PROTOCOL, Pause, Request, Task};

/// Bytes that any event but a result may take: tensors and options of a model, or a library's whole error text.
const EVENT_LIMIT: usize = 1 << 20;

/// Bytes of one latency in JSON: the 20 digits of the largest, and a comma.
const LATENCY_BYTES: usize = 21;

/// Characters of a bad line that are shown.
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
    /// Events in order that were said.
    said: usize,
    /// Start: nothing was said yet. Load, prepare, warm-up: `hello`, `loaded`, the first pause were said. Report: timing is
    /// over. Energy: the result was said, and energy is asked for.
    pub(super) stage: Stage,
    pub(super) loaded: Option<LoadedModel>,
    pub(super) extra_latency_ns: Vec<Nanos>,
    pub(super) heard: Heard,
    /// The worker waits here, until somebody takes it.
    pub(super) pause: Option<Pause>,
}

/// What it amounts to.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing decisive yet.
    Unfinished,
    /// A result, as many latencies as asked for; and those of the runs for energy, once they are said.
    Result { warm_up_ns: Vec<Nanos>, latency_ns: Vec<Nanos>, energy_ns: Option<Vec<Nanos>> },
    /// Latencies, and what speaks against them.
    Objected { warm_up_ns: Vec<Nanos>, latency_ns: Vec<Nanos>, failure: Failure },
    /// A compiled model.
    Built(Built),
    /// The time of each layer.
    Profiled(Vec<Layer>),
    /// The worker tells why it can not.
    Failed(Failure),
    /// Something that breaks the protocol.
    Refused(Ending),
}

impl Transcript {
    pub(super) fn new(request: &Request) -> Self {
        let (warm_up_runs, timed_runs) = (request.warm_up_runs as usize, request.timed_runs as usize);
        let asks_for_energy = request.energy_seconds > 0;
        let energy_runs = if asks_for_energy { MAXIMUM_ENERGY_RUNS } else { 0 };
        let runs = warm_up_runs.saturating_add(timed_runs).max(energy_runs);
        let line_limit = runs.saturating_mul(LATENCY_BYTES).saturating_add(EVENT_LIMIT);
        Self {
            warm_up_runs,
            timed_runs,
            asks_for_energy,
            task: request.task,
            line_limit,
            line: Vec::new(),
            said: 0,
            stage: Stage::Start,
            loaded: None,
            extra_latency_ns: Vec::new(),
            heard: Heard::Unfinished,
            pause: None,
        }
    }

    /// Take what was read; `on_event` sees each event that is in order.
    pub(super) fn take(&mut self, bytes: &[u8], on_event: &mut dyn FnMut(&Event)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if matches!(self.heard, Heard::Failed(_) | Heard::Refused(_)) {
                return;
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.take_line(&line[..line.len() - 1], on_event);
            } else if !self.line.starts_with(b"{") || self.line.len() > self.line_limit {
                // Judged before it ends: a flood may never end.
                self.refuse_unfinished();
            }
        }
    }

    /// No byte will come any more. A line without an end is no event.
    pub(super) fn finish(&mut self) {
        if !self.line.is_empty() && matches!(self.heard, Heard::Unfinished | Heard::Result { .. }) {
            self.refuse_unfinished();
        }
    }

    /// Is there anything left to wait for but the end of the process?
    pub(super) fn is_decided(&self) -> bool {
        match &self.heard {
            Heard::Unfinished => false,
            Heard::Result { energy_ns, .. } => !self.lacks_energy(energy_ns.as_ref()),
            _ => true,
        }
    }

    /// Is energy asked for and not said yet?
    pub(super) fn lacks_energy(&self, energy_ns: Option<&Vec<Nanos>>) -> bool {
        self.asks_for_energy && energy_ns.is_none()
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
        /// Turn of an event that has none here.
        const NEVER: usize = usize::MAX;
        let Ok(event) = serde_json::from_slice::<Event>(line) else { return self.refuse(line) };
        let after_result = if self.asks_for_energy { Stage::Energy } else { Stage::Report };
        let (turn, next) = match &event {
            Event::Hello { .. } => (0, Stage::Load),
            Event::Loaded { .. } => (1, self.after_loading()),
            Event::Built(_) if self.task == Task::Build => (2, Stage::Report),
            Event::Profiled { .. } if self.task == Task::Profile => (2, Stage::Report),
            Event::Built(_) | Event::Profiled { .. } => (NEVER, Stage::Start),
            Event::Paused { .. } | Event::Result { .. } | Event::Energy { .. }
                if self.task != Task::Measure =>
            {
                (NEVER, Stage::Start)
            }
            Event::Paused { at: Pause::BeforeWarmUp } => (2, Stage::WarmUp),
            Event::Paused { at: Pause::BeforeTiming } => (3, Stage::WarmUp),
            Event::Paused { at: Pause::AfterTiming } => (4, Stage::Report),
            Event::Result { .. } => (5, after_result),
            Event::Paused { at: Pause::IdleBeforeEnergy } => (6, Stage::Energy),
            Event::Paused { at: Pause::BeforeEnergy } => (7, Stage::Energy),
            Event::Paused { at: Pause::AfterEnergy } => (8, Stage::Energy),
            Event::Energy { .. } => (9, Stage::Energy),
            Event::Failed(failure) if self.said > 0 => (self.said, failure.stage),
            Event::Failed(_) => (NEVER, Stage::Start),
        };
        // Without energy the result is the last word.
        if turn != self.said || self.is_decided() {
            return match self.heard {
                Heard::Result { .. } => self.refuse(line),
                _ => {
                    self.heard =
                        Heard::Refused(Ending::OutOfTurn { line: printable(line, SHOWN_CHARACTERS) });
                }
            };
        }
        self.said += 1;
        self.stage = next;
        on_event(&event);
        match event {
            Event::Hello { protocol: PROTOCOL } => {}
            Event::Paused { at } => self.pause = Some(at),
            Event::Hello { protocol } => {
                self.heard = Heard::Refused(Ending::ProtocolMismatch { theirs: protocol });
            }
            Event::Loaded { version, library, options, inputs, outputs, providers, libraries, placed } => {
                self.loaded = Some(LoadedModel {
                    version,
                    library,
                    options,
                    inputs,
                    outputs,
                    providers,
                    libraries,
                    placed,
                });
            }
            Event::Built(built) => self.heard = Heard::Built(built),
            Event::Profiled { layers } => self.heard = Heard::Profiled(layers),
            Event::Result { warm_up_ns, latency_ns, extra_latency_ns, failure: Some(failure) } => {
                self.extra_latency_ns = extra_latency_ns;
                self.heard = Heard::Objected { warm_up_ns, latency_ns, failure };
            }
            Event::Result { warm_up_ns, latency_ns, extra_latency_ns, failure: None } => {
                self.extra_latency_ns = extra_latency_ns;
                let is_complete =
                    warm_up_ns.len() == self.warm_up_runs && latency_ns.len() == self.timed_runs;
                self.heard = if is_complete {
                    Heard::Result { warm_up_ns, latency_ns, energy_ns: None }
                } else {
                    let asked = (self.warm_up_runs, self.timed_runs);
                    Heard::Refused(Ending::WrongCount { asked, warm_up_ns, latency_ns })
                };
            }
            Event::Energy { latency_ns } => {
                if let Heard::Result { energy_ns, .. } = &mut self.heard {
                    *energy_ns = Some(latency_ns);
                }
            }
            Event::Failed(failure) => {
                self.heard = match std::mem::replace(&mut self.heard, Heard::Unfinished) {
                    Heard::Result { warm_up_ns, latency_ns, .. } => {
                        let afterwards =
                            Afterwards::Failed { reason: failure.reason, detail: failure.detail };
                        Heard::Refused(Ending::AfterResult { warm_up_ns, latency_ns, afterwards })
                    }
                    _ => Heard::Failed(failure),
                };
            }
        }
    }

    fn after_loading(&self) -> Stage {
        match self.task {
            Task::Measure => Stage::Prepare,
            Task::Build => Stage::Build,
            Task::Profile => Stage::Timing,
        }
    }

    fn refuse(&mut self, line: &[u8]) {
        let line = printable(line, SHOWN_CHARACTERS);
        self.heard = Heard::Refused(match std::mem::replace(&mut self.heard, Heard::Unfinished) {
            Heard::Result { warm_up_ns, latency_ns, .. } => {
                Ending::AfterResult { warm_up_ns, latency_ns, afterwards: Afterwards::Line { line } }
            }
            _ => Ending::Garbage { line },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = r#"{"event":"hello","protocol":3}"#;
    const LOADED: &str = r#"{"event":"loaded","version":null,"library":null,"options":{},"inputs":[],"outputs":[],"placed":null}"#;
    const PAUSES: &str = r#"{"event":"paused","at":"before_warm_up"}
{"event":"paused","at":"before_timing"}
{"event":"paused","at":"after_timing"}"#;
    const ENERGY_PAUSES: &str = r#"{"event":"paused","at":"idle_before_energy"}
{"event":"paused","at":"before_energy"}
{"event":"paused","at":"after_energy"}"#;
    const ENERGY: &str = r#"{"event":"energy","latency_ns":[7]}"#;
    const RESULT: &str = r#"{"event":"result","warm_up_ns":[0],"latency_ns":[5,18446744073709551615]}"#;

    fn said(text: &str) -> Transcript {
        said_for(0, text)
    }

    fn said_for(energy_seconds: u32, text: &str) -> Transcript {
        said_to(Task::Measure, energy_seconds, text)
    }

    fn said_to(task: Task, energy_seconds: u32, text: &str) -> Transcript {
        let request = Request {
            protocol: PROTOCOL,
            runtime: "sim".into(),
            model: "x".into(),
            task,
            provided: Default::default(),
            options: Default::default(),
            inputs: Default::default(),
            seed: 1,
            warm_up_runs: 1,
            timed_runs: 2,
            energy_seconds,
            placement: Default::default(),
            compilation: None,
        };
        let mut whole = Transcript::new(&request);
        whole.take(text.as_bytes(), &mut |_| ());
        whole.finish();
        // However the bytes arrive, they mean the same.
        let mut in_pieces = Transcript::new(&request);
        for byte in text.as_bytes() {
            in_pieces.take(&[*byte], &mut |_| ());
        }
        in_pieces.finish();
        let shape = |it: &Transcript| std::mem::discriminant(&it.heard);
        assert_eq!(shape(&whole), shape(&in_pieces), "{text}");
        whole
    }

    #[test]
    fn a_whole_conversation_gives_latencies_as_they_are_however_odd() {
        let transcript = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{RESULT}\n"));
        assert_eq!(transcript.stage, Stage::Report);
        assert!(transcript.loaded.is_some());
        match transcript.heard {
            Heard::Result { warm_up_ns, latency_ns, energy_ns: None } => {
                assert_eq!(warm_up_ns, [Nanos(0)]);
                assert_eq!(latency_ns, [Nanos(5), Nanos(u64::MAX)]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn events_out_of_turn_are_refused() {
        for text in [
            format!("{PAUSES}\n"),
            format!("{HELLO}\n{HELLO}\n"),
            format!("{HELLO}\n{LOADED}\n{RESULT}\n"),
            format!("{HELLO}\n{PAUSES}\n"),
            format!("{HELLO}\n{LOADED}\n{ENERGY_PAUSES}\n"),
            format!("{HELLO}\n{LOADED}\n{PAUSES}\n{PAUSES}\n"),
            format!("{HELLO}\n{LOADED}\n{PAUSES}\n{ENERGY}\n"),
            "{\"event\":\"failed\",\"stage\":\"load\",\"reason\":\"a\",\"detail\":\"b\",\"hint\":null}\n"
                .into(),
        ] {
            let heard = said(&text).heard;
            assert!(matches!(heard, Heard::Refused(Ending::OutOfTurn { .. })), "{text} {heard:?}");
        }
    }

    #[test]
    fn anything_that_is_no_event_is_garbage() {
        for text in ["\n", "hi\n", "hi", "{\"event\":\"hullo\"}\n", "{\"event\":", "\0\x01\n", "null\n"] {
            let heard = said(text).heard;
            assert!(matches!(heard, Heard::Refused(Ending::Garbage { .. })), "{text} {heard:?}");
        }
        let heard = said(&format!("{HELLO}\nLoading...\n{LOADED}\n")).heard;
        assert!(
            matches!(&heard, Heard::Refused(Ending::Garbage { line }) if line == "Loading..."),
            "{heard:?}"
        );
    }

    #[test]
    fn a_line_after_the_result_keeps_the_latencies() {
        for late in ["bye\n", "bye", PAUSES, ENERGY_PAUSES, ENERGY, RESULT] {
            let heard = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{RESULT}\n{late}\n")).heard;
            let Heard::Refused(Ending::AfterResult { latency_ns, afterwards, .. }) = heard else {
                panic!("{heard:?}")
            };
            assert_eq!(latency_ns.len(), 2);
            assert!(matches!(afterwards, Afterwards::Line { .. }));
        }
    }

    #[test]
    fn a_result_with_another_number_of_latencies_is_not_complete() {
        let short = RESULT.replace("5,", "");
        let heard = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{short}\n")).heard;
        assert!(matches!(heard, Heard::Refused(Ending::WrongCount { asked: (1, 2), .. })), "{heard:?}");
    }

    #[test]
    fn energy_follows_the_result_where_it_is_asked_for_and_a_failure_there_keeps_the_latencies() {
        let until_result = format!("{HELLO}\n{LOADED}\n{PAUSES}\n{RESULT}\n");
        let transcript = said_for(1, &until_result);
        assert!(!transcript.is_decided() && transcript.stage == Stage::Energy);
        let transcript = said_for(1, &format!("{until_result}{ENERGY_PAUSES}\n{ENERGY}\n"));
        assert!(transcript.is_decided());
        let Heard::Result { energy_ns: Some(energy_ns), .. } = transcript.heard else {
            panic!("{transcript:?}")
        };
        assert_eq!(energy_ns, [Nanos(7)]);
        let failed = r#"{"event":"failed","stage":"energy","reason":"a","detail":"b","hint":null}"#;
        let transcript = said_for(1, &format!("{until_result}{failed}\n"));
        let Heard::Refused(Ending::AfterResult { latency_ns, afterwards, .. }) = transcript.heard else {
            panic!("{transcript:?}")
        };
        assert_eq!((latency_ns.len(), transcript.stage), (2, Stage::Energy));
        assert_eq!(afterwards, Afterwards::Failed { reason: "a".into(), detail: "b".into() });
    }

    #[test]
    fn a_program_tells_surplus_latencies_and_what_speaks_against_them() {
        let more = RESULT.replace('}', r#","extra_latency_ns":[7]}"#);
        let transcript = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{more}\n"));
        assert!(matches!(transcript.heard, Heard::Result { .. }));
        assert_eq!(transcript.extra_latency_ns, [Nanos(7)]);
        let failure = r#","failure":{"stage":"timing","reason":"wrong_count","detail":"b","hint":null}}"#;
        let short = RESULT.replace("5,", "").replace('}', failure);
        let heard = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{short}\n")).heard;
        assert!(
            matches!(heard, Heard::Objected { ref latency_ns, .. } if latency_ns.len() == 1),
            "{heard:?}"
        );
    }

    #[test]
    fn a_build_ends_in_built_a_profile_in_profiled_and_neither_in_anything_else() {
        let built = r#"{"event":"built","seconds":2.5,"is_kept":false,"size_bytes":7}"#;
        let profiled = r#"{"event":"profiled","layers":[]}"#;
        let transcript = said_to(Task::Build, 0, &format!("{HELLO}\n{LOADED}\n{built}\n"));
        assert!(matches!(transcript.heard, Heard::Built(Built { size_bytes: 7, .. })));
        let transcript = said_to(Task::Profile, 0, &format!("{HELLO}\n{LOADED}\n{profiled}\n"));
        assert!(matches!(transcript.heard, Heard::Profiled(_)));
        assert_eq!(said_to(Task::Build, 0, &format!("{HELLO}\n{LOADED}\n")).stage, Stage::Build);
        for (task, text) in [
            (Task::Build, format!("{HELLO}\n{LOADED}\n{PAUSES}\n")),
            (Task::Build, format!("{HELLO}\n{LOADED}\n{profiled}\n")),
            (Task::Profile, format!("{HELLO}\n{LOADED}\n{built}\n")),
            (Task::Measure, format!("{HELLO}\n{LOADED}\n{built}\n")),
            (Task::Build, format!("{HELLO}\n{built}\n")),
        ] {
            let heard = said_to(task, 0, &text).heard;
            assert!(matches!(heard, Heard::Refused(Ending::OutOfTurn { .. })), "{text} {heard:?}");
        }
    }

    #[test]
    fn another_protocol_is_refused_at_once() {
        let heard = said("{\"event\":\"hello\",\"protocol\":9}\n").heard;
        assert!(matches!(heard, Heard::Refused(Ending::ProtocolMismatch { theirs: 9 })), "{heard:?}");
    }

    #[test]
    fn what_comes_after_failed_changes_nothing() {
        let failed = r#"{"event":"failed","stage":"load","reason":"a","detail":"b","hint":"c"}"#;
        let transcript = said(&format!("{HELLO}\n{failed}\nnoise\n"));
        assert_eq!(transcript.stage, Stage::Load);
        assert!(matches!(transcript.heard, Heard::Failed(_)));
    }

    #[test]
    fn a_line_without_end_stops_at_the_limit() {
        let heard = said(&format!("{{{}", " ".repeat(EVENT_LIMIT + 100))).heard;
        assert!(matches!(heard, Heard::Refused(Ending::LineTooLong { .. })), "{heard:?}");
    }
}
