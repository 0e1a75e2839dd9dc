//! `check` says how long a job takes by its last results, and a real run keeps to it.

use jiff::Timestamp;

use crate::rig::{BACKBONE, Rig, clean, model};

const JOB: &str = "backbone: 1\nmodel: net.sim\nmeasure: {warm_up_runs: 2, timed_runs: 60, processes: 2}\n";

/// The seconds in `about 4 s (3 s to 6 s)`.
fn seconds(line: &str) -> Vec<f64> {
    let words: Vec<&str> = line.split([' ', '(']).collect();
    words.windows(2).filter(|pair| pair[1].starts_with('s')).filter_map(|pair| pair[0].parse().ok()).collect()
}

#[test]
fn duration_that_check_tells_by_the_last_result_holds_for_the_next_one() {
    let rig = Rig::running();
    rig.drop_file("net.sim", model(25_000));
    rig.drop_file("a.yaml", JOB);
    rig.wait_until_done(1);
    let (spec, outbox) = (rig.path("b.yaml"), rig.outbox(""));
    fs_err::write(&spec, JOB).unwrap();
    fs_err::write(rig.path("net.sim"), model(25_000)).unwrap();
    let arguments = ["check", spec.to_str().unwrap(), "--outbox", outbox.to_str().unwrap()];
    let output = clean(BACKBONE).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("duration:")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("by the last results in "), "{line}");
    assert!(text.contains("by the last results about ± "), "{text}");
    let told = seconds(line);
    assert_eq!(told.len(), 3, "{line}");
    rig.drop_file("b.yaml", JOB);
    rig.wait_until_done(2);
    let times = rig.bundle_of("b").times;
    let at = |time: &str| time.parse::<Timestamp>().unwrap();
    let took = at(&times.finished).duration_since(at(&times.started.unwrap())).as_secs_f64();
    assert!((told[1] - 1.0..=told[2]).contains(&took), "took {took:.1} s: {line}");
}
