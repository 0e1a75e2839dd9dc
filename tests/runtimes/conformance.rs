//! One suite for all runtimes that run real models: what each must do, each with only a list of what does not
//! apply to it.
//!
//! A runtime is tried through its worker executable, as the daemon does it, where its library is. Without the
//! library, or without the worker (`cargo test --features tflite` builds that of TensorFlow Lite), it is
//! skipped, and says so; with `BACKBONE_REQUIRE_RUNTIMES=1` that is a failure instead. `tools/fetch-runtimes`
//! gets the libraries.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use backbone::bundle::format::{FilledInput, InputOrigin, Layer, LoadedModel, ReadOutputs, Stage, Tensor};
use backbone::runtime::{
    self, Failure, GivenInput, InputContent, InputFile, LoadRequest, NeedKind, NodeShapes, OptionKind,
    RUNTIMES, Runtime, Task,
};
use backbone::worker::protocol::{Event, PROTOCOL, Request};
use serde_json::Value;

/// A runtime under test.
struct Subject {
    runtime: &'static Runtime,
    /// Its worker and the arguments; `None` if it was not built.
    worker: Option<&'static str>,
    arguments: &'static [&'static str],
    /// The library file below `runtimes/<arch>/`.
    library: &'static str,
    /// A float32 and an int8 model of one input `image` and one output `logits`, and the shape of the input.
    models: [&'static str; 2],
    image_shape: [u64; 4],
    /// A model with open dimensions, how it lists them, and shapes for it.
    dynamic: (&'static str, &'static str, [u64; 4]),
    /// Properties that do not apply.
    ignored: &'static [&'static str],
}

const SUBJECTS: &[Subject] = &[
    Subject {
        runtime: &runtime::onnxruntime::RUNTIME,
        worker: Some(env!("CARGO_BIN_EXE_backbone")),
        arguments: &["__worker"],
        library: "libonnxruntime.so",
        models: ["inbox-examples/tiny-cnn.onnx", "inbox-examples/tiny-cnn-int8.onnx"],
        image_shape: [1, 3, 192, 192],
        dynamic: ("tests/models/dynamic.onnx", "image: [batch, 3, height, width]", [2, 3, 16, 24]),
        ignored: &[],
    },
    Subject {
        runtime: &runtime::tflite::RUNTIME,
        worker: TFLITE_WORKER,
        arguments: &[],
        library: "libtensorflowlite_c.so",
        models: ["inbox-examples/tiny-cnn.tflite", "inbox-examples/tiny-cnn-int8.tflite"],
        image_shape: [1, 192, 192, 3],
        dynamic: ("tests/models/dynamic.tflite", "image: [1, ?, ?, 3]", [1, 16, 24, 3]),
        // Linked, not opened: the system's loader refuses before the worker's first line.
        ignored: &["missing library"],
    },
];

/// Checked by the feature too: cargo names the executable even if it is not built.
const TFLITE_WORKER: Option<&str> =
    if cfg!(feature = "tflite") { option_env!("CARGO_BIN_EXE_backbone-worker-tflite") } else { None };

/// Runs of each trial here.
const RUNS: u32 = 3;

/// How a trial ended.
#[derive(Debug)]
enum Ended {
    /// It ran [`RUNS`] times.
    Ran(Told),
    /// It ran [`RUNS`] times for the time of each layer.
    Profiled(Vec<Layer>),
    /// It ran once for the shapes of what its nodes make.
    Shapes(NodeShapes),
    /// The runtime said why not.
    Refused(Failure),
    /// The worker died, or said something else.
    Died(String),
}

/// What a worker reported of a loaded model.
#[derive(Debug)]
struct Told {
    version: Option<String>,
    library: Option<PathBuf>,
    options: BTreeMap<String, Value>,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    filled: Vec<FilledInput>,
    computed: ReadOutputs,
}

impl Subject {
    fn library_file(&self) -> PathBuf {
        repository().join("runtimes").join(std::env::consts::ARCH).join(self.library)
    }

    /// Why it cannot be tried here.
    fn obstacle(&self) -> Option<String> {
        if !self.library_file().is_file() {
            return Some(format!(
                "{} is missing; tools/fetch-runtimes gets it",
                self.library_file().display()
            ));
        }
        self.worker.is_none().then(|| "its worker is not built; use --features tflite".to_owned())
    }

    fn request(&self, model: &Path) -> LoadRequest {
        LoadRequest {
            model: model.to_path_buf(),
            task: Default::default(),
            provided: [(NeedKind::Library, self.library_file())].into_iter().collect(),
            options: BTreeMap::from([("threads".to_owned(), Value::from(1))]),
            inputs: BTreeMap::new(),
            seed: 1,
            filled_like: Vec::new(),
            compilation: None,
        }
    }

    fn try_file(&self, model: &str) -> Ended {
        self.try_request(&self.request(&repository().join(model)))
    }

    fn try_request(&self, request: &LoadRequest) -> Ended {
        let line = Request {
            protocol: PROTOCOL,
            runtime: self.runtime.name.to_owned(),
            load: request.clone(),
            warm_up_runs: 0,
            timed_runs: RUNS,
            energy_seconds: 0,
            outputs_file: None,
            placement: Default::default(),
            // Each promise holds within the sandbox.
            confinement: Some(Default::default()),
        };
        let mut worker = Command::new(self.worker.unwrap())
            .args(self.arguments)
            .env("LD_LIBRARY_PATH", self.library_file().parent().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = worker.stdin.take().unwrap();
        writeln!(input, "{}", serde_json::to_string(&line).unwrap()).unwrap();
        drop(input);
        let output = worker.wait_with_output().unwrap();
        let (mut told, mut computed) = (None, None);
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            match serde_json::from_str(line) {
                Ok(Event::Loaded(LoadedModel {
                    version, library, options, inputs, outputs, filled, ..
                })) => {
                    let computed = ReadOutputs::default();
                    told = Some(Told { version, library, options, inputs, outputs, filled, computed });
                }
                Ok(Event::Failed(failure)) => return Ended::Refused(failure),
                Ok(Event::Built(built)) => panic!("nothing was to be built: {built:?}"),
                Ok(Event::Profiled { layers }) => return Ended::Profiled(layers),
                Ok(Event::Shapes { nodes }) => return Ended::Shapes(nodes),
                Ok(Event::Result { latencies, .. }) => {
                    assert_eq!(latencies.latency_ns.len(), RUNS as usize);
                }
                Ok(Event::Hello { .. } | Event::Confined(_) | Event::Paused { .. }) => {}
                Ok(Event::Outputs(read)) => computed = Some(read),
                Ok(Event::Energy { .. }) => panic!("energy was not asked for"),
                Err(error) => return Ended::Died(format!("the worker said `{line}`: {error}")),
            }
        }
        match told.zip(computed) {
            Some((told, computed)) if output.status.success() => Ended::Ran(Told { computed, ..told }),
            _ => Ended::Died(output.status.to_string()),
        }
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Try a property on every available runtime to which it applies.
fn each(property: &str, holds: impl Fn(&Subject)) {
    for subject in SUBJECTS.iter().filter(|subject| !subject.ignored.contains(&property)) {
        let name = subject.runtime.name;
        match subject.obstacle() {
            None => holds(subject),
            Some(obstacle) => {
                assert!(
                    std::env::var_os("BACKBONE_REQUIRE_RUNTIMES").is_none_or(|set| set != "1"),
                    "{name}: {obstacle}"
                );
                // Not println: the harness would keep it to itself.
                let line = format!("skipped: {property} of {name}: {obstacle}\n");
                std::io::stderr().write_all(line.as_bytes()).unwrap();
            }
        }
    }
}

fn ran(subject: &Subject, ended: Ended) -> Told {
    match ended {
        Ended::Ran(told) => told,
        other => panic!("{} did not run: {other:?}", subject.runtime.name),
    }
}

fn refused(subject: &Subject, ended: Ended) -> Failure {
    match ended {
        Ended::Refused(failure) => failure,
        other => panic!("{} did not refuse: {other:?}", subject.runtime.name),
    }
}

#[test]
fn models_run_and_describe_their_tensors() {
    each("description", |subject| {
        for model in subject.models {
            let told = ran(subject, subject.try_file(model));
            let image: Vec<_> = subject.image_shape.iter().copied().map(Some).collect();
            assert_eq!((told.inputs[0].name.as_str(), &told.inputs[0].shape), ("image", &image), "{model}");
            assert_eq!(
                (told.outputs[0].name.as_str(), &told.outputs[0].shape),
                ("logits", &vec![Some(1), Some(10)]),
                "{model}"
            );
            assert!(["float32", "int8"].contains(&told.inputs[0].element_type.as_str()), "{model}");
        }
    });
}

#[test]
fn outputs_are_read_and_are_the_same_in_each_process() {
    each("outputs", |subject| {
        for model in subject.models {
            let read = ran(subject, subject.try_file(model)).computed;
            let [logits] = &read.tensors[..] else { panic!("{read:?}") };
            assert_eq!((logits.name.as_str(), &logits.shape[..]), ("logits", &[1, 10][..]), "{model}");
            assert_eq!((logits.is_finite, logits.is_constant), (Some(true), Some(false)), "{model}");
            assert!(logits.minimum < logits.maximum && logits.sha256.is_some(), "{model}");
            assert_eq!(ran(subject, subject.try_file(model)).computed, read, "{model}");
        }
    });
}

#[test]
fn library_and_version_are_those_that_are_mapped() {
    each("library", |subject| {
        let told = ran(subject, subject.try_file(subject.models[0]));
        assert_eq!(told.library.unwrap(), subject.library_file().canonicalize().unwrap());
        assert!(told.version.unwrap().split('.').count() >= 2);
    });
}

#[test]
fn options_in_force_hold_the_asked_ones_and_every_default() {
    each("options", |subject| {
        let mut request = subject.request(&repository().join(subject.models[0]));
        let asked = ran(subject, subject.try_request(&request));
        assert_eq!(asked.options["threads"], 1);
        request.options.clear();
        let defaults = ran(subject, subject.try_request(&request));
        for option in subject.runtime.options {
            // A profile is a run of its own: it does not change what is timed.
            if option.name == "profile" || defaults.options.contains_key(option.name) {
                continue;
            }
            // An option without effect under the other defaults is no promise either.
            let value = match option.kind {
                OptionKind::Integer { minimum, .. } => minimum.into(),
                OptionKind::Boolean => true.into(),
                OptionKind::Choice(words) => words[0].into(),
            };
            let options = BTreeMap::from([(option.name.to_owned(), value)]);
            let failure = refused(subject, subject.try_request(&LoadRequest { options, ..request.clone() }));
            assert_eq!(failure.reason, "options_not_accepted", "{}", option.name);
        }
        assert_eq!(defaults.options["threads"], std::thread::available_parallelism().unwrap().get());
    });
}

#[test]
fn profiles_tell_the_time_of_every_layer() {
    each("profile", |subject| {
        for model in subject.models {
            let request = LoadRequest { task: Task::Profile, ..subject.request(&repository().join(model)) };
            let Ended::Profiled(layers) = subject.try_request(&request) else {
                panic!("{model}: no profile")
            };
            let convolutions = layers.iter().filter(|layer| {
                layer.operator.as_ref().is_some_and(|operator| operator.to_ascii_lowercase().contains("conv"))
            });
            assert_eq!(convolutions.count(), 4, "{model}: {layers:?}");
            assert!(layers.iter().all(|layer| layer.mean_milliseconds >= 0.0), "{model}");
            assert!(layers.iter().map(|layer| layer.mean_milliseconds).sum::<f64>() > 0.0, "{model}");
            assert!(layers.iter().all(|layer| layer.median_milliseconds.is_some()), "{model}");
        }
    });
}

#[test]
fn every_node_reports_its_shapes_or_the_task_is_refused() {
    each("shapes", |subject| {
        for model in subject.models {
            let mut request =
                LoadRequest { task: Task::Shapes, ..subject.request(&repository().join(model)) };
            if subject.runtime.model_format != "onnx" {
                // Its files have the shape of every tensor.
                let failure = refused(subject, subject.try_request(&request));
                assert_eq!(failure.reason, "task_not_possible");
                continue;
            }
            request.options.insert("graph_optimization".to_owned(), "disable".into());
            let Ended::Shapes(nodes) = subject.try_request(&request) else { panic!("{model}: no shapes") };
            let of_convolution = |shapes: &&Vec<Vec<u64>>| **shapes == [[1, 16, 96, 96]];
            assert!(nodes.values().any(|shapes| of_convolution(&shapes)), "{model}: {nodes:?}");
        }
    });
}

#[test]
fn open_dimensions_are_listed_until_the_job_closes_them() {
    each("dynamic shapes", |subject| {
        let (model, listing, shape) = subject.dynamic;
        let failure = refused(subject, subject.try_file(model));
        assert_eq!((failure.stage, failure.reason.as_str()), (Stage::Prepare, "dynamic_shape"));
        assert!(failure.detail.contains(listing), "{}", failure.detail);

        let mut request = subject.request(&repository().join(model));
        request.inputs.insert("image".to_owned(), GivenInput::shaped(shape));
        let told = ran(subject, subject.try_request(&request));
        assert_eq!(told.inputs[0].shape, shape.map(Some));
        assert!(told.outputs[0].shape.iter().all(Option::is_some), "{:?}", told.outputs);
    });
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    each("wrong shapes", |subject| {
        let mut request = subject.request(&repository().join(subject.models[0]));
        request.inputs.insert("image".to_owned(), GivenInput::shaped([1, 1]));
        assert_eq!(refused(subject, subject.try_request(&request)).reason, "shape_mismatch");
        request.inputs = BTreeMap::from([("picture".to_owned(), GivenInput::shaped(subject.image_shape))]);
        assert_eq!(refused(subject, subject.try_request(&request)).reason, "unknown_input");
    });
}

#[test]
fn broken_and_foreign_files_never_run() {
    each("broken files", |subject| {
        let folder = tempfile::tempdir().unwrap();
        let whole = fs_err::read(repository().join(subject.models[1])).unwrap();
        let foreign =
            SUBJECTS.iter().find(|other| other.runtime.name != subject.runtime.name).unwrap().models[0];
        let foreign = fs_err::read(repository().join(foreign)).unwrap();
        let lying = [&whole[..16], &[0xff; 4096]].concat();
        for (name, bytes) in [
            ("empty", &[][..]),
            ("head", &whole[..16]),
            ("half", &whole[..whole.len() / 2]),
            ("lying", &lying),
            ("text", b"backbone: 1\nmodel: net.onnx\n"),
            ("foreign", &foreign),
        ] {
            let file = folder.path().join(name);
            fs_err::write(&file, bytes).unwrap();
            match subject.try_request(&subject.request(&file)) {
                ran @ (Ended::Ran(_) | Ended::Profiled(_) | Ended::Shapes(_)) => {
                    panic!("{}: {name} ran: {ran:?}", subject.runtime.name)
                }
                Ended::Refused(failure) => assert!(failure.hint.is_some(), "{name}: {failure}"),
                // A library may crash on them; the daemon turns that into an outcome.
                Ended::Died(how) => assert!(!how.is_empty()),
            }
        }
        let nowhere = subject.request(&folder.path().join("nowhere"));
        assert_eq!(refused(subject, subject.try_request(&nowhere)).stage, Stage::Load);
    });
}

#[test]
fn missing_library_is_a_failure_to_start() {
    each("missing library", |subject| {
        let mut request = subject.request(&repository().join(subject.models[0]));
        request.provided.set(NeedKind::Library, "/nowhere/library.so");
        let failure = refused(subject, subject.try_request(&request));
        assert_eq!((failure.stage, failure.reason.as_str()), (Stage::Start, "library_not_found"));
    });
}

#[test]
fn integer_indices_are_filled_and_strings_are_refused_with_a_reason() {
    let onnxruntime = &SUBJECTS[0];
    each("element types", |subject| {
        if subject.runtime.name == onnxruntime.runtime.name {
            ran(subject, subject.try_file("tests/models/tokens.onnx"));
            let failure = refused(subject, subject.try_file("tests/models/strings.onnx"));
            assert_eq!(failure.reason, "unsupported_element_type");
        }
    });
}

/// A model, and what a job says of its inputs.
fn given(subject: &Subject, model: &str, inputs: &[(&str, GivenInput)]) -> LoadRequest {
    let inputs = inputs.iter().map(|(name, given)| ((*name).to_owned(), given.clone())).collect();
    LoadRequest { inputs, ..subject.request(&repository().join(model)) }
}

#[test]
fn integers_that_are_out_of_range_are_tried_again_as_zeros_unless_the_job_gives_them() {
    let onnxruntime = &SUBJECTS[0];
    each("out of range", |subject| {
        let (model, name) = match subject.runtime.name == onnxruntime.runtime.name {
            true => ("tests/models/o11_token_type_one_row.onnx", "token_type_ids"),
            false => ("tests/models/one-row.tflite", "ids"),
        };
        let told = ran(subject, subject.try_file(model));
        assert_eq!(told.filled[0].how, InputOrigin::ZerosAfterOutOfRange, "{}", subject.runtime.name);

        let one = GivenInput::filled(InputContent::Value(1.into()));
        let failed = subject.try_request(&given(subject, model, &[(name, one)]));
        match failed {
            Ended::Refused(failure) => assert_eq!(failure.reason, "run_failed"),
            other => panic!("{}: {other:?}", subject.runtime.name),
        }
        let zero = GivenInput::filled(InputContent::Range(0, 0));
        let told = ran(subject, subject.try_request(&given(subject, model, &[(name, zero)])));
        assert_eq!((told.filled[0].how, told.filled[0].range), (InputOrigin::Range, Some([0, 0])));
    });
}

/// Only on ONNX Runtime: TensorFlow Lite has no inputs without a shape, and no file here has branches.
fn on_onnxruntime(property: &str, holds: impl Fn(&Subject)) {
    each(property, |subject| {
        if subject.runtime.name == SUBJECTS[0].runtime.name {
            holds(subject);
        }
    });
}

#[test]
fn value_of_an_input_decides_which_branch_runs() {
    on_onnxruntime("branches", |subject| {
        let computed = |rate: i64| {
            let rate = GivenInput::filled(InputContent::Value(rate.into()));
            let request = given(subject, "tests/models/branch_by_input_value.onnx", &[("sr", rate)]);
            ran(subject, subject.try_request(&request)).computed.tensors[0].sha256.clone().unwrap()
        };
        // The branches differ in their weights only.
        let narrow = computed(8000);
        assert_ne!(computed(16000), narrow);
        assert_eq!(computed(1), narrow, "only 16000 takes the other branch");
    });
}

#[test]
fn input_without_a_shape_and_input_that_is_a_shape_take_what_the_job_gives() {
    on_onnxruntime("shapes by value", |subject| {
        let model = "tests/models/o6_unranked_input.onnx";
        assert_eq!(refused(subject, subject.try_file(model)).reason, "dynamic_shape");
        let shape = GivenInput::shaped([1, 3, 16, 16]);
        let told = ran(subject, subject.try_request(&given(subject, model, &[("x", shape)])));
        assert_eq!(told.inputs[0].shape, [1, 3, 16, 16].map(Some));

        let model = "tests/models/t5_shape_tensor_input.onnx";
        let shape = [1, 3, 32, 32].map(serde_json::Number::from).to_vec();
        let shape = GivenInput::filled(InputContent::Values(shape));
        let told = ran(subject, subject.try_request(&given(subject, model, &[("shape", shape)])));
        assert_eq!((told.filled[1].how, told.filled[1].count), (InputOrigin::Values, Some(4)));
        // What a 3 × 3 convolution leaves of 32 × 32.
        assert_eq!(told.outputs[0].shape[2..], [Some(30), Some(30)]);
    });
}

#[test]
fn file_fills_an_input_and_must_be_its_own() {
    on_onnxruntime("files", |subject| {
        let folder = tempfile::tempdir().unwrap();
        let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 8), }\n";
        let ids: Vec<u8> = (8..16_i64).flat_map(i64::to_le_bytes).collect();
        let start = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..]].concat();
        let path = folder.path().join("0f1e");
        fs_err::write(&path, [&start, header.as_bytes(), &ids].concat()).unwrap();
        let file = |name: &str| {
            let file = InputFile { name: name.to_owned(), path: path.clone(), sha256: Some("ab".repeat(32)) };
            GivenInput::filled(InputContent::File(file))
        };
        let model = "tests/models/tokens.onnx";
        let told = ran(subject, subject.try_request(&given(subject, model, &[("tokens", file("ids.npy"))])));
        let filled = told.filled[0].file.as_ref().unwrap();
        assert_eq!((filled.name.as_str(), filled.sha256.as_deref()), ("ids.npy", Some(&*"ab".repeat(32))));
        let failure =
            refused(subject, subject.try_request(&given(subject, model, &[("tokens", file("ids.npz"))])));
        assert_eq!(failure.reason, "input_file_not_readable");
        let failure =
            refused(subject, subject.try_request(&given(subject, model, &[("tokns", file("ids.npy"))])));
        assert_eq!(failure.hint.as_deref(), Some("did you mean `tokens`?"));
    });
}

#[test]
fn input_without_elements_is_bound_with_no_bytes() {
    on_onnxruntime("no elements", |subject| {
        let none = GivenInput::shaped([0, 3, 8, 8]);
        let told = ran(
            subject,
            subject.try_request(&given(subject, "tests/models/dynamic.onnx", &[("image", none)])),
        );
        assert_eq!(told.outputs[0].shape[0], Some(0));
    });
}

#[test]
fn every_runtime_recognises_its_own_example_and_no_other() {
    for subject in SUBJECTS {
        for other in SUBJECTS {
            let bytes = fs_err::read(repository().join(other.models[0])).unwrap();
            let accepted =
                (subject.runtime.recognise)(&bytes[..backbone::model_file::signatures::HEAD_BYTES]).is_ok();
            assert_eq!(accepted, subject.runtime.name == other.runtime.name);
        }
    }
}

#[test]
fn runtime_whose_worker_is_not_built_is_skipped_and_says_so() {
    let unbuilt = Subject { worker: None, ..SUBJECTS[1] };
    let wanted = if unbuilt.library_file().is_file() { "is not built" } else { "is missing" };
    assert!(unbuilt.obstacle().unwrap().contains(wanted));
}

/// Programs that time themselves have no library to try; `tests/trtexec/` holds theirs to what it promises.
#[test]
fn every_runtime_that_is_not_simulated_is_under_test() {
    for listed in RUNTIMES.iter().filter(|runtime| !runtime.simulated && !runtime.compiles()) {
        assert!(SUBJECTS.iter().any(|subject| subject.runtime.name == listed.name), "{}", listed.name);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn executable_of_the_daemon_names_no_inference_library() {
    // The system's loader lists what an executable needs, and ends, when this is set; it is what ldd does.
    let output =
        Command::new(env!("CARGO_BIN_EXE_backbone")).env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
    let needed = String::from_utf8_lossy(&output.stdout);
    assert!(needed.contains("libc.so"), "{needed}");
    assert!(!needed.contains("tensorflow") && !needed.contains("onnxruntime"), "{needed}");
}
