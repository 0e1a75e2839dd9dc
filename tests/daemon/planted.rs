//! What people may plant in the folders that they can write to: links, FIFOs, folders, sockets and devices,
//! under every name that the program itself uses there. The names come from a life of the real daemon under
//! strace, so that a new name cannot be forgotten.
//!
//! Whatever is planted: the daemon starts, measures the next job, obeys SIGTERM, and changes nothing outside.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backbone::bundle::format::Status;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::process::Signal;

use crate::rig::{Rig, Settings, job, model};
use crate::{strace, strace_log};

/// Folders that others than the daemon write to.
const SHARED: &[&str] = &["lab/inbox", "lab/outbox", "lab/spool/control"];

/// Everybody may write to its folder.
const LOCK_FILE: &str = "host/run/lock/backbone-host.lock";

/// Folders of the daemon alone, where something odd must not keep it from starting.
const OWN: &[&str] = &["lab/spool/journal", "lab/spool/ready", "lab/spool/models", "lab/spool/done", "state"];

/// Calls that make, open or change an entry.
const ACTS: &[&str] = &[
    "openat",
    "openat2",
    "open",
    "creat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "link",
    "linkat",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "mknodat",
    "truncate",
];

/// The letters of random names, and how many there are at least.
const RANDOM: (&str, usize) = ("abcdefghijkmnpqrstuvwxyz23456789", 12);

/// SIGTERM is obeyed within 5 s, with slack for a machine that is busy with other tests.
const STOP_WITHIN: Duration = Duration::from_secs(25);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    LinkToFile,
    LinkToFolder,
    DanglingLink,
    Fifo,
    Folder,
    FullFolder,
    Socket,
    Device,
}

const KINDS: &[Kind] = &[
    Kind::LinkToFile,
    Kind::LinkToFolder,
    Kind::DanglingLink,
    Kind::Fifo,
    Kind::Folder,
    Kind::FullFolder,
    Kind::Socket,
    Kind::Device,
];

/// A rig whose spool has a known tag, so that the names of its files are known, and can be planted, before.
fn rig() -> Rig {
    let rig = Rig::new(Settings { rescan_seconds: 1, ..Settings::default() });
    fs_err::create_dir(rig.spool("")).unwrap();
    fs_err::write(rig.spool("identity"), "strace 1\n").unwrap();
    fs_err::write(rig.spool("format"), "1\n").unwrap();
    rig
}

fn drop_job(rig: &Rig, name: &str) {
    let net = format!("{name}.sim");
    rig.drop_file(&net, model(50));
    rig.drop_file(format!("{name}.yaml"), job(&net, ""));
}

/// Every name that a daemon, and the commands that speak to it, use in these folders of the rig.
fn names_in_use(folders: &[&str]) -> BTreeSet<(String, String)> {
    let mut rig = rig();
    let log = rig.path("strace");
    let mut traced = crate::rig::clean("strace");
    // -D: the daemon is the child, and strace its grandchild. The outbox on another file system, where
    // bundles are copied, is in `tests/daemon/inbox/disks.rs`.
    traced.args(["-D", "-f", "-y", "-ttt", "-s", "400", "-e", "trace=%file", "-o"]).arg(&log);
    traced.arg(rig.serve().get_program()).args(rig.serve().get_args());
    rig.begin(&mut traced);
    drop_job(&rig, "one");
    rig.wait_for_bundles(1);
    rig.must(&["pause"]);
    rig.must(&["resume"]);
    rig.must(&["retry", "one"]);
    rig.wait_for_bundles(2);
    rig.must(&["pause"]);
    drop_job(&rig, "two");
    rig.wait_for_status("the job", |status| status.next.iter().any(|next| next.job == "two"));
    rig.must(&["cancel", "two"]);
    rig.must(&["resume"]);
    rig.wait_for_bundles(3);
    rig.end(Signal::TERM);
    let text = fs_err::read_to_string(&log).unwrap();
    let root = format!("{}/", rig.path("").to_string_lossy().trim_end_matches('/'));
    let mut names = BTreeSet::new();
    for call in strace_log::parse(&text).iter().filter(|call| ACTS.contains(&&*call.name)) {
        for path in paths(&call.text) {
            let Some(below) = path.strip_prefix(&root) else { continue };
            let Some((folder, name)) = below.rsplit_once('/') else { continue };
            if folders.contains(&folder) && !is_random(name) {
                names.insert((folder.to_owned(), name.to_owned()));
            }
        }
    }
    // What the commands of this test made, in processes of their own that strace did not see.
    for name in ["paused", "resume~", "cancel~one", "retry~one", "retry~0000000001-strace"] {
        if folders.contains(&"lab/spool/control") {
            names.insert(("lab/spool/control".to_owned(), name.to_owned()));
        }
    }
    names
}

/// Names with so many random letters cannot be planted.
fn is_random(name: &str) -> bool {
    let (letters, count) = RANDOM;
    let random = name.rsplit(['.', '-']).next().unwrap_or_default();
    random.len() >= count && random.chars().all(|letter| letters.contains(letter))
}

/// The paths in a call's arguments: `"absolute"`, or `<folder>, "name"`.
fn paths(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folder = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['<', '"']) {
        let end = if rest.as_bytes()[at] == b'<' { '>' } else { '"' };
        let inner = &rest[at + 1..];
        let Some(length) = inner.find(end) else { break };
        let word = &inner[..length];
        match end {
            '>' => folder = word.to_owned(),
            _ if word.starts_with('/') => found.push(word.to_owned()),
            _ => found.push(format!("{folder}/{word}")),
        }
        rest = &inner[length + 1..];
    }
    found
}

/// Something precious outside of all folders.
struct Precious {
    file: PathBuf,
    folder: PathBuf,
    missing: PathBuf,
}

impl Precious {
    fn of(rig: &Rig) -> Self {
        let place = rig.path("precious");
        fs_err::create_dir_all(place.join("folder")).unwrap();
        let of = |name: &str| place.join(name);
        let precious = Self { file: of("file"), folder: of("folder"), missing: of("missing") };
        fs_err::write(&precious.file, "precious").unwrap();
        fs_err::write(precious.folder.join("inside"), "precious").unwrap();
        precious
    }

    fn check(&self, what: &str) {
        assert_eq!(fs_err::read_to_string(&self.file).unwrap(), "precious", "{what}");
        assert_eq!(fs_err::read_to_string(self.folder.join("inside")).unwrap(), "precious", "{what}");
        assert_eq!(fs_err::read_dir(&self.folder).unwrap().count(), 1, "{what}");
        assert!(!self.missing.exists(), "{what}");
    }
}

/// Plant it in place of whatever is there. False if this process may not.
fn plant(path: &Path, kind: Kind, precious: &Precious) -> bool {
    match fs_err::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs_err::remove_dir_all(path).unwrap(),
        Ok(_) => fs_err::remove_file(path).unwrap(),
        Err(_) => fs_err::create_dir_all(path.parent().unwrap()).unwrap(),
    }
    let special = |kind, device| mknodat(CWD, path, kind, Mode::from_raw_mode(0o666), device);
    match kind {
        Kind::LinkToFile => symlink(&precious.file, path).unwrap(),
        Kind::LinkToFolder => symlink(&precious.folder, path).unwrap(),
        Kind::DanglingLink => symlink(&precious.missing, path).unwrap(),
        Kind::Fifo => special(FileType::Fifo, 0).unwrap(),
        Kind::Folder => fs_err::create_dir(path).unwrap(),
        Kind::FullFolder => {
            fs_err::create_dir(path).unwrap();
            fs_err::write(path.join("inside"), "x").unwrap();
        }
        Kind::Socket => drop(std::os::unix::net::UnixListener::bind(path).unwrap()),
        // /dev/zero: whoever reads it never comes to an end.
        Kind::Device => return special(FileType::CharacterDevice, makedev(1, 5)).is_ok(),
    }
    true
}

/// The daemon on this machine starts, measures a job, and stops when it should.
fn works(rig: &mut Rig, what: &str) {
    rig.start();
    // Whatever was planted under a name of an earlier job.
    let name = "after";
    drop_job(rig, name);
    rig.wait_until(what, || {
        let of_job = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("after.");
        rig.bundle_files().iter().any(|path| of_job(path) && path.symlink_metadata().unwrap().is_file())
    });
    let measured = rig.bundle_files().into_iter().filter(|path| path.symlink_metadata().unwrap().is_file());
    let mut measured =
        measured.filter_map(|path| backbone::bundle::read::decode(fs_err::File::open(path).unwrap()).ok());
    let mine = measured.find(|bundle| bundle.job.name == name);
    assert_eq!(mine.map(|bundle| bundle.outcome.status), Some(Status::Measured), "{what}\n{}", rig.log());
    rig.command(&["status"]);
    let ended = rig.end(Signal::TERM);
    assert!(ended.status.success() && ended.took < STOP_WITHIN, "{what}: {ended:?}\n{}", rig.log());
}

fn nothing_planted_stops_it(folders: &[&str]) {
    if !strace::is_there() {
        return;
    }
    let names = names_in_use(folders);
    for folder in folders {
        let count = names.iter().filter(|(of, _)| of == folder).count();
        assert!(count > 0, "no name in {folder}: {names:?}");
    }
    println!("{} names: {names:?}", names.len());
    // All names at once for each kind: each is opened, or not, on its own.
    for &kind in KINDS {
        let mut rig = rig();
        let precious = Precious::of(&rig);
        let mut planted = 0;
        for (folder, name) in &names {
            // The job that proves that the daemon works is not one of these.
            planted += usize::from(plant(&rig.path(folder).join(name), kind, &precious));
        }
        if planted == 0 {
            println!("skipped: this process may not make a {kind:?}");
            continue;
        }
        works(&mut rig, &format!("{kind:?} under {names:?}"));
        precious.check(&format!("{kind:?} under {names:?}"));
    }
}

#[test]
fn nothing_planted_where_others_write_stops_misleads_or_misuses_the_daemon() {
    nothing_planted_stops_it(SHARED);
}

#[test]
fn nothing_odd_in_its_own_folders_keeps_the_daemon_from_starting() {
    nothing_planted_stops_it(OWN);
}

#[test]
fn whatever_is_planted_as_the_lock_of_the_host_is_named_and_measuring_waits_until_it_is_gone() {
    for &kind in KINDS {
        let mut rig = rig();
        let precious = Precious::of(&rig);
        if !plant(&rig.path(LOCK_FILE), kind, &precious) {
            continue;
        }
        rig.start();
        drop_job(&rig, "one");
        let status = rig.wait_for_attention("host_lock");
        let why = &status.attention.iter().find(|attention| attention.code == "host_lock").unwrap().why;
        assert!(why.contains(": it is a "), "{kind:?}: {why}");
        rig.command(&["status"]);
        let path = rig.path(LOCK_FILE);
        if path.symlink_metadata().unwrap().is_dir() {
            fs_err::remove_dir_all(path).unwrap();
        } else {
            fs_err::remove_file(path).unwrap();
        }
        rig.wait_until_done(1);
        let ended = rig.end(Signal::TERM);
        assert!(ended.status.success() && ended.took < STOP_WITHIN, "{kind:?}: {ended:?}");
        precious.check(&format!("{kind:?}"));
    }
}
