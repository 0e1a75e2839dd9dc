//! Runs a tool of the host, such as `nvpmodel`, with a time limit and without a terminal. The caller
//! interprets its output.
//!
//! Under a host root other than `/` only that root's folders are searched, and the tool gets the root in
//! `BACKBONE_HOST_ROOT`. On the real host the standard folders come before PATH, because a service's PATH is
//! short.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};

use super::root::HostRoot;
use crate::error::Hint;

/// Folders of tools on every host.
const FOLDERS: &[&str] = &["/usr/sbin", "/usr/bin", "/usr/src/tensorrt/bin"];

/// Passes the host root to a stub.
pub(crate) const ROOT_VARIABLE: &str = "BACKBONE_HOST_ROOT";

/// The most that is kept of a tool's output; nvpmodel's longest is about ten kilobytes.
const LONGEST_OUTPUT_BYTES: u64 = 256 * 1024;

/// Between two checks whether a tool has ended. Not a pidfd: the kernels of JetPack 4 and 5 lack them, or
/// part of them.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// How long a killed process may take to end.
const KILL_LIMIT: Duration = Duration::from_millis(200);

/// A call of a tool.
#[derive(Debug, Clone, Copy)]
pub struct ToolCall<'a> {
    /// Its bare name.
    pub name: &'a str,
    /// Its arguments.
    pub arguments: &'a [&'a str],
    /// Its standard input.
    pub input: &'a str,
    /// How long it may take.
    pub limit: Duration,
}

/// How a tool ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed, on either stream, in order.
    pub text: String,
}

/// A tool did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("the tool `{name}` is not installed on this host")]
    Missing {
        /// Its name.
        name: String,
    },
    /// It cannot be started or read from.
    #[error("cannot run {}", path.display())]
    Start {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("{} did not end within {} s", path.display(), limit.as_secs())]
    Hung {
        /// Its path.
        path: PathBuf,
        /// Its time limit.
        limit: Duration,
        /// Its output so far.
        text: String,
    },
}

impl Hint for ToolError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing { name } => {
                format!("install the package that contains `{name}`, or remove what needs it from the job")
            }
            Self::Start { .. } => "check that the daemon's user may run it".to_owned(),
            Self::Hung { .. } => "run it by hand to see what it waits for".to_owned(),
        })
    }
}

/// The path of a tool, if it is installed.
pub fn find(root: &HostRoot, name: &str) -> Option<PathBuf> {
    let own = FOLDERS.iter().map(|folder| root.path(folder).join(name));
    let search = std::env::var_os("PATH").filter(|_| root.is_real()).unwrap_or_default();
    let others: Vec<PathBuf> = std::env::split_paths(&search).map(|folder| folder.join(name)).collect();
    own.chain(others).find(|path| path.is_file())
}

pub(crate) fn run(root: &HostRoot, call: &ToolCall<'_>) -> Result<ToolOutput, ToolError> {
    let path = find(root, call.name).ok_or_else(|| ToolError::Missing { name: call.name.to_owned() })?;
    let failed = |source| ToolError::Start { path: path.clone(), source };
    // Files in memory, not pipes: a process that the tool leaves behind would keep a pipe open.
    let mut output = memory().map_err(failed)?;
    let mut input = memory().map_err(failed)?;
    input.write_all(call.input.as_bytes()).and_then(|()| input.rewind()).map_err(failed)?;
    let streams = output.try_clone().and_then(|first| Ok((first, output.try_clone()?)));
    let (stdout, stderr) = streams.map_err(failed)?;
    let mut command = Command::new(&path);
    command.args(call.arguments).stdin(input).stdout(stdout).stderr(stderr).process_group(0);
    command.env(ROOT_VARIABLE, root.as_path()).env("LC_ALL", "C");
    let mut child = command.spawn().map_err(failed)?;
    let status = wait(&mut child, call.limit).map_err(failed)?;
    let text = text(&mut output).map_err(failed)?;
    match status {
        Some(status) => Ok(ToolOutput { code: status.code(), text }),
        None => Err(ToolError::Hung { path, limit: call.limit, text }),
    }
}

fn memory() -> io::Result<File> {
    Ok(memfd_create("tool", MemfdFlags::CLOEXEC)?.into())
}

/// `None` if it had to be killed.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            // Its whole group, because a script's children would outlive it.
            let _ = rustix::process::kill_process_group(
                rustix::process::Pid::from_child(child),
                rustix::process::Signal::KILL,
            );
            end(child);
            return Ok(None);
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Kill a process and wait a moment for its end. One that hangs in the kernel, in a driver that does not
/// answer say, stays: waiting for it would hang too.
pub(super) fn end(child: &mut Child) -> Option<ExitStatus> {
    // One that ended by itself says how.
    if let Ok(Some(status)) = child.try_wait() {
        return Some(status);
    }
    let _ = child.kill();
    let deadline = Instant::now() + KILL_LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(BETWEEN_LOOKS),
            _ => return None,
        }
    }
}

fn text(output: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    output.seek(SeekFrom::Start(0))?;
    output.take(LONGEST_OUTPUT_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn host(script: &str) -> (tempfile::TempDir, HostRoot) {
        let folder = tempfile::tempdir().unwrap();
        let root = HostRoot::new(folder.path()).unwrap();
        fs_err::create_dir_all(root.path("/usr/sbin")).unwrap();
        let path = root.path("/usr/sbin/asks");
        fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (folder, root)
    }

    fn call(limit: Duration) -> ToolCall<'static> {
        ToolCall { name: "asks", arguments: &["a b"], input: "NO\n", limit }
    }

    const LONG: Duration = Duration::from_secs(60);

    /// A line of `/proc/PID/status`.
    fn status_of(pid: &str, key: &str) -> Option<String> {
        let status = fs_err::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()))
    }

    fn until(is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + LONG;
        while !is_so() {
            assert!(Instant::now() < deadline, "it did not come to that");
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    #[test]
    fn both_streams_the_arguments_the_input_and_the_root_are_as_the_caller_says() {
        let (folder, root) = host("read answer; echo \"$1 $answer\"; echo $BACKBONE_HOST_ROOT >&2; exit 7");
        let output = run(&root, &call(LONG)).unwrap();
        assert_eq!(output.code, Some(7));
        assert_eq!(output.text, format!("a b NO\n{}", folder.path().display()));
    }

    #[test]
    fn tool_that_hangs_is_ended_with_its_children() {
        let (_folder, root) = host("echo asking; sleep 1000; echo done");
        let error = run(&root, &call(Duration::from_millis(200))).unwrap_err();
        assert!(matches!(error, ToolError::Hung { text, .. } if text == "asking"));
    }

    /// A dead process stays for its parent until the one that traces it has looked, and this one never looks.
    #[test]
    fn tool_that_does_not_go_when_it_is_killed_is_given_up() {
        let version = Command::new("strace").arg("-V").output();
        if !version.is_ok_and(|version| version.status.success()) {
            assert!(std::env::var_os("BACKBONE_REQUIRE_STRACE").is_none(), "strace is missing");
            eprintln!("skipped: strace is not installed");
            return;
        }
        let mut tool = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = tool.id().to_string();
        let log = tempfile::NamedTempFile::new().unwrap();
        let arguments = ["-qq", "-o", log.path().to_str().unwrap(), "-p", &pid];
        let mut tracer = Command::new("strace").args(arguments).spawn().unwrap();
        until(|| status_of(&pid, "TracerPid:").is_some_and(|tracer| tracer != "0"));
        let tracer_pid = rustix::process::Pid::from_child(&tracer);
        rustix::process::kill_process(tracer_pid, rustix::process::Signal::STOP).unwrap();
        until(|| status_of(&tracer.id().to_string(), "State:").is_some_and(|state| state.starts_with('T')));
        let started = Instant::now();
        assert_eq!(end(&mut tool), None);
        assert!(started.elapsed() >= KILL_LIMIT && started.elapsed() < LONG);
        tracer.kill().unwrap();
        tracer.wait().unwrap();
        tool.wait().unwrap();
    }

    #[test]
    fn process_that_a_tool_leaves_behind_is_not_waited_for() {
        let (_folder, root) = host("sleep 30 & echo started");
        let started = Instant::now();
        assert_eq!(run(&root, &call(LONG)).unwrap().text, "started");
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn tool_of_the_real_machine_is_not_found_under_another_root() {
        let (_folder, root) = host("");
        assert!(find(&root, "sh").is_none());
        assert!(find(&HostRoot::real(), "sh").is_some());
        let missing = ToolCall { name: "sh", ..call(LONG) };
        assert!(matches!(run(&root, &missing), Err(ToolError::Missing { .. })));
    }
}
