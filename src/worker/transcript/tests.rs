use super::*;
use crate::runtime::LoadRequest;

const HELLO: &str = r#"{"event":"hello","protocol":6}"#;
const LOADED: &str =
    r#"{"event":"loaded","version":null,"library":null,"options":{},"inputs":[],"outputs":[],"placed":null}"#;
const PAUSES: &str = r#"{"event":"paused","at":"before_warm_up"}
{"event":"paused","at":"before_timing"}
{"event":"paused","at":"after_timing"}"#;
const ENERGY_PAUSES: &str = r#"{"event":"paused","at":"idle_before_energy"}
{"event":"paused","at":"before_energy"}
{"event":"paused","at":"after_energy"}"#;
const ENERGY: &str = r#"{"event":"energy","latency_ns":[7]}"#;
const RESULT: &str = r#"{"event":"result","warm_up_ns":[0],"latency_ns":[5,18446744073709551615]}"#;
const OUTPUTS: &str =
    r#"{"event":"outputs","tensors":[{"name":"y","element_type":"float32","shape":[2],"is_finite":false}]}"#;

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
        load: LoadRequest {
            task,
            model: "x".into(),
            provided: Default::default(),
            options: Default::default(),
            inputs: Default::default(),
            seed: 1,
            filled_like: Vec::new(),
            compilation: None,
        },
        warm_up_runs: 1,
        timed_runs: 2,
        energy_seconds,
        outputs_file: None,
        placement: Default::default(),
        confinement: None,
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
    let transcript = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{RESULT}\n{OUTPUTS}\n"));
    assert!(transcript.is_decided());
    assert_eq!(transcript.stage, Stage::Report);
    assert_eq!(transcript.outputs.unwrap().tensors[0].is_finite, Some(false));
    assert!(transcript.loaded.is_some());
    match transcript.heard {
        Heard::Result { latencies, energy_ns: None } => {
            assert_eq!(latencies.warm_up_ns, [Nanos(0)]);
            assert_eq!(latencies.latency_ns, [Nanos(5), Nanos(u64::MAX)]);
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
        format!("{HELLO}\n{LOADED}\n{OUTPUTS}\n"),
        format!("{HELLO}\n{LOADED}\n{PAUSES}\n{OUTPUTS}\n"),
        format!("{HELLO}\n{PAUSES}\n"),
        format!("{HELLO}\n{LOADED}\n{ENERGY_PAUSES}\n"),
        format!("{HELLO}\n{LOADED}\n{PAUSES}\n{PAUSES}\n"),
        format!("{HELLO}\n{LOADED}\n{PAUSES}\n{ENERGY}\n"),
        "{\"event\":\"failed\",\"stage\":\"load\",\"reason\":\"a\",\"detail\":\"b\",\"hint\":null}\n".into(),
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
    assert!(matches!(&heard, Heard::Refused(Ending::Garbage { line }) if line == "Loading..."), "{heard:?}");
}

#[test]
fn a_line_after_the_result_keeps_the_latencies() {
    let with_outputs = format!("{RESULT}\n{OUTPUTS}");
    let late = ["bye\n", "bye", PAUSES, ENERGY_PAUSES, ENERGY, RESULT];
    let mut cases: Vec<(&str, &str)> =
        late.iter().flat_map(|late| [(RESULT, *late), (&*with_outputs, late)]).collect();
    cases.push((&with_outputs, OUTPUTS));
    for (before, late) in cases {
        let heard = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{before}\n{late}\n")).heard;
        let Heard::Refused(Ending::AfterResult { latencies, afterwards }) = heard else {
            panic!("{heard:?}")
        };
        assert_eq!(latencies.latency_ns.len(), 2);
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
    let until_result = format!("{HELLO}\n{LOADED}\n{PAUSES}\n{RESULT}\n{OUTPUTS}\n");
    let transcript = said_for(1, &until_result);
    assert!(!transcript.is_decided() && transcript.stage == Stage::Energy);
    let transcript = said_for(1, &format!("{until_result}{ENERGY_PAUSES}\n{ENERGY}\n"));
    assert!(transcript.is_decided());
    let Heard::Result { energy_ns: Some(energy_ns), .. } = transcript.heard else { panic!("{transcript:?}") };
    assert_eq!(energy_ns, [Nanos(7)]);
    let failed = r#"{"event":"failed","stage":"energy","reason":"a","detail":"b","hint":null}"#;
    let transcript = said_for(1, &format!("{until_result}{failed}\n"));
    let Heard::Refused(Ending::AfterResult { latencies, afterwards }) = transcript.heard else {
        panic!("{transcript:?}")
    };
    assert_eq!((latencies.latency_ns.len(), transcript.stage), (2, Stage::Energy));
    assert_eq!(afterwards, Afterwards::Failed { reason: "a".into(), detail: "b".into() });
}

#[test]
fn a_program_tells_surplus_latencies_and_what_speaks_against_them() {
    let more = RESULT.replace('}', r#","extra_latency_ns":[7]}"#);
    let transcript = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{more}\n"));
    let Heard::Result { latencies, .. } = transcript.heard else { panic!("no result") };
    assert_eq!(latencies.extra_latency_ns, [Nanos(7)]);
    let failure = r#","failure":{"stage":"timing","reason":"wrong_count","detail":"b","hint":null}}"#;
    let short = RESULT.replace("5,", "").replace('}', failure);
    let heard = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{short}\n")).heard;
    assert!(
        matches!(heard, Heard::Answered(Ending::Objected { ref latencies, .. }) if latencies.latency_ns.len() == 1),
        "{heard:?}"
    );
}

#[test]
fn a_build_ends_in_built_a_profile_in_profiled_and_neither_in_anything_else() {
    let built = r#"{"event":"built","seconds":2.5,"is_kept":false,"size_bytes":7}"#;
    let profiled = r#"{"event":"profiled","layers":[]}"#;
    let transcript = said_to(Task::Build, 0, &format!("{HELLO}\n{LOADED}\n{built}\n"));
    assert!(matches!(transcript.heard, Heard::Answered(Ending::Built(built)) if built.size_bytes == 7));
    let transcript = said_to(Task::Profile, 0, &format!("{HELLO}\n{LOADED}\n{profiled}\n"));
    assert!(matches!(transcript.heard, Heard::Answered(Ending::Profiled(_))));
    let shapes = r#"{"event":"shapes","nodes":{"conv":[[1,8,4,4]]}}"#;
    let transcript = said_to(Task::Shapes, 0, &format!("{HELLO}\n{LOADED}\n{shapes}\n"));
    assert!(
        matches!(transcript.heard, Heard::Answered(Ending::Shapes(nodes)) if nodes["conv"] == [[1, 8, 4, 4]])
    );
    assert_eq!(said_to(Task::Build, 0, &format!("{HELLO}\n{LOADED}\n")).stage, Stage::Build);
    for (task, text) in [
        (Task::Build, format!("{HELLO}\n{LOADED}\n{PAUSES}\n")),
        (Task::Build, format!("{HELLO}\n{LOADED}\n{profiled}\n")),
        (Task::Profile, format!("{HELLO}\n{LOADED}\n{shapes}\n")),
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
    assert!(matches!(transcript.heard, Heard::Answered(Ending::Failed(_))));
}

#[test]
fn a_line_without_end_stops_at_the_limit() {
    let heard = said(&format!("{{{}", " ".repeat(EVENT_LIMIT + 100))).heard;
    assert!(matches!(heard, Heard::Refused(Ending::LineTooLong { .. })), "{heard:?}");
}

#[test]
fn result_is_flat_and_refuses_an_unknown_key() {
    let latencies = Latencies {
        warm_up_ns: vec![Nanos(0)],
        latency_ns: vec![Nanos(5), Nanos(u64::MAX)],
        extra_latency_ns: Vec::new(),
        clock_step_ns: None,
    };
    let result = Event::Result { latencies, failure: None, resources: Resources::default() };
    let nothing_observed = r#","resources":{"load_seconds":null,"first_inference_seconds":null,"memory_before_load_bytes":null,"memory_after_load_bytes":null,"peak_memory_bytes":null}}"#;
    assert_eq!(serde_json::to_string(&result).unwrap(), RESULT.replace('}', nothing_observed));
    let more = RESULT.replace('}', r#","more":1}"#);
    let heard = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{more}\n")).heard;
    assert!(matches!(heard, Heard::Refused(Ending::Garbage { .. })), "{heard:?}");
}

#[test]
fn result_without_outputs_is_not_the_end_and_carries_what_was_taken() {
    let more = RESULT.replace('}', r#","resources":{"load_seconds":0.5,"first_inference_seconds":null,"memory_before_load_bytes":1,"memory_after_load_bytes":2,"peak_memory_bytes":3}}"#);
    let transcript = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{more}\n"));
    assert!(!transcript.is_decided());
    assert_eq!(transcript.resources.unwrap().peak_memory_bytes, Some(3));
}

#[test]
fn outputs_alone_are_the_answer_to_a_task_of_their_own() {
    let transcript = said_to(Task::Outputs, 0, &format!("{HELLO}\n{LOADED}\n{OUTPUTS}\n"));
    assert!(matches!(&transcript.heard, Heard::Answered(Ending::Outputs(read)) if read.tensors.len() == 1));
    assert_eq!(said_to(Task::Outputs, 0, &format!("{HELLO}\n{LOADED}\n")).stage, Stage::WarmUp);
    for text in [format!("{HELLO}\n{OUTPUTS}\n"), format!("{HELLO}\n{LOADED}\n{PAUSES}\n")] {
        let heard = said_to(Task::Outputs, 0, &text).heard;
        assert!(matches!(heard, Heard::Refused(Ending::OutOfTurn { .. })), "{text} {heard:?}");
    }
}

#[test]
fn hostile_outputs_are_garbage_and_the_latencies_stay() {
    for (known, hostile) in [
        (r#""shape":[2]"#, r#""shape":[-2]"#),
        (r#""is_finite":false"#, r#""is_finite":false,"more":1"#),
        (r#""is_finite":false"#, r#""minimum":"NaN""#),
        (r#""tensors""#, r#""tensor""#),
    ] {
        let outputs = OUTPUTS.replace(known, hostile);
        assert_ne!(outputs, OUTPUTS);
        let heard = said(&format!("{HELLO}\n{LOADED}\n{PAUSES}\n{RESULT}\n{outputs}\n")).heard;
        let Heard::Refused(Ending::AfterResult { latencies, .. }) = heard else { panic!("{heard:?}") };
        assert_eq!(latencies.latency_ns.len(), 2, "{hostile}");
    }
}
