use super::*;
use crate::bundle::format::{Failure, Host, Latencies, Outcome, Stage, Trial, TrialId};
use crate::daemon::job::{ReadJob, SpecFile};
use crate::daemon::lab::{JOB, Lab};
use crate::host::{self, HostRoot};

fn outlet(lab: &Lab) -> Outlet {
    let observed: Host = host::observe(&HostRoot::new(&lab.config.host_root).unwrap());
    Outlet::new(&lab.config, Assembler::new(observed, true, crate::units::Nanos(1)), Vec::new())
}

/// A course with three latencies, as if it had been measured.
fn course() -> Course {
    let latency_ns = [5, 6, 7].map(crate::units::Nanos).to_vec();
    let latencies = Latencies { latency_ns, ..Latencies::default() };
    Course { trials: vec![Trial { id: TrialId { build: 1, process: 1 }, latencies }], ..Course::default() }
}

fn bundle(outlet: &mut Outlet, lab: &mut Lab, read: &ReadJob) -> Option<BundleLine> {
    let progress = lab.spool.progress(&read.queued.entry.id).unwrap();
    let ReadJob { queued, spec, job } = read;
    let turn = Turn { queued, spec, job, progress: &progress, configuration: 1 };
    let ended = course().ended(Outcome::measured(Vec::new()), None);
    outlet.bundle_turn(&turn, ended, &lab.spool, &mut lab.troubles, &mut || Ok(()))
}

fn bundle_job(outlet: &mut Outlet, lab: &mut Lab, ended: &EndedJob) -> Vec<BundleLine> {
    let progress = lab.spool.progress(&ended.queued.entry.id).unwrap();
    outlet.bundle_job(ended, &progress, &lab.spool, &mut lab.troubles, &mut || Ok(()))
}

fn is_recorded(lab: &Lab, read: &ReadJob) -> bool {
    lab.spool.progress(&read.queued.entry.id).unwrap().bundled == [1]
}

#[test]
fn made_up_course_becomes_a_bundle_in_the_outbox_and_a_line_in_the_journal() {
    let mut lab = Lab::new();
    let read = lab.queued(JOB);
    let mut outlet = outlet(&lab);
    let row = bundle(&mut outlet, &mut lab, &read).unwrap();
    assert_eq!((row.job.as_str(), row.outcome.status, row.count), ("a", Status::Measured, 3));
    assert_eq!(lab.bundles(), [row.bundle]);
    assert!(is_recorded(&lab, &read) && lab.troubles.is_empty());
    assert_eq!((outlet.finished().measured, outlet.unpublished()), (1, 0));
}

#[test]
fn bundle_that_a_stop_interrupts_is_not_made_and_holds_up_its_job() {
    let mut lab = Lab::new();
    let read = lab.queued(JOB);
    let mut outlet = outlet(&lab);
    let progress = lab.spool.progress(&read.queued.entry.id).unwrap();
    let ReadJob { queued, spec, job } = &read;
    let turn = Turn { queued, spec, job, progress: &progress, configuration: 1 };
    let ended = course().ended(Outcome::measured(Vec::new()), None);
    let mut stop = || Err(std::io::ErrorKind::ConnectionAborted.into());
    assert!(outlet.bundle_turn(&turn, ended, &lab.spool, &mut lab.troubles, &mut stop).is_none());
    assert!(outlet.is_held_up() && lab.troubles.is_empty() && lab.bundles().is_empty());
    assert!(!is_recorded(&lab, &read));
}

#[test]
fn bundle_that_the_outbox_refuses_is_kept_and_published_later() {
    let mut lab = Lab::new();
    let read = lab.queued(JOB);
    let mut outlet = outlet(&lab);
    fs_err::rename(&lab.config.outbox, lab.path("elsewhere")).unwrap();
    assert!(bundle(&mut outlet, &mut lab, &read).is_some());
    assert_eq!((lab.codes(), outlet.unpublished()), (vec!["outbox_unwritable"], 1));
    assert!(is_recorded(&lab, &read) && !outlet.is_held_up());
    fs_err::rename(lab.path("elsewhere"), &lab.config.outbox).unwrap();
    outlet.publish(&lab.spool, &mut lab.troubles);
    assert_eq!((lab.bundles().len(), outlet.unpublished()), (1, 0));
    assert!(lab.troubles.is_empty());
}

#[test]
fn bundle_that_the_spool_refuses_stays_in_hand_until_it_is_written() {
    let mut lab = Lab::new();
    let read = lab.queued(JOB);
    let mut outlet = outlet(&lab);
    let ready = lab.config.spool.join("ready");
    fs_err::rename(&ready, lab.path("elsewhere")).unwrap();
    assert!(bundle(&mut outlet, &mut lab, &read).is_none());
    assert!(outlet.is_held_up() && !is_recorded(&lab, &read));
    assert_eq!(lab.codes(), ["spool_unwritable"]);
    fs_err::rename(lab.path("elsewhere"), &ready).unwrap();
    assert!(outlet.write(&lab.spool, &mut lab.troubles).is_some());
    assert!(!outlet.is_held_up() && is_recorded(&lab, &read) && lab.troubles.is_empty());
    assert_eq!(lab.bundles().len(), 1);
}

#[test]
fn ended_job_gets_a_bundle_for_each_configuration_that_has_none() {
    let mut lab = Lab::new();
    let read = lab.queued(JOB);
    let mut outlet = outlet(&lab);
    let failure = || Failure::new(Stage::Queue, "cancelled", "cancelled").outcome(Status::Cancelled);
    let ended = read.ended(failure());
    let rows = bundle_job(&mut outlet, &mut lab, &ended);
    assert_eq!(rows.iter().map(|row| row.outcome.status).collect::<Vec<_>>(), [Status::Cancelled]);
    assert!(bundle_job(&mut outlet, &mut lab, &ended).is_empty(), "it has one now");
    assert_eq!(outlet.finished().cancelled, 1);
}

#[test]
fn job_that_was_not_understood_gets_one_bundle_that_says_why() {
    let mut lab = Lab::new();
    let ReadJob { queued, .. } = lab.queued(JOB);
    let mut outlet = outlet(&lab);
    let outcome = Failure::new(Stage::Spec, "mistakes_in_spec", "two mistakes").outcome(Status::Rejected);
    let ended = EndedJob { queued, spec: SpecFile::default(), job: None, outcome };
    let rows = bundle_job(&mut outlet, &mut lab, &ended);
    assert_eq!(rows[0].outcome.reason.as_deref(), Some("mistakes_in_spec"));
    assert!(lab.bundles()[0].contains("rejected"), "{:?}", lab.bundles());
    assert!(bundle_job(&mut outlet, &mut lab, &ended).is_empty());
}

#[test]
fn bundle_that_was_ready_before_a_restart_is_recorded_before_it_is_published() {
    let mut lab = Lab::new();
    let read = lab.queued(JOB);
    let entry = &read.queued.entry;
    let name = format!("a.net.sim.{}.json.gz", entry.id.bundle_id(1));
    fs_err::write(lab.config.spool.join("ready").join(&name), "whole").unwrap();
    let observed = host::observe(&HostRoot::new(&lab.config.host_root).unwrap());
    let assembler = Assembler::new(observed, true, crate::units::Nanos(1));
    let mut outlet = Outlet::new(&lab.config, assembler, vec![name.clone()]);
    outlet.record_ready(&lab.spool, std::slice::from_ref(entry));
    assert!(is_recorded(&lab, &read));
    outlet.publish(&lab.spool, &mut lab.troubles);
    assert_eq!(lab.bundles(), [name]);
}
