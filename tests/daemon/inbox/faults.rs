//! Faults of the host that last for a while: nothing is lost, the status names the cause, and the daemon
//! recovers by itself. Disks are real ones of a small size, other faults are put into the running daemon's
//! system calls.

use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use backbone::bundle::format::Status;
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Rig, Settings, clean, disks, job, model};
use crate::strace;

fn drop_job(rig: &Rig) {
    rig.drop_file("net.sim", model(50));
    rig.drop_file("a.yaml", job("net.sim", ""));
}

fn recovers(rig: &Rig, count: usize) {
    let bundles = rig.wait_until_done(count);
    assert!(bundles.iter().all(|bundle| bundle.outcome.status == Status::Measured), "{}", rig.log());
    rig.wait_for_status("no trouble", |status| status.attention.is_empty());
}

/// System calls of the running daemon that fail, until this is dropped.
struct Failing(Child);

impl Failing {
    fn of(rig: &Rig, calls: &str, error: &str) -> Self {
        let mut command = clean("strace");
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:error={error}"));
        command.args(["-f", "-q", "-o", "/dev/null", "-e", &trace, "-e", &inject, "-p"]);
        let tracer = command.arg(rig.process().to_string()).stderr(Stdio::null()).spawn().unwrap();
        let status = format!("/proc/{}/status", rig.process());
        let is_attached = || {
            let text = fs_err::read_to_string(&status).unwrap();
            text.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        rig.wait_until("strace to attach", is_attached);
        Self(tracer)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn system_call_that_fails_for_a_while_costs_no_job_and_is_named() {
    if !strace::is_there() {
        return;
    }
    for (calls, error, code) in [
        ("clone,clone3,vfork", "ENOMEM", "worker_not_started"),
        ("clone,clone3,vfork", "EAGAIN", "worker_not_started"),
        ("pipe2", "ENFILE", "worker_not_started"),
        ("renameat,renameat2", "EDQUOT", "claim_failed"),
        ("fsync", "EIO", "claim_failed"),
    ] {
        let rig = Rig::running_with(Settings { rescan_seconds: 1, ..Settings::default() });
        let failing = Failing::of(&rig, calls, error);
        drop_job(&rig);
        rig.wait_for_attention(code);
        assert!(rig.bundles().is_empty(), "{calls} {error}: {}", rig.log());
        drop(failing);
        recovers(&rig, 1);
    }
}

#[test]
fn inbox_that_cannot_be_watched_is_looked_at_and_the_status_says_so() {
    if !strace::is_there() {
        return;
    }
    let rig = Rig::running_with(Settings { rescan_seconds: 1, ..Settings::default() });
    let failing = Failing::of(&rig, "inotify_add_watch", "ENOSPC");
    drop_job(&rig);
    rig.wait_for_attention("inbox_not_watched");
    rig.drop_file("b.yaml", job("net.sim", ""));
    rig.wait_for_bundles(2);
    drop(failing);
    recovers(&rig, 2);
}

#[test]
fn disk_without_inodes_is_named_and_costs_no_job() {
    if let Some(why) = disks::obstacle() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut rig = Rig::new(Settings::default());
    rig.start_with_disks(&[("lab", "size=4m,nr_inodes=64"), ("state", "size=1m,nr_inodes=16")]);
    fs_err::create_dir_all(rig.path("lab/uploads")).unwrap();
    drop_job(&rig);
    recovers(&rig, 1);
    let before = rig.wait_for_status("a status", |_| true);
    let inode = || fs_err::metadata(rig.path("state/status.json")).unwrap().ino();
    let taken = |part: &str| rig.path(part).join("taken");
    fs_err::write(rig.path("lab/uploads/b.yaml"), job("net.sim", "")).unwrap();
    let file = inode();
    for part in ["lab", "state"] {
        fs_err::create_dir(taken(part)).unwrap();
        while fs_err::write(taken(part).join(uuid(&taken(part))), "").is_ok() {}
    }
    fs_err::rename(rig.path("lab/uploads/b.yaml"), rig.inbox("b.yaml")).unwrap();
    let status = rig.wait_for_status("the trouble to be named", |status| !status.attention.is_empty());
    assert!(status.updated > before.updated && inode() == file, "the status is written in place");
    assert_eq!(rig.bundles().len(), 1, "{}", rig.log());
    for part in ["lab", "state"] {
        fs_err::remove_dir_all(taken(part)).unwrap();
    }
    recovers(&rig, 2);
}

/// A name that is not in the folder yet.
fn uuid(folder: &std::path::Path) -> String {
    fs_err::read_dir(folder).unwrap().count().to_string()
}

#[test]
fn status_on_a_full_disk_is_true_and_on_a_read_only_one_says_that_it_cannot_be() {
    if let Some(why) = disks::obstacle() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut rig = Rig::new(Settings { rescan_seconds: 1, ..Settings::default() });
    rig.start_with_disks(&[("state", "size=64k")]);
    rig.fill("state");
    drop_job(&rig);
    // A bundle is published once its place in the chain of the host is durable.
    rig.wait_for_status("a bundle that waits", |status| status.unpublished == 1 && status.running.is_none());
    rig.free("state");
    rig.wait_for_status("the bundle", |status| status.finished.measured == 1);
    rig.remount("state", "ro");
    rig.drop_file("b.yaml", job("net.sim", ""));
    let name = || fs_err::read_to_string(format!("/proc/{}/comm", rig.process())).unwrap();
    rig.wait_until("the daemon to say that its status is old", || name().trim() == "backbone-silent");
    rig.remount("state", "rw");
    recovers(&rig, 2);
    rig.wait_until("the status to be true again", || name().trim() != "backbone-silent");
}

#[test]
fn files_of_any_time_are_taken() {
    let rig = Rig::running();
    let ten_years = Duration::from_secs(10 * 365 * 86_400);
    let times = [SystemTime::UNIX_EPOCH, SystemTime::now() - ten_years, SystemTime::now() + ten_years];
    for (number, time) in times.into_iter().enumerate() {
        for (name, text) in [
            (format!("{number}.sim"), model(50)),
            (format!("{number}.yaml"), job(&format!("{number}.sim"), "")),
        ] {
            let path = rig.path("lab/uploads").join(&name);
            fs_err::write(&path, text).unwrap();
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            fs_err::rename(&path, rig.inbox(&name)).unwrap();
        }
    }
    recovers(&rig, times.len());
}

#[test]
fn host_without_any_inotify_instance_is_looked_at_from_the_start() {
    let mut command = clean("unshare");
    command.args(["--map-root-user", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances"]);
    if !command.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: this process may not limit the inotify of a user namespace");
        return;
    }
    let mut rig = Rig::new(Settings { rescan_seconds: 1, ..Settings::default() });
    let serve = rig.serve();
    let limit = "/proc/sys/user/max_inotify_instances";
    drop_job(&rig);
    let mut command = clean("unshare");
    command.args(["--map-root-user", "sh", "-c", &format!("echo 0 > {limit}; exec \"$0\" \"$@\"")]);
    command.arg(serve.get_program()).args(serve.get_args());
    rig.begin(&mut command);
    rig.wait_for_attention("inbox_not_watched");
    rig.wait_for_bundles(1);
    rig.drop_file("b.yaml", job("net.sim", ""));
    rig.wait_for_bundles(2);
    // Requests are found, too.
    backbone::daemon::control::pause(&rig.spool("control")).unwrap();
    rig.wait_for_status("the pause", |status| status.state == backbone::daemon::status::State::Paused);
    backbone::daemon::control::resume(&rig.spool("control")).unwrap();
    rig.wait_for_status("its end", |status| status.state != backbone::daemon::status::State::Paused);
    let mut raise = clean("nsenter");
    raise.args(["--user", "--preserve-credentials", "--target", &rig.process().to_string()]);
    assert!(raise.args(["sh", "-c", &format!("echo 128 > {limit}")]).status().unwrap().success());
    rig.drop_file("c.yaml", job("net.sim", ""));
    recovers(&rig, 3);
}

#[test]
fn folder_of_the_spool_that_is_removed_is_made_again_and_what_was_in_it_is_named() {
    let mut rig = Rig::running_with(Settings { rescan_seconds: 1, ..Settings::default() });
    drop_job(&rig);
    recovers(&rig, 1);
    for folder in ["queue", "journal", "ready", "models", "done", "control"] {
        // While it runs, and before it starts.
        fs_err::remove_dir_all(rig.spool(folder)).unwrap();
        rig.wait_until(folder, || rig.spool(folder).is_dir());
        rig.end(Signal::TERM);
        fs_err::remove_dir_all(rig.spool(folder)).unwrap();
        rig.start();
        rig.wait_until(folder, || rig.spool(folder).is_dir());
    }
    rig.drop_file("b.yaml", job("net.sim", ""));
    recovers(&rig, 2);
    // With its disk away, nothing can be made: the trouble is named until it is back.
    let (spool, away) = (rig.path("lab/spool"), rig.path("lab/away"));
    fs_err::rename(&spool, &away).unwrap();
    rig.drop_file("c.yaml", job("net.sim", ""));
    rig.wait_for_attention("spool_gone");
    assert_eq!(rig.bundles().len(), 2);
    fs_err::rename(&away, &spool).unwrap();
    recovers(&rig, 3);
}
