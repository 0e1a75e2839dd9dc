//! The service: its unit, and the daemon.

use super::Finding;
use super::subject::Subject;
use crate::text::first_few;

/// Where units lie, the administrator's own first (systemd.unit(5)).
const UNITS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

const UNIT: &str = "backbone.service";

/// What `systemctl enable` makes.
const ENABLED: &str = "/etc/systemd/system/multi-user.target.wants/backbone.service";

pub(super) fn unit(subject: &Subject) -> Finding {
    let Some(folder) = UNITS.iter().find(|folder| subject.exists(&format!("{folder}/{UNIT}"))) else {
        return Finding::advice(
            "the service is not installed, so nothing is measured unattended",
            "`sudo make install && sudo systemctl daemon-reload && sudo systemctl enable --now backbone`",
        );
    };
    // The link leads to the host's own path, which under another root is not there.
    match fs_err::symlink_metadata(subject.root.path(ENABLED)) {
        Ok(_) => Finding::ok(format!("{folder}/{UNIT} is started with the host")),
        Err(_) => Finding::advice(
            format!("{folder}/{UNIT} is not started with the host"),
            "`sudo systemctl enable backbone`",
        ),
    }
}

pub(super) fn daemon(subject: &Subject) -> Finding {
    let Some(processes) = &subject.processes else {
        return Finding::unobservable("the host shows no processes");
    };
    let daemons: Vec<String> =
        processes.iter().filter(|process| process.is_daemon).map(|daemon| daemon.id.to_string()).collect();
    match daemons.as_slice() {
        [] => Finding::advice("no daemon runs", "`sudo systemctl start backbone`, or `backbone serve`"),
        [one] => Finding::ok(format!("the daemon is process {one}")),
        several => Finding::advice(
            format!("{} daemons run and take turns: processes {}", several.len(), first_few(several)),
            "`systemctl status backbone`, and end those that were started by hand",
        ),
    }
}
