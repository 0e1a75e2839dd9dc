//! The spool on a real folder.

use std::ffi::OsStr;
use std::time::Instant;

use super::journal::BoundFile;
use super::plan::{Claim, Tracker};
use super::*;

struct Rig {
    folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("folder") }
    }

    fn places(&self) -> Places {
        let at = |name: &str| self.folder.path().join(name);
        Places { inbox: at("inbox"), spool: at("spool"), outbox: at("outbox") }
    }

    fn open(&self) -> (Spool, AtStart) {
        Spool::open(&self.places()).expect("open")
    }

    fn drop_file(&self, name: &str, text: &str) {
        let temporary = self.folder.path().join("upload");
        fs_err::write(&temporary, text).expect("write");
        fs_err::rename(temporary, self.folder.path().join("inbox").join(name)).expect("rename");
    }
}

fn claims(spool: &Spool) -> Vec<Claim> {
    let second = Duration::from_secs(1);
    let mut tracker = Tracker::new(second, second);
    tracker.look(&mut &spool.inbox, &[], true, Instant::now()).expect("look").claims
}

fn claim_all(spool: &mut Spool) -> Vec<Entry> {
    let claims = claims(spool);
    let taken = spool.claim(claims).expect("claim").into_iter().map(|claimed| match claimed {
        Claimed::Taken(entry) => entry,
        other => panic!("{other:?}"),
    });
    taken.collect()
}

#[test]
fn a_second_owner_is_refused_and_told_who_has_it() {
    let rig = Rig::new();
    let (spool, _) = rig.open();
    let error = Spool::open(&rig.places()).expect_err("locked");
    assert!(
        matches!(&error, OpenError::Locked { owner, .. } if *owner == std::process::id().to_string()),
        "{error}"
    );
    assert_eq!(owner(&rig.places().spool), Some(std::process::id().to_string()));
    drop(spool);
    assert_eq!(owner(&rig.places().spool), None);
    rig.open();
}

#[test]
fn a_lock_that_a_dead_owner_left_to_a_child_is_waited_for() {
    let rig = Rig::new();
    drop(rig.open());
    // No process has this number: it is beyond the largest that Linux gives.
    fs_err::write(rig.places().spool.join("lock"), "4194305\n").expect("write");
    let held = File::open(rig.places().spool.join("lock")).expect("open");
    rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).expect("lock");
    let freeing = std::thread::spawn(move || {
        // What the test is about is time: the child goes away a little later.
        std::thread::sleep(Duration::from_millis(50));
        drop(held);
    });
    rig.open();
    freeing.join().expect("thread");
}

#[test]
fn a_missing_parent_is_not_created_but_named() {
    let rig = Rig::new();
    let at = |name: &str| rig.folder.path().join("not-mounted").join(name);
    let places = Places { inbox: at("inbox"), spool: at("spool"), outbox: at("outbox") };
    let error = Spool::open(&places).expect_err("no parent");
    assert!(error.hint().is_some_and(|hint| hint.contains("mounted")));
    assert!(!rig.folder.path().join("not-mounted").exists());
}

#[test]
fn claims_keep_their_order_over_restarts_and_ids_never_come_twice() {
    let rig = Rig::new();
    let mut ids = Vec::new();
    for round in 0..3 {
        let (mut spool, found) = rig.open();
        assert_eq!(found.entries.len(), ids.len());
        for name in ["b.yaml", "a.yaml"] {
            rig.drop_file(&format!("{round}-{name}"), "x");
        }
        ids.extend(claim_all(&mut spool).into_iter().map(|entry| entry.id));
    }
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, ids);
}

#[test]
fn a_name_used_twice_is_two_jobs() {
    let rig = Rig::new();
    let (mut spool, _) = rig.open();
    rig.drop_file("a.yaml", "first");
    let first = claim_all(&mut spool).remove(0);
    rig.drop_file("a.yaml", "second");
    let second = claim_all(&mut spool).remove(0);
    assert_eq!(fs_err::read_to_string(spool.queued_path(&first)).expect("read"), "first");
    assert_eq!(fs_err::read_to_string(spool.queued_path(&second)).expect("read"), "second");
}

#[test]
fn a_file_overwritten_in_place_is_not_taken_before_its_writer_closes_it() {
    let rig = Rig::new();
    let (mut spool, _) = rig.open();
    rig.drop_file("a.yaml", "one");
    let writer = File::create(rig.places().inbox.join("a.yaml")).expect("create");
    let stat = spool.inbox.entry(OsStr::new("a.yaml")).expect("stat");
    // Moved in and overwritten before the look: planning took it for complete.
    let claim = Claim { name: "a.yaml".into(), stat, unfinished: false };
    let outcomes = spool.claim(vec![claim.clone()]).expect("claim");
    assert!(matches!(outcomes[..], [Claimed::Changed(_)]), "{outcomes:?}");
    drop(writer);
    // A process that another test starts has every open file of this one for a moment, the writer's too.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !matches!(spool.claim(vec![claim.clone()]).expect("claim")[..], [Claimed::Taken(_)]) {
        assert!(Instant::now() < deadline, "closed and still not taken");
    }
}

#[test]
fn a_file_that_changed_since_it_was_looked_at_is_not_taken() {
    let rig = Rig::new();
    let (mut spool, _) = rig.open();
    rig.drop_file("a.yaml", "first");
    let decided = claims(&spool);
    fs_err::write(rig.folder.path().join("inbox/a.yaml"), "longer than it was").expect("write");
    let outcome = spool.claim(decided).expect("claim").remove(0);
    assert!(matches!(outcome, Claimed::Changed(_)), "{outcome:?}");
    assert!(rig.folder.path().join("inbox/a.yaml").exists());
}

#[test]
fn a_model_copy_outlives_an_overwrite_in_place_and_goes_with_its_last_job() {
    let rig = Rig::new();
    let (mut spool, _) = rig.open();
    rig.drop_file("net.onnx", "weights one");
    let jobs: Vec<JobId> = (1..=2).map(|number| JobId { number, tag: "t".into() }).collect();
    let name = OsStr::new("net.onnx");
    let mut copies = Vec::new();
    for job in &jobs {
        let stat = spool.inbox.entry(name).expect("stat");
        let Spool { models, inbox, .. } = &mut spool;
        copies.push(models.copy(inbox, name, &stat, job).expect("copy").expect("unchanged"));
    }
    assert_eq!(copies[0], copies[1]);
    fs_err::write(rig.folder.path().join("inbox/net.onnx"), "weights two").expect("write");
    let copy = spool.models.path(&copies[0].sha256);
    assert_eq!(fs_err::read_to_string(&copy).expect("read"), "weights one");
    spool.models.release(&jobs[0]);
    assert!(copy.exists());
    spool.models.release(&jobs[1]);
    assert!(!copy.exists());
}

#[test]
fn a_torn_model_copy_is_noticed_after_a_restart() {
    let rig = Rig::new();
    let (mut spool, _) = rig.open();
    rig.drop_file("net.onnx", "weights");
    let job = JobId { number: 1, tag: "t".into() };
    let stat = spool.inbox.entry(OsStr::new("net.onnx")).expect("stat");
    let Spool { models, inbox, .. } = &mut spool;
    let copy = models.copy(inbox, OsStr::new("net.onnx"), &stat, &job).expect("copy").expect("unchanged");
    let path = spool.models.path(&copy.sha256);
    drop(spool);
    fs_err::write(&path, "wei").expect("tear");
    let (mut spool, _) = rig.open();
    assert!(!spool.models.verify(&copy.sha256, &mut || Ok(())).expect("no stop"));
}

#[test]
fn a_bundle_is_published_by_rename_and_a_half_written_one_is_removed_at_the_next_start() {
    let rig = Rig::new();
    let (spool, _) = rig.open();
    spool.make_ready("j.net.sim.0000000001-t-0001.json.gz", b"bytes").expect("ready");
    drop(spool);
    fs_err::write(rig.folder.path().join("spool/ready/.half.json.gz"), "ha").expect("write");
    let (spool, found) = rig.open();
    assert_eq!(found.ready, ["j.net.sim.0000000001-t-0001.json.gz"]);
    assert!(matches!(spool.publish(&found.ready[0]), Published::Yes));
    assert_eq!(fs_err::read(rig.folder.path().join("outbox").join(&found.ready[0])).expect("read"), b"bytes");
    assert!(!rig.folder.path().join("spool/ready/.half.json.gz").exists());
    assert!(matches!(spool.publish(&found.ready[0]), Published::Yes), "publishing again changes nothing");
}

#[test]
fn an_outbox_that_is_away_keeps_the_bundle_ready() {
    let rig = Rig::new();
    let (spool, _) = rig.open();
    spool.make_ready("a.json.gz", b"bytes").expect("ready");
    fs_err::remove_dir(rig.folder.path().join("outbox")).expect("remove");
    assert!(matches!(spool.publish("a.json.gz"), Published::Later(_)));
    fs_err::create_dir(rig.folder.path().join("outbox")).expect("create");
    assert!(matches!(spool.publish("a.json.gz"), Published::Yes));
}

#[test]
fn a_finished_job_leaves_only_its_file_and_can_be_queued_again_under_a_new_id() {
    let rig = Rig::new();
    let (mut spool, _) = rig.open();
    rig.drop_file("a.yaml", "x");
    let entry = claim_all(&mut spool).remove(0);
    spool.journal(&entry.id).append(&journal::Record::Interrupted, journal::Durable::Now).expect("journal");
    spool.retire(&entry).expect("retire");
    spool.retire(&entry).expect("retiring twice changes nothing");
    assert!(spool.journal(&entry.id).read().expect("read").is_empty());
    let again = spool.requeue(&entry).expect("requeue");
    assert!(again.id > entry.id);
    drop(spool);
    let (spool, found) = rig.open();
    assert_eq!(found.entries, std::slice::from_ref(&again));
    spool.prune_done(0).expect("prune");
    assert!(spool.queued_path(&again).exists());
}

#[test]
fn model_that_cannot_be_written_leaves_nothing() {
    let rig = Rig::new();
    let (spool, _) = rig.open();
    let written = spool.models.generate(
        "net.onnx",
        |output| {
            output.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        },
        &mut || Ok(()),
    );
    assert_eq!(written.expect_err("full").kind(), io::ErrorKind::StorageFull);
    assert!(fs_err::read_dir(rig.folder.path().join("spool/models")).expect("read").next().is_none());
    let (path, model) = spool
        .models
        .generate("net.onnx", |output| output.write_all(b"whole"), &mut || Ok(()))
        .expect("generate");
    assert_eq!(model.sha256, hash(&mut &b"whole"[..], &mut io::sink()).expect("hash"));
    assert_eq!((model.size_bytes, fs_err::read(&path).expect("read")), (5, b"whole".to_vec()));
    spool.models.end_turn();
    assert!(!path.exists());
}

#[test]
fn files_of_a_model_lie_next_to_each_other_under_their_names_for_one_turn() {
    let rig = Rig::new();
    let (mut spool, _) = rig.open();
    let job = JobId { number: 1, tag: "t".into() };
    let mut copies = Vec::new();
    for name in ["net.onnx", "net.onnx.data"] {
        rig.drop_file(name, name);
        let stat = spool.inbox.entry(OsStr::new(name)).expect("stat");
        let Spool { models, inbox, .. } = &mut spool;
        copies.push(models.copy(inbox, OsStr::new(name), &stat, &job).expect("copy").expect("unchanged"));
    }
    let folder = spool.models.lay_out(copies.iter(), &mut || Ok(())).expect("lay out");
    for copy in &copies {
        assert_eq!(fs_err::read_to_string(folder.join(&copy.file)).expect("read"), copy.file);
    }
    spool.models.end_turn();
    assert!(!folder.exists());
    assert!(spool.models.path(&copies[0].sha256).exists());
    // Whatever a journal says, nothing is written outside.
    for name in ["../outside", "/outside", "a/b", "..", "."] {
        let hostile = BoundFile { file: name.into(), ..copies[0].clone() };
        assert!(spool.models.lay_out([hostile].iter(), &mut || Ok(())).is_err(), "{name}");
    }
    // A killed process leaves its folder, and the next start removes it.
    spool.models.lay_out(copies.iter(), &mut || Ok(())).expect("lay out");
    drop(spool);
    let (mut spool, _) = rig.open();
    spool.models.claim(&copies[0].sha256, &job);
    spool.remove_unused_models().expect("clean");
    assert!(!folder.exists() && spool.models.path(&copies[0].sha256).exists());
    assert!(!spool.models.path(&copies[1].sha256).exists());
}

#[test]
fn reading_a_copy_again_ends_when_it_is_asked_to() {
    let rig = Rig::new();
    let (mut spool, _) = rig.open();
    fs_err::write(spool.models.path("0"), "bytes").expect("write");
    let stopped = spool.models.verify("0", &mut || Err(io::ErrorKind::ConnectionAborted.into()));
    assert_eq!(stopped.expect_err("stopped").kind(), io::ErrorKind::ConnectionAborted);
}
