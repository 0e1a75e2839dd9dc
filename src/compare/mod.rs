//! Two sets of results, configuration by configuration: which side is faster, and whether the data can say.
//!
//! Pure: rows come from `collect`, a [`Compared`] of plain numbers goes to the command line. What is not like
//! for like is refused, with what differs (`fact`, `matching`). The unit of repetition is the build or the
//! process where there are several (`effect`); what the numbers mean is decided over all configurations
//! together (`decide`). `docs/METHOD.md` explains every number.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::analysis::build::Builds;
use crate::analysis::likeness::RowClock;
use crate::analysis::row::Row;
use crate::parallel;
use crate::stats::CONFIDENCE;

mod decide;
mod effect;
mod fact;
mod matching;
#[cfg(test)]
mod tests;

pub use decide::{Decision, Doubt};
pub(crate) use decide::{percent, shown};
pub use effect::{Change, Effect, Pairing, Repeated};
pub use fact::{Differing, Fact};
use matching::{AlikeRows, Fate};

/// Version of the form of [`Compared`], raised when a key changes its meaning or goes.
pub const VERSION: u32 = 1;

/// Label of a job that was measured for a comparison, the same on both sides.
pub const COMPARISON_LABEL: &str = "backbone.comparison";

/// Label of such a job: which pair of the comparison it belongs to.
pub const PAIR_LABEL: &str = "backbone.pair";

/// The change that is of no interest if people name none: 1 %.
pub const WITHIN: f64 = 0.01;

/// What is asked of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// A change of the latency by no more than this part is equivalent.
    pub within: f64,
    /// What may differ between the two sides.
    pub across: BTreeSet<Fact>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { within: WITHIN, across: BTreeSet::new() }
    }
}

/// Two sets of results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// [`VERSION`].
    pub version: u32,
    /// Confidence of the intervals; what is left is the probability of any false answer.
    pub confidence: f64,
    /// [`Terms::within`].
    pub within: f64,
    /// [`Terms::across`].
    pub across: BTreeSet<Fact>,
    /// What is on both sides and like for like: slowest change first.
    pub configurations: Vec<Matched>,
    /// What is on both sides and was not compared.
    pub refused: Vec<Refused>,
    /// What is on one side only.
    pub one_sided: Vec<OneSided>,
}

/// A configuration that was compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matched {
    /// θ, or the model.
    pub network: String,
    /// The runtime.
    pub runtime: String,
    /// What the numbers mean.
    pub verdict: Decision,
    /// Why nothing could be decided; `None` if something was.
    pub reason: Option<Doubt>,
    /// The same in a sentence, with numbers.
    pub detail: Option<String>,
    /// Latency of B over latency of A.
    pub time: Effect,
    /// Clock cycles of B over those of A; `None` unless both clocks were recorded.
    pub cycles: Option<Change>,
    /// Probability of a difference at least this large without any, corrected for all configurations.
    pub adjusted_probability: Option<f64>,
    /// Probability of an interval this close to one if the change were as large as [`Compared::within`],
    /// corrected likewise.
    pub adjusted_probability_of_difference: Option<f64>,
    /// What differs although it was compared: the software, and what [`Terms::across`] admits.
    pub differs: Vec<Differing>,
    /// What should be alike and was not recorded on one of the sides.
    pub unconfirmed: Vec<Fact>,
    /// The side that is compared with.
    pub a: ComparedSide,
    /// The side that is compared.
    pub b: ComparedSide,
}

/// One side of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedSide {
    /// Results with latencies.
    pub results: usize,
    /// Results that failed or are invalid; they enter no number.
    pub left_out: usize,
    /// Builds, over all results.
    pub builds: usize,
    /// Processes, over all results.
    pub processes: usize,
    /// Timed runs, over all results.
    pub runs: usize,
    /// Geometric mean of the means of the units, in milliseconds.
    pub latency_ms: f64,
    /// Mean clock in Hz, if it was recorded for every result.
    pub clock_hertz: Option<f64>,
    /// Reasons of suspect verdicts, each once.
    pub suspect: BTreeSet<String>,
}

/// A configuration that is on both sides and was not compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refused {
    /// θ, or the model, of A.
    pub network: String,
    /// The runtime of A.
    pub runtime: String,
    /// Why.
    pub reason: Refusal,
    /// The same in a sentence.
    pub detail: String,
    /// What differs: between the sides, or within one.
    pub differs: Vec<Differing>,
}

/// Why a configuration was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The sides are not like for like.
    Differs,
    /// One side holds results that are not alike.
    Mixed,
    /// A has latencies and B has only results that failed or are invalid.
    NoLatenciesInB,
    /// The other way round, or neither has latencies.
    NoLatenciesInA,
}

/// A configuration that is on one side only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OneSided {
    /// `a` or `b`.
    pub side: char,
    /// θ, or the model.
    pub network: String,
    /// The runtime.
    pub runtime: String,
    /// Its results.
    pub results: usize,
}

impl Compared {
    /// How many configurations have this verdict.
    pub fn count(&self, verdict: Decision) -> usize {
        self.configurations.iter().filter(|one| one.verdict == verdict).count()
    }
}

/// Compare B with A.
pub fn compare(mut a: Vec<Row>, mut b: Vec<Row>, terms: &Terms) -> Compared {
    for row in a.iter_mut().chain(b.iter_mut()) {
        row.choose(Builds::All);
    }
    let found = matching::found(&a, &b, terms);
    let mut refused: Vec<Refused> = Vec::new();
    let mut one_sided: Vec<OneSided> = Vec::new();
    let mut alike: Vec<(AlikeRows<'_>, AlikeRows<'_>, Vec<Fact>)> = Vec::new();
    for one in found {
        match one {
            Fate::Alike(a, b, unconfirmed) => match matching::mixed(&a, &b) {
                Some(refusal) => refused.push(refusal),
                None => alike.push((a, b, unconfirmed)),
            },
            Fate::Refused(one) => refused.push(one),
            Fate::OneSided(one) => one_sided.push(one),
        }
    }
    let prior = effect::prior_of(alike.iter().flat_map(|(a, b, _)| [a, b]));
    let made = parallel::map(&alike, |(a, b, _)| effect::effect(a, b, prior));
    let mut configurations: Vec<Matched> = alike
        .iter()
        .zip(made)
        .map(|((a, b, unconfirmed), time)| matched((a, b), unconfirmed, time))
        .collect();
    decide::decide(&mut configurations, terms.within);
    configurations.sort_by(|one, other| {
        let slower_first = other.time.change.value.total_cmp(&one.time.change.value);
        let name = (&one.network, &one.runtime).cmp(&(&other.network, &other.runtime));
        one.verdict.cmp(&other.verdict).then(slower_first).then(name)
    });
    Compared {
        version: VERSION,
        confidence: CONFIDENCE,
        within: terms.within,
        across: terms.across.clone(),
        configurations,
        refused,
        one_sided,
    }
}

fn matched((a, b): (&AlikeRows<'_>, &AlikeRows<'_>), unconfirmed: &[Fact], time: Effect) -> Matched {
    let (one, other) = (side(a, time.a_log), side(b, time.b_log));
    let cycles = one.clock_hertz.zip(other.clock_hertz).map(|(from, to)| time.change.times(to / from));
    Matched {
        network: a.network.clone(),
        runtime: a.runtime.clone(),
        verdict: Decision::Ambiguous,
        reason: None,
        detail: None,
        time,
        cycles,
        adjusted_probability: None,
        adjusted_probability_of_difference: None,
        differs: matching::differing(a, b),
        unconfirmed: unconfirmed.to_vec(),
        a: one,
        b: other,
    }
}

fn side(group: &AlikeRows<'_>, log_ms: f64) -> ComparedSide {
    let rows = &group.rows;
    let clocks: Option<Vec<_>> = rows.iter().map(|row| row.clock).collect();
    let same = |clocks: &Vec<RowClock>| clocks.iter().all(|clock| clock.quantity == clocks[0].quantity);
    let clock_hertz = clocks
        .filter(same)
        .map(|clocks| clocks.iter().map(|clock| clock.hertz).sum::<f64>() / clocks.len() as f64);
    let suspects = rows.iter().filter(|row| effect::is_suspect(row));
    ComparedSide {
        results: rows.len(),
        left_out: group.left_out,
        builds: rows.iter().map(|row| row.builds.len()).sum(),
        processes: rows.iter().map(|row| row.processes.len()).sum(),
        runs: rows.iter().flat_map(|row| &row.processes).map(|process| process.latency_ns.len()).sum(),
        latency_ms: log_ms.exp(),
        clock_hertz,
        suspect: suspects.flat_map(|row| row.verdict_reasons.iter().cloned()).collect(),
    }
}
