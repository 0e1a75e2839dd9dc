//! The file that `--exportTimes` writes: one object a query. Pure.
//!
//! Only `computeMs` is read. It is computed before printing, while the starts and ends next to it lose digits
//! during the run (0.1 ms after 10 s), and 7.1 and 7.2 swap some of them.

use serde::Deserialize;

use super::report::nanoseconds;
use crate::units::Nanos;

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "computeMs")]
    compute_milliseconds: f64,
}

/// GPU compute time of every query, in order, warm-up included if the release exports it; `None` if the file
/// is incomplete.
pub fn parse(text: &[u8]) -> Option<Vec<Nanos>> {
    let queries: Vec<Query> = serde_json::from_slice(text).ok()?;
    queries.into_iter().map(|query| nanoseconds(query.compute_milliseconds)).collect()
}
