//! The data for the page's script: figures and results as JSON, each text once.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::results::{status, verdict, why};
use super::{Detail, MOST_FINDINGS, elements};
use crate::analysis::row::Row;
use crate::report::figure::{Axis, Figure, Point, Role, Scale, Series};
use crate::report::figures::marked;
use crate::report::giga::GIGA;
use crate::report::palette::{DARK, LIGHT, Theme};
use crate::report::text::{cut, plotly, rounded, script_json, told};
use crate::report::{Report, svg};

/// The content of the script element.
pub(super) fn content(report: &Report<'_>, detail: Detail) -> String {
    let analysis = report.analysis;
    let mut hovers = Texts::default();
    let mut texts = Texts::default();
    // Each value is written at once: a tree of a whole fleet would take a hundred megabytes.
    let figures: Vec<String> = report
        .figures
        .drawn
        .iter()
        .filter(|figure| elements::is_interactive(figure, detail))
        .map(|figure| script_json(&self::figure(figure, &mut hovers)))
        .collect();
    let rows: Vec<String> =
        (0..analysis.rows.len()).map(|index| script_json(&row(report, index, &mut texts, detail))).collect();
    let places: HashMap<&str, usize> =
        analysis.rows.iter().enumerate().map(|(index, row)| (row.id.as_str(), index)).collect();
    let findings: Vec<Vec<usize>> = analysis
        .findings
        .iter()
        .take(MOST_FINDINGS)
        .map(|finding| finding.rows.iter().filter_map(|id| places.get(id.as_str()).copied()).collect())
        .collect();
    let platforms: Vec<String> =
        analysis.platforms.iter().map(|platform| marked(platform.simulated, &told(&platform.name))).collect();
    let latencies = raw(report, detail);
    format!(
        "{{\"latencies\":{latencies},\"light\":{},\"dark\":{},\"figures\":[{}],\"hovers\":{},\"platforms\":{},\"findings\":{},\"texts\":{},\"rows\":[{}]}}",
        script_json(&theme(&LIGHT)),
        script_json(&theme(&DARK)),
        figures.join(","),
        script_json(&hovers.all),
        script_json(&platforms),
        script_json(&findings),
        script_json(&texts.all),
        rows.join(","),
    )
}

/// Runs whose latencies a page holds; a report with more of them has none, and `export` has all.
const MOST_RUNS: usize = 120_000;

/// The latencies of each result in ns, a list for each process that is used; `null` if they are too many.
fn raw(report: &Report<'_>, detail: Detail) -> String {
    let rows = &report.analysis.rows;
    let runs: usize = rows.iter().flat_map(Row::used).map(|process| process.latency_ns.len()).sum();
    if runs > MOST_RUNS || detail > Detail::WithoutPairs {
        return "null".to_owned();
    }
    let lists: Vec<String> = rows
        .iter()
        .map(|row| {
            let processes: Vec<&[u64]> = row.used().map(|process| &*process.latency_ns).collect();
            script_json(&processes)
        })
        .collect();
    format!("[{}]", lists.join(","))
}

/// Texts by number.
#[derive(Debug, Default)]
struct Texts {
    all: Vec<String>,
    places: HashMap<String, usize>,
}

impl Texts {
    fn place(&mut self, text: String) -> usize {
        if let Some(&place) = self.places.get(&text) {
            return place;
        }
        self.all.push(text.clone());
        self.places.insert(text, self.all.len() - 1);
        self.all.len() - 1
    }
}

fn theme(theme: &Theme) -> Value {
    json!({
        "background": theme.background,
        "text": theme.text,
        "muted": theme.muted,
        "axis": theme.axis,
        "grid": theme.grid,
        "series": theme.series,
    })
}

fn figure(figure: &Figure, hovers: &mut Texts) -> Value {
    let references: Vec<Value> = figure
        .references
        .iter()
        .map(|reference| {
            let corners: Vec<[f64; 2]> =
                reference.corners.iter().map(|&(x, y)| [rounded(x), rounded(y)]).collect();
            let legend = svg::listed(&figure.references).into_iter().find(|(listed, _)| *listed == reference);
            json!({
                "name": plotly(legend.as_ref().map_or(&reference.name, |(_, name)| name)),
                "corners": corners,
                "role": match reference.role {
                    Role::Guide => "guide",
                    Role::Front => "front",
                    Role::Level => "level",
                },
                "listed": legend.is_some(),
            })
        })
        .collect();
    let series: Vec<Value> = figure.series.iter().map(|one| series_of(one, hovers)).collect();
    json!({
        "name": figure.name,
        "title": plotly(&figure.title),
        "description": figure.description(),
        "x": axis(&figure.x),
        "y": axis(&figure.y),
        "series": series,
        "references": references,
    })
}

fn axis(axis: &Axis) -> Value {
    let title = plotly(&axis.title);
    match &axis.scale {
        Scale::Linear => json!({"title": title, "type": "linear"}),
        Scale::Logarithmic => json!({"title": title, "type": "log"}),
        Scale::Categories(groups) => {
            let groups: Vec<Value> = groups
                .iter()
                .map(|group| {
                    let labels: Vec<String> = group.labels.iter().map(|label| plotly(label)).collect();
                    json!([plotly(&group.label), labels])
                })
                .collect();
            json!({"title": title, "type": "categories", "groups": groups})
        }
    }
}

fn series_of(series: &Series, hovers: &mut Texts) -> Value {
    let segments: Vec<Vec<Value>> = series
        .segments
        .iter()
        .map(|segment| segment.iter().map(|point| self::point(point, hovers)).collect())
        .collect();
    json!({
        // For the legend, and for the filters.
        "name": plotly(&cut(&series.name)),
        "block": series.block,
        "color": series.style.color,
        "symbol": series.style.symbol.plotly(),
        "dashed": series.style.dashed,
        "joined": series.joined,
        "segments": segments,
    })
}

/// `[x, y, hover, verdict, low, high]`; the last two if there is an interval.
fn point(point: &Point, hovers: &mut Texts) -> Value {
    let hover = hovers.place(plotly(&point.hover).replace('\n', "<br>"));
    let mut list =
        vec![json!(rounded(point.x)), json!(rounded(point.y)), json!(hover), json!(point.verdict as u8)];
    if let Some(span) = point.y_interval {
        list.extend([json!(rounded(span.low)), json!(rounded(span.high))]);
        if let Some(span) = point.x_interval {
            list.extend([json!(rounded(span.low)), json!(rounded(span.high))]);
        }
    }
    Value::Array(list)
}

/// `[id, platform, network, status, verdict, latency, deviation, throughput, why, hint, job, finished,
/// runtime, precision, labels, file]`; texts by number.
fn row(report: &Report<'_>, index: usize, texts: &mut Texts, detail: Detail) -> Value {
    let row = &report.analysis.rows[index];
    let mut text = |text: String| texts.place(text);
    let latency = row.latency.as_ref();
    let throughput = latency
        .zip(row.cost)
        .map(|(latency, cost)| cost.operations as f64 * 1e3 / latency.mean / GIGA)
        .filter(|throughput| throughput.is_finite());
    let mut list = vec![
        json!(told(&row.id)),
        json!(row.platform),
        json!(text(told(&row.subject().unwrap_or_default()))),
        json!(text(status(row.status))),
        json!(text(verdict(row).to_owned())),
        json!(latency.map(|latency| rounded(latency.mean))),
        json!(latency.and_then(|latency| latency.standard_deviation).map(rounded)),
        json!(throughput.map(rounded)),
        json!(text(why(row))),
        json!(text(row.hint.as_deref().map(told).unwrap_or_default())),
        json!(text(told(&row.job))),
        json!(text(told(row.finished.get(..16).unwrap_or(&row.finished)))),
    ];
    let software = row.identity.software.as_ref();
    let labels: Vec<String> =
        row.labels.iter().map(|(key, value)| format!("{}={}", told(key), told(value))).collect();
    list.extend([
        json!(text(software.map(|software| told(&software.runtime)).unwrap_or_default())),
        json!(text(row.configuration.as_ref().map(|theta| told(&theta.precision)).unwrap_or_default())),
        json!(labels.into_iter().map(&mut text).collect::<Vec<_>>()),
    ]);
    if detail < Detail::Overview {
        list.push(json!(told(&row.path)));
    }
    Value::Array(list)
}
