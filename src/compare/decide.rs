//! What ratios mean: verdicts over all configurations together.
//!
//! Two families are corrected, each by Holm's procedure: that there is a difference, and that it is smaller
//! than what is of interest. What is neither is ambiguous, and says why.

use serde::Serialize;

use crate::compare::effect::{Change, Repeated, probability};
use crate::compare::{ComparedSide, Matched};
use crate::stats::{CONFIDENCE, Span, holm};
use crate::text::counted;

/// What a configuration's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// B takes longer.
    Slower,
    /// B takes less time.
    Faster,
    /// The data cannot say.
    Ambiguous,
    /// If there is a difference, it is too small to be of interest.
    Equivalent,
}

/// Why the data cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// A side has one run.
    NoInterval,
    /// The interval has both no difference and one of interest in it.
    TooWide,
    /// Each side has one process, and processes of one network differ as much.
    OneProcess,
    /// Each side has one process, and one of them has a suspect verdict.
    Suspect,
    /// In clock cycles the answer is another.
    Clock,
}

/// Give every configuration its verdict.
pub(super) fn decide(configurations: &mut [Matched], within: f64) {
    let probabilities = |judge: &dyn Fn(f64, crate::stats::moderate::Variance) -> f64| -> Vec<Option<f64>> {
        let of = |one: &Matched| Some(judge(one.time.change.value.ln(), one.time.judged?));
        holm(&configurations.iter().map(of).collect::<Vec<_>>())
    };
    let differ = probabilities(&|logarithm, variance| probability(logarithm, 0.0, variance));
    let alike = probabilities(&|logarithm, variance| {
        // Both ends of the interval are inside: two one-sided tests, each at half of the level.
        let (low, high) = ((1.0 - within).ln(), within.ln_1p());
        if logarithm <= low || logarithm >= high {
            return 1.0;
        }
        probability(logarithm, low, variance).max(probability(logarithm, high, variance))
    });
    for ((one, differ), alike) in configurations.iter_mut().zip(differ).zip(alike) {
        one.adjusted_probability = differ;
        one.adjusted_probability_of_difference = alike;
        (one.verdict, one.reason) = verdict(one, within);
        one.detail = one.reason.map(|doubt| detail(doubt, one, within));
    }
}

fn verdict(one: &Matched, within: f64) -> (Decision, Option<Doubt>) {
    let holds = |probability: Option<f64>| probability.is_some_and(|it| it <= 1.0 - CONFIDENCE);
    let Some(interval) = one.time.change.interval else {
        return (Decision::Ambiguous, Some(Doubt::NoInterval));
    };
    let verdict = if holds(one.adjusted_probability_of_difference) {
        Decision::Equivalent
    } else if holds(one.adjusted_probability) {
        if one.time.change.value > 1.0 { Decision::Slower } else { Decision::Faster }
    } else {
        let is_single = one.time.unit == Repeated::Runs && says(interval, within).is_some();
        let doubt = if is_single { Doubt::OneProcess } else { Doubt::TooWide };
        return (Decision::Ambiguous, Some(doubt));
    };
    let is_suspect = |side: &ComparedSide| !side.suspect.is_empty();
    if one.time.unit == Repeated::Runs && (is_suspect(&one.a) || is_suspect(&one.b)) {
        return (Decision::Ambiguous, Some(Doubt::Suspect));
    }
    match one.cycles.and_then(|cycles| cycles.interval) {
        Some(cycles) if says(cycles, within) != Some(verdict) => (Decision::Ambiguous, Some(Doubt::Clock)),
        _ => (verdict, None),
    }
}

/// What an interval alone says.
fn says(interval: Span, within: f64) -> Option<Decision> {
    let Span { low, high } = interval;
    match () {
        () if low >= 1.0 - within && high <= 1.0 + within => Some(Decision::Equivalent),
        () if low > 1.0 => Some(Decision::Slower),
        () if high < 1.0 => Some(Decision::Faster),
        () => None,
    }
}

fn detail(doubt: Doubt, one: &Matched, within: f64) -> String {
    let shown = shown(&one.time.change);
    match doubt {
        Doubt::NoInterval => "a single run has no interval; raise `measure.timed_runs`".to_owned(),
        Doubt::TooWide => {
            let more = one.time.judged.map_or_else(String::new, |variance| {
                let [a, b] = one.time.units;
                // The interval is to reach by `within` to either side, two standard errors.
                let wanted = (variance.value.sqrt() * 2.0 / within).powi(2) * a.min(b) as f64;
                let units = match one.time.unit {
                    Repeated::Builds => ("build", "builds"),
                    Repeated::Processes | Repeated::Runs => ("process", "processes"),
                };
                let count = (wanted.ceil() as u64).max(a.min(b) as u64 + 1);
                let a_side = if one.time.pairs.is_some() { "in pairs" } else { "a side" };
                format!("; {} {a_side} would tell {}", counted(count, units.0, units.1), percent(within))
            });
            format!("{shown} is not enough to tell{more}")
        }
        Doubt::OneProcess => format!(
            "{shown} between these two processes, and processes of one network may differ as much; set \
             `measure.processes` to 5 or more"
        ),
        Doubt::Suspect => {
            let of = |name: &str, side: &ComparedSide| {
                let reasons: Vec<&str> = side.suspect.iter().map(String::as_str).collect();
                (!reasons.is_empty()).then(|| format!("{name} is suspect: {}", reasons.join(", ")))
            };
            let both: Vec<String> = [of("A", &one.a), of("B", &one.b)].into_iter().flatten().collect();
            format!("{shown} between two processes, of which {}", both.join(" and "))
        }
        Doubt::Clock => {
            let megahertz = |side: &ComparedSide| side.clock_hertz.unwrap_or_default() / 1e6;
            let cycles = one.cycles.as_ref().map_or_else(String::new, self::shown);
            format!(
                "{shown} in time and {cycles} in clock cycles: A ran at {:.0} MHz and B at {:.0} MHz; lock the \
                 clocks",
                megahertz(&one.a),
                megahertz(&one.b)
            )
        }
    }
}

/// `+2.5 % (+1.9 to +3.1)`.
pub(crate) fn shown(change: &Change) -> String {
    let part = |ratio: f64| format!("{:+.2}", (ratio - 1.0) * 100.0);
    let interval = change
        .interval
        .map_or_else(String::new, |Span { low, high }| format!(" ({} to {})", part(low), part(high)));
    format!("{} %{interval}", part(change.value))
}

/// `1 %`.
pub(crate) fn percent(part: f64) -> String {
    // Two digits after the point at most, and no zeros at the end.
    format!("{} %", (part * 1e4).round() / 1e2)
}
