//! A study on a whole rack, with daemons that are killed in the middle and outboxes that are collected while
//! they are written: every configuration of every host once, and nothing lost.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Instant;

use backbone::bundle::format::Status;
use backbone::bundle::read::decode;

use crate::collect::fill;
use crate::lab::{Lab, lacks_sshd};

/// Configurations of the study.
const CONFIGURATIONS: usize = 8;

/// Tiny networks: what counts here is how many there are.
const STUDY: &str = "backbone: 1\n\
    study: {blocks: [standard, depthwise-separable, bottleneck-standard, spatially-separable], kernels: [3, 5], batches: [1], \
    inputs: [32], precisions: [int8]}\n\
    runtime: onnxruntime\nmeasure: {warm_up_runs: 1, timed_runs: 5}\n";

#[test]
fn study_on_three_hosts_with_two_kills_is_collected_exactly_once() {
    if lacks_sshd() || crate::rig::lacks("libonnxruntime.so") {
        return;
    }
    prove(3);
}

#[test]
#[ignore = "takes minutes: `make test-rack`"]
fn study_on_twenty_hosts_with_two_kills_is_collected_exactly_once() {
    prove(20);
}

fn prove(hosts: usize) {
    let mut lab = Lab::running(hosts);
    fs_err::write(lab.path("study.yaml"), STUDY).unwrap();
    let submit: Vec<&str> =
        ["submit"].into_iter().chain(lab.names()).chain(["study.yaml", "--wait"]).collect();
    let submit = lab.backbone(&submit).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for device in &mut lab.devices[..2] {
        device.rig.wait_until("the first result", || !device.rig.bundle_files().is_empty());
        device.rig.kill();
        device.rig.start();
    }
    // While the submitter waits and the daemons publish; it removes nothing, so that the submitter sees all.
    let collect: Vec<&str> = ["collect"].into_iter().chain(lab.names()).chain(["-o", "all"]).collect();
    lab.ends_with(0, &collect);
    let submitted = submit.wait_with_output().unwrap();
    assert!(matches!(submitted.status.code(), Some(0 | 3)), "{submitted:#?}");
    let collect: Vec<&str> = collect.into_iter().chain(["--remove"]).collect();
    let (table, _) = lab.ends_with(0, &collect);
    println!("{table}");
    let mut once: BTreeMap<(String, String), usize> = BTreeMap::new();
    for host in fs_err::read_dir(lab.path("all")).unwrap() {
        let host = host.unwrap().path();
        for file in fs_err::read_dir(&host).unwrap().map(|file| file.unwrap().path()) {
            if !file.to_string_lossy().ends_with(".json.gz") {
                continue;
            }
            let bundle = decode(fs_err::File::open(&file).unwrap()).unwrap();
            let id = format!("host={}", bundle.host.id.as_deref().unwrap());
            assert_eq!(host.file_name().unwrap().to_str(), Some(id.as_str()));
            assert!(bundle.simulated && bundle.outcome.status == Status::Measured, "{:?}", bundle.outcome);
            let configuration = serde_json::to_string(&bundle.configuration).unwrap();
            *once.entry((id, configuration)).or_default() += 1;
        }
    }
    assert_eq!(once.len(), hosts * CONFIGURATIONS, "{once:#?}");
    assert!(once.values().all(|count| *count == 1), "{once:#?}");
    for device in &lab.devices {
        assert!(device.rig.bundle_files().is_empty(), "all are here, so all are removed there");
    }
    let (table, _) = lab.ends_with(0, &collect);
    assert!(table.lines().skip(1).take(hosts).all(|line| line.contains(" 0 ")), "{table}");
}

/// The numbers that `docs/OPERATING.md` promises for a rack.
#[test]
#[ignore = "measures: `make test-rack`"]
fn twenty_hosts_of_162_bundles_are_collected_quickly_and_a_second_time_at_once() {
    let lab = Lab::new(20);
    for (number, device) in lab.devices.iter().enumerate() {
        fill(&device.rig, &format!("host{number}"), 162);
    }
    let collect: Vec<&str> = ["collect"].into_iter().chain(lab.names()).chain(["-o", "all"]).collect();
    let began = Instant::now();
    let (table, _) = lab.ends_with(0, &collect);
    let first = began.elapsed();
    assert_eq!(lab.collected("all").len(), 20 * 162);
    let began = Instant::now();
    lab.ends_with(0, &collect);
    let second = began.elapsed();
    println!("{table}\nfirst {:.1} s, unchanged second {:.1} s", first.as_secs_f64(), second.as_secs_f64());
    assert!(first.as_secs_f64() <= 20.0 && second.as_secs_f64() <= 3.0, "{first:?}, {second:?}");
}
