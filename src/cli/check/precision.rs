//! How precise a median will be, before anything is measured: in ranks, because the latencies are not known
//! yet.

use super::duration::of;
use crate::spec::{Measure, MeasureProtocol};
use crate::stats;

/// One sentence for people.
pub(super) fn describe(measure: &Measure) -> String {
    if let MeasureProtocol::Rigorous { precision_percent, time_limit_seconds } = measure.protocol {
        return format!(
            "the 95 % interval of the mean over processes and builds will be ± {precision_percent} %, if {} a configuration \
             are enough for it",
            of(time_limit_seconds.into())
        );
    }
    let runs = u64::from(measure.timed_runs) * u64::from(measure.processes);
    match usize::try_from(runs).ok().and_then(stats::median_interval_ranks) {
        Some((low, high)) => format!(
            "the 95 % interval of the median will be the {} to the {} of {runs} sorted latencies",
            ordinal(low),
            ordinal(high)
        ),
        None => format!("{runs} timed runs are too few for an interval; at least 6 are needed"),
    }
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_read_like_english() {
        let texts: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 101, 111].map(ordinal).to_vec();
        assert_eq!(texts.join(" "), "1st 2nd 3rd 4th 11th 12th 13th 21st 101st 111th");
    }
}
