//! Reports: what an analysis says, for people. One [`figure::Figure`] and one [`table::Table`] value feed every writer.
//!
//! Pure: an [`Analysis`] and what `collect` could not use come in, named files go out; `cli` writes them. Nothing is computed
//! here but where on the paper a number stands. Texts of jobs and hosts are hostile until [`text::told`] has seen them.

use crate::analysis::Analysis;
use crate::collect::Oddity;

mod csv;
pub(crate) mod figure;
mod figures;
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
    /// Where its files belong.
    pub place: Place,
    render: Render,
}

/// The files of an output, each made when it is asked for: a report on a fleet has hundreds.
type Render = for<'a> fn(&'a Report<'a>) -> Box<dyn Iterator<Item = File> + 'a>;

/// Where the files of a renderer belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It has one file, and that is the report.
    Report,
    /// In the folder beside the report.
    Beside,
}

/// A file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name: letters, digits, `-`, `_` and `.` alone. Empty for the report itself, which the caller names.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// What is reported on.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What the results say.
    pub analysis: &'a Analysis,
    /// What lay beside the results.
    pub oddities: &'a [Oddity],
    /// Files that were looked at.
    pub files: usize,
    /// Name of the folder beside the report.
    pub folder: &'a str,
    /// Its figures and what of them could not be drawn, from [`Report::new`].
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
    /// A report on an analysis; `folder` is the name of the folder beside it.
    pub fn new(
        analysis: &'a Analysis,
        drawn: &'a Drawn,
        files: usize,
        oddities: &'a [Oddity],
        folder: &'a str,
    ) -> Self {
        Self { analysis, oddities, files, folder, figures: &drawn.0 }
    }
}

impl Renderer {
    /// Its files, one after another.
    pub fn render<'a>(&self, report: &'a Report<'a>) -> Box<dyn Iterator<Item = File> + 'a> {
        (self.render)(report)
    }
}
