//! What a worker has said so far: bytes from its standard output in, a judgement out.
//!
//! Bounded: a line that is longer than the longest result can be, or that is no event, or that comes out of turn, ends
//! the conversation, and no later byte is looked at. Nothing is read or waited for here.

use crate::bundle::format::Stage;
use crate::runtime::{Built, Failure};
use crate::units::Nanos;
use crate::worker::ending::{Afterwards, Ending, LoadedModel};
use crate::worker::log_tail::printable;
use crate::worker::protocol::{Event, PROTOCOL, Request, Task};

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
    task: Task,
    line_limit: usize,
    line: Vec<u8>,
    /// Start: nothing was said yet. Load, prepare, warm-up: `hello`, `loaded`, `timing` were said. Report: the end.
    pub(super) stage: Stage,
    pub(super) loaded: Option<LoadedModel>,
    pub(super) extra_latency_ns: Vec<Nanos>,
    pub(super) heard: Heard,
}

/// What it amounts to.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing decisive yet.
    Unfinished,
    /// A result, as many latencies as asked for.
    Result { warm_up_ns: Vec<Nanos>, latency_ns: Vec<Nanos> },
    /// Latencies, and what speaks against them.
    Objected { warm_up_ns: Vec<Nanos>, latency_ns: Vec<Nanos>, failure: Failure },
    /// A compiled model.
    Built(Built),
    /// The worker tells why it can not.
    Failed(Failure),
    /// Something that breaks the protocol.
    Refused(Ending),
}

impl Transcript {
    pub(super) fn new(request: &Request) -> Self {
        let (warm_up_runs, timed_runs) = (request.warm_up_runs as usize, request.timed_runs as usize);
        let line_limit =
            warm_up_runs.saturating_add(timed_runs).saturating_mul(LATENCY_BYTES).saturating_add(EVENT_LIMIT);
        Self {
            warm_up_runs,
            timed_runs,
            task: request.task,
            line_limit,
            line: Vec::new(),
            stage: Stage::Start,
            loaded: None,
            extra_latency_ns: Vec::new(),
            heard: Heard::Unfinished,
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
        !matches!(self.heard, Heard::Unfinished)
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
        let (expected, next) = match &event {
            Event::Hello { .. } => (self.stage == Stage::Start, Stage::Load),
            Event::Loaded { .. } => (self.stage == Stage::Load, self.after_loading()),
            Event::Timing => (self.stage == Stage::Prepare, Stage::WarmUp),
            Event::Result { .. } => (self.stage == Stage::WarmUp, Stage::Report),
            Event::Built(_) => (self.stage == Stage::Build, Stage::Report),
            Event::Failed(failure) => (!matches!(self.stage, Stage::Start | Stage::Report), failure.stage),
        };
        if !expected {
            return match self.heard {
                Heard::Result { .. } => self.refuse(line),
                _ => {
                    self.heard =
                        Heard::Refused(Ending::OutOfTurn { line: printable(line, SHOWN_CHARACTERS) });
                }
            };
        }
        self.stage = next;
        on_event(&event);
        match event {
            Event::Hello { protocol: PROTOCOL } | Event::Timing => {}
            Event::Hello { protocol } => {
                self.heard = Heard::Refused(Ending::ProtocolMismatch { theirs: protocol });
            }
            Event::Loaded { version, library, options, inputs, outputs } => {
                self.loaded = Some(LoadedModel { version, library, options, inputs, outputs });
            }
            Event::Result { warm_up_ns, latency_ns, extra_latency_ns, failure: Some(failure) } => {
                self.extra_latency_ns = extra_latency_ns;
                self.heard = Heard::Objected { warm_up_ns, latency_ns, failure };
            }
            Event::Built(built) => self.heard = Heard::Built(built),
            Event::Result { warm_up_ns, latency_ns, extra_latency_ns, failure: None } => {
                self.extra_latency_ns = extra_latency_ns;
                let is_complete =
                    warm_up_ns.len() == self.warm_up_runs && latency_ns.len() == self.timed_runs;
                self.heard = if is_complete {
                    Heard::Result { warm_up_ns, latency_ns }
                } else {
                    let asked = (self.warm_up_runs, self.timed_runs);
                    Heard::Refused(Ending::WrongCount { asked, warm_up_ns, latency_ns })
                };
            }
            Event::Failed(failure) => self.heard = Heard::Failed(failure),
        }
    }

    fn after_loading(&self) -> Stage {
        match self.task {
            Task::Measure => Stage::Prepare,
            Task::Build => Stage::Build,
        }
    }

    fn refuse(&mut self, line: &[u8]) {
        let line = printable(line, SHOWN_CHARACTERS);
        self.heard = Heard::Refused(match std::mem::replace(&mut self.heard, Heard::Unfinished) {
            Heard::Result { warm_up_ns, latency_ns } => {
                Ending::AfterResult { warm_up_ns, latency_ns, afterwards: Afterwards::Line { line } }
            }
            _ => Ending::Garbage { line },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = r#"{"event":"hello","protocol":1}"#;
    const LOADED: &str =
        r#"{"event":"loaded","version":null,"library":null,"options":{},"inputs":[],"outputs":[]}"#;
    const TIMING: &str = r#"{"event":"timing"}"#;
    const RESULT: &str = r#"{"event":"result","warm_up_ns":[0],"latency_ns":[5,18446744073709551615]}"#;

    fn said(text: &str) -> Transcript {
        said_to(Task::Measure, text)
    }

    fn said_to(task: Task, text: &str) -> Transcript {
        let request = Request {
            protocol: PROTOCOL,
            runtime: "sim".into(),
            model: "x".into(),
            library: None,
            options: Default::default(),
            inputs: Default::default(),
            seed: 1,
            warm_up_runs: 1,
            timed_runs: 2,
            task,
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
        let transcript = said(&format!("{HELLO}\n{LOADED}\n{TIMING}\n{RESULT}\n"));
        assert_eq!(transcript.stage, Stage::Report);
        assert!(transcript.loaded.is_some());
        match transcript.heard {
            Heard::Result { warm_up_ns, latency_ns } => {
                assert_eq!(warm_up_ns, [Nanos(0)]);
                assert_eq!(latency_ns, [Nanos(5), Nanos(u64::MAX)]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn events_out_of_turn_are_refused() {
        for text in [
            format!("{TIMING}\n"),
            format!("{HELLO}\n{HELLO}\n"),
            format!("{HELLO}\n{LOADED}\n{RESULT}\n"),
            format!("{HELLO}\n{TIMING}\n"),
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
        for late in ["bye\n", "bye", TIMING, RESULT] {
            let heard = said(&format!("{HELLO}\n{LOADED}\n{TIMING}\n{RESULT}\n{late}\n")).heard;
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
        let heard = said(&format!("{HELLO}\n{LOADED}\n{TIMING}\n{short}\n")).heard;
        assert!(matches!(heard, Heard::Refused(Ending::WrongCount { asked: (1, 2), .. })), "{heard:?}");
    }

    #[test]
    fn a_program_tells_surplus_latencies_and_what_speaks_against_them() {
        let more = RESULT.replace('}', r#","extra_latency_ns":[7]}"#);
        let transcript = said(&format!("{HELLO}\n{LOADED}\n{TIMING}\n{more}\n"));
        assert!(matches!(transcript.heard, Heard::Result { .. }));
        assert_eq!(transcript.extra_latency_ns, [Nanos(7)]);
        let failure = r#","failure":{"stage":"timing","reason":"wrong_count","detail":"b","hint":null}}"#;
        let short = RESULT.replace("5,", "").replace('}', failure);
        let heard = said(&format!("{HELLO}\n{LOADED}\n{TIMING}\n{short}\n")).heard;
        assert!(
            matches!(heard, Heard::Objected { ref latency_ns, .. } if latency_ns.len() == 1),
            "{heard:?}"
        );
    }

    #[test]
    fn a_build_ends_in_built_and_in_nothing_else() {
        let built = r#"{"event":"built","seconds":2.5,"is_kept":false,"size_bytes":7}"#;
        let transcript = said_to(Task::Build, &format!("{HELLO}\n{LOADED}\n{built}\n"));
        assert!(matches!(transcript.heard, Heard::Built(Built { size_bytes: 7, .. })));
        assert_eq!(said_to(Task::Build, &format!("{HELLO}\n{LOADED}\n")).stage, Stage::Build);
        for (task, text) in [
            (Task::Build, format!("{HELLO}\n{LOADED}\n{TIMING}\n")),
            (Task::Measure, format!("{HELLO}\n{LOADED}\n{built}\n")),
            (Task::Build, format!("{HELLO}\n{built}\n")),
        ] {
            let heard = said_to(task, &text).heard;
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
