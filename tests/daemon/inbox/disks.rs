//! Outboxes and spools that are gone, read-only, full, or elsewhere. Trouble of the host costs no job.

use backbone::bundle::format::Status;
use backbone::daemon::control::{self, ControlRequest};
use backbone::daemon::status::State;

use crate::rig::{Rig, disks, job, model};

/// Can this process mount disks? Prints why not.
fn can_mount() -> bool {
    match disks::obstacle() {
        None => true,
        Some(why) => {
            eprintln!("skipped: {why}");
            false
        }
    }
}

fn drop_jobs(rig: &Rig, names: &[&str]) {
    rig.drop_file("net.sim", model(50));
    for name in names {
        rig.drop_file(format!("{name}.yaml"), job("net.sim", ""));
    }
}

fn all_measured(rig: &Rig, count: usize) {
    let bundles = rig.wait_until_done(count);
    assert!(bundles.iter().all(|bundle| bundle.outcome.status == Status::Measured), "{}", rig.log());
    assert_eq!(rig.measured_order().len(), count, "{}", rig.log());
}

#[test]
fn outbox_that_is_gone_keeps_the_bundles_and_gets_them_when_it_is_back() {
    let rig = Rig::running();
    fs_err::remove_dir_all(rig.outbox("")).unwrap();
    drop_jobs(&rig, &["a", "b"]);
    let status = rig.wait_for_status("two bundles kept", |status| status.unpublished == 2);
    assert_eq!(status.state, State::Trouble);
    assert!(status.attention.iter().any(|attention| attention.code == "outbox_unwritable"));
    fs_err::create_dir(rig.outbox("")).unwrap();
    all_measured(&rig, 2);
    rig.wait_for_status("no trouble", |status| status.unpublished == 0 && status.attention.is_empty());
}

#[test]
fn bundles_that_could_not_be_published_are_published_by_the_next_start() {
    let mut rig = Rig::running();
    fs_err::remove_dir_all(rig.outbox("")).unwrap();
    drop_jobs(&rig, &["a"]);
    rig.wait_for_status("a bundle kept", |status| status.unpublished == 1);
    rig.kill();
    fs_err::create_dir(rig.outbox("")).unwrap();
    rig.start();
    all_measured(&rig, 1);
}

#[test]
fn outbox_on_another_file_system_gets_whole_bundles_by_copy() {
    if !can_mount() {
        return;
    }
    let mut rig = Rig::new(Default::default());
    rig.start_with_disks(&[("lab/outbox", "size=4m")]);
    drop_jobs(&rig, &["a", "b", "c"]);
    all_measured(&rig, 3);
    let names: Vec<_> =
        fs_err::read_dir(rig.outbox("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let hidden = names.iter().filter(|name| name.as_encoded_bytes().starts_with(b".")).count();
    assert_eq!(hidden, 0, "{names:?}");
}

#[test]
fn outbox_that_is_full_or_read_only_keeps_the_bundles_until_it_is_not() {
    if !can_mount() {
        return;
    }
    let mut rig = Rig::new(Default::default());
    rig.start_with_disks(&[("lab/outbox", "size=64k")]);
    rig.fill("lab/outbox");
    drop_jobs(&rig, &["full"]);
    rig.wait_for_attention("outbox_unwritable");
    // The queue continues meanwhile.
    rig.drop_file("behind.yaml", job("net.sim", ""));
    rig.wait_for_status("two bundles kept", |status| status.unpublished == 2);
    assert!(rig.bundles().is_empty());
    rig.free("lab/outbox");
    all_measured(&rig, 2);

    rig.remount("lab/outbox", "ro");
    rig.drop_file("read-only.yaml", job("net.sim", ""));
    rig.wait_for_status("a bundle kept", |status| status.unpublished == 1);
    rig.remount("lab/outbox", "rw");
    all_measured(&rig, 3);
}

#[test]
fn full_spool_loses_nothing_and_continues_once_there_is_space() {
    if !can_mount() {
        return;
    }
    let mut rig = Rig::new(Default::default());
    rig.start_with_disks(&[("lab", "size=1m")]);
    // Full before the claim, and before the copy of the model.
    fs_err::create_dir_all(rig.path("lab/uploads")).unwrap();
    for (name, content) in
        [("net.sim", model(50)), ("a.yaml", job("net.sim", "")), ("b.yaml", job("net.sim", ""))]
    {
        fs_err::write(rig.path("lab/uploads").join(name), content).unwrap();
    }
    rig.fill("lab");
    for name in ["net.sim", "a.yaml", "b.yaml"] {
        fs_err::rename(rig.path("lab/uploads").join(name), rig.inbox(name)).unwrap();
    }
    let status = rig.wait_for_status("the trouble to be named", |status| !status.attention.is_empty());
    assert_eq!(status.state, State::Trouble);
    assert!(rig.bundles().is_empty());
    rig.free("lab");
    all_measured(&rig, 2);
    rig.wait_for_status("no trouble", |status| status.attention.is_empty());
}

#[test]
fn spool_that_fills_up_during_a_trial_keeps_the_latencies_and_measures_nothing_twice() {
    if !can_mount() {
        return;
    }
    let mut rig = Rig::new(Default::default());
    rig.start_with_disks(&[("lab", "size=1m")]);
    rig.drop_file("slow.sim", crate::rig::slow_model());
    rig.drop_file("long.yaml", crate::rig::long_job("slow.sim", ""));
    rig.wait_for_timing();
    rig.drop_file("next.yaml", job("slow.sim", ""));
    rig.fill("lab");
    rig.wait_for_attention("spool_unwritable");
    assert!(rig.bundles().is_empty());
    rig.free("lab");
    all_measured(&rig, 2);
    rig.wait_for_status("no trouble", |status| status.attention.is_empty());
}

#[test]
fn jobs_cancelled_while_the_spool_is_full_are_not_measured_when_it_is_not() {
    if !can_mount() {
        return;
    }
    let mut rig = Rig::new(Default::default());
    rig.start_with_disks(&[("lab", "size=1m")]);
    control::pause(&rig.spool("control")).unwrap();
    rig.drop_file("slow.sim", crate::rig::slow_model());
    for name in ["long", "by-command", "by-file"] {
        rig.drop_file(format!("{name}.yaml"), crate::rig::long_job("slow.sim", ""));
    }
    rig.wait_for_status("three queued jobs", |status| status.queued == 3);
    control::resume(&rig.spool("control")).unwrap();
    rig.wait_for_timing();
    rig.fill("lab");
    let full = rig.wait_for_attention("spool_unwritable");
    control::leave(&rig.spool("control"), &ControlRequest::Cancel("by-command".into())).unwrap();
    rig.copy_in_place("by-file.cancel", "");
    rig.wait_for_status("the daemon to have looked", |status| status.updated != full.updated);
    rig.free("lab");
    let bundles = rig.wait_until_done(3);
    let statuses: Vec<Status> = bundles.iter().map(|bundle| bundle.outcome.status).collect();
    assert_eq!(statuses, [Status::Measured, Status::Cancelled, Status::Cancelled]);
    assert_eq!(rig.measured_order(), ["long"]);
    rig.wait_until("the requests to be gone", || rig.inbox_names() == ["slow.sim"]);
}
