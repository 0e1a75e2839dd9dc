//! Which results share a platform: power modes, links, and results that ended before all was known.

use backbone::analysis::compare::Relation;
use backbone::analysis::{Analysis, AnalysisOptions, analyse};
use backbone::bundle::format::{EdgeTpu, EdgeTpuBus, Stage, Status};
use backbone::collect::collect;
use tempfile::TempDir;

use crate::studies::{Study, failed};
use crate::write;

fn analysed(folder: &TempDir) -> Analysis {
    let rows = collect(&[folder.path().join("results")], false).unwrap().rows;
    analyse(rows, AnalysisOptions { resamples: 100, ..AnalysisOptions::default() })
}

fn in_mode(mode: &'static str, is_locked: bool, seed: u64) -> Study {
    Study { host: "xavier".to_owned(), power: Some((mode, is_locked)), ..Study::without_effect(seed) }
}

fn labels(analysis: &Analysis) -> Vec<&str> {
    analysis.platforms.iter().map(|platform| platform.label.as_str()).collect()
}

#[test]
fn two_power_modes_of_one_machine_are_two_platforms_that_are_compared() {
    let folder = TempDir::new().unwrap();
    write(&folder, "one", &in_mode("MAXN", true, 1).bundles());
    write(&folder, "other", &in_mode("MODE_30W_ALL", true, 2).bundles());
    let analysis = analysed(&folder);
    assert_eq!(
        labels(&analysis),
        [
            "xavier, onnxruntime 1.0, MAXN, clocks locked",
            "xavier, onnxruntime 1.0, MODE_30W_ALL, clocks locked"
        ]
    );
    let comparison = &analysis.comparisons[0];
    assert_eq!((comparison.relation, comparison.pairs.len()), (Relation::PowerStates, 24));
    assert_eq!(comparison.differs_in, ["power.mode"]);
    assert!(comparison.comparable && comparison.latency.unwrap().interval.is_some());
}

#[test]
fn processors_that_a_mode_switches_off_do_not_make_another_machine() {
    let folder = TempDir::new().unwrap();
    write(&folder, "one", &in_mode("MAXN", false, 1).bundles());
    let mut two_cores = in_mode("MODE_30W_2CORE", false, 2).bundles();
    for bundle in &mut two_cores {
        let power = bundle.environment.as_mut().unwrap().power.as_mut().unwrap();
        for processor in 0..8 {
            let (file, is_on) = (format!("/sys/devices/system/cpu/cpu{processor}/online"), processor < 2);
            power.found.settings.insert(file, u8::from(is_on).to_string());
        }
    }
    write(&folder, "other", &two_cores);
    let analysis = analysed(&folder);
    let cores: Vec<Option<u32>> =
        analysis.platforms.iter().map(|platform| platform.identity.machine.logical_cores).collect();
    assert_eq!(cores, [Some(8), Some(2)]);
    assert_eq!(analysis.comparisons[0].relation, Relation::PowerStates);
    assert_eq!(analysis.comparisons[0].differs_in, ["logical_cores", "power.mode"]);
}

#[test]
fn a_state_that_was_not_observed_is_none_of_those_that_were() {
    let folder = TempDir::new().unwrap();
    write(&folder, "one", &in_mode("MAXN", false, 1).bundles());
    write(&folder, "other", &Study { power: None, ..in_mode("", false, 2) }.bundles());
    let analysis = analysed(&folder);
    assert_eq!(labels(&analysis), ["xavier, onnxruntime 1.0", "xavier, onnxruntime 1.0, MAXN"]);
    assert_eq!(analysis.comparisons[0].differs_in, ["power"]);
    assert!(analysis.platforms[0].identity.power.is_none());
}

#[test]
fn results_that_ended_before_the_power_state_was_read_join_the_platform_of_their_job() {
    let folder = TempDir::new().unwrap();
    // Two jobs in two modes: only the job tells which of both an early failure belongs to.
    let mut fast = in_mode("MAXN", false, 1).bundles();
    for index in [0, 1] {
        fast[index] = failed(fast[index].clone(), Status::Failed, "not_loaded");
        fast[index].environment = None;
    }
    // What was found is not what the job asked for.
    fast[1].outcome.stage = Some(Stage::Power);
    fast[1].environment = in_mode("MODE_10W", false, 1).bundles().swap_remove(1).environment;
    let mut slow = in_mode("MODE_30W_ALL", false, 2).bundles();
    // The state was read, and the library was not loaded.
    slow[0] = failed(slow[0].clone(), Status::Failed, "not_loaded");
    // Of a third job that never came further.
    let mut early = failed(in_mode("MAXN", false, 3).bundles().swap_remove(0), Status::Failed, "not_loaded");
    early.environment = None;
    write(&folder, "fast", &fast);
    write(&folder, "slow", &slow);
    write(&folder, "early", &[early]);
    let analysis = analysed(&folder);
    assert_eq!(
        labels(&analysis),
        ["xavier, onnxruntime", "xavier, onnxruntime 1.0, MAXN", "xavier, onnxruntime 1.0, MODE_30W_ALL"]
    );
    let gaps: Vec<usize> = analysis.feasibility.iter().map(|one| one.gaps.len()).collect();
    assert_eq!(gaps, [1, 2, 1]);
    assert!(analysis.without_platform.is_empty());
}

#[test]
fn an_edge_tpu_behind_usb_2_is_another_platform_than_behind_usb_3() {
    let on = |name: &str, speed, seed| Study {
        host: "coral".to_owned(),
        runtime: "edgetpu".to_owned(),
        edge_tpus: vec![EdgeTpu {
            bus: EdgeTpuBus::Usb,
            name: name.to_owned(),
            link_megabits_per_second: Some(speed),
        }],
        ..Study::without_effect(seed)
    };
    let folder = TempDir::new().unwrap();
    write(&folder, "slow", &on("1-2", 480, 1).bundles());
    write(&folder, "fast", &on("2-1", 5000, 2).bundles());
    // Another socket is the same platform, and so is a stick that the runtime does not use.
    write(&folder, "again", &on("2-3", 5000, 3).bundles());
    let unused = Study { runtime: "tflite".to_owned(), ..on("1-2", 480, 4) };
    write(&folder, "unused", &unused.bundles());
    write(&folder, "without", &Study { edge_tpus: Vec::new(), seed: 5, ..unused }.bundles());
    assert_eq!(
        labels(&analysed(&folder)),
        ["coral, edgetpu 1.0, USB 2", "coral, edgetpu 1.0, USB 3", "coral, tflite 1.0"]
    );
}

#[test]
fn given_peaks_replace_the_measured_ones_of_the_platform_they_are_meant_for() {
    let folder = TempDir::new().unwrap();
    write(&folder, "one", &in_mode("MAXN", false, 1).bundles());
    write(&folder, "other", &in_mode("MODE_30W_ALL", false, 2).bundles());
    let rows = collect(&[folder.path().join("results")], false).unwrap().rows;
    let peaks = vec![
        "xavier/fp32=1,1".parse().unwrap(),
        "xavier, onnxruntime 1.0, MAXN/int8=22.8e12,137e9".parse().unwrap(),
    ];
    let analysis = analyse(rows, AnalysisOptions { resamples: 100, peaks, ..AnalysisOptions::default() });
    let [one, other] = [0, 1].map(|index| &analysis.rooflines[index]);
    assert!(one.given && !other.given);
    assert_eq!((one.peaks.operations_per_second, one.ridge), (22.8e12, 22.8e12 / 137e9));
    assert!(one.points.iter().all(|point| point.attained < other.points[0].attained));
}
