use super::*;

fn after(seconds: u64, start: Instant) -> Instant {
    start + Duration::from_secs(seconds)
}

fn codes(troubles: &Troubles) -> Vec<(&str, &str)> {
    troubles.attention().map(|attention| (attention.code.as_str(), attention.what.as_str())).collect()
}

#[test]
fn trouble_is_listed_once_until_it_is_fixed() {
    let (mut troubles, now) = (Troubles::default(), Instant::now());
    assert!(troubles.is_empty());
    troubles.report(TroubleKind::OutboxUnwritable, Path::new("/out"), &"read-only", now);
    troubles.report(TroubleKind::OutboxUnwritable, Path::new("/out"), &"still read-only", now);
    troubles.report(TroubleKind::ClaimFailed, Path::new("/in/a.yaml"), &"busy", now);
    troubles.report(TroubleKind::ClaimFailed, Path::new("/in/b.yaml"), &"busy", now);
    assert_eq!(
        codes(&troubles),
        [("outbox_unwritable", "/out"), ("claim_failed", "/in/a.yaml"), ("claim_failed", "/in/b.yaml")]
    );
    troubles.fixed(TroubleKind::ClaimFailed);
    assert_eq!(codes(&troubles), [("outbox_unwritable", "/out")]);
    troubles.fixed(TroubleKind::OutboxUnwritable);
    assert!(troubles.is_empty());
}

#[test]
fn next_attempt_is_due_once_and_each_report_puts_it_off() {
    let (mut troubles, start) = (Troubles::default(), Instant::now());
    assert!(!troubles.is_due(start));
    troubles.report(TroubleKind::InboxGone, Path::new("/in"), &"gone", start);
    troubles.report(TroubleKind::InboxGone, Path::new("/in"), &"gone", after(1, start));
    assert!(!troubles.is_due(after(2, start)));
    assert_eq!(troubles.try_again_at(), Some(after(3, start)));
    assert!(troubles.is_due(after(3, start)));
    assert!(!troubles.is_due(after(4, start)));
    assert_eq!(troubles.try_again_at(), None);
}

#[test]
fn trouble_that_comes_and_goes_is_logged_once_a_minute() {
    let (mut troubles, start) = (Troubles::default(), Instant::now());
    let mut is_logged =
        |seconds| troubles.is_to_be_logged(TroubleKind::OutboxUnwritable, "/out", after(seconds, start));
    assert_eq!([0, 2, 59, 60, 61].map(&mut is_logged), [true, false, false, true, false]);
}

#[test]
fn only_trouble_on_the_way_into_the_queue_asks_for_another_look() {
    let (mut troubles, now) = (Troubles::default(), Instant::now());
    for trouble in [TroubleKind::OutboxUnwritable, TroubleKind::HostLock, TroubleKind::PowerNotRestored] {
        troubles.report(trouble, Path::new("/"), &"x", now);
    }
    assert!(!troubles.keep_jobs_from_the_queue());
    troubles.report(TroubleKind::ModelNotCopied, Path::new("/in"), &"full", now);
    assert!(troubles.keep_jobs_from_the_queue());
}
