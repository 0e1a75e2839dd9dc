//! Disks that fail for real: blocks that cannot be written, a file system that turned itself read-only, and a
//! quota that is used up. Nothing is lost, the cause is named, and jobs go on once the disk is well.

use backbone::bundle::format::Status;
use rustix::process::Signal;

use crate::rig::mounts::{self, Mounts};
use crate::rig::{LONG_RUNS, Rig, Settings, job, long_job, model, slow_model};

/// The folders of a machine, below a mount.
const FOLDERS: &str = "mkdir -p lab/inbox lab/outbox lab/uploads\n";

/// A rig for such a test, or nothing, if this host has not what it takes.
fn rig(programs: &[&str]) -> Option<Rig> {
    if let Some(why) = mounts::obstacle(programs) {
        eprintln!("skipped: {why}");
        return None;
    }
    Some(Rig::new(Settings { rescan_seconds: 1, ..Settings::default() }))
}

/// A job that is being timed, and one behind it.
fn drop_two(rig: &Rig) {
    rig.drop_file("slow.sim", slow_model());
    rig.drop_file("net.sim", model(50));
    rig.drop_file("long.yaml", long_job("slow.sim", ""));
    rig.wait_for_timing();
    rig.drop_file("behind.yaml", job("net.sim", ""));
    // What was not synced is lost with its disk, whoever wrote it.
    for name in ["net.sim", "behind.yaml", ""] {
        fs_err::File::open(rig.inbox(name)).unwrap().sync_all().unwrap();
    }
}

/// Each of these jobs has one bundle, and is measured as it should be.
fn all_measured(rig: &Rig, jobs: &[&str]) {
    let bundles = rig.wait_until_done(jobs.len());
    for name in jobs {
        let bundle = rig.bundle_of(name);
        assert_eq!(bundle.outcome.status, Status::Measured, "{:?}\n{}", bundle.outcome, rig.log());
    }
    let long = bundles.iter().find(|bundle| bundle.job.name == "long").unwrap();
    assert_eq!(long.trials[0].latencies.latency_ns.len(), LONG_RUNS as usize);
}

fn is_in_trouble(rig: &Rig) -> bool {
    backbone::daemon::status::Status::read(&rig.path("state"))
        .is_ok_and(|status| !status.attention.is_empty())
}

#[test]
fn disk_whose_blocks_cannot_be_written_loses_no_job_and_is_named() {
    let Some(mut rig) = rig(&["mkfs.ext4", "e2fsck"]) else { return };
    // A disk with holes, in a file system that can be filled: to write a hole is an error then.
    let mounts = Mounts::new(
        &rig,
        &format!(
            "mkdir store; mount -t tmpfs -o size=80M tmpfs store; truncate -s 64M store/disk\n\
             mkfs.ext4 -q -F store/disk; mount -o loop store/disk lab\n{FOLDERS}"
        ),
    );
    rig.start_in(&mounts);
    drop_two(&rig);
    assert!(mounts.run(&rig, "head -c 80M /dev/zero > store/rest 2>/dev/null || [ -s store/rest ]"));
    // After an fsync that failed, only a fresh start knows what is on the disk.
    rig.wait_or_end("the trouble to be named", is_in_trouble);
    let is_named = rig.log().contains("Input/output error") || rig.log().contains("Read-only file system");
    assert!(is_named, "{}", rig.log());
    assert!(mounts.run(&rig, "rm store/rest"));
    if !rig.has_ended() {
        rig.end(Signal::TERM);
    }
    // The kernel gives a journal up that it could not write; what an administrator does then.
    assert!(mounts.run(
        &rig,
        "umount lab && { e2fsck -f -y store/disk >/dev/null || [ $? -le 2 ]; } && mount -o loop store/disk lab"
    ));
    rig.start_in(&mounts);
    all_measured(&rig, &["long", "behind"]);
}

#[test]
fn file_system_that_turned_itself_read_only_loses_no_job_and_is_named() {
    let Some(mut rig) = rig(&["mkfs.ext4", "e2fsck", "findmnt"]) else { return };
    let mount = "mount -o loop,errors=remount-ro disk lab";
    let make = format!("truncate -s 64M disk; mkfs.ext4 -q -F disk; {mount}\n{FOLDERS}");
    let mounts = Mounts::new(&rig, &make);
    rig.start_in(&mounts);
    drop_two(&rig);
    // By the kernel: it lets no one else do that while a file is open for writing.
    let error = "echo 1 > /sys/fs/ext4/$(basename $(findmnt -no SOURCE lab))/trigger_fs_error";
    if !mounts.run(&rig, error) {
        eprintln!("skipped: this kernel makes no errors of ext4");
        return;
    }
    rig.wait_or_end("the trouble to be named", is_in_trouble);
    assert!(rig.log().contains("Read-only file system"), "{}", rig.log());
    if !rig.has_ended() {
        rig.end(Signal::TERM);
    }
    let check = format!("umount lab && {{ e2fsck -f -y disk >/dev/null || [ $? -le 2 ]; }} && {mount}");
    assert!(mounts.run(&rig, &check));
    rig.start_in(&mounts);
    all_measured(&rig, &["long", "behind"]);
}

#[test]
fn quota_that_is_used_up_loses_no_job_and_is_named() {
    let Some(mut rig) = rig(&["mkfs.btrfs", "btrfs"]) else { return };
    let make = format!(
        "truncate -s 256M disk; mkfs.btrfs -q disk; mount -o loop disk lab\n\
         btrfs quota enable lab; btrfs quota rescan -w lab >/dev/null; btrfs qgroup limit 32M lab\n{FOLDERS}"
    );
    let mounts = Mounts::new(&rig, &make);
    rig.start_in(&mounts);
    drop_two(&rig);
    rig.fill("lab");
    rig.wait_until("the trouble to be named", || is_in_trouble(&rig));
    assert!(rig.log().contains("quota exceeded"), "{}", rig.log());
    assert!(rig.bundles().is_empty());
    rig.free("lab");
    all_measured(&rig, &["long", "behind"]);
    rig.wait_for_status("no trouble", |status| status.attention.is_empty());
}
