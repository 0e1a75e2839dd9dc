//! The paper's figures and its feasibility table, as lists of cells: what was measured, and what is missing
//! and why.
//!
//! Figure 1: throughput and latency by block over input × batch, k = 3. Figure 2: by kernel. Figure 3:
//! bottleneck against none, which are contrasts. Data comes from cells and rows; nothing is computed here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::analysis::cell::subject;
use crate::analysis::contrast::{Contrast, why};
use crate::analysis::factor::{Factor, Level};
use crate::analysis::row::Row;
use crate::bundle::format::{Configuration, Status};
use crate::network::configuration::RESNET_50_DEPTHS;

/// The kernel at which blocks are shown side by side, the paper's.
pub(crate) const KERNEL_OF_BLOCKS: u32 = 3;

/// What ran on a platform and what did not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Feasibility {
    /// The platform.
    pub platform: usize,
    /// For each block, how many configurations were tried and how many were measured; models under the name
    /// `None`.
    pub blocks: Vec<BlockFeasibility>,
    /// Every row that was not measured.
    pub gaps: Vec<Gap>,
}

/// One block's part of the feasibility table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockFeasibility {
    /// The block; `None` for dropped models.
    pub block: Option<String>,
    /// Configurations that were tried.
    pub tried: usize,
    /// Configurations that have a cell.
    pub measured: usize,
    /// The others, by how they ended.
    pub not_measured: BTreeMap<String, usize>,
}

/// A row that was not measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gap {
    /// Index of the row.
    pub row: usize,
    /// What was to be measured.
    pub subject: Option<String>,
    /// How it ended: status and reason.
    pub why: String,
    /// Whether another row measured it.
    pub measured_otherwise: bool,
}

/// A figure of one platform for one number format: one line for each block.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The platform.
    pub platform: usize,
    /// Which figure.
    pub kind: FigureKind,
    /// Number format.
    pub precision: String,
    /// The lines.
    pub lines: Vec<FigureLine>,
}

/// The figures that are lists of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureKind {
    /// Blocks over input × batch at k = 3 (Fig. 1).
    Blocks,
    /// Kernels (Fig. 2).
    Kernels,
}

/// One block in a figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureLine {
    /// The block.
    pub block: String,
    /// Its points, by input, batch, kernel: the same for every line of the figure.
    pub points: Vec<FigurePoint>,
}

/// One point of a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigurePoint {
    /// Input size in pixels.
    pub input: u32,
    /// Batch size.
    pub batch: u32,
    /// Kernel size.
    pub kernel: u32,
    /// Its cell.
    pub cell: Option<usize>,
    /// Why there is no cell.
    pub missing: Option<String>,
}

/// The feasibility of every platform.
pub(super) fn feasibility(platform: usize, rows: &[Row]) -> Feasibility {
    let members = || rows.iter().enumerate().filter(|(_, row)| row.platform == Some(platform));
    let measured: BTreeSet<String> =
        members().filter(|(_, row)| row.cell.is_some()).filter_map(|(_, row)| subject(row)).collect();
    let mut blocks: BTreeMap<Option<Level>, BTreeMap<String, Option<String>>> = BTreeMap::new();
    for (_, row) in members() {
        let Some(subject) = subject(row) else { continue };
        let block = row.configuration.as_ref().map(|configuration| Factor::Block.level(configuration));
        let ended = (!measured.contains(&subject)).then(|| why(row));
        blocks.entry(block).or_default().insert(subject, ended);
    }
    let table = |(block, subjects): (Option<Level>, BTreeMap<String, Option<String>>)| {
        let mut not_measured = BTreeMap::new();
        for why in subjects.values().flatten() {
            *not_measured.entry(why.clone()).or_insert(0) += 1;
        }
        BlockFeasibility {
            block: block.map(|level| level.text().to_owned()),
            tried: subjects.len(),
            measured: subjects.values().filter(|ended| ended.is_none()).count(),
            not_measured,
        }
    };
    let gaps = members().filter(|(_, row)| row.status != Status::Measured).map(|(index, row)| {
        let subject = subject(row);
        Gap {
            row: index,
            measured_otherwise: subject.as_ref().is_some_and(|subject| measured.contains(subject)),
            subject,
            why: why(row),
        }
    });
    Feasibility { platform, gaps: gaps.collect(), blocks: blocks.into_iter().map(table).collect() }
}

/// The figures of one platform.
pub(super) fn figures(platform: usize, rows: &[Row]) -> Vec<Figure> {
    let mut precisions: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.platform == Some(platform)) {
        if let Some(configuration) = row.configuration.as_ref().filter(|one| is_papers_shape(one)) {
            precisions.entry(&configuration.precision).or_default().push(row);
        }
    }
    let mut figures = Vec::new();
    for (precision, rows) in precisions {
        for kind in [FigureKind::Blocks, FigureKind::Kernels] {
            let rows: Vec<&Row> = rows.iter().copied().filter(|row| belongs(kind, row)).collect();
            let figure = Figure { platform, kind, precision: precision.to_owned(), lines: lines(&rows) };
            if figure.lines.iter().flat_map(|line| &line.points).any(|point| point.cell.is_some()) {
                figures.push(figure);
            }
        }
    }
    figures
}

/// Contrasts of a block with the same one inside a bottleneck (Fig. 3), by their places.
pub(super) fn bottlenecks(contrasts: &[Contrast]) -> Vec<usize> {
    let is_bottleneck_of = |contrast: &Contrast| contrast.to == format!("bottleneck-{}", contrast.from);
    let wanted = |contrast: &Contrast| contrast.factor == Factor::Block && is_bottleneck_of(contrast);
    (0..contrasts.len()).filter(|&index| wanted(&contrasts[index])).collect()
}

/// Figures show the paper's widths and depths; others are in the tables.
fn is_papers_shape(configuration: &Configuration) -> bool {
    configuration.width_percent == 100 && configuration.depths == RESNET_50_DEPTHS
}

fn belongs(kind: FigureKind, row: &Row) -> bool {
    let kernel = row.configuration.as_ref().map(|configuration| configuration.kernel);
    kind == FigureKind::Kernels || kernel == Some(KERNEL_OF_BLOCKS)
}

fn lines(rows: &[&Row]) -> Vec<FigureLine> {
    let mut columns: BTreeSet<(u32, u32, u32)> = BTreeSet::new();
    let mut found: BTreeMap<(Level, u32, u32, u32), &Row> = BTreeMap::new();
    let mut blocks: BTreeSet<Level> = BTreeSet::new();
    for row in rows {
        let Some(configuration) = &row.configuration else { continue };
        let column = (configuration.input, configuration.batch, configuration.kernel);
        let block = Factor::Block.level(configuration);
        columns.insert(column);
        blocks.insert(block.clone());
        let entry = found.entry((block, column.0, column.1, column.2)).or_insert(row);
        if entry.cell.is_none() {
            *entry = row;
        }
    }
    let line = |block: Level| FigureLine {
        points: columns
            .iter()
            .map(|&(input, batch, kernel)| {
                let row = found.get(&(block.clone(), input, batch, kernel));
                let cell = row.and_then(|row| row.cell);
                let reason = || row.map_or_else(|| "not in the data".to_owned(), |row| why(row));
                FigurePoint { input, batch, kernel, cell, missing: cell.is_none().then(reason) }
            })
            .collect(),
        block: block.text().to_owned(),
    };
    blocks.into_iter().map(line).collect()
}
