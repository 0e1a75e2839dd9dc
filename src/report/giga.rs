//! Thousands of millions: the unit in which a report shows operations and throughput.

use crate::analysis::estimate::Estimate;
use crate::stats::Span;

pub(super) const GIGA: f64 = 1e9;

/// An interval in thousands of millions.
pub(super) fn span(span: Span) -> Span {
    Span { low: span.low / GIGA, high: span.high / GIGA }
}

/// An estimate in thousands of millions.
pub(super) fn estimate(estimate: Estimate) -> Estimate {
    Estimate { value: estimate.value / GIGA, interval: estimate.interval.map(span) }
}
