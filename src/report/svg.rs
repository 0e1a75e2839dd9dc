//! Figures as SVG: for papers, slides and print, and for a page without scripts.
//!
//! Texts stay texts. Colours are classes: a separate file has rules for light and dark, a figure in a page
//! uses the page's. This is our own writer because the crates that draw SVG write colours into every mark and
//! support neither `<title>` nor classes.

use std::fmt::Write as _;

use super::figure::{Axis, Figure, Group, Point, Reference, Role, Scale, Series, Symbol};
use super::palette::{DARK, LIGHT, css};
use super::text::{cut, number, xml};
use super::{Destination, File, Renderer, Report};

pub(super) const RENDERER: Renderer = Renderer {
    name: "svg",
    summary: "every figure as a file of its own, for light and dark",
    destination: Destination::Folder,
    render,
};

fn render<'a>(report: &'a Report<'a>) -> Box<dyn Iterator<Item = File> + 'a> {
    let figures = report.figures.drawn.iter();
    Box::new(figures.map(|figure| File { name: format!("{}.svg", figure.name), content: document(figure) }))
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 500.0;
const LEFT: f64 = 78.0;
const TOP: f64 = 46.0;
/// Right end of the plot; the legend is to the right of it.
const RIGHT: f64 = 690.0;
const BOTTOM: f64 = 400.0;
const LEGEND: f64 = 712.0;
const LEGEND_LINE: f64 = 19.0;
/// Letters that fit into a line below the plot, at about six units each.
const CAPTION_LETTERS: usize = 150;
/// References beyond this many share one entry of the legend.
const MOST_REFERENCES: usize = 3;

/// What every static figure has in common but its colours: class and rule.
const RULES: &[(&str, &str)] = &[
    ("text", "text-anchor:start;font:12px system-ui,sans-serif"),
    (".title", "font-weight:600;font-size:15px"),
    (".middle", "text-anchor:middle"),
    (".end", "text-anchor:end"),
    (".muted", "font-size:11px"),
    (".axis", "fill:none;stroke-width:1"),
    (".grid", "fill:none;stroke-width:1"),
    (".reference", "fill:none;stroke-width:1.2;stroke-dasharray:2 3"),
    (".front", "stroke-width:1.6;stroke-dasharray:none"),
    (".line", "fill:none;stroke:currentColor;stroke-width:1.8"),
    (".bar", "fill:none;stroke:currentColor;stroke-width:1"),
    (".dashed", "stroke-dasharray:6 4"),
    (".mark", "fill:currentColor;stroke:currentColor;stroke-width:1.6"),
];

/// [`RULES`] within `scope`.
pub(super) fn rules(scope: &str) -> String {
    RULES.iter().map(|(class, rule)| format!("{scope} {class}{{{rule}}}")).collect()
}

/// A file of its own.
pub(super) fn document(figure: &Figure) -> String {
    let dark = css("svg", &DARK);
    let style = format!(
        "<style>{}{}@media (prefers-color-scheme:dark){{{dark}}}</style>",
        rules("svg"),
        css("svg", &LIGHT)
    );
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", element(figure, &style))
}

/// An element within a page, whose style sheet has [`rules`] and colours.
pub(super) fn within_page(figure: &Figure) -> String {
    element(figure, "")
}

fn element(figure: &Figure, style: &str) -> String {
    let mut svg = Svg { text: String::new() };
    let name = xml(&figure.name);
    svg.write(&format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{name}-title {name}-description\"><title id=\"{name}-title\">{}</title><desc id=\"{name}-description\">{}</desc>{style}<rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>",
        xml(&figure.title),
        xml(&figure.description()),
    ));
    svg.label(LEFT, 26.0, "title", &figure.title);
    let frame = Frame { x: Extent::of(figure, Side::Horizontal), y: Extent::of(figure, Side::Vertical) };
    svg.vertical(&figure.y, &frame);
    svg.horizontal(&figure.x, &frame);
    for reference in &figure.references {
        svg.reference(reference, &frame);
    }
    for series in &figure.series {
        svg.series(series, &frame);
    }
    svg.legend(figure);
    let mut line = BOTTOM + 66.0;
    for text in wrapped(&format!("{} {}", figure.standing, figure.notes.join(" ")), CAPTION_LETTERS, 2) {
        svg.label(LEFT, line, "muted", &text);
        line += 15.0;
    }
    svg.write("</svg>");
    svg.text
}

/// One of the two axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Horizontal,
    Vertical,
}

/// The part of an axis that is shown, in the axis's own measure: values, logarithms or places.
#[derive(Debug, Clone, Copy)]
struct Extent {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Extent {
    fn of(figure: &Figure, side: Side) -> Self {
        let axis = if side == Side::Horizontal { &figure.x } else { &figure.y };
        if let Scale::Categories(groups) = &axis.scale {
            let count: usize = groups.iter().map(|group| group.labels.len()).sum();
            return Self { low: -0.6, high: count as f64 - 0.4, logarithmic: false };
        }
        let ends = |point: &Point| {
            let (value, interval) = if side == Side::Horizontal {
                (point.x, point.x_interval)
            } else {
                (point.y, point.y_interval)
            };
            interval.map_or([value, value], |span| [span.low, span.high])
        };
        let corners = figure.references.iter().flat_map(|reference| &reference.corners);
        let corners = corners.map(|&(x, y)| if side == Side::Horizontal { x } else { y });
        let values = figure.points().flat_map(|(_, point)| ends(point)).chain(corners);
        let (low, high) = values
            .filter(|&value| axis.holds(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        match axis.scale {
            Scale::Logarithmic => {
                let (low, high) = (low.log10(), high.log10());
                let margin = ((high - low) * 0.06).max(0.05);
                Self { low: low - margin, high: high + margin, logarithmic: true }
            }
            _ => Self {
                low: low.min(0.0),
                high: if high > 0.0 { high * 1.06 } else { 1.0 },
                logarithmic: false,
            },
        }
    }

    /// From 0 at the low end to 1 at the high one.
    fn part(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.log10() } else { value };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Values to label on the axis: 1, 2 and 5 times powers of ten, about six of them.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic { self.logarithmic_ticks() } else { self.linear_ticks() }
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let wanted = (self.high - self.low) / 5.0;
        let power = 10f64.powf(wanted.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].iter().map(|factor| factor * power).find(|step| *step >= wanted);
        let step = step.unwrap_or(wanted);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|place| place as f64 * step).collect()
    }

    fn logarithmic_ticks(&self) -> Vec<f64> {
        let decades = self.high - self.low;
        let factors: &[f64] = match decades {
            wide if wide > 3.0 => &[1.0],
            middle if middle > 1.2 => &[1.0, 2.0, 5.0],
            _ => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
        };
        // Over dozens of decades, which only absurd results have, some are skipped.
        let stride = (decades / 8.0).ceil().max(1.0) as usize;
        let powers = (self.low.floor() as i32..=self.high.ceil() as i32).step_by(stride);
        let values = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
        values.filter(|value| (self.low..=self.high).contains(&value.log10())).collect()
    }
}

#[derive(Debug)]
struct Frame {
    x: Extent,
    y: Extent,
}

impl Frame {
    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        (LEFT + self.x.part(x) * (RIGHT - LEFT), BOTTOM - self.y.part(y) * (BOTTOM - TOP))
    }
}

struct Svg {
    text: String,
}

impl Svg {
    fn write(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn label(&mut self, x: f64, y: f64, class: &str, text: &str) {
        // Writing to a text cannot fail, here and below.
        let _ = write!(self.text, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", xml(text));
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, [from, to].into_iter());
    }

    fn path(&mut self, class: &str, corners: impl Iterator<Item = (f64, f64)>) {
        let _ = write!(self.text, "<path class=\"{class}\" d=\"");
        for (place, (x, y)) in corners.enumerate() {
            let _ = write!(self.text, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
        }
        self.write("\"/>");
    }

    fn vertical(&mut self, axis: &Axis, frame: &Frame) {
        for value in frame.y.ticks() {
            let y = BOTTOM - frame.y.part(value) * (BOTTOM - TOP);
            self.line("grid", (LEFT, y), (RIGHT, y));
            self.label(LEFT - 8.0, y + 4.0, "end", &tick(value));
        }
        self.line("axis", (LEFT, TOP), (LEFT, BOTTOM));
        let middle = (TOP + BOTTOM) / 2.0;
        let _ = write!(
            self.text,
            "<text class=\"middle\" transform=\"translate(18 {middle:.1}) rotate(-90)\">{}</text>",
            xml(&axis.title)
        );
    }

    fn horizontal(&mut self, axis: &Axis, frame: &Frame) {
        match &axis.scale {
            Scale::Categories(groups) => self.categories(groups, frame),
            _ => {
                for value in frame.x.ticks() {
                    let x = LEFT + frame.x.part(value) * (RIGHT - LEFT);
                    self.line("grid", (x, TOP), (x, BOTTOM));
                    self.label(x, BOTTOM + 17.0, "middle", &tick(value));
                }
            }
        }
        self.line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
        self.label((LEFT + RIGHT) / 2.0, BOTTOM + 48.0, "middle", &axis.title);
    }

    fn categories(&mut self, groups: &[Group], frame: &Frame) {
        let count: usize = groups.iter().map(|group| group.labels.len()).sum();
        // Labels that would touch are thinned; the table has all of them.
        let stride = (count as f64 * 26.0 / (RIGHT - LEFT)).ceil().max(1.0) as usize;
        let group_stride = (groups.len() as f64 * 58.0 / (RIGHT - LEFT)).ceil().max(1.0) as usize;
        let mut place = 0;
        for (number, group) in groups.iter().enumerate() {
            let first = place;
            for label in &group.labels {
                let (x, _) = frame.place(place as f64, 0.0);
                if place % stride == 0 {
                    self.label(x, BOTTOM + 16.0, "middle", label);
                }
                place += 1;
            }
            let (middle, _) = frame.place((first + place - 1) as f64 / 2.0, 0.0);
            if number % group_stride == 0 {
                self.label(middle, BOTTOM + 31.0, "middle muted", &group.label);
            }
            if place < count {
                let (border, _) = frame.place(place as f64 - 0.5, 0.0);
                self.line("grid", (border, TOP), (border, BOTTOM + 34.0));
            }
        }
    }

    fn reference(&mut self, reference: &Reference, frame: &Frame) {
        self.path(class(reference.role), reference.corners.iter().map(|&(x, y)| frame.place(x, y)));
        if let (Role::Level, Some(&(x, y))) = (reference.role, reference.corners.last()) {
            let (x, y) = frame.place(x, y);
            self.label(x + 4.0, y - 4.0, "muted end", &reference.name);
        }
    }

    fn series(&mut self, series: &Series, frame: &Frame) {
        let _ = write!(self.text, "<g class=\"c{}\">", series.style.color);
        if series.joined {
            let class = if series.style.dashed { "line dashed" } else { "line" };
            for segment in series.segments.iter().filter(|segment| segment.len() > 1) {
                self.path(class, segment.iter().map(|point| frame.place(point.x, point.y)));
            }
        }
        for point in series.segments.iter().flatten() {
            if let Some(span) = point.y_interval {
                self.line("bar", frame.place(point.x, span.low), frame.place(point.x, span.high));
            }
            if let Some(span) = point.x_interval {
                self.line("bar", frame.place(span.low, point.y), frame.place(span.high, point.y));
            }
            self.mark(series.style.symbol, frame.place(point.x, point.y), point.is_suspect(), &point.hover);
        }
        self.write("</g>");
    }

    fn mark(&mut self, symbol: Symbol, (x, y): (f64, f64), open: bool, hover: &str) {
        let class = if open { "mark open" } else { "mark" };
        let shape = match symbol {
            Symbol::Circle => format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.6\""),
            Symbol::Diamond => {
                format!("<path class=\"{class}\" d=\"M{x:.1} {:.1}l4.6 4.6l-4.6 4.6l-4.6 -4.6z\"", y - 4.6)
            }
            Symbol::Square => format!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"6.8\" height=\"6.8\"",
                x - 3.4,
                y - 3.4
            ),
            Symbol::Triangle => format!("<path class=\"{class}\" d=\"M{x:.1} {:.1}l4.4 7.6h-8.8z\"", y - 4.6),
        };
        self.write(&shape);
        if hover.is_empty() {
            self.write("/>");
        } else {
            let end = shape.split([' ', '<']).nth(1).unwrap_or_default();
            let _ = write!(self.text, "><title>{}</title></{end}>", xml(hover));
        }
    }

    fn legend(&mut self, figure: &Figure) {
        let mut y = TOP + 6.0;
        for series in &figure.series {
            let _ = write!(self.text, "<g class=\"c{}\">", series.style.color);
            if series.joined {
                let class = if series.style.dashed { "line dashed" } else { "line" };
                self.line(class, (LEGEND, y), (LEGEND + 30.0, y));
            }
            self.mark(series.style.symbol, (LEGEND + 15.0, y), false, "");
            self.write("</g>");
            self.label(LEGEND + 38.0, y + 4.0, "name", &cut(&series.name));
            y += LEGEND_LINE;
            if y > BOTTOM - 3.0 * LEGEND_LINE {
                break;
            }
        }
        for (reference, name) in listed(&figure.references) {
            self.line(class(reference.role), (LEGEND, y), (LEGEND + 30.0, y));
            self.label(LEGEND + 38.0, y + 4.0, "name", &name);
            y += LEGEND_LINE;
        }
    }
}

fn class(role: Role) -> &'static str {
    if role == Role::Front { "reference front" } else { "reference" }
}

/// What a legend says of the lines to compare with; those of one kind share an entry if they are many.
pub(super) fn listed(references: &[Reference]) -> Vec<(&Reference, String)> {
    let of = |role: Role| references.iter().filter(move |reference| reference.role == role);
    let mut listed: Vec<(&Reference, String)> =
        of(Role::Front).take(1).map(|first| (first, "Pareto front of a task".to_owned())).collect();
    let many = of(Role::Guide).count() > MOST_REFERENCES;
    let shown = if many { 1 } else { MOST_REFERENCES };
    listed.extend(of(Role::Guide).take(shown).map(|guide| {
        let name = cut(&guide.name);
        (guide, if many { format!("{name} and others") } else { name })
    }));
    listed
}

/// A number on an axis, without trailing zeros.
fn tick(value: f64) -> String {
    let text = number(value);
    match text.split_once('e') {
        Some((digits, power)) => format!("{}e{power}", trimmed(digits)),
        None => trimmed(&text).to_owned(),
    }
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A text in lines of at most so many letters, and at most so many lines.
fn wrapped(text: &str, letters: usize, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let line = wrapped.len() - 1;
        let length = wrapped[line].chars().count();
        if length > 0 && length + 1 + word.chars().count() > letters {
            if wrapped.len() == lines {
                wrapped[line].push_str(" …");
                return wrapped;
            }
            wrapped.push(word.to_owned());
        } else {
            if length > 0 {
                wrapped[line].push(' ');
            }
            wrapped[line].push_str(word);
        }
    }
    wrapped
}
