//! A daemon that file modes bind even if tests run as root: root without the capabilities that bypass them.

use std::process::Command;

use super::{Rig, clean};

/// Why the host does not let this process start such a daemon.
pub(crate) fn obstacle() -> Option<String> {
    super::obstacle(bounded(), "this process may not give up capabilities")
}

/// Others than root have no such capabilities to begin with.
fn bounded() -> Command {
    if !rustix::process::geteuid().is_root() {
        return clean("env");
    }
    let mut command = clean("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search"]);
    command
}

impl Rig {
    /// Start the daemon so that the modes of files hold for it.
    pub(crate) fn start_bound_by_modes(&mut self) {
        let serve = self.serve();
        let mut command = bounded();
        command.arg(serve.get_program()).args(serve.get_args());
        self.begin(&mut command);
    }
}

impl Rig {
    /// Start the daemon as another user, whose limits bind it. Only for root.
    pub(crate) fn start_as(&mut self, user: u32) {
        let chown = |path: &std::path::Path| {
            std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
        };
        let folder = self.path("");
        chown(&folder);
        for part in ["lab", "lab/inbox", "lab/outbox", "lab/uploads", "state", "host", "config.yaml"] {
            chown(&self.path(part));
        }
        let serve = self.serve();
        let mut command = clean("setpriv");
        let user = user.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]);
        command.arg(serve.get_program()).args(serve.get_args());
        self.begin(&mut command);
    }
}
