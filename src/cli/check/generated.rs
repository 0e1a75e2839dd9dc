//! What a job generates: the networks, their operations, and the disk space they take. Counted from the
//! configurations; nothing is generated.

use std::collections::{BTreeMap, HashMap};

use super::options;
use crate::bundle::format::Role;
use crate::cli::table;
use crate::daemon::fewest_trials;
use crate::daemon::memory::LargerThanMemory;
use crate::error::Hint as _;
use crate::network::configuration::{Configuration, Precision};
use crate::network::cost::Cost;
use crate::network::count_configuration::cost;
use crate::network::emit::EmitError;
use crate::spec::{Job, MeasureProtocol, ModelSource};
use crate::text::{counted, scaled};

/// Rows that a terminal shows without scrolling; `backbone networks list` shows all.
const MAXIMUM_ROWS: usize = 20;

/// The first configurations in the order of their measurement, and how many more there are.
pub(super) fn table(job: &Job) -> String {
    let measure = &job.measure;
    let rows: Vec<Vec<String>> = job
        .configurations
        .iter()
        .filter_map(|configuration| {
            let ModelSource::Generated(network) = configuration.source else { return None };
            Some(vec![
                format!("{network}{}", if configuration.role == Role::Sentinel { " (sentinel)" } else { "" }),
                configuration.runtime.name.to_owned(),
                options(configuration),
                scaled(u128::from(cost(&network).operations()), "OP"),
                super::runs(configuration, measure),
            ])
        })
        .take(MAXIMUM_ROWS)
        .collect();
    let headings = ["NETWORK", "RUNTIME", "OPTIONS", "OPERATIONS", "WARM-UP + TIMED"];
    let mut text = table::indent(&table::render(&headings, &rows));
    let more = job.configurations.len() - rows.len();
    if more > 0 {
        text.push_str(&format!("  … and {more} more\n"));
    }
    text
}

/// Sums over all configurations, a line each, and whether every model fits into a file of its format and into
/// the host's memory.
pub(super) fn totals(job: &Job, memory_bytes: Option<u64>) -> (String, bool) {
    let measure = &job.measure;
    let runs = u128::from(measure.warm_up_runs) + u128::from(measure.timed_runs);
    // Precision and runtime change no count, and counting a network takes longer than this look-up.
    let mut costs: HashMap<Configuration, Cost> = HashMap::new();
    let (mut least, mut most, mut all) = (u128::MAX, 0, 0);
    let mut files: BTreeMap<String, Result<u64, EmitError>> = BTreeMap::new();
    for configuration in &job.configurations {
        let ModelSource::Generated(network) = configuration.source else { continue };
        let counted = costs.entry(network.with_precision(Precision::Fp32)).or_insert_with_key(cost);
        let each = u128::from(counted.operations());
        let (builds, processes) = fewest_trials(configuration, measure);
        let trials = u128::from(builds) * u128::from(processes);
        (least, most, all) = (least.min(each), most.max(each), all + each * runs * trials);
        if let Some(form) = (configuration.runtime.networks)(&configuration.options) {
            files.entry(form.file_name(&network)).or_insert_with(|| form.length(&network));
        }
    }
    let each = match least == most {
        true => scaled(most, "OP"),
        false => format!("{} to {}", scaled(least, "OP"), scaled(most, "OP")),
    };
    let configurations = counted(job.configurations.len(), "configuration", "configurations");
    let (processes, at_least) = match measure.protocol {
        MeasureProtocol::Paper => (counted(measure.processes, "process", "processes"), ""),
        MeasureProtocol::Rigorous { .. } => ("several processes".to_owned(), "at least "),
    };
    let mut text = format!(
        "  study: {configurations} × {processes}\n  operations: {each} each, {at_least}{} in all, warm-up included\n",
        scaled(all, "OP")
    );
    let (disk, can_be_written) = disk(&files);
    let (memory, fits) = memory(&files, memory_bytes);
    text.push_str(&disk);
    text.push_str(&memory);
    (text, can_be_written && fits)
}

/// A line on the files that are larger than the host's memory, if there are any.
fn memory(files: &BTreeMap<String, Result<u64, EmitError>>, memory_bytes: Option<u64>) -> (String, bool) {
    let lengths = files.iter().filter_map(|(name, length)| Some((name, *length.as_ref().ok()?)));
    let mut refused =
        lengths.filter_map(|(name, bytes)| LargerThanMemory::check(name, bytes, memory_bytes).err());
    let Some(error) = refused.next() else { return (String::new(), true) };
    let hint = error.hint().unwrap_or_default();
    (format!("  memory: {error}{}\n    hint: {hint}\n", and_more(refused.count())), false)
}

/// What follows the first of several.
fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}

/// The largest file, because models are generated one at a time and then deleted; or the one that its format
/// cannot hold.
fn disk(files: &BTreeMap<String, Result<u64, EmitError>>) -> (String, bool) {
    let mut refused = files.values().filter_map(|length| length.as_ref().err());
    if let Some(error) = refused.next() {
        let more = and_more(refused.count());
        let hint = error.hint().unwrap_or_default();
        return (format!("  disk: {error}{more}\n    hint: {hint}\n"), false);
    }
    let lengths = files.iter().filter_map(|(name, length)| Some((name, *length.as_ref().ok()?)));
    match lengths.max_by_key(|(_, bytes)| *bytes) {
        None => (String::new(), true),
        Some((name, bytes)) => {
            let megabytes = bytes as f64 / 1e6;
            (format!("  disk: {megabytes:.1} MB for the largest generated file, {name}\n"), true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::{Surroundings, accepted};
    use crate::network::configuration::RequestedConfiguration;
    use crate::network::emit::Form;
    use crate::spec::resolve;

    fn check(rest: &str) -> (String, bool) {
        let job = resolve::job(format!("backbone: 1\n{rest}").as_bytes(), "a.yaml").unwrap();
        accepted(std::path::Path::new("a.yaml"), "a.yaml", &job, &Surroundings::default())
    }

    #[test]
    fn network_shows_its_operations_and_the_size_of_its_file() {
        let (text, is_right) = check("network: {block: standard, kernel: 3, input: 224, precision: int8}\n");
        assert!(is_right);
        insta::assert_snapshot!(text, @"
        a.yaml: ok
          NETWORK                   RUNTIME      OPTIONS   OPERATIONS  WARM-UP + TIMED
          standard-k3-b1-i224-int8  onnxruntime  defaults  3.6 GOP     10 + 100 × 1 process

          study: 1 configuration × 1 process
          operations: 3.6 GOP each, 399.0 GOP in all, warm-up included
          disk: 10.0 MB for the largest generated file, standard-k3-b1-i224-int8-unsigned.onnx
          duration: about 41 s, assuming a host that computes 10 GOP/s and 1 s for each process; compiling is not counted
          limit: 1 h (1 process of at most 1 h)
          precision: the 95 % interval of the median will be the 40th to the 61st of 100 sorted latencies
        ");
    }

    #[test]
    fn study_shows_its_first_configurations_and_the_sums_of_all() {
        let (text, is_right) = check("study: {kernels: [3, 5], batches: [1], inputs: [224, 560]}\n");
        assert!(is_right);
        insta::assert_snapshot!(text, @"
        a.yaml: ok
          NETWORK                                         RUNTIME      OPTIONS   OPERATIONS  WARM-UP + TIMED
          standard-k3-b1-i224-int8                        onnxruntime  defaults  3.6 GOP     10 + 100 × 1 process
          standard-k3-b1-i560-int8                        onnxruntime  defaults  22.9 GOP    10 + 100 × 1 process
          standard-k5-b1-i224-int8                        onnxruntime  defaults  9.6 GOP     10 + 100 × 1 process
          standard-k5-b1-i560-int8                        onnxruntime  defaults  60.5 GOP    10 + 100 × 1 process
          bottleneck-standard-k3-b1-i224-int8             onnxruntime  defaults  4.9 GOP     10 + 100 × 1 process
          bottleneck-standard-k3-b1-i560-int8             onnxruntime  defaults  30.8 GOP    10 + 100 × 1 process
          bottleneck-standard-k5-b1-i224-int8             onnxruntime  defaults  11.4 GOP    10 + 100 × 1 process
          bottleneck-standard-k5-b1-i560-int8             onnxruntime  defaults  72.3 GOP    10 + 100 × 1 process
          spatially-separable-k3-b1-i224-int8             onnxruntime  defaults  3.0 GOP     10 + 100 × 1 process
          spatially-separable-k3-b1-i560-int8             onnxruntime  defaults  18.7 GOP    10 + 100 × 1 process
          spatially-separable-k5-b1-i224-int8             onnxruntime  defaults  4.8 GOP     10 + 100 × 1 process
          spatially-separable-k5-b1-i560-int8             onnxruntime  defaults  30.1 GOP    10 + 100 × 1 process
          bottleneck-spatially-separable-k3-b1-i224-int8  onnxruntime  defaults  4.3 GOP     10 + 100 × 1 process
          bottleneck-spatially-separable-k3-b1-i560-int8  onnxruntime  defaults  27.3 GOP    10 + 100 × 1 process
          bottleneck-spatially-separable-k5-b1-i224-int8  onnxruntime  defaults  6.4 GOP     10 + 100 × 1 process
          bottleneck-spatially-separable-k5-b1-i560-int8  onnxruntime  defaults  40.5 GOP    10 + 100 × 1 process
          depthwise-separable-k3-b1-i224-int8             onnxruntime  defaults  670.3 MOP   10 + 100 × 1 process
          depthwise-separable-k3-b1-i560-int8             onnxruntime  defaults  4.2 GOP     10 + 100 × 1 process
          depthwise-separable-k5-b1-i224-int8             onnxruntime  defaults  711.7 MOP   10 + 100 × 1 process
          depthwise-separable-k5-b1-i560-int8             onnxruntime  defaults  4.5 GOP     10 + 100 × 1 process
          … and 4 more

          study: 24 configurations × 1 process
          operations: 670.3 MOP to 72.3 GOP each, 41.7 TOP in all, warm-up included
          disk: 34.1 MB for the largest generated file, bottleneck-standard-k5-b1-i560-int8-unsigned.onnx
          duration: about 1 h 10 min, assuming a host that computes 10 GOP/s and 1 s for each process; compiling is not counted
          limit: 24 h (24 processes of at most 1 h)
          precision: the 95 % interval of the median will be the 40th to the 61st of 100 sorted latencies
        ");
    }

    #[test]
    fn size_of_the_file_is_the_size_that_is_written() {
        let (text, _) = check(
            "network: {block: depthwise-separable, kernel: 3, input: 32, precision: fp32, width_percent: 25}\n",
        );
        let requested = RequestedConfiguration {
            width_percent: 25,
            ..RequestedConfiguration::new("depthwise-separable", 3, 1, 32, "fp32")
        };
        let file = Form::ONNX_UNSIGNED.model_file(&Configuration::new(&requested).unwrap()).unwrap();
        let words: Vec<&str> = text.split_once("disk: ").unwrap().1.split(' ').collect();
        let mut written = Vec::new();
        file.write(&mut written).unwrap();
        assert_eq!(words[0], format!("{:.1}", written.len() as f64 / 1e6));
    }

    #[test]
    fn networks_that_no_file_can_hold_are_named() {
        let (text, is_right) = check(
            "runtime: tflite\nnetwork: {block: standard, kernel: 31, input: 32, precision: fp32, width_percent: 200}\n",
        );
        assert!(!is_right && text.contains("such a file holds 2147483647 at most\n    hint: "), "{text}");
        let (text, is_right) = check(
            "runtime: tflite\nstudy: {blocks: [standard], kernels: [3, 29, 31], batches: [1], inputs: [32], precisions: [fp32]}\n",
        );
        assert!(!is_right && text.contains("at most (and 1 more)\n    hint: "), "{text}");
        let (text, is_right) =
            check("network: {block: standard, kernel: 31, input: 32, precision: fp32, width_percent: 200}\n");
        assert!(is_right && text.contains("disk: 16692.6 MB for"), "an ONNX file has a second one: {text}");
    }

    #[test]
    fn networks_larger_than_the_memory_of_the_host_that_is_named_are_refused() {
        let rest = "backbone: 1\nstudy: {blocks: [standard, depthwise-separable], kernels: [3], batches: [1], inputs: [32, 64]}\n";
        let job = resolve::job(rest.as_bytes(), "a.yaml").unwrap();
        let totals = |memory_bytes| totals(&job, memory_bytes);
        assert!(totals(Some(20_000_000)).1 && totals(None).1);
        let (text, would_run) = totals(Some(4_000_000));
        assert!(!would_run);
        insta::assert_snapshot!(text, @"
        study: 4 configurations × 1 process
        operations: 13.7 MOP to 296.1 MOP each, 48.2 GOP in all, warm-up included
        disk: 10.0 MB for the largest generated file, standard-k3-b1-i64-int8-unsigned.onnx
        memory: `standard-k3-b1-i32-int8-unsigned.onnx` has 10018914 bytes, and the host has 4000000 bytes of memory (and 1 more)
          hint: measure it on a host with more memory, or take a smaller model: int8 weights take a quarter of fp32's
        ");
    }
}
