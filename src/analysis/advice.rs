//! What a platform's numbers say to someone who designs a network for it, in a few sentences.
//!
//! Every number in a sentence is one of a contrast or of a ranking: nothing is computed here. Data comes from
//! `choice` and `contrast`, goes to the top of a report.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::cell::Cell;
use crate::analysis::choice::{Choice, Task};
use crate::analysis::compare::{Comparison, Relation};
use crate::analysis::contrast::{Contrast, Ratio};
use crate::analysis::factor::Factor;
use crate::analysis::finding::{amount, speed_compared, times};
use crate::analysis::platform::Platform;

/// One thing to know about a platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// The platform.
    pub platform: usize,
    /// What it is about.
    pub topic: Topic,
    /// The sentence.
    pub sentence: String,
    /// Foreign names in the sentence.
    pub names: Vec<String>,
    /// Indices of the rows behind its numbers.
    pub rows: Vec<usize>,
}

/// What advice is about, in the order in which people want it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Which block to use.
    Block,
    /// Whether its bottleneck pays.
    Bottleneck,
    /// What a larger kernel costs in these blocks.
    Kernel,
    /// What the number format buys.
    Precision,
    /// Whether a larger batch pays.
    Batch,
    /// What the worst choice costs.
    WrongChoice,
    /// Which dropped model is the fastest.
    Models,
    /// What another version or power state of the same machine changed.
    Change,
}

/// What advice is made of.
pub(super) struct Counsel<'a> {
    pub(super) cells: &'a [Cell],
    pub(super) choices: &'a [Choice],
    /// Over all blocks.
    pub(super) contrasts: &'a [Contrast],
    /// Within each block.
    pub(super) within: &'a [Contrast],
    pub(super) platforms: &'a [Platform],
    pub(super) comparisons: &'a [Comparison],
}

/// The block that most others are compared with, the paper's baseline.
const BASELINE: &str = "standard";

const BOTTLENECK: &str = "bottleneck-";

impl Counsel<'_> {
    /// The advice for one platform, in the order of topics.
    pub(super) fn advice(&self, platform: usize) -> Vec<Advice> {
        let own: Vec<&Choice> = self.choices.iter().filter(|choice| choice.platform == platform).collect();
        let tasks: Vec<&Choice> = own.iter().copied().filter(|choice| choice.task.is_some()).collect();
        let best = self.best_block(&tasks);
        let all = [
            best.and_then(|best| self.block(platform, best, &tasks)),
            best.and_then(|best| self.bottleneck(platform, best)),
            best.and_then(|best| self.kernel(platform, best)),
            self.precision(platform),
            self.batch(platform),
            self.wrong_choice(platform, &tasks),
            own.iter().find(|choice| choice.task.is_none()).and_then(|models| self.models(platform, models)),
        ];
        let changes = self.comparisons.iter().filter(|one| one.to == platform);
        all.into_iter().flatten().chain(changes.filter_map(|one| self.change(one))).collect()
    }

    fn block_of(&self, cell: usize) -> Option<&str> {
        Some(self.cells[cell].configuration.as_ref()?.block.as_str())
    }

    /// The block that is the fastest in most tasks in which there was a choice; of equal ones the first.
    fn best_block(&self, tasks: &[&Choice]) -> Option<&str> {
        let wins = self.wins(tasks);
        let most = wins.iter().map(|(_, wins)| *wins).max()?;
        wins.iter().find(|(_, wins)| *wins == most).map(|(block, _)| *block)
    }

    /// How many tasks each block is the fastest in, of those that several blocks were measured for.
    fn wins(&self, tasks: &[&Choice]) -> Vec<(&str, usize)> {
        let mut wins: BTreeMap<&str, usize> = BTreeMap::new();
        for choice in tasks.iter().filter(|choice| self.is_contested(choice)) {
            if let Some(block) = self.block_of(choice.fastest().cell) {
                *wins.entry(block).or_insert(0) += 1;
            }
        }
        let mut wins: Vec<(&str, usize)> = wins.into_iter().collect();
        wins.sort_by_key(|(_, wins)| std::cmp::Reverse(*wins));
        wins
    }

    fn is_contested(&self, choice: &Choice) -> bool {
        let fastest = self.block_of(choice.fastest().cell);
        choice.ranking.iter().any(|ranked| self.block_of(ranked.cell) != fastest)
    }

    fn block(&self, platform: usize, best: &str, tasks: &[&Choice]) -> Option<Advice> {
        let contested = tasks.iter().filter(|choice| self.is_contested(choice)).count();
        let wins = self.wins(tasks);
        let own = wins.first()?.1;
        let others: Vec<&str> = self
            .contrasts
            .iter()
            .filter(|one| one.platform == platform && one.factor == Factor::Block)
            .flat_map(|one| [one.from.as_str(), one.to.as_str()])
            .filter(|block| *block != best)
            .collect();
        // Against the paper's baseline, or if that is the best, against what comes next.
        let against = if others.contains(&BASELINE) {
            BASELINE
        } else {
            let ratio = |other: &str| Some(self.effect(platform, Factor::Block, best, other)?.1.value);
            others.iter().copied().min_by(|one, other| {
                ratio(one).unwrap_or(f64::MAX).total_cmp(&ratio(other).unwrap_or(f64::MAX))
            })?
        };
        let (contrast, latency, operations) = self.effect(platform, Factor::Block, against, best)?;
        let where_fastest = match (own, contested) {
            (1, 1) => "the fastest in the one task measured".to_owned(),
            (own, all) if own == all => format!("the fastest in every one of the {all} tasks measured"),
            (own, all) => {
                let rest: Vec<String> =
                    wins[1..].iter().map(|(block, wins)| format!("{block} in {wins}")).collect();
                format!("the fastest in {own} of the {all} tasks measured ({})", rest.join(", "))
            }
        };
        let sentence = format!(
            "Use {best} blocks: {where_fastest}. On average they {}{}.",
            speed_compared(&latency, &format!("{against} ones")),
            with_operations(operations),
        );
        let names = [best, against].into_iter().chain(wins.iter().map(|(block, _)| *block));
        Some(self.of_contrast(Topic::Block, contrast, sentence, names))
    }

    /// The best block with its bottleneck, or without.
    fn bottleneck(&self, platform: usize, best: &str) -> Option<Advice> {
        let (plain, has) = best.strip_prefix(BOTTLENECK).map_or((best, false), |plain| (plain, true));
        let narrowed = format!("{BOTTLENECK}{plain}");
        let (from, to) = if has { (narrowed.as_str(), plain) } else { (plain, narrowed.as_str()) };
        let (contrast, latency, operations) = self.effect(platform, Factor::Block, from, to)?;
        let sentence = format!(
            "{} a bottleneck they {}{}.",
            if has { "Without" } else { "With" },
            speed_compared(&latency, if has { "with it" } else { "without" }),
            with_operations(operations),
        );
        Some(self.of_contrast(Topic::Bottleneck, contrast, sentence, [plain]))
    }

    fn kernel(&self, platform: usize, best: &str) -> Option<Advice> {
        let own = |all: &'_ &Contrast| {
            all.platform == platform
                && all.factor == Factor::Kernel
                && all.within.as_deref().is_none_or(|block| block == best)
                && all.latency.is_some()
        };
        // From the smallest kernel to the largest: the smallest comes first, the largest last.
        let within: Vec<&Contrast> = self.within.iter().filter(own).collect();
        let (known, in_blocks) = if within.is_empty() {
            (self.contrasts.iter().filter(own).collect(), String::new())
        } else {
            (within, format!(" in {best} blocks"))
        };
        let first = known.first()?;
        let contrast = known.iter().rev().find(|contrast| contrast.from == first.from)?;
        let latency = contrast.latency?.mean_of_ratios;
        let sentence = format!(
            "Kernels of {}{in_blocks} {}{}.",
            contrast.to,
            speed_compared(&latency, &format!("those of {}", contrast.from)),
            with_operations(contrast.operations.map(|operations| operations.mean_of_ratios)),
        );
        Some(self.of_contrast(Topic::Kernel, contrast, sentence, [best]))
    }

    fn precision(&self, platform: usize) -> Option<Advice> {
        let own = |one: &&Contrast| one.platform == platform && one.factor == Factor::Precision;
        let contrast = self.contrasts.iter().find(own)?;
        let latency = contrast.latency?.mean_of_ratios;
        // As a gain, whichever number format has it.
        let (slow, fast, latency) = if latency.value < 1.0 {
            (&contrast.from, &contrast.to, latency)
        } else {
            (&contrast.to, &contrast.from, latency.inverse())
        };
        let sentence = format!("{fast} networks {}.", speed_compared(&latency, &format!("{slow} ones")));
        let names = [slow.as_str(), fast.as_str()];
        Some(self.of_contrast(Topic::Precision, contrast, sentence, names))
    }

    fn batch(&self, platform: usize) -> Option<Advice> {
        let own = |one: &&Contrast| one.platform == platform && one.factor == Factor::Batch;
        let known: Vec<&Contrast> = self.contrasts.iter().filter(own).collect();
        let first = known.first()?;
        let contrast = known.iter().rev().find(|contrast| contrast.from == first.from)?;
        // A batch has so many times the operations, and the throughput is that of images as well.
        let throughput = contrast.throughput?.mean_of_ratios;
        let sentence = format!(
            "A batch of {} handles {} images per second {} a batch of {}.",
            contrast.to,
            times(&throughput),
            if throughput.value < 1.5 && throughput.value != 1.0 { "than" } else { "as" },
            contrast.from
        );
        Some(self.of_contrast(Topic::Batch, contrast, sentence, []))
    }

    fn wrong_choice(&self, platform: usize, tasks: &[&Choice]) -> Option<Advice> {
        let cost = |choice: &&&Choice| choice.slowest().map_or(1.0, |slowest| slowest.latency.value);
        let choice = tasks.iter().max_by(|one, other| cost(one).total_cmp(&cost(other)))?;
        let slowest = choice.slowest()?;
        let (best, worst) = (&self.cells[choice.fastest().cell], &self.cells[slowest.cell]);
        let task = choice.task.as_ref().map_or_else(String::new, Task::words);
        let sentence = format!(
            "The wrong choice costs most at {task}: {} {} {}.",
            worst.subject,
            speed_compared(&slowest.latency, &best.subject).replacen("take ", "takes ", 1),
            format_args!("({} against {} ms)", number(worst.latency_ms.value), number(best.latency_ms.value)),
        );
        Some(Advice {
            platform,
            topic: Topic::WrongChoice,
            sentence,
            names: vec![worst.subject.clone(), best.subject.clone()],
            rows: best.rows.iter().chain(&worst.rows).copied().collect(),
        })
    }

    fn models(&self, platform: usize, models: &Choice) -> Option<Advice> {
        let next = models.runner_up()?;
        let (best, other) = (&self.cells[models.fastest().cell], &self.cells[next.cell]);
        let sentence = format!(
            "Of {} dropped models {} is the fastest with {} ms; {} {}.",
            models.ranking.len(),
            best.subject,
            number(best.latency_ms.value),
            other.subject,
            speed_compared(&next.latency, "it").replacen("take ", "takes ", 1),
        );
        Some(Advice {
            platform,
            topic: Topic::Models,
            sentence,
            names: vec![best.subject.clone(), other.subject.clone()],
            rows: best.rows.iter().chain(&other.rows).copied().collect(),
        })
    }

    /// What changed on a machine, and for which network most to the worse.
    fn change(&self, comparison: &Comparison) -> Option<Advice> {
        let latency = comparison.latency.filter(|_| comparison.relation != Relation::Platforms)?;
        let from = &self.platforms[comparison.from].name;
        let slowest = comparison
            .pairs
            .iter()
            .filter(|pair| pair.latency.is_beyond_interval() && pair.latency.value > 1.0)
            .max_by(|one, other| one.latency.value.total_cmp(&other.latency.value));
        let worst = slowest.map_or_else(
            || "None got slower beyond its interval".to_owned(),
            |pair| {
                let took = speed_compared(&pair.latency, "there").replacen("take ", "takes ", 1);
                format!("Most to the worse: {} {took}", pair.subject)
            },
        );
        let sentence =
            format!("Networks {}. {worst}.", speed_compared(&latency, &format!("those on {from}")));
        let names = slowest.map(|pair| pair.subject.clone()).into_iter().chain([from.clone()]).collect();
        let cells = comparison.pairs.iter().flat_map(|pair| [pair.from, pair.to]);
        Some(Advice {
            platform: comparison.to,
            topic: Topic::Change,
            sentence,
            names,
            rows: cells.flat_map(|cell| self.cells[cell].rows.iter().copied()).collect(),
        })
    }

    /// The contrast of two levels, with the ratios of `to` over `from` whichever way round it was made.
    fn effect(
        &self,
        platform: usize,
        factor: Factor,
        from: &str,
        to: &str,
    ) -> Option<(&Contrast, Ratio, Option<f64>)> {
        self.contrasts.iter().filter(|one| one.platform == platform && one.factor == factor).find_map(|one| {
            let (latency, operations) = (one.latency?.mean_of_ratios, one.operations);
            let operations = operations.map(|operations| operations.mean_of_ratios);
            match (one.from.as_str(), one.to.as_str()) {
                pair if pair == (from, to) => Some((one, latency, operations)),
                pair if pair == (to, from) => Some((one, latency.inverse(), operations.map(f64::recip))),
                _ => None,
            }
        })
    }

    fn of_contrast<'n>(
        &self,
        topic: Topic,
        contrast: &Contrast,
        sentence: String,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Advice {
        Advice {
            platform: contrast.platform,
            topic,
            sentence,
            names: names.into_iter().map(str::to_owned).collect(),
            rows: rows(contrast, self.cells),
        }
    }
}

/// The rows behind a contrast.
pub(crate) fn rows(contrast: &Contrast, cells: &[Cell]) -> Vec<usize> {
    let pairs = contrast.pairs.iter().flat_map(|pair| [pair.from, pair.to]);
    let mut rows: Vec<usize> = pairs.flat_map(|cell| cells[cell].rows.iter().copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

impl Task {
    /// `input 224, batch 1, int8`.
    pub(crate) fn words(&self) -> String {
        format!("input {}, batch {}, {}", self.input, self.batch, self.precision)
    }
}

fn with_operations(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!(", with {}", amount(ratio, "operations")))
}

/// Milliseconds to three digits.
fn number(milliseconds: f64) -> String {
    let digits = (2 - milliseconds.log10().floor() as i32).clamp(0, 9) as usize;
    format!("{milliseconds:.digits$}")
}
