//! The file that `--exportTimes` writes: one object a query. Pure.
//!
//! `computeMs` is computed before printing, while the starts and ends next to it lose digits during the run
//! (0.1 ms after 10 s), and 7.1 and 7.2 swap some of them: they only say how long the loop has run.

use serde::Deserialize;

use crate::units::Nanos;

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "computeMs")]
    compute_milliseconds: f64,
    #[serde(rename = "endComputeMs")]
    end_milliseconds: Option<f64>,
}

/// What the file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    /// GPU compute time of every query, in order, warm-up included if the release exports it.
    pub latency_ns: Vec<Nanos>,
    /// The latest end of a query, in milliseconds since the loop began.
    pub last_milliseconds: Option<f64>,
}

/// `None` if the file is incomplete.
pub fn parse(text: &[u8]) -> Option<Times> {
    let queries: Vec<Query> = serde_json::from_slice(text).ok()?;
    let last_milliseconds = queries.iter().filter_map(|query| query.end_milliseconds).reduce(f64::max);
    let latency_ns =
        queries.into_iter().map(|query| nanoseconds(query.compute_milliseconds)).collect::<Option<_>>()?;
    Some(Times { latency_ns, last_milliseconds })
}

/// Milliseconds as whole nanoseconds; `None` for numbers that are no duration.
pub(super) fn nanoseconds(milliseconds: f64) -> Option<Nanos> {
    let nanoseconds = (milliseconds * 1e6).round();
    (nanoseconds >= 0.0 && nanoseconds <= u64::MAX as f64).then_some(Nanos(nanoseconds as u64))
}
