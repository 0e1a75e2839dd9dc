//! The summary that trtexec prints after its queries, as a second witness of their times. Pure.
//!
//! A line that is lost or doubled on the way from trtexec would shift warm-up and timed runs without any
//! other trace.

use super::times::nanoseconds;
use crate::units::Nanos;

/// The report prints six digits.
const PRINTED: f64 = 1e-5;

/// Relative error that each addition of 32-bit floats may add to trtexec's mean.
const PER_ADDITION: f64 = 1.2e-7;

/// GPU compute time over all queries, and how many there were.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Summary {
    /// Since 8.0; 7 prints 0 for a model with explicit batch.
    queries: Option<usize>,
    minimum: Option<Nanos>,
    maximum: Option<Nanos>,
    mean: Option<Nanos>,
    median: Option<Nanos>,
    /// 7 prints one statistic a line, below a heading.
    is_below_heading: bool,
}

impl Summary {
    /// Look at one more line.
    pub(super) fn take(&mut self, text: &str) {
        if let Some(rest) = text.strip_prefix("Timing trace has ") {
            let number = rest.split(' ').next().and_then(|word| word.parse().ok());
            self.queries = number.filter(|queries| *queries > 0);
        } else if let Some(statistics) = text.strip_prefix("GPU Compute Time: ") {
            statistics.split(", ").for_each(|one| self.read(one, " = "));
        } else if text.trim_end() == "GPU Compute" {
            self.is_below_heading = true;
        } else if self.is_below_heading {
            self.read(text, ": ");
            self.is_below_heading = !text.starts_with("total compute time");
        }
    }

    fn read(&mut self, statistic: &str, between: &str) {
        let Some((name, value)) = statistic.split_once(between) else { return };
        let place = match name {
            "min" => &mut self.minimum,
            "max" => &mut self.maximum,
            "mean" => &mut self.mean,
            "median" => &mut self.median,
            _ => return,
        };
        *place = value.split_once(" ms").and_then(|(number, _)| number.parse().ok()).and_then(nanoseconds);
    }

    /// Does it say enough to be a witness?
    pub(super) fn is_whole(&self) -> bool {
        [self.minimum, self.maximum, self.mean, self.median].iter().all(Option::is_some)
    }

    /// What it says otherwise than the times of the queries.
    pub(super) fn contradicts(&self, latency_ns: &[Nanos]) -> Option<String> {
        let count = latency_ns.len();
        if let Some(queries) = self.queries.filter(|queries| *queries != count) {
            return Some(format!("its summary counts {queries} queries, and it shows the times of {count}"));
        }
        let mut sorted: Vec<f64> = latency_ns.iter().map(|latency| latency.0 as f64).collect();
        sorted.sort_by(f64::total_cmp);
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let median = f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]);
        let mean = sorted.iter().sum::<f64>() / count as f64;
        let sum_error = PRINTED + PER_ADDITION * count as f64;
        let compared = [
            ("minimum", self.minimum, first, PRINTED),
            ("maximum", self.maximum, last, PRINTED),
            ("mean", self.mean, mean, sum_error),
            ("median", self.median, median, PRINTED),
        ];
        compared.into_iter().find_map(|(name, printed, ours, error)| {
            let printed = printed?.0 as f64;
            ((printed - ours).abs() > ours * error + 1.0).then(|| {
                format!("its summary gives {printed} ns as {name}, and the times it shows {ours:.0} ns")
            })
        })
    }
}
