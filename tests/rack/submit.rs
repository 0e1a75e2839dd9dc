//! `backbone submit`: what is copied, and what comes back.

use crate::lab::{Lab, lacks_sshd};
use crate::rig::{job, model};

#[test]
fn job_is_measured_on_every_host_and_its_values_are_printed_for_scripts() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::running(2);
    fs_err::write(lab.path("net.sim"), model(300)).unwrap();
    fs_err::write(lab.path("trial 1.yaml"), job("net.sim", "runtime: sim")).unwrap();
    let answer = lab.json(&["submit", "pi-1", "pi-2", "trial 1.yaml", "--wait"]);
    assert_eq!(answer["format"], "backbone.submit/1");
    for (host, device) in answer["hosts"].as_array().unwrap().iter().zip(&lab.devices) {
        assert_eq!(host["host"], device.name.as_str());
        let status = device.rig.wait_for_status("an id", |status| status.host_id.is_some());
        assert_eq!(host["id"], status.host_id.unwrap());
        let result = &host["results"][0];
        assert_eq!(
            (&result["status"], &result["simulated"]),
            (&"measured".into(), &true.into()),
            "{answer:#}"
        );
        assert!(result["value_ms"].as_f64().unwrap() >= 0.3, "{answer:#}");
        assert!(result["verdict"].is_string());
        assert_eq!(device.rig.inbox_names(), ["net.sim"], "the job is taken, and no temporary name is left");
        assert_eq!(device.rig.bundles()[0].host.id.as_deref(), host["id"].as_str());
    }
    // The same model again: it is not copied, and the job is a new one.
    let (text, _) = lab.ends_with(0, &["submit", "pi-1", "trial 1.yaml", "--wait"]);
    assert!(text.contains("1 result") && text.contains(" ms ("), "{text}");
    assert_eq!(lab.devices[0].rig.bundles().len(), 2);
}

#[test]
fn mistakes_are_found_here_and_nothing_is_copied() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::running(1);
    fs_err::write(lab.path("net.sim"), model(300)).unwrap();
    fs_err::write(lab.path("good.yaml"), job("net.sim", "runtime: sim")).unwrap();
    fs_err::write(lab.path("bad.yaml"), job("net.sim", "runtime: sim\nmesure: {}")).unwrap();
    fs_err::write(lab.path("no-model.yaml"), job("gone.sim", "runtime: sim")).unwrap();
    let (_, said) = lab.ends_with(2, &["submit", "pi-1", "good.yaml", "bad.yaml", "no-model.yaml"]);
    assert!(said.contains("did you mean `measure`?") && said.contains("gone.sim"), "{said}");
    assert_eq!(lab.devices[0].rig.inbox_names(), [""; 0]);
    for wrong in
        [&["submit", "good.yaml"][..], &["submit", "pi-1"], &["submit", "pi-1", "good.yaml", "net.sim"]]
    {
        let (_, said) = lab.ends_with(2, wrong);
        assert!(said.contains("hint: "), "{said}");
    }
}

#[test]
fn job_that_the_device_rejects_is_shown_with_its_mistakes() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::running(1);
    fs_err::write(lab.path("net.sim"), model(300)).unwrap();
    fs_err::write(lab.path("mode.yaml"), job("net.sim", "runtime: sim\nhost: {power_mode: WARP}")).unwrap();
    let (text, _) = lab.ends_with(2, &["submit", "pi-1", "mode.yaml", "--wait"]);
    assert!(text.contains("rejected") && text.contains("WARP") && text.contains("hint: "), "{text}");
}

#[test]
fn job_file_that_is_not_taken_yet_is_never_overwritten() {
    if lacks_sshd() {
        return;
    }
    // Without a daemon nothing is taken.
    let mut lab = Lab::running(1);
    lab.devices[0].rig.kill();
    fs_err::write(lab.path("net.sim"), model(300)).unwrap();
    fs_err::write(lab.path("a.yaml"), job("net.sim", "runtime: sim")).unwrap();
    let (text, _) = lab.ends_with(0, &["submit", "pi-1", "a.yaml"]);
    assert!(text.contains("no daemon is running there"), "{text}");
    let first = fs_err::read(lab.devices[0].rig.inbox("a.yaml")).unwrap();
    fs_err::write(lab.path("a.yaml"), job("net.sim", "runtime: sim\npriority: 3")).unwrap();
    let (text, _) = lab.ends_with(1, &["submit", "pi-1", "a.yaml"]);
    assert!(text.contains("names taken") && text.contains("a.yaml"), "{text}");
    assert_eq!(fs_err::read(lab.devices[0].rig.inbox("a.yaml")).unwrap(), first);
    let (text, _) = lab.ends_with(1, &["submit", "pi-1", "a.yaml", "--wait"]);
    assert!(text.contains("no daemon"), "{text}");
}

#[test]
fn files_with_odd_names_arrive_under_them() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::new(1);
    let rig = &lab.devices[0].rig;
    let (inbox, outbox) = (rig.inbox(""), rig.outbox(""));
    backbone::daemon::status::Status { inbox, outbox, ..Default::default() }
        .write(&rig.path("state"))
        .unwrap();
    let odd = ["it's $(touch x).sim", "-rf;*.sim", "a:b.sim", "ü \"q\".sim"];
    let mut arguments = vec!["submit", "pi-1"];
    let jobs: Vec<String> = (0..odd.len()).map(|number| format!("j{number}'$(x).yaml")).collect();
    for (name, file) in odd.iter().zip(&jobs) {
        fs_err::write(lab.path(name), model(300)).unwrap();
        let quoted = serde_json::to_string(name).unwrap();
        fs_err::write(lab.path(file), job(&quoted, "runtime: sim")).unwrap();
        arguments.push(file);
    }
    lab.ends_with(0, &arguments);
    let mut expected: Vec<String> =
        odd.iter().map(|name| (*name).to_owned()).chain(jobs.iter().cloned()).collect();
    expected.sort();
    assert_eq!(lab.devices[0].rig.inbox_names(), expected);
    assert!(!lab.path("x").exists() && !lab.devices[0].rig.inbox("x").exists());
}
