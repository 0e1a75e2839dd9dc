//! Who may import whom: every folder and file of `src/` has a row, and imports lead from a row to rows above
//! it in the table, that is, to lower layers.

use std::collections::{BTreeMap, BTreeSet};

use crate::scan::modules::absolute_paths;
use crate::scan::{Source, every_source};

/// A folder or file of `src/`, and all that it may import.
type Row<'a> = (&'a str, &'a [&'a str]);

/// From the lowest layer to the highest. A row lists what its code imports today: to import more is a
/// decision, which is made here.
const ROWS: &[Row<'_>] = &[
    ("random", &[]),
    ("error", &[]),
    ("parallel", &[]),
    ("units", &[]),
    ("guarded", &[]),
    ("scratch", &["guarded"]),
    ("text", &[]),
    ("model_file", &["error", "text"]),
    ("network", &["error", "model_file", "random"]),
    // Serialised types are the border between device and desk: they drag nothing along.
    ("bundle", &["error", "units"]),
    ("stats", &["bundle", "random", "units"]),
    ("verdict", &["bundle", "stats", "units"]),
    // A runtime knows model files and tensors, nothing of jobs, statistics or folders.
    ("runtime", &["bundle", "error", "model_file", "network", "random", "text", "units"]),
    ("measure", &["bundle", "runtime", "units"]),
    ("worker", &["bundle", "measure", "runtime", "scratch", "units"]),
    ("spec", &["bundle", "error", "model_file", "network", "runtime", "text"]),
    ("config", &["bundle", "error", "runtime", "spec", "text"]),
    ("spool", &["bundle", "error", "guarded"]),
    ("host", &["bundle", "error", "guarded", "text", "units"]),
    ("installation", &["host", "runtime"]),
    ("doctor", &["bundle", "host", "installation", "text"]),
    (
        "daemon",
        &[
            "bundle",
            "config",
            "error",
            "guarded",
            "host",
            "installation",
            "model_file",
            "network",
            "runtime",
            "scratch",
            "spec",
            "spool",
            "stats",
            "units",
            "verdict",
            "worker",
        ],
    ),
    ("table", &["stats"]),
    ("analysis", &["bundle", "error", "network", "parallel", "stats"]),
    ("compare", &["analysis", "bundle", "parallel", "stats", "text"]),
    ("collect", &["analysis", "bundle", "error", "guarded", "parallel", "text", "verdict"]),
    ("rack", &["bundle", "collect", "error", "guarded", "parallel", "scratch", "text"]),
    ("export", &["analysis", "bundle", "table"]),
    ("report", &["analysis", "bundle", "collect", "export", "network", "stats", "table"]),
    (
        "cli",
        &[
            "analysis",
            "bundle",
            "collect",
            "compare",
            "config",
            "daemon",
            "doctor",
            "error",
            "export",
            "guarded",
            "host",
            "installation",
            "network",
            "rack",
            "report",
            "runtime",
            "scratch",
            "spec",
            "spool",
            "stats",
            "table",
            "text",
            "units",
            "verdict",
            "worker",
        ],
    ),
    // For tests and fuzzers alone: every reader of foreign bytes.
    ("fuzzing", &["bundle", "host", "model_file", "network", "runtime", "spec", "worker"]),
    ("lib", &[]),
    ("main", &["cli"]),
    ("main_daemon", &["cli"]),
    ("worker_tflite", &["worker"]),
];

/// Rooms of the desk side, and those of the device side that they must not reach, by whatever way. They meet
/// in `bundle`.
const DESK: &[&str] = &["analysis", "collect", "compare", "export", "rack", "report"];
const DEVICE: &[&str] = &["daemon", "doctor", "host", "measure", "runtime", "spool", "worker"];

#[test]
fn every_import_is_allowed_and_leads_downwards() {
    let sources = every_source();
    assert!(sources.len() > 200, "found only {} files", sources.len());
    let findings = judged(ROWS, sources);
    assert!(findings.is_empty(), "see ROWS in tests/house/layers.rs\n{}", findings.join("\n"));
}

#[test]
fn desk_reaches_no_code_of_the_device() {
    for desk in DESK {
        let mut reached = vec![*desk];
        let mut next = 0;
        while next < reached.len() {
            let (_, allowed) = ROWS.iter().find(|(room, _)| *room == reached[next]).expect("a row");
            reached.extend(allowed.iter().filter(|room| !reached.contains(room)).collect::<Vec<_>>());
            next += 1;
        }
        let wrong: Vec<&&str> = reached.iter().filter(|room| DEVICE.contains(room)).collect();
        assert!(wrong.is_empty(), "`{desk}` reaches {wrong:?} through {reached:?}");
    }
}

/// Everything in which rows and sources do not agree.
fn judged(rows: &[Row<'_>], sources: &[Source]) -> Vec<String> {
    let imports = imports(sources);
    let mut findings = Vec::new();
    for (index, (room, allowed)) in rows.iter().enumerate() {
        if !imports.contains_key(room) {
            findings.push(format!("`{room}` has a row and is not in src/"));
        }
        for other in *allowed {
            if !rows[..index].iter().any(|(lower, _)| lower == other) {
                findings.push(format!("`{room}` may not import `{other}`: no row above has it"));
            }
            if !imports.get(room).is_some_and(|used| used.contains_key(other)) {
                findings.push(format!("`{room}` no longer imports `{other}`: take it out of the row"));
            }
        }
    }
    for (room, used) in &imports {
        let Some((_, allowed)) = rows.iter().find(|(name, _)| name == room) else {
            let used: Vec<&&str> = used.keys().collect();
            findings.push(format!("`{room}` has no row; it imports {used:?}"));
            continue;
        };
        for (other, path) in used.iter().filter(|(other, _)| !allowed.contains(other)) {
            findings.push(format!("{path} imports `{other}`, which is not in the row of `{room}`"));
        }
    }
    findings
}

/// Of each room, the rooms that it imports, with a file that does.
fn imports(sources: &[Source]) -> BTreeMap<&str, BTreeMap<&str, &str>> {
    let sources: Vec<&Source> = sources.iter().filter(|source| !source.is_test).collect();
    let rooms: BTreeSet<&str> = sources.iter().map(|source| source.room()).collect();
    let mut found: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for source in sources {
        let of_room = found.entry(source.room()).or_default();
        for path in absolute_paths(source) {
            let room = path.first().and_then(|first| rooms.get(first.as_str()));
            if let Some(room) = room.filter(|room| **room != source.room()) {
                of_room.entry(room).or_insert(&source.path);
            }
        }
    }
    found
}

#[test]
fn each_way_to_break_a_layer_is_found() {
    let sources = [
        Source::new("src/units.rs", "//! x\n"),
        Source::new("src/stats/mod.rs", "//! x\nuse crate::units::Nanos;\n"),
        Source::new("src/host/mod.rs", "//! x\nuse crate::{stats, units::Nanos};\n"),
        Source::new(
            "src/host/tool.rs",
            "//! x\n#[cfg(test)]\nuse crate::daemon;\nfn f() { super::super::stats::mean(); }\n",
        ),
        Source::new("src/host/tests.rs", "use crate::daemon::Daemon;\n"),
    ];
    let right: &[Row<'_>] = &[("units", &[]), ("stats", &["units"]), ("host", &["units", "stats"])];
    assert_eq!(judged(right, &sources), Vec::<String>::new());
    for (wrong, wanted) in [
        (&[("units", &[][..]), ("stats", &["units"])][..], "`host` has no row"),
        (&[("units", &[]), ("stats", &["units"]), ("host", &["units"])], "src/host/mod.rs imports `stats`"),
        (
            &[("units", &[]), ("stats", &[]), ("host", &["units", "stats"])],
            "src/stats/mod.rs imports `units`",
        ),
        (&[("units", &[]), ("host", &["units", "stats"]), ("stats", &["units"])], "no row above has it"),
        (&[("units", &[]), ("net", &["units"])], "`net` has a row and is not in src/"),
        (
            &[("units", &[]), ("stats", &["units"]), ("host", &["units", "stats", "spool"])],
            "no longer imports",
        ),
    ] {
        let findings = judged(wrong, &sources);
        assert!(findings.iter().any(|finding| finding.contains(wanted)), "{wanted}: {findings:?}");
    }
    let upwards =
        [&sources[..], &[Source::new("src/units.rs", "//! x\nfn f() { super::host::find() }\n")]].concat();
    assert!(judged(right, &upwards).iter().any(|finding| finding.contains("src/units.rs imports `host`")));
}
