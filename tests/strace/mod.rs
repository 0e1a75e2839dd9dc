//! A daemon on folders of its own, to be run under strace(1) or without it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

const BACKBONE: &str = env!("CARGO_BIN_EXE_backbone");

/// Set to 1 to fail, rather than skip, if strace is missing.
const REQUIRED: &str = "BACKBONE_REQUIRE_STRACE";

/// Is strace installed and allowed to trace? Prints it if not.
pub(crate) fn is_there() -> bool {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let there = traced.is_ok_and(|status| status.success());
    assert!(there || !std::env::var(REQUIRED).is_ok_and(|value| value == "1"), "{REQUIRED}=1, and no strace");
    if !there {
        println!("skipped: strace is missing, or may not trace");
    }
    there
}

/// Inbox, spool, state and host root in one folder, and an outbox.
pub(crate) struct Rig {
    folder: TempDir,
    outbox: TempDir,
}

impl Rig {
    /// New folders; the outbox is in `outbox_in`, or with the others.
    pub(crate) fn new(outbox_in: Option<&Path>) -> Self {
        let folder = TempDir::new().expect("folder");
        let outbox = match outbox_in {
            Some(place) => TempDir::new_in(place).expect("outbox"),
            None => TempDir::new().expect("outbox"),
        };
        let rig = Self { folder, outbox };
        for name in ["inbox", "spool", "host"] {
            fs_err::create_dir(rig.at(name)).expect("folder");
        }
        // A tag known beforehand makes the names of all files the same in every run.
        fs_err::write(rig.at("spool/identity"), "strace 1\n").expect("identity");
        fs_err::write(rig.at("spool/format"), "1\n").expect("format");
        rig
    }

    /// A path below the folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The outbox.
    pub(crate) fn outbox(&self) -> &Path {
        self.outbox.path()
    }

    /// Drop a file into the inbox as sftp does: whole, by rename.
    pub(crate) fn drop_file(&self, name: &str, text: &str) {
        let temporary = self.at("upload");
        fs_err::write(&temporary, text).expect("write");
        fs_err::rename(temporary, self.at("inbox").join(name)).expect("rename");
    }

    /// `backbone serve --once` on these folders, behind `before` (strace and its arguments, or nothing).
    pub(crate) fn serve_once(&self, before: &[&str]) -> Command {
        let mut words = before.iter().copied().chain([BACKBONE, "serve", "--once"]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);
        for (flag, path) in [
            ("--inbox", self.at("inbox")),
            ("--outbox", self.outbox().to_owned()),
            ("--state", self.at("state")),
            ("--host-root", self.at("host")),
        ] {
            command.arg(flag).arg(path);
        }
        // Lines of the log would only be more points at which nothing changes.
        command.env("BACKBONE_LOG", "off").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}
