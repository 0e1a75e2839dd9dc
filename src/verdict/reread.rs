//! The verdict of a bundle as a reader of today takes it. Pure; called for each bundle that is collected.
//!
//! A recorded verdict is kept, reason by reason. Only its state is worked out again, because a state may have
//! been renamed since, and the one reason is added that a reader alone can find.

use super::thresholds::CONTRADICTION;
use super::{Evidence, Measured, find};
use crate::bundle::format::{Bundle, Host, Reason, Status, Trial, Verdict};
use crate::stats::{self, Sorted};
use crate::units::Nanos;

/// The recorded reasons, with the state that they have today: programs before `unverified` called that
/// `suspect`. A reason that this program does not know keeps the recorded state, and so does a verdict
/// without any.
///
/// If the recorded summary is not that of the recorded latencies, that is one more reason.
pub(crate) fn reread(bundle: &Bundle) -> Verdict {
    let recorded = &bundle.verdict;
    let mut reasons = recorded.reasons.clone();
    let code = "summary_contradicts_latencies";
    if let Some(detail) = contradiction(bundle).filter(|_| reasons.iter().all(|reason| reason.code != code)) {
        reasons.push(Reason { code: code.to_owned(), detail });
    }
    let today = |reason: &Reason| find(&reason.code).map_or(recorded.state, |kind| kind.state);
    let state = reasons.iter().map(today).max().unwrap_or(recorded.state);
    // A verdict is what its reasons say; one that is worse without a reason for it is not made better.
    let had_cause = recorded.reasons.iter().any(|reason| find(&reason.code).is_some());
    Verdict { state: if had_cause { state } else { state.max(recorded.state) }, reasons }
}

fn contradiction(bundle: &Bundle) -> Option<String> {
    let runs: usize = bundle.trials.iter().map(|trial| trial.latencies.latency_ns.len()).sum();
    if bundle.summary.is_none() && runs > 0 {
        return Some(format!("there are no statistics of {runs} latencies"));
    }
    let evidence = Evidence {
        summary: bundle.summary.as_ref(),
        ..Evidence::of_latencies(bundle.outcome.status, &bundle.trials, &bundle.host)
    };
    summary_contradicts_latencies(&evidence, None)
}

pub(super) fn summary_contradicts_latencies(evidence: &Evidence, _: Option<&Measured>) -> Option<String> {
    let recorded = evidence.summary?;
    // Not the whole summary: this is done for each bundle that is collected, and levels and intervals of the
    // mean take a hundred times as long.
    let latencies = stats::pooled(evidence.trials);
    let Some(sorted) = Sorted::new(&latencies) else {
        return Some("there are statistics and no latencies".to_owned());
    };
    let milliseconds = |nanoseconds: f64| nanoseconds / 1e6;
    let statistics = [
        ("count", Some(recorded.count as f64), Some(latencies.len() as f64)),
        ("mean", Some(recorded.mean), stats::mean(&latencies).map(milliseconds)),
        (
            "standard deviation",
            recorded.standard_deviation,
            stats::standard_deviation(&latencies).map(milliseconds),
        ),
        ("median", Some(recorded.median), Some(milliseconds(sorted.median()))),
        ("minimum", Some(recorded.minimum), Some(sorted.minimum().as_milliseconds())),
        ("maximum", Some(recorded.maximum), Some(sorted.maximum().as_milliseconds())),
    ];
    statistics.into_iter().find_map(|(name, recorded, computed)| match (recorded, computed) {
        (Some(recorded), Some(computed)) => {
            let apart = (recorded - computed).abs() > CONTRADICTION * recorded.abs().max(computed.abs());
            apart.then(|| format!("the {name} is {computed} by the latencies, and {recorded} is recorded"))
        }
        _ => None,
    })
}

/// The verdict of latencies alone, as if nothing were known of their host and of what was computed.
pub fn of_latencies(status: Status, trials: &[Trial], host: &Host) -> Verdict {
    super::judge(&Evidence::of_latencies(status, trials, host))
}

impl<'a> Evidence<'a> {
    /// Of latencies alone: nothing is known of their host.
    pub(super) fn of_latencies(status: Status, trials: &'a [Trial], host: &'a Host) -> Self {
        Self {
            status,
            trials,
            summary: None,
            environment: None,
            clock_resolution: Nanos(0),
            host,
            power: None,
            providers: &[],
            inputs: &[],
            outputs: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::format::{Latencies, TrialId, VerdictState};

    fn bundle(state: VerdictState, codes: &[&str]) -> Bundle {
        let bytes = include_bytes!("../../tests/bundles/v1-measured.json.gz");
        let mut bundle = crate::bundle::read::decode(&bytes[..]).unwrap();
        let latency_ns = (0..100).map(|run| Nanos(1_000_000 + run * 37 % 100)).collect();
        let id = TrialId { build: 1, process: 1 };
        bundle.trials = vec![Trial { id, latencies: Latencies { latency_ns, ..Latencies::default() } }];
        bundle.summary = stats::summary(&bundle.trials);
        let reason = |code: &&str| Reason { code: (*code).to_owned(), detail: String::new() };
        bundle.verdict = Verdict { state, reasons: codes.iter().map(reason).collect() };
        bundle
    }

    #[test]
    fn suspect_of_an_older_program_is_read_as_unverified_if_nothing_spoke_against_the_numbers() {
        let unobserved = ["power_state_unobserved", "environment_unobserved"];
        let state = |state, codes: &[&str]| reread(&bundle(state, codes)).state;
        assert_eq!(state(VerdictState::Suspect, &unobserved), VerdictState::Unverified);
        assert_eq!(state(VerdictState::Suspect, &["drift", unobserved[0]]), VerdictState::Suspect);
        assert_eq!(state(VerdictState::Suspect, &[]), VerdictState::Suspect);
        assert_eq!(state(VerdictState::Suspect, &["of_a_newer_program"]), VerdictState::Suspect);
        assert_eq!(state(VerdictState::Invalid, &["power_state_not_held"]), VerdictState::Invalid);
        assert_eq!(state(VerdictState::Valid, &[]), VerdictState::Valid);
    }

    #[test]
    fn summary_of_other_latencies_is_a_reason_and_one_that_is_rounded_is_not() {
        let mut bundle = bundle(VerdictState::Valid, &[]);
        assert_eq!(reread(&bundle), Verdict { state: VerdictState::Valid, reasons: Vec::new() });
        let mean = bundle.summary.as_ref().unwrap().mean;
        let mut with_mean = |mean: f64| {
            bundle.summary.as_mut().unwrap().mean = mean;
            reread(&bundle)
        };
        assert_eq!(with_mean(mean * (1.0 + 0.5e-9)).state, VerdictState::Valid);
        let verdict = with_mean(mean * (1.0 + 2e-9));
        assert_eq!(verdict.state, VerdictState::Suspect);
        assert_eq!(verdict.reasons[0].code, "summary_contradicts_latencies");
        assert!(verdict.reasons[0].detail.starts_with("the mean is 1.0000"), "{verdict:?}");
    }

    #[test]
    fn summary_without_latencies_and_latencies_without_a_summary_contradict_each_other() {
        let whole = bundle(VerdictState::Valid, &[]);
        let without_latencies = Bundle { trials: Vec::new(), ..whole.clone() };
        let without_summary = Bundle { summary: None, ..whole };
        for bundle in [without_latencies, without_summary] {
            let verdict = reread(&bundle);
            assert_eq!(verdict.reasons.len(), 1, "{verdict:?}");
            assert_eq!(verdict.state, VerdictState::Suspect);
        }
    }

    #[test]
    fn no_bundle_of_an_earlier_version_contradicts_itself() {
        for bytes in [
            &include_bytes!("../../tests/bundles/v1-failed.json.gz")[..],
            include_bytes!("../../tests/bundles/v1-measured.json.gz"),
            include_bytes!("../../tests/bundles/v1-observed.json.gz"),
            include_bytes!("../../tests/bundles/v1-rejected.json.gz"),
            include_bytes!("../../tests/bundles/v2-failed.json.gz"),
            include_bytes!("../../tests/bundles/v2-measured.json.gz"),
            include_bytes!("../../tests/bundles/v2-rejected.json.gz"),
        ] {
            let bundle = crate::bundle::read::decode(bytes).unwrap();
            assert_eq!(contradiction(&bundle), None, "{}", bundle.id);
        }
    }
}
