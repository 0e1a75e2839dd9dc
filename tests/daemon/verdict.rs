//! Reasons of verdicts that come from latencies: scripted runs through the real daemon and its bundles.

use backbone::bundle::format::{Bundle, Status, VerdictState};
use backbone::verdict::REASONS;

use crate::rig::{BACKBONE, Rig, clean, job};

/// Measure forty runs that take these milliseconds, one after another, without a warm-up.
fn measured(milliseconds: impl Fn(u64) -> u64) -> Bundle {
    let script: Vec<String> = (0..40).map(|run| (milliseconds(run) * 1_000).to_string()).collect();
    let rig = Rig::running();
    fs_err::write(rig.inbox("net.sim"), format!(r#"{{"latency_us": [{}]}}"#, script.join(", "))).unwrap();
    let more = "measure: {warm_up_runs: 0, timed_runs: 40}";
    fs_err::write(rig.inbox("a.yaml"), job("net.sim", more)).unwrap();
    let bundle = rig.wait_for_bundles(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    bundle
}

#[track_caller]
fn assert_found(bundle: &Bundle, code: &str) {
    let codes: Vec<&str> = bundle.verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert!(codes.contains(&code), "{codes:?} lacks {code}");
    assert!(bundle.verdict.state >= VerdictState::Suspect);
}

#[test]
fn stalls_levels_groups_and_trends_are_found_in_a_bundle() {
    assert_found(&measured(|run| if run == 20 { 400 } else { 4 }), "heavy_tail");
    let stepped = measured(|run| if run < 20 { 4 } else { 9 });
    assert_found(&stepped, "level_change");
    assert_found(&stepped, "drift");
    assert_found(&measured(|run| if run < 6 { 12 } else { 4 }), "slow_first_runs");
    let rising = measured(|run| 4 + run / 4);
    assert_found(&rising, "not_steady");
    assert_found(&rising, "wide_spread");
    assert_found(&measured(|run| if run * 7 % 10 < 4 { 40 } else { 4 }), "bimodal");
}

#[test]
fn too_few_runs_are_a_reason() {
    let rig = Rig::running();
    fs_err::write(rig.inbox("net.sim"), r#"{"latency_us": [4000]}"#).unwrap();
    fs_err::write(rig.inbox("a.yaml"), job("net.sim", "measure: {warm_up_runs: 0, timed_runs: 5}")).unwrap();
    assert_found(&rig.wait_for_bundles(1).remove(0), "few_runs");
}

#[test]
fn summary_that_contradicts_its_latencies_is_found_by_every_reader() {
    let mut bundle = measured(|_| 4);
    bundle.summary.as_mut().unwrap().mean *= 1.001;
    // What is altered is no longer as its host sealed it.
    bundle.integrity = None;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json.gz");
    fs_err::write(&file, backbone::bundle::write::encode(&bundle).unwrap()).unwrap();
    for arguments in [&["show"][..], &["results", "--include-simulated"]] {
        let output = clean(BACKBONE).args(arguments).arg(&file).output().unwrap();
        let page = String::from_utf8_lossy(&output.stdout);
        assert!(page.contains("summary_contradicts_latencies"), "{arguments:?}: {page}");
    }
}

#[test]
fn bundle_has_the_statistics_behind_its_verdict() {
    let summary = measured(|run| if run < 20 { 4 } else { 9 }).summary.unwrap();
    let [trial] = &summary.trials[..] else { panic!("{summary:?}") };
    assert_eq!((trial.count, trial.levels[0].start), (40, 0));
    assert!(trial.levels.len() >= 2 && trial.steady_from > 0, "{trial:?}");
    let interval = summary.mean_interval.unwrap();
    assert!(interval.low < summary.mean && summary.mean < interval.high);
    assert!(summary.effective_count.unwrap() <= 40.0);
    let percents: Vec<f64> = summary.percentiles.iter().map(|percentile| percentile.percent).collect();
    assert_eq!(percents, [50.0, 75.0, 80.0]);
    assert!(summary.missing_percentiles[0].reason.starts_with("needs 64 latencies"));
}

#[test]
fn every_reason_is_listed_and_explained() {
    let backbone = |arguments: &[&str]| clean(BACKBONE).args(arguments).output().unwrap();
    let printed = |arguments: &[&str]| {
        let output = backbone(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = printed(&["list", "reasons"]);
    for kind in REASONS {
        assert!(listed.contains(&format!("{} makes a result", kind.code)), "{}", kind.code);
    }
    let explained = printed(&["explain", "heavy_tail", "segmentation_fault"]);
    assert!(explained.contains("cause: ") && explained.contains("remedy: "), "{explained}");
    let unknown = backbone(&["explain", "haevy_tail"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `heavy_tail`?"), "{unknown:?}");
}
