//! The desk side from outside: bundles in folders, the real program, and other people's tools as second
//! opinions.
//!
//! The second opinions need Python with the packages of `tests/desk/requirements.txt` (`make test` brings
//! them): without, they are skipped, and under `BACKBONE_REQUIRE_PYTHON=1` they fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use backbone::analysis::build::Builds;
use backbone::analysis::{Analysis, AnalysisOptions, analyse, pareto};
use backbone::bundle::format::{Bundle, Energy, EnergyState, Status, VerdictState};
use backbone::collect::collect;
use backbone::units::Nanos;
use tempfile::TempDir;

use crate::studies::{self, Study, failed};
use crate::{export, write};

/// A lab's results: a board with a study of three processes, before and after an update, a board whose study
/// had one process each, with whatever goes wrong.
fn lab() -> TempDir {
    let xavier = |version: &str, seed| Study {
        kernels: vec![3, 5],
        batches: vec![1, 2],
        version: version.to_owned(),
        milliseconds: Box::new(|theta, cost| {
            let slow = if theta.block == "standard" { 1.5 } else { 1.0 };
            slow * (cost.operations as f64 / studies::OPERATIONS_PER_MILLISECOND)
                .max(cost.bytes_moved as f64 / 4e6)
        }),
        host: "xavier".to_owned(),
        ..Study::without_effect(seed)
    };
    let folder = TempDir::new().unwrap();
    let mut bundles = xavier("1.0", 1).bundles();
    for index in [3, 17, 18] {
        bundles[index] = failed(bundles[index].clone(), Status::TimedOut, "timed_out");
    }
    for index in [5, 6] {
        bundles[index].verdict.state = VerdictState::Suspect;
    }
    // An absurd result, and one that an instrument took for nothing.
    bundles[8].verdict.state = VerdictState::Invalid;
    bundles[8].trials[0].latencies.latency_ns[0] = Nanos(u64::MAX);
    bundles[9].trials.iter_mut().for_each(|trial| trial.latencies.latency_ns.fill(Nanos(0)));
    // The same configuration again, in another job.
    let mut again = xavier("1.0", 9).bundles()[0].clone();
    again.id.push_str("-again");
    bundles.push(again);
    write(&folder, "xavier", &bundles);
    write(
        &folder,
        "xavier-updated",
        &Study { blocks: studies::BLOCKS[..4].to_vec(), ..xavier("2.0", 2) }.bundles(),
    );
    let single = Study {
        processes: 1,
        runs: 100,
        host: "coral".to_owned(),
        runtime: "tflite".to_owned(),
        builds: 2,
        ..xavier("1.0", 3)
    };
    write(&folder, "coral", &single.bundles());
    folder
}

/// Python with the packages, unless there is none and none is required.
fn python() -> Option<Command> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python-desk");
    let python = || {
        let mut command = Command::new(std::env::var_os("BACKBONE_PYTHON").unwrap_or("python3".into()));
        if packages.exists() {
            command.env("PYTHONPATH", &packages);
        }
        command
    };
    let imports = python().args(["-c", "import duckdb, numpy, polars, pyperf, scipy"]).output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Some(python());
    }
    let required = std::env::var_os("BACKBONE_REQUIRE_PYTHON").is_some_and(|value| value == "1");
    assert!(!required, "Python lacks the packages of tests/desk/requirements.txt");
    println!("skipped: Python lacks the packages of tests/desk/requirements.txt");
    None
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn every_number_of_an_analysis_is_found_again_by_numpy_and_scipy() {
    if python().is_none() {
        return;
    }
    let lab = lab();
    let results = lab.path().join("results");
    let collection = collect(std::slice::from_ref(&results), false).unwrap();
    let mut analysis = analyse(collection.rows, AnalysisOptions::default());
    assert_eq!(analysis.platforms.len(), 3);
    let networks = Command::new(env!("CARGO_BIN_EXE_backbone"))
        .args(["networks", "list", "--format", "csv"])
        .output()
        .unwrap();
    fs_err::write(lab.path().join("networks.csv"), &networks.stdout).unwrap();
    let recompute = |analysis: &Analysis| {
        let file = lab.path().join("analysis.json");
        fs_err::write(&file, serde_json::to_vec(analysis).unwrap()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desk/recompute.py");
        let arguments = [&file, &results, &lab.path().join("networks.csv")];
        python().unwrap().arg(script).args(arguments).output().unwrap()
    };
    println!("{}", succeeded(&recompute(&analysis)));
    for builds in [Builds::First, Builds::All] {
        let rows = collect(std::slice::from_ref(&results), false).unwrap().rows;
        let other = analyse(rows, AnalysisOptions { resamples: 1_000, builds, ..AnalysisOptions::default() });
        println!("{}", succeeded(&recompute(&other)));
    }
    // It must be able to fail: one number among thousands, wrong by a hundred-millionth.
    let latency = analysis.contrasts[7].latency.as_mut().unwrap();
    latency.ratio_of_means.interval.as_mut().unwrap().high *= 1.0 + 1e-8;
    let output = recompute(&analysis);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && told.contains(", 1 differ"), "{told}");
}

#[test]
fn exports_are_read_by_duckdb_polars_and_pyperf() {
    let Some(mut python) = python() else { return };
    let lab = lab();
    let results = lab.path().join("results");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // With models that people dropped.
    fs_err::create_dir(results.join("demo")).unwrap();
    for bundle in fs_err::read_dir(root.join("tests/demo-bundles")).unwrap().map(Result::unwrap) {
        fs_err::copy(bundle.path(), results.join("demo").join(bundle.file_name())).unwrap();
    }
    let to = |format: &str| -> PathBuf {
        let path = lab.path().join(format!("export.{format}"));
        succeeded(&export(&results, &["--format", format, "--output", path.to_str().unwrap()]));
        path
    };
    let output = python
        .arg(root.join("tests/desk/query.py"))
        .arg(root.join("docs/ANALYSIS.md"))
        .args([to("parquet"), to("pyperf")])
        .output()
        .unwrap();
    println!("{}", succeeded(&output));
}

#[test]
fn csv_and_jsonl_hold_a_row_for_each_result_and_the_same_values() {
    let lab = lab();
    let results = lab.path().join("results");
    let csv = export(&results, &["--format", "csv"]);
    let jsonl = export(&results, &["--format", "jsonl"]);
    assert!(csv.status.success() && jsonl.status.success());
    let jsonl = String::from_utf8(jsonl.stdout).unwrap();
    let csv = String::from_utf8(csv.stdout).unwrap();
    let rows: Vec<serde_json::Value> =
        jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 49 + 32 + 48);
    assert_eq!(csv.lines().count(), rows.len() + 1);
    let mean = csv.lines().next().unwrap().split(',').position(|name| name == "latency_mean").unwrap();
    for (line, row) in csv.lines().skip(1).zip(&rows) {
        // No text before the mean holds a comma but the options and the labels, which are JSON of one key
        // here.
        let fields: Vec<&str> = line.split(',').collect();
        let shift = fields.len() - csv.lines().next().unwrap().split(',').count();
        let field = fields[mean + shift];
        assert_eq!(field, row["latency_mean"].as_f64().map_or(String::new(), |mean| mean.to_string()));
    }
}

#[test]
fn texts_that_mean_harm_come_through_as_they_are() {
    let folder = TempDir::new().unwrap();
    let mut bundle = Study::without_effect(1).bundles().swap_remove(0);
    let hostile = "a\",\n=cmd|'/C calc'!A0<script>alert(1)</script>\u{202e}\u{0}";
    bundle.job.name = hostile.to_owned();
    bundle.job.labels.insert(hostile.to_owned(), hostile.to_owned());
    bundle.host.name = Some(hostile.to_owned());
    let configuration = bundle.configuration.as_mut().unwrap();
    (configuration.block, configuration.precision) = (hostile.to_owned(), "\u{1b}[2J".to_owned());
    write(&folder, "device", &[bundle]);
    let results = folder.path().join("results");
    let jsonl = export(&results, &["--format", "jsonl"]);
    let row: serde_json::Value = serde_json::from_slice(&jsonl.stdout).unwrap();
    assert_eq!(row["job"], hostile);
    let csv = String::from_utf8(export(&results, &["--format", "csv"]).stdout).unwrap();
    assert!(csv.contains(&format!("\"{}\"", hostile.replace('"', "\"\""))));
    for format in ["parquet", "pyperf"] {
        assert!(export(&results, &["--format", format]).status.success());
    }
    let rows = collect(&[results], false).unwrap().rows;
    let analysis = analyse(rows, AnalysisOptions { resamples: 100, ..AnalysisOptions::default() });
    let yaml = pareto::search_space(&analysis);
    assert!(yaml.contains("blocks: [\"a\\\",\\n=cmd"), "{yaml}");
    assert!(!yaml.contains('\u{1b}') && !yaml.contains('\u{0}'));
}

#[test]
fn nothing_one_result_and_only_failures_are_no_trouble() {
    let folder = TempDir::new().unwrap();
    fs_err::create_dir(folder.path().join("results")).unwrap();
    let results = folder.path().join("results");
    let empty = export(&results, &["--format", "csv"]);
    assert_eq!(empty.status.code(), Some(2));
    let told = String::from_utf8(empty.stderr).unwrap();
    assert!(told.contains("no results in") && told.contains("hint: name folders"), "{told}");
    let absent = export(&folder.path().join("absent"), &["--format", "csv"]);
    assert_eq!(absent.status.code(), Some(2));

    let bundles = Study::without_effect(1).bundles();
    let failures: Vec<Bundle> =
        bundles.iter().cloned().map(|bundle| failed(bundle, Status::Failed, "not_loaded")).collect();
    write(&folder, "failures", &failures);
    for format in ["csv", "jsonl", "parquet", "pyperf"] {
        let output = export(&results, &["--format", format]);
        assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let told = String::from_utf8(export(&results, &["--format", "pyperf"]).stderr).unwrap();
    assert!(told.contains("left out 24 results without usable latencies"), "{told}");
    let analysis =
        analyse(collect(std::slice::from_ref(&results), false).unwrap().rows, AnalysisOptions::default());
    assert!(analysis.cells.is_empty() && analysis.findings.is_empty() && analysis.predictions.is_empty());
    assert_eq!(analysis.feasibility[0].gaps.len(), 24);
    assert!(pareto::search_space(&analysis).ends_with("platforms: []\n"));

    fs_err::remove_dir_all(results.join("failures")).unwrap();
    write(&folder, "single", &bundles[..1]);
    assert!(export(&results, &["--format", "parquet"]).status.success());
    let analysis = analyse(collect(&[results], false).unwrap().rows, AnalysisOptions::default());
    assert_eq!((analysis.cells.len(), analysis.contrasts.len(), analysis.findings.len()), (1, 0, 0));
    assert!(analysis.cells[0].latency_ms.interval.is_some());
}

#[test]
fn simulated_results_are_left_out_and_counted_unless_asked_for() {
    let folder = TempDir::new().unwrap();
    write(&folder, "device", &Study { simulated: true, ..Study::without_effect(1) }.bundles());
    let results = folder.path().join("results");
    let without = export(&results, &["--format", "csv"]);
    assert_eq!(without.status.code(), Some(2));
    let told = String::from_utf8(without.stderr).unwrap();
    assert!(told.contains("24 simulated results left out") && told.contains("--include-simulated"), "{told}");
    let with = export(&results, &["--format", "csv", "--include-simulated"]);
    assert_eq!(String::from_utf8(with.stdout).unwrap().lines().count(), 25);
}

#[test]
fn machines_of_one_name_stay_apart_and_what_never_started_joins_its_machine() {
    let folder = TempDir::new().unwrap();
    let mut bundles = Study::without_effect(1).bundles();
    bundles[0] = failed(bundles[0].clone(), Status::Failed, "not_loaded");
    write(&folder, "one", &bundles);
    let mut other = Study::without_effect(2).bundles();
    other.iter_mut().for_each(|bundle| bundle.host.processor = Some("another".to_owned()));
    write(&folder, "other", &other);
    let rows = collect(&[folder.path().join("results")], false).unwrap().rows;
    let analysis = analyse(rows, AnalysisOptions { resamples: 100, ..AnalysisOptions::default() });
    assert_eq!(analysis.platforms.len(), 2);
    let [one, other] = [0, 1].map(|index| &analysis.platforms[index]);
    assert!(one.label != other.label && one.label.contains('['), "{} and {}", one.label, other.label);
    assert!(analysis.feasibility.iter().any(|one| one.gaps.len() == 1));
    // What failed is missing on one side of every contrast that it would belong to.
    let missing: usize = analysis.contrasts.iter().map(|contrast| contrast.missing.len()).sum();
    assert_eq!(missing, 7);
    assert_eq!(
        analysis.contrasts.iter().flat_map(|contrast| &contrast.missing).next().unwrap().from.as_deref(),
        Some("failed: not_loaded")
    );
}

#[test]
fn rows_with_an_invalid_verdict_enter_no_aggregate_and_suspect_ones_are_marked() {
    let lab = lab();
    let rows = collect(&[lab.path().join("results/xavier")], false).unwrap().rows;
    let analysis = analyse(rows.clone(), AnalysisOptions { resamples: 100, ..AnalysisOptions::default() });
    let left_out: Vec<(String, usize)> =
        analysis.bases[0].left_out.iter().map(|(reason, count)| (format!("{reason:?}"), *count)).collect();
    assert_eq!(
        left_out,
        [("NotMeasured".to_owned(), 3), ("Invalid".to_owned(), 1), ("ZeroLatency".to_owned(), 1)]
    );
    assert_eq!(analysis.cells.len(), 48 - 5);
    assert_eq!(analysis.cells.iter().filter(|cell| cell.is_suspect()).count(), 2);
    assert!(analysis.contrasts.iter().any(|contrast| contrast.suspect_pairs > 0));
    let doubled = analysis.cells.iter().find(|cell| cell.rows.len() == 2).unwrap();
    assert_eq!(doubled.processes, 6);
    let strict =
        analyse(rows, AnalysisOptions { resamples: 100, only_valid: true, ..AnalysisOptions::default() });
    assert_eq!(strict.cells.len(), 48 - 7);
}

#[test]
fn statistics_are_over_the_fastest_build_and_every_build_is_kept() {
    let folder = TempDir::new().unwrap();
    let study =
        Study { builds: 3, processes: 2, runs: 10, between_processes: 0.001, ..Study::without_effect(1) };
    write(&folder, "device", &study.bundles());
    let results = folder.path().join("results");
    let rows = collect(std::slice::from_ref(&results), false).unwrap().rows;
    let used = |builds: Builds| {
        let options = AnalysisOptions { resamples: 100, builds, ..AnalysisOptions::default() };
        let row = analyse(rows.clone(), options).rows.swap_remove(0);
        let used: Vec<u32> = row.builds.iter().filter(|build| build.used).map(|build| build.build).collect();
        (used, row.latency.unwrap())
    };
    let (fastest, latency) = used(Builds::Fastest);
    assert_eq!((fastest, latency.processes, latency.runs), (vec![3], 2, 20));
    let (first, slower) = used(Builds::First);
    assert!(first == [1] && slower.mean > 1.05 * latency.mean, "{} and {}", slower.mean, latency.mean);
    let (all, latency) = used(Builds::All);
    assert_eq!((all, latency.processes, latency.runs), (vec![1, 2, 3], 6, 60));

    let output = export(&results, &["--format", "jsonl"]);
    let line = String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned();
    let row: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&row["builds"], &row["build"], &row["runs"]), (&3.into(), &3.into(), &20.into()));
    assert_eq!(row["build_of_process"], serde_json::json!([1, 1, 2, 2, 3, 3]));
    assert_eq!(row["latency_ns"].as_array().unwrap().len(), 60);
    let means: std::collections::BTreeMap<u32, f64> =
        serde_json::from_str(row["build_latency_means"].as_str().unwrap()).unwrap();
    assert_eq!(Some(means[&3]), row["latency_mean"].as_f64());
}

#[test]
fn energy_goes_into_rows_cells_and_exports_where_it_was_measured() {
    let folder = TempDir::new().unwrap();
    let mut bundles = Study::without_effect(1).bundles();
    bundles[0].energy = Some(studies::energy(0.25));
    let unobservable = Energy {
        state: EnergyState::Unobservable,
        detail: Some("no sensor".to_owned()),
        joules_per_inference: None,
        interval: None,
        ..studies::energy(0.0)
    };
    bundles[1].energy = Some(unobservable);
    write(&folder, "device", &bundles);
    let results = folder.path().join("results");
    let rows = collect(std::slice::from_ref(&results), false).unwrap().rows;
    let analysis = analyse(rows, AnalysisOptions { resamples: 100, ..AnalysisOptions::default() });
    let told: Vec<_> = analysis.cells.iter().filter_map(|cell| cell.energy_joules).collect();
    assert_eq!(told.len(), 1);
    let interval = told[0].interval.unwrap();
    assert_eq!((told[0].value, interval.low, interval.high), (0.25, 0.225, 0.275));
    let why = analysis.rows.iter().find_map(|row| row.energy.as_ref()?.unobservable.clone());
    assert_eq!(why.as_deref(), Some("no sensor"));
    let csv = String::from_utf8(export(&results, &["--format", "csv"]).stdout).unwrap();
    assert!(csv.contains(",0.25,0.225,0.275"), "{csv}");
}
