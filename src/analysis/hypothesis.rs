//! Hypotheses: everything in a report that could be a finding, each with its probability if there were no effect.
//!
//! Data comes from contrasts and comparisons; which of them hold is decided in [`super::finding`], over all of them together.

use std::collections::HashMap;

use crate::analysis::cell::{Basis, Cell};
use crate::analysis::compare::{Comparison, Relation, student_ratio};
use crate::analysis::contrast::{Contrast, Pair, Ratio};
use crate::analysis::estimate::Covers;
use crate::analysis::finding::{
    ASSUMED_BETWEEN_PROCESSES, Finding, FindingKind, change, change_with_interval, missing, pairs,
};
use crate::analysis::platform::Platform;
use crate::analysis::roofline::SMALLEST_DENSITY_RATIO;
use crate::stats::moderate::Variance;
use crate::stats::student::two_sided_probability;

/// One thing that could be found, before anybody knows whether it holds among all.
pub(super) struct Candidate {
    pub(super) finding: Finding,
    pub(super) probability: f64,
    /// Index of the contradiction that it tests.
    pub(super) contradiction: Option<usize>,
    /// The effect points where a finding of its kind points.
    pub(super) counts: bool,
}

/// What findings are made of.
pub(super) struct Evidence<'a> {
    pub(super) platforms: &'a [Platform],
    pub(super) bases: &'a [Basis],
    pub(super) cells: &'a [Cell],
    pub(super) variances: &'a [Option<Variance>],
    pub(super) row_ids: &'a dyn Fn(usize) -> String,
    pub(super) contrasts: &'a [Contrast],
    pub(super) comparisons: &'a [Comparison],
}

impl Evidence<'_> {
    /// Does the choice change throughput?
    pub(super) fn choice(&self, contrast: &Contrast) -> Option<Candidate> {
        let (throughput, latency, operations) =
            (contrast.throughput?, contrast.latency?, contrast.operations?);
        let ratio = throughput.mean_of_ratios;
        let weights: Vec<f64> =
            contrast.pairs.iter().filter_map(|pair| Some(pair.throughput?.value)).collect();
        let sentence = format!(
            "{}: {} {} in place of {} changes operations by {}, latency by {} and throughput by {}, on average over {}{}.",
            self.platforms[contrast.platform].label,
            contrast.factor.word(),
            contrast.to,
            contrast.from,
            change(operations.mean_of_ratios),
            change_with_interval(&latency.mean_of_ratios),
            change_with_interval(&ratio),
            pairs(contrast.pairs.len()),
            missing(contrast.missing.len()),
        );
        self.of_contrast(FindingKind::Choice, contrast, ratio, &weights, sentence)
    }

    /// Is there less to do, and does it take longer?
    pub(super) fn slower(&self, contrast: &Contrast) -> Option<Candidate> {
        let (latency, operations) = (contrast.latency?, contrast.operations?);
        let (ratio, operations) = (latency.mean_of_ratios, operations.mean_of_ratios);
        let (fewer, more, ratio, saved) = if operations < 1.0 {
            (&contrast.to, &contrast.from, ratio, operations)
        } else {
            (&contrast.from, &contrast.to, ratio.inverse(), 1.0 / operations)
        };
        let weights: Vec<f64> = contrast.pairs.iter().map(|pair| pair.latency.value).collect();
        let sentence = format!(
            "{}: {} {fewer} has {} operations against {more}, and its latency is {}, over {}{}.",
            self.platforms[contrast.platform].label,
            contrast.factor.word(),
            change(saved),
            change_with_interval(&ratio),
            pairs(contrast.pairs.len()),
            missing(contrast.missing.len()),
        );
        let kind = FindingKind::SlowerWithFewerOperations;
        let mut candidate = self.of_contrast(kind, contrast, ratio, &weights, sentence)?;
        candidate.counts &= ratio.value > 1.0 && saved < 1.0;
        candidate.finding.from.clone_from(more);
        candidate.finding.to.clone_from(fewer);
        Some(candidate)
    }

    fn of_contrast(
        &self,
        kind: FindingKind,
        contrast: &Contrast,
        ratio: Ratio,
        weights: &[f64],
        sentence: String,
    ) -> Option<Candidate> {
        let cells = || contrast.pairs.iter().flat_map(|pair| [pair.from, pair.to]);
        let sum: f64 = weights.iter().sum();
        let squares = weights.iter().map(|weight| 2.0 * (weight / sum).powi(2)).sum();
        Some(Candidate {
            probability: self.probability(&ratio, &[contrast.platform], squares)?,
            contradiction: None,
            counts: ratio.is_beyond_interval(),
            finding: Finding {
                kind,
                platforms: vec![contrast.platform],
                factor: Some(contrast.factor),
                from: contrast.from.clone(),
                to: contrast.to.clone(),
                ratio,
                adjusted_probability: 1.0,
                pairs: contrast.pairs.len(),
                missing: contrast.missing.len(),
                suspect_rows: self.suspect_rows(cells()),
                rows: self.rows(cells()),
                sentence,
            },
        })
    }

    /// All pairs of a contrast in which the same side is denser, as one contradiction that might be: the geometric mean of
    /// their throughput ratios.
    pub(super) fn averages(&self, contrast: &Contrast) -> Vec<Candidate> {
        let denser = |is_to: bool| -> Vec<&Pair> {
            let wanted = |density: f64| {
                if is_to {
                    density > SMALLEST_DENSITY_RATIO
                } else {
                    density < SMALLEST_DENSITY_RATIO.recip()
                }
            };
            contrast
                .pairs
                .iter()
                .filter(|pair| pair.throughput.is_some() && pair.operational_density.is_some_and(wanted))
                .collect()
        };
        [true, false].into_iter().filter_map(|is_to| self.average(contrast, &denser(is_to), is_to)).collect()
    }

    fn average(&self, contrast: &Contrast, pairs: &[&Pair], is_to_denser: bool) -> Option<Candidate> {
        if pairs.is_empty() {
            return None;
        }
        let weight = 1.0 / pairs.len() as f64;
        let mean = |read: fn(&Pair) -> Option<f64>| -> f64 {
            pairs.iter().filter_map(|pair| read(pair)).map(f64::ln).sum::<f64>() * weight
        };
        let cells = || pairs.iter().flat_map(|pair| [pair.from, pair.to]);
        let parts: Vec<Option<Variance>> =
            cells().map(|cell| self.variances[cell].map(|variance| variance.weighted(weight))).collect();
        let density = mean(|pair| pair.operational_density).exp();
        let ratio = student_ratio(mean(|pair| Some(pair.throughput?.value)), &parts);
        let (from, to, density, ratio) = if is_to_denser {
            (&contrast.from, &contrast.to, density, ratio)
        } else {
            (&contrast.to, &contrast.from, 1.0 / density, ratio.inverse())
        };
        let sentence = format!(
            "{}: {} {to} has {} operations for each byte against {from}, and yet its throughput is {}, on average over {}.",
            self.platforms[contrast.platform].label,
            contrast.factor.word(),
            change(density),
            change_with_interval(&ratio),
            self::pairs(pairs.len()),
        );
        Some(Candidate {
            probability: self.probability(&ratio, &[contrast.platform], 2.0 * weight)?,
            contradiction: None,
            counts: ratio.interval.is_some_and(|interval| interval.high < 1.0),
            finding: Finding {
                kind: FindingKind::Contradiction,
                platforms: vec![contrast.platform],
                factor: Some(contrast.factor),
                from: from.clone(),
                to: to.clone(),
                ratio,
                adjusted_probability: 1.0,
                pairs: pairs.len(),
                missing: contrast.missing.len(),
                suspect_rows: self.suspect_rows(cells()),
                rows: self.rows(cells()),
                sentence,
            },
        })
    }

    /// Every pair of a contrast whose densities differ, as a contradiction that might be.
    pub(super) fn pairs(
        &self,
        contrast: &Contrast,
        places: &HashMap<(usize, usize), usize>,
    ) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for pair in &contrast.pairs {
            let (Some(density), Some(ratio)) = (pair.operational_density, pair.throughput) else { continue };
            let Some(probability) = self.probability(&ratio, &[contrast.platform], 2.0) else { continue };
            let (sparser, denser) = if density > 1.0 { (pair.from, pair.to) } else { (pair.to, pair.from) };
            let contradiction = places.get(&(sparser, denser)).copied();
            candidates.push(Candidate {
                probability,
                contradiction,
                counts: contradiction.is_some(),
                finding: Finding {
                    kind: FindingKind::Contradiction,
                    platforms: vec![contrast.platform],
                    factor: Some(contrast.factor),
                    from: self.level(contrast, sparser == pair.from),
                    to: self.level(contrast, denser == pair.from),
                    ratio: if density > 1.0 { ratio } else { ratio.inverse() },
                    adjusted_probability: 1.0,
                    pairs: 1,
                    missing: 0,
                    suspect_rows: self.suspect_rows([pair.from, pair.to]),
                    rows: self.rows([pair.from, pair.to]),
                    sentence: String::new(),
                },
            });
        }
        candidates
    }

    fn level(&self, contrast: &Contrast, is_from: bool) -> String {
        if is_from { contrast.from.clone() } else { contrast.to.clone() }
    }

    pub(super) fn platform(&self, comparison: &Comparison) -> Option<Candidate> {
        let ratio = comparison.throughput?;
        let squares = 2.0 / comparison.pairs.len() as f64;
        let [from, to] = [comparison.from, comparison.to].map(|index| &self.platforms[index].label);
        let relation = match comparison.relation {
            Relation::SoftwareVersions => " (the same machine with other software)",
            Relation::PowerStates if comparison.differs_in == ["power"] => {
                " (the same machine; one power state was not observed)"
            }
            Relation::PowerStates => " (the same machine in another power state)",
            Relation::Platforms => "",
        };
        let cells = || comparison.pairs.iter().flat_map(|pair| [pair.from, pair.to]);
        Some(Candidate {
            probability: self.probability(&ratio, &[comparison.from, comparison.to], squares)?,
            contradiction: None,
            counts: comparison.comparable && ratio.is_beyond_interval(),
            finding: Finding {
                kind: FindingKind::Platform,
                platforms: vec![comparison.from, comparison.to],
                factor: None,
                from: from.clone(),
                to: to.clone(),
                ratio,
                adjusted_probability: 1.0,
                pairs: comparison.pairs.len(),
                missing: comparison.only_from + comparison.only_to,
                suspect_rows: self.suspect_rows(cells()),
                rows: self.rows(cells()),
                sentence: format!(
                    "{to} against {from}{relation}: throughput {}, on average over {}{}.",
                    change_with_interval(&ratio),
                    match comparison.pairs.len() {
                        1 => "one network that both ran".to_owned(),
                        count => format!("{count} networks that both ran"),
                    },
                    missing(comparison.only_from + comparison.only_to),
                ),
            },
        })
    }

    /// Probability of a ratio at least as far from one if there were no effect; `None` where its error is unknown.
    ///
    /// `squared_weights` is the sum of the squared weights of the cells in it, for the variation between processes where
    /// that had to be assumed.
    fn probability(&self, ratio: &Ratio, platforms: &[usize], squared_weights: f64) -> Option<f64> {
        let error = ratio.standard_error?;
        let is_assumed =
            platforms.iter().any(|&platform| self.bases[platform].covers == Covers::MeasuredProcesses);
        let assumed = if is_assumed { ASSUMED_BETWEEN_PROCESSES.powi(2) * squared_weights } else { 0.0 };
        let error = (error * error + assumed).sqrt();
        let effect = ratio.value.ln();
        if error == 0.0 {
            return Some(if effect == 0.0 { 1.0 } else { 0.0 });
        }
        Some(two_sided_probability(effect / error, ratio.degrees_of_freedom.unwrap_or(f64::INFINITY)))
    }

    fn rows(&self, cells: impl IntoIterator<Item = usize>) -> Vec<String> {
        let mut ids: Vec<String> = cells
            .into_iter()
            .flat_map(|cell| &self.cells[cell].rows)
            .map(|&row| (self.row_ids)(row))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn suspect_rows(&self, cells: impl IntoIterator<Item = usize>) -> usize {
        let mut suspect: Vec<usize> = cells.into_iter().filter(|&cell| self.cells[cell].suspect).collect();
        suspect.sort_unstable();
        suspect.dedup();
        suspect.into_iter().map(|cell| self.cells[cell].rows.len()).sum()
    }
}
