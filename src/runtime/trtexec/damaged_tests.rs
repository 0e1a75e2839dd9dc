//! A thousand damaged transcripts: an outcome each time, no wrong numbers, and nothing about the model that
//! no line says.

use super::tests::{TIMED_RUNS, TRANSCRIPTS, WARM_UP_RUNS, numbers, read, timed, transcript};
use super::*;
use crate::bundle::format::Fault;
use crate::runtime::trtexec::outcome::Exit;

#[path = "../../../tests/trtexec/damage.rs"]
mod damage;
use damage::{Random, damaged};

const SEEDS: u64 = 1000;

/// What a line says that is a fact about the model, written by hand and not taken from the table.
const SAYS_MODEL: &[&str] = &[
    "No importer registered for op",
    "While parsing node number",
    "could not find plugin",
    "Plugin not found",
    "In function importModel",
    "Failed to parse onnx file",
    "explicit precision QAT networks",
    "Could not find any implementation for node",
    "falling back to GPU is not enabled",
    "require hardware with",
    "Network must have at least one output",
];

/// What a line says of memory that was not there. It is a fact about the model only next to the GPU's size.
const SAYS_MEMORY: &[&str] = &["OutOfMemory", "out of memory", "Requested amount of GPU memory", "bad_alloc"];

/// Is it an error, and not a message in passing?
fn is_error(line: &str) -> bool {
    !["[I] ", "[W] ", "[V] "].iter().any(|mark| line.contains(mark))
}

fn says_model(text: &str) -> bool {
    let has = |words: &[&str]| {
        text.lines().any(|line| is_error(line) && words.iter().any(|words| line.contains(words)))
    };
    has(SAYS_MODEL) || has(SAYS_MEMORY) && text.contains("Device Global Memory: ")
}

#[test]
fn no_damage_makes_wrong_numbers_or_a_fact_about_the_model() {
    let texts: Vec<String> = TRANSCRIPTS.iter().map(|(name, ..)| transcript(name)).collect();
    let mut counts = [0; 6];
    for seed in 0..SEEDS {
        let mut random = Random(seed ^ 0x5eed);
        let base = random.below(texts.len());
        let damaged = damaged(seed, &texts[base], &texts);
        let exits = [TRANSCRIPTS[base].1, Exit::Code(0), Exit::Code(1), Exit::Signal(9), Exit::Code(139)];
        let exit = exits[random.below(exits.len())];
        let report = read(&damaged.text);

        let timed_again = timed(&report, exit);
        let whole = timed(&read(&texts[base]), Exit::Code(0));
        match &timed_again.failure {
            None => {
                counts[0] += 1;
                let same = timed_again.latencies.warm_up_ns == whole.latencies.warm_up_ns
                    && timed_again.latencies.latency_ns == whole.latencies.latency_ns;
                // Releases before 7.0 print nothing that could tell: see `summary`.
                let is_blind = report.wording != Some(report::Wording::Since7);
                let can_tell = !(is_blind && damaged.lost_a_query && damaged.gained_a_query);
                assert!(same || !can_tell, "seed {seed}, {}:\n{}", TRANSCRIPTS[base].0, damaged.text);
                counts[1] += u32::from(!same);
                assert_eq!(timed_again.latencies.latency_ns.len(), TIMED_RUNS);
                assert_eq!(timed_again.latencies.warm_up_ns.len(), WARM_UP_RUNS);
            }
            Some(failure) => {
                assert_ne!(failure.fault, Fault::Model, "seed {seed}: {failure:?}");
                assert!(!failure.reason.is_empty() && failure.hint.is_some(), "seed {seed}");
            }
        }
        match outcome::of_build(&report, exit, Some(7)) {
            Ok(_) => {
                counts[2] += 1;
                assert!(exit == Exit::Code(0) && damaged.text.contains("&&&& PASSED"), "seed {seed}");
            }
            Err(failure) => {
                let place = match failure.fault {
                    Fault::Model => 3,
                    Fault::Host | Fault::Job => 4,
                    Fault::Unknown => 5,
                };
                counts[place] += 1;
                assert!(!failure.reason.is_empty() && failure.hint.is_some(), "seed {seed}");
                let is_said = failure.fault != Fault::Model || says_model(&damaged.text);
                assert!(is_said, "seed {seed}, {failure:?}:\n{}", damaged.text);
            }
        }
    }
    let [measured, not_to_tell, built, of_model, of_others, unknown] = counts;
    println!(
        "{SEEDS} damaged transcripts. As timings: {measured} measured ({not_to_tell} of a release before 7.0 with a line \
         lost and another doubled). As builds: {built} built, {of_model} the model's fault, {of_others} the host's or the \
         job's, {unknown} of unknown fault"
    );
    assert!(measured > 20 && built > 20 && of_model > 50 && of_others > 50 && unknown > 50, "{counts:?}");
}

#[test]
fn same_time_lost_and_doubled_is_noticed_by_the_summary() {
    let text = transcript("8.5-timed");
    let lines: Vec<&str> = text.lines().collect();
    let query = |value: &str| {
        lines.iter().position(|line| line.contains(&format!("GPU latency: {value} ms"))).unwrap()
    };
    let mut swapped = lines.clone();
    swapped[query("39.8724")] = lines[query("39.795")];
    let report = read(&swapped.join("\n"));
    let failure = timed(&report, Exit::Code(0)).failure.unwrap();
    assert_eq!(failure.reason, "report_contradicts_itself");
    insta::assert_snapshot!(failure, @"trtexec reported success, but its summary gives 39931900 ns as mean, and the times it shows 39906067 ns");
    assert_eq!(numbers(&report.latency_ns).len(), 3);
}
