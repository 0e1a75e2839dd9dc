//! The model file of `sim`: reading and checking it.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use crate::bundle::format::Stage;
use crate::runtime::Failure;
use crate::runtime::sim::Fault;

/// The largest script: some ten thousand latencies.
const SIZE_LIMIT: u64 = 1 << 20;

/// The longest single latency, an hour; the job's timeout ends a run that should hang.
const LATENCY_LIMIT_US: u64 = 3_600_000_000;

/// What a script may say.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// Latencies of the runs in microseconds, warm-up included; they repeat when they are used up. At least
    /// one.
    pub latency_us: Vec<u64>,
    /// What goes wrong, and when.
    pub fault: Option<Fault>,
    /// What the runs compute; one output of one element if nothing is said.
    #[serde(default = "one_element")]
    pub outputs: Vec<ScriptedOutput>,
}

/// An output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScriptedOutput {
    /// Its name.
    pub name: String,
    /// Its elements; null is not a number.
    pub values: Vec<Option<f32>>,
    /// How far at most each process is from them, each process by another amount.
    #[serde(default)]
    pub differs_by: f32,
}

impl ScriptedOutput {
    /// The elements in the process of that number.
    pub(super) fn values_of(&self, process: u32) -> impl Iterator<Item = f32> {
        // Two processes in a row are apart, whatever their numbers.
        let share = (process % 16 + 1) as f32 / 16.0;
        self.values.iter().map(move |value| value.map_or(f32::NAN, |value| value + self.differs_by * share))
    }
}

fn one_element() -> Vec<ScriptedOutput> {
    vec![ScriptedOutput { name: "output".to_owned(), values: vec![Some(0.0)], differs_by: 0.0 }]
}

/// Read the script at `path`.
pub(super) fn read(path: &Path) -> Result<Script, Failure> {
    let failure = |reason: &str, detail: String| {
        Failure::new(Stage::Load, reason, detail)
            .with_hint("a script is JSON such as {\"latency_us\": [900, 950]}")
    };
    let mut text = Vec::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(SIZE_LIMIT + 1).read_to_end(&mut text))
        .map_err(|error| failure("model_not_readable", error.to_string()))?;
    if text.len() as u64 > SIZE_LIMIT {
        return Err(failure("model_not_readable", format!("the script is larger than {SIZE_LIMIT} bytes")));
    }
    let script: Script = serde_json::from_slice(&text)
        .map_err(|error| failure("model_not_readable", format!("cannot understand the script: {error}")))?;
    if script.latency_us.is_empty() {
        return Err(failure("model_not_readable", "the script has no latency".into()));
    }
    if let Some(latency) = script.latency_us.iter().find(|latency| **latency > LATENCY_LIMIT_US) {
        let detail = format!("a latency of {latency} µs is longer than {LATENCY_LIMIT_US} µs");
        return Err(failure("model_not_readable", detail));
    }
    if let Some(Fault { run: Some(0), .. }) = script.fault {
        return Err(failure("model_not_readable", "runs are counted from 1; there is no run 0".into()));
    }
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::sim::fault::FaultKind;

    fn reading(text: &str) -> Result<Script, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sim");
        fs_err::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_script_may_have_a_fault_with_a_code_or_without() {
        let script = reading(r#"{"latency_us": [5], "fault": {"run": 3, "kind": {"exit": 7}}}"#).unwrap();
        assert_eq!(script.fault, Some(Fault { run: Some(3), in_outputs: false, kind: FaultKind::Exit(7) }));
        let script = reading(r#"{"latency_us": [5, 6], "fault": {"kind": "segmentation_fault"}}"#).unwrap();
        assert_eq!(
            script.fault,
            Some(Fault { run: None, in_outputs: false, kind: FaultKind::SegmentationFault })
        );
    }

    #[test]
    fn what_is_no_script_is_a_load_failure() {
        for text in [
            "",
            "null",
            "{}",
            r#"{"latency_us": []}"#,
            r#"{"latency_us": [-1]}"#,
            r#"{"latency_us": [3600000001]}"#,
            r#"{"latency_us": [1], "color": 1}"#,
            r#"{"latency_us": [1], "fault": {"kind": "fire"}}"#,
            r#"{"latency_us": [1], "fault": {"kind": "hang", "run": 0}}"#,
            r#"{"latency_us": [1], "fault": {"kind": "hang", "when": 0}}"#,
        ] {
            let failure = reading(text).expect_err(text);
            assert_eq!(
                (failure.stage, failure.reason.as_str()),
                (Stage::Load, "model_not_readable"),
                "{text}"
            );
        }
    }
}
