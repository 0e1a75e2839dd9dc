//! Reports: what an analysis says, for people. One [`figure::Figure`] and one [`table::Sheet`] value feed
//! every writer.
//!
//! Pure: takes an [`Analysis`] and what `collect` could not use, returns named files, which `cli` writes. The
//! only thing computed here is where a number goes on the page. Texts from jobs and hosts are hostile until
//! [`text::told`] has cleaned them.

use crate::analysis::Analysis;
use crate::collect::Oddity;

mod csv;
pub(crate) mod figure;
mod figures;
mod giga;
mod html;
mod palette;
mod svg;
mod table;
mod tables;
#[cfg(test)]
mod tests;
mod text;

/// Every output, in the order in which they are written.
pub const RENDERERS: &[Renderer] = &[html::RENDERER, svg::RENDERER, csv::RENDERER];

/// One output of a report.
#[derive(Debug)]
pub struct Renderer {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub summary: &'static str,
    /// Where its files go.
    pub destination: Destination,
    render: Render,
}

/// The files of an output, each made on request: a report on a fleet has hundreds.
type Render = for<'a> fn(&'a Report<'a>) -> Box<dyn Iterator<Item = File> + 'a>;

/// Where the files of a renderer go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// Its one file is the report.
    Report,
    /// The folder next to the report.
    Folder,
}

/// A file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name: letters, digits, `-`, `_` and `.` alone. Empty for the report, which the caller names.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// What a report covers.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What the results say.
    pub analysis: &'a Analysis,
    /// Files that gave no result, or that need a look.
    pub oddities: &'a [Oddity],
    /// Number of files examined.
    pub files: usize,
    /// Name of the folder next to the report.
    pub folder: &'a str,
    /// Results that were collected and that the reader did not ask for.
    pub not_asked_for: usize,
    /// Its figures, and those that could not be drawn.
    figures: &'a figures::Figures,
}

/// The figures of an analysis, made once for all renderers.
#[derive(Debug)]
pub struct Drawn(figures::Figures);

impl Drawn {
    /// Every figure that the analysis has the numbers for.
    pub fn new(analysis: &Analysis) -> Self {
        Self(figures::figures(analysis))
    }

    /// The figures.
    pub fn figures(&self) -> &[figure::Figure] {
        &self.0.drawn
    }
}

impl<'a> Report<'a> {
    /// A report on an analysis; `folder` is the name of the folder next to it.
    pub fn new(
        analysis: &'a Analysis,
        drawn: &'a Drawn,
        files: usize,
        oddities: &'a [Oddity],
        folder: &'a str,
    ) -> Self {
        Self { analysis, oddities, files, folder, not_asked_for: 0, figures: &drawn.0 }
    }
}

impl Renderer {
    /// Its files, one after another.
    pub fn render<'a>(&self, report: &'a Report<'a>) -> Box<dyn Iterator<Item = File> + 'a> {
        (self.render)(report)
    }
}
