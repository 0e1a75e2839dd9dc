//! What a figure shows, whoever draws it: axes, series of points with intervals, lines to compare with, and
//! what is missing.
//!
//! Made in `figures`; drawn by `svg` and, through JSON, by the script of the page. Nothing here knows colours
//! or pixels.

use crate::bundle::format::VerdictState;
pub(crate) use crate::report::palette::{Style, Symbol};
use crate::stats::Span;

/// A figure with at least one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its file's name without ending, unique in a report.
    pub name: String,
    /// Its platform; `None` if it shows several.
    pub platform: Option<usize>,
    /// The part of the report it belongs to.
    pub part: Part,
    /// Its title, harmless.
    pub title: String,
    /// Where it was measured, and what the clock covered; harmless.
    pub standing: String,
    /// What is excluded, what is marked, how to read it; harmless.
    pub notes: Vec<String>,
    /// Whether any of its points is simulated.
    pub simulated: bool,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Series, in the order of the legend.
    pub(crate) series: Vec<Series>,
    /// Lines to compare with.
    pub references: Vec<Reference>,
}

/// Parts of a report that have figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Fig. 1 of the paper.
    Blocks,
    /// Fig. 2.
    Kernels,
    /// Fig. 3.
    Bottlenecks,
    /// Roofline.
    Roofline,
    /// Latency over operations, with lines of equal throughput and the Pareto fronts.
    Choice,
    /// Where the time of profiled networks goes.
    Layers,
    /// Platforms side by side.
    Platforms,
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Quantity and unit.
    pub title: String,
    /// How values become places.
    pub(crate) scale: Scale,
}

/// How values become places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    /// Base 10; every value is positive.
    Logarithmic,
    /// Values are places in a list, in groups side by side.
    Categories(Vec<Group>),
}

/// Neighbouring categories with something in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// What they have in common.
    pub label: String,
    /// The categories.
    pub labels: Vec<String>,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// In the legend; harmless.
    pub name: String,
    /// The block to filter by, if it shows one; harmless.
    pub block: Option<String>,
    /// How it looks.
    pub style: Style,
    /// Whether a line joins the points of a segment.
    pub joined: bool,
    /// Its points, in runs without a gap.
    pub segments: Vec<Vec<Point>>,
}

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Horizontal value.
    pub x: f64,
    /// Vertical value.
    pub y: f64,
    /// Interval of `x`.
    pub x_interval: Option<Span>,
    /// Interval of `y`.
    pub y_interval: Option<Span>,
    /// What it is, and all its numbers; harmless, with lines separated by `\n`.
    pub hover: String,
    /// The worst verdict of the results behind it.
    pub verdict: VerdictState,
}

impl Point {
    /// Did something go wrong in a result behind it?
    pub fn is_suspect(&self) -> bool {
        self.verdict >= VerdictState::Suspect
    }
}

/// A line to compare with.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// What it means; harmless.
    pub name: String,
    /// Its corners.
    pub corners: Vec<(f64, f64)>,
    /// What it is for.
    pub(crate) role: Role,
}

/// What a line to compare with is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// In the legend, dotted.
    Guide,
    /// The best that was measured, drawn through; all of a figure share one entry of the legend.
    Front,
    /// Where something is equal; its name is at its last corner.
    Level,
}

impl Axis {
    /// An axis from zero.
    pub(super) fn linear(title: &str) -> Self {
        Self { title: title.to_owned(), scale: Scale::Linear }
    }

    /// An axis of powers of ten.
    pub(super) fn logarithmic(title: &str) -> Self {
        Self { title: title.to_owned(), scale: Scale::Logarithmic }
    }

    /// Whether the value can be drawn.
    pub(super) fn holds(&self, value: f64) -> bool {
        value.is_finite() && (self.scale != Scale::Logarithmic || value > 0.0)
    }

    /// The name of a value.
    pub(super) fn name_of(&self, value: f64) -> String {
        match &self.scale {
            Scale::Categories(groups) => {
                let mut place = value as usize;
                for group in groups {
                    if let Some(label) = group.labels.get(place) {
                        return format!("{}, {label}", group.label);
                    }
                    place -= group.labels.len();
                }
                String::new()
            }
            _ => super::text::number(value),
        }
    }
}

impl Figure {
    /// Every point, with its series.
    pub fn points(&self) -> impl Iterator<Item = (&Series, &Point)> {
        self.series
            .iter()
            .flat_map(|series| series.segments.iter().flatten().map(move |point| (series, point)))
    }

    /// Its description for screen readers.
    pub fn description(&self) -> String {
        let count = self.points().count();
        let notes = if self.notes.is_empty() { String::new() } else { format!(" {}", self.notes.join(" ")) };
        format!(
            "{} over {}: {count} points in {} series. {}{notes}",
            self.y.title,
            self.x.title,
            self.series.len(),
            self.standing,
        )
    }
}
