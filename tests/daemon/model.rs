//! The spool against a model of it: random things done to a real inbox by uploaders, collectors, the daemon
//! and crashes, and after each step the folders are compared with what the model expects in them.
//!
//! Time is the model's own. The watcher's hints are made up as inotify would send them, and lost now and
//! then. What can go wrong within one operation is tried in `crash.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use backbone::spool::journal::{Durable, Record};
use backbone::spool::names::Entry;
use backbone::spool::plan::{Claim, Hint, HintEvent, Look, Tracker};
use backbone::spool::{AtStart, Claimed, Places, Published, Spool};
use proptest::prelude::*;

const CASES: u32 = 64;

/// Steps of one case.
const STEPS: std::ops::Range<usize> = 1..60;

const SETTLE: Duration = Duration::from_secs(1);

/// Longer than any case: nothing here is given up.
const GIVE_UP: Duration = Duration::from_secs(1_000_000);

const JOBS: [&str; 4] = ["a.yaml", "b.yml", "c.yaml", "D.YAML"];

/// A temporary name for each of them, as upload programs choose it.
const TEMPORARIES: [&str; 4] = [".a.yaml.Xy12Ab", "b.yml.part", "c.yaml.filepart", "D.YAML~"];

/// What neither is a job nor becomes one.
const OTHERS: [&str; 2] = ["net.sim", "notes.txt"];

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Action {
    /// A whole file is renamed to a job's name (rsync, sftp, mv), replacing what was there.
    MoveIn(usize),
    /// A file is created, or emptied, in place and stays open (scp).
    Open(usize),
    /// Another piece is written to it.
    Write(usize),
    /// It is closed.
    Close(usize),
    /// A file is written and closed under a temporary name.
    Temporary(usize),
    /// It is linked to the job's name and the temporary one removed (WinSCP), or the upload abandoned.
    Link(usize),
    Abandon(usize),
    /// A person takes the file back.
    Remove(usize),
    /// A folder, a symbolic link, a FIFO of a job's name.
    Folder(usize),
    Symlink(usize),
    Fifo(usize),
    /// A model file.
    Other(usize),
    /// Time goes by.
    Wait,
    /// The daemon looks, with the hints it got, or after losing them.
    Look,
    LookWithoutHints,
    /// The oldest job without a bundle gets one; the oldest bundle is published; the oldest job with one is
    /// finished.
    Bundle,
    Publish,
    Retire,
    /// The oldest finished job is queued again.
    Requeue,
    /// A collector empties the outbox.
    Collect,
    /// SIGKILL and a new start.
    Crash,
}

fn action() -> impl Strategy<Value = Action> {
    use Action::*;
    let job = 0..JOBS.len();
    prop_oneof![
        6 => job.clone().prop_map(MoveIn),
        4 => job.clone().prop_map(Open),
        3 => job.clone().prop_map(Write),
        5 => job.clone().prop_map(Close),
        3 => job.clone().prop_map(Temporary),
        3 => job.clone().prop_map(Link),
        1 => job.clone().prop_map(Abandon),
        1 => job.clone().prop_map(Remove),
        1 => job.clone().prop_map(Folder),
        1 => job.clone().prop_map(Symlink),
        1 => job.prop_map(Fifo),
        1 => (0..OTHERS.len()).prop_map(Other),
        4 => Just(Wait),
        8 => Just(Look),
        3 => Just(LookWithoutHints),
        3 => Just(Bundle),
        3 => Just(Publish),
        3 => Just(Retire),
        1 => Just(Requeue),
        2 => Just(Collect),
        2 => Just(Crash),
    ]
}

/// What the model knows of an entry of the inbox.
#[derive(Debug)]
struct Dropped {
    what: What,
    /// Moved or linked in, and the hint that says so not delivered yet: must be claimed by the next look that
    /// gets it.
    announced_whole: bool,
    /// When the daemon heard that the upload in place ended.
    heard_at: Option<Instant>,
}

impl Dropped {
    fn new(what: What) -> Self {
        Self { what, announced_whole: false, heard_at: None }
    }
}

#[derive(Debug)]
enum What {
    File { content: Vec<u8>, writer: Option<fs_err::File> },
    Folder,
    Special,
}

/// The model, and the machine it is compared with.
struct World {
    folder: tempfile::TempDir,
    /// `None` only while a crash is under way.
    spool: Option<Spool>,
    tracker: Tracker,
    now: Instant,
    hints: Vec<Hint>,
    /// Every piece written is longer than the one before, so that no two contents have one size: the times of
    /// files are too coarse to tell writes of one millisecond apart.
    piece: usize,
    inbox: BTreeMap<&'static str, Dropped>,
    queue: BTreeMap<String, Job>,
    done: BTreeSet<String>,
    ready: Vec<String>,
    outbox: BTreeSet<String>,
    /// Every bundle that was ever seen in the outbox.
    published: BTreeSet<String>,
}

#[derive(Debug)]
struct Job {
    entry: Entry,
    /// `None` for what is no file.
    content: Option<Vec<u8>>,
    bundled: bool,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let (spool, _) = open(&folder);
        Self {
            folder,
            spool: Some(spool),
            tracker: Tracker::new(SETTLE, GIVE_UP),
            now: Instant::now(),
            hints: Vec::new(),
            piece: 0,
            inbox: BTreeMap::new(),
            queue: BTreeMap::new(),
            done: BTreeSet::new(),
            ready: Vec::new(),
            outbox: BTreeSet::new(),
            published: BTreeSet::new(),
        }
    }

    fn spool(&mut self) -> &mut Spool {
        self.spool.as_mut().expect("open")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("inbox").join(name)
    }

    fn hint(&mut self, name: &str, event: HintEvent) {
        self.hints.push(Hint { name: name.into(), event });
    }

    fn new_piece(&mut self) -> Vec<u8> {
        self.piece += 1;
        vec![b'x'; self.piece]
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::MoveIn(job) => self.move_in(JOBS[job]),
            Action::Open(job) => self.open_in_place(JOBS[job]),
            Action::Write(job) => self.write(JOBS[job]),
            Action::Close(job) => self.close(JOBS[job]),
            Action::Temporary(job) => self.write_temporary(TEMPORARIES[job]),
            Action::Link(job) => self.link(TEMPORARIES[job], JOBS[job]),
            Action::Abandon(job) => self.remove(TEMPORARIES[job]),
            Action::Remove(job) => self.remove(JOBS[job]),
            Action::Folder(job) => self.make(JOBS[job], What::Folder, fs_err::create_dir),
            Action::Symlink(job) => {
                self.make(JOBS[job], What::Special, |path| {
                    fs_err::os::unix::fs::symlink("/etc/passwd", path)
                });
            }
            Action::Fifo(job) => self.make(JOBS[job], What::Special, |path| {
                Ok(rustix::fs::mknodat(
                    rustix::fs::CWD,
                    path,
                    rustix::fs::FileType::Fifo,
                    rustix::fs::Mode::RUSR,
                    0,
                )?)
            }),
            Action::Other(other) => self.move_in(OTHERS[other]),
            Action::Wait => self.now += SETTLE,
            Action::Look => self.look(false),
            Action::LookWithoutHints => self.look(true),
            Action::Bundle => self.bundle(),
            Action::Publish => self.publish(),
            Action::Retire => self.retire(),
            Action::Requeue => self.requeue(),
            Action::Collect => self.collect(),
            Action::Crash => self.crash(),
        }
    }

    fn move_in(&mut self, name: &'static str) {
        // A rename over a file that is still being written is two uploads at once; over a folder it fails.
        let free = |dropped: &Dropped| matches!(dropped.what, What::File { writer: None, .. });
        if !self.inbox.get(name).is_none_or(free) {
            return;
        }
        let content = self.new_piece();
        let elsewhere = self.folder.path().join("upload");
        fs_err::write(&elsewhere, &content).expect("write");
        fs_err::rename(elsewhere, self.at(name)).expect("rename");
        self.hint(name, HintEvent::MovedIn);
        let what = What::File { content, writer: None };
        self.inbox.insert(name, Dropped { announced_whole: true, ..Dropped::new(what) });
    }

    fn open_in_place(&mut self, name: &'static str) {
        match self.inbox.get(name).map(|dropped| &dropped.what) {
            None => self.hint(name, HintEvent::Created),
            Some(What::File { writer: None, .. }) => {}
            Some(_) => return,
        }
        let content = self.new_piece();
        let mut writer = fs_err::File::create(self.at(name)).expect("create");
        writer.write_all(&content).expect("write");
        let what = What::File { content, writer: Some(writer) };
        self.inbox.insert(name, Dropped::new(what));
    }

    fn write(&mut self, name: &str) {
        let piece = self.new_piece();
        if let Some(What::File { content, writer: Some(writer) }) =
            self.inbox.get_mut(name).map(|dropped| &mut dropped.what)
        {
            writer.write_all(&piece).expect("write");
            content.extend(piece);
        }
    }

    fn close(&mut self, name: &str) {
        let Some(dropped) = self.inbox.get_mut(name) else { return };
        if let What::File { writer: writer @ Some(_), .. } = &mut dropped.what {
            *writer = None;
            self.hint(name, HintEvent::Closed);
        }
    }

    fn write_temporary(&mut self, name: &'static str) {
        let content = self.new_piece();
        let hint = if self.inbox.contains_key(name) { None } else { Some(HintEvent::Created) };
        fs_err::write(self.at(name), &content).expect("write");
        for event in hint.into_iter().chain([HintEvent::Closed]) {
            self.hint(name, event);
        }
        let what = What::File { content, writer: None };
        self.inbox.insert(name, Dropped::new(what));
    }

    fn link(&mut self, from: &'static str, to: &'static str) {
        if !self.inbox.contains_key(from) || self.inbox.contains_key(to) {
            return;
        }
        fs_err::hard_link(self.at(from), self.at(to)).expect("link");
        fs_err::remove_file(self.at(from)).expect("remove");
        let dropped = Dropped { heard_at: None, ..self.inbox.remove(from).expect("checked") };
        // Whole at once only for a daemon that saw the temporary file closed; others have to look twice.
        self.hint(to, HintEvent::Created);
        self.inbox.insert(to, dropped);
    }

    fn remove(&mut self, name: &str) {
        if let Some(dropped) = self.inbox.remove(name) {
            match dropped.what {
                What::Folder => fs_err::remove_dir(self.at(name)).expect("remove"),
                _ => fs_err::remove_file(self.at(name)).expect("remove"),
            }
            // A file that was open is closed, and inotify tells that of a removed name too.
            self.hint(name, HintEvent::Closed);
        }
    }

    fn make(&mut self, name: &'static str, what: What, make: fn(PathBuf) -> std::io::Result<()>) {
        if !self.inbox.contains_key(name) {
            make(self.at(name)).expect("make");
            self.hint(name, HintEvent::Created);
            self.inbox.insert(name, Dropped::new(what));
        }
    }

    fn look(&mut self, hints_are_lost: bool) {
        let mut hints = std::mem::take(&mut self.hints);
        if hints_are_lost {
            hints.clear();
        }
        let spool = self.spool.as_mut().expect("open");
        let look = self.tracker.look(&mut &spool.inbox, &hints, hints_are_lost, self.now).expect("look");
        self.check_order(&look, &hints, hints_are_lost);
        let claims = look.claims;
        for outcome in self.spool().claim(claims).expect("claim") {
            match outcome {
                Claimed::Taken(entry) => self.took(entry),
                Claimed::Changed(claim) => self.put_back(&claim),
                Claimed::Failed(claim, error) => panic!("{claim:?}: {error}"),
            }
        }
        for (name, dropped) in &mut self.inbox {
            let announced = hints.iter().any(|hint| hint.name == *name && hint.event == HintEvent::MovedIn);
            let job = JOBS.contains(name);
            let is_open = matches!(dropped.what, What::File { writer: Some(_), .. });
            let missed = announced && dropped.announced_whole && job && !is_open;
            assert!(!missed, "{name} was moved in and is not claimed");
            dropped.announced_whole = false;
            if hints.iter().any(|hint| hint.name == *name && hint.event == HintEvent::Closed) {
                dropped.heard_at = Some(self.now);
            }
        }
    }

    /// Jobs that were moved in are claimed in the order in which hints first name them, uploads in place in
    /// that of their ends, and what a rescan finds in the order of the files' last changes.
    fn check_order(&self, look: &Look, hints: &[Hint], rescanned: bool) {
        let claimed: Vec<&OsStr> = look.claims.iter().map(|claim| claim.name.as_os_str()).collect();
        assert_eq!(
            claimed.iter().collect::<BTreeSet<_>>().len(),
            claimed.len(),
            "claimed twice: {claimed:?}"
        );
        if rescanned {
            let changed = |claim: &Claim| (claim.stat.changed_ns, claim.name.clone());
            assert!(
                look.claims.is_sorted_by_key(changed),
                "{claimed:?} are not in the order of their changes"
            );
        } else if hints.is_empty() {
            let heard = |claim: &Claim| {
                let dropped = self.inbox.get(claim.name.to_str().expect("UTF-8"))?;
                Some((dropped.heard_at?, claim.stat.changed_ns))
            };
            let in_order = look.claims.iter().filter_map(heard).is_sorted();
            assert!(in_order, "{claimed:?} are not in the order of their ends");
        }
        let moved =
            |name: &OsStr| hints.iter().any(|hint| hint.name == name && hint.event == HintEvent::MovedIn);
        let place = |name: &OsStr| hints.iter().position(|hint| hint.name == name);
        let places: Vec<_> = claimed.iter().filter(|name| moved(name)).map(|name| place(name)).collect();
        assert!(places.is_sorted(), "claimed {claimed:?} on {hints:?}");
    }

    fn took(&mut self, entry: Entry) {
        let name = entry.file.to_str().expect("UTF-8").to_owned();
        assert!(JOBS.contains(&name.as_str()), "{name} is no job");
        let dropped = self.inbox.remove(name.as_str()).expect("claimed something that was not there");
        let content = match dropped.what {
            What::File { writer: Some(_), .. } => panic!("{name} was claimed while it was being written"),
            What::File { content, writer: None } => Some(content),
            What::Special => None,
            What::Folder => panic!("the folder {name} was claimed"),
        };
        let known = self.queue.insert(entry.name(), Job { entry, content, bundled: false });
        assert!(known.is_none(), "an id was given twice: {known:?}");
    }

    /// Nothing happens between a look and its claims here, but a file may be open for writing all the same.
    fn put_back(&mut self, claim: &Claim) {
        let dropped = self.inbox.get(claim.name.to_str().expect("UTF-8"));
        let is_open = matches!(dropped, Some(Dropped { what: What::File { writer: Some(_), .. }, .. }));
        assert!(is_open, "{claim:?} did not change between the look and the claim: {dropped:?}");
        self.tracker.put_back(claim, self.now);
        self.inbox.get_mut(claim.name.to_str().expect("UTF-8")).expect("checked").heard_at = None;
    }

    fn bundle(&mut self) {
        let Some(name) = self.queue.iter().find(|(_, job)| !job.bundled).map(|(name, _)| name.clone()) else {
            return;
        };
        let job = self.queue.get_mut(&name).expect("found");
        job.bundled = true;
        let id = job.entry.id.clone();
        let bundle = format!("{id}.json.gz");
        self.spool().make_ready(&bundle, bundle.as_bytes()).expect("bundle");
        self.spool()
            .journal(&id)
            .append(&Record::Bundled { configuration: 1 }, Durable::Now)
            .expect("journal");
        self.ready.push(bundle);
    }

    fn publish(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let bundle = self.ready.remove(0);
        let published = self.spool().publish(&bundle);
        assert!(matches!(published, Published::Yes), "{published:?}");
        assert!(self.published.insert(bundle.clone()), "{bundle} was published twice");
        self.outbox.insert(bundle);
    }

    fn retire(&mut self) {
        let Some(name) = self.queue.iter().find(|(_, job)| job.bundled).map(|(name, _)| name.clone()) else {
            return;
        };
        let job = self.queue.remove(&name).expect("found");
        self.spool().retire(&job.entry).expect("retire");
        assert!(self.spool().journal(&job.entry.id).read().expect("read").is_empty());
        self.done.insert(name);
    }

    fn requeue(&mut self) {
        let Some(name) = self.done.pop_first() else { return };
        let entry = Entry::parse(OsStr::new(&name)).expect("an entry");
        let path = self.spool().done().join(&name);
        let is_file = fs_err::symlink_metadata(&path).expect("stat").is_file();
        let content = is_file.then(|| fs_err::read(&path).expect("read"));
        let again = self.spool().requeue(&entry).expect("requeue");
        assert!(again.id > entry.id, "a job queued again does not arrive anew");
        self.queue.insert(again.name(), Job { entry: again, content, bundled: false });
    }

    fn collect(&mut self) {
        for bundle in std::mem::take(&mut self.outbox) {
            let path = self.folder.path().join("outbox").join(&bundle);
            assert_eq!(fs_err::read(&path).expect("read"), bundle.as_bytes());
            fs_err::remove_file(path).expect("remove");
        }
    }

    fn crash(&mut self) {
        // Half-written things that a kill leaves behind.
        fs_err::write(self.folder.path().join("spool/ready/.half.json.gz"), b"half").expect("write");
        fs_err::write(self.folder.path().join("spool/models/.half.copy"), b"half").expect("write");
        self.spool = None;
        let (spool, found) = open(&self.folder);
        self.spool = Some(spool);
        self.tracker = Tracker::new(SETTLE, GIVE_UP);
        self.hints.clear();
        for dropped in self.inbox.values_mut() {
            dropped.announced_whole = false;
        }
        let entries: Vec<String> = found.entries.iter().map(Entry::name).collect();
        assert_eq!(entries, self.queue.keys().cloned().collect::<Vec<_>>(), "jobs found at the start");
        let mut ready = self.ready.clone();
        ready.sort();
        assert_eq!(found.ready, ready, "bundles found at the start");
        for (name, job) in &self.queue {
            let records = self.spool.as_ref().expect("open").journal(&job.entry.id).read().expect("read");
            assert_eq!(records.len(), usize::from(job.bundled), "the journal of {name}");
        }
        // As the daemon does with what it found.
        self.spool().remove_unused_models().expect("clean");
        self.look(true);
    }

    /// Every folder holds what the model says, and nothing else.
    fn compare(&self) {
        let spool = self.spool.as_ref().expect("open");
        let listed = |folder: &str| -> BTreeSet<String> {
            let entries = fs_err::read_dir(self.folder.path().join(folder)).expect("list");
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8")).collect()
        };
        let names = |names: &mut dyn Iterator<Item = &String>| names.cloned().collect::<BTreeSet<_>>();
        assert_eq!(listed("spool/queue"), names(&mut self.queue.keys()), "queue");
        assert_eq!(listed("spool/done"), names(&mut self.done.iter()), "done");
        assert_eq!(listed("spool/ready"), names(&mut self.ready.iter()), "ready");
        assert_eq!(listed("outbox"), names(&mut self.outbox.iter()), "outbox");
        assert_eq!(listed("spool/models"), BTreeSet::new(), "models");
        let inbox: BTreeSet<String> = self.inbox.keys().map(|name| (*name).to_owned()).collect();
        assert_eq!(listed("inbox"), inbox, "inbox");
        for (name, dropped) in &self.inbox {
            if let What::File { content, .. } = &dropped.what {
                assert_eq!(&fs_err::read(self.at(name)).expect("read"), content, "{name} in the inbox");
            }
        }
        for job in self.queue.values() {
            if let Some(content) = &job.content {
                assert_eq!(&fs_err::read(spool.queued_path(&job.entry)).expect("read"), content, "{job:?}");
            }
        }
    }

    /// All uploads end, time goes by, and the daemon looks as often as it said it would: nothing that is a
    /// job is left.
    fn settle(&mut self) {
        for name in JOBS {
            self.close(name);
        }
        for lost in [false, false, true, false] {
            self.now += SETTLE;
            self.look(lost);
            self.compare();
        }
        for (name, dropped) in &self.inbox {
            let is_folder = matches!(dropped.what, What::Folder);
            assert!(is_folder || !JOBS.contains(name), "{name} is whole and was never claimed: {dropped:?}");
        }
        while !self.ready.is_empty() || self.queue.values().any(|job| !job.bundled) {
            self.bundle();
            self.publish();
            self.compare();
        }
        let ids: BTreeSet<String> =
            self.queue.values().map(|job| format!("{}.json.gz", job.entry.id)).collect();
        assert!(ids.is_subset(&self.published), "a job without a bundle");
    }
}

fn open(folder: &tempfile::TempDir) -> (Spool, AtStart) {
    let at = |name: &str| folder.path().join(name);
    Spool::open(&Places { inbox: at("inbox"), spool: at("spool"), outbox: at("outbox") }).expect("open")
}

/// `PROPTEST_CASES` asks for more.
fn configuration() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { CASES };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 2000, ..asked }
}

proptest! {
    #![proptest_config(configuration())]

    #[test]
    fn every_job_dropped_whole_is_claimed_once_whatever_uploaders_collectors_and_crashes_do(
        actions in prop::collection::vec(action(), STEPS)
    ) {
        let mut world = World::new();
        for action in actions {
            world.perform(action);
            world.compare();
        }
        world.settle();
    }
}
