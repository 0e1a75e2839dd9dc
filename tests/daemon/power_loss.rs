//! One certain power cut: ext4 on a loop device forgets what it has not written (its ioctl FS_IOC_SHUTDOWN,
//! without a flush of its journal), while a job runs whose files no upload program synced. `make power-cuts`
//! cuts at every point, see `tools/power-cuts`.

use std::path::Path;
use std::process::Command;

use backbone::bundle::format::Status;
use sha2::{Digest as _, Sha256};

use crate::rig::{Rig, Settings, job, long_job, model, slow_model};

/// Set to 1 to fail, rather than skip, where this cannot be tried.
const REQUIRED: &str = "BACKBONE_REQUIRE_POWER_CUTS";

/// Bytes of the disk.
const DISK_BYTES: u64 = 32 << 20;

/// As `_IOR('X', 125, u32)` of linux/fs.h, and the flag for a journal that is not written.
const FS_IOC_SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587d;
const NO_LOG_FLUSH: u32 = 2;

/// A rig with a disk of its own; none, with the reason printed, where there can be none.
fn rig_with_disk() -> Option<Rig> {
    let rig = Rig::new(Settings::default());
    fs_err::create_dir(rig.path("host/proc")).unwrap();
    let disk = fs_err::File::create(rig.path("disk")).unwrap();
    disk.set_len(DISK_BYTES).unwrap();
    let script = "mkfs.ext4 -q -F \"$0\" && mkdir \"$0.mounted\" && mount -o loop \"$0\" \"$0.mounted\"";
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "sh", "-c", script]).arg(rig.path("disk")).env("PATH", path);
    let output = probe.output().unwrap();
    if output.status.success() {
        return Some(rig);
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert!(!std::env::var(REQUIRED).is_ok_and(|value| value == "1"), "{REQUIRED}=1, and {why}");
    println!("skipped: no ext4 on a loop device: {why}");
    None
}

/// The power goes, and comes back.
fn cut(rig: &mut Rig) {
    shut_down(&rig.path("lab"));
    rig.kill();
    fs_err::write(rig.path("host/proc/uptime"), "5.00 5.00\n").unwrap();
    rig.start_on_image("disk");
}

#[expect(unsafe_code, reason = "no crate knows this ioctl")]
fn shut_down(folder: &Path) {
    let folder = fs_err::File::open(folder).unwrap();
    // SAFETY: the ioctl reads one u32.
    let shut = unsafe {
        rustix::ioctl::ioctl(&folder, rustix::ioctl::Setter::<FS_IOC_SHUTDOWN, u32>::new(NO_LOG_FLUSH))
    };
    shut.unwrap();
}

fn sha256(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

#[test]
fn job_that_ran_when_the_power_went_is_measured_with_its_own_model_although_the_upload_was_not_synced() {
    for is_overwritten in [false, true] {
        let Some(mut rig) = rig_with_disk() else { return };
        rig.start_on_image("disk");
        rig.copy_in_place("net.sim", slow_model());
        rig.copy_in_place("runs.yaml", long_job("net.sim", ""));
        rig.wait_for_timing();
        if is_overwritten {
            rig.copy_in_place("net.sim", model(7));
        }
        cut(&mut rig);
        let bundles = rig.wait_for_bundles(1);
        assert_eq!(bundles[0].outcome.status, Status::Measured, "{:?}", bundles[0].outcome);
        assert_eq!(bundles[0].model.as_ref().unwrap().sha256, sha256(&slow_model()), "{is_overwritten}");
    }
}

#[test]
fn model_that_a_power_cut_emptied_is_waited_for_and_not_judged() {
    let Some(mut rig) = rig_with_disk() else { return };
    rig.start_on_image("disk");
    rig.copy_in_place("late.sim", model(50));
    // Its name is on the disk, and nothing of its content.
    fs_err::File::open(rig.inbox("")).unwrap().sync_all().unwrap();
    cut(&mut rig);
    assert_eq!(fs_err::metadata(rig.inbox("late.sim")).unwrap().len(), 0, "the cut came too late");
    rig.drop_file("early.yaml", job("late.sim", ""));
    let status = rig.wait_for_status("a job that waits", |status| {
        status.waiting.iter().any(|waiting| !waiting.why.is_empty())
    });
    assert!(status.waiting[0].why[0].contains("before the last boot"), "{:?}", status.waiting);
    assert!(rig.bundles().is_empty());
    rig.drop_file("late.sim", model(50));
    assert_eq!(rig.wait_for_bundles(1)[0].outcome.status, Status::Measured);
}
