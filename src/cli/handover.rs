//! `backbone serve` continues as the daemon's own executable, if that one is of the same build.
//!
//! A process that runs for months should hold no code but the daemon's. Another build is refused: `cargo run
//! -- serve` builds `backbone` alone, and an old `backbone-daemon` next to it would run the code of then.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::installation::DAEMON;

/// The first argument that makes the daemon's executable print its build and exit.
pub(super) const PRINT_BUILD: &str = "__build";

/// Version, and digest of the source that this executable was built from.
pub(super) const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), " ", env!("BACKBONE_SOURCE_DIGEST"));

/// Continue as the daemon's own executable, the same process with the same arguments. Returns if there is
/// none next to this one, or why it was not started: a daemon that holds more code in memory does the same.
pub(super) fn hand_over() -> Option<String> {
    let daemon = std::env::current_exe().ok()?.with_file_name(DAEMON);
    if !daemon.is_file() {
        return None;
    }
    if let Err(why) = check_build(&daemon) {
        return Some(format!(
            "not handing over to {}: {why}; build and install both executables together",
            daemon.display()
        ));
    }
    let error = Command::new(&daemon).arg0("backbone").args(std::env::args_os().skip(1)).exec();
    Some(format!("cannot start {}: {error}", daemon.display()))
}

fn check_build(daemon: &Path) -> Result<(), String> {
    let output = Command::new(daemon).arg(PRINT_BUILD).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.map_err(|error| format!("it cannot be started: {error}"))?;
    let build = String::from_utf8_lossy(&output.stdout);
    match build.trim() {
        BUILD => Ok(()),
        _ if !output.status.success() => Err("it does not say which build it is".to_owned()),
        other => Err(format!("it is build {}, this is {BUILD}", other.escape_debug())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn checked(script: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let daemon = folder.path().join(DAEMON);
        fs_err::write(&daemon, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&daemon, std::fs::Permissions::from_mode(0o755)).unwrap();
        check_build(&daemon)
    }

    #[test]
    fn only_a_daemon_of_the_same_build_is_handed_over_to() {
        assert_eq!(checked(&format!("[ \"$1\" = {PRINT_BUILD} ] && echo '{BUILD}'")), Ok(()));
        assert_eq!(checked("echo '0.0.1 then'"), Err(format!("it is build 0.0.1 then, this is {BUILD}")));
        assert_eq!(checked("exit 2"), Err("it does not say which build it is".to_owned()));
    }
}
