//! SIGKILL at every point. A daemon is stopped before each of its system calls: what is on the disk then is
//! what a kill at that moment leaves there. Every such state is copied once, and the next start must continue
//! from each copy as if nothing had happened. What else a kill does (a worker dies, locks are released) is
//! seen by real ones: pairs of them here, by strace, and thousands of them in
//! `tests/devices/lives/`.
//!
//! After every kill the outbox holds whole bundles only. From there two ways are tried: the outbox left as it
//! is, and its bundles taken away as a collector may at any moment. At the end there is one bundle for each
//! configuration, the same name never with other bytes, the spool is empty, and every job file is in `done/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use backbone::bundle::format::Status;
use backbone::bundle::read;

use crate::stops::before_each_call;
use crate::strace::{self, Rig};

/// System calls that change something on disk, start or end a process, or wait. `?`: not every architecture
/// has it.
const CALLS: &str = "?mkdir,mkdirat,?rename,renameat,?renameat2,?link,linkat,?unlink,unlinkat,?symlink,symlinkat,write,pwrite64,\
                     ftruncate,fallocate,copy_file_range,?sendfile,fchmod,fsync,fdatasync,syncfs,flock,clone,?clone3,kill,\
                     ?poll,ppoll,exit_group";

/// Calls that may create a file. They are counted for each path, because most of them only read.
const CREATING: &str = "openat";

/// A tmpfs on every Linux: another file system than that of the temporary folder.
const OTHER_FILE_SYSTEM: &str = "/dev/shm";

const MODEL: &str = r#"{"latency_us": [100]}"#;

/// Pairs of points tried where the restart is killed as well: all would be some twenty thousand. A job that
/// went down three times is given up, so more than two kills in a row would be another test.
const PAIRS: usize = 24;

/// What is done, and what must come of it.
struct Scenario {
    /// Fill the folders before the run that is killed.
    prepare: fn(&Rig),
    /// After the restart: add what was missing, for one more run.
    finish: Option<fn(&Rig)>,
    /// The folder of the outbox, if it is on another file system.
    outbox_in: Option<&'static str>,
    /// Job, what its bundles say, and how many there are.
    bundles: &'static [(&'static str, Status, usize)],
    /// Files in `done/`, by their names in the inbox.
    done: &'static [&'static str],
}

/// Where the daemon is killed.
#[derive(Debug, Clone)]
enum Point {
    /// At the n-th such system call.
    Call(String, usize),
    /// Before this file (below the folder, or in the outbox) is created or emptied the n-th time.
    Creation(InFolder, usize),
}

/// A file of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum InFolder {
    Folder(PathBuf),
    Outbox(PathBuf),
}

#[test]
fn kill_at_every_point_of_two_jobs_loses_none_and_publishes_none_twice() {
    kill_everywhere(&TWO_JOBS);
}

#[test]
fn kill_of_the_restart_too_changes_nothing() {
    if !strace::is_there() {
        return;
    }
    let prepared = Rig::new(None);
    (TWO_JOBS.prepare)(&prepared);
    let points = points(&prepared);
    // Pairs spread evenly over all pairs, the same in every run: the step is coprime to the number of points.
    let step =
        (points.len() / 3..).find(|step| greatest_common_divisor(*step, points.len()) == 1).unwrap_or(1);
    let mut killed_twice = 0;
    for pair in 0..PAIRS {
        let first = &points[pair * points.len() / PAIRS];
        let second = &points[(pair + 1) * step % points.len()];
        let rig = prepared.copy();
        let met_first = run_until(&rig, first);
        let mut collected = collect(&rig);
        let met_second = run_until(&rig, second);
        for (name, bytes) in collect(&rig) {
            let before = collected.insert(name.clone(), bytes.clone());
            assert!(before.is_none_or(|before| before == bytes), "{first:?}, {second:?}: {name} came twice");
        }
        killed_twice += usize::from(met_first && met_second);
        check(&TWO_JOBS, &rig, collected, second);
    }
    println!("{killed_twice} of {PAIRS} killed twice");
    assert!(killed_twice * 4 >= PAIRS, "only {killed_twice} of {PAIRS} were killed twice");
}

#[test]
fn kill_at_every_point_of_a_rejected_and_a_waiting_job_loses_none() {
    kill_everywhere(&Scenario {
        prepare: |rig| {
            rig.drop_file("broken.yaml", "backbone: 1\nmodle: net.sim\n");
            rig.drop_file("waiting.yaml", &job("late.sim", 1));
        },
        finish: Some(|rig| rig.drop_file("late.sim", MODEL)),
        outbox_in: None,
        bundles: &[("broken", Status::Rejected, 1), ("waiting", Status::Measured, 1)],
        done: &["broken.yaml", "waiting.yaml"],
    });
}

#[test]
fn kill_at_every_point_of_retry_and_cancel_does_each_once() {
    kill_everywhere(&Scenario {
        prepare: |rig| {
            rig.drop_file("net.sim", MODEL);
            // Twice, so that a retry carried out twice would find something to do.
            for _ in 0..2 {
                rig.drop_file("again.yaml", &job("net.sim", 1));
                serve(rig);
            }
            rig.drop_file("unwanted.yaml", &job("never.sim", 1));
            serve(rig);
            for request in ["retry~again", "cancel~unwanted"] {
                fs_err::write(rig.at("spool/control").join(request), []).expect("request");
            }
            rig.drop_file("dropped.yaml", &job("never.sim", 1));
            rig.drop_file("dropped.cancel", "");
        },
        finish: None,
        outbox_in: None,
        bundles: &[
            ("again", Status::Measured, 3),
            ("unwanted", Status::Cancelled, 1),
            ("dropped", Status::Cancelled, 1),
        ],
        done: &["again.yaml", "again.yaml", "dropped.yaml", "unwanted.yaml"],
    });
}

#[test]
fn kill_at_every_point_with_the_outbox_on_another_file_system_shows_no_half_bundle() {
    let device =
        |path: &Path| fs_err::metadata(path).map(|stat| std::os::unix::fs::MetadataExt::dev(&stat)).ok();
    let other = device(Path::new(OTHER_FILE_SYSTEM));
    if other.is_none() || other == device(&std::env::temp_dir()) {
        println!("skipped: {OTHER_FILE_SYSTEM} is not another file system");
        return;
    }
    kill_everywhere(&Scenario {
        prepare: |rig| {
            rig.drop_file("net.sim", MODEL);
            rig.drop_file("one.yaml", &job("net.sim", 1));
        },
        finish: None,
        outbox_in: Some(OTHER_FILE_SYSTEM),
        bundles: &[("one", Status::Measured, 1)],
        done: &["one.yaml"],
    });
}

/// Two jobs on one model, one of them with two trials.
const TWO_JOBS: Scenario = Scenario {
    prepare: |rig| {
        rig.drop_file("net.sim", MODEL);
        rig.drop_file("first.yaml", &job("net.sim", 2));
        rig.drop_file("second.yaml", &job("net.sim", 1));
    },
    finish: None,
    outbox_in: None,
    bundles: &[("first", Status::Measured, 1), ("second", Status::Measured, 1)],
    done: &["first.yaml", "second.yaml"],
};

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn job(model: &str, processes: u32) -> String {
    format!(
        "backbone: 1\nmodel: {model}\nruntime: sim\nmeasure: {{processes: {processes}, warm_up_runs: 0, timed_runs: 2}}\n"
    )
}

fn kill_everywhere(scenario: &Scenario) {
    let began = Instant::now();
    let prepared = Rig::new(scenario.outbox_in.map(Path::new));
    (scenario.prepare)(&prepared);
    let (calls, states) = states(&prepared);
    let seconds_of_run = began.elapsed().as_secs_f64();
    for (number, rig) in states.iter().enumerate() {
        let point = ("state", number);
        if !whole_bundles(rig.outbox()).is_empty() {
            let collected = rig.copy();
            let taken = collect(&collected);
            check(scenario, &collected, taken, &point);
        }
        check(scenario, rig, BTreeMap::new(), &point);
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{} states of {calls} calls, {seconds:.1} s ({seconds_of_run:.1} s of the run)", states.len());
    // A claim, a trial and a publication alone change more.
    assert!(states.len() >= 15, "found only {} states in {calls} calls", states.len());
}

/// How many system calls a run makes, and every state of the disk that a kill before one of them leaves, in
/// order.
fn states(prepared: &Rig) -> (usize, Vec<Rig>) {
    let rig = prepared.copy();
    let (mut calls, mut states, mut seen) = (0, Vec::new(), BTreeSet::new());
    let mut last = Vec::new();
    let status = before_each_call(&mut rig.serve_once(&[]), || {
        calls += 1;
        let content = content(&rig);
        if content != last {
            if seen.insert(content.clone()) {
                states.push(rig.copy());
            }
            last = content;
        }
    });
    assert!(status.success(), "{status}");
    (calls, states)
}

/// Every file with its bytes. Not the status, which nothing depends on.
fn content(rig: &Rig) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![rig.at(""), rig.outbox().to_owned()];
    while let Some(folder) = folders.pop() {
        // A worker may remove its own meanwhile.
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.to_string_lossy().contains("status.json") || path.ends_with("log") {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.push((path.clone(), Vec::new()));
                folders.push(path);
            } else if let Ok(bytes) = fs_err::read(&path) {
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}

/// All points of an undisturbed run. A file whose name is another one in each run is no point by itself:
/// before and after its creation there are calls that are.
fn points(prepared: &Rig) -> Vec<Point> {
    let again = points_of_a_run(&prepared.copy());
    let is_foreseeable = |point: &Point| match point {
        Point::Call(..) => true,
        Point::Creation(file, nth) => again.iter().any(
            |other| matches!(other, Point::Creation(other, other_nth) if other == file && other_nth == nth),
        ),
    };
    let mut points = points_of_a_run(&prepared.copy());
    points.retain(is_foreseeable);
    assert!(points.iter().any(|point| matches!(point, Point::Creation(..))), "the log was read wrongly");
    points
}

fn points_of_a_run(rig: &Rig) -> Vec<Point> {
    let log = rig.at("log");
    let trace = format!("trace={CALLS},{CREATING}");
    let before = ["strace", "-o", log.to_str().expect("UTF-8"), "-e", trace.as_str()];
    assert!(rig.serve_once(&before).status().expect("strace").success());
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    let mut creations: BTreeMap<InFolder, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for line in fs_err::read_to_string(log).expect("log").lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        if name == CREATING {
            let path = rest.split('"').nth(1).map(Path::new).and_then(|path| rig.locate(path));
            if let Some(path) = path.filter(|_| rest.contains("O_CREAT")) {
                let nth = creations.entry(path.clone()).and_modify(|nth| *nth += 1).or_insert(1);
                points.push(Point::Creation(path, *nth));
            }
        } else if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            let nth = calls.entry(name.to_owned()).and_modify(|nth| *nth += 1).or_insert(1);
            points.push(Point::Call(name.to_owned(), *nth));
        }
    }
    for needed in ["fsync", "fdatasync", "renameat"] {
        assert!(calls.contains_key(needed), "a run without {needed}: the log was read wrongly");
    }
    assert!(!creations.is_empty(), "a run that creates no file: the log was read wrongly");
    points
}

/// Run until that point. Returns whether it was met and the daemon killed there.
fn run_until(rig: &Rig, point: &Point) -> bool {
    let path;
    let mut before = vec!["strace", "-o", "/dev/null"];
    let (name, nth) = match point {
        Point::Call(name, nth) => (name.as_str(), nth),
        Point::Creation(file, nth) => {
            path = rig.path_of(file);
            before.extend(["-P", path.to_str().expect("UTF-8")]);
            (CREATING, nth)
        }
    };
    let (trace, inject) = (format!("trace={name}"), format!("inject={name}:signal=SIGKILL:when={nth}"));
    before.extend(["-e", &trace, "-e", &inject]);
    let status = rig.serve_once(&before).stderr(std::process::Stdio::null()).status().expect("strace");
    // strace ends as what it traced did.
    let killed = status.signal() == Some(9) || status.code() == Some(128 + 9);
    assert!(killed || status.success(), "{point:?}: {status}");
    killed
}

fn serve(rig: &Rig) {
    let output = rig.serve_once(&[]).output().expect("backbone");
    assert!(output.status.success(), "{output:?}");
}

/// Start again, and see that everything is as it should be.
fn check(scenario: &Scenario, rig: &Rig, collected: BTreeMap<String, Vec<u8>>, point: &dyn Debug) {
    serve(rig);
    if let Some(finish) = scenario.finish {
        finish(rig);
        serve(rig);
    }
    let mut bundles = collected;
    for (name, bytes) in whole_bundles(rig.outbox()) {
        let before = bundles.insert(name.clone(), bytes.clone());
        assert!(before.is_none_or(|before| before == bytes), "{point:?}: {name} was published twice");
    }
    let mut found: Vec<(String, Status, usize)> = Vec::new();
    for bytes in bundles.values() {
        let bundle = read::decode(bytes.as_slice()).expect("a bundle");
        let (job, status) = (bundle.job.name, bundle.outcome.status);
        if status == Status::Failed {
            println!("{point:?}: {job}: {:?}", bundle.outcome);
        }
        match found.iter_mut().find(|(name, known, _)| *name == job && *known == status) {
            Some((_, _, count)) => *count += 1,
            None => found.push((job, status, 1)),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut wanted: Vec<(String, Status, usize)> = Vec::new();
    wanted.extend(scenario.bundles.iter().map(|(job, status, count)| ((*job).to_owned(), *status, *count)));
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, wanted, "{point:?}: {:?}", bundles.keys());
    check_left_over(scenario, rig, point);
}

/// Nothing is left of a job but its file in `done/`.
fn check_left_over(scenario: &Scenario, rig: &Rig, point: &dyn Debug) {
    for folder in ["queue", "journal", "models", "ready", "control"] {
        let names = names(&rig.at("spool").join(folder));
        assert!(names.is_empty(), "{point:?}: {folder} still holds {names:?}");
    }
    let done = names(&rig.at("spool/done"));
    let mut files: Vec<&str> = done.iter().filter_map(|name| name.rsplit('~').next()).collect();
    files.sort_unstable();
    assert_eq!(files, scenario.done, "{point:?}");
    let strange = |name: &String| !name.ends_with(".sim");
    let left: Vec<String> = names(&rig.at("inbox")).into_iter().filter(strange).collect();
    assert!(left.is_empty(), "{point:?}: the inbox still holds {left:?}");
    let strange = |name: &String| !name.ends_with(".json.gz") && name != "status.json";
    let left: Vec<String> = names(rig.outbox()).into_iter().filter(strange).collect();
    assert!(left.is_empty(), "{point:?}: the outbox also holds {left:?}");
}

/// Every bundle that a reader of the outbox sees; each is whole.
fn whole_bundles(outbox: &Path) -> BTreeMap<String, Vec<u8>> {
    let bundle = |name: String| {
        let bytes = fs_err::read(outbox.join(&name)).expect("read");
        if let Err(error) = read::decode(bytes.as_slice()) {
            panic!("{name} is not whole: {error}");
        }
        (name, bytes)
    };
    // Names that begin with a dot are hidden from readers, as BUNDLE-FORMAT.md says.
    let visible = |name: &String| !name.starts_with('.') && name != "status.json";
    names(outbox).into_iter().filter(visible).map(bundle).collect()
}

/// Take all bundles away, as a collector does.
fn collect(rig: &Rig) -> BTreeMap<String, Vec<u8>> {
    let bundles = whole_bundles(rig.outbox());
    for name in bundles.keys() {
        fs_err::remove_file(rig.outbox().join(name)).expect("remove");
    }
    bundles
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let name = |entry: std::io::Result<fs_err::DirEntry>| entry.expect("entry").file_name().into_string();
    entries.map(|entry| name(entry).expect("UTF-8")).collect()
}

impl Rig {
    /// The same folders with the same files, elsewhere.
    fn copy(&self) -> Self {
        let copy = Self::new(self.outbox().parent());
        copy_folder(&self.at(""), &copy.at(""));
        copy_folder(self.outbox(), copy.outbox());
        copy
    }

    fn locate(&self, path: &Path) -> Option<InFolder> {
        let in_outbox = path.strip_prefix(self.outbox()).ok().map(|path| InFolder::Outbox(path.to_owned()));
        in_outbox.or_else(|| Some(InFolder::Folder(path.strip_prefix(self.at("")).ok()?.to_owned())))
    }

    fn path_of(&self, file: &InFolder) -> PathBuf {
        match file {
            InFolder::Folder(path) => self.at("").join(path),
            InFolder::Outbox(path) => self.outbox().join(path),
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    // A worker may remove its own meanwhile.
    for entry in fs_err::read_dir(from).into_iter().flatten().flatten() {
        let target = to.join(entry.file_name());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            fs_err::create_dir_all(&target).expect("folder");
            copy_folder(&entry.path(), &target);
        } else if let Err(error) = fs_err::copy(entry.path(), &target) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        }
    }
}
