//! A host that is short of something for a moment: no job is lost to it, the status names it, and everything
//! goes on by itself.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use backbone::bundle::format::Status;
use backbone::daemon::status::State;

use crate::rig::{Rig, clean, job, model};

/// The user id of a daemon that may not exceed its limits: no one else has a process with it.
const USER: u32 = 61_234;

fn drop_jobs(rig: &Rig, count: usize) {
    rig.drop_file("net.sim", model(50));
    for number in 0..count {
        rig.drop_file(format!("job-{number}.yaml"), job("net.sim", ""));
    }
}

fn all_measured(rig: &Rig, count: usize) {
    let bundles = rig.wait_until_done(count);
    assert!(bundles.iter().all(|bundle| bundle.outcome.status == Status::Measured), "{}", rig.log());
    rig.wait_for_status("no trouble", |status| status.attention.is_empty());
}

/// Set a soft limit of the running daemon, as prlimit(1) spells it.
fn limit(rig: &Rig, limit: &str) {
    limit_by(clean("prlimit"), rig, limit);
}

fn limit_by(mut command: Command, rig: &Rig, limit: &str) {
    let status = command.args(["--pid", &rig.process().to_string(), limit]).status().unwrap();
    assert!(status.success(), "{limit}");
}

/// prlimit(1) as that user: only the owner of a process may set its limits.
fn prlimit_as(user: u32) -> Command {
    let mut command = clean("setpriv");
    let user = user.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--", "prlimit"]);
    command
}

/// Open descriptors of the daemon.
fn descriptors(rig: &Rig) -> usize {
    fs_err::read_dir(format!("/proc/{}/fd", rig.process())).unwrap().count()
}

#[test]
fn host_without_processes_fails_no_job_and_measures_them_when_it_has_some() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give the daemon a user of its own");
        return;
    }
    let mut rig = Rig::new(Default::default());
    rig.start_as(USER);
    // The daemon itself is one, its watcher's thread another.
    limit_by(prlimit_as(USER), &rig, "--nproc=1:");
    drop_jobs(&rig, 30);
    let status = rig.wait_for_attention("worker_not_started");
    assert_eq!(status.state, State::Trouble);
    assert!(rig.bundles().is_empty(), "{}", rig.log());
    limit_by(prlimit_as(USER), &rig, "--nproc=100:");
    all_measured(&rig, 30);
}

#[test]
fn daemon_without_descriptors_fails_no_job_and_says_so() {
    let rig = Rig::running();
    drop_jobs(&rig, 1);
    all_measured(&rig, 1);
    // Room for a file or two, and not for the pipes of a worker.
    limit(&rig, &format!("--nofile={}:", descriptors(&rig) + 3));
    for number in 1..20 {
        rig.drop_file(format!("job-{number}.yaml"), job("net.sim", ""));
    }
    rig.wait_for_status("the trouble to be named", |status| !status.attention.is_empty());
    assert_eq!(rig.bundles().len(), 1, "{}", rig.log());
    limit(&rig, "--nofile=1000:");
    all_measured(&rig, 20);
}

#[test]
fn daemon_with_no_descriptor_at_all_fails_no_job() {
    let rig = Rig::running();
    drop_jobs(&rig, 1);
    all_measured(&rig, 1);
    limit(&rig, &format!("--nofile={}:", descriptors(&rig)));
    for number in 1..10 {
        rig.drop_file(format!("job-{number}.yaml"), job("net.sim", ""));
    }
    rig.wait_until("something to be refused", || rig.log().contains("Too many open files"));
    limit(&rig, "--nofile=1000:");
    all_measured(&rig, 10);
}

/// The program in a folder of its own, where it can be replaced while it runs.
fn own_program(rig: &Rig) -> (PathBuf, Command) {
    let program = rig.path("program/backbone");
    fs_err::create_dir(rig.path("program")).unwrap();
    fs_err::copy(crate::rig::BACKBONE, &program).unwrap();
    let mut command = clean(&program);
    command.args(["serve", "--config"]).arg(rig.configuration());
    (program, command)
}

#[test]
fn program_that_is_away_during_an_upgrade_fails_no_job() {
    let mut rig = Rig::new(Default::default());
    let (program, mut command) = own_program(&rig);
    rig.begin(&mut command);
    let aside = program.with_extension("old");
    fs_err::rename(&program, &aside).unwrap();
    drop_jobs(&rig, 10);
    let status = rig.wait_for_attention("runtime_gone");
    assert!(status.attention[0].what.ends_with("program/backbone"), "{status:?}");
    assert!(rig.bundles().is_empty(), "{}", rig.log());
    // Half written: there, and no program yet.
    fs_err::write(&program, "#!").unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    rig.wait_until("another attempt", || rig.log().matches("trying again").count() > 1);
    assert!(rig.bundles().is_empty(), "{}", rig.log());
    fs_err::rename(&aside, &program).unwrap();
    all_measured(&rig, 10);
}

#[test]
fn worker_of_another_version_fails_no_job() {
    let mut rig = Rig::new(Default::default());
    let (program, mut command) = own_program(&rig);
    rig.begin(&mut command);
    let aside = program.with_extension("old");
    fs_err::rename(&program, &aside).unwrap();
    fs_err::write(&program, "#!/bin/sh\necho '{\"event\":\"hello\",\"protocol\":77}'\nexec sleep 1\n")
        .unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    drop_jobs(&rig, 10);
    let status = rig.wait_for_attention("worker_differs");
    assert!(status.attention[0].why.contains("protocol 77"), "{status:?}");
    assert!(rig.bundles().is_empty(), "{}", rig.log());
    fs_err::rename(&aside, &program).unwrap();
    all_measured(&rig, 10);
}
