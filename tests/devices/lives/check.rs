//! What holds at the end of every life.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use backbone::bundle::format::{Bundle, Status};
use backbone::collect::{OddityKind, collect};

use super::jobs::LifeJob;
use super::life::{Life, names};

/// What a process of a stopped daemon may take to be gone.
const PROCESSES_GONE_WITHIN: Duration = Duration::from_secs(5);

/// Reasons of failures that kills bring about.
const OF_KILLS: [&str; 3] = ["interrupted_repeatedly", "killed", "crash_after_result"];

impl Life {
    pub(super) fn check(&mut self) {
        let bundles = self.bundles();
        let mut runs: BTreeMap<&str, BTreeMap<&str, Vec<&Bundle>>> = BTreeMap::new();
        for bundle in bundles.values() {
            let of_job = runs.entry(&bundle.job.name).or_default();
            of_job.entry(&bundle.job.id).or_default().push(bundle);
        }
        for job in &self.jobs {
            let runs = runs.remove(job.name.as_str()).unwrap_or_default();
            let wanted = 1 + usize::from(job.is_retried);
            assert_eq!(runs.len(), wanted, "{} ran as {:?}", job.name, runs.keys());
            runs.into_iter().for_each(|(id, run)| check_run(job, id, &run));
        }
        assert!(runs.is_empty(), "bundles of jobs that no one dropped: {:?}", runs.keys());
        self.counts.bundles = bundles.len() as u64;
        let measured = bundles.values().filter(|bundle| bundle.outcome.status == Status::Measured);
        self.counts.measured = measured.count() as u64;
        let given_up =
            bundles.values().filter(|bundle| bundle.outcome.reason.as_deref() == Some(OF_KILLS[0])).count();
        self.counts.given_up = given_up as u64;
        self.check_chain();
        self.check_left_over();
    }

    /// Every bundle that was seen, by its name: those in the outbox and those that were collected.
    fn bundles(&self) -> BTreeMap<String, Bundle> {
        let mut bundles = BTreeMap::new();
        for name in self.seen.keys() {
            let places = [self.machine.outbox().join(name), self.machine.at("collected").join(name)];
            let bytes = places.iter().find_map(|path| fs_err::read(path).ok());
            let bytes = bytes.unwrap_or_else(|| panic!("{name} is gone"));
            bundles.insert(name.clone(), backbone::bundle::read::decode(bytes.as_slice()).unwrap());
        }
        bundles
    }

    /// What a desk finds in the copies: every link of the host's chain, and each as it was published.
    fn check_chain(&self) {
        let folders = [self.machine.outbox().to_owned(), self.machine.at("collected")];
        let collection = collect(&folders, true).unwrap();
        // A bundle that was published again after it was collected is the same file twice.
        let is_odd = |kind| !matches!(kind, OddityKind::Duplicate | OddityKind::Foreign);
        let odd: Vec<_> = collection.oddities.iter().filter(|oddity| is_odd(oddity.kind)).collect();
        assert!(odd.is_empty(), "{odd:#?}");
    }

    fn check_left_over(&self) {
        for part in ["queue", "journal", "models", "ready", "control", "workplace"] {
            let left = names(&self.machine.at("lab/spool").join(part));
            assert!(left.is_empty(), "spool/{part} still holds {left:?}");
        }
        let inbox = names(&self.machine.at("lab/inbox"));
        let is_model =
            |name: &&String| [".sim", ".onnx", ".data"].iter().any(|ending| name.ends_with(ending));
        let left: Vec<&String> = inbox.iter().filter(|name| !is_model(name)).collect();
        assert!(left.is_empty(), "the inbox still holds {left:?}");
        let hidden = |name: &String| name.starts_with('.');
        let left: Vec<String> = names(self.machine.outbox()).into_iter().filter(hidden).collect();
        assert!(left.is_empty(), "the outbox still holds {left:?}");
        let state = names(&self.machine.at("state"));
        let left: Vec<&String> = state.iter().filter(|name| hidden(name)).collect();
        assert!(left.is_empty(), "the state folder still holds {left:?}");
        assert_eq!(names(&self.machine.at("tmp")), [""; 0], "temporary files are left");
        assert_eq!(self.machine.power().differences(&self.power_before), [""; 0], "the host is changed");
        let deadline = Instant::now() + PROCESSES_GONE_WITHIN;
        while !self.machine.processes().is_empty() {
            assert!(Instant::now() < deadline, "processes are left: {:?}", self.machine.processes());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// One run of a job: a bundle for each configuration, and in each what was asked for.
fn check_run(job: &LifeJob, id: &str, run: &[&Bundle]) {
    let numbers: BTreeSet<&str> = run.iter().map(|bundle| bundle.id.as_str()).collect();
    assert_eq!((run.len(), numbers.len()), (job.configurations, run.len()), "{} {id}: {numbers:?}", job.name);
    for bundle in run {
        let outcome = &bundle.outcome;
        let reason = outcome.reason.as_deref().unwrap_or_default();
        let is_well = match outcome.status {
            Status::Measured => !job.is_broken,
            Status::Rejected => job.is_broken,
            Status::Cancelled => job.is_cancelled,
            Status::Failed => OF_KILLS.contains(&reason),
            Status::NotCompilable | Status::TimedOut => false,
        };
        assert!(is_well, "{} {}: {outcome:#?}", job.name, bundle.id);
        if outcome.status != Status::Measured {
            continue;
        }
        let runtime = bundle.runtime.as_ref().map_or("", |runtime| runtime.name.as_str());
        let trials = job.trials.iter().find(|(name, _)| *name == runtime).map(|(_, trials)| *trials);
        assert_eq!(Some(bundle.trials.len()), trials, "{} {}: trials", job.name, bundle.id);
        for trial in &bundle.trials {
            let counts = (trial.latencies.warm_up_ns.len(), trial.latencies.latency_ns.len());
            assert_eq!(counts, (job.warm_up_runs, job.timed_runs), "{} {}: latencies", job.name, bundle.id);
        }
    }
}
