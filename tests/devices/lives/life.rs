//! One life: what is done to a machine, in which order and for how long it waits between, all drawn from a
//! seed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use backbone::daemon::control::{self, ControlRequest};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::chance::Chance;
use super::jobs::{self, LifeJob};
use super::machine::{HostKind, Machine};
use crate::rig::hosts;

/// Jobs that are under way at a time; more would only make the end of a life longer.
const JOBS_AT_A_TIME: usize = 5;

/// From the start of a daemon until its kill: in this time it does most of what it can do, on a machine that
/// is busy.
const LONGEST_LIFE_MS: u64 = 700;

/// Until a kill that is to meet the recovery.
const LONGEST_RECOVERY_MS: u64 = 60;

/// What was done, and what came of it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Counts {
    daemons_killed: u64,
    /// Of those, while they started.
    killed_in_recovery: u64,
    workers_killed: u64,
    pub(super) stopped: u64,
    pub(super) jobs: u64,
    pub(super) bundles: u64,
    pub(super) measured: u64,
    /// Configurations that were given up after three kills.
    pub(super) given_up: u64,
}

impl Counts {
    pub(super) fn kills(&self) -> u64 {
        self.daemons_killed + self.workers_killed
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.daemons_killed += other.daemons_killed;
        self.killed_in_recovery += other.killed_in_recovery;
        self.workers_killed += other.workers_killed;
        self.stopped += other.stopped;
        self.jobs += other.jobs;
        self.bundles += other.bundles;
        self.measured += other.measured;
        self.given_up += other.given_up;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { daemons_killed, killed_in_recovery, workers_killed, stopped, jobs, bundles, .. } = self;
        write!(
            formatter,
            "{} kills ({daemons_killed} of daemons, {killed_in_recovery} of them while they started, \
             {workers_killed} of workers), {stopped} stops, {jobs} jobs, {bundles} bundles ({} measured, {} given up)",
            self.kills(),
            self.measured,
            self.given_up
        )
    }
}

pub(super) struct Life {
    pub(super) machine: Machine,
    pub(super) jobs: Vec<LifeJob>,
    /// Every bundle that was ever seen in the outbox, and the digest of its file.
    pub(super) seen: BTreeMap<String, Vec<u8>>,
    pub(super) power_before: hosts::State,
    pub(super) counts: Counts,
    chance: Chance,
}

impl Life {
    pub(super) fn begin(seed: u64, folder: &Path) -> Self {
        let mut chance = Chance::from(seed);
        let kind = HostKind::draw(&mut chance);
        let machine = Machine::new(folder, kind, &mut chance);
        let power_before = machine.power();
        Self {
            machine,
            jobs: Vec::new(),
            seen: BTreeMap::new(),
            power_before,
            counts: Counts::default(),
            chance,
        }
    }

    /// Live until there were so many kills.
    pub(super) fn live(&mut self, kills: u64) {
        while self.counts.kills() < kills {
            if !self.machine.is_running() {
                self.act_sometimes();
                self.machine.start();
            }
            match self.chance.below(20) {
                0..=4 => self.kill_in_recovery(),
                5 => self.stop(),
                6 | 7 => self.kill_worker(),
                _ => self.kill(),
            }
        }
    }

    /// Let everything that was begun end.
    pub(super) fn end(mut self) -> Counts {
        if !self.machine.is_running() {
            self.machine.start();
        }
        self.machine.wait_until("the folder of requests", |machine| machine.control().is_dir());
        control::resume(&self.machine.control()).unwrap();
        for index in 0..self.jobs.len() {
            self.deliver(index);
        }
        self.machine.wait_until("the end of every job", |machine| {
            let is_empty = |part: &str| names(&machine.at(part)).is_empty();
            let inbox = names(&machine.at("lab/inbox"));
            !inbox.iter().any(|name| name.ends_with(".yaml") || name.ends_with(".cancel"))
                && ["queue", "ready", "journal", "control"]
                    .iter()
                    .all(|part| is_empty(&format!("lab/spool/{part}")))
        });
        self.machine.end(Signal::TERM);
        self.look_at_outbox();
        self.check();
        self.counts
    }

    fn kill_in_recovery(&mut self) {
        if self.machine.is_ready() {
            return self.kill();
        }
        let moment = self.chance.moment(LONGEST_RECOVERY_MS);
        std::thread::sleep(moment);
        let was_ready = self.machine.is_ready();
        self.machine.end(Signal::KILL);
        self.counts.daemons_killed += 1;
        self.counts.killed_in_recovery += u64::from(!was_ready);
        self.look_at_outbox();
    }

    fn kill(&mut self) {
        self.machine.wait_until("a status of the new daemon", Machine::is_ready);
        self.let_live();
        self.machine.end(Signal::KILL);
        self.counts.daemons_killed += 1;
        self.look_at_outbox();
    }

    fn stop(&mut self) {
        // Signals are asked for before the first status is written.
        self.machine.wait_until("a status of the new daemon", Machine::is_ready);
        self.let_live();
        self.machine.end(Signal::TERM);
        self.counts.stopped += 1;
        self.look_at_outbox();
    }

    fn kill_worker(&mut self) {
        self.machine.wait_until("a status of the new daemon", Machine::is_ready);
        self.let_live();
        self.counts.workers_killed += u64::from(self.machine.kill_worker());
    }

    /// Act now and then, for a while.
    fn let_live(&mut self) {
        for _ in 0..self.chance.below(4) {
            self.act_sometimes();
            let moment = self.chance.moment(LONGEST_LIFE_MS / 3);
            std::thread::sleep(moment);
        }
    }

    fn act_sometimes(&mut self) {
        for _ in 0..self.chance.below(3) {
            self.act();
        }
    }

    fn act(&mut self) {
        match self.chance.below(16) {
            0..=5 => self.drop_job(),
            6..=8 => {
                let undelivered = |index: &usize| !self.jobs[*index].missing.is_empty();
                if let Some(index) = (0..self.jobs.len()).find(undelivered) {
                    self.deliver_one(index);
                }
            }
            9 => self.cancel(),
            10 => self.retry(),
            11 => {
                // Before the first start there is no such folder.
                let _ = control::pause(&self.machine.control());
            }
            12 | 13 => {
                let _ = control::resume(&self.machine.control());
            }
            _ => self.collect(),
        }
    }

    fn drop_job(&mut self) {
        let under_way = names(&self.machine.at("lab/spool/queue")).len();
        if under_way >= JOBS_AT_A_TIME {
            return;
        }
        let job = jobs::draw(self.jobs.len(), self.machine.kind(), &mut self.chance);
        let index = self.jobs.len();
        self.jobs.push(job);
        if self.chance.one_in(2) {
            self.deliver(index);
        }
        let LifeJob { name, text, .. } = &self.jobs[index];
        let (name, text) = (format!("{name}.yaml"), text.clone());
        let in_place = self.chance.one_in(3);
        self.machine.drop_file(&name, text.as_bytes(), in_place);
        self.counts.jobs += 1;
    }

    /// Drop a file that a job waits for.
    fn deliver_one(&mut self, index: usize) {
        if let Some((name, bytes)) = self.jobs[index].missing.pop() {
            let in_place = self.chance.one_in(3);
            self.machine.drop_file(&name, &bytes, in_place);
        }
    }

    fn deliver(&mut self, index: usize) {
        while !self.jobs[index].missing.is_empty() {
            self.deliver_one(index);
        }
    }

    fn cancel(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        let index = usize::try_from(self.chance.below(self.jobs.len() as u64)).unwrap();
        let job = &mut self.jobs[index];
        job.is_cancelled = true;
        if self.chance.one_in(2) {
            self.machine.drop_file(&format!("{}.cancel", job.name), b"", false);
        } else {
            let _ = control::leave(&self.machine.control(), &ControlRequest::Cancel(job.name.clone().into()));
        }
    }

    /// Retry a job that is done, once.
    fn retry(&mut self) {
        let done = names(&self.machine.at("lab/spool/done"));
        let is_done = |job: &&mut LifeJob| {
            let file = format!("~{}.yaml", job.name);
            !job.is_retried && !job.is_broken && done.iter().any(|name| name.ends_with(&file))
        };
        if let Some(job) = self.jobs.iter_mut().find(is_done) {
            let request = ControlRequest::Retry(job.name.clone().into());
            control::leave(&self.machine.control(), &request).unwrap();
            job.is_retried = true;
        }
    }

    /// Take some bundles away.
    fn collect(&mut self) {
        self.look_at_outbox();
        for name in names(self.machine.outbox()) {
            if name.ends_with(".json.gz") && !name.starts_with('.') && self.chance.one_in(2) {
                let file = self.machine.outbox().join(&name);
                fs_err::copy(&file, self.machine.at("collected").join(&name)).unwrap();
                fs_err::remove_file(file).unwrap();
            }
        }
    }

    /// Every bundle that a reader of the outbox sees is whole, and under a known name are the known bytes.
    fn look_at_outbox(&mut self) {
        for name in names(self.machine.outbox()) {
            // Names that begin with a dot are hidden from readers, as BUNDLE-FORMAT.md says.
            if name.starts_with('.') || name == "status.json" {
                continue;
            }
            assert!(name.ends_with(".json.gz"), "{name} is in the outbox");
            let bytes = fs_err::read(self.machine.outbox().join(&name)).unwrap();
            let digest = Sha256::digest(&bytes).to_vec();
            match self.seen.get(&name) {
                Some(known) => assert_eq!(known, &digest, "{name} was published twice, with other bytes"),
                None => {
                    if let Err(error) = backbone::bundle::read::decode(bytes.as_slice()) {
                        panic!("{name} is not whole: {error}");
                    }
                    self.seen.insert(name, digest);
                }
            }
        }
    }
}

/// Names of the entries of a folder; none if it is not there.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    // One that is removed meanwhile is no entry.
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
