//! The Pareto front of complexity and throughput: the configurations worth searching.
//!
//! Within one task (batch, input, number format) a configuration is on the front if no other has at most its
//! operations and at least its throughput. Data comes from cells; [`search_space`] turns it into YAML for
//! architecture search.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::analysis::Analysis;
use crate::analysis::cell::Cell;
use crate::analysis::factor::Factor;

/// The front of one task on one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Front {
    /// The platform.
    pub platform: usize,
    /// Batch size.
    pub batch: u32,
    /// Input size in pixels.
    pub input: u32,
    /// Number format.
    pub precision: String,
    /// Cells on the front, by operations.
    pub cells: Vec<usize>,
    /// The others, each with a cell on the front that has no more operations and no less throughput.
    pub dominated: Vec<Dominated>,
}

/// A cell that is not on the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Dominated {
    /// Index of the cell.
    pub cell: usize,
    /// A cell on the front that is at least as good in both.
    pub by: usize,
}

/// Platform, batch, input, number format.
type FrontKey<'a> = (usize, u32, u32, &'a str);

/// The fronts of all tasks.
pub(super) fn fronts(cells: &[Cell]) -> Vec<Front> {
    // Operations, throughput and place of each cell.
    let mut tasks: BTreeMap<FrontKey<'_>, Vec<(u64, f64, usize)>> = BTreeMap::new();
    for (index, cell) in cells.iter().enumerate() {
        if let (Some(configuration), Some(cost), Some(throughput)) =
            (&cell.configuration, cell.cost, cell.throughput)
        {
            let task = (cell.platform, configuration.batch, configuration.input, &*configuration.precision);
            tasks.entry(task).or_default().push((cost.operations, throughput.value, index));
        }
    }
    let tasks = tasks.into_iter().map(|((platform, batch, input, precision), mut points)| {
        // By operations; of equal ones the fastest first, so that it dominates the others.
        points.sort_by(|one, other| {
            one.0.cmp(&other.0).then(other.1.total_cmp(&one.1)).then(one.2.cmp(&other.2))
        });
        let mut front = Front {
            platform,
            batch,
            input,
            precision: precision.to_owned(),
            cells: Vec::new(),
            dominated: Vec::new(),
        };
        let mut best: Option<(f64, usize)> = None;
        for (_, throughput, cell) in points {
            match best {
                Some((highest, by)) if throughput <= highest => front.dominated.push(Dominated { cell, by }),
                _ => {
                    best = Some((throughput, cell));
                    front.cells.push(cell);
                }
            }
        }
        front
    });
    tasks.collect()
}

/// The Pareto-optimal choices of each platform as YAML: the configurations on the front of each task, and the
/// levels of each factor that are on any front.
///
/// Every text is quoted as in JSON, which YAML reads: names may hold anything.
pub fn search_space(analysis: &Analysis) -> String {
    let mut text = String::from(
        "# Pareto-optimal choices: no other configuration beats them in both operations and throughput.\n\
         # Throughput is in operations per second, latency in milliseconds; intervals are at 95 %.\n\
         search_space: 1\nplatforms:\n",
    );
    for (index, platform) in analysis.platforms.iter().enumerate() {
        let fronts: Vec<&Front> = analysis.fronts.iter().filter(|front| front.platform == index).collect();
        if fronts.is_empty() {
            continue;
        }
        text.push_str(&format!(
            "  - platform: {}\n    id: {}\n    simulated: {}\n",
            quoted(&platform.label),
            quoted(&platform.id),
            platform.simulated
        ));
        for (key, factor) in [("blocks", Factor::Block), ("kernels", Factor::Kernel)] {
            let levels: BTreeSet<_> = on_front(&fronts, &analysis.cells)
                .filter_map(|cell| cell.configuration.as_ref())
                .map(|configuration| factor.level(configuration))
                .collect();
            let texts: Vec<String> = levels
                .iter()
                .map(|level| match factor {
                    Factor::Block => quoted(level.text()),
                    _ => level.text().to_owned(),
                })
                .collect();
            text.push_str(&format!("    {key}: [{}]\n", texts.join(", ")));
        }
        text.push_str("    tasks:\n");
        for front in fronts {
            text.push_str(&task(front, &analysis.cells));
        }
    }
    if text.ends_with("platforms:\n") {
        text.truncate(text.len() - 1);
        text.push_str(" []\n");
    }
    text
}

fn on_front<'a>(fronts: &[&'a Front], cells: &'a [Cell]) -> impl Iterator<Item = &'a Cell> {
    fronts.iter().flat_map(|front| &front.cells).map(|&cell| &cells[cell])
}

fn task(front: &Front, cells: &[Cell]) -> String {
    let mut text = format!(
        "      - {{batch: {}, input: {}, precision: {}, choices: [\n",
        front.batch,
        front.input,
        quoted(&front.precision)
    );
    for (place, &cell) in front.cells.iter().enumerate() {
        let cell = &cells[cell];
        let (Some(configuration), Some(cost), Some(throughput)) =
            (&cell.configuration, cell.cost, cell.throughput)
        else {
            continue;
        };
        let [first, second, third, fourth] = configuration.depths;
        let interval = throughput
            .interval
            .map_or_else(|| "null".to_owned(), |span| format!("[{:e}, {:e}]", span.low, span.high));
        text.push_str(&format!(
            "          {{block: {}, kernel: {}, width_percent: {}, depths: [{first}, {second}, {third}, {fourth}], \
             operations: {}, latency: {}, throughput: {:e}, throughput_interval: {interval}, suspect: {}}}{}\n",
            quoted(&configuration.block),
            configuration.kernel,
            configuration.width_percent,
            cost.operations,
            cell.latency_ms.value,
            throughput.value,
            cell.is_suspect(),
            if place + 1 == front.cells.len() { "]}" } else { "," },
        ));
    }
    text
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
