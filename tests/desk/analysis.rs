//! The analysis on studies whose truth is known: coverage of its intervals, findings that must be there, and
//! none that must not.

use std::collections::BTreeMap;

use backbone::analysis::contrast::{Contrast, Ratio};
use backbone::analysis::estimate::Covers;
use backbone::analysis::finding::FindingKind;
use backbone::analysis::row::Row;
use backbone::analysis::{Analysis, AnalysisOptions, analyse};
use backbone::bundle::format::{Bundle, Configuration, Cost};

use crate::studies::{self, OPERATIONS_PER_MILLISECOND, Study};

/// Fewer than in a report, which moves the ends of an interval by a twentieth of its width: enough to see its
/// coverage.
const RESAMPLES: usize = 1_000;

const STUDIES: u64 = 1_000;

fn rows(bundles: Vec<Bundle>) -> Vec<Row> {
    let row = |(index, bundle)| Row::new(bundle, format!("{index}.json.gz"), format!("{index:064x}"));
    bundles.into_iter().enumerate().map(row).collect()
}

fn analysed(study: &Study) -> Analysis {
    analyse(
        rows(study.bundles_without_summaries()),
        AnalysisOptions { resamples: RESAMPLES, ..AnalysisOptions::default() },
    )
}

/// A machine with a roofline, on which two kinds of convolutions are slow in spite of it.
fn planted(configuration: &Configuration, cost: &Cost) -> f64 {
    let compute = cost.operations as f64 / OPERATIONS_PER_MILLISECOND;
    let memory = cost.bytes_moved as f64 / 4e6;
    let factor = match configuration.block.as_str() {
        "standard" => 1.5,
        "bottleneck-spatially-separable" => 2.0,
        _ => 1.0,
    };
    compute.max(memory) * factor
}

/// How often an interval held the truth.
#[derive(Default)]
struct Coverage(BTreeMap<String, (u32, u32)>);

impl Coverage {
    fn count(&mut self, name: String, ratio: &Ratio, truth: f64) {
        let interval = ratio.interval.unwrap();
        let (held, all) = self.0.entry(name).or_default();
        *held += u32::from(interval.low <= truth && truth <= interval.high);
        *all += 1;
    }

    fn pooled(&self) -> f64 {
        let (held, all) = self.0.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        f64::from(held) / f64::from(all)
    }

    fn assert_nominal(&self) {
        let pooled = self.pooled();
        let worst = self.0.iter().map(|(name, (held, all))| (f64::from(*held) / f64::from(*all), name));
        let worst = worst.min_by(|one, other| one.0.total_cmp(&other.0)).unwrap();
        for kind in ["mean of ratios", "ratio of means", "pair"] {
            let some = Coverage(
                self.0
                    .iter()
                    .filter(|(name, _)| name.contains(kind))
                    .map(|(name, one)| (name.clone(), *one))
                    .collect(),
            );
            println!("{kind}: {:.4}", some.pooled());
        }
        println!("{} intervals: pooled coverage {pooled:.4}, lowest {worst:?}", self.0.len());
        assert!((0.93..=0.97).contains(&pooled), "pooled coverage is {pooled}");
        assert!(worst.0 >= 0.90, "{} covers only {}", worst.1, worst.0);
    }
}

/// Latency and operations of both sides.
type TruePair = ((f64, f64), (f64, f64));

fn count_contrast(coverage: &mut Coverage, contrast: &Contrast, analysis: &Analysis, study: &Study) {
    let truth = |cell: usize| {
        let (configuration, cost) = truth(analysis, cell);
        ((study.milliseconds)(&configuration, &cost), cost.operations as f64)
    };
    let pairs: Vec<TruePair> = contrast.pairs.iter().map(|pair| (truth(pair.from), truth(pair.to))).collect();
    let count = pairs.len() as f64;
    let mean = |ratio: fn(&TruePair) -> f64| pairs.iter().map(ratio).sum::<f64>() / count;
    let name = format!("{:?} {} → {}", contrast.factor, contrast.from, contrast.to);
    let (latency, throughput) = (contrast.latency.unwrap(), contrast.throughput.unwrap());
    coverage.count(
        format!("{name}, latency, mean of ratios"),
        &latency.mean_of_ratios,
        mean(|(from, to)| to.0 / from.0),
    );
    coverage.count(
        format!("{name}, latency, ratio of means"),
        &latency.ratio_of_means,
        mean(|(_, to)| to.0) / mean(|(from, _)| from.0),
    );
    coverage.count(
        format!("{name}, throughput, mean of ratios"),
        &throughput.mean_of_ratios,
        mean(|(from, to)| to.1 / to.0 * from.0 / from.1),
    );
    coverage.count(
        format!("{name}, throughput, ratio of means"),
        &throughput.ratio_of_means,
        mean(|(_, to)| to.1 / to.0) / mean(|(from, _)| from.1 / from.0),
    );
    for (pair, (from, to)) in contrast.pairs.iter().zip(&pairs) {
        coverage.count(format!("{name}, pair {}", pair.others), &pair.latency, to.0 / from.0);
    }
}

#[test]
fn intervals_of_contrasts_cover_planted_effects_as_often_as_they_say() {
    let mut coverage = Coverage::default();
    for seed in 1..=STUDIES {
        let study = Study { milliseconds: Box::new(planted), ..Study::without_effect(seed) };
        let analysis = analysed(&study);
        assert_eq!(analysis.bases[0].covers, Covers::Processes);
        for contrast in &analysis.contrasts {
            count_contrast(&mut coverage, contrast, &analysis, &study);
        }
    }
    coverage.assert_nominal();
}

#[test]
fn intervals_of_single_processes_cover_the_means_of_those_processes() {
    // Without variation between processes, the true mean is that of the processes which were measured.
    let mut coverage = Coverage::default();
    for seed in 1..=STUDIES / 4 {
        let study = Study {
            milliseconds: Box::new(planted),
            processes: 1,
            runs: 100,
            between_processes: 0.0,
            blocks: studies::BLOCKS[..3].to_vec(),
            ..Study::without_effect(seed)
        };
        let analysis = analysed(&study);
        assert_eq!(analysis.bases[0].covers, Covers::MeasuredProcesses);
        for contrast in &analysis.contrasts {
            count_contrast(&mut coverage, contrast, &analysis, &study);
        }
    }
    let pooled = coverage.pooled();
    println!("pooled coverage {pooled:.4}");
    // Blocks of runs see most of how neighbours resemble each other, not all.
    assert!((0.90..=0.97).contains(&pooled), "pooled coverage is {pooled}");
}

#[test]
fn planted_contradictions_are_found_and_named() {
    /// Throughput lost by this much is far beyond the noise of every study.
    const CLEAR: f64 = 0.8;
    for seed in 1..=20 {
        let analysis = analysed(&Study { milliseconds: Box::new(planted), ..Study::without_effect(seed) });
        let throughput = |cell: usize| {
            let (configuration, cost) = truth(&analysis, cell);
            cost.operations as f64 / planted(&configuration, &cost)
        };
        let mut clear = 0;
        for contrast in &analysis.contrasts {
            for pair in &contrast.pairs {
                let is_denser = pair.operational_density.unwrap() > 1.0;
                let (sparser, denser) = if is_denser { (pair.from, pair.to) } else { (pair.to, pair.from) };
                if throughput(denser) / throughput(sparser) > CLEAR || pair.operational_density == Some(1.0) {
                    continue;
                }
                clear += 1;
                let level = |is_from: bool| if is_from { &contrast.from } else { &contrast.to };
                let named = analysis.findings.iter().find(|finding| {
                    finding.kind == FindingKind::Contradiction
                        && finding.factor == Some(contrast.factor)
                        && &finding.from == level(sparser == pair.from)
                        && finding.rows.contains(&analysis.rows[analysis.cells[denser].rows[0]].id)
                });
                assert!(named.is_some(), "seed {seed}: {} and {}", contrast.from, contrast.to);
            }
        }
        assert!(clear > 10, "only {clear} contradictions were planted");
        for contradiction in analysis.contradictions.iter().filter(|one| one.holds_among_all) {
            let lost = throughput(contradiction.denser) < throughput(contradiction.sparser);
            assert!(lost, "seed {seed}: {contradiction:?} is not true");
        }
    }
}

/// A cell's configuration, with its cost.
fn truth(analysis: &Analysis, cell: usize) -> (Configuration, Cost) {
    let configuration = analysis.cells[cell].configuration.as_ref().unwrap();
    studies::configuration(
        &configuration.block,
        configuration.kernel,
        configuration.batch,
        configuration.input,
        &configuration.precision,
    )
}

#[test]
fn studies_without_any_effect_give_no_finding() {
    for (processes, runs) in [(3, 30), (1, 100)] {
        let with_findings = (1..=100)
            .filter(|seed| {
                let study = Study { processes, runs, ..Study::without_effect(10_000 + seed) };
                !analysed(&study).findings.is_empty()
            })
            .count();
        println!("{with_findings} of 100 studies of {processes} processes had findings");
        assert!(with_findings <= 5, "{with_findings} of 100 studies of {processes} processes had findings");
    }
}
