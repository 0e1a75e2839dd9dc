//! What a job generates: which networks, how many operations they are, and how much disk they take. Counted from the
//! configurations; nothing is generated for it.

use std::collections::HashMap;

use super::{counted, options};
use crate::cli::table;
use crate::error::Hint as _;
use crate::net::configuration::{Configuration, Precision};
use crate::net::cost::Cost;
use crate::net::count_configuration::cost;
use crate::net::emit::{EmitError, Form};
use crate::spec::{Job, ModelSource};

/// Rows that a terminal shows without scrolling; whoever wants all finds them in `backbone networks list`.
const MAXIMUM_ROWS: usize = 20;

/// What both formats can hold at most; they count in signed 32 bits.
const LARGEST_FILE_BYTES: u64 = i32::MAX as u64;

/// The first configurations in the order of their measurement, and how many more there are.
pub(super) fn table(job: &Job) -> String {
    let measure = &job.measure;
    let rows: Vec<Vec<String>> = job
        .configurations
        .iter()
        .filter_map(|configuration| {
            let ModelSource::Generated(network) = configuration.source else { return None };
            Some(vec![
                network.to_string(),
                configuration.runtime.name.to_owned(),
                options(configuration),
                operations(u128::from(cost(&network).operations())),
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

/// Sums over all configurations, a line each, and whether every model fits into a file of its format.
pub(super) fn totals(job: &Job) -> (String, bool) {
    let measure = &job.measure;
    let runs = u128::from(measure.warm_up_runs) + u128::from(measure.timed_runs);
    let runs = runs * u128::from(measure.processes);
    // Precision and runtime change no count, and counting a network takes longer than finding it here.
    let mut costs: HashMap<Configuration, Cost> = HashMap::new();
    let (mut least, mut most, mut all) = (u128::MAX, 0, 0);
    let mut largest: Vec<(Form, Configuration, u64)> = Vec::new();
    for configuration in &job.configurations {
        let ModelSource::Generated(network) = configuration.source else { continue };
        let counted = costs.entry(network.with_precision(Precision::Fp32)).or_insert_with_key(cost);
        let each = u128::from(counted.operations());
        (least, most, all) =
            (least.min(each), most.max(each), all + each * runs * u128::from(configuration.builds(measure)));
        let Some(form) = configuration.runtime.networks else { continue };
        // Nearly all of a file are its weights.
        let weights = counted.parameters() * network.precision().bytes();
        match largest.iter_mut().find(|(other, ..)| *other == form) {
            Some(known) if known.2 >= weights => {}
            Some(known) => *known = (form, network, weights),
            None => largest.push((form, network, weights)),
        }
    }
    let each = match least == most {
        true => operations(most),
        false => format!("{} to {}", operations(least), operations(most)),
    };
    let configurations = counted(job.configurations.len() as u64, "configuration", "configurations");
    let processes = counted(measure.processes.into(), "process", "processes");
    let mut text = format!(
        "  study: {configurations} × {processes}\n  operations: {each} each, {} in all, warm-up included\n",
        operations(all)
    );
    let (disk, can_be_written) = disk(&largest);
    text.push_str(&disk);
    (text, can_be_written)
}

/// The largest file; models are generated one at a time and deleted after, so no more is needed. Its weights alone: the rest
/// is a few per cent at most, and the exact size is known only after every weight was made, which takes minutes for some.
fn disk(largest: &[(Form, Configuration, u64)]) -> (String, bool) {
    let Some((form, network, bytes)) = largest.iter().max_by_key(|(.., bytes)| *bytes) else {
        return (String::new(), true);
    };
    let bytes = *bytes;
    if bytes > LARGEST_FILE_BYTES {
        let extension = form.format.extension();
        let error = EmitError::TooLarge { configuration: network.to_string(), bytes, extension };
        let hint = error.hint().unwrap_or_default();
        return (format!("  disk: {error}\n    hint: {hint}\n"), false);
    }
    let megabytes = bytes as f64 / 1e6;
    let file = form.file_name(network);
    (format!("  disk: about {megabytes:.1} MB for the largest generated file, {file}\n"), true)
}

/// Operations as a person says them: `8.2 GOP`, `1.3 TOP`.
fn operations(count: u128) -> String {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut scaled = count as f64;
    let mut prefix = 0;
    // What would be rounded to 1000.0 takes the next prefix.
    while scaled >= 999.95 && prefix + 1 < PREFIXES.len() {
        scaled /= 1000.0;
        prefix += 1;
    }
    match prefix {
        0 => format!("{count} OP"),
        _ => format!("{scaled:.1} {}OP", PREFIXES[prefix]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::accepted;
    use crate::net::configuration::Wish;
    use crate::spec::resolve;

    fn check(rest: &str) -> (String, bool) {
        let job = resolve::job(format!("backbone: 1\n{rest}").as_bytes(), "a.yaml").unwrap();
        accepted(std::path::Path::new("a.yaml"), "a.yaml", &job)
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
          disk: about 10.0 MB for the largest generated file, standard-k3-b1-i224-int8-unsigned.onnx
          duration: at most 1 h (1 process of at most 1 h)
          precision: the median's 95 % interval will reach from the 40th to the 61st of 100 latencies in order
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
          disk: about 34.0 MB for the largest generated file, bottleneck-standard-k5-b1-i224-int8-unsigned.onnx
          duration: at most 24 h (24 processes of at most 1 h)
          precision: the median's 95 % interval will reach from the 40th to the 61st of 100 latencies in order
        ");
    }

    #[test]
    fn size_of_the_file_is_nearly_the_size_that_is_written() {
        let (text, _) = check(
            "network: {block: depthwise-separable, kernel: 3, input: 32, precision: fp32, width_percent: 25}\n",
        );
        let wish = Wish { width_percent: 25, ..Wish::new("depthwise-separable", 3, 1, 32, "fp32") };
        let file = Form::ONNX_UNSIGNED.model_file(&Configuration::new(&wish).unwrap()).unwrap();
        let words: Vec<&str> = text.split_once("disk: about ").unwrap().1.split(' ').collect();
        let said: f64 = words[0].parse().unwrap();
        let written = file.length() as f64 / 1e6;
        assert!((said - written).abs() < 0.1 * written + 0.05, "{said} for {written}");
    }

    #[test]
    fn network_that_no_file_can_hold_is_named() {
        let (text, is_right) =
            check("network: {block: standard, kernel: 31, input: 32, precision: fp32, width_percent: 200}\n");
        assert!(!is_right && text.contains("such a file holds 2147483647 at most\n    hint: "), "{text}");
    }

    #[test]
    fn operations_are_said_with_the_prefix_that_leaves_few_digits() {
        let said = [0, 999, 1000, 999_949, 999_950, 8_200_000_000, 1_300_000_000_000].map(operations);
        assert_eq!(said, ["0 OP", "999 OP", "1.0 kOP", "999.9 kOP", "1.0 MOP", "8.2 GOP", "1.3 TOP"]);
        assert_eq!(operations(9 * 10_u128.pow(24)), "9000000.0 EOP");
    }
}
