//! The daemon's folders: whether they exist, are on one mount, have space, and whether the kernel reports new
//! files in them.

use std::path::Path;

use super::Finding;
use super::subject::Subject;
use crate::text::first_few;

/// Less does not hold a study's models and one night's bundles: the largest generated model takes about 700
/// MB.
const LEAST_BYTES: u64 = 1_000_000_000;

/// Less deserves a look before the next study: a bundle of 100,000 latencies takes about 1 MB.
const PLENTY_BYTES: u64 = 5_000_000_000;

/// A daemon watches a few folders; the rest is for other programs of the same user.
const FEWEST_WATCHES: i64 = 64;

/// Each watching program needs one.
const FEWEST_INSTANCES: i64 = 8;

/// File systems, by prefix, where the kernel does not report changes that other machines make.
const SILENT: &[&str] = &["nfs", "cifs", "smb", "fuse", "9p", "ceph", "afs", "virtiofs", "vboxsf"];

const MAKE: &str =
    "`sudo systemd-tmpfiles --create backbone.conf`, or set other folders in /etc/backbone/config.yaml";

pub(super) fn present(subject: &Subject) -> Finding {
    let asked = subject.asked;
    let folders = [("inbox", &asked.inbox), ("outbox", &asked.outbox), ("state", &asked.state)];
    let missing: Vec<String> = folders
        .into_iter()
        .filter(|(_, path)| !subject.root.path(path).is_dir())
        .map(|(name, path)| format!("{name} {}", path.display()))
        .collect();
    match missing.is_empty() {
        true => Finding::ok("the inbox, outbox and state folders exist"),
        false => Finding::problem(format!("missing or not a folder: {}", first_few(&missing)), MAKE),
    }
}

pub(super) fn one_file_system(subject: &Subject) -> Finding {
    let mounts = [&subject.asked.inbox, &subject.asked.spool].map(|path| subject.mount(path));
    match mounts {
        [Some(inbox), Some(spool)] if inbox == spool => Finding::ok("inbox and spool are on one mount"),
        [Some(inbox), Some(spool)] => Finding::problem(
            format!(
                "the inbox is on the mount {}, the spool on {}; jobs cannot be renamed from one to the other",
                inbox.point.display(),
                spool.point.display()
            ),
            "set `spool` in /etc/backbone/config.yaml to a folder next to the inbox",
        ),
        _ => Finding::unobservable("the mounts of this host are not visible"),
    }
}

pub(super) fn inbox_file_system(subject: &Subject) -> Finding {
    let Some(mount) = subject.mount(&subject.asked.inbox) else {
        return Finding::unobservable("the mounts of this host are not visible");
    };
    let kind = &mount.kind;
    if SILENT.iter().any(|start| kind.starts_with(start)) {
        Finding::advice(
            format!(
                "the inbox is on {kind}, which does not report files that other machines write; they are found by rescan"
            ),
            "move the inbox to a local disk, or lower `rescan_seconds`",
        )
    } else if kind == "tmpfs" {
        Finding::advice(
            "the inbox is in memory (tmpfs); a power cut loses its files",
            "move inbox, spool and outbox to a disk",
        )
    } else {
        Finding::ok(format!("the inbox is on {kind}"))
    }
}

pub(super) fn space(subject: &Subject) -> Finding {
    // Under another root the disk is this machine's, not the other one's.
    if !subject.root.is_real() {
        return Finding::unobservable("not checked under another host root");
    }
    let free = [&subject.asked.spool, &subject.asked.outbox].into_iter().filter_map(|path| free_bytes(path));
    judged_space(free.min())
}

/// Of the folder, or of its closest parent that exists.
fn free_bytes(path: &Path) -> Option<u64> {
    let stat = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

pub(super) fn judged_space(free: Option<u64>) -> Finding {
    let Some(free) = free else { return Finding::unobservable("the free space on the disk is not known") };
    let observed = format!("{:.1} GB are free for spool and outbox", free as f64 / 1e9);
    let remedy = "collect the outbox, lower `keep_done_jobs`, or find large folders with `sudo du -xh --max-depth 2 / | sort -h | tail`";
    if free < LEAST_BYTES {
        Finding::problem(observed, remedy)
    } else if free < PLENTY_BYTES {
        Finding::advice(observed, remedy)
    } else {
        Finding::ok(observed)
    }
}

pub(super) fn watches(subject: &Subject) -> Finding {
    limit(subject, "max_user_watches", FEWEST_WATCHES, "watches")
}

pub(super) fn watch_instances(subject: &Subject) -> Finding {
    limit(subject, "max_user_instances", FEWEST_INSTANCES, "instances")
}

fn limit(subject: &Subject, name: &str, fewest: i64, what: &str) -> Finding {
    match subject.number(&format!("/proc/sys/fs/inotify/{name}")) {
        None => Finding::unobservable(format!("the limit on inotify {what} is not known")),
        Some(most) if most < fewest => Finding::problem(
            format!("a user may have only {most} inotify {what}, so new jobs may be noticed late"),
            format!(
                "`echo fs.inotify.{name}=8192 | sudo tee /etc/sysctl.d/60-inotify.conf && sudo sysctl --system`"
            ),
        ),
        Some(most) => Finding::ok(format!("a user may have {most} inotify {what}")),
    }
}
