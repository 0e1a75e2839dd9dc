//! Each reason from the outputs, with cases that trigger it and those that just do not.

use super::super::{find, judge};
use super::*;
use crate::bundle::format::{Host, Latencies, Outputs, Status, Tensor, Trial, TrialId};
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
    }
}

fn image(elements: u64) -> Tensor {
    Tensor { name: "x".into(), element_type: "float32".into(), shape: vec![None, Some(elements)] }
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
