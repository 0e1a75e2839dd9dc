use super::*;
use crate::runtime::{OptionKind, RuntimeOption};
use crate::spec::{Host, ModelSource, render};

const fn runtime(name: &'static str, format: &'static str, options: &'static [RuntimeOption]) -> Runtime {
    Runtime {
        name,
        summary: "made up",
        model_format: format,
        recognise: |_| Ok(()),
        networks: |_| None,
        options,
        options_from_model: &[],
        most_runs: None,
        timed: |_| ("call", "the call"),
        needs: &[],
        reach: |_| crate::runtime::Reach::PROCESSOR,
        fatal_lines: &[],
        simulated: true,
    }
}

static ALPHA: Runtime = runtime(
    "alpha",
    "onnx",
    &[
        RuntimeOption {
            name: "threads",
            kind: OptionKind::Integer { minimum: 1, maximum: 1024 },
            summary: "how many",
        },
        RuntimeOption { name: "provider", kind: OptionKind::Choice(&["cpu", "gpu"]), summary: "where" },
    ],
);
static BETA: Runtime = runtime(
    "beta",
    "tflite",
    &[RuntimeOption { name: "fast_kernels", kind: OptionKind::Boolean, summary: "whether" }],
);
/// Reads what beta reads, and comes after it.
static GAMMA: Runtime = runtime("gamma", "tflite", &[]);
static KNOWN: &[&Runtime] = &[&ALPHA, &BETA, &GAMMA];

fn read(text: &str) -> Result<Job, Vec<Mistake>> {
    job_on(KNOWN, text.as_bytes(), "smoke.yaml")
}

fn understood(rest: &str) -> Job {
    let text = format!("backbone: 1\n{rest}");
    read(&text).unwrap_or_else(|mistakes| panic!("{}", render(&mistakes, "smoke.yaml")))
}

/// Mistakes of a file that begins with `backbone: 1` in line 1, rendered.
fn refused(rest: &str) -> String {
    let text = format!("backbone: 1\n{rest}");
    render(&read(&text).expect_err(&text), "smoke.yaml")
}

fn codes(text: &str) -> Vec<String> {
    read(text).expect_err(text).into_iter().map(|mistake| mistake.code).collect()
}

fn names(job: &Job) -> Vec<(&str, &str)> {
    let one = |configuration: &JobConfiguration| match configuration.source {
        ModelSource::Dropped(index) => (configuration.runtime.name, job.models[index].file.as_str()),
        ModelSource::Generated(network) => panic!("{network} is generated"),
    };
    job.configurations.iter().map(one).collect()
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

#[test]
fn smallest_job_gets_every_default() {
    let job = understood("model: net.onnx\n");
    assert_eq!(job.name, "smoke");
    assert_eq!(names(&job), [("alpha", "net.onnx")]);
    let measure = Measure {
        protocol: MeasureProtocol::Paper,
        warm_up_runs: 10,
        timed_runs: 100,
        builds: Builds::Paper,
        processes: 1,
        timeout_seconds: 3600,
        seed: 1,
        energy_seconds: 0,
    };
    assert_eq!(job.measure, measure);
    assert_eq!((job.priority, job.labels.len(), job.inputs.len()), (0, 0, 0));
}

#[test]
fn rigorous_has_a_precision_and_a_time_limit_and_decides_on_processes_builds_and_energy_itself() {
    let of =
        |measure: &str| understood(&format!("model: net.onnx\nmeasure: {{{measure}}}\n")).measure.protocol;
    let rigorous = |precision_percent, time_limit_seconds| MeasureProtocol::Rigorous {
        precision_percent,
        time_limit_seconds,
    };
    assert_eq!(of("protocol: rigorous"), rigorous(1.0, 600));
    assert_eq!(of("protocol: rigorous, precision_percent: 0.5, time_limit_seconds: 60"), rigorous(0.5, 60));
    let wrong = [
        "measure: {protocol: rigorous, processes: 3, builds: 2, energy_seconds: 9}",
        "measure: {precision_percent: 2, time_limit_seconds: 60}",
        "measure: {protocol: rigorous, precision_percent: 0.05}",
        "measure: {protocol: rigorous, precision_percent: .nan}",
        "measure: {protocol: rigorous, precision_percent: 1e9}",
        "measure: {protocol: rigorous, precision_percent: \"1 %\", time_limit_seconds: 0}",
        "measure: {protocol: rigourous, precision_percent: 2}",
    ];
    let shown: Vec<String> =
        wrong.iter().map(|rest| refused(&format!("model: net.onnx\n{rest}\n"))).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn job_with_every_key_is_understood() {
    let job = understood(
        "name: Alles
model: [{file: net.onnx, sha256: 00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff}, Net.TFLITE]
runtime: [beta, alpha]
runtime_options: {alpha: {threads: 2, provider: gpu}, beta: {fast_kernels: false}}
inputs: {image: [1, 3, 224, 224]}
measure: {protocol: paper, warm_up_runs: 0, timed_runs: 1000000, processes: 3, timeout_seconds: 604800,
          seed: 9223372036854775807}
priority: -100
labels: {rack: b2, version: 1.10, dry: true}
",
    );
    assert_eq!(job.name, "Alles");
    assert_eq!(names(&job), [("beta", "Net.TFLITE"), ("alpha", "net.onnx")]);
    let digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    assert_eq!(job.models[0].sha256.as_deref(), Some(digest));
    assert_eq!(job.configurations[0].options["fast_kernels"], false);
    assert_eq!(job.configurations[1].options["threads"], 2);
    assert_eq!(job.configurations[1].options["provider"], "gpu");
    assert_eq!(job.inputs["image"].shape, Some(vec![1, 3, 224, 224]));
    assert_eq!(job.measure.seed, i64::MAX as u64);
    assert_eq!((job.measure.warm_up_runs, job.measure.processes, job.priority), (0, 3, -100));
    assert_eq!(job.labels["version"], "1.10");
    assert_eq!(job.labels["dry"], "true");
}

#[test]
fn all_mistakes_of_a_file_come_at_once_in_file_order() {
    let text = "backbone: 1
name: \"two\\nlines\"
modle: net.onnx
runtime: alpah
measure:
  timed_run: 5
  warm_up_runs: -1
  warm_up_runs: 3
  processes: 2.5
priority: \"5\"
timeout_seconds: 5
labels: {rack: [1]}
";
    insta::assert_snapshot!(render(&read(text).expect_err("full of mistakes"), "smoke.yaml"));
}

#[test]
fn wrong_numbers_are_each_explained() {
    let wrong = [
        "0",
        "-1",
        "1000001",
        "1e9",
        "1e2",
        "5.0",
        "2.5",
        ".nan",
        ".inf",
        "-.inf",
        "nan",
        "\"100\"",
        "'many'",
        "1_000",
        "010",
        "[100]",
        "{}",
        "true",
        "",
        "99999999999999999999",
        "1e400",
        "0x10000000",
        "100 # fine\n  seed: -1",
    ];
    let shown: Vec<String> = wrong
        .iter()
        .map(|number| {
            let text = format!("model: net.onnx\nmeasure:\n  timed_runs: {number}\n");
            format!("{number}\n{}", refused(&text))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn boundaries_of_every_range_are_accepted_and_one_beyond_is_not() {
    for field in FIELDS {
        let Kind::Integer { minimum, maximum } = field.kind else { continue };
        // It changes the configurations, and its own tests have its boundaries.
        if field.path == "sentinel_every" {
            continue;
        }
        let line = |number: i128| match field.path.split_once('.') {
            Some((group, key @ "time_limit_seconds")) => {
                format!("backbone: 1\nmodel: net.onnx\n{group}: {{protocol: rigorous, {key}: {number}}}\n")
            }
            Some((group, key)) => format!("backbone: 1\nmodel: net.onnx\n{group}: {{{key}: {number}}}\n"),
            None => format!("backbone: 1\nmodel: net.onnx\n{}: {number}\n", field.path),
        };
        let (minimum, maximum) = (i128::from(minimum), i128::from(maximum));
        for number in [minimum, maximum] {
            let job = read(&line(number)).expect("a boundary is inside");
            let said = format!("{job:?}");
            assert!(
                said.contains(&format!("{}: {number}", field.key()))
                    || said.contains(&format!("{}: Some({number})", field.key())),
                "{} lost {number}: {said}",
                field.path
            );
        }
        for number in [minimum - 1, maximum + 1] {
            assert_eq!(codes(&line(number)), ["out_of_range"], "{} = {number}", field.path);
        }
    }
}

#[test]
fn other_format_is_the_only_mistake_that_is_reported() {
    assert_eq!(codes("backbone: 2\nmodel: [network]\nstudy: {}\n"), ["unsupported_format"]);
    assert_eq!(codes("backbone: '1'\nmodel: net.onnx\n"), ["wrong_type"]);
    assert_eq!(codes("backbone: ~\nmodel: net.onnx\nx: 1\n"), ["missing_value", "unknown_key"]);
}

#[test]
fn missing_keys_are_named() {
    insta::assert_snapshot!(render(&read("name: a\n").expect_err("no model"), "smoke.yaml"), @"
    smoke.yaml:1:1: backbone: the key `backbone` is missing
      hint: begin the file with `backbone: 1`
    smoke.yaml:1:1: model: the job does not say what to measure: `model`, `network`, `study` are all missing
      hint: name a file in the same folder, such as `model: net.onnx`, or a network of the family, such as `network: {block: standard, kernel: 3, input: 224, precision: int8}`
    ");
}

#[test]
fn keys_of_later_versions_are_unknown_like_any_other() {
    assert_eq!(codes("backbone: 1\nmodel: net.onnx\nlayers_of_interest: {}\n"), ["unknown_key"]);
}

#[test]
fn host_is_asked_for_in_its_own_words() {
    let job = read(
        "backbone: 1\nmodel: net.onnx\nhost: {start_below_celsius: 50, zones: [CPU-therm], cpus: [3, 2], nice: -5, \
         lock_memory: true}\n",
    );
    let expected = Host {
        start_below_celsius: Some(50),
        wait_up_to_seconds: 1800,
        zones: vec!["CPU-therm".to_owned()],
        cpus: vec![2, 3],
        nice: Some(-5),
        lock_memory: true,
    };
    assert_eq!(job.expect("a good job").host, expected);
    let host = |keys: &str| codes(&format!("backbone: 1\nmodel: net.onnx\nhost: {{{keys}}}\n"));
    assert_eq!(host("cpus: 2"), ["wrong_type"]);
    assert_eq!(host("cpus: []"), ["out_of_range"]);
    assert_eq!(host("cpus: [1, 1, 1024, two]"), ["duplicate_value", "out_of_range", "wrong_type"]);
    assert_eq!(host("start_below_celsius: 50, zones: [a, a, 7]"), ["duplicate_value", "wrong_type"]);
    assert_eq!(host("zones: [a], wait_up_to_seconds: 9"), ["no_effect"]);
    assert_eq!(host("lock_memory: yes"), ["wrong_type"]);
}

#[test]
fn files_that_are_no_map_are_one_mistake() {
    assert_eq!(codes("just words\n"), ["wrong_type"]);
    assert_eq!(codes("- backbone: 1\n"), ["wrong_type"]);
    assert_eq!(codes("7\n"), ["wrong_type"]);
    assert_eq!(codes("# nothing\n"), ["empty"]);
    assert_eq!(codes("a: *b\n"), ["anchor"]);
}

#[test]
fn unknown_keys_come_with_the_nearest_known_one() {
    let hint = |rest: &str| {
        let text = format!("backbone: 1\nmodel: net.onnx\n{rest}\n");
        let mistakes = read(&text).expect_err(rest);
        assert_eq!((mistakes.len(), mistakes[0].code.as_str()), (1, "unknown_key"));
        mistakes[0].hint.clone().unwrap_or_default()
    };
    assert_eq!(hint("measure: {timed_run: 5}"), "did you mean `timed_runs`?");
    assert_eq!(hint("measure: {warmup-runs: 5}"), "did you mean `warm_up_runs`?");
    assert_eq!(hint("Priority: 5"), "did you mean `priority`?");
    assert_eq!(hint("timed_runs: 5"), "`timed_runs` belongs below `measure`");
    assert_eq!(hint("measure: {labels: {}}"), "`labels` belongs at the top level of the file");
    assert_eq!(hint("measure: {runs: 5}"), "did you mean `timed_runs`?");
    assert_eq!(hint("warmup: 5"), "`warm_up_runs` belongs below `measure`");
    assert_eq!(
        hint("num-threads: 5"),
        "`threads` is an option of a runtime and belongs below `runtime_options`"
    );
    assert!(hint("measure: {quux: 1}").starts_with("keys here: `protocol`, `precision_percent`"));
    assert!(hint("1: 1").starts_with("keys here: "));
    assert!(hint(&format!("? {}\n: 1", "x".repeat(200_000))).starts_with("keys here: "));
}

#[test]
fn runs_are_limited_where_the_runtimes_own_clock_gets_coarser() {
    let with = |runtime: &str, measure: &str| {
        let text = format!("backbone: 1\nmodel: net.onnx\nruntime: {runtime}\nmeasure: {measure}\n");
        job_on(RUNTIMES, text.as_bytes(), "smoke.yaml").map(drop)
    };
    // 2²³ / 100, warm-up included.
    assert!(with("trtexec", "{warm_up_runs: 83786, timed_runs: 100}").is_ok());
    assert!(with("onnxruntime", "{warm_up_runs: 100000}").is_ok());
    let mistakes = with("trtexec", "{warm_up_runs: 83787, timed_runs: 100}").unwrap_err();
    assert_eq!(
        (mistakes.len(), mistakes[0].field.as_str(), mistakes[0].code.as_str()),
        (1, "measure.warm_up_runs", "too_many_runs")
    );
    insta::assert_snapshot!(render(&mistakes, "smoke.yaml"));
    assert_eq!(with("trtexec", "{timed_runs: 90000}").unwrap_err()[0].field, "measure.timed_runs");
}

#[test]
fn names_that_could_mean_another_file_are_refused() {
    let wrong = [
        "/etc/passwd.onnx",
        "../net.onnx",
        "..",
        ".",
        "a/../net.onnx",
        "sub/net.onnx",
        "'sub\\net.onnx'",
        ".net.onnx",
        ".net.onnx.Ab12Cd",
        "net.onnx~",
        "net.onnx.part",
        "net.onnx.filepart",
        "net.TMP",
        "\"a\\nb.onnx\"",
        "\"a\\e[31m.onnx\"",
        "\"a\\u202Exnno.onnx\"",
        "''",
        "smoke.yaml",
        "net",
        "net.pt",
        "net.",
        "5",
        "[]",
        "[[a.onnx]]",
        "{sha256: abc}",
        "{file: net.onnx, sha256: abc}",
        "{file: net.onnx, sha: abc}",
        "[net.onnx, net.onnx]",
    ];
    let shown: Vec<String> =
        wrong.iter().map(|name| format!("{name}\n{}", refused(&format!("model: {name}\n")))).collect();
    insta::assert_snapshot!(shown.join("\n"));
    let longest = format!("{}.onnx", "n".repeat(250));
    assert_eq!(understood(&format!("model: {longest}\n")).models[0].file, longest);
    assert_eq!(codes(&format!("backbone: 1\nmodel: n{longest}\n")), ["model_name"]);
}

#[test]
fn digest_of_digits_alone_is_still_a_digest() {
    let digits = "1".repeat(64);
    let job = understood(&format!("model: {{file: net.onnx, sha256: {digits}}}\n"));
    assert_eq!(job.models[0].sha256, Some(digits));
}

#[test]
fn runtimes_are_found_by_extension_in_the_order_of_the_models() {
    assert_eq!(names(&understood("model: net.tflite\n")), [("beta", "net.tflite")]);
    let both = understood("model: [net.tflite, net.onnx]\n");
    assert_eq!(names(&both), [("beta", "net.tflite"), ("alpha", "net.onnx")]);
    let all = understood("model: [net.onnx, net.tflite]\nruntime: [gamma, alpha, beta]\n");
    assert_eq!(names(&all), [("gamma", "net.tflite"), ("alpha", "net.onnx"), ("beta", "net.tflite")]);
}

#[test]
fn runtime_without_its_one_model_is_a_mistake() {
    insta::assert_snapshot!(refused("model: net.onnx\nruntime: beta\n"), @r"
    smoke.yaml:3:10: runtime: `beta` reads .tflite files, and `model` names none
      hint: add the .tflite file of the same network to `model`, or choose another runtime
    ");
    insta::assert_snapshot!(refused("model: [a.onnx, b.onnx]\n"), @r"
    smoke.yaml:2:17: model: `alpha` takes one .onnx file, and `model` names `a.onnx` and `b.onnx`
      hint: the models of one job are one network; make a job of each network
    ");
    insta::assert_snapshot!(refused("model: a.onnx\nruntime: [alpha, tflite, alpha, 5]\n"), @r"
    smoke.yaml:3:18: runtime[1]: there is no runtime `tflite`
      hint: runtimes: `alpha`, `beta`, `gamma`
    smoke.yaml:3:26: runtime[2]: `alpha` is named twice
      hint: keep one of them; to measure more often, raise `measure.processes`
    smoke.yaml:3:33: runtime[3]: expected the name of a runtime, found the number `5`
      hint: runtimes: `alpha`, `beta`, `gamma`
    ");
    assert_eq!(codes("backbone: 1\nmodel: a.onnx\nruntime: []\n"), ["empty_list"]);
}

#[test]
fn wrong_model_does_not_make_its_runtime_complain_too() {
    assert_eq!(codes("backbone: 1\nmodel: net.pt\nruntime: beta\n"), ["unknown_extension"]);
}

#[test]
fn options_are_an_allow_list() {
    insta::assert_snapshot!(refused("model: a.onnx\nruntime_options: {thread: 2, provider: gpv, library: /tmp/x.so}\n"), @r"
    smoke.yaml:3:19: runtime_options.thread: `alpha` has no option `thread`
      hint: did you mean `threads`? options of `alpha`: `threads` (1 to 1024), `provider` (cpu or gpu)
    smoke.yaml:3:40: runtime_options.provider: `gpv` is not a valid value here
      hint: did you mean `gpu`?
    smoke.yaml:3:45: runtime_options.library: `alpha` has no option `library`
      hint: options of `alpha`: `threads` (1 to 1024), `provider` (cpu or gpu)
    ");
    insta::assert_snapshot!(refused("model: a.tflite\nruntime_options: {fast_kernels: yes}\n"), @r"
    smoke.yaml:3:33: runtime_options.fast_kernels: expected true or false, found the text `yes`
      hint: write true
    ");
    insta::assert_snapshot!(refused("model: a.tflite\nruntime: gamma\nruntime_options: {x: 1}\n"), @r"
    smoke.yaml:4:19: runtime_options.x: `gamma` has no option `x`
      hint: `gamma` has no options
    ");
}

#[test]
fn options_are_flat_for_one_runtime_and_keyed_for_several() {
    insta::assert_snapshot!(refused("model: a.onnx\nruntime_options: {alpha: {threads: 2}}\n"), @r"
    smoke.yaml:3:19: runtime_options.alpha: `alpha` has no option `alpha`
      hint: with one runtime, write options directly below `runtime_options`, without `alpha`
    ");
    insta::assert_snapshot!(refused("model: [a.onnx, b.tflite]\nruntime_options: {threads: 2, btea: {}, alpha: {threads: 0}}\n"), @r"
    smoke.yaml:3:19: runtime_options.threads: `threads` is not a runtime of this job
      hint: with several runtimes, write `alpha: {threads: …}`
    smoke.yaml:3:31: runtime_options.btea: `btea` is not a runtime of this job
      hint: did you mean `beta`?
    smoke.yaml:3:58: runtime_options.alpha.threads: `0` is less than 1
      hint: write a whole number, 1 to 1024
    ");
    let one_in_a_list =
        understood("model: a.onnx\nruntime: [alpha]\nruntime_options: {alpha: {threads: 2}}\n");
    assert_eq!(one_in_a_list.configurations[0].options["threads"], 2);
}

#[test]
fn shapes_are_whole_positive_and_not_empty() {
    insta::assert_snapshot!(refused("model: a.onnx\ninputs: {a: [1, -1, 0, batch], b: 5, c: [], a: [1]}\n"), @r"
    smoke.yaml:3:17: inputs.a[1]: `-1` is less than 0
      hint: write a whole number, 0 to 2147483647
    smoke.yaml:3:24: inputs.a[3]: expected a whole number, found the text `batch`
      hint: write a whole number, 0 to 2147483647
    smoke.yaml:3:35: inputs.b: expected a list of dimensions, or a map, found the number `5`
      hint: write a shape, such as `[1, 3, 224, 224]`, or what to fill it with, such as `{value: 16000}`
    smoke.yaml:3:41: inputs.c: the shape has 0 dimensions
      hint: write 1 to 32 of them; a scalar needs no shape
    smoke.yaml:3:45: inputs.a: the key `a` is written twice, first in line 3
      hint: keep one of them
    ");
}

#[test]
fn names_and_labels_are_short_single_lines() {
    assert_eq!(codes(&format!("backbone: 1\nmodel: a.onnx\nname: {}\n", "n".repeat(81))), ["too_long"]);
    assert_eq!(understood(&format!("model: a.onnx\nname: {}\n", "n".repeat(80))).name.len(), 80);
    assert_eq!(codes("backbone: 1\nmodel: a.onnx\nname: 2024\n"), ["wrong_type"]);
    assert_eq!(codes("backbone: 1\nmodel: a.onnx\nname: ''\n"), ["empty_text"]);
    assert_eq!(codes("backbone: 1\nmodel: a.onnx\nlabels: {a: \"\\u0007\"}\n"), ["control_character"]);
    assert_eq!(
        codes("backbone: 1\nmodel: a.onnx\nlabels: {\"a\\nb\": c, d: }\n"),
        ["control_character", "missing_value"]
    );
    assert_eq!(
        codes(&format!("backbone: 1\nmodel: a.onnx\nlabels: {{a: {}}}\n", "n".repeat(256))),
        ["too_long"]
    );
    let many: String = (0..65).map(|index| format!("  l{index}: x\n")).collect();
    assert_eq!(codes(&format!("backbone: 1\nmodel: a.onnx\nlabels:\n{many}")), ["too_many_values"]);
}

#[test]
fn job_without_name_takes_the_stem_of_its_file() {
    for (file, name) in [
        ("smoke.yaml", "smoke"),
        ("a.b.YML", "a.b"),
        ("noext", "noext"),
        (".yaml", ".yaml"),
        ("two\nlines.yaml", "two_lines"),
        ("  .yaml", "job"),
    ] {
        assert_eq!(name_of_file(file), name);
    }
    let long = name_of_file(&format!("{}.yaml", "ä".repeat(120)));
    assert_eq!(long, "ä".repeat(MAXIMUM_NAME_BYTES / 2));
}

#[test]
fn thousands_of_mistakes_are_counted_not_listed() {
    let text: String = (0..4000).map(|index| format!("k{index}: 1\n")).collect();
    let mistakes = read(&text).expect_err("nothing but unknown keys");
    assert_eq!(mistakes.len(), 101);
    assert_eq!(mistakes[100].code, "more_mistakes");
    assert_eq!(mistakes[100].message, "3902 more mistakes follow");
}

#[test]
fn rendered_mistakes_cannot_act_on_a_terminal() {
    let mistakes = read("backbone: 1\nmodel: a.onnx\n\"\\e[31mred\": 1\n").expect_err("unknown key");
    let text = render(&mistakes, "evil\u{1b}[0m.yaml");
    assert!(text.chars().all(|character| character == '\n' || !character.is_control()), "{text:?}");
    assert!(text.starts_with("evil\u{fffd}[0m.yaml:3:1: "), "{text}");
}

#[test]
fn built_in_runtimes_read_jobs_by_their_extension() {
    for runtime in RUNTIMES {
        let text = format!("backbone: 1\nmodel: net.{}\nruntime: {}\n", runtime.model_format, runtime.name);
        let job = job(text.as_bytes(), "a.yaml").expect("a plain job");
        assert_eq!(job.configurations[0].runtime.name, runtime.name);
    }
}

#[test]
fn json_is_yaml_enough() {
    let json = r#"{"backbone": 1, "model": "net.onnx", "measure": {"timed_runs": 5}}"#;
    let plain = understood("model: net.onnx\nmeasure: {timed_runs: 5}\n");
    assert_eq!(read(json).expect("JSON is read"), plain);
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_checks_panic(
        lines in proptest::collection::vec(
            ("(backbone|model|name|network|study|order|runtime|runtime_options|inputs|measure|labels|priority|x)",
             "(1|a\\.onnx|-5|~|\\[.{0,6}\\]|\\{[a-z]{1,3}: [a-z0-9\\[\\]]{0,5}\\}|[ -~]{0,12})"), 0..8)
    ) {
        let text: String = lines.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        if let Err(mistakes) = read(&text) {
            proptest::prop_assert!(!mistakes.is_empty(), "a refused file has a mistake");
            proptest::prop_assert!(mistakes.iter().all(|mistake| mistake.hint.is_some() && !mistake.code.is_empty()));
        }
    }
}

#[test]
fn builds_are_those_of_the_paper_by_input_unless_a_number_is_given_and_one_where_nothing_is_compiled() {
    let builds = |rest: &str| {
        let text = format!("backbone: 1\n{rest}");
        let job = job_on(RUNTIMES, text.as_bytes(), "smoke.yaml").unwrap();
        job.configurations.iter().map(|chosen| chosen.builds(&job.measure)).collect::<Vec<_>>()
    };
    let study = "study: {blocks: [standard], kernels: [3], batches: [1], inputs: [224, 560, 561, 1400]}\n";
    assert_eq!(builds(&format!("{study}runtime: trtexec\n")), [3, 3, 1, 1]);
    assert_eq!(builds(&format!("{study}runtime: trtexec\nmeasure: {{builds: paper}}\n")), [3, 3, 1, 1]);
    assert_eq!(builds(&format!("{study}runtime: trtexec\nmeasure: {{builds: 5}}\n")), [5; 4]);
    assert_eq!(builds(study), [1; 4]);
    assert_eq!(builds("model: net.onnx\nruntime: trtexec\n"), [3]);
    assert_eq!(builds("model: net.onnx\nruntime: [onnxruntime, trtexec]\nmeasure: {builds: 2}\n"), [1, 2]);
    let refused = |rest: &str| {
        let text = format!("backbone: 1\nmodel: net.onnx\n{rest}");
        let mistakes = job_on(RUNTIMES, text.as_bytes(), "smoke.yaml").unwrap_err();
        mistakes.into_iter().map(|mistake| mistake.code).collect::<Vec<_>>()
    };
    assert_eq!(refused("measure: {builds: 3}\n"), ["nothing_to_build"]);
    assert_eq!(refused("runtime: trtexec\nmeasure: {builds: 0}\n"), ["out_of_range"]);
    assert_eq!(refused("runtime: trtexec\nmeasure: {builds: 21}\n"), ["out_of_range"]);
    assert_eq!(refused("runtime: trtexec\nmeasure: {builds: many}\n").len(), 1);
    assert_eq!(refused("runtime: trtexec\nmeasure: {builds: [3]}\n"), ["wrong_type"]);
    assert_eq!(refused("runtime: trtexec\nruntime_options: {plugins: /tmp/evil.so}\n"), ["unknown_option"]);
}

#[test]
fn jobs_with_more_latencies_than_can_be_read_are_refused_with_the_most_that_can() {
    let read = |measure: &str| {
        let text = format!("backbone: 1\nmodel: net.onnx\nmeasure: {measure}\n");
        job_on(RUNTIMES, text.as_bytes(), "smoke.yaml")
    };
    let mistakes = read("{timed_runs: 1000000, processes: 100}").unwrap_err();
    assert_eq!(mistakes[0].code, "too_many_latencies");
    assert_eq!((mistakes[0].field.as_str(), mistakes[0].line), ("measure.timed_runs", Some(3)));
    insta::assert_snapshot!(mistakes[0].message, @"1000010 runs in 100 processes are 100001000 latencies for one bundle; at most 10000000 can be read again");
    insta::assert_snapshot!(mistakes[0].hint.as_deref().unwrap(), @"at most 100000 runs, warm-up included, in 100 processes; or use fewer processes");
    assert!(read("{timed_runs: 100000, warm_up_runs: 0, processes: 100}").is_ok());
    assert_eq!(read("{timed_runs: 100000, warm_up_runs: 1, processes: 100}").unwrap_err().len(), 1);
    let text =
        "backbone: 1\nmodel: net.onnx\nruntime: trtexec\nmeasure: {timed_runs: 500000, processes: 10}\n";
    let mistakes = job_on(RUNTIMES, text.as_bytes(), "smoke.yaml").unwrap_err();
    assert_eq!(mistakes[0].code, "too_many_latencies", "each of the three builds has its own processes");
}
