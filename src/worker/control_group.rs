//! A control group of a worker's own, below the daemon's: whatever it starts stays in it and is killed with
//! it. Needs version 2, and that this process may make a group there (`Delegate=yes` in the unit, or root).

use std::path::{Path, PathBuf};
use std::time::Instant;

use log::warn;
use rustix::process::{Pid, Signal, getpid, kill_process};

use super::descendants::BETWEEN_LOOKS;
use super::sandbox;

/// Where version 2 is mounted: alone, or next to version 1.
const MOUNTS: &[&str] = &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// The start of a group's name; the number of the daemon follows, which has one worker at a time.
const NAME: &str = "backbone-worker-";

/// Processes of one worker, where the kernel counts them for the group: as in `sandbox::limits`.
const MOST_PROCESSES: &str = "4096";

/// A worker's group.
#[derive(Debug)]
pub(super) struct ControlGroup {
    folder: PathBuf,
}

impl ControlGroup {
    /// Make one, and move the worker into it. What it started before then stays outside: ask before it gets
    /// its request.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn around(worker: Pid) -> Result<Self, String> {
        let own = fs_err::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let path =
            own_path(&own).ok_or_else(|| "the kernel has no control groups of version 2".to_owned())?;
        let mount = MOUNTS.iter().map(Path::new).find(|mount| mount.join("cgroup.procs").exists());
        let mount = mount.ok_or_else(|| "control groups of version 2 are not mounted".to_owned())?;
        let own = mount.join(path.trim_start_matches('/'));
        remove_left(&own);
        let folder = own.join(format!("{NAME}{}", getpid()));
        let refused = |error: std::io::Error| format!("{error} (the unit has `Delegate=yes` for this)");
        match fs_err::create_dir(&folder) {
            // Of an earlier worker that could not be killed at once.
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(refused(error)),
            _ => {}
        }
        let group = Self { folder };
        // Only if the daemon's group hands the controllers on; the limits of the worker hold without.
        let _ = fs_err::write(group.folder.join("pids.max"), MOST_PROCESSES);
        if let Some(most) = sandbox::memory_limit_bytes() {
            let _ = fs_err::write(group.folder.join("memory.max"), most.to_string());
            // All of it or nothing: a worker without its helper only hangs.
            let _ = fs_err::write(group.folder.join("memory.oom.group"), "1");
        }
        fs_err::write(group.folder.join("cgroup.procs"), worker.to_string()).map_err(|error| {
            group.remove(Instant::now());
            refused(error)
        })?;
        Ok(group)
    }

    /// Kill everything in it.
    pub(super) fn kill(&self) {
        // Since Linux 5.14.
        if fs_err::write(self.folder.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        for process in self.processes() {
            // It may have ended meanwhile; what stays is found among the descendants.
            let _ = kill_process(process, Signal::KILL);
        }
    }

    /// Remove it, once nothing is in it.
    pub(super) fn remove(&self, deadline: Instant) {
        loop {
            match fs_err::remove_dir(&self.folder) {
                Ok(()) => return,
                Err(_) if Instant::now() < deadline => {
                    self.kill();
                    std::thread::sleep(BETWEEN_LOOKS);
                }
                Err(error) => {
                    warn!("a worker's control group stays: {error}");
                    return;
                }
            }
        }
    }

    fn processes(&self) -> Vec<Pid> {
        let text = fs_err::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect()
    }
}

/// Remove the groups of daemons that were killed. One with a process in it stays.
fn remove_left(own: &Path) {
    for entry in fs_err::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| name.strip_prefix(NAME)) else { continue };
        if !Path::new("/proc").join(number).exists() {
            // Refused if it is not empty.
            let _ = fs_err::remove_dir(entry.path());
        }
    }
}

/// The path of a process's group of version 2, cgroups(7).
fn own_path(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_of_version_2_is_found_among_those_of_version_1() {
        let text = "12:pids:/a\n1:name=systemd:/init.scope\n0::/system.slice/backbone.service\n";
        assert_eq!(own_path(text), Some("/system.slice/backbone.service"));
        assert_eq!(own_path("4:memory:/\n"), None);
    }
}
