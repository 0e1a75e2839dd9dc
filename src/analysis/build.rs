//! Builds of one result, and which of them its statistics are over.
//!
//! A runtime that compiles may make another program of the same model each time, so a result may hold several
//! builds, each with its processes. The paper takes the fastest. All are kept, whatever is chosen. Data comes
//! from rows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::process::RowProcess;

/// Which builds statistics are over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Builds {
    /// The one with the lowest mean, the first of equal ones, as the paper does. The lowest of several means
    /// is below what a build takes on average.
    #[default]
    Fastest,
    /// The first one.
    First,
    /// All together: intervals then cover builds and processes at once.
    All,
}

/// One build of a result.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RowBuild {
    /// Its number, from 1.
    pub build: u32,
    /// Its processes that gave latencies.
    pub processes: usize,
    /// Mean of their means, in milliseconds.
    pub mean_ms: f64,
    /// Are the statistics of the row over it?
    pub used: bool,
}

impl Builds {
    /// The builds of the processes, in the order of their numbers.
    pub(super) fn of(self, processes: &[RowProcess]) -> Vec<RowBuild> {
        let mut means: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for process in processes {
            means.entry(process.build).or_default().push(process.mean_ms());
        }
        let mut builds: Vec<RowBuild> = means
            .into_iter()
            .map(|(build, means)| RowBuild {
                build,
                processes: means.len(),
                mean_ms: means.iter().sum::<f64>() / means.len() as f64,
                used: false,
            })
            .collect();
        match self {
            Self::All => builds.iter_mut().for_each(|build| build.used = true),
            Self::First => builds.iter_mut().take(1).for_each(|build| build.used = true),
            Self::Fastest => {
                // The first of equal ones, as `min_by` has it.
                let fastest = builds.iter_mut().min_by(|one, other| one.mean_ms.total_cmp(&other.mean_ms));
                fastest.into_iter().for_each(|build| build.used = true);
            }
        }
        builds
    }
}
