//! Colours and marks. A block looks the same everywhere; a bottleneck changes its mark and dash, not its
//! colour.
//!
//! The first three are of Okabe and Ito ("Color universal design", 2008), green darkened for white paper;
//! each has a lighter twin for dark backgrounds. Every one has at least 3:1 against its background, which a
//! test computes.

use std::fmt::Write as _;

use crate::network::blocks::BLOCKS;

/// Paper and ink.
pub(super) struct Theme {
    /// Behind everything.
    pub(super) background: &'static str,
    /// Texts.
    pub(super) text: &'static str,
    /// Texts of less weight.
    pub(super) muted: &'static str,
    /// Lines of axes.
    pub(super) axis: &'static str,
    /// Lines of the grid; the figure is readable without them.
    pub(super) grid: &'static str,
    /// Of series.
    pub(super) series: [&'static str; 8],
}

/// For light backgrounds and paper.
pub(super) const LIGHT: Theme = Theme {
    background: "#ffffff",
    text: "#1b1f24",
    muted: "#57606a",
    axis: "#6e7781",
    grid: "#e2e6ea",
    series: ["#0072b2", "#d55e00", "#00805d", "#a0408a", "#7a5c00", "#5d3a9b", "#4d4d4d", "#b00020"],
};

/// For dark backgrounds.
pub(super) const DARK: Theme = Theme {
    background: "#12161b",
    text: "#e8ecf0",
    muted: "#a8b2bd",
    axis: "#8b949e",
    grid: "#2a3139",
    series: ["#56b4e9", "#ff9f50", "#3ddbb0", "#e79ad3", "#e6c34a", "#b9a0f0", "#c0c0c0", "#ff8a8a"],
};

/// How a series looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Place in [`Theme::series`].
    pub color: usize,
    /// Mark.
    pub symbol: Symbol,
    /// Whether its line is dashed.
    pub dashed: bool,
}

/// Marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbol {
    /// ●
    Circle,
    /// ◆
    Diamond,
    /// ■
    Square,
    /// ▲
    Triangle,
}

const SYMBOLS: [Symbol; 4] = [Symbol::Circle, Symbol::Diamond, Symbol::Square, Symbol::Triangle];

impl Symbol {
    /// As plotly calls it.
    pub(super) fn plotly(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Diamond => "diamond",
            Self::Square => "square",
            Self::Triangle => "triangle-up",
        }
    }
}

const BOTTLENECK: &str = "bottleneck-";

/// The style of a block: the colour of its kind, with a dashed line and a diamond for a bottleneck. Unknown
/// blocks share the remaining colours.
pub(super) fn block(name: &str) -> Style {
    let (kind, has_bottleneck) = match name.strip_prefix(BOTTLENECK) {
        Some(kind) => (kind, true),
        None => (name, false),
    };
    let kinds = BLOCKS.iter().filter(|block| !block.name.starts_with(BOTTLENECK));
    let place = kinds.into_iter().position(|block| block.name == kind);
    Style {
        color: place.unwrap_or_else(|| 3 + kind.bytes().map(usize::from).sum::<usize>() % 5),
        symbol: if has_bottleneck { Symbol::Diamond } else { Symbol::Circle },
        dashed: has_bottleneck,
    }
}

/// The style of the n-th of things other than blocks.
pub(super) fn numbered(number: usize) -> Style {
    let count = LIGHT.series.len();
    Style { color: number % count, symbol: SYMBOLS[(number / count + number) % SYMBOLS.len()], dashed: false }
}

/// Rules that give colour to the classes of a static figure, within `scope`.
pub(super) fn css(scope: &str, theme: &Theme) -> String {
    let mut css = String::new();
    // Writing to a text cannot fail.
    let _ = write!(
        css,
        "{scope} .paper{{fill:{}}}{scope} text{{fill:{}}}{scope} .muted{{fill:{}}}{scope} .axis{{stroke:{}}}{scope} .grid{{stroke:{}}}{scope} .open{{fill:{}}}{scope} .reference{{stroke:{}}}",
        theme.background, theme.text, theme.muted, theme.axis, theme.grid, theme.background, theme.muted,
    );
    for (place, color) in theme.series.iter().enumerate() {
        let _ = write!(css, "{scope} .c{place}{{color:{color}}}");
    }
    css
}
