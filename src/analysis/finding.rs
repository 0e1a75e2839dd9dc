//! Findings: what the data says, as sentences with the numbers behind them.
//!
//! Which findings a report has is decided in [`super::significance`]; [`super::hypothesis`] makes the
//! sentences.

use serde::Serialize;

use crate::analysis::contrast::Ratio;
use crate::analysis::factor::Factor;

/// One thing that the data says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// Its platform, or the two that are compared.
    pub platforms: Vec<usize>,
    /// The factor that differs; `None` between platforms.
    pub factor: Option<Factor>,
    /// The level, or platform, that is compared with.
    pub from: String,
    /// The level, or platform, that is compared.
    pub to: String,
    /// The ratio that it rests on, `to` over `from`: of throughput, but of latency for
    /// [`FindingKind::SlowerWithFewerOperations`] and [`FindingKind::Named`].
    pub ratio: Ratio,
    /// Probability of such a ratio without any effect, corrected for all hypotheses of the report.
    pub adjusted_probability: f64,
    /// Pairs of cells behind it.
    pub pairs: usize,
    /// Pairs that would belong to it and are missing.
    pub missing: usize,
    /// Suspect rows behind it.
    pub suspect_rows: usize,
    /// Ids of the rows behind it.
    pub rows: Vec<String>,
    /// All of it in a sentence.
    pub sentence: String,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A design choice changes throughput: latency does not change in proportion to operations.
    Choice,
    /// Higher operational density, lower throughput.
    Contradiction,
    /// Fewer operations, longer latency.
    SlowerWithFewerOperations,
    /// One platform against another, or one machine before and after a change.
    Platform,
    /// A factor that labels name changes the latency of dropped models.
    Named,
}

/// A ratio as a change in per cent without its unit, `+12.3`, with a minus sign and not a hyphen.
pub(crate) fn percent(ratio: f64) -> String {
    format!("{:+.1}", (ratio - 1.0) * 100.0).replace('-', "−")
}

/// `−30.2 %, 95 % interval −31.4 to −29.0`.
pub(super) fn change(ratio: &Ratio) -> String {
    let change = format!("{} %", percent(ratio.value));
    match ratio.interval {
        Some(span) => format!("{change}, 95 % interval {} to {}", percent(span.low), percent(span.high)),
        None => change,
    }
}

/// Ratios beyond this, or below one over it, are given as `3.1 times` and not in per cent.
const SMALLEST_MULTIPLE: f64 = 1.5;

/// Changes below this many per cent are none at one decimal.
const SMALLEST_SHARE: f64 = 0.05;

/// How much of something there is, by its ratio: `89.3 % fewer operations`, `3.1 times as many operations`.
pub(super) fn amount(ratio: f64, things: &str) -> String {
    let share = (ratio - 1.0).abs() * 100.0;
    match ratio {
        _ if share < SMALLEST_SHARE => format!("as many {things}"),
        ratio if ratio < 1.0 => format!("{share:.1} % fewer {things}"),
        ratio if ratio < SMALLEST_MULTIPLE => format!("{share:.1} % more {things}"),
        ratio => format!("{ratio:.1} times as many {things}"),
    }
}

/// The same compared with something: `89.3 % fewer operations than standard blocks`.
pub(super) fn amount_compared(ratio: f64, things: &str, with: &str) -> String {
    let is_equal = (ratio - 1.0).abs() * 100.0 < SMALLEST_SHARE;
    let than = if is_equal || ratio >= SMALLEST_MULTIPLE { "as" } else { "than" };
    format!("{} {than} {with}", amount(ratio, things))
}

/// How fast something is, by its latency ratio: `are 5.2 times as fast as`, `take 12.3 % longer than`.
pub(super) fn speed(latency: f64) -> String {
    let share = (latency - 1.0).abs() * 100.0;
    match latency {
        _ if share < SMALLEST_SHARE => "take as long as".to_owned(),
        ratio if ratio <= SMALLEST_MULTIPLE.recip() => format!("are {:.1} times as fast as", ratio.recip()),
        ratio if ratio < 1.0 => format!("take {share:.1} % less time than"),
        ratio if ratio < SMALLEST_MULTIPLE => format!("take {share:.1} % longer than"),
        ratio => format!("take {ratio:.1} times as long as"),
    }
}

/// How fast something is by its latency ratio, with the interval: `are 5.2 times as fast as standard ones
/// (4.9 to 5.4)`. If the interval holds no difference, that comes first.
pub(super) fn speed_compared(latency: &Ratio, with: &str) -> String {
    let Some(interval) = latency.interval else { return format!("{} {with}", speed(latency.value)) };
    let multiples = |low: f64, high: f64| format!("{low:.1} to {high:.1}");
    match latency.value {
        value if !latency.is_beyond_interval() => format!(
            "cannot be told apart from {with} by latency ({} %, {} to {})",
            percent(value),
            percent(interval.low),
            percent(interval.high)
        ),
        value if value <= SMALLEST_MULTIPLE.recip() => {
            format!("{} {with} ({})", speed(value), multiples(interval.high.recip(), interval.low.recip()))
        }
        value if value < SMALLEST_MULTIPLE => {
            let mut shares = [interval.low, interval.high].map(|end| (end - 1.0).abs() * 100.0);
            shares.sort_by(f64::total_cmp);
            format!("{} {with} ({:.1} to {:.1})", speed(value), shares[0], shares[1])
        }
        value => format!("{} {with} ({})", speed(value), multiples(interval.low, interval.high)),
    }
}

/// How many more there are, by a ratio with its interval: `12.3 % more (10.1 to 14.2)`.
pub(super) fn times(ratio: &Ratio) -> String {
    let ends = ratio.interval.map_or_else(String::new, |interval| match ratio.value {
        value if value >= SMALLEST_MULTIPLE => format!(" ({:.1} to {:.1})", interval.low, interval.high),
        _ => format!(" ({} to {} %)", percent(interval.low), percent(interval.high)),
    });
    match amount(ratio.value, "") {
        // The number is not certain to differ from none.
        text if text.starts_with("as many") => format!("as many{ends}"),
        text => format!("{}{ends}", text.trim_end()),
    }
}

/// The networks at a level of a factor: `standard blocks`, `networks with kernel size 5`.
pub(crate) fn networks(factor: Factor, level: &str) -> String {
    match factor {
        Factor::Block => format!("{level} blocks"),
        Factor::Kernel => format!("networks with kernel size {level}"),
        Factor::Batch => format!("networks with batch size {level}"),
        Factor::Input => format!("networks with input size {level}"),
        Factor::Precision => format!("{level} networks"),
        Factor::Width => format!("networks with width {level} %"),
        Factor::Depths => format!("networks with depths {level}"),
    }
}

/// `27 pairs, 2 missing`.
pub(super) fn pairs(count: usize, missing: usize) -> String {
    let pairs = if count == 1 { "one pair".to_owned() } else { format!("{count} pairs") };
    if missing == 0 { pairs } else { format!("{pairs}, {missing} missing") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_read_like_english() {
        let amounts = [0.107, 1.0, 1.2, 3.13].map(|ratio| amount_compared(ratio, "operations", "Y"));
        assert_eq!(
            amounts,
            [
                "89.3 % fewer operations than Y",
                "as many operations as Y",
                "20.0 % more operations than Y",
                "3.1 times as many operations as Y"
            ]
        );
        let speeds = [0.192, 0.9, 1.0, 1.1, 2.5].map(speed);
        assert_eq!(
            speeds,
            [
                "are 5.2 times as fast as",
                "take 10.0 % less time than",
                "take as long as",
                "take 10.0 % longer than",
                "take 2.5 times as long as"
            ]
        );
    }
}
