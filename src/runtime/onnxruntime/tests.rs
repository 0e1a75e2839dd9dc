//! Without the library: which files are taken, what is said when it is missing. With it: what only this
//! process can see, that the bound inputs reach the bound outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::session::{Bound, as_mapped, open_model};
use super::{CPU_PROVIDER, library, recognise};
use crate::bundle::format::Stage;
use crate::runtime::{GivenInput, LoadRequest, NeedKind, Session};

#[test]
fn onnx_files_are_taken_and_others_are_named() {
    assert_eq!(recognise(b"\x08\x08\x12\x11backbone-ana"), Ok(()));
    assert_eq!(recognise(b"\x1c\0\0\0TFL3\x14\0 \0\x1c\0\x18\0"), Err("a TensorFlow Lite model".to_owned()));
    assert_eq!(recognise(b""), Err("an empty file".to_owned()));
    assert_eq!(recognise(b"\xff\xfe\x01"), Err("a file of an unknown format".to_owned()));
}

#[test]
fn missing_library_is_named_with_the_ways_to_give_one() {
    let failure = library::first_that_opens(Some(Path::new("/nowhere/libonnxruntime.so"))).err().unwrap();
    assert_eq!((failure.stage, failure.reason.as_str()), (Stage::Start, "library_not_found"));
    insta::assert_snapshot!(failure.detail, @"the ONNX Runtime library could not be opened: there is no file /nowhere/libonnxruntime.so");
    insta::assert_snapshot!(failure.hint.unwrap(), @"set `runtimes.onnxruntime.library` in the configuration, or ORT_DYLIB_PATH, to the host's libonnxruntime.so");
}

#[test]
fn outputs_follow_from_the_seed() {
    let Some(library) = fetched_library() else { return };
    let outputs = |model: &str, seed, shape: Option<[u64; 4]>| {
        let inputs = shape.into_iter().map(|shape| ("image".to_owned(), GivenInput::shaped(shape))).collect();
        let mut bound = bound(&library, LoadRequest { inputs, seed, ..request(&library, model) });
        let (place, first) = bound.session.first_output();
        for _ in 0..3 {
            bound.session.run().unwrap();
        }
        assert_eq!(
            (place, first.clone()),
            bound.session.first_output(),
            "every run writes to the same place"
        );
        first
    };
    for (model, shape) in
        [("inbox-examples/tiny-cnn.onnx", None), ("tests/models/dynamic.onnx", Some([2, 3, 8, 8]))]
    {
        let first = outputs(model, 1, shape);
        assert!(first.iter().any(|value| *value != 0.0), "{model} computes something");
        assert_eq!(first, outputs(model, 1, shape));
        assert_ne!(first, outputs(model, 2, shape));
    }
}

#[test]
fn outputs_of_another_rank_than_declared_are_made_again_at_each_run() {
    let Some(library) = fetched_library() else { return };
    let inputs = BTreeMap::from([("x".to_owned(), GivenInput::shaped([2, 3, 4]))]);
    let mut bound = bound(
        &library,
        LoadRequest { inputs, ..request(&library, "tests/models/declared-output-rank.onnx") },
    );
    assert_eq!(bound.options["rebound_outputs"].as_array().unwrap().len(), 1, "a bundle says so");
    for _ in 0..3 {
        bound.session.run().unwrap();
    }
}

#[test]
fn the_file_that_the_loader_found_is_the_providers_library() {
    let mut expected = PathBuf::from("/link/libonnxruntime_providers_cuda.so");
    let found = PathBuf::from("/opt/libonnxruntime_providers_cuda.so");
    as_mapped(&mut expected, &BTreeSet::from([found.clone(), PathBuf::from("/opt/libother.so")]));
    assert_eq!(expected, found);
}

#[test]
fn every_node_that_the_processor_runs_is_reported() {
    let Some(library) = fetched_library() else { return };
    let model = "inbox-examples/tiny-cnn.onnx";
    let nodes = |optimization: &str| {
        let mut request = request(&library, model);
        request.options.insert("graph_optimization".to_owned(), optimization.into());
        let [only] = &bound(&library, request).providers[..] else { panic!("one provider") };
        assert_eq!((only.provider.as_str(), only.is_fallback, &only.library), (CPU_PROVIDER, false, &None));
        only.nodes.unwrap()
    };
    assert_eq!(nodes("disable"), 11, "without rewriting, the library runs the model's own nodes");
    assert!(nodes("all") < 11, "activations are fused");
}

fn request(library: &Path, model: &str) -> LoadRequest {
    LoadRequest {
        task: Default::default(),
        model: Path::new(env!("CARGO_MANIFEST_DIR")).join(model),
        provided: [(NeedKind::Library, library.to_owned())].into_iter().collect(),
        options: BTreeMap::new(),
        inputs: BTreeMap::new(),
        seed: 1,
        filled_like: Vec::new(),
        compilation: None,
    }
}

fn bound(library: &Path, request: LoadRequest) -> Bound {
    let library = library::open(Some(library)).unwrap();
    open_model(&library, &request, true).unwrap().bind(&request).unwrap()
}

/// The library that `tools/fetch-runtimes` puts there; without it the test says so and passes.
fn fetched_library() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("runtimes")
        .join(std::env::consts::ARCH)
        .join("libonnxruntime.so");
    if path.is_file() {
        return Some(path);
    }
    assert!(
        std::env::var_os("BACKBONE_REQUIRE_RUNTIMES").is_none_or(|set| set != "1"),
        "{} is missing",
        path.display()
    );
    // Not println: the harness would keep it to itself.
    let _ =
        writeln!(std::io::stderr(), "skipped: {} is missing; tools/fetch-runtimes gets it", path.display());
    None
}
