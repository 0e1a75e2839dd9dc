//! Which configurations of a run can be compiled for the platform, and why the others cannot: a result of its
//! own, printed if a runtime compiles models.

use std::collections::BTreeMap;

use super::table;
use crate::daemon::observer::{BundleLine, Compiled};

/// The table with a line for each configuration, and a sum for each runtime; `None` if nothing was compiled.
pub(super) fn render(rows: &[BundleLine]) -> Option<String> {
    let tried: Vec<(&BundleLine, &Compiled)> =
        rows.iter().filter_map(|row| Some((row, row.compilation.as_ref()?))).collect();
    if tried.is_empty() {
        return None;
    }
    let mut text = String::from("\nwhat compiles on this platform:\n");
    for (runtime, (compiled, all)) in sums(&tried) {
        text.push_str(&format!("  {runtime}: {compiled} of {all}\n"));
    }
    let cells: Vec<Vec<String>> = tried.iter().map(|(row, compilation)| cells(row, compilation)).collect();
    text.push_str(&table::render(&["model", "runtime", "compiles", "why not"], &cells));
    Some(text)
}

fn sums<'a>(tried: &[(&'a BundleLine, &Compiled)]) -> BTreeMap<&'a str, (usize, usize)> {
    let mut sums = BTreeMap::<&str, (usize, usize)>::new();
    for (row, compilation) in tried {
        let (compiled, all) = sums.entry(row.runtime.as_deref().unwrap_or("-")).or_default();
        *compiled += usize::from(**compilation == Compiled::Done);
        *all += 1;
    }
    sums
}

fn cells(row: &BundleLine, compilation: &Compiled) -> Vec<String> {
    let (word, why) = match compilation {
        Compiled::Done => ("yes", String::new()),
        Compiled::NotPossible(why) => ("no", why.clone()),
        Compiled::Failed(why) => ("not known", why.clone()),
    };
    let name = |text: &Option<String>| super::readable(text.as_deref().unwrap_or("-").as_ref());
    vec![name(&row.model), name(&row.runtime), word.to_owned(), super::readable(why.as_ref())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::format::{Outcome, VerdictState};

    fn row(model: &str, runtime: &str, compilation: Option<Compiled>) -> BundleLine {
        BundleLine {
            job: "study".to_owned(),
            file: "study.yaml".to_owned(),
            model: Some(model.to_owned()),
            runtime: Some(runtime.to_owned()),
            outcome: Outcome::measured(Vec::new()),
            missing_hardware: None,
            compilation,
            count: 100,
            median_ms: None,
            interval_ms: None,
            verdict: VerdictState::Valid,
            verdict_reasons: Vec::new(),
            simulated: false,
            bundle: "b.json.gz".to_owned(),
        }
    }

    #[test]
    fn every_configuration_has_its_line_and_every_runtime_its_sum() {
        let rows = [
            row("standard-k3-b1-i224-int8.tflite", "edgetpu", Some(Compiled::Done)),
            row(
                "standard-k3-b1-i1400-int8.tflite",
                "edgetpu",
                Some(Compiled::NotPossible("activations_too_large: edgetpu_compiler says so".to_owned())),
            ),
            row(
                "standard-k5-b1-i224-int8.onnx",
                "trtexec",
                Some(Compiled::Failed("timed_out: it took 3600 s".to_owned())),
            ),
            row("net.onnx", "onnxruntime", None),
        ];
        insta::assert_snapshot!(render(&rows).unwrap());
        assert_eq!(render(&rows[3..]), None);
    }
}
