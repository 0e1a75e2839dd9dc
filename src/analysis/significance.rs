//! Which hypotheses become findings: those that stay significant after correction for everything that is
//! tested together.
//!
//! Holm's procedure runs over all hypotheses of a report, so that a study without any effect gives a report
//! without findings. Data comes from contrasts, contradictions and comparisons.

use std::collections::HashMap;

use crate::analysis::factor::Factor;
use crate::analysis::finding::{Finding, FindingKind, amount_compared, change, networks};
use crate::analysis::hypothesis::{Candidate, Grounds};
use crate::analysis::roofline::Contradiction;
use crate::stats::holm;

/// The largest probability that a report on a study without any effect has any finding at all.
const FAMILY_ERROR: f64 = 0.005;

/// The findings, largest effect first; marks the contradictions that stay significant.
pub(super) fn findings(grounds: &Grounds<'_>, contradictions: &mut [Contradiction]) -> Vec<Finding> {
    let places: HashMap<(usize, usize), usize> = contradictions
        .iter()
        .enumerate()
        .map(|(index, found)| ((found.sparser, found.denser), index))
        .collect();
    let mut candidates: Vec<Candidate> = Vec::new();
    for contrast in grounds.contrasts {
        candidates.extend(grounds.choice(contrast));
        candidates.extend(grounds.slower(contrast));
        candidates.extend(grounds.averages(contrast));
        candidates.extend(grounds.pairs(contrast, &places));
    }
    candidates.extend(grounds.comparisons.iter().filter_map(|comparison| grounds.platform(comparison)));
    candidates.extend(grounds.named.iter().filter_map(|contrast| grounds.named(contrast)));
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
    // If all pairs of two levels together contradict the roofline, single pairs add nothing.
    let is_said =
        |candidate: &Candidate| findings.iter().any(|finding| key(finding) == key(&candidate.finding));
    contradicting.retain(|candidate| !is_said(candidate));
    findings.extend(together(grounds, contradicting, contradictions));
    let size = |finding: &Finding| finding.ratio.value.ln().abs();
    findings.sort_by(|one, other| {
        size(other).total_cmp(&size(one)).then_with(|| one.sentence.cmp(&other.sentence))
    });
    findings
}

/// The subject of a finding.
fn key(finding: &Finding) -> (FindingKind, &[usize], Option<Factor>, &str, &str) {
    (finding.kind, &finding.platforms, finding.factor, &finding.from, &finding.to)
}

/// Holm's procedure over all candidates.
fn adjust(candidates: &mut [Candidate]) {
    let probabilities: Vec<Option<f64>> =
        candidates.iter().map(|candidate| Some(candidate.probability)).collect();
    for (candidate, adjusted) in candidates.iter_mut().zip(holm(&probabilities)) {
        candidate.finding.adjusted_probability = adjusted.unwrap_or(1.0);
    }
}

/// One finding for all contradictions of the same two levels in the same direction.
fn together(
    grounds: &Grounds<'_>,
    mut found: Vec<Candidate>,
    contradictions: &[Contradiction],
) -> Vec<Finding> {
    found.sort_by(|one, other| {
        let (ours, theirs) = (&one.finding, &other.finding);
        key(ours).cmp(&key(theirs)).then(ours.ratio.value.total_cmp(&theirs.ratio.value))
    });
    let groups = found.chunk_by(|one, other| key(&one.finding) == key(&other.finding));
    groups.map(|group| of_group(grounds, group, contradictions)).collect()
}

fn of_group(grounds: &Grounds<'_>, group: &[Candidate], contradictions: &[Contradiction]) -> Finding {
    let worst = &group[0];
    let finding = &worst.finding;
    let (density, place) = worst.contradiction.map_or((1.0, ""), |index| {
        let contradiction = &contradictions[index];
        (contradiction.operational_density, grounds.cells[contradiction.denser].subject.as_str())
    });
    let name = |level: &str| finding.factor.map_or_else(String::new, |factor| networks(factor, level));
    let mut rows: Vec<String> = group.iter().flat_map(|one| one.finding.rows.clone()).collect();
    rows.sort_unstable();
    rows.dedup();
    Finding {
        pairs: group.len(),
        suspect_rows: group.iter().map(|one| one.finding.suspect_rows).sum::<usize>().min(rows.len()),
        rows,
        sentence: format!(
            "{}: {} have {} but lower throughput ({}) for {place}; {}.",
            grounds.platforms[finding.platforms[0]].label,
            name(&finding.to),
            amount_compared(density, "operations per byte", &name(&finding.from)),
            change(&finding.ratio),
            match group.len() {
                1 => "the only such pair".to_owned(),
                count => format!("the largest loss of {count} such pairs"),
            },
        ),
        ..finding.clone()
    }
}
