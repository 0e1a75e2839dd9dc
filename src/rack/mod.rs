//! Many devices from one desk: copies job files to them, brings their outboxes here, and asks how they are.
//!
//! Thin wrappers of the system's `ssh` and `rsync`. A host is whatever ssh calls it, with ssh's
//! configuration, keys and jumps, and one connection to each host carries everything ([`Connection`]). A
//! device needs sshd, rsync, the usual tools of a POSIX shell and `backbone`; nothing runs there between
//! two calls. What a device says is untrusted: names are checked before they become paths, and files before
//! they count as here.
//!
//! [`deliver()`] copies to an inbox, [`follow()`] waits for results, [`fetch()`] collects an outbox. Each
//! does one host; [`over`] does many at once, and no host holds up another.

use std::path::Path;

mod connection;
mod deliver;
mod device;
mod fetch;
mod follow;
mod host_name;
mod rsync;
mod shell;
#[cfg(test)]
mod tests;
mod trouble;

pub(crate) use connection::{Connection, Ssh};
pub(crate) use deliver::{Delivery, JobFile, LocalFile, deliver};
pub(crate) use device::{Daemon, Device};
pub(crate) use fetch::{Brought, Removal, fetch};
pub(crate) use follow::{Followed, follow, outbox_before};
pub(crate) use host_name::HostName;
pub(crate) use trouble::Trouble;

use crate::parallel;
use crate::scratch::{self, Scratch};

/// How the name of the folder with the sockets begins.
const OF_RACKS: &str = "backbone-rack-";

/// A socket's path has at most 108 bytes (unix(7)), and ssh adds 17 to it while it makes one.
const LONGEST_SOCKET_FOLDER_BYTES: usize = 80;

/// Do something on each host, so many at once. Connections end with their host's work.
///
/// # Errors
/// Only of this machine: the folder for the sockets cannot be made. What is wrong with a host is its answer.
pub(crate) fn over<R: Send>(
    hosts: &[HostName],
    ssh: &Ssh,
    at_once: usize,
    work: impl Fn(&HostName, Connection) -> Result<R, Trouble> + Sync,
) -> std::io::Result<Vec<Result<R, Trouble>>> {
    let temporary = std::env::temp_dir();
    let is_short = temporary.as_os_str().len() <= LONGEST_SOCKET_FOLDER_BYTES - 2 * OF_RACKS.len();
    let parent = if is_short { temporary.as_path() } else { Path::new("/tmp") };
    scratch::sweep(parent, OF_RACKS);
    let sockets = Scratch::make(parent, OF_RACKS)?;
    let numbered: Vec<(usize, &HostName)> = hosts.iter().enumerate().collect();
    Ok(parallel::map_on(at_once, &numbered, |(number, host)| {
        let connection = ssh.connect(host, &sockets.path().join(number.to_string()))?;
        work(host, connection)
    }))
}
