//! A comparison as a person reads it: a line for each configuration, and what it means.

use std::collections::BTreeMap;

use crate::cli::table;
use crate::compare::{Compared, Decision, Matched, Refused, Repeated, percent, shown};
use crate::text::{counted, escaped};

/// Refused and one-sided configurations that are named.
const NAMED: usize = 5;

/// The page; at most `limit` configurations of each kind, 0 for all.
pub(super) fn render(compared: &Compared, limit: usize) -> String {
    let limit = if limit == 0 { usize::MAX } else { limit };
    let mut text = String::new();
    let configurations = &compared.configurations;
    if !configurations.is_empty() {
        let rows: Vec<Vec<String>> = configurations.iter().take(limit).map(cells).collect();
        text.push_str(&table::render(
            &["network", "runtime", "A", "B", "latency (95 % interval)", "verdict"],
            &rows,
        ));
        if configurations.len() > limit {
            text.push_str(&format!("and {} more; `-n 0` shows all\n", configurations.len() - limit));
        }
        text.push('\n');
        text.push_str(&summary(compared));
    }
    text.push_str(&named("not compared", &compared.refused, |one: &Refused| {
        format!("{} on {}: {}", one.network, one.runtime, one.detail)
    }));
    for (side, title) in [('a', "only in A"), ('b', "only in B")] {
        let one_sided: Vec<_> = compared.one_sided.iter().filter(|one| one.side == side).collect();
        text.push_str(&named(title, &one_sided, |one| {
            format!("{} on {}, {}", one.network, one.runtime, counted(one.results, "result", "results"))
        }));
    }
    text
}

fn cells(one: &Matched) -> Vec<String> {
    let verdict = match &one.detail {
        Some(detail) => format!("{}: {detail}", word(one.verdict)),
        None => word(one.verdict).to_owned(),
    };
    let milliseconds = |milliseconds: f64| format!("{milliseconds:.3} ms");
    [
        one.network.clone(),
        one.runtime.clone(),
        milliseconds(one.a.latency_ms),
        milliseconds(one.b.latency_ms),
        shown(&one.time.change),
        verdict,
    ]
    .map(|cell| escaped(&cell))
    .to_vec()
}

fn word(verdict: Decision) -> &'static str {
    match verdict {
        Decision::Slower => "slower",
        Decision::Faster => "faster",
        Decision::Ambiguous => "ambiguous",
        Decision::Equivalent => "equivalent",
    }
}

fn summary(compared: &Compared) -> String {
    let count = |verdict| compared.count(verdict);
    let all = compared.configurations.len();
    let mut text = format!(
        "B is slower in {}, faster in {}, equivalent within {} in {}, and it is ambiguous in {}, of {}{}.\n",
        count(Decision::Slower),
        count(Decision::Faster),
        percent(compared.within),
        count(Decision::Equivalent),
        count(Decision::Ambiguous),
        counted(all, "configuration", "configurations"),
        if all > 1 { ", corrected for asking so many times (Holm)" } else { "" },
    );
    let mut bases: BTreeMap<String, usize> = BTreeMap::new();
    let mut notes: BTreeMap<String, usize> = BTreeMap::new();
    for one in &compared.configurations {
        *bases.entry(basis(one)).or_default() += 1;
        for differing in &one.differs {
            *notes.entry(format!("A and B differ in {}", differing.sentence())).or_default() += 1;
        }
        for fact in &one.unconfirmed {
            let fact = fact.word();
            *notes
                .entry(format!("not recorded on both sides, and taken to be alike: {fact}"))
                .or_default() += 1;
        }
        for (side, of) in [("A", &one.a), ("B", &one.b)] {
            for reason in &of.suspect {
                *notes.entry(format!("{side} holds suspect results: {reason}")).or_default() += 1;
            }
            if of.left_out > 0 {
                *notes.entry(format!("{side} holds results that failed or are invalid")).or_default() += 1;
            }
        }
    }
    for (sentence, count) in bases.into_iter().chain(notes) {
        let of = if count == all { String::new() } else { format!(" ({count} of {all})") };
        text.push_str(&escaped(&format!("{sentence}{of}")));
        text.push('\n');
    }
    text
}

/// What the interval of a configuration covers.
fn basis(one: &Matched) -> String {
    let [a, b] = one.time.units;
    let sides = if a == b { format!("{a} a side") } else { format!("{a} and {b}") };
    match (one.time.unit, one.time.pairs) {
        (_, Some(pairs)) => {
            let alike = pairs.correlation.map_or_else(String::new, |it| format!(", correlation {it:.2}"));
            format!(
                "intervals cover other processes: {} in turns{alike}",
                counted(pairs.count, "pair", "pairs")
            )
        }
        (Repeated::Builds, None) => format!("intervals cover other builds: {sides}"),
        (Repeated::Processes, None) => format!("intervals cover other processes: {sides}"),
        (Repeated::Runs, None) => {
            "intervals cover other runs of these two processes, and no other process".to_owned()
        }
    }
}

fn named<T>(title: &str, all: &[T], sentence: impl Fn(&T) -> String) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}: {}\n", counted(all.len(), "configuration", "configurations"));
    for one in all.iter().take(NAMED) {
        text.push_str(&format!("  {}\n", escaped(&sentence(one))));
    }
    if all.len() > NAMED {
        text.push_str(&format!("  and {} more; `--json` lists all\n", all.len() - NAMED));
    }
    text
}
