//! Processes of the host, and how much of a processor each of them uses.

use std::collections::HashMap;
use std::time::Duration;

use crate::host::root::HostRoot;

/// Ticks per second in /proc: the same on every architecture (proc_pid_stat(5), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// Names of the daemon's process, as an executable of its own or as a command of `backbone`.
const DAEMONS: &[&str] = &["backbone-daemon", "backbone"];

/// The first argument of both.
const SERVE: &str = "serve";

/// A process.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunningProcess {
    pub(super) id: u32,
    /// The kernel's name for it, at most 15 bytes.
    pub(super) name: String,
    /// Processor time since it started.
    ticks: u64,
    /// How many processors it uses now; `None` if it was seen only once.
    pub(super) processors: Option<f64>,
    /// Whether it is a daemon of this program.
    pub(super) is_daemon: bool,
}

/// Every process; `None` if the host shows none.
pub(super) fn list(root: &HostRoot) -> Option<Vec<RunningProcess>> {
    let ids = root.names_in("/proc").into_iter().filter_map(|name| name.parse::<u32>().ok());
    let all: Vec<RunningProcess> = ids.filter_map(|id| read(root, id)).collect();
    (!all.is_empty()).then_some(all)
}

fn read(root: &HostRoot, id: u32) -> Option<RunningProcess> {
    let (name, ticks) = parse(&root.read(format!("/proc/{id}/stat")).ok()?)?;
    let is_daemon = DAEMONS.contains(&name.as_str())
        && root
            .read(format!("/proc/{id}/cmdline"))
            .is_ok_and(|arguments| arguments.split('\0').nth(1) == Some(SERVE));
    Some(RunningProcess { id, name, ticks, processors: None, is_daemon })
}

/// Name, and user and system time, of a line such as `7 (a name) S 1 … 12 34 …`. A name may hold anything,
/// brackets too.
fn parse(stat: &str) -> Option<(String, u64)> {
    /// Index of user time, counted from the state (proc_pid_stat(5)).
    const USER: usize = 11;
    let (start, rest) = stat.rsplit_once(')')?;
    let name = start.split_once('(')?.1.to_owned();
    let mut numbers = rest.split_whitespace().skip(USER);
    let user: u64 = numbers.next()?.parse().ok()?;
    let system: u64 = numbers.next()?.parse().ok()?;
    Some((name, user + system))
}

/// The processes of the second snapshot, with what they used since the first.
pub(super) fn since(
    earlier: Option<Vec<RunningProcess>>,
    later: Option<Vec<RunningProcess>>,
    elapsed: Duration,
) -> Option<Vec<RunningProcess>> {
    let before: HashMap<u32, u64> =
        earlier.iter().flatten().map(|process| (process.id, process.ticks)).collect();
    let share = |process: &RunningProcess| {
        let ticks = process.ticks.checked_sub(*before.get(&process.id)?)?;
        Some(ticks as f64 / TICKS_PER_SECOND / elapsed.as_secs_f64())
    };
    let later = later?.into_iter();
    Some(later.map(|process| RunningProcess { processors: share(&process), ..process }).collect())
}

#[cfg(test)]
impl RunningProcess {
    /// One that was seen to take so many processors.
    pub(super) fn taking(id: u32, name: &str, processors: f64) -> Self {
        Self { id, name: name.to_owned(), ticks: 0, processors: Some(processors), is_daemon: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_may_hold_brackets_and_time_is_user_and_system() {
        let line = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 200 0 0 30 12 0 0 20 0 1 0 100 1 1";
        assert_eq!(parse(line), Some(("a (b) c".to_owned(), 42)));
        assert_eq!(parse("42 (x) S 1"), None);
    }

    #[test]
    fn share_of_a_processor_is_what_was_taken_between_the_looks() {
        let process = |ticks| RunningProcess {
            id: 7,
            name: "hog".to_owned(),
            ticks,
            processors: None,
            is_daemon: false,
        };
        let seen =
            since(Some(vec![process(100)]), Some(vec![process(130)]), Duration::from_millis(250)).unwrap();
        assert_eq!(seen[0].processors, Some(1.2));
        let new = since(None, Some(vec![process(130)]), Duration::from_millis(250)).unwrap();
        assert_eq!(new[0].processors, None);
    }
}
