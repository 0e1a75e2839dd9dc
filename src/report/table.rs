//! A table, whoever writes it: columns with units, rows with numbers and intervals. `html` and `csv` write it.

use crate::analysis::contrast::Ratio;
use crate::analysis::estimate::Estimate;
use crate::analysis::estimate::Span;

/// A table over all platforms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// Its file's name without ending.
    pub(super) name: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<TableRow>,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableRow {
    /// The platform it is about; `None` where it is about none or two.
    pub(super) platform: Option<usize>,
    /// One value for each column.
    pub(super) values: Vec<Value>,
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name for programs.
    pub(super) name: &'static str,
    /// Its name for people, with the unit.
    pub(super) heading: &'static str,
    /// Type of its values.
    pub(super) kind: Kind,
}

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    /// A number with an interval: three columns for programs.
    Estimate,
    /// A ratio with an interval, a change in per cent for people.
    Change,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Absent,
    /// A foreign text, as it is: who writes it makes it harmless.
    Text(String),
    Integer(u64),
    Number(f64),
    Estimate(f64, Option<Span>),
    Change(f64, Option<Span>),
}

impl Table {
    pub(super) fn new(name: &'static str, columns: &[(&'static str, &'static str, Kind)]) -> Self {
        let columns = columns.iter().map(|&(name, heading, kind)| Column { name, heading, kind }).collect();
        Self { name, columns, rows: Vec::new() }
    }

    pub(super) fn push(&mut self, platform: Option<usize>, values: Vec<Value>) {
        debug_assert_eq!(values.len(), self.columns.len(), "{}", self.name);
        self.rows.push(TableRow { platform, values });
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Integer(number as u64)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Text(if flag { "yes" } else { "no" }.to_owned())
    }
}

impl From<Estimate> for Value {
    fn from(estimate: Estimate) -> Self {
        Self::Estimate(estimate.value, estimate.interval)
    }
}

impl From<Ratio> for Value {
    fn from(ratio: Ratio) -> Self {
        Self::Change(ratio.value, ratio.interval)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}
