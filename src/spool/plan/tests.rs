//! Every way an upload arrives, on a disk of the test's own making.

use super::*;

const SETTLE: Duration = Duration::from_secs(1);
const GIVE_UP: Duration = Duration::from_secs(3600);

/// A disk in memory; a change moves its clock, as the kernel's does.
#[derive(Default)]
struct FakeDisk {
    files: BTreeMap<OsString, (Stat, Writers)>,
    clock: i128,
    listings: usize,
}

impl FakeDisk {
    fn put(&mut self, name: &str, inode: u64, writers: Writers) {
        self.put_kind(name, inode, writers, FileKind::Regular);
    }

    fn link(&mut self, from: &str, to: &str) {
        let file = self.files[OsStr::new(from)];
        self.files.insert(to.into(), file);
    }

    fn put_kind(&mut self, name: &str, inode: u64, writers: Writers, kind: FileKind) {
        self.clock += 1;
        let stat = Stat { kind, inode, size: 10, modified_ns: self.clock, changed_ns: self.clock };
        self.files.insert(name.into(), (stat, writers));
    }
}

impl Disk for FakeDisk {
    fn list(&mut self) -> io::Result<Vec<OsString>> {
        self.listings += 1;
        Ok(self.files.keys().rev().cloned().collect())
    }

    fn stat(&mut self, name: &OsStr) -> Option<Stat> {
        self.files.get(name).map(|(stat, _)| *stat)
    }

    fn writers(&mut self, name: &OsStr) -> Writers {
        self.files[name].1
    }
}

struct Inbox {
    disk: FakeDisk,
    tracker: Tracker,
    now: Instant,
}

impl Inbox {
    fn new() -> Self {
        Self { disk: FakeDisk::default(), tracker: Tracker::new(SETTLE, GIVE_UP), now: Instant::now() }
    }

    /// Names claimed by one look.
    fn look(&mut self, hints: &[(&str, HintEvent)], rescan: bool) -> Vec<String> {
        let hints: Vec<Hint> =
            hints.iter().map(|(name, event)| Hint { name: (*name).into(), event: *event }).collect();
        let look = self.tracker.look(&mut self.disk, &hints, rescan, self.now).expect("look");
        let names: Vec<String> =
            look.claims.iter().map(|claim| claim.name.to_string_lossy().into_owned()).collect();
        for name in &names {
            self.disk.files.remove(OsStr::new(name));
        }
        names
    }

    fn later(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }
}

#[test]
fn a_file_moved_in_is_taken_at_once_and_without_a_listing() {
    let mut inbox = Inbox::new();
    inbox.disk.put("a.yaml", 1, Writers::None);
    assert_eq!(inbox.look(&[("a.yaml", HintEvent::MovedIn)], false), ["a.yaml"]);
    assert_eq!(inbox.disk.listings, 0);
}

#[test]
fn scp_writes_in_place_stalls_and_is_taken_only_when_closed_and_quiet() {
    let mut inbox = Inbox::new();
    inbox.disk.put("a.yaml", 1, Writers::Some);
    assert!(inbox.look(&[("a.yaml", HintEvent::Created)], false).is_empty());
    inbox.later(600.0);
    assert!(inbox.look(&[], true).is_empty(), "a stalled upload is still open for writing");
    inbox.disk.put("a.yaml", 1, Writers::None);
    assert!(inbox.look(&[("a.yaml", HintEvent::Closed)], false).is_empty(), "closed, not quiet yet");
    inbox.later(0.9);
    assert!(inbox.look(&[], false).is_empty());
    inbox.later(0.2);
    assert_eq!(inbox.look(&[], false), ["a.yaml"]);
}

#[test]
fn a_write_within_the_settle_time_starts_it_anew() {
    let mut inbox = Inbox::new();
    inbox.disk.put("a.yaml", 1, Writers::None);
    inbox.look(&[("a.yaml", HintEvent::Closed)], false);
    inbox.later(0.9);
    inbox.disk.put("a.yaml", 1, Writers::None);
    inbox.later(0.2);
    assert!(inbox.look(&[], false).is_empty(), "it changed meanwhile");
    inbox.later(1.1);
    assert_eq!(inbox.look(&[], false), ["a.yaml"]);
}

#[test]
fn uploads_in_place_found_quiet_in_one_look_are_taken_in_the_order_of_their_ends() {
    let mut inbox = Inbox::new();
    for name in ["b.yaml", "c.yaml", "a.yaml"] {
        inbox.disk.put(name, 1, Writers::None);
        assert!(inbox.look(&[(name, HintEvent::Closed)], false).is_empty());
        inbox.later(0.01);
    }
    inbox.later(2.0);
    assert_eq!(inbox.look(&[], false), ["b.yaml", "c.yaml", "a.yaml"]);
}

#[test]
fn winscp_links_a_closed_temporary_file_to_its_name() {
    let mut inbox = Inbox::new();
    inbox.disk.put("a.yaml.filepart", 7, Writers::None);
    assert!(inbox.look(&[("a.yaml.filepart", HintEvent::Closed)], false).is_empty());
    inbox.disk.link("a.yaml.filepart", "a.yaml");
    assert_eq!(inbox.look(&[("a.yaml", HintEvent::Created)], false), ["a.yaml"]);
    inbox.disk.put("b.yaml", 8, Writers::None);
    assert!(
        inbox.look(&[("b.yaml", HintEvent::Created)], false).is_empty(),
        "its inode was never seen closed"
    );
}

#[test]
fn an_upload_in_place_that_got_the_inode_of_an_abandoned_temporary_file_is_not_whole() {
    let mut inbox = Inbox::new();
    inbox.disk.put("a.yaml.filepart", 7, Writers::None);
    assert!(inbox.look(&[("a.yaml.filepart", HintEvent::Closed)], false).is_empty());
    inbox.disk.files.clear();
    inbox.disk.put("b.yaml", 7, Writers::Unknown);
    assert!(inbox.look(&[("b.yaml", HintEvent::Created)], false).is_empty());
}

#[test]
fn a_rescan_keeps_the_order_of_what_was_seen_what_was_missed_and_what_came_just_now() {
    let moved = |name| (name, HintEvent::MovedIn);
    // By time where the disk's clock ticks between them; else by what was seen, and by name where nothing
    // was.
    let cases = [
        (1, ["e.yaml", "d.yaml", "c.yaml", "b.yaml", "a.yaml"]),
        (0, ["x.yaml", "b.yaml", "d.yaml", "c.yaml", "e.yaml"]),
    ];
    for (ticks, names) in cases {
        let mut inbox = Inbox::new();
        for (inode, name) in names.into_iter().enumerate() {
            inbox.disk.put(name, inode as u64, Writers::None);
            inbox.disk.clock -= 1 - ticks;
        }
        let [before, _missed, after, last, _just_now] = names;
        let seen = [moved(before), ("", HintEvent::Missed), moved(after), moved(last)];
        assert_eq!(inbox.look(&seen, true), names);
    }
}

#[test]
fn rescan_takes_files_without_a_writer_in_order_of_arrival() {
    let mut inbox = Inbox::new();
    for (inode, name) in [(1, "z.yaml"), (2, "m.yaml"), (3, "a.yaml")] {
        inbox.disk.put(name, inode, Writers::None);
    }
    inbox.disk.put("open.yaml", 4, Writers::Some);
    assert_eq!(inbox.look(&[], true), ["z.yaml", "m.yaml", "a.yaml"]);
}

#[test]
fn if_writers_are_unknown_two_looks_must_agree() {
    let mut inbox = Inbox::new();
    inbox.disk.put("a.yaml", 1, Writers::Unknown);
    assert!(inbox.look(&[], true).is_empty());
    inbox.later(0.5);
    assert!(inbox.look(&[], false).is_empty());
    inbox.later(0.6);
    assert_eq!(inbox.look(&[], false), ["a.yaml"]);
}

#[test]
fn temporary_names_and_folders_are_never_taken_and_are_named() {
    let mut inbox = Inbox::new();
    for (inode, name) in [(1, ".a.yaml.Xy12"), (2, "b.yaml.part"), (3, "c.yaml~")] {
        inbox.disk.put(name, inode, Writers::None);
    }
    inbox.disk.put_kind("folder.yaml", 4, Writers::None, FileKind::Folder);
    assert!(inbox.look(&[], true).is_empty());
    inbox.later(GIVE_UP.as_secs_f64() * 2.0);
    assert!(inbox.look(&[], true).is_empty());
    let oddities = inbox.tracker.oddities(inbox.now);
    assert_eq!(oddities.len(), 4);
    assert!(oddities.iter().any(|oddity| oddity.what == OddityKind::Folder));
}

#[test]
fn a_fifo_named_like_a_job_is_taken_to_be_rejected_and_never_opened() {
    let mut inbox = Inbox::new();
    inbox.disk.put_kind("a.yaml", 1, Writers::Unknown, FileKind::Special);
    assert_eq!(inbox.look(&[], true), ["a.yaml"]);
}

#[test]
fn an_upload_that_never_ends_is_given_up_and_taken_as_unfinished() {
    let mut inbox = Inbox::new();
    inbox.disk.put("a.yaml", 1, Writers::Some);
    assert!(inbox.look(&[], true).is_empty());
    inbox.later(GIVE_UP.as_secs_f64() - 1.0);
    assert!(inbox.look(&[], true).is_empty());
    inbox.later(2.0);
    let look = inbox.tracker.look(&mut inbox.disk, &[], true, inbox.now).expect("look");
    assert!(look.claims.len() == 1 && look.claims[0].unfinished);
}

#[test]
fn model_is_reported_once_when_complete_and_again_after_it_was_overwritten() {
    let mut inbox = Inbox::new();
    let name = OsStr::new("net.onnx");
    assert_eq!(inbox.tracker.model(&mut inbox.disk, name, inbox.now), ModelState::Missing);
    inbox.disk.put("net.onnx", 1, Writers::None);
    let hint = [Hint { name: name.into(), event: HintEvent::MovedIn }];
    let look = inbox.tracker.look(&mut inbox.disk, &hint, false, inbox.now).expect("look");
    assert_eq!(look.models, ["net.onnx"]);
    let look = inbox.tracker.look(&mut inbox.disk, &[], true, inbox.now).expect("look");
    assert!(look.models.is_empty());
    assert!(matches!(inbox.tracker.model(&mut inbox.disk, name, inbox.now), ModelState::Whole(_)));
    inbox.disk.put("net.onnx", 1, Writers::Some);
    assert_eq!(inbox.tracker.model(&mut inbox.disk, name, inbox.now), ModelState::Unfinished);
    inbox.disk.put("net.onnx", 1, Writers::None);
    inbox.look(&[("net.onnx", HintEvent::Closed)], false);
    inbox.later(1.1);
    let look = inbox.tracker.look(&mut inbox.disk, &[], false, inbox.now).expect("look");
    assert_eq!(look.models, ["net.onnx"]);
}

#[test]
fn an_idle_inbox_with_a_stalled_upload_has_nothing_due() {
    let mut inbox = Inbox::new();
    inbox.disk.put("a.yaml", 1, Writers::Some);
    inbox.disk.put("net.onnx", 2, Writers::None);
    inbox.look(&[], true);
    let look = inbox.tracker.look(&mut inbox.disk, &[], false, inbox.now).expect("look");
    assert_eq!(look.again_at, None);
    assert!(inbox.tracker.has_unsettled());
}

#[test]
fn a_claim_that_failed_is_decided_again_after_the_settle_time() {
    let mut inbox = Inbox::new();
    inbox.disk.put("a.yaml", 1, Writers::None);
    let hint = [Hint { name: "a.yaml".into(), event: HintEvent::MovedIn }];
    let look = inbox.tracker.look(&mut inbox.disk, &hint, false, inbox.now).expect("look");
    inbox.tracker.put_back(&look.claims[0], inbox.now);
    assert!(inbox.look(&[], false).is_empty());
    inbox.later(1.1);
    assert_eq!(inbox.look(&[], false), ["a.yaml"]);
}

#[test]
fn model_found_complete_while_one_job_asks_is_reported_to_all_that_wait() {
    let mut inbox = Inbox::new();
    let name = OsStr::new("net.onnx");
    inbox.disk.put("net.onnx", 1, Writers::None);
    inbox.look(&[("net.onnx", HintEvent::Closed)], false);
    assert_eq!(inbox.tracker.model(&mut inbox.disk, name, inbox.now), ModelState::Unfinished);
    inbox.later(1.1);
    // Somebody asks between the end of the settle time and the look.
    inbox.tracker.model(&mut inbox.disk, name, inbox.now);
    assert!(inbox.tracker.again_at().is_some_and(|at| at <= inbox.now));
    let look = inbox.tracker.look(&mut inbox.disk, &[], false, inbox.now).expect("look");
    assert_eq!(look.models, ["net.onnx"]);
    assert!(matches!(inbox.tracker.model(&mut inbox.disk, name, inbox.now), ModelState::Whole(_)));
}

#[test]
fn a_model_that_no_event_named_yet_is_looked_at_once_a_job_asks_for_it() {
    let mut inbox = Inbox::new();
    inbox.disk.put("net.onnx", 1, Writers::None);
    inbox.tracker.model(&mut inbox.disk, OsStr::new("net.onnx"), inbox.now);
    assert_eq!(inbox.tracker.again_at(), Some(inbox.now));
    let look = inbox.tracker.look(&mut inbox.disk, &[], false, inbox.now).expect("look");
    assert_eq!(look.models, ["net.onnx"]);
}
