//! The factors of a configuration and their levels: what can differ between two of them.
//!
//! Names and numbers come from bundles and may be anything; an unknown block is a level like any other. Goes
//! to the contrasts, which need two configurations to differ in exactly one factor.

use serde::Serialize;

use crate::bundle::format::Configuration;
use crate::network::blocks::BLOCKS;
use crate::network::configuration::RESNET_50_DEPTHS;

/// One factor of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// Block type.
    Block,
    /// Kernel size k.
    Kernel,
    /// Batch size b.
    Batch,
    /// Input size i.
    Input,
    /// Number format.
    Precision,
    /// Width multiplier.
    Width,
    /// Depths of the stages.
    Depths,
}

/// Every factor, in the order of tables.
pub(crate) const FACTORS: &[Factor] = &[
    Factor::Block,
    Factor::Kernel,
    Factor::Batch,
    Factor::Input,
    Factor::Precision,
    Factor::Width,
    Factor::Depths,
];

/// A level of a factor, in its natural order: blocks as `BLOCKS` lists them, numbers by size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Level {
    rank: u64,
    text: String,
}

impl Level {
    /// Its text for people.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl Factor {
    /// Its name in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Kernel => "kernel",
            Self::Batch => "batch",
            Self::Input => "input",
            Self::Precision => "precision",
            Self::Width => "width",
            Self::Depths => "depths",
        }
    }

    /// The level of a configuration.
    pub(super) fn level(self, configuration: &Configuration) -> Level {
        let number = |value: u32| Level { rank: value.into(), text: value.to_string() };
        match self {
            Self::Block => {
                let rank = BLOCKS.iter().position(|block| block.name == configuration.block);
                Level { rank: rank.unwrap_or(BLOCKS.len()) as u64, text: configuration.block.clone() }
            }
            Self::Kernel => number(configuration.kernel),
            Self::Batch => number(configuration.batch),
            Self::Input => number(configuration.input),
            Self::Precision => Level { rank: 0, text: configuration.precision.clone() },
            Self::Width => number(configuration.width_percent),
            Self::Depths => {
                let [first, second, third, fourth] = configuration.depths;
                let sum = configuration.depths.iter().map(|&depth| u64::from(depth)).sum();
                Level { rank: sum, text: format!("{first}_{second}_{third}_{fourth}") }
            }
        }
    }

    /// The name of a configuration with a `*` for this factor: what two that differ in it alone have in
    /// common.
    pub(super) fn others(self, configuration: &Configuration) -> String {
        spelled(configuration, Some(self))
    }
}

/// The name of a configuration, from its factors and not from what a bundle calls it.
pub(super) fn name(configuration: &Configuration) -> String {
    spelled(configuration, None)
}

fn spelled(configuration: &Configuration, hidden: Option<Factor>) -> String {
    let part = |factor: Factor| match hidden {
        Some(hidden) if hidden == factor => "*".to_owned(),
        _ => factor.level(configuration).text,
    };
    let mut name = format!(
        "{}-k{}-b{}-i{}-{}",
        part(Factor::Block),
        part(Factor::Kernel),
        part(Factor::Batch),
        part(Factor::Input),
        part(Factor::Precision)
    );
    if configuration.width_percent != 100 || hidden == Some(Factor::Width) {
        name.push_str(&format!("-w{}", part(Factor::Width)));
    }
    if configuration.depths != RESNET_50_DEPTHS || hidden == Some(Factor::Depths) {
        name.push_str(&format!("-d{}", part(Factor::Depths)));
    }
    name
}
