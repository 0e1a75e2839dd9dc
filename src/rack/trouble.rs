//! What can be wrong with a host, told apart by what ssh, rsync and the device's shell say.

use crate::error::Hint;
use crate::text::escaped;

/// Why nothing, or not everything, was done on a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// No connection.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// Another key than the one that ssh knows.
    #[error("its host key has changed since the last connection")]
    HostKeyChanged,
    /// A key that ssh does not know.
    #[error("its host key is not known here: {0}")]
    HostKeyUnknown(String),
    /// No login.
    #[error("no login: {0}")]
    Denied(String),
    /// It was connected, and is not any more.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// ssh or rsync is not installed on this machine.
    #[error("cannot start `{0}` on this machine: {1}")]
    NoTool(String, String),
    /// No `backbone` on the device.
    #[error("`backbone` is not installed there, or not in the PATH of ssh's commands")]
    NoBackbone,
    /// `backbone` is for other processors.
    #[error("its `backbone` is a program for {program}, and the host is {machine}")]
    WrongArchitecture {
        /// What the executable is for.
        program: String,
        /// What the host is.
        machine: String,
    },
    /// `backbone status` says nothing of use.
    #[error("`backbone status` does not answer there: {0}")]
    NoStatus(String),
    /// No rsync on the device.
    #[error("rsync is not installed there")]
    NoRsync,
    /// The user may not do it.
    #[error("no rights: {0}")]
    NoRights(String),
    /// Its disk has no room, or a quota is used up.
    #[error("no room there: {0}")]
    Full(String),
    /// A folder is not there.
    #[error("{0}")]
    NoFolder(String),
    /// rsync failed for another reason.
    #[error("rsync failed (code {code}): {line}")]
    Rsync {
        /// Its exit code; -1 for a signal.
        code: i32,
        /// Its first line about it.
        line: String,
    },
    /// Job files are still in the inbox under these names.
    #[error("its inbox still has job files of the same name: {0}")]
    NamesTaken(String),
    /// No daemon runs.
    #[error("no daemon is running there")]
    NoDaemon,
    /// The results are not in the outbox, and nothing is left to do.
    #[error("the host is idle, and {0} of the results are not in its outbox")]
    ResultsGone(String),
    /// This machine's disk.
    #[error("{0}")]
    Here(String),
}

impl Trouble {
    /// A stable word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::HostKeyChanged => "host_key_changed",
            Self::HostKeyUnknown(_) => "host_key_unknown",
            Self::Denied(_) => "login_denied",
            Self::Lost(_) => "connection_lost",
            Self::NoTool(..) => "no_tool",
            Self::NoBackbone => "no_backbone",
            Self::WrongArchitecture { .. } => "wrong_architecture",
            Self::NoStatus(_) => "no_status",
            Self::NoRsync => "no_rsync",
            Self::NoRights(_) => "no_rights",
            Self::Full(_) => "no_room",
            Self::NoFolder(_) => "no_folder",
            Self::Rsync { .. } => "rsync_failed",
            Self::NamesTaken(_) => "names_taken",
            Self::NoDaemon => "no_daemon",
            Self::ResultsGone(_) => "results_gone",
            Self::Here(_) => "this_machine",
        }
    }

    /// Of a connection that did not come about.
    pub(super) fn of_connection(stderr: &str) -> Self {
        let line = last_line(stderr);
        let says = |part: &str| stderr.contains(part);
        if says("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            Self::HostKeyChanged
        } else if says("Host key verification failed") || says("key is known for") {
            Self::HostKeyUnknown(line)
        } else if says("Permission denied") || says("Too many authentication failures") {
            Self::Denied(line)
        } else {
            Self::Unreachable(line)
        }
    }

    /// Of something that failed on the device, by the words of its tools.
    pub(super) fn of_words(stderr: &str) -> Option<Self> {
        let line = |part: &str| stderr.lines().find(|line| line.contains(part)).map(clean);
        let full = ["No space left on device", "Disk quota exceeded", "File too large"];
        if let Some(line) = full.iter().find_map(|part| line(part)) {
            return Some(Self::Full(line));
        }
        let rights = ["Permission denied", "Operation not permitted", "Read-only file system"];
        if let Some(line) = rights.iter().find_map(|part| line(part)) {
            return Some(Self::NoRights(line));
        }
        let missing = stderr.lines().find(|line| line.contains("rsync") && line.contains("not found"));
        if missing.is_some() {
            return Some(Self::NoRsync);
        }
        line("No such file or directory").map(Self::NoFolder)
    }
}

impl Hint for Trouble {
    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Unreachable(_) => "try `ssh` with the same name by hand",
                Self::HostKeyChanged => {
                    "if it was installed anew, remove the old key with `ssh-keygen -R` and its name; if not, find out \
                     who answers"
                }
                Self::HostKeyUnknown(_) => "connect once with `ssh` by hand and compare the key",
                Self::Denied(_) => "set up a key with `ssh-copy-id`; passwords are not asked for",
                Self::Lost(_) => "repeat the command; what was done is not done again",
                Self::NoTool(..) => "install openssh-client and rsync on this machine",
                Self::NoBackbone => "install the package there",
                Self::WrongArchitecture { .. } => "install the package of its architecture there",
                Self::NoStatus(_) => "see `systemctl status backbone` there",
                Self::NoRsync => "install the package `rsync` there",
                Self::NoRights(_) => "add the user to the group `backbone` there, and log in again",
                Self::Full(_) => "see `backbone status` for its disk; `collect --remove` makes room in an outbox",
                Self::NoFolder(_) => "name the folder with --inbox or --outbox",
                Self::Rsync { .. } => "repeat the command; what was done is not done again",
                Self::NamesTaken(_) => "wait until the daemon has taken them, or rename yours",
                Self::NoDaemon => "start it with `systemctl start backbone` there",
                Self::ResultsGone(_) => "look where outboxes are collected: another collector removed them",
                Self::Here(_) => return None,
            }
            .to_owned(),
        )
    }
}

/// The last line that says something, without rsync's own summary.
pub(super) fn last_line(stderr: &str) -> String {
    let lines = stderr.lines().map(clean).filter(|line| !line.is_empty());
    let mut lines: Vec<String> = lines.filter(|line| !line.starts_with("rsync error:")).collect();
    lines.pop().unwrap_or_else(|| "it says nothing".to_owned())
}

fn clean(line: &str) -> String {
    escaped(line.trim())
}
