//! Mounts, as a process sees them.

use std::path::{Path, PathBuf};

use crate::host::root::HostRoot;

/// A line of proc_pid_mountinfo(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    pub(super) is_read_only: bool,
    /// Type of the file system.
    pub(super) kind: String,
}

impl Mount {
    /// The mount that holds a path for a process, named by its folder in /proc; `None` if the host does not
    /// show it.
    pub(super) fn of(root: &HostRoot, process: &str, path: &Path) -> Option<Self> {
        let of_process = root.read(format!("/proc/{process}/mountinfo"));
        let text = of_process.or_else(|_| root.read("/proc/self/mountinfo")).ok()?;
        let mounts = text.lines().filter_map(parse).filter(|mount| path.starts_with(&mount.point));
        // Of two mounts on one point the later one is in effect.
        mounts.max_by_key(|mount| mount.point.components().count())
    }
}

fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let fields: Vec<&str> = before.split(' ').collect();
    let kind = after.split(' ').next()?.to_owned();
    let is_read_only = fields.get(5)?.split(',').any(|option| option == "ro");
    // How the kernel writes a space.
    Some(Mount { point: PathBuf::from(fields.get(4)?.replace("\\040", " ")), is_read_only, kind })
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
