//! Why rooflines are contradicted: the fewest networks and choices that all contradictions share.
//!
//! A network that is slow for what it moves contradicts the roofline in every pair that it is in. It is one
//! cause, and so is a choice that loses throughput wherever it is made. Data comes from contradictions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::analysis::cell::Cell;
use crate::analysis::factor::Factor;
use crate::analysis::roofline::Contradiction;

/// What some contradictions of a platform have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The platform.
    pub platform: usize,
    /// What it is.
    pub shared: Shared,
    /// Indices of the contradictions, the largest loss first.
    pub contradictions: Vec<usize>,
}

/// A network or a choice that contradictions share. Of two that explain as many, the first is taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shared {
    /// The cell of that index is slow for its operations per byte.
    SlowNetwork(usize),
    /// The cell of that index is fast for its operations per byte.
    FastNetwork(usize),
    /// Networks at one level have more operations per byte and less throughput.
    Levels {
        /// The factor.
        factor: Factor,
        /// The level with fewer operations per byte.
        sparser: String,
        /// The level with more.
        denser: String,
    },
}

/// The causes of each platform's contradictions that hold among all, those of most contradictions first; each
/// has one.
///
/// Greedy: what explains most of the rest comes next, which is close to the fewest causes (Chvátal, "A greedy
/// heuristic for the set-covering problem", *Mathematics of Operations Research* 4(3), 1979).
pub(super) fn causes(contradictions: &[Contradiction], cells: &[Cell]) -> Vec<Cause> {
    let platforms: BTreeSet<usize> = contradictions.iter().map(|one| one.platform).collect();
    platforms.into_iter().flat_map(|platform| of_platform(platform, contradictions, cells)).collect()
}

fn of_platform(platform: usize, contradictions: &[Contradiction], cells: &[Cell]) -> Vec<Cause> {
    let mut left: Vec<usize> =
        (0..contradictions.len()).filter(|&index| is_explained(&contradictions[index], platform)).collect();
    let mut causes = Vec::new();
    while !left.is_empty() {
        let mut counts: BTreeMap<Shared, usize> = BTreeMap::new();
        for &index in &left {
            for shared in candidates(&contradictions[index], cells) {
                *counts.entry(shared).or_insert(0) += 1;
            }
        }
        // The first of equal ones.
        let most = counts.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best });
        let Some((shared, _)) = most else { break };
        let (explained, rest) =
            left.into_iter().partition(|&index| candidates(&contradictions[index], cells).contains(&shared));
        left = rest;
        causes.push(Cause { platform, shared, contradictions: explained });
    }
    causes
}

fn is_explained(one: &Contradiction, platform: usize) -> bool {
    one.platform == platform && one.holds_among_all
}

/// What may be the cause of a contradiction.
fn candidates(one: &Contradiction, cells: &[Cell]) -> Vec<Shared> {
    let mut found = vec![Shared::SlowNetwork(one.denser), Shared::FastNetwork(one.sparser)];
    let level = |cell: usize| {
        let configuration = cells[cell].configuration.as_ref()?;
        Some(one.factor.level(configuration).text().to_owned())
    };
    if let (Some(sparser), Some(denser)) = (level(one.sparser), level(one.denser)) {
        found.push(Shared::Levels { factor: one.factor, sparser, denser });
    }
    found
}
