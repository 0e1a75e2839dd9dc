//! Real file systems on real block devices that fail, in a mount namespace of a test's own: a process that
//! waits holds the namespace, so that a file system can be checked and mounted again between two daemons.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{LOOK_AGAIN, PATIENCE, Rig, clean};

/// The name of the program that holds the namespace, and of the file by which it says that all is mounted.
const MOUNTED: &str = "mounted";

/// Programs that a host needs for such a test, or why they cannot be used.
pub(crate) fn obstacle(programs: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can mount a file".to_owned());
    }
    if let Some(why) = super::disks::obstacle() {
        return Some(why);
    }
    if !std::path::Path::new("/dev/loop-control").exists() {
        return Some("this host has no loop devices".to_owned());
    }
    let is_missing = |program: &&&str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", **program]).status();
        !found.is_ok_and(|status| status.success())
    };
    programs.iter().find(is_missing).map(|program| format!("{program} is not installed"))
}

/// The namespace. Everything in it goes with it.
pub(crate) struct Mounts {
    holder: Child,
}

impl Mounts {
    /// Make a namespace, and run this script of the shell there, in the machine's folder.
    pub(crate) fn new(rig: &Rig, script: &str) -> Self {
        let mut command = clean("unshare");
        // The shell reads until the end of this process, however that comes.
        let script = format!("set -e\n{script}\n: > {MOUNTED}\nread line || :\n");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        command.current_dir(rig.path("")).stdin(Stdio::piped());
        let mut mounts = Self { holder: command.spawn().unwrap() };
        rig.wait_until("the file system to be mounted", || {
            let ended = mounts.holder.try_wait().unwrap();
            assert!(ended.is_none(), "the script failed, {ended:?}");
            rig.path(MOUNTED).exists()
        });
        mounts
    }

    /// Run a script of the shell there. Returns whether it succeeded.
    pub(crate) fn run(&self, rig: &Rig, script: &str) -> bool {
        let mut command = self.enter();
        // The name of the folder, not the folder as the daemon sees it: in the namespace it is another one.
        let script = format!("cd '{}'\n{script}", rig.folder.path().display());
        command.args(["sh", "-c", &script]);
        command.stdin(Stdio::null()).status().unwrap().success()
    }

    fn enter(&self) -> Command {
        let mut command = clean("nsenter");
        command.args(["--mount", "--target", &self.holder.id().to_string()]);
        command
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        if let Some(mut input) = self.holder.stdin.take() {
            let _ = input.write_all(b"end\n");
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(self.holder.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_AGAIN);
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Rig {
    /// Start the daemon in that namespace.
    pub(crate) fn start_in(&mut self, mounts: &Mounts) {
        let serve = self.serve();
        let mut command = mounts.enter();
        command.arg(serve.get_program()).args(serve.get_args());
        self.has_own_mounts = true;
        self.begin(&mut command);
    }

    /// Has the daemon ended by itself? As a service manager would, the caller starts it again.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self.daemon.as_mut().is_none_or(|daemon| daemon.try_wait().unwrap().is_some());
        if ended {
            self.daemon = None;
        }
        ended
    }

    /// Look until there is something to see, or the daemon has ended by itself.
    pub(crate) fn wait_or_end(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.has_ended() && !holds(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}\n{}", self.log());
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}
