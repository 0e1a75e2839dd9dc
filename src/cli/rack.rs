//! Shared by the commands for many hosts: how ssh is called, and what is said about hosts that did not
//! answer.

use anyhow::anyhow;
use clap::Args;

use super::Exit;
use super::failure::Advise as _;
use crate::error::Hint as _;
use crate::rack::{Connection, HostName, Ssh, Trouble, over};

/// How ssh is called if no flag says so, as `GIT_SSH_COMMAND` for git.
const VARIABLE: &str = "BACKBONE_SSH";

/// How hosts are reached.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// The ssh to call, with options, such as `ssh -F lab.conf` [default: $BACKBONE_SSH, else `ssh`]
    #[arg(long, value_name = "COMMAND")]
    ssh: Option<String>,
    /// How many hosts at once
    #[arg(long, value_name = "NUMBER", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    at_once: u16,
}

impl Reach {
    /// Do something on each host. The answers are in the order of the hosts.
    pub(super) fn over<R: Send>(
        &self,
        hosts: &[HostName],
        work: impl Fn(&HostName, Connection) -> Result<R, Trouble> + Sync,
    ) -> anyhow::Result<Vec<Result<R, Trouble>>> {
        let variable = std::env::var(VARIABLE).ok().filter(|command| !command.trim().is_empty());
        let command = self.ssh.clone().or(variable);
        let Some(ssh) = Ssh::of(command.as_deref()) else {
            let command = command.unwrap_or_default();
            return Err(anyhow!(
                "`{command}` is not a command: a quote is not closed, or a word has both quotes"
            ))
            .advise("write it as for `rsync --rsh`, such as `ssh -F lab.conf`")
            .exit(Exit::WrongInput);
        };
        over(hosts, &ssh, self.at_once.into(), work).advise("set TMPDIR to a folder that can be written")
    }
}

/// The hosts that were named, each once.
pub(super) fn hosts<'a>(names: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Vec<HostName>> {
    let mut hosts: Vec<HostName> = Vec::new();
    for name in names {
        let host: HostName = name
            .parse()
            .advise("name it as ssh does: an alias of its configuration, a name, or user@name")
            .exit(Exit::WrongInput)?;
        if hosts.contains(&host) {
            return Err(anyhow!("the host {host} is named twice")).exit(Exit::WrongInput);
        }
        hosts.push(host);
    }
    Ok(hosts)
}

/// A paragraph on the hosts with trouble; empty if there are none.
pub(super) fn troubles<'a>(troubles: impl IntoIterator<Item = (&'a HostName, &'a Trouble)>) -> String {
    let mut text = String::new();
    for (host, trouble) in troubles {
        text.push_str(&format!("{host}: {trouble}\n"));
        trouble.hint().into_iter().for_each(|hint| text.push_str(&format!("  hint: {hint}\n")));
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// What programs read of trouble.
pub(super) fn as_json(trouble: &Trouble) -> serde_json::Value {
    serde_json::json!({ "code": trouble.code(), "message": trouble.to_string(), "hint": trouble.hint() })
}
