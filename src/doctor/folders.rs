//! The daemon's folders: are they there, do renames stay on one mount, is there space, and does the kernel tell of new files.

use std::path::{Path, PathBuf};

use super::Finding;
use super::subject::Subject;
use crate::text::first_few;

/// Below this a study's models and the bundles of a night do not fit: the largest generated model takes some 700 MB.
const LEAST_BYTES: u64 = 1_000_000_000;

/// Below this somebody should look before the next study: a bundle of 100,000 latencies has about 1 MB.
const PLENTY_BYTES: u64 = 5_000_000_000;

/// A daemon watches a few folders; the rest is for whoever else runs as its user.
const FEWEST_WATCHES: i64 = 64;

/// Each program that watches takes one.
const FEWEST_INSTANCES: i64 = 8;

/// File systems whose changes by other machines the kernel does not tell, by their beginnings.
const SILENT: &[&str] = &["nfs", "cifs", "smb", "fuse", "9p", "ceph", "afs", "virtiofs", "vboxsf"];

const MAKE: &str =
    "`sudo systemd-tmpfiles --create backbone.conf`, or name others in /etc/backbone/config.yaml";

/// A mount, as proc_pid_mountinfo(5) has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    point: PathBuf,
    pub(super) is_read_only: bool,
    kind: String,
}

/// The mount that a path lies on; `None` where the host does not tell.
pub(super) fn mount_of(subject: &Subject, path: &Path) -> Option<Mount> {
    let of_rights = subject
        .rights
        .as_ref()
        .and_then(|rights| subject.read(&format!("/proc/{}/mountinfo", rights.process)));
    let text = of_rights.or_else(|| subject.read("/proc/self/mountinfo"))?;
    let mounts = text.lines().filter_map(parse).filter(|mount| path.starts_with(&mount.point));
    // Of two on one point the later one lies above.
    mounts.max_by_key(|mount| mount.point.components().count())
}

fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let fields: Vec<&str> = before.split(' ').collect();
    let kind = after.split(' ').next()?.to_owned();
    let is_read_only = fields.get(5)?.split(',').any(|option| option == "ro");
    // A space in a path is written so.
    Some(Mount { point: PathBuf::from(fields.get(4)?.replace("\\040", " ")), is_read_only, kind })
}

pub(super) fn present(subject: &Subject) -> Finding {
    let asked = subject.asked;
    let folders = [("inbox", &asked.inbox), ("outbox", &asked.outbox), ("state", &asked.state)];
    let missing: Vec<String> = folders
        .into_iter()
        .filter(|(_, path)| !subject.root.path(path).is_dir())
        .map(|(name, path)| format!("{name} {}", path.display()))
        .collect();
    match missing.is_empty() {
        true => Finding::ok("inbox, outbox and state are there"),
        false => Finding::problem(format!("not there, or no folder: {}", first_few(&missing)), MAKE),
    }
}

pub(super) fn one_file_system(subject: &Subject) -> Finding {
    let mounts = [&subject.asked.inbox, &subject.asked.spool].map(|path| mount_of(subject, path));
    match mounts {
        [Some(inbox), Some(spool)] if inbox == spool => {
            Finding::ok("inbox and spool are on one mount, so jobs move by rename")
        }
        [Some(inbox), Some(spool)] => Finding::problem(
            format!("the inbox is on {}, the spool on {}", inbox.point.display(), spool.point.display()),
            "set `spool` in /etc/backbone/config.yaml to a folder beside the inbox",
        ),
        _ => Finding::unobservable("the host does not tell its mounts"),
    }
}

pub(super) fn inbox_file_system(subject: &Subject) -> Finding {
    let Some(mount) = mount_of(subject, &subject.asked.inbox) else {
        return Finding::unobservable("the host does not tell its mounts");
    };
    let kind = &mount.kind;
    if SILENT.iter().any(|start| kind.starts_with(start)) {
        Finding::advice(
            format!(
                "the inbox is on {kind}, whose changes by other machines are seen only when it is looked through"
            ),
            "put the inbox on a disk of this host, or lower `rescan_seconds`",
        )
    } else if kind == "tmpfs" {
        Finding::advice(
            "the inbox is in memory (tmpfs): what lies there is lost without power",
            "put inbox, spool and outbox on a disk",
        )
    } else {
        Finding::ok(format!("the inbox is on {kind}"))
    }
}

pub(super) fn space(subject: &Subject) -> Finding {
    // Under another root it is this machine's disk, not the other's.
    if !subject.root.is_real() {
        return Finding::unobservable("a folder stands for this machine, and its disk is another's");
    }
    let free = [&subject.asked.spool, &subject.asked.outbox].into_iter().filter_map(|path| free_bytes(path));
    judged_space(free.min())
}

/// Of the folder, or the nearest one above it that is there.
fn free_bytes(path: &Path) -> Option<u64> {
    let stat = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

pub(super) fn judged_space(free: Option<u64>) -> Finding {
    let Some(free) = free else { return Finding::unobservable("the disk does not tell its free space") };
    let observed = format!("{:.1} GB are free for spool and outbox", free as f64 / 1e9);
    let remedy =
        "collect the outbox, lower `keep_done_jobs`, or `sudo du -xh --max-depth 2 / | sort -h | tail`";
    if free < LEAST_BYTES {
        Finding::problem(observed, remedy)
    } else if free < PLENTY_BYTES {
        Finding::advice(observed, remedy)
    } else {
        Finding::ok(observed)
    }
}

pub(super) fn watches(subject: &Subject) -> Finding {
    limit(subject, "max_user_watches", FEWEST_WATCHES, "folders and files")
}

pub(super) fn watch_instances(subject: &Subject) -> Finding {
    limit(subject, "max_user_instances", FEWEST_INSTANCES, "programs")
}

fn limit(subject: &Subject, name: &str, fewest: i64, what: &str) -> Finding {
    match subject.number(&format!("/proc/sys/fs/inotify/{name}")) {
        None => Finding::unobservable(format!(
            "the kernel does not tell how many {what} a user may watch (inotify)"
        )),
        Some(most) if most < fewest => Finding::problem(
            format!("a user may watch {most} {what} (inotify), so new jobs may be seen late"),
            format!(
                "`echo fs.inotify.{name}=8192 | sudo tee /etc/sysctl.d/60-inotify.conf && sudo sysctl --system`"
            ),
        ),
        Some(most) => Finding::ok(format!("a user may watch {most} {what} (inotify)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_is_read_with_its_options_and_spaces() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 ro,noatime master:1 - ext4 /dev/root rw,errors=continue";
        let expected = Mount { point: "/mnt 2".into(), is_read_only: true, kind: "ext4".to_owned() };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse("garbage"), None);
    }
}
