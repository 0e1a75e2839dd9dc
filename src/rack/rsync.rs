//! Calls of rsync, over a connection that is there.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use super::connection::{BEHIND_THE_SOCKET, Connection, here, read, stream};
use super::trouble::{Trouble, last_line};

/// Options of every call: files only, paths that no shell touches, and a host that does not answer is given
/// up.
const OPTIONS: &[&str] = &["--times", "--protect-args", "--timeout=60", "--chmod=F644"];

/// rsync's exit codes: an error on some file, and only files that vanished meanwhile.
const PARTLY: i32 = 23;
const VANISHED: i32 = 24;

/// How a call ended.
#[derive(Debug)]
pub(super) struct Transfer {
    /// What it printed.
    pub(super) stdout: String,
    /// What is wrong, if anything is.
    pub(super) trouble: Option<Trouble>,
    /// Some files were not transferred, and the rest was.
    pub(super) is_partial: bool,
}

/// A folder of the device, for rsync.
pub(super) fn there(folder: &Path) -> OsString {
    let mut place = OsString::from(format!("{BEHIND_THE_SOCKET}:"));
    place.push(folder);
    place.push("/");
    place
}

/// Call rsync with these arguments.
///
/// # Errors
/// It could not be started.
pub(super) fn call(connection: &Connection, arguments: &[&OsStr]) -> Result<Transfer, Trouble> {
    let (printed, said) = (connection.own_file("printed"), connection.own_file("said"));
    let mut command = Command::new("rsync");
    command.args(OPTIONS).arg("--rsh").arg(connection.remote_shell()).args(arguments).env("LC_ALL", "C");
    command.stdin(Stdio::null());
    command.stdout(stream(fs_err::File::create(&printed).map_err(here)?));
    command.stderr(stream(fs_err::File::create(&said).map_err(here)?));
    let status = command.status().map_err(|error| Trouble::NoTool("rsync".to_owned(), error.to_string()))?;
    let (stdout, stderr) = (read(&printed), read(&said));
    let code = status.code().unwrap_or(-1);
    let trouble = (code != 0 && code != VANISHED).then(|| of_failure(code, &stderr));
    Ok(Transfer { stdout, trouble, is_partial: code == PARTLY })
}

fn of_failure(code: i32, stderr: &str) -> Trouble {
    if let Some(trouble) = Trouble::of_words(stderr) {
        return trouble;
    }
    let is_lost = ["connection unexpectedly closed", "Connection closed", "Broken pipe", "timeout"];
    if is_lost.iter().any(|part| stderr.contains(part)) {
        return Trouble::Lost(last_line(stderr));
    }
    Trouble::Rsync { code, line: last_line(stderr) }
}
