//! Each reason from the outputs, with cases that trigger it and those that just do not.

use super::super::{find, judge};
use super::*;
use crate::bundle::format::{
    DifferingProcess, Host, Latencies, OutputComparison, OutputReference, Outputs, Status, Tensor, Trial,
    TrialId,
};
use crate::units::Nanos;

fn output(name: &str, element_type: &str, values: &[f64]) -> Output {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    Output {
        name: name.to_owned(),
        element_type: element_type.to_owned(),
        shape: vec![1, values.len() as u64],
        sha256: None,
        minimum: finite().reduce(f64::min),
        maximum: finite().reduce(f64::max),
        is_finite: Some(values.iter().all(|value| value.is_finite())),
        is_constant: Some(values.len() > 1 && values.iter().all(|value| value == &values[0])),
        detail: None,
    }
}

fn outputs(tensors: Vec<Output>) -> Outputs {
    Outputs {
        trial: TrialId { build: 1, process: 1 },
        tensors,
        detail: None,
        differing_processes: Vec::new(),
        comparison: None,
    }
}

fn image(elements: u64) -> Tensor {
    Tensor {
        name: "x".into(),
        element_type: "float32".into(),
        shape: vec![None, Some(elements)],
        quantization: None,
    }
}

/// Codes and details of the reasons from these outputs.
fn reasons(inputs: &[Tensor], outputs: &Outputs) -> Vec<(String, String)> {
    let latency_ns = vec![Nanos(1_000_000); 100];
    let trial = Trial {
        id: TrialId { build: 1, process: 1 },
        latencies: Latencies { latency_ns, ..Latencies::default() },
    };
    let verdict = judge(&Evidence {
        status: Status::Measured,
        trials: &[trial],
        summary: None,
        environment: None,
        clock_resolution: Nanos(20),
        host: &Host::default(),
        power: None,
        providers: &[],
        inputs,
        outputs: Some(outputs),
    });
    let is_ours = |code: &str| code.starts_with("outputs_");
    let ours = verdict.reasons.into_iter().filter(|reason| is_ours(&reason.code));
    ours.map(|reason| (reason.code, reason.detail)).collect()
}

fn of(tensors: Vec<Output>) -> Vec<(String, String)> {
    reasons(&[image(12)], &outputs(tensors))
}

fn reason(code: &str, detail: &str) -> Vec<(String, String)> {
    assert!(find(code).is_some(), "{code}");
    vec![(code.to_owned(), detail.to_owned())]
}

#[test]
fn one_element_that_is_no_number_is_a_reason() {
    let scores = output("scores", "float32", &[0.5, f64::NAN, 0.1]);
    let boxes = output("boxes", "float32", &[1.0, 2.0]);
    assert_eq!(
        of(vec![boxes.clone(), scores]),
        reason("outputs_not_finite", "not finite: `scores` (the rest 0.1 to 0.5)")
    );
    assert_eq!(
        of(vec![boxes.clone(), output("a", "float16", &[f64::INFINITY])])[0].1,
        "not finite: `a` (no finite element)"
    );
    assert!(of(vec![boxes, output("large", "float32", &[3.4e38, -3.4e38])]).is_empty());
}

#[test]
fn outputs_that_are_all_constant_are_a_reason() {
    let zeros = |name| output(name, "float32", &[0.0; 4]);
    assert_eq!(of(vec![zeros("y")]), reason("outputs_constant", "constant: `y` (0)"));
    let ones = output("z", "int8", &[127.0; 9]);
    assert_eq!(of(vec![zeros("y"), ones]), reason("outputs_constant", "constant: `y` (0), `z` (127)"));
}

#[test]
fn detector_without_detections_and_other_rightful_constants_are_no_reason() {
    let zeros = |name| output(name, "float32", &[0.0; 40]);
    let count = output("num_detections", "float32", &[0.0]);
    assert!(of(vec![zeros("boxes"), zeros("classes"), zeros("scores"), count]).is_empty(), "a count");
    assert!(of(vec![zeros("boxes"), output("scores", "float32", &[0.1, 0.2])]).is_empty(), "one varies");
    assert!(of(vec![output("boxes", "float32", &[])]).is_empty(), "none");
    assert!(of(vec![output("class_of_pixel", "int64", &[7.0; 100])]).is_empty(), "decisions");
    assert!(of(vec![output("probability", "float32", &[0.5])]).is_empty(), "one element");
    assert!(of(Vec::new()).is_empty(), "not read");
    // Nothing is known to vary in one element, or in none.
    for inputs in [vec![image(1)], vec![image(0)], Vec::new()] {
        assert!(reasons(&inputs, &outputs(vec![zeros("y")])).is_empty(), "{inputs:?}");
    }
}

fn agreement(state: AgreementState) -> Agreement {
    Agreement {
        name: "y".to_owned(),
        state,
        largest_absolute_difference: Some(0.5),
        largest_relative_difference: Some(1.0),
        largest_reference_magnitude: Some(4.0),
        cosine_similarity: Some(0.25),
        detail: None,
    }
}

/// Whatever is not a disagreement.
const HARMLESS: [AgreementState; 3] =
    [AgreementState::Agrees, AgreementState::NotJudged, AgreementState::NotComparable];

#[test]
fn processes_that_differ_by_more_than_rounding_are_a_reason() {
    let with = |state| {
        let mut outputs = outputs(vec![output("y", "float32", &[1.0, 2.0])]);
        let differing = DifferingProcess { process: 3, outputs: vec![agreement(state)], detail: None };
        outputs.differing_processes.push(differing);
        reasons(&[image(12)], &outputs)
    };
    let detail = "process 3 from process 1: `y` by up to 5.000e-1 of 4.000e0, cosine 0.2500";
    assert_eq!(with(AgreementState::Disagrees), reason("outputs_vary", detail));
    HARMLESS.into_iter().for_each(|state| assert!(with(state).is_empty(), "{state:?}"));
}

#[test]
fn outputs_that_disagree_with_the_reference_are_a_reason() {
    let with = |agreements| {
        let mut outputs = outputs(vec![output("y", "float32", &[1.0, 2.0])]);
        outputs.comparison = Some(OutputComparison {
            on_converted_inputs: false,
            reference: OutputReference { runtime: "onnxruntime".to_owned(), ..OutputReference::default() },
            matched_by: None,
            tolerance: None,
            outputs: agreements,
            detail: None,
        });
        reasons(&[image(12)], &outputs)
    };
    let detail = "from onnxruntime: `y` by up to 5.000e-1 of 4.000e0, cosine 0.2500";
    assert_eq!(with(vec![agreement(AgreementState::Disagrees)]), reason("outputs_disagree", detail));
    let not_finite = Agreement {
        largest_absolute_difference: None,
        detail: Some("2 elements are finite in one of the two only".to_owned()),
        ..agreement(AgreementState::Disagrees)
    };
    assert_eq!(
        with(vec![not_finite])[0].1,
        "from onnxruntime: `y`: 2 elements are finite in one of the two only"
    );
    HARMLESS.into_iter().for_each(|state| assert!(with(vec![agreement(state)]).is_empty(), "{state:?}"));
    assert!(with(Vec::new()).is_empty(), "not compared");
}
