//! Reasons from what the runs computed.

use super::{Evidence, Measured};
use crate::bundle::format::{Agreement, AgreementState, Output};

/// Types of elements that are decisions or positions and not amounts: all of them may rightly be the same.
const DECISIONS: &[&str] = &["bool", "int32", "int64", "uint32", "uint64"];

pub(super) fn outputs_not_finite(evidence: &Evidence, _: Option<&Measured>) -> Option<String> {
    let names = named(evidence.outputs?.tensors.iter().filter(|output| output.is_finite == Some(false)));
    (!names.is_empty()).then(|| format!("not finite: {names}"))
}

pub(super) fn outputs_constant(evidence: &Evidence, _: Option<&Measured>) -> Option<String> {
    let outputs = &evidence.outputs?.tensors;
    // Any output that is not constant shows that something was computed: the scores of a detector that finds
    // nothing are all zero, and their number is one element.
    let is_all = outputs
        .iter()
        .all(|output| output.is_constant == Some(true) && !DECISIONS.contains(&output.element_type.as_str()));
    (is_all && !outputs.is_empty() && evidence.inputs_vary())
        .then(|| format!("constant: {}", named(outputs.iter())))
}

pub(super) fn outputs_vary(evidence: &Evidence, _: Option<&Measured>) -> Option<String> {
    let outputs = evidence.outputs?;
    let wrong = outputs.differing_processes.iter().filter_map(|differing| {
        let beyond = beyond(&differing.outputs)?;
        Some(format!("process {} from process {}: {beyond}", differing.process, outputs.trial.process))
    });
    let wrong: Vec<String> = wrong.collect();
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

pub(super) fn outputs_disagree(evidence: &Evidence, _: Option<&Measured>) -> Option<String> {
    let comparison = evidence.outputs?.comparison.as_ref()?;
    let beyond = beyond(&comparison.outputs)?;
    Some(format!("from {}: {beyond}", comparison.reference.runtime))
}

/// Those that do not agree.
fn beyond(agreements: &[Agreement]) -> Option<String> {
    let each = |agreement: &Agreement| match (
        agreement.largest_absolute_difference,
        agreement.largest_reference_magnitude,
        agreement.cosine_similarity,
    ) {
        (Some(difference), Some(magnitude), cosine) => {
            let cosine = cosine.map(|cosine| format!(", cosine {cosine:.4}")).unwrap_or_default();
            format!("`{}` by up to {difference:.3e} of {magnitude:.3e}{cosine}", agreement.name)
        }
        _ => format!("`{}`: {}", agreement.name, agreement.detail.as_deref().unwrap_or("not finite")),
    };
    let wrong = agreements.iter().filter(|agreement| agreement.state == AgreementState::Disagrees);
    let wrong: Vec<String> = wrong.map(each).collect();
    (!wrong.is_empty()).then(|| wrong.join(", "))
}

impl Evidence<'_> {
    /// Do the inputs have more than one element? They are random then.
    fn inputs_vary(&self) -> bool {
        self.inputs.iter().any(|input| {
            let sizes = input.shape.iter().map(|size| size.unwrap_or(1));
            !sizes.clone().any(|size| size == 0) && sizes.clone().any(|size| size > 1)
        })
    }
}

fn named<'a>(outputs: impl Iterator<Item = &'a Output>) -> String {
    let each = |output: &Output| match (output.minimum, output.maximum) {
        (Some(minimum), Some(maximum)) if minimum == maximum => format!("`{}` ({minimum})", output.name),
        (Some(minimum), Some(maximum)) => format!("`{}` (the rest {minimum} to {maximum})", output.name),
        _ => format!("`{}` (no finite element)", output.name),
    };
    outputs.map(each).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
