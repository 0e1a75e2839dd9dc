//! Cells: all usable results of one configuration (or one model file) on one platform, and what they say
//! together.
//!
//! Several bundles of one cell are several sets of processes. Rows that are not usable stay out and are
//! counted with the reason. Data comes from rows, goes to every table.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::analysis::AnalysisOptions;
use crate::analysis::estimate::{Covers, Estimate, Uncertainty, Variation, span};
use crate::analysis::factor;
use crate::analysis::platform::Platform;
use crate::analysis::process::RowProcess;
use crate::analysis::row::{LeftOut, Row, RowCost};
use crate::bundle::format::{Configuration, ProtocolName, Role, VerdictState};
use crate::parallel;
use crate::stats::Span;
use crate::stats::resample::seed_of;

/// One configuration or model on one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Its platform.
    pub platform: usize,
    /// Name of θ, or of the model with the first digits of its digest.
    pub subject: String,
    /// θ; `None` for a dropped model.
    pub configuration: Option<Configuration>,
    /// What one inference costs; `None` if unknown, or if its rows disagree.
    pub cost: Option<RowCost>,
    /// The rows behind it.
    pub rows: Vec<usize>,
    /// The protocols by which they were measured: one, unless results of several were put together.
    pub protocols: BTreeSet<ProtocolName>,
    /// The worst of their verdicts.
    pub verdict: VerdictState,
    /// Processes behind it.
    pub processes: usize,
    /// Timed runs behind it.
    pub runs: usize,
    /// Mean latency in milliseconds: the mean of the processes' means.
    pub latency_ms: Estimate,
    /// Operations for each second of the mean latency.
    pub throughput: Option<Estimate>,
    /// Energy of one inference above idle, in J: the mean of the rows that have it, with the interval if only
    /// one has.
    pub energy_joules: Option<Estimate>,
}

impl Cell {
    /// Did something go wrong in any of its rows?
    pub fn is_suspect(&self) -> bool {
        self.verdict >= VerdictState::Suspect
    }
}

/// How the intervals of a platform were made, and what they exclude.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Basis {
    /// What intervals cover.
    pub covers: Covers,
    /// Relative standard deviation between processes that the cells have in common; `None` if unknown.
    pub between_processes: Option<f64>,
    /// Resamples behind each interval.
    pub resamples: usize,
    /// Rows that enter no aggregate, by reason.
    pub left_out: BTreeMap<LeftOut, usize>,
    /// Rows of sentinels, which are no configurations and enter no aggregate.
    pub sentinels: usize,
    /// Rows that enter although their verdict is suspect.
    pub suspect: usize,
    /// Rows that enter although their verdict is unverified.
    pub unverified: usize,
}

/// Replicates of all cells of a report together. A report on more than two thousand cells gets fewer
/// resamples: the ends of its intervals are settled less well, and it takes seconds still.
const MOST_REPLICATES: usize = 20_000_000;

/// The fewest resamples whose 95 % interval still means something (see
/// [`crate::stats::resample::RESAMPLES`]).
const FEWEST_RESAMPLES: usize = 1_000;

/// Make the cells of every platform: sets [`Row::cell`], and gives the cells and the basis of each platform.
pub(super) fn group(
    rows: &mut [Row],
    platforms: &[Platform],
    options: &AnalysisOptions,
) -> (Vec<Cell>, Vec<Basis>) {
    let mut members: BTreeMap<(usize, String), Vec<usize>> = BTreeMap::new();
    let mut bases: Vec<Basis> = platforms.iter().map(|_| Basis::empty()).collect();
    for (index, row) in rows.iter().enumerate() {
        let Some(platform) = row.platform else { continue };
        if row.role == Role::Sentinel {
            bases[platform].sentinels += 1;
            continue;
        }
        match (usable(row, options), subject(row)) {
            (Ok(()), Some(subject)) => {
                bases[platform].suspect += usize::from(row.verdict == VerdictState::Suspect);
                bases[platform].unverified += usize::from(row.verdict == VerdictState::Unverified);
                members.entry((platform, subject)).or_default().push(index);
            }
            (Err(reason), _) => *bases[platform].left_out.entry(reason).or_insert(0) += 1,
            (Ok(()), None) => *bases[platform].left_out.entry(LeftOut::NotMeasured).or_insert(0) += 1,
        }
    }
    let mut cells = Vec::with_capacity(members.len());
    for ((platform, subject), members) in members {
        for &member in &members {
            rows[member].cell = Some(cells.len());
        }
        cells.push(cell(rows, platform, subject, members));
    }
    (cells, bases)
}

/// Whether a row enters aggregates, and if not, why.
pub(super) fn usable(row: &Row, options: &AnalysisOptions) -> Result<(), LeftOut> {
    match row.usable() {
        Err(reason) => Err(reason),
        Ok(_) if options.only_valid && row.verdict == VerdictState::Suspect => Err(LeftOut::Suspect),
        Ok(_) if options.only_valid && row.verdict == VerdictState::Unverified => Err(LeftOut::Unverified),
        Ok(_) => Ok(()),
    }
}

/// The network that a row measured.
pub(super) fn subject(row: &Row) -> Option<String> {
    row.configuration.as_ref().map(factor::name).or_else(|| row.subject())
}

impl Basis {
    fn empty() -> Self {
        Self {
            covers: Covers::MeasuredProcesses,
            between_processes: None,
            resamples: 0,
            left_out: BTreeMap::new(),
            sentinels: 0,
            suspect: 0,
            unverified: 0,
        }
    }
}

fn cell(rows: &[Row], platform: usize, subject: String, members: Vec<usize>) -> Cell {
    let first = &rows[members[0]];
    let means: Vec<f64> =
        members.iter().flat_map(|&member| rows[member].used()).map(RowProcess::mean_ms).collect();
    Cell {
        platform,
        subject,
        configuration: first.configuration.clone(),
        cost: first.cost.filter(|_| members.iter().all(|&member| rows[member].cost == first.cost)),
        verdict: members.iter().map(|&member| rows[member].verdict).max().unwrap_or(VerdictState::Valid),
        protocols: members.iter().map(|&member| rows[member].protocol).collect(),
        processes: means.len(),
        runs: members
            .iter()
            .flat_map(|&member| rows[member].used())
            .map(|process| process.latency_ns.len())
            .sum(),
        latency_ms: Estimate { value: means.iter().sum::<f64>() / means.len() as f64, interval: None },
        throughput: None,
        energy_joules: energy(rows, &members),
        rows: members,
    }
}

fn energy(rows: &[Row], members: &[usize]) -> Option<Estimate> {
    let measured: Vec<(f64, Option<Span>)> = members
        .iter()
        .filter_map(|&member| rows[member].energy.as_ref())
        .filter_map(|energy| Some((energy.joules_per_inference?, energy.interval)))
        .collect();
    let interval = match *measured {
        [] => return None,
        [(_, interval)] => interval,
        _ => None,
    };
    let value = measured.iter().map(|(joules, _)| joules).sum::<f64>() / measured.len() as f64;
    Some(Estimate { value, interval })
}

/// How sure each of one platform's cells is; fills in their intervals and the platform's basis. The report
/// has `all_cells`.
pub(super) fn estimate(
    rows: &[Row],
    cells: &mut [Cell],
    platform: &Platform,
    basis: &mut Basis,
    options: &AnalysisOptions,
    all_cells: usize,
) -> Vec<Uncertainty> {
    let processes: Vec<Vec<&RowProcess>> =
        cells.iter().map(|cell| cell.rows.iter().flat_map(|&row| rows[row].used()).collect()).collect();
    let variation = Variation::of(&processes);
    let affordable = (MOST_REPLICATES / all_cells.max(1)).max(FEWEST_RESAMPLES);
    basis.resamples = options.resamples.min(affordable);
    basis.covers = variation.covers();
    basis.between_processes = variation.between_processes();
    let pairs: Vec<(&Cell, &Vec<&RowProcess>)> = cells.iter().zip(&processes).collect();
    let found = parallel::map(&pairs, |(cell, processes)| {
        let seed = seed_of(options.seed, &format!("{}/{}", platform.id, cell.subject));
        let value = cell.latency_ms.value;
        let uncertainty = variation.uncertainty(processes, value, seed, basis.resamples);
        let interval =
            uncertainty.variance.and_then(|variance| span(value, &uncertainty.replicates, &[variance]));
        (uncertainty, interval)
    });
    let mut uncertainties = Vec::with_capacity(found.len());
    for (cell, (uncertainty, interval)) in cells.iter_mut().zip(found) {
        cell.latency_ms.interval = interval;
        cell.throughput = cell.cost.map(|cost| {
            let operations_per_millisecond = cost.operations as f64 * 1e3;
            Estimate {
                value: operations_per_millisecond / cell.latency_ms.value,
                interval: interval.map(|interval| interval.under(operations_per_millisecond)),
            }
        });
        uncertainties.push(uncertainty);
    }
    uncertainties
}
