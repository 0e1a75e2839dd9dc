//! Hypotheses: everything that could become a finding, each with its probability without any effect.
//!
//! Data comes from contrasts and comparisons; [`super::significance`] decides over all hypotheses together.

use std::collections::HashMap;

use crate::analysis::cell::{Basis, Cell};
use crate::analysis::compare::{Comparison, Relation, student_ratio};
use crate::analysis::contrast::{Contrast, Pair, Ratio};
use crate::analysis::estimate::Covers;
use crate::analysis::factor::Factor;
use crate::analysis::finding::{
    Finding, FindingKind, amount, amount_compared, change, networks, pairs, speed,
};
use crate::analysis::named::NamedContrast;
use crate::analysis::platform::Platform;
use crate::analysis::roofline::SMALLEST_DENSITY_RATIO;
use crate::stats::moderate::Variance;
use crate::stats::student::two_sided_probability;

/// Assumed variation between processes where no configuration had more than one: the relative standard
/// deviation on a shared virtual machine, the worst that was seen (`docs/METHOD.md`). It enters no interval.
pub(crate) const ASSUMED_BETWEEN_PROCESSES: f64 = 0.04;

/// A possible finding.
pub(super) struct Candidate {
    pub(super) finding: Finding,
    pub(super) probability: f64,
    /// Index of the contradiction that it tests.
    pub(super) contradiction: Option<usize>,
    /// Whether the effect has the direction of its kind.
    pub(super) counts: bool,
}

/// What findings are based on.
pub(super) struct Grounds<'a> {
    pub(super) platforms: &'a [Platform],
    pub(super) bases: &'a [Basis],
    pub(super) cells: &'a [Cell],
    pub(super) variances: &'a [Option<Variance>],
    pub(super) row_ids: &'a dyn Fn(usize) -> String,
    pub(super) contrasts: &'a [Contrast],
    pub(super) comparisons: &'a [Comparison],
    pub(super) named: &'a [NamedContrast],
}

/// A ratio, what it is about and what it rests on.
struct Claim {
    kind: FindingKind,
    platforms: Vec<usize>,
    factor: Option<Factor>,
    from: String,
    to: String,
    ratio: Ratio,
    /// Sum of the squared weights of the cells in the ratio.
    squared_weights: f64,
    /// The two cells of each pair.
    pairs: Vec<[usize; 2]>,
    missing: usize,
    sentence: String,
}

impl Grounds<'_> {
    /// The choice changes throughput.
    pub(super) fn choice(&self, contrast: &Contrast) -> Option<Candidate> {
        let (throughput, latency, operations) =
            (contrast.throughput?, contrast.latency?, contrast.operations?);
        let (ratio, latency) = (throughput.mean_of_ratios, latency.mean_of_ratios);
        let weights = contrast.pairs.iter().filter_map(|pair| Some(pair.throughput?.value)).collect();
        let [from, to] = [&contrast.from, &contrast.to].map(|level| networks(contrast.factor, level));
        let sentence = format!(
            "{}: {to} {} {from} (latency {}) with {}: throughput {}; mean over {}.",
            self.platforms[contrast.platform].label,
            speed(latency.value),
            change(&latency),
            amount(operations.mean_of_ratios, "operations"),
            change(&ratio),
            pairs(contrast.pairs.len(), contrast.missing.len()),
        );
        let claim = of_contrast(FindingKind::Choice, contrast, ratio, weights, sentence);
        self.candidate(claim, ratio.is_beyond_interval())
    }

    /// Fewer operations take longer.
    pub(super) fn slower(&self, contrast: &Contrast) -> Option<Candidate> {
        let (latency, operations) = (contrast.latency?, contrast.operations?);
        let (ratio, operations) = (latency.mean_of_ratios, operations.mean_of_ratios);
        let (fewer, more, ratio, saved) = if operations < 1.0 {
            (&contrast.to, &contrast.from, ratio, operations)
        } else {
            (&contrast.from, &contrast.to, ratio.inverse(), 1.0 / operations)
        };
        let weights = contrast.pairs.iter().map(|pair| pair.latency.value).collect();
        let sentence = format!(
            "{}: {} have {} but a longer latency ({}); mean over {}.",
            self.platforms[contrast.platform].label,
            networks(contrast.factor, fewer),
            amount_compared(saved, "operations", &networks(contrast.factor, more)),
            change(&ratio),
            pairs(contrast.pairs.len(), contrast.missing.len()),
        );
        let claim = Claim {
            from: more.clone(),
            to: fewer.clone(),
            ..of_contrast(FindingKind::SlowerWithFewerOperations, contrast, ratio, weights, sentence)
        };
        self.candidate(claim, ratio.is_beyond_interval() && ratio.value > 1.0 && saved < 1.0)
    }

    /// All pairs of a contrast in which the same side is denser, as one possible contradiction: the geometric
    /// mean of their throughput ratios.
    pub(super) fn averages(&self, contrast: &Contrast) -> Vec<Candidate> {
        [Denser::To, Denser::From].into_iter().filter_map(|denser| self.average(contrast, denser)).collect()
    }

    fn average(&self, contrast: &Contrast, denser: Denser) -> Option<Candidate> {
        let is_wanted = |density: f64| match denser {
            Denser::To => density > SMALLEST_DENSITY_RATIO,
            Denser::From => density < SMALLEST_DENSITY_RATIO.recip(),
        };
        let chosen: Vec<&Pair> = contrast
            .pairs
            .iter()
            .filter(|pair| pair.throughput.is_some() && pair.operational_density.is_some_and(is_wanted))
            .collect();
        if chosen.is_empty() {
            return None;
        }
        let weight = 1.0 / chosen.len() as f64;
        let mean = |read: fn(&Pair) -> Option<f64>| -> f64 {
            chosen.iter().filter_map(|pair| read(pair)).map(f64::ln).sum::<f64>() * weight
        };
        let cells = chosen.iter().flat_map(|pair| [pair.from, pair.to]);
        let parts: Vec<Option<Variance>> =
            cells.map(|cell| self.variances[cell].map(|variance| variance.weighted(weight))).collect();
        let density = mean(|pair| pair.operational_density).exp();
        let ratio = student_ratio(mean(|pair| Some(pair.throughput?.value)), &parts);
        let (from, to, density, ratio) = match denser {
            Denser::To => (&contrast.from, &contrast.to, density, ratio),
            Denser::From => (&contrast.to, &contrast.from, 1.0 / density, ratio.inverse()),
        };
        let sentence = format!(
            "{}: {} have {} but lower throughput ({}); mean over {}.",
            self.platforms[contrast.platform].label,
            networks(contrast.factor, to),
            amount_compared(density, "operations per byte", &networks(contrast.factor, from)),
            change(&ratio),
            pairs(chosen.len(), 0),
        );
        let claim = Claim {
            kind: FindingKind::Contradiction,
            platforms: vec![contrast.platform],
            factor: Some(contrast.factor),
            from: from.clone(),
            to: to.clone(),
            ratio,
            squared_weights: 2.0 * weight,
            pairs: chosen.iter().map(|pair| [pair.from, pair.to]).collect(),
            missing: contrast.missing.len(),
            sentence,
        };
        self.candidate(claim, ratio.interval.is_some_and(|interval| interval.high < 1.0))
    }

    /// Every pair of a contrast whose densities differ, as a possible contradiction. `places` are those of
    /// the contradictions.
    pub(super) fn pairs(
        &self,
        contrast: &Contrast,
        places: &HashMap<(usize, usize), usize>,
    ) -> Vec<Candidate> {
        let candidate = |pair: &Pair| {
            let (density, ratio) = (pair.operational_density?, pair.throughput?);
            let (sparser, denser, from, to, ratio) = if density > 1.0 {
                (pair.from, pair.to, &contrast.from, &contrast.to, ratio)
            } else {
                (pair.to, pair.from, &contrast.to, &contrast.from, ratio.inverse())
            };
            let contradiction = places.get(&(sparser, denser)).copied();
            let claim = Claim {
                kind: FindingKind::Contradiction,
                platforms: vec![contrast.platform],
                factor: Some(contrast.factor),
                from: from.clone(),
                to: to.clone(),
                ratio,
                squared_weights: 2.0,
                pairs: vec![[pair.from, pair.to]],
                missing: 0,
                // Those of one kind get one sentence together.
                sentence: String::new(),
            };
            let candidate = self.candidate(claim, contradiction.is_some())?;
            Some(Candidate { contradiction, ..candidate })
        };
        contrast.pairs.iter().filter_map(candidate).collect()
    }

    /// One platform is faster than the other.
    pub(super) fn platform(&self, comparison: &Comparison) -> Option<Candidate> {
        let ratio = comparison.throughput?;
        let [from, to] = [comparison.from, comparison.to].map(|index| self.platforms[index].label.clone());
        let relation = match comparison.relation {
            Relation::SoftwareVersions => " (same machine, other software)",
            Relation::PowerStates if comparison.differs_in == ["power"] => {
                " (same machine; one power state was not observed)"
            }
            Relation::PowerStates => " (same machine, other power state)",
            Relation::Platforms => "",
        };
        let missing = comparison.only_from + comparison.only_to;
        let count = comparison.pairs.len();
        let sentence = format!(
            "{to} compared with {from}{relation}: throughput {}; mean over {} that both ran{}.",
            change(&ratio),
            if count == 1 { "one network".to_owned() } else { format!("{count} networks") },
            if missing == 0 { String::new() } else { format!(", {missing} missing") },
        );
        let claim = Claim {
            kind: FindingKind::Platform,
            platforms: vec![comparison.from, comparison.to],
            factor: None,
            from,
            to,
            ratio,
            squared_weights: 2.0 / count as f64,
            pairs: comparison.pairs.iter().map(|pair| [pair.from, pair.to]).collect(),
            missing,
            sentence,
        };
        self.candidate(claim, comparison.comparable && ratio.is_beyond_interval())
    }

    /// A factor that a person named changes latency.
    pub(super) fn named(&self, contrast: &NamedContrast) -> Option<Candidate> {
        let [from, to] = [&contrast.from, &contrast.to].map(|level| format!("{} {level}", contrast.key));
        let saved = contrast
            .operations
            .map_or_else(String::new, |ratio| format!(" with {}", amount(ratio, "operations")));
        let count = contrast.pairs.len();
        let sentence = format!(
            "{}: models with {to} {} those with {from} (latency {}){saved}; mean over {}.",
            self.platforms[contrast.platform].label,
            speed(contrast.latency.value),
            change(&contrast.latency),
            pairs(count, 0),
        );
        let claim = Claim {
            kind: FindingKind::Named,
            platforms: vec![contrast.platform],
            factor: None,
            from,
            to,
            ratio: contrast.latency,
            squared_weights: 2.0 / count as f64,
            pairs: contrast.pairs.clone(),
            missing: 0,
            sentence,
        };
        self.candidate(claim, contrast.latency.is_beyond_interval())
    }

    /// The candidate of an effect; `None` if its error is unknown.
    fn candidate(&self, claim: Claim, counts: bool) -> Option<Candidate> {
        let probability = self.probability(&claim.ratio, &claim.platforms, claim.squared_weights)?;
        let mut cells = claim.pairs.concat();
        cells.sort_unstable();
        cells.dedup();
        let suspect = cells.iter().filter(|&&cell| self.cells[cell].is_suspect());
        let suspect_rows = suspect.map(|&cell| self.cells[cell].rows.len()).sum();
        let rows = cells.iter().flat_map(|&cell| &self.cells[cell].rows);
        let mut rows: Vec<String> = rows.map(|&row| (self.row_ids)(row)).collect();
        rows.sort_unstable();
        rows.dedup();
        let finding = Finding {
            kind: claim.kind,
            platforms: claim.platforms,
            factor: claim.factor,
            from: claim.from,
            to: claim.to,
            ratio: claim.ratio,
            adjusted_probability: 1.0,
            pairs: claim.pairs.len(),
            missing: claim.missing,
            suspect_rows,
            rows,
            sentence: claim.sentence,
        };
        Some(Candidate { finding, probability, contradiction: None, counts })
    }

    /// Probability of a ratio at least as far from one without any effect; `None` if its error is unknown.
    ///
    /// `squared_weights` is the sum of the squared weights of its cells, for platforms on which the variation
    /// between processes had to be assumed.
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
}

/// Which side of a contrast has the higher operational density.
#[derive(Debug, Clone, Copy)]
enum Denser {
    From,
    To,
}

/// The effect of a whole contrast, each pair with its weight.
fn of_contrast(
    kind: FindingKind,
    contrast: &Contrast,
    ratio: Ratio,
    weights: Vec<f64>,
    sentence: String,
) -> Claim {
    let sum: f64 = weights.iter().sum();
    Claim {
        kind,
        platforms: vec![contrast.platform],
        factor: Some(contrast.factor),
        from: contrast.from.clone(),
        to: contrast.to.clone(),
        ratio,
        squared_weights: weights.iter().map(|weight| 2.0 * (weight / sum).powi(2)).sum(),
        pairs: contrast.pairs.iter().map(|pair| [pair.from, pair.to]).collect(),
        missing: contrast.missing.len(),
        sentence,
    }
}
