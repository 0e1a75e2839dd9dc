//! A table of a report, whoever writes it: its columns, and rows that each belong to a platform. `html` and
//! `csv` write it.

use crate::analysis::contrast::Ratio;
use crate::analysis::estimate::Estimate;
use crate::table::{Column, Datum, Kind};

/// A table over all platforms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sheet {
    /// Name of its file, without ending.
    pub(super) name: &'static str,
    pub(super) columns: Vec<Heading>,
    pub(super) rows: Vec<TableRow>,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heading {
    /// For programs.
    pub(super) name: &'static str,
    /// For people, with the unit.
    pub(super) text: &'static str,
    pub(super) kind: Kind,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableRow {
    /// Its platform; `None` if it concerns no platform or two.
    pub(super) platform: Option<usize>,
    /// One value for each column.
    pub(super) values: Vec<Datum>,
}

impl Sheet {
    /// The table of these rows, each with its platform.
    pub(super) fn new<R>(
        name: &'static str,
        rows: impl IntoIterator<Item = (Option<usize>, R)>,
        columns: &[Column<R>],
    ) -> Self {
        let row = |(platform, row): (Option<usize>, R)| TableRow {
            platform,
            values: columns.iter().map(|column| (column.read)(&row)).collect(),
        };
        Self {
            name,
            rows: rows.into_iter().map(row).collect(),
            columns: columns
                .iter()
                .map(|column| Heading { name: column.name, text: column.meaning, kind: column.kind })
                .collect(),
        }
    }
}

/// `yes` or `no`.
pub(super) fn yes_or_no(flag: bool) -> Datum {
    if flag { "yes" } else { "no" }.into()
}

/// A ratio that is known exactly.
pub(super) fn exact(ratio: f64) -> Datum {
    Datum::Change(ratio, None)
}

impl From<Estimate> for Datum {
    fn from(estimate: Estimate) -> Self {
        Self::Estimate(estimate.value, estimate.interval)
    }
}

impl From<Ratio> for Datum {
    fn from(ratio: Ratio) -> Self {
        Self::Change(ratio.value, ratio.interval)
    }
}
