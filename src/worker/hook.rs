//! `backbone __hook COMMAND`: becomes a command of the host's owner, without the daemon's rights.
//!
//! It gives up every capability and the way to new ones, becomes the user of workers if it may, and replaces
//! itself. What the daemon's environment holds for inference libraries does not reach the command.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::sandbox::give_up_every_capability;

/// The first argument of such a process.
pub(crate) const COMMAND: &str = "__hook";

/// Users and groups of this host.
const PASSWD: &str = "/etc/passwd";

/// The user of workers, who owns nothing.
const USER: &str = "backbone-worker";

/// What is left of the environment.
const KEPT: &[&str] = &["PATH", "LANG", "TZ"];

/// The whole of that command.
pub(crate) fn execute() -> ExitCode {
    let Some(command) = std::env::args_os().nth(2) else { return ExitCode::FAILURE };
    // Without the right to, or without that user, it stays the daemon's user, who has no rights either once
    // the capabilities are gone.
    let _ = become_worker();
    let given_up = give_up_every_capability();
    if let Err(error) = given_up {
        return refuse(&format!("cannot give up the daemon's rights: {error}"));
    }
    let environment = KEPT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
    let error = Command::new(&command).env_clear().envs(environment).current_dir("/").exec();
    refuse(&format!("{}: {error}", Path::new(&command).display()))
}

fn become_worker() -> Option<()> {
    let passwd = fs_err::read_to_string(PASSWD).ok()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(USER))?;
    let mut numbers = line.split(':').skip(2).map(str::parse);
    let (user, group): (u32, u32) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    if user == 0 {
        return None;
    }
    let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
    set_thread_groups(&[]).ok()?;
    set_thread_res_gid(group, group, group).ok()?;
    set_thread_res_uid(user, user, user).ok()
}

fn refuse(why: &str) -> ExitCode {
    use std::io::Write as _;
    // The daemon reads it.
    let _ = writeln!(std::io::stderr().lock(), "{why}");
    ExitCode::from(126)
}
