//! What to use: for each task the networks in the order of their latency, with what comes next and what a
//! wrong choice costs.
//!
//! A task is what no architecture changes: number format, input and batch size. Dropped models are one task
//! of a platform, because nothing says that they solve different ones. Data comes from cells and fronts, goes
//! to `advice` and reports.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::cell::Cell;
use crate::analysis::compare::student_ratio;
use crate::analysis::contrast::Ratio;
use crate::analysis::pareto::Front;
use crate::stats::moderate::Variance;

/// What was measured for one task on one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// The platform.
    pub platform: usize,
    /// The task; `None` for dropped models.
    pub task: Option<Task>,
    /// Every network, the fastest first.
    pub ranking: Vec<Ranked>,
    /// The cell with the most operations per second, if any operations are known.
    pub most_efficient: Option<usize>,
    /// The cell with the least energy for each inference, if it was measured.
    pub least_energy: Option<usize>,
    /// Index of the Pareto front of operations and throughput, between the fastest and the most efficient.
    pub front: Option<usize>,
}

/// A task of networks of the family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Task {
    /// Number format.
    pub precision: String,
    /// Input size in pixels.
    pub input: u32,
    /// Batch size.
    pub batch: u32,
}

/// A network in a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ranked {
    /// Index of the cell.
    pub cell: usize,
    /// Its mean latency over that of the fastest, with Student's interval on a logarithmic scale; 1 without
    /// an interval for the fastest itself.
    pub latency: Ratio,
}

impl Ranked {
    /// Is it slower than the fastest beyond the interval?
    pub(crate) fn is_slower(&self) -> bool {
        self.latency.interval.is_some_and(|interval| interval.low > 1.0)
    }
}

impl Choice {
    /// The fastest; no ranking is empty.
    pub(crate) fn fastest(&self) -> &Ranked {
        &self.ranking[0]
    }

    /// The next, if there is one.
    pub(crate) fn runner_up(&self) -> Option<&Ranked> {
        self.ranking.get(1)
    }

    /// What the worst choice would have been.
    pub(crate) fn slowest(&self) -> Option<&Ranked> {
        self.ranking.get(1..)?.last()
    }

    /// How many cannot be told apart from the fastest, itself not counted.
    pub(crate) fn ties(&self) -> usize {
        self.ranking.iter().skip(1).filter(|ranked| !ranked.is_slower()).count()
    }
}

/// The choices of every platform, by task; dropped models last.
pub(super) fn choices(cells: &[Cell], variances: &[Option<Variance>], fronts: &[Front]) -> Vec<Choice> {
    // `None` comes before every task, and dropped models are to come last.
    let mut tasks: BTreeMap<(usize, bool, Option<Task>), Vec<usize>> = BTreeMap::new();
    for (index, cell) in cells.iter().enumerate() {
        let task = cell.configuration.as_ref().map(|theta| Task {
            precision: theta.precision.clone(),
            input: theta.input,
            batch: theta.batch,
        });
        tasks.entry((cell.platform, task.is_none(), task)).or_default().push(index);
    }
    let choice = |((platform, _, task), mut members): ((usize, bool, Option<Task>), Vec<usize>)| {
        let latency = |cell: usize| cells[cell].latency_ms.value;
        members.sort_by(|&one, &other| latency(one).total_cmp(&latency(other)).then(one.cmp(&other)));
        let fastest = members[0];
        let ranked = |&cell: &usize| {
            let latency = if cell == fastest {
                Ratio { value: 1.0, interval: None, standard_error: None, degrees_of_freedom: None }
            } else {
                student_ratio((latency(cell) / latency(fastest)).ln(), &[variances[fastest], variances[cell]])
            };
            Ranked { cell, latency }
        };
        let is_front = |front: &Front| {
            front.platform == platform
                && task.as_ref().is_some_and(|task| {
                    (front.batch, front.input, &front.precision) == (task.batch, task.input, &task.precision)
                })
        };
        Choice {
            platform,
            ranking: members.iter().map(ranked).collect(),
            most_efficient: best(&members, |cell| Some(cells[cell].throughput?.value)),
            least_energy: best(&members, |cell| Some(-cells[cell].energy_joules?.value)),
            front: fronts.iter().position(is_front),
            task,
        }
    };
    tasks.into_iter().map(choice).collect()
}

/// The member with the highest value, the first of equal ones.
fn best(members: &[usize], read: impl Fn(usize) -> Option<f64>) -> Option<usize> {
    let known = members.iter().filter_map(|&member| Some((member, read(member)?)));
    let highest = known.reduce(|best, next| if next.1 > best.1 { next } else { best });
    highest.map(|(member, _)| member)
}
