//! Every way of uploading, every order, and uploads that go wrong.

use backbone::bundle::format::{Bundle, Stage, Status};
use sha2::{Digest as _, Sha256};

use crate::rig::{Rig, Settings, job, model};

fn sha256(bytes: impl AsRef<[u8]>) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes.as_ref()))
}

fn names(bundles: &[Bundle]) -> Vec<&str> {
    bundles.iter().map(|bundle| bundle.job.name.as_str()).collect()
}

fn stage_and_reason(bundle: &Bundle) -> (Option<Stage>, Option<&str>) {
    (bundle.outcome.stage, bundle.outcome.reason.as_deref())
}

/// A stall of an upload: long enough for the daemon to measure another job, and to look at everything again
/// after it.
fn stall(rig: &Rig, witness: usize) {
    rig.drop_file("witness.sim", model(50));
    rig.drop_file(format!("witness-{witness}.yaml"), job("witness.sim", ""));
    rig.wait_for_bundles(witness);
    rig.wait_for_status("the daemon to be done with the witness", |status| {
        status.finished.measured == witness as u64 && status.running.is_none() && status.queued == 0
    });
}

#[test]
fn job_uploaded_in_place_is_not_taken_before_its_end_although_it_stalls_where_it_is_a_valid_job() {
    // No settle time: only an open writer delays the claim.
    let rig = Rig::running();
    rig.drop_file("net.sim", model(100));
    let text = "backbone: 1\nmodel: net.sim\nlabels: {a: first}\nmeasure: {timed_runs: 7, warm_up_runs: 1}\n";
    let mut upload = rig.begin_upload("stalling.yaml");
    stall(&rig, 1);
    let mut sent = 0;
    for (witness, end) in [(2, "net.sim\n"), (3, "first}\n")] {
        let until = text.find(end).unwrap() + end.len();
        upload.piece(&text[sent..until]);
        sent = until;
        stall(&rig, witness);
        assert!(rig.inbox("stalling.yaml").exists(), "taken too early\n{}", rig.log());
    }
    upload.piece(&text[sent..]);
    drop(upload);
    rig.wait_until_done(4);
    let bundle = rig.bundle_of("stalling");
    assert_eq!(bundle.outcome.status, Status::Measured);
    assert_eq!(bundle.job.spec.as_deref(), Some(text));
    assert_eq!(bundle.trials[0].latencies.latency_ns.len(), 7);
}

#[test]
fn model_uploaded_in_place_is_not_taken_before_its_end() {
    let rig = Rig::running();
    rig.drop_file("early.yaml", job("net.sim", ""));
    let text = model(150);
    let (head, tail) = text.split_at(8);
    let mut upload = rig.begin_upload("net.sim");
    upload.piece(head);
    stall(&rig, 1);
    let status = rig.wait_for_status("the job to wait", |status| status.waiting.len() == 1);
    assert_eq!(status.waiting[0].models, ["net.sim"]);
    upload.piece(tail);
    drop(upload);
    rig.wait_until_done(2);
    let bundle = rig.bundle_of("early");
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    assert_eq!(bundle.model.unwrap().sha256, sha256(text));
}

#[test]
fn upload_that_is_closed_and_continued_within_the_settle_time_is_taken_once_and_whole() {
    let rig = Rig::running_with(Settings { settle_seconds: 3, ..Settings::default() });
    rig.drop_file("net.sim", model(100));
    rig.copy_in_place("reput.yaml", "backbone: 1\nmodel: net.sim\n");
    let rest = "measure: {timed_runs: 6, warm_up_runs: 0}\n";
    let mut file = fs_err::OpenOptions::new().append(true).open(rig.inbox("reput.yaml")).unwrap();
    std::io::Write::write_all(&mut file, rest.as_bytes()).unwrap();
    drop(file);
    let bundles = rig.wait_until_done(1);
    assert!(bundles[0].job.spec.as_ref().unwrap().ends_with(rest));
}

#[test]
fn uploads_renamed_into_place_are_taken_at_once_and_keep_their_order() {
    // An hour to settle: only the rename itself can make these whole in time.
    let rig = Rig::running_with(Settings { settle_seconds: 3600, ..Settings::default() });
    rig.rsync("net.sim", model(100));
    rig.rsync("rsync.yaml", job("net.sim", ""));
    rig.upload_as("sftp.yaml.part", "sftp.yaml", job("net.sim", ""));
    rig.upload_as("editor.yaml~", "editor.yaml", job("net.sim", ""));
    rig.drop_file("mv.yml", job("net.sim", ""));
    assert_eq!(names(&rig.wait_until_done(4)), ["rsync", "sftp", "editor", "mv"]);
}

#[test]
fn winscp_upload_is_taken_whole() {
    let rig = Rig::running_with(Settings { settle_seconds: 1, ..Settings::default() });
    rig.winscp("net.sim", model(100));
    rig.winscp("win.yaml", job("net.sim", ""));
    let bundles = rig.wait_until_done(1);
    assert_eq!(bundles[0].outcome.status, Status::Measured);
    assert_eq!(rig.inbox_names(), ["net.sim"]);
}

#[test]
fn copies_in_place_settle_and_are_measured() {
    let rig = Rig::running_with(Settings { settle_seconds: 1, ..Settings::default() });
    rig.copy_in_place("net.sim", model(100));
    rig.copy_in_place("plain.yaml", job("net.sim", ""));
    assert_eq!(names(&rig.wait_until_done(1)), ["plain"]);
}

#[test]
fn job_before_its_model_waits_and_holds_up_no_other_job() {
    let rig = Rig::running();
    rig.drop_file("patient.yaml", job("late.sim", "priority: 100"));
    let status = rig.wait_for_status("the job to wait", |status| status.waiting.len() == 1);
    assert_eq!(
        (status.waiting[0].job.as_str(), &status.waiting[0].models[..]),
        ("patient", &["late.sim".to_owned()][..])
    );
    let shown = rig.must(&["status"]);
    assert!(shown.contains("waiting\n") && shown.contains("late.sim"), "{shown}");

    rig.drop_file("quick.sim", model(50));
    rig.drop_file("quick.yaml", job("quick.sim", ""));
    assert_eq!(names(&rig.wait_for_bundles(1)), ["quick"]);

    rig.drop_file("late.sim", model(70));
    assert_eq!(names(&rig.wait_until_done(2)), ["patient", "quick"]);
}

#[test]
fn several_jobs_share_a_model_that_comes_last_and_run_in_their_order_of_arrival() {
    let rig = Rig::running();
    for name in ["c", "a", "b"] {
        rig.drop_file(format!("{name}.yaml"), job("net.sim", ""));
    }
    rig.wait_for_status("three waiting jobs", |status| status.waiting.len() == 3);
    rig.drop_file("net.sim", model(100));
    let bundles = rig.wait_until_done(3);
    assert_eq!(names(&bundles), ["c", "a", "b"]);
    assert_eq!(rig.measured_order(), ["c", "a", "b"]);
    // It stays for jobs to come.
    assert_eq!(rig.inbox_names(), ["net.sim"]);
}

#[test]
fn model_overwritten_while_its_job_is_queued_concerns_later_jobs_only() {
    let rig = Rig::running();
    rig.must(&["pause"]);
    let (old, new) = (model(100), model(200_000 / 100));
    rig.drop_file("net.sim", &old);
    rig.drop_file("before.yaml", job("net.sim", ""));
    rig.wait_for_status("the first job to be queued", |status| status.queued == 1);
    // Into the same inode, as scp does.
    rig.copy_in_place("net.sim", &new);
    rig.drop_file("after.yaml", job("net.sim", ""));
    rig.wait_for_status("the second job to be queued", |status| status.queued == 2);
    rig.must(&["resume"]);
    rig.wait_until_done(2);
    for (name, text, least_ms, most_ms) in [("before", old, 0.1, 1.9), ("after", new, 2.0, f64::MAX)] {
        let bundle = rig.bundle_of(name);
        assert_eq!(bundle.model.unwrap().sha256, sha256(text), "{name}");
        let minimum = bundle.summary.unwrap().minimum;
        assert!(least_ms <= minimum && minimum < most_ms, "{name}: {minimum} ms");
    }
}

#[test]
fn folder_is_named_in_the_status_and_never_entered() {
    let rig = Rig::running_with(Settings { rescan_seconds: 1, ..Settings::default() });
    fs_err::create_dir(rig.inbox("folder.yaml")).unwrap();
    fs_err::write(rig.inbox("folder.yaml/net.sim"), model(100)).unwrap();
    fs_err::write(rig.inbox("folder.yaml/inner.yaml"), job("net.sim", "")).unwrap();
    let status = rig.wait_for_attention("folder_in_inbox");
    assert!(
        status.attention.iter().any(|attention| attention.what == "folder.yaml"),
        "{:?}",
        status.attention
    );
    stall(&rig, 1);
    assert!(rig.inbox("folder.yaml/inner.yaml").exists());
    assert_eq!(names(&rig.bundles()), ["witness-1"]);
    // Out of it, the same files are a job.
    fs_err::rename(rig.inbox("folder.yaml/net.sim"), rig.inbox("net.sim")).unwrap();
    fs_err::rename(rig.inbox("folder.yaml/inner.yaml"), rig.inbox("inner.yaml")).unwrap();
    rig.wait_until_done(2);
}

#[test]
fn files_under_temporary_names_are_never_touched() {
    let rig = Rig::running_with(Settings { rescan_seconds: 1, give_up_seconds: 1, ..Settings::default() });
    let temporary =
        [".up.yaml.Xk3d9A", "up.yaml.part", "up.yaml.filepart", "up.yaml~", "up.yaml.tmp", ".hidden.cancel"];
    for name in temporary {
        rig.copy_in_place(name, job("net.sim", ""));
    }
    let before: Vec<_> = temporary.iter().map(|name| state(&rig, name)).collect();
    // Longer than the limit after which the daemon gives up an upload.
    let status = rig.wait_for_status("all of them to be named", |status| {
        let named = |name: &&str| status.attention.iter().any(|attention| attention.what == **name);
        temporary.iter().all(named)
    });
    assert!(
        status.attention.iter().all(|attention| attention.code == "temporary_name"),
        "{:?}",
        status.attention
    );
    stall(&rig, 1);
    stall(&rig, 2);
    let after: Vec<_> = temporary.iter().map(|name| state(&rig, name)).collect();
    assert_eq!(before, after);
}

/// Metadata that changes when a file is read, written, renamed or linked.
fn state(rig: &Rig, name: &str) -> (u64, i64, i64, i64, i64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let stat = fs_err::metadata(rig.inbox(name)).unwrap();
    (stat.ino(), stat.atime_nsec(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec(), stat.nlink())
}

#[test]
fn job_whose_model_never_comes_is_rejected_with_its_files_kept_and_can_be_retried() {
    let rig = Rig::running_with(Settings { give_up_seconds: 1, ..Settings::default() });
    // Of two models one is there, and stays there.
    rig.drop_file("here.sim", model(100));
    let text = "backbone: 1\nmodel: [here.sim, never.onnx]\nruntime: [sim, onnxruntime]\n";
    rig.drop_file("hopeful.yaml", text);
    rig.wait_for_status("the job to wait", |status| status.waiting.len() == 1);
    let bundles = rig.wait_until_done(2);
    for bundle in &bundles {
        assert_eq!(bundle.outcome.status, Status::Rejected);
        assert_eq!(stage_and_reason(bundle), (Some(Stage::Model), Some("model_never_came")));
        assert!(bundle.outcome.detail.as_ref().unwrap().contains("never.onnx"), "{:?}", bundle.outcome);
        assert!(bundle.outcome.hint.as_ref().unwrap().contains("backbone retry"), "{:?}", bundle.outcome);
        assert_eq!(bundle.job.spec.as_deref(), Some(text));
    }
    assert_eq!(rig.inbox_names(), ["here.sim"]);
    assert_eq!(fs_err::read_dir(rig.spool("done")).unwrap().count(), 1);

    // What the hint says, done.
    rig.drop_file("never.onnx", "\x08\x0a not a model, but it begins like one");
    assert_eq!(rig.must(&["retry", "hopeful"]), "`hopeful` is queued again.\n");
    let bundles = rig.wait_until_done(4);
    assert_eq!(bundles[2].outcome.status, Status::Measured);
    assert_eq!(bundles[3].outcome.status, Status::Failed);
}

#[test]
fn upload_that_never_ends_is_named_and_at_last_rejected_with_its_file_kept() {
    let rig = Rig::running_with(Settings { give_up_seconds: 3, rescan_seconds: 1, ..Settings::default() });
    rig.drop_file("net.sim", model(100));
    let mut upload = rig.begin_upload("endless.yaml");
    upload.piece("backbone: 1\nmodel: net.sim\n");
    let status = rig.wait_for_attention("unfinished_upload");
    assert_eq!(status.attention[0].what, "endless.yaml");
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Rejected);
    assert_eq!(stage_and_reason(&bundle), (Some(Stage::Claim), Some("upload_never_ended")));
    assert!(bundle.outcome.hint.is_some());
    assert_eq!(bundle.job.spec.as_deref(), Some("backbone: 1\nmodel: net.sim\n"));
    assert_eq!(fs_err::read_dir(rig.spool("done")).unwrap().count(), 1);
    // The connection returns: the rest of the upload does not become a second job.
    upload.piece("labels: {late: very}\n");
    drop(upload);
    stall_after(&rig, 1);
}

/// Like [`stall`], when there are bundles that no witness made.
fn stall_after(rig: &Rig, others: usize) {
    rig.drop_file("witness.sim", model(50));
    rig.drop_file("witness.yaml", job("witness.sim", ""));
    rig.wait_until_done(others + 1);
}

#[test]
fn job_whose_model_is_never_whole_is_rejected_and_the_model_is_kept() {
    let rig = Rig::running_with(Settings { give_up_seconds: 2, rescan_seconds: 1, ..Settings::default() });
    let mut upload = rig.begin_upload("endless.sim");
    upload.piece("{");
    rig.drop_file("tired.yaml", job("endless.sim", ""));
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(stage_and_reason(&bundle), (Some(Stage::Model), Some("model_never_came")));
    assert_eq!(rig.inbox_names(), ["endless.sim"]);
    // It was complete too late for this job, but not for a retry.
    upload.piece(&model(100)[1..]);
    drop(upload);
    rig.must(&["retry", "tired"]);
    assert_eq!(rig.wait_until_done(2)[1].outcome.status, Status::Measured);
}
