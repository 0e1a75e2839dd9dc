//! Disks of a chosen size: tmpfs, mounted for the daemon alone, in a mount namespace of its own.

use std::process::Command;

use super::{Rig, clean};

/// Why the host does not let this process mount anything.
pub(crate) fn obstacle() -> Option<String> {
    super::obstacle(unshare(), "this process may not have mounts of its own")
}

/// Root has them by right, others as root of a user namespace.
fn unshare() -> Command {
    let mut command = clean("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
}

impl Rig {
    /// Start the daemon with disks of these sizes (as tmpfs(5) spells them) over parts of the machine.
    pub(crate) fn start_with_disks(&mut self, disks: &[(&str, &str)]) {
        let mount = |(part, size): &(&str, &str)| {
            format!("mount -t tmpfs -o {size} tmpfs '{}'\n", self.path(part).display())
        };
        self.start_after(&disks.iter().map(mount).collect::<String>());
    }

    /// Start the daemon in a mount namespace of its own, once this script of the shell has run there.
    pub(crate) fn start_after(&mut self, script: &str) {
        let script = format!("set -e\n{script}\nexec \"$0\" \"$@\"");
        let serve = self.serve();
        let mut command = unshare();
        command.args(["sh", "-c", &script]).arg(serve.get_program()).args(serve.get_args());
        self.has_own_mounts = true;
        self.begin(&mut command);
    }

    /// Start the daemon with the file system of an image over the folder of inbox, spool and outbox.
    pub(crate) fn start_on_image(&mut self, image: &str) {
        let (lab, image) = (self.path("lab"), self.path(image));
        let script = format!(
            "mount -o loop '{}' '{lab}' && mkdir -p '{lab}/inbox' '{lab}/outbox' '{lab}/uploads' && exec \"$0\" \"$@\"",
            image.display(),
            lab = lab.display()
        );
        let serve = self.serve();
        let mut command = unshare();
        command.args(["sh", "-c", &script]).arg(serve.get_program()).args(serve.get_args());
        self.has_own_mounts = true;
        self.begin(&mut command);
    }

    /// Mount a disk of the daemon anew, with other options.
    pub(crate) fn remount(&self, part: &str, options: &str) {
        let mut command = clean("nsenter");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        let path = self.folder.path().join(part);
        let process = self.process().to_string();
        command
            .args(["--mount", "--target", &process, "mount", "-o"])
            .arg(format!("remount,{options}"))
            .arg(path);
        assert!(command.status().unwrap().success(), "remount of {part} with {options}");
    }

    /// Fill a disk of the daemon to its last byte, until [`Rig::free`].
    pub(crate) fn fill(&self, part: &str) {
        use std::io::Write as _;
        let mut file = fs_err::File::create(self.path(part).join(FILLER)).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
        }
    }

    /// Take all space of a disk of the daemon but so many bytes, until [`Rig::free`].
    pub(crate) fn fill_all_but(&self, part: &str, bytes: u64) {
        let space = rustix::fs::statvfs(self.path(part)).unwrap();
        let taken = (space.f_bavail * space.f_frsize).checked_sub(bytes).unwrap();
        let taken = vec![0; usize::try_from(taken).unwrap()];
        fs_err::write(self.path(part).join(FILLER), taken).unwrap();
    }

    /// Give back what [`Rig::fill`] or [`Rig::fill_all_but`] took.
    pub(crate) fn free(&self, part: &str) {
        fs_err::remove_file(self.path(part).join(FILLER)).unwrap();
    }
}

/// What fills a disk.
const FILLER: &str = "filler";
