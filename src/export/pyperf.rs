//! pyperf's JSON, for `pyperf stats` and `pyperf compare_to`: a benchmark for each cell, a run for each
//! process, values in seconds.
//!
//! pyperf compares benchmarks of equal names, so the name is that of the network and the runtime; it includes
//! the platform only if the file holds several.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::json;

use super::{Export, Results};
use crate::analysis::row::Row;

pub(super) const EXPORT: Export = Export {
    name: "pyperf",
    summary: "JSON for `pyperf stats` and `pyperf compare_to`; usable results only",
    is_binary: false,
    write,
    write_layers: None,
};

/// Version of pyperf's file format.
const FORMAT: &str = "1.0";

fn write(results: &Results<'_>, output: &mut (dyn Write + Send)) -> io::Result<usize> {
    let mut benchmarks: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    let mut left_out = 0;
    for row in results.rows {
        match (row.usable(), row.subject(), row.platform) {
            (Ok(_), Some(subject), Some(platform)) => {
                let platform = &results.platforms[platform];
                let runtime = platform.identity.software.as_ref().map_or("", |software| &software.runtime);
                let mut name = format!("{subject} {runtime}");
                if results.platforms.len() > 1 {
                    name.push_str(&format!(" on {}", platform.label));
                }
                benchmarks.entry(name).or_default().push(row);
            }
            _ => left_out += 1,
        }
    }
    let benchmarks: Vec<serde_json::Value> =
        benchmarks.iter().map(|(name, rows)| benchmark(name, rows)).collect();
    serde_json::to_writer(&mut *output, &json!({ "version": FORMAT, "benchmarks": benchmarks }))?;
    output.write_all(b"\n")?;
    Ok(left_out)
}

fn benchmark(name: &str, rows: &[&Row]) -> serde_json::Value {
    let runs: Vec<serde_json::Value> = rows.iter().flat_map(|row| runs(row)).collect();
    // `loops`: how many calls each value is the mean of.
    json!({ "metadata": { "name": name, "unit": "second", "loops": 1 }, "runs": runs })
}

fn runs(row: &Row) -> impl Iterator<Item = serde_json::Value> + '_ {
    row.used().map(|process| {
        let seconds: Vec<f64> = process.latency_ns.iter().map(|&latency| latency as f64 / 1e9).collect();
        json!({
            "metadata": { "backbone_id": row.id, "backbone_verdict": row.verdict, "backbone_finished": row.finished },
            "values": seconds,
        })
    })
}
