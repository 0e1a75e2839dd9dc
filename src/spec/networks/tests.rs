use crate::bundle::format::Mistake;
use crate::network::configuration::Configuration;
use crate::network::configuration::Precision;
use crate::spec::{Job, ModelSource, render, resolve};

fn read(rest: &str) -> Result<Job, Vec<Mistake>> {
    resolve::job(format!("backbone: 1\n{rest}").as_bytes(), "study.yaml")
}

fn understood(rest: &str) -> Job {
    read(rest).unwrap_or_else(|mistakes| panic!("{}", render(&mistakes, "study.yaml")))
}

fn refused(rest: &str) -> String {
    render(&read(rest).expect_err(rest), "study.yaml")
}

fn codes(rest: &str) -> Vec<String> {
    read(rest).expect_err(rest).into_iter().map(|mistake| mistake.code).collect()
}

/// `NETWORK on RUNTIME` of each configuration.
fn listed(job: &Job) -> Vec<String> {
    let one = |configuration: &crate::spec::JobConfiguration| {
        format!("{} on {}", configuration.model_name(job), configuration.runtime.name)
    };
    job.configurations.iter().map(one).collect()
}

fn networks(job: &Job) -> Vec<Configuration> {
    let one = |configuration: &crate::spec::JobConfiguration| match configuration.source {
        ModelSource::Generated(network) => network,
        ModelSource::Dropped(index) => panic!("model {index} was dropped"),
    };
    job.configurations.iter().map(one).collect()
}

#[test]
fn network_is_one_configuration_on_the_first_runtime_that_reads_a_generated_format() {
    let job = understood("network: {block: standard, kernel: 3, batch: 2, input: 224, precision: int8}\n");
    assert_eq!(listed(&job), ["standard-k3-b2-i224-int8 on onnxruntime"]);
    assert!(job.models.is_empty());
    assert_eq!(job.configurations[0].model_file(&job), "standard-k3-b2-i224-int8-unsigned.onnx");
}

#[test]
fn network_has_one_image_and_the_widths_and_depths_of_the_paper_unless_it_says_otherwise() {
    let job = understood("network: {block: standard, kernel: 3, input: 224, precision: fp32}\n");
    assert_eq!(listed(&job), ["standard-k3-b1-i224-fp32 on onnxruntime"]);
    let job = understood(
        "network: {block: standard, kernel: 3, input: 224, precision: fp32, width_percent: 50, depths: [1, 2, 3, 4]}\n",
    );
    assert_eq!(listed(&job), ["standard-k3-b1-i224-fp32-w50-d1_2_3_4 on onnxruntime"]);
}

#[test]
fn study_without_lists_is_the_family_of_the_paper_in_int8_in_the_order_of_the_sheet() {
    let job = understood("study: {}\n");
    assert_eq!(networks(&job), Configuration::family(Precision::Int8).collect::<Vec<_>>());
}

#[test]
fn runtimes_of_a_study_follow_each_other_for_each_network_and_keep_their_options() {
    let job = understood(
        "study: {blocks: [standard], kernels: [5, 3], batches: [1], inputs: [64], precisions: [fp32, int8]}
runtime: [tflite, onnxruntime]
runtime_options: {tflite: {threads: 2}, onnxruntime: {threads: 3}}
",
    );
    assert_eq!(
        listed(&job),
        [
            "standard-k5-b1-i64-fp32 on tflite",
            "standard-k5-b1-i64-fp32 on onnxruntime",
            "standard-k5-b1-i64-int8 on tflite",
            "standard-k5-b1-i64-int8 on onnxruntime",
            "standard-k3-b1-i64-fp32 on tflite",
            "standard-k3-b1-i64-fp32 on onnxruntime",
            "standard-k3-b1-i64-int8 on tflite",
            "standard-k3-b1-i64-int8 on onnxruntime",
        ]
    );
    for configuration in &job.configurations {
        let threads = if configuration.runtime.name == "tflite" { 2 } else { 3 };
        assert_eq!(configuration.options["threads"], threads);
    }
}

#[test]
fn exactly_one_key_says_what_to_measure() {
    insta::assert_snapshot!(refused("name: a\n"), @"
    study.yaml:1:1: model: the job does not say what to measure: `model`, `network`, `study` are all missing
      hint: name a file in the same folder, such as `model: net.onnx`, or a network of the family, such as `network: {block: standard, kernel: 3, input: 224, precision: int8}`
    ");
    insta::assert_snapshot!(refused("study: {}\nname: a\nmodel: net.onnx\n"), @"
    study.yaml:4:1: model: more than one key says what to measure: `study` in line 2, `model` in line 4
      hint: keep one of `model`, `network`, `study`; write one job for each
    ");
    insta::assert_snapshot!(
        refused("model: ../a\nnetwork: {block: standard, kernel: 4, input: 224, precision: int8}\nstudy:\n  kernels: []\n"),
        @"
        study.yaml:2:8: model: `../a` leads out of the folder
          hint: drop the file into the same folder as the job file and write its bare name
        study.yaml:3:36: network.kernel: kernel 4 is even
          hint: write 3 or 5
        study.yaml:4:1: study: more than one key says what to measure: `model` in line 2, `network` in line 3, `study` in line 4
          hint: keep one of `model`, `network`, `study`; write one job for each
        study.yaml:5:12: study.kernels: the list is empty
          hint: leave the key out to take the values of the paper
        "
    );
}

#[test]
fn network_names_every_factor_that_has_no_obvious_value() {
    insta::assert_snapshot!(refused("network: {}\n"), @"
    study.yaml:2:10: network.block: the key `block` is missing
      hint: add `block: standard`, or another block type
    study.yaml:2:10: network.kernel: the key `kernel` is missing
      hint: add `kernel: …`, an odd number, 1 to 31
    study.yaml:2:10: network.input: the key `input` is missing
      hint: add `input: …`, a whole number, 32 to 8192
    study.yaml:2:10: network.precision: the key `precision` is missing
      hint: add `precision: int8` or `precision: fp32`
    ");
    insta::assert_snapshot!(refused("network: standard\n"), @"
    study.yaml:2:10: network: expected a map of keys and values, found the text `standard`
      hint: write `network: {key: value}`, or leave `network` out
    ");
    insta::assert_snapshot!(refused("network:\n"), @"
    study.yaml:2:1: network: a value is missing; expected a map of keys and values
      hint: write `network: {key: value}`, or leave `network` out
    ");
}

#[test]
fn impossible_networks_are_reported_with_their_lines_and_what_to_write() {
    insta::assert_snapshot!(
        refused(
            "network:
  block: botleneck-standard
  kernel: 4
  batch: 0
  input: 31
  precision: fp16
  width_percent: 201
  depths: [3, 0, 6, 65]
"
        ),
        @"
        study.yaml:3:10: network.block: no block type is called `botleneck-standard`
          hint: did you mean `bottleneck-standard`? `backbone list blocks` shows all
        study.yaml:4:11: network.kernel: kernel 4 is even
          hint: write 3 or 5
        study.yaml:5:10: network.batch: batch 0 is outside 1 … 256
          hint: the nearest possible value is 1
        study.yaml:6:10: network.input: input 31 is outside 32 … 8192
          hint: the network halves its input five times: write 32 or more
        study.yaml:7:14: network.precision: no precision of the family is called `fp16`
          hint: write `fp32` or `int8`
        study.yaml:8:18: network.width_percent: width multiplier in per cent 201 is outside 5 … 200
          hint: the nearest possible value is 200
        study.yaml:9:15: network.depths[1]: depth of a stage 0 is outside 1 … 64
          hint: the nearest possible value is 1
        study.yaml:9:21: network.depths[3]: depth of a stage 65 is outside 1 … 64
          hint: the nearest possible value is 64
        "
    );
    insta::assert_snapshot!(
        refused(
            "network:
  block: 3
  kernel: three
  batch: 99999999999999999999
  input: [224]
  precision: [int8]
  width_percent: 50.0
  depths: [3, 4, 6]
  blocks: [standard]
"
        ),
        @"
        study.yaml:3:10: network.block: expected the name of a block type, found the number `3`
          hint: write its name as `standard`; `backbone list blocks` shows all
        study.yaml:4:11: network.kernel: expected a whole number, found the text `three`
          hint: write a whole number, 1 to 31
        study.yaml:5:10: network.batch: `99999999999999999999` is more than 256
          hint: write a whole number, 1 to 256
        study.yaml:6:10: network.input: expected a whole number, found a list
          hint: write a whole number, 32 to 8192
        study.yaml:7:14: network.precision: expected the name of a precision, found a list
          hint: write `fp32` or `int8`
        study.yaml:8:18: network.width_percent: expected a whole number, found the decimal number `50.0`
          hint: write 50
        study.yaml:9:11: network.depths: 3 depths are named, and there are four stages
          hint: write the number of blocks in each of the four stages, as `[3, 4, 6, 3]`
        study.yaml:10:3: network.blocks: unknown key `blocks`
          hint: did you mean `block`?
        "
    );
}

#[test]
fn impossible_studies_are_reported_with_the_lines_of_their_values() {
    insta::assert_snapshot!(
        refused(
            "study:
  blocks: [standard, transformer, Spatially_Separable]
  kernels: [3, 2]
  batches: 4
  inputs: []
  precisions: [int8, int4]
  depths: [3, 4, 6, 3]
"
        ),
        @"
        study.yaml:3:22: study.blocks[1]: no block type is called `transformer`
          hint: `backbone list blocks` shows all
        study.yaml:3:35: study.blocks[2]: no block type is called `Spatially_Separable`
          hint: did you mean `spatially-separable`? `backbone list blocks` shows all
        study.yaml:4:16: study.kernels[1]: kernel 2 is even
          hint: write 1 or 3
        study.yaml:5:12: study.batches: expected a list, found the number `4`
          hint: write `[4]`
        study.yaml:6:11: study.inputs: the list is empty
          hint: leave the key out to take the values of the paper
        study.yaml:7:22: study.precisions[1]: no precision of the family is called `int4`
          hint: write `fp32` or `int8`
        study.yaml:8:3: study.depths: unknown key `depths`
          hint: `depths` belongs below `network`
        "
    );
}

#[test]
fn value_that_a_study_names_twice_is_reported_with_both_lines() {
    insta::assert_snapshot!(
        refused(
            "study:
  blocks: [standard, standard]
  kernels:
    - 3
    - 5
    - 0x3
  precisions: [fp32, int8, fp32]
"
        ),
        @"
        study.yaml:3:22: study.blocks[1]: `standard` is named twice, first in line 3
          hint: keep one of them; to measure more often, raise `measure.processes`
        study.yaml:7:7: study.kernels[2]: `0x3` is named twice, first in line 5
          hint: keep one of them; to measure more often, raise `measure.processes`
        study.yaml:8:28: study.precisions[2]: `fp32` is named twice, first in line 8
          hint: keep one of them; to measure more often, raise `measure.processes`
        "
    );
}

#[test]
fn runtime_that_reads_no_generated_format_is_refused_and_told_why() {
    insta::assert_snapshot!(refused("study: {}\nruntime: [onnxruntime, sim]\n"), @"
    study.yaml:3:24: runtime: `sim` reads .sim files, and networks are generated as .onnx or .tflite only
      hint: choose another runtime, or drop a .sim file and name it as `model`
    ");
    assert_eq!(
        codes("network: {block: standard, kernel: 3, input: 224, precision: int8}\nruntime: sim\n"),
        ["not_generated"]
    );
}

#[test]
fn keys_that_would_do_nothing_are_refused() {
    insta::assert_snapshot!(refused("study: {}\ninputs: {image: [1, 3, 224, 224]}\n"), @"
    study.yaml:3:9: inputs: generated networks have no open shapes
      hint: leave `inputs` out; the batch and the input size of the network decide the shape
    ");
    insta::assert_snapshot!(refused("model: net.onnx\norder: listed\n"), @"
    study.yaml:3:8: order: only a `study` has an `order`
      hint: leave `order` out; the runtimes of a list run in the order in which they are written
    ");
    let network = "network: {block: standard, kernel: 3, input: 224, precision: int8}\n";
    assert_eq!(codes(&format!("{network}order: random\n")), ["needs_study"]);
    assert_eq!(codes(&format!("{network}inputs: {{}}\n")), ["fixed_shapes"]);
    assert_eq!(codes("study: {}\norder: shuffled\n"), ["unknown_value"]);
}

#[test]
fn random_order_is_the_listed_one_shuffled_by_the_seed() {
    let of =
        |rest: &str| listed(&understood(&format!("study: {{}}\nruntime: [onnxruntime, tflite]\n{rest}")));
    let plain = of("");
    assert_eq!(of("order: listed\n"), plain);
    let first = of("order: random\n");
    assert_ne!(first, plain);
    assert_eq!(of("order: random\nmeasure: {seed: 1}\n"), first);
    assert_ne!(of("order: random\nmeasure: {seed: 2}\n"), first);
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(first), sorted(plain));
}

#[test]
fn job_measures_ten_thousand_configurations_at_most() {
    let numbers =
        |count: u32| (0..count).map(|one| (32 + one).to_string()).collect::<Vec<String>>().join(", ");
    let study = |count: u32| {
        format!(
            "study: {{blocks: [standard], kernels: [3], batches: [1, 2], inputs: [{}]}}\n",
            numbers(count)
        )
    };
    assert_eq!(understood(&study(5000)).configurations.len(), 10_000);
    insta::assert_snapshot!(refused(&study(5001)), @"
    study.yaml:2:8: study: the job would measure 10002 configurations
      hint: at most 10000; make several jobs of it
    ");
    let on_both = format!("{}runtime: [onnxruntime, tflite]\n", study(2500));
    assert_eq!(understood(&on_both).configurations.len(), 10_000);
    let on_both = format!("{}runtime: [onnxruntime, tflite]\n", study(2501));
    assert_eq!(codes(&on_both), ["too_many_configurations"]);
}

#[test]
fn hostile_values_are_quoted_short_and_harmless() {
    let long = "x".repeat(300_000);
    let text = refused(&format!("study: {{blocks: [{long}], precisions: [\"\\e[31m\"]}}\n"));
    assert!(text.len() < 1000 && text.chars().all(|one| one == '\n' || !one.is_control()), "{text}");
    let many = "3, ".repeat(20_000);
    assert_eq!(codes(&format!("study: {{kernels: [{many}3]}}\n")), ["too_many_values"]);
}
