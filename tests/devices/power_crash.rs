//! SIGKILL while the daemon changes the power state of a fake Xavier, and while it restores it: strace kills
//! it before one of the system calls that write a setting, keep or forget the state found, or start nvpmodel,
//! one run for each point. The next start must find the host as its owner left it, or restore it, and measure
//! the job in the mode that it asks for.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use backbone::bundle::format::{Bundle, Status};
use backbone::bundle::read;

use crate::rig::hosts;
use crate::strace::{self, Rig};

const XAVIER: &str = "agx-xavier-jetpack-4.3";

/// System calls by which a setting is written, the state is kept and forgotten, and tools and workers are
/// started. `?`: not every architecture has it.
const CALLS: &str = "write,?rename,renameat,?renameat2,?unlink,unlinkat,fsync,fdatasync,?vfork,clone,?clone3";

/// Points that are tried, spread evenly over all, the first and the last among them; each takes two seconds.
/// All steps are walked through in memory by `src/host/power/tests.rs`.
const TRIED: usize = 18;

/// The n-th such system call.
type Point = (String, usize);

/// A Xavier whose inbox has a job for it; and its state.
fn prepared() -> (Rig, hosts::State) {
    let rig = Rig::new(None);
    hosts::fill(&rig.at("host"), XAVIER);
    let before = hosts::state(&rig.at("host"));
    rig.drop_file("net.sim", "{\"latency_us\": [100]}");
    rig.drop_file(
        "locked.yaml",
        "backbone: 1\nmodel: net.sim\nmeasure: {warm_up_runs: 0, timed_runs: 2}\n\
         host: {power_mode: MODE_30W_ALL, lock_clocks: true}\n",
    );
    (rig, before)
}

fn kept(rig: &Rig) -> PathBuf {
    rig.at("host/var/lib/backbone/power-state.json")
}

/// The points of an undisturbed run: from the moment before the state found is kept until it is forgotten.
fn points() -> Vec<Point> {
    let (rig, before) = prepared();
    let log = rig.at("log");
    let trace = format!("trace={CALLS}");
    let arguments = ["strace", "-y", "-o", log.to_str().unwrap(), "-e", &trace];
    assert!(rig.serve_once(&arguments).status().unwrap().success());
    assert_eq!(hosts::state(&rig.at("host")).differences(&before), [""; 0]);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut all: Vec<(Point, bool)> = Vec::new();
    for line in fs_err::read_to_string(log).unwrap().lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let nth = counts.entry(name.to_owned()).and_modify(|nth| *nth += 1).or_insert(1);
        let is_of_power = rest.contains("/host/sys/") || rest.contains("power-state.json");
        all.push(((name.to_owned(), *nth), is_of_power));
    }
    let first = all.iter().position(|(_, is_of_power)| *is_of_power).expect("a change of the power state");
    let last = all.iter().rposition(|(_, is_of_power)| *is_of_power).expect("the end of one");
    let is_start = |name: &str| name.contains("fork") || name.contains("clone");
    let of_power = all[first..=last].iter().filter(|((name, _), is_of_power)| *is_of_power || is_start(name));
    of_power.map(|(point, _)| point.clone()).collect()
}

/// Run until that point. Returns whether it was met and the daemon killed there.
fn killed_at(rig: &Rig, (name, nth): &Point) -> bool {
    let (trace, inject) = (format!("trace={name}"), format!("inject={name}:signal=SIGKILL:when={nth}"));
    let before = ["strace", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let status = rig.serve_once(&before).stderr(std::process::Stdio::null()).status().unwrap();
    let killed = status.signal() == Some(9) || status.code() == Some(128 + 9);
    assert!(killed || status.success(), "{name} {nth}: {status}");
    killed
}

fn bundles(rig: &Rig) -> Vec<Bundle> {
    let entries = fs_err::read_dir(rig.outbox()).unwrap().map(|entry| entry.unwrap().path());
    let bundles = entries.filter(|path| path.extension().is_some_and(|extension| extension == "gz"));
    bundles.map(|path| read::decode(&fs_err::read(path).unwrap()[..]).unwrap()).collect()
}

#[test]
fn daemon_killed_while_it_locks_or_restores_a_host_restores_it_at_its_next_start() {
    if !strace::is_there() {
        return;
    }
    let points = points();
    assert!(points.len() > TRIED, "found only {points:?}");
    let tried = (0..TRIED).map(|number| &points[number * (points.len() - 1) / (TRIED - 1)]);
    let (mut killed, mut left_changed) = (0, 0);
    for point in tried {
        let (rig, before) = prepared();
        killed += usize::from(killed_at(&rig, point));
        let is_changed = hosts::state(&rig.at("host")) != before;
        left_changed += usize::from(is_changed);
        assert!(
            !is_changed || kept(&rig).exists(),
            "{point:?}: the host is changed, and its former state is lost"
        );
        assert!(rig.serve_once(&[]).status().unwrap().success(), "{point:?}");
        assert_eq!(hosts::state(&rig.at("host")).differences(&before), [""; 0], "{point:?}");
        assert!(!kept(&rig).exists(), "{point:?}");
        let bundles = bundles(&rig);
        assert_eq!(bundles.len(), 1, "{point:?}");
        assert_eq!(bundles[0].outcome.status, Status::Measured, "{point:?}: {:?}", bundles[0].outcome);
        let power = bundles[0].environment.as_ref().unwrap().power.as_ref().unwrap();
        let mode = |mode: &Option<backbone::bundle::format::PowerMode>| mode.as_ref().unwrap().name.clone();
        assert_eq!(mode(&power.found.mode), "MODE_15W", "{point:?}: the owner's, not what was left");
        assert_eq!(mode(&power.applied.as_ref().unwrap().mode), "MODE_30W_ALL", "{point:?}");
    }
    println!(
        "{killed} of {TRIED} tried points of {} killed, {left_changed} left the host changed",
        points.len()
    );
    assert!(killed * 10 >= TRIED * 9, "only {killed} of {TRIED} points were met");
    assert!(left_changed * 2 >= TRIED, "only {left_changed} of {TRIED} kills left the host changed");
}
