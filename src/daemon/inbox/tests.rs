use super::*;
use crate::daemon::lab::{JOB, Lab, MODEL};

/// Take in what is in the inbox, as the daemon's loop does, until `is_done`; the jobs that ended there.
fn take_in(inbox: &mut Inbox, lab: &mut Lab, is_done: impl Fn(&Inbox, &[EndedJob]) -> bool) -> Vec<EndedJob> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut ended = Vec::new();
    while !is_done(inbox, &ended) {
        assert!(Instant::now() < deadline, "not taken in within 20 s");
        let (seen, now) = (inbox.seen(), Instant::now());
        let Some(mut sight) = inbox.look(&seen, &mut lab.spool, &mut lab.troubles, now) else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        for claims in std::mem::take(&mut sight.claims) {
            for outcome in lab.spool.claim(claims).unwrap() {
                let entry = inbox.claimed(outcome, &lab.spool, &mut lab.troubles, now);
                ended.extend(entry.and_then(|entry| inbox.admit(entry, &mut lab.spool, &mut lab.troubles)));
            }
        }
        for name in &sight.cancels {
            for queued in inbox.meant_by(cancelled_job(name)) {
                ended.extend(inbox.cancel(queued, &lab.spool));
            }
            inbox.remove_cancel_file(name, &lab.spool, &mut lab.troubles);
        }
        for waiting in inbox.to_be_bound(&sight, &lab.spool) {
            ended.extend(inbox.bind_waiting(waiting, &mut lab.spool, &mut lab.troubles));
        }
        while inbox.is_copying() {
            ended.extend(inbox.copy_on(&mut lab.spool, &mut lab.troubles));
        }
        while let Some(waiting) = inbox.next_to_copy() {
            ended.extend(inbox.bind_waiting(waiting, &mut lab.spool, &mut lab.troubles));
        }
        inbox.tidy(&sight, &lab.spool, now);
    }
    ended
}

fn reason(ended: &[EndedJob]) -> Option<&str> {
    ended.first()?.outcome.reason.as_deref()
}

#[test]
fn job_whose_model_is_there_is_queued_with_a_copy_of_it() {
    let mut lab = Lab::new();
    let mut inbox = lab.inbox();
    lab.upload("net.sim", MODEL);
    lab.upload("a.yaml", JOB);
    let ended = take_in(&mut inbox, &mut lab, |inbox, _| inbox.queue().in_order().count() == 1);
    assert!(ended.is_empty());
    let queued = inbox.queue().in_order().next().unwrap();
    let models = lab.spool.progress(&queued.entry.id).unwrap().models.unwrap();
    assert_eq!(fs_err::read_to_string(lab.spool.models.path(&models[0].main.sha256)).unwrap(), MODEL);
    assert!(!lab.config.inbox.join("a.yaml").exists());
}

#[test]
fn job_without_its_model_waits_until_the_model_comes() {
    let mut lab = Lab::new();
    let mut inbox = lab.inbox();
    lab.upload("a.yaml", JOB);
    take_in(&mut inbox, &mut lab, |inbox, _| inbox.queue().waiting().count() == 1);
    assert!(inbox.queue().is_empty());
    assert!(inbox.late(Instant::now(), inbox.patience()).is_empty());
    lab.upload("net.sim", MODEL);
    take_in(&mut inbox, &mut lab, |inbox, _| inbox.queue().in_order().count() == 1);
    assert_eq!(inbox.queue().waiting().count(), 0);
}

#[test]
fn job_whose_model_never_comes_ends_with_a_hint() {
    let mut lab = Lab::new();
    let mut inbox = lab.inbox();
    lab.upload("a.yaml", JOB);
    take_in(&mut inbox, &mut lab, |inbox, _| inbox.queue().waiting().count() == 1);
    let limit = inbox.patience();
    let late = inbox.late(Instant::now() + limit, limit);
    let ended = inbox.give_up(late.into_iter().next().unwrap(), limit, &lab.spool).unwrap();
    assert_eq!(
        (ended.outcome.reason.as_deref(), ended.outcome.detail.as_deref()),
        (Some("model_never_came"), Some("missing or not fully uploaded after 60 s: net.sim"))
    );
    assert!(ended.outcome.hint.is_some());
}

#[test]
fn job_file_with_mistakes_ends_as_it_is_admitted() {
    let mut lab = Lab::new();
    let mut inbox = lab.inbox();
    lab.upload("bad.yaml", "backbone: 1\nmodell: net.sim\n");
    let ended = take_in(&mut inbox, &mut lab, |_, ended| !ended.is_empty());
    assert_eq!((reason(&ended), ended[0].queued.name.as_str()), (Some("mistakes_in_spec"), "bad"));
    assert!(ended[0].job.is_none() && inbox.queue().is_empty());
}

#[test]
fn cancel_file_ends_a_job_before_its_turn() {
    let mut lab = Lab::new();
    let mut inbox = lab.inbox();
    lab.upload("a.yaml", JOB);
    take_in(&mut inbox, &mut lab, |inbox, _| inbox.queue().waiting().count() == 1);
    lab.upload("a.yaml.cancel", "");
    let ended = take_in(&mut inbox, &mut lab, |_, ended| !ended.is_empty());
    assert_eq!((reason(&ended), ended[0].outcome.status), (Some("cancelled"), Status::Cancelled));
    inbox.finished(&ended[0].queued);
    assert_eq!(inbox.queue().waiting().count(), 0);
    assert!(!lab.config.inbox.join("a.yaml.cancel").exists());
}

#[test]
fn folder_in_the_inbox_is_reported_and_not_entered() {
    let mut lab = Lab::new();
    fs_err::create_dir(lab.config.inbox.join("more")).unwrap();
    let mut inbox = lab.inbox();
    take_in(&mut inbox, &mut lab, |inbox, _| inbox.oddities().count() == 1);
    let odd = inbox.oddities().next().unwrap();
    assert_eq!((odd.code.as_str(), odd.what.as_str()), ("folder_in_inbox", "more"));
}

#[test]
fn inbox_that_is_gone_is_trouble_until_it_is_back() {
    let mut lab = Lab::new();
    let mut inbox = lab.inbox();
    fs_err::rename(&lab.config.inbox, lab.path("elsewhere")).unwrap();
    let start = Instant::now();
    assert!(inbox.look(&inbox.seen(), &mut lab.spool, &mut lab.troubles, start).is_none());
    assert_eq!(lab.codes(), ["inbox_gone"]);
    // As after a disk was mounted again: another folder of the same name.
    fs_err::create_dir(&lab.config.inbox).unwrap();
    assert!(inbox.look(&inbox.seen(), &mut lab.spool, &mut lab.troubles, inbox.next_at()).is_some());
    assert!(lab.troubles.is_empty());
}

#[test]
fn model_that_a_power_cut_tore_is_waited_for_and_the_same_file_uploaded_later_is_judged() {
    let zeros = "\0".repeat(64);
    let now_ns = jiff::Timestamp::now().as_nanosecond();
    for (uptime_seconds, is_torn) in [(Some(5.0), true), (Some(100_000.0), false), (None, false)] {
        let mut lab = Lab::new();
        let mut inbox = lab.inbox();
        lab.upload("net.sim", &zeros);
        lab.upload("a.yaml", JOB);
        inbox.remember_boot(UploadsBeforeBoot::of(&lab.spool.inbox, uptime_seconds, now_ns));
        let ended = take_in(&mut inbox, &mut lab, |inbox, ended| {
            !ended.is_empty() || inbox.queue().waiting().any(|waiting| waiting.missing[0].why.is_some())
        });
        if !is_torn {
            assert_eq!(reason(&ended), Some("wrong_format"), "{uptime_seconds:?}");
            continue;
        }
        let why = inbox.queue().waiting().find_map(|waiting| waiting.missing[0].why.clone()).unwrap();
        assert!(why.contains("from before the last boot"), "{why}");
        lab.upload("net.sim", MODEL);
        inbox.rescan(Instant::now());
        let ended = take_in(&mut inbox, &mut lab, |inbox, ended| {
            !ended.is_empty() || inbox.queue().in_order().next().is_some()
        });
        assert!(ended.is_empty());
        assert_eq!(inbox.queue().waiting().count(), 0);
    }
    // A clock that was right all the time tells it as well.
    let lab = Lab::new();
    lab.upload("net.sim", MODEL);
    let stat = lab.spool.inbox.entry(OsStr::new("net.sim")).unwrap();
    let hour_ns = 3_600_000_000_000;
    let of = |now_ns| UploadsBeforeBoot::of(&lab.spool.inbox, Some(1_000.0), now_ns);
    assert!(of(now_ns + hour_ns).has(OsStr::new("net.sim"), &stat));
    assert!(!of(now_ns).has(OsStr::new("net.sim"), &stat));
}

#[test]
fn damaged_copy_is_replaced_by_the_same_bytes_and_by_no_others() {
    let mut lab = Lab::new();
    let mut inbox = lab.inbox();
    let read = lab.queued(JOB);
    let (queued, id) = (read.queued.clone(), read.queued.entry.id.clone());
    let progress = lab.spool.progress(&id).unwrap();
    let sha256 = progress.models.as_ref().unwrap()[0].main.sha256.clone();
    // Another model has come under the name since.
    lab.upload("net.sim", r#"{"latency_us": [9]}"#);
    fs_err::write(lab.spool.models.path(&sha256), "").unwrap();
    inbox.lost(&queued, &progress);
    let job = spec_of(&read);
    take_in(&mut inbox, &mut lab, |inbox, _| !inbox.has_unsettled());
    assert!(inbox.bind(read, None, &mut lab.spool, &mut lab.troubles).is_none());
    let waits = |inbox: &Inbox| inbox.queue().waiting().find_map(|waiting| waiting.missing[0].why.clone());
    take_in(&mut inbox, &mut lab, |inbox, _| waits(inbox).is_some());
    assert!(waits(&inbox).unwrap().contains(&sha256), "{:?}", waits(&inbox));
    assert!(inbox.queue().in_order().next().is_none(), "{job}");
    lab.upload("net.sim", MODEL);
    inbox.rescan(Instant::now());
    let ended = take_in(&mut inbox, &mut lab, |inbox, ended| {
        !ended.is_empty() || inbox.queue().in_order().next().is_some()
    });
    assert!(ended.is_empty());
    assert_eq!(lab.spool.progress(&id).unwrap().models.unwrap()[0].main.sha256, sha256);
    assert_eq!(fs_err::read_to_string(lab.spool.models.path(&sha256)).unwrap(), MODEL);
}

fn spec_of(read: &ReadJob) -> String {
    String::from_utf8_lossy(read.spec.text.as_deref().unwrap_or_default()).into_owned()
}
