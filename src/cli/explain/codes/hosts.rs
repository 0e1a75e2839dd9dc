//! Codes of `submit`, `collect` and `status HOST…` for a host on which nothing, or not everything, was done.

use super::Code;

/// Codes of `hosts[].error.code` in the output for programs.
pub(in crate::cli::explain) const OF_HOSTS: &[Code] = &[
    (
        "connection_lost",
        "The connection to the host broke.",
        "repeat the command; what was done is not done again",
    ),
    (
        "host_key_changed",
        "The host answers with another key than the one that ssh knows.",
        "if it was installed anew, remove the old key with `ssh-keygen -R` and its name; if not, find out who answers",
    ),
    (
        "host_key_unknown",
        "ssh does not know the key of the host.",
        "connect once with `ssh` by hand and compare the key",
    ),
    (
        "login_denied",
        "The host refused the login.",
        "set up a key with `ssh-copy-id`; passwords are not asked for",
    ),
    (
        "names_taken",
        "The inbox of the host still has job files of the same names.",
        "wait until the daemon has taken them, or rename yours",
    ),
    (
        "no_backbone",
        "`backbone` is not installed on the host, or not in the PATH of ssh's commands.",
        "install the package there",
    ),
    ("no_daemon", "No daemon is running on the host.", "start it with `systemctl start backbone` there"),
    ("no_folder", "The host has no such folder.", "name the folder with --inbox or --outbox"),
    (
        "no_rights",
        "The user may not read or write there.",
        "add the user to the group `backbone` there, and log in again",
    ),
    (
        "no_room",
        "The disk of the host, or a quota, is full.",
        "see `backbone status` for its disk; `backbone collect --remove` makes room in an outbox",
    ),
    ("no_rsync", "rsync is not installed on the host.", "install the package `rsync` there"),
    (
        "no_status",
        "`backbone status` on the host gave no answer of use.",
        "see `systemctl status backbone` there",
    ),
    (
        "no_tool",
        "ssh or rsync cannot be started on this machine.",
        "install openssh-client and rsync on this machine",
    ),
    (
        "results_gone",
        "The host is idle, and results of the jobs are not in its outbox.",
        "look where outboxes are collected: another collector removed them",
    ),
    (
        "rsync_failed",
        "rsync failed for a reason that is not told apart.",
        "read its line, and repeat the command; what was done is not done again",
    ),
    (
        "this_machine",
        "A file or folder of this machine cannot be read or written.",
        "read the message: it names the path",
    ),
    ("unreachable", "No connection to the host came about.", "try `ssh` with the same name by hand"),
    (
        "wrong_architecture",
        "The `backbone` that is installed on the host is for other processors.",
        "install the package of its architecture there",
    ),
];
