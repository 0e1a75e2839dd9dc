//! Tables, whatever writes them: a column has a name, a type, a unit, a meaning and the function that reads
//! it off a row.
//!
//! `export`, `report` and `cli::networks` make tables; [`csv`] is the one writer of comma-separated values.

use crate::stats::Span;

pub(crate) mod csv;

/// One column of rows of type `R`.
pub(crate) struct Column<R> {
    /// What programs call it; never reused for anything else.
    pub(crate) name: &'static str,
    /// Type of its values.
    pub(crate) kind: Kind,
    /// Their unit; empty for none.
    #[cfg_attr(not(all(test, feature = "desk")), expect(dead_code, reason = "documents show it"))]
    pub(crate) unit: &'static str,
    /// What it means, for people: a sentence in documents, a heading in a report.
    #[cfg_attr(not(feature = "desk"), expect(dead_code, reason = "documents and reports show it"))]
    pub(crate) meaning: &'static str,
    /// Its value in a row.
    pub(crate) read: fn(&R) -> Datum,
}

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "desk"), expect(dead_code, reason = "only the desk side has these types"))]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A whole number, never negative.
    Integer,
    /// A number with a fraction.
    Number,
    /// True or false.
    Boolean,
    /// A list of whole numbers. CSV leaves these columns out.
    Integers,
    /// A number with an interval: three columns in CSV.
    Estimate,
    /// A ratio with an interval: three columns in CSV, a change in per cent for people.
    Change,
}

/// A value; its column's [`Kind`] decides which variant, or [`Datum::Absent`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(not(feature = "desk"), expect(dead_code, reason = "only the desk side has these types"))]
pub(crate) enum Datum {
    /// Not known, or not finite.
    Absent,
    /// Text as it came; the writer escapes it.
    Text(String),
    Integer(u64),
    Number(f64),
    Boolean(bool),
    Integers(Vec<u64>),
    Estimate(f64, Option<Span>),
    Change(f64, Option<Span>),
}

/// A column without a unit, or with the unit in its meaning.
pub(crate) const fn column<R>(
    name: &'static str,
    kind: Kind,
    meaning: &'static str,
    read: fn(&R) -> Datum,
) -> Column<R> {
    Column { name, kind, unit: "", meaning, read }
}

impl<T: Into<Datum>> From<Option<T>> for Datum {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Datum {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Datum {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<usize> for Datum {
    fn from(number: usize) -> Self {
        Self::Integer(number as u64)
    }
}

impl From<f64> for Datum {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Absent }
    }
}

impl From<bool> for Datum {
    fn from(flag: bool) -> Self {
        Self::Boolean(flag)
    }
}
