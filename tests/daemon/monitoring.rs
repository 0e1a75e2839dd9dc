//! What a lab sees of the daemon without asking it: numbers for Prometheus, and a call at the end of each
//! job.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rig::{Rig, Settings, job, model};

/// A machine with more settings, in which `ROOT` is its folder.
fn rig_with(more: &str) -> Rig {
    let mut rig = Rig::new(Settings::default());
    let root = rig.path("");
    let more = more.replace("ROOT", root.to_str().unwrap().trim_end_matches('/'));
    let text = fs_err::read_to_string(rig.configuration()).unwrap();
    fs_err::write(rig.configuration(), format!("{text}{more}")).unwrap();
    fs_err::create_dir(rig.path("metrics")).unwrap();
    rig.start();
    rig
}

fn script(rig: &Rig, name: &str, text: &str) -> PathBuf {
    let path = rig.path(name);
    fs_err::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Names and values of a file, by the parser that Prometheus' own client has.
fn parsed(file: &Path) -> Option<serde_json::Value> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python-desk");
    let program = "import json, sys\n\
        from prometheus_client.parser import text_string_to_metric_families as parse\n\
        print(json.dumps([[s.name, s.labels, s.value, f.type, f.documentation] \
        for f in parse(open(sys.argv[1]).read()) for s in f.samples]))";
    let output = Command::new("python3").args(["-c", program]).arg(file).env("PYTHONPATH", packages).output();
    match output {
        Ok(output) if output.status.success() => Some(serde_json::from_slice(&output.stdout).unwrap()),
        other => {
            assert!(std::env::var_os("BACKBONE_REQUIRE_PYTHON").is_none(), "{other:?}");
            eprintln!("skipped: no prometheus_client in target/python-desk");
            None
        }
    }
}

#[test]
fn numbers_for_prometheus_follow_the_status_and_every_panel_of_the_dashboard_has_its_metric() {
    let mut rig = rig_with("metrics_folder: ROOT/metrics\n");
    let file = rig.path("metrics/backbone.prom");
    rig.drop_file("net.sim", model(300));
    rig.drop_file("a.yaml", job("net.sim", "runtime: sim"));
    rig.wait_until_done(1);
    let measured = "backbone_bundles_total{outcome=\"measured\"} 1\n";
    rig.wait_until("the bundle in the numbers", || {
        fs_err::read_to_string(&file)
            .is_ok_and(|text| text.contains(measured) && text.contains("{state=\"idle\"} 1"))
    });
    let Some(samples) = parsed(&file) else { return };
    let names: Vec<&str> =
        samples.as_array().unwrap().iter().map(|sample| sample[0].as_str().unwrap()).collect();
    assert!(
        names.contains(&"backbone_last_result_timestamp_seconds")
            && names.contains(&"backbone_disk_free_bytes")
    );
    for sample in samples.as_array().unwrap() {
        let (name, kind) = (sample[0].as_str().unwrap(), sample[3].as_str().unwrap());
        assert_eq!(kind == "counter", name.ends_with("_total"), "{sample}");
        assert!(!sample[4].as_str().unwrap().is_empty(), "{sample}");
    }
    let shown = include_str!("../../monitoring/grafana-dashboard.json");
    serde_json::from_str::<serde_json::Value>(shown).unwrap();
    let rules = include_str!("../../monitoring/alerts.yml");
    let source = include_str!("../../src/daemon/metrics.rs");
    for text in [shown, rules] {
        for part in text.split("backbone_").skip(1) {
            let name: String =
                part.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
            assert!(source.contains(&format!("\"backbone_{name}\"")), "backbone_{name}");
        }
    }
    rig.end(rustix::process::Signal::TERM);
    assert!(fs_err::read_to_string(&file).unwrap().contains("backbone_state{state=\"stopped\"} 1"));
}

#[test]
fn folder_that_cannot_be_written_is_named_and_costs_nothing() {
    let rig = rig_with("metrics_folder: ROOT/nowhere\n");
    rig.drop_file("net.sim", model(300));
    rig.drop_file("a.yaml", job("net.sim", "runtime: sim"));
    rig.wait_until_done(1);
    rig.wait_for_attention("metrics_unwritable");
}

#[test]
fn command_is_called_at_the_end_of_each_job_with_what_it_made() {
    let mut rig = Rig::new(Settings::default());
    let called = rig.path("called");
    fs_err::create_dir(&called).unwrap();
    fs_err::set_permissions(&called, std::fs::Permissions::from_mode(0o777)).unwrap();
    for folder in called.ancestors().skip(1).take_while(|folder| folder.starts_with(std::env::temp_dir())) {
        let mode = fs_err::metadata(folder).unwrap().permissions().mode();
        if folder != std::env::temp_dir() {
            fs_err::set_permissions(folder, std::fs::Permissions::from_mode(mode | 0o055)).unwrap();
        }
    }
    let folder = called.display().to_string();
    let hook = script(
        &rig,
        "hook",
        &format!(
            "cat >> {folder}/lines; grep CapEff /proc/self/status > {folder}/rights; env > {folder}/environment"
        ),
    );
    let text = fs_err::read_to_string(rig.configuration()).unwrap();
    fs_err::write(rig.configuration(), format!("{text}notify: {}\n", hook.display())).unwrap();
    rig.start();
    rig.drop_file("net.sim", model(300));
    rig.drop_file("a.yaml", job("net.sim", "runtime: sim"));
    rig.drop_file("bad.yaml", "backbone: 1\nmodel: [\n");
    rig.wait_until("both calls", || {
        fs_err::read_to_string(called.join("environment")).is_ok()
            && fs_err::read_to_string(called.join("lines")).is_ok_and(|lines| lines.lines().count() == 2)
    });
    let lines = fs_err::read_to_string(called.join("lines")).unwrap();
    let events: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |job: &str| events.iter().find(|event| event["job"] == job).unwrap();
    assert_eq!((&of("a")["event"], &of("a")["bundles"]["measured"]), (&"job_finished".into(), &1.into()));
    assert_eq!(of("bad")["bundles"]["rejected"], 1);
    assert!(!of("bad")["reasons"].as_array().unwrap().is_empty() && of("a")["host_id"].is_string());
    let rights = fs_err::read_to_string(called.join("rights")).unwrap();
    assert!(rights.trim().ends_with("0000000000000000"), "{rights}");
    let environment = fs_err::read_to_string(called.join("environment")).unwrap();
    assert!(!environment.contains("BACKBONE") && !environment.contains("CARGO"), "{environment}");
}

#[test]
fn command_that_fails_or_hangs_is_named_and_the_next_job_goes_on() {
    let mut rig = Rig::new(Settings::default());
    let hook = script(&rig, "hook", "echo no network >&2; sleep 1000");
    let text = fs_err::read_to_string(rig.configuration()).unwrap();
    fs_err::write(rig.configuration(), format!("{text}notify: {}\nnotify_seconds: 1\n", hook.display()))
        .unwrap();
    rig.start();
    rig.drop_file("net.sim", model(300));
    rig.drop_file("a.yaml", job("net.sim", "runtime: sim"));
    rig.wait_for_status("the hook that hangs", |status| {
        status
            .attention
            .iter()
            .any(|it| it.code == "notify_failed" && it.why.contains("ended after 1 s: no network"))
    });
    fs_err::write(&hook, "#!/bin/sh\nexit 0\n").unwrap();
    rig.drop_file("b.yaml", job("net.sim", "runtime: sim"));
    rig.wait_until_done(2);
    rig.wait_for_status("a hook that works", |status| status.attention.is_empty());
}

#[test]
fn copied_state_folder_gets_an_id_a_chain_and_a_tag_of_its_own() {
    let mut rig = Rig::new(Settings::default());
    let serial = rig.path("host/proc/device-tree/serial-number");
    fs_err::create_dir_all(serial.parent().unwrap()).unwrap();
    fs_err::write(&serial, "1421421012345\0").unwrap();
    rig.start();
    rig.drop_file("net.sim", model(300));
    rig.drop_file("a.yaml", job("net.sim", "runtime: sim"));
    let first = rig.wait_until_done(1).remove(0);
    rig.end(rustix::process::Signal::TERM);
    fs_err::write(&serial, "1421421099999\0").unwrap();
    rig.start();
    rig.drop_file("b.yaml", job("net.sim", "runtime: sim"));
    rig.wait_until_done(2);
    let second = rig.bundle_of("b");
    let tag = |id: &str| id.split('-').nth(1).unwrap().to_owned();
    assert!(first.host.id.is_some() && second.host.id.is_some());
    assert_ne!(first.host.id, second.host.id);
    assert_ne!(tag(&first.id), tag(&second.id));
    let (one, other) = (first.integrity.unwrap(), second.integrity.unwrap());
    assert_ne!(one.chain, other.chain);
    assert_eq!(other.sequence, 1);
    let log = rig.log();
    assert!(log.contains(first.host.id.as_deref().unwrap()) && log.contains("another machine"), "{log}");
}
