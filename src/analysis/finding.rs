//! Findings: what the data says, as sentences with the numbers behind them.
//!
//! A finding survives the test of everything that could have been one: Holm's procedure over all hypotheses of a report, so
//! that a study without any effect gives a report without findings. Data comes from contrasts, contradictions and comparisons.

use std::collections::HashMap;

use serde::Serialize;

use crate::analysis::contrast::Ratio;
use crate::analysis::factor::Factor;
use crate::analysis::hypothesis::{Candidate, Evidence};
use crate::analysis::roofline::Contradiction;

/// The largest chance that a report about a study without any effect holds any finding at all.
pub(crate) const FAMILY_ERROR: f64 = 0.005;

/// What processes of one configuration are taken to differ by where no configuration had more than one: the relative
/// standard deviation on a shared virtual machine, the worst that was seen (`docs/METHOD.md`). It enters no interval.
pub(crate) const ASSUMED_BETWEEN_PROCESSES: f64 = 0.04;

/// One thing that the data says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// The platforms it is about: one, or the two that are compared.
    pub platforms: Vec<usize>,
    /// The factor that differs; `None` between platforms.
    pub factor: Option<Factor>,
    /// The level, or platform, that is compared with.
    pub from: String,
    /// The level, or platform, that is compared.
    pub to: String,
    /// The ratio that it rests on, `to` over `from`: throughput, but latency for [`FindingKind::SlowerWithFewerOperations`].
    pub ratio: Ratio,
    /// Its probability if there were no effect, adjusted for all hypotheses of the report.
    pub adjusted_probability: f64,
    /// Pairs of cells behind it.
    pub pairs: usize,
    /// Pairs that it could have been based on and that are missing.
    pub missing: usize,
    /// Rows behind it that are suspect.
    pub suspect_rows: usize,
    /// Ids of the rows behind it.
    pub rows: Vec<String>,
    /// All of it in a sentence.
    pub sentence: String,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A design choice changes throughput: what it saves in latency is not what it saves in operations.
    Choice,
    /// Higher operational density, lower throughput.
    Contradiction,
    /// Fewer operations, longer latency.
    SlowerWithFewerOperations,
    /// One platform against another, or one platform before and after an update.
    Platform,
}

/// The findings, the largest effect first; marks the contradictions that hold among all.
pub(super) fn findings(evidence: &Evidence<'_>, contradictions: &mut [Contradiction]) -> Vec<Finding> {
    let places: HashMap<(usize, usize), usize> = contradictions
        .iter()
        .enumerate()
        .map(|(index, found)| ((found.sparser, found.denser), index))
        .collect();
    let mut candidates: Vec<Candidate> = Vec::new();
    for contrast in evidence.contrasts {
        candidates.extend(evidence.choice(contrast));
        candidates.extend(evidence.slower(contrast));
        candidates.extend(evidence.averages(contrast));
        candidates.extend(evidence.pairs(contrast, &places));
    }
    candidates.extend(evidence.comparisons.iter().filter_map(|comparison| evidence.platform(comparison)));
    adjust(&mut candidates);
    let holds =
        |candidate: &Candidate| candidate.counts && candidate.finding.adjusted_probability <= FAMILY_ERROR;
    let mut findings: Vec<Finding> = Vec::new();
    let mut contradicting: Vec<Candidate> = Vec::new();
    for candidate in candidates.into_iter().filter(holds) {
        match candidate.contradiction {
            Some(index) => {
                contradictions[index].holds_among_all = true;
                contradicting.push(candidate);
            }
            None => findings.push(candidate.finding),
        }
    }
    // Where all pairs of two levels together contradict, the single ones say nothing more.
    let is_said =
        |candidate: &Candidate| findings.iter().any(|finding| key(finding) == key(&candidate.finding));
    contradicting.retain(|candidate| !is_said(candidate));
    findings.extend(evidence.together(contradicting, contradictions));
    let size = |finding: &Finding| finding.ratio.value.ln().abs();
    findings.sort_by(|one, other| {
        size(other).total_cmp(&size(one)).then_with(|| one.sentence.cmp(&other.sentence))
    });
    findings
}

/// What a finding is about.
fn key(finding: &Finding) -> (FindingKind, &[usize], Option<Factor>, &str, &str) {
    (finding.kind, &finding.platforms, finding.factor, &finding.from, &finding.to)
}

/// Holm's step-down procedure ("A simple sequentially rejective multiple test procedure", *Scandinavian Journal of
/// Statistics* 6(2), 1979), as adjusted probabilities. It holds whatever the hypotheses have to do with each other.
fn adjust(candidates: &mut [Candidate]) {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|&one, &other| candidates[one].probability.total_cmp(&candidates[other].probability));
    let mut at_least: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        let hypotheses = (order.len() - rank) as f64;
        at_least = at_least.max((candidates[index].probability * hypotheses).min(1.0));
        candidates[index].finding.adjusted_probability = at_least;
    }
}

impl Evidence<'_> {
    /// One finding for all contradictions of the same two levels, in the same direction.
    fn together(&self, mut found: Vec<Candidate>, contradictions: &[Contradiction]) -> Vec<Finding> {
        found.sort_by(|one, other| {
            let (ours, theirs) = (&one.finding, &other.finding);
            key(ours).cmp(&key(theirs)).then(ours.ratio.value.total_cmp(&theirs.ratio.value))
        });
        let groups = found.chunk_by(|one, other| key(&one.finding) == key(&other.finding));
        groups.map(|group| self.group(group, contradictions)).collect()
    }

    fn group(&self, group: &[Candidate], contradictions: &[Contradiction]) -> Finding {
        let worst = &group[0];
        let density = worst.contradiction.map_or(1.0, |index| contradictions[index].operational_density);
        let place = worst
            .contradiction
            .map_or_else(String::new, |index| self.cells[contradictions[index].denser].subject.clone());
        let finding = &worst.finding;
        let mut rows: Vec<String> = group.iter().flat_map(|one| one.finding.rows.clone()).collect();
        rows.sort_unstable();
        rows.dedup();
        Finding {
            pairs: group.len(),
            suspect_rows: group.iter().map(|one| one.finding.suspect_rows).sum::<usize>().min(rows.len()),
            rows,
            sentence: format!(
                "{}: {} {} has {} operations for each byte against {}, and yet its throughput is {} ({place}); {}.",
                self.platforms[finding.platforms[0]].label,
                finding.factor.map_or("", Factor::word),
                finding.to,
                change(density),
                finding.from,
                change_with_interval(&finding.ratio),
                match group.len() {
                    1 => "the only such pair".to_owned(),
                    count => format!("the largest of {count} such pairs"),
                },
            ),
            ..finding.clone()
        }
    }
}

/// `+12.3 %`, with a minus sign and not a hyphen.
pub fn change(ratio: f64) -> String {
    format!("{:+.1} %", (ratio - 1.0) * 100.0).replace('-', "−")
}

/// `−30.2 % [−31.4 to −29.0]`.
pub(crate) fn change_with_interval(ratio: &Ratio) -> String {
    let percent = |end: f64| format!("{:+.1}", (end - 1.0) * 100.0).replace('-', "−");
    match ratio.interval {
        Some(interval) => {
            format!("{} [{} to {}]", change(ratio.value), percent(interval.low), percent(interval.high))
        }
        None => change(ratio.value),
    }
}

pub(super) fn pairs(count: usize) -> String {
    if count == 1 { "one pair".to_owned() } else { format!("{count} pairs") }
}

pub(super) fn missing(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" ({count} missing)") }
}
