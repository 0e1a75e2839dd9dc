//! What is in folders by accident or malice, through the real command.

use std::io::Write as _;
use std::path::Path;

use backbone::analysis::{AnalysisOptions, analyse, pareto};
use backbone::bundle::format::Bundle;
use backbone::collect::collect;
use backbone::units::Nanos;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use crate::studies::Study;
use crate::{export, write};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn told(results: &Path) -> (bool, String) {
    let output = export(results, &["--format", "csv"]);
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn gzip_bombs_are_named_and_the_other_results_are_exported() {
    const LARGEST_MEBIBYTES: usize = 256;
    let folder = TempDir::new().unwrap();
    write(&folder, "device", &Study::without_effect(1).bundles()[..1]);
    let results = folder.path().join("results");
    // More than a bundle may have, in a quarter of a megabyte; and one that is JSON all the way to its
    // nesting.
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b'0'; 1 << 20];
    bomb.write_all(b"{\"format\": \"backbone.bundle/2\", \"id\": 1").unwrap();
    (0..=LARGEST_MEBIBYTES).for_each(|_| bomb.write_all(&zeros).unwrap());
    fs_err::write(results.join("bomb.json.gz"), bomb.finish().unwrap()).unwrap();
    fs_err::write(results.join("deep.json.gz"), gzip(&vec![b'['; 1 << 20])).unwrap();
    fs_err::write(results.join("in-itself.json.gz"), gzip(&gzip(b"{}"))).unwrap();
    let (is_done, told) = told(&results);
    assert!(is_done, "{told}");
    for line in ["4 files, 1 results", "1 file that is too large when decompressed", "2 damaged bundles"] {
        assert!(told.contains(line), "{told}");
    }
}

#[test]
fn numbers_that_are_none_make_a_file_damaged_and_are_named() {
    let folder = TempDir::new().unwrap();
    let bundles = Study::without_effect(1).bundles();
    write(&folder, "device", &bundles[..1]);
    let results = folder.path().join("results");
    let mut value = serde_json::to_value(&bundles[1]).unwrap();
    value["trials"][0]["latency_ns"] = serde_json::json!(["LATENCY"]);
    let text = value.to_string();
    let bad = ["NaN", "Infinity", "-1", "1.5", "1e400", "18446744073709551616", "null", "\"1\"", "[1]"];
    for (index, latency) in bad.iter().enumerate() {
        let bytes = gzip(text.replace("\"LATENCY\"", latency).as_bytes());
        fs_err::write(results.join(format!("{index}.json.gz")), bytes).unwrap();
    }
    let (is_done, told) = told(&results);
    assert!(is_done && told.contains(&format!("{} damaged bundles", bad.len())), "{told}");
}

/// The analysis, as programs read it.
fn written_out(folder: &TempDir) -> serde_json::Value {
    let rows = collect(&[folder.path().join("results")], false).unwrap().rows;
    let analysis = analyse(rows, AnalysisOptions { resamples: 200, ..AnalysisOptions::default() });
    assert!(!pareto::search_space(&analysis).contains("NaN"));
    serde_json::to_value(&analysis).unwrap()
}

/// Keys that always hold a number; one that is not finite is written as null.
const NUMBERS: &[&str] = &[
    "value",
    "low",
    "high",
    "mean",
    "mean_ms",
    "median",
    "attained",
    "ridge",
    "operations_per_second",
    "bytes_per_second",
    "adjusted_probability",
    "median_error",
    "error_90",
];

/// Paths of the nulls under such keys.
fn nulls(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Null if NUMBERS.iter().any(|key| path.ends_with(&format!(".{key}"))) => {
            found.push(path.to_owned());
        }
        serde_json::Value::Array(values) => {
            values
                .iter()
                .enumerate()
                .for_each(|(index, value)| nulls(value, &format!("{path}.{index}"), found));
        }
        serde_json::Value::Object(values) => {
            values.iter().for_each(|(key, value)| nulls(value, &format!("{path}.{key}"), found));
        }
        _ => {}
    }
}

#[test]
fn absurd_latencies_and_costs_give_numbers_or_are_left_out_and_never_something_between() {
    let folder = TempDir::new().unwrap();
    let mut bundles: Vec<Bundle> = Study { processes: 2, runs: 5, ..Study::without_effect(1) }.bundles();
    let latencies = |bundle: &mut Bundle, latency: u64| {
        bundle.trials.iter_mut().for_each(|trial| trial.latencies.latency_ns.fill(Nanos(latency)));
    };
    latencies(&mut bundles[0], 0);
    latencies(&mut bundles[1], u64::MAX);
    latencies(&mut bundles[2], 1);
    // Nothing in one process, for ever in the other.
    bundles[3].trials[0].latencies.latency_ns.fill(Nanos(0));
    bundles[3].trials[1].latencies.latency_ns.fill(Nanos(u64::MAX));
    bundles[4].trials[0].latencies.latency_ns[0] = Nanos(u64::MAX);
    bundles[5].trials.iter_mut().for_each(|trial| trial.latencies.latency_ns.truncate(1));
    for (bundle, number) in bundles[6..9].iter_mut().zip([0, 1, u64::MAX]) {
        let cost = bundle.cost.as_mut().unwrap();
        (cost.operations, cost.bytes_moved, cost.macs) = (number, number, number);
    }
    let configuration = bundles[9].configuration.as_mut().unwrap();
    (configuration.kernel, configuration.batch, configuration.input) = (0, u32::MAX, 0);
    (configuration.width_percent, configuration.depths) = (u32::MAX, [u32::MAX; 4]);
    write(&folder, "device", &bundles);
    let analysis = written_out(&folder);
    let mut found = Vec::new();
    nulls(&analysis, "", &mut found);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(analysis["bases"][0]["left_out"]["zero_latency"], 1);
    for format in ["csv", "jsonl", "parquet", "pyperf"] {
        assert!(export(&folder.path().join("results"), &["--format", format]).status.success(), "{format}");
    }
    // One process each, so that blocks of runs are drawn from.
    let single = TempDir::new().unwrap();
    bundles.iter_mut().for_each(|bundle| bundle.trials.truncate(1));
    write(&single, "device", &bundles);
    let mut found = Vec::new();
    nulls(&written_out(&single), "", &mut found);
    assert!(found.is_empty(), "{found:?}");
}

/// Names that lead to few contents: what a backup by hard links, or a folder of something else, looks like.
#[test]
fn a_hundred_thousand_files_of_which_few_are_results_are_all_accounted_for() {
    const CONTENTS: usize = 10;
    const LINKS: usize = 50_000;
    const FOREIGN: usize = 50_000 - CONTENTS;
    let folder = TempDir::new().unwrap();
    let bundles = Study::without_effect(1).bundles();
    write(&folder, "0", &bundles[..CONTENTS]);
    let results = folder.path().join("results");
    for index in 0..LINKS {
        let place = results.join(format!("backup-{}", index / 1000));
        if index % 1000 == 0 {
            fs_err::create_dir(&place).unwrap();
        }
        let original = results.join(format!("0/{}.json.gz", index % CONTENTS));
        fs_err::hard_link(original, place.join(format!("{index}.json.gz"))).unwrap();
    }
    let place = results.join("foreign");
    fs_err::create_dir(&place).unwrap();
    let foreign = place.join("0.txt");
    fs_err::write(&foreign, b"").unwrap();
    for index in 1..FOREIGN {
        fs_err::hard_link(&foreign, place.join(format!("{index}.txt"))).unwrap();
    }
    let (is_done, told) = told(&results);
    assert!(is_done, "{told}");
    for line in [
        "100000 files, 10 results".to_owned(),
        format!("{LINKS} duplicates"),
        format!("{FOREIGN} foreign files"),
        format!("  and {} more; `--name-all` lists them", LINKS - 5),
    ] {
        assert!(told.contains(&line), "{told}");
    }
    assert!(told.lines().count() < 20, "{told}");
}

#[test]
fn unfinished_copies_are_distinguished_from_other_files() {
    let folder = TempDir::new().unwrap();
    write(&folder, "0", &Study::without_effect(1).bundles()[..1]);
    let device = folder.path().join("results/0");
    fs_err::create_dir(device.join(".~tmp~")).unwrap();
    for copy in [".a.json.gz.Xk3d9A", ".~tmp~/b.json.gz", ".c.json.gz.part"] {
        fs_err::write(device.join(copy), b"half").unwrap();
    }
    for other in [".gitignore", "status.json", "notes.txt"] {
        fs_err::write(device.join(other), b"").unwrap();
    }
    let (is_done, told) = told(&folder.path().join("results"));
    assert!(is_done && told.contains("7 files, 1 results"), "{told}");
    assert!(told.contains("3 partial copies") && told.contains("3 foreign files"), "{told}");
}
