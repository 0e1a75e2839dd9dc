//! The service: its unit and its daemon.

use super::Finding;
use super::subject::Subject;
use crate::text::first_few;

/// Folders of units, the administrator's own first (systemd.unit(5)).
const UNITS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

const UNIT: &str = "backbone.service";

/// The link that `systemctl enable` creates.
const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants/backbone.service";

pub(super) fn unit(subject: &Subject) -> Finding {
    let Some(folder) = UNITS.iter().find(|folder| subject.exists(&format!("{folder}/{UNIT}"))) else {
        return Finding::advice(
            "the service is not installed, so nothing runs unattended",
            "`sudo make install && sudo systemctl daemon-reload && sudo systemctl enable --now backbone`",
        );
    };
    // The link holds the host's own path, which does not exist under another root.
    match fs_err::symlink_metadata(subject.root.path(ENABLED)) {
        Ok(_) => Finding::ok(format!("{folder}/{UNIT} starts at boot")),
        Err(_) => Finding::advice(
            format!("{folder}/{UNIT} does not start at boot"),
            "`sudo systemctl enable backbone`",
        ),
    }
}

pub(super) fn daemon(subject: &Subject) -> Finding {
    let Some(processes) = &subject.processes else {
        return Finding::unobservable("the processes of this host are not visible");
    };
    let daemons: Vec<String> =
        processes.iter().filter(|process| process.is_daemon).map(|daemon| daemon.id.to_string()).collect();
    match daemons.as_slice() {
        [] => Finding::advice("no daemon is running", "`sudo systemctl start backbone`, or `backbone serve`"),
        [one] => Finding::ok(format!("the daemon is process {one}")),
        several => Finding::advice(
            format!("{} daemons are running and take turns: processes {}", several.len(), first_few(several)),
            "stop those started by hand; `systemctl status backbone` shows the one of the service",
        ),
    }
}
