//! Whole lives of a daemon, full of kills: at random moments the daemon gets SIGKILL (also while it starts),
//! or SIGTERM, or its worker gets SIGKILL, while jobs of every kind come, are cancelled, retried, paused and
//! collected. Whatever happens, at the end of a life every configuration of every job is in exactly one
//! bundle, the host is as its owner left it, and nothing is left behind.
//!
//! A life is drawn from its seed: the jobs, what is done to them, and for how long it waits. What the kernel
//! makes of these times is not, so a life that fails may have to be lived again more than once:
//! `BACKBONE_LIFE=SEED`. The first test is a short form; `make soak` runs `soak`, which continues where it
//! was stopped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use serde::{Deserialize, Serialize};

mod chance;
mod check;
mod jobs;
mod life;
mod machine;

use life::{Counts, Life};

/// Kills of the short form, and of `make soak` if nothing else is said.
const FEW_KILLS: u64 = 40;
const MANY_KILLS: u64 = 10_000;

/// How many kills a life has: few enough that jobs are not mostly given up, and many for those of one life to
/// meet each other's remains.
const KILLS_IN_A_LIFE: u64 = 20;

/// Lives at a time: while one waits for its host's stubs or its disk, another uses the processor.
const LIVES_AT_A_TIME: usize = 2;

/// The seed of one life to live, instead of others.
const ONE_LIFE: &str = "BACKBONE_LIFE";

/// How many kills `soak` is to reach, in all its runs.
const SOAK_KILLS: &str = "BACKBONE_SOAK_KILLS";

/// What was done so far, and what was found.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Summary {
    next_seed: u64,
    lives: u64,
    counts: Counts,
    violations: Vec<Violation>,
}

/// A life that did not end as it must.
#[derive(Debug, Serialize, Deserialize)]
struct Violation {
    seed: u64,
    what: String,
    /// The folders of that life.
    kept: PathBuf,
}

#[test]
fn lives_full_of_kills_lose_nothing_and_publish_nothing_twice() {
    let asked = std::env::var(ONE_LIFE).ok().map(|seed| seed.parse().expect("a seed is a number"));
    // The same lives at every run; `make soak` lives others.
    let seed = asked.unwrap_or(1);
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lives");
    let mut summary = Summary { next_seed: seed, ..Summary::default() };
    live(&mut summary, if asked.is_some() { 1 } else { FEW_KILLS }, &kept, &|_| {});
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
}

#[test]
#[ignore = "takes an hour; `make soak` runs it"]
fn soak() {
    let wanted = std::env::var(SOAK_KILLS).map_or(MANY_KILLS, |kills| kills.parse().expect("a number"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/soak");
    fs_err::create_dir_all(&folder).unwrap();
    let file = folder.join("summary.json");
    let read = fs_err::read(&file).map(|text| serde_json::from_slice(&text).expect("a summary of a soak"));
    let mut summary: Summary = read.unwrap_or_default();
    live(&mut summary, wanted, &folder, &|summary| {
        // By rename: a soak is stopped at any moment.
        let fresh = folder.join("summary.json.new");
        fs_err::write(&fresh, serde_json::to_vec_pretty(summary).unwrap()).unwrap();
        fs_err::rename(&fresh, &file).unwrap();
    });
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
}

/// Live until there were so many kills; `noted` is called after each life.
fn live(summary: &mut Summary, kills: u64, kept: &Path, noted: &(dyn Fn(&Summary) + Sync)) {
    let began = Instant::now();
    // No second life for one that was asked for.
    let at_a_time = if kills == 1 { 1 } else { LIVES_AT_A_TIME };
    let summary = Mutex::new(summary);
    let draw = || {
        let mut summary = summary.lock().unwrap();
        (summary.counts.kills() < kills).then(|| {
            summary.next_seed += 1;
            summary.next_seed - 1
        })
    };
    std::thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(seed) = draw() {
                    let lived = live_once(seed, kept);
                    let mut summary = summary.lock().unwrap();
                    summary.lives += 1;
                    match lived {
                        Ok(counts) => summary.counts.add(&counts),
                        Err(violation) => summary.violations.push(violation),
                    }
                    let Summary { lives, counts, violations, .. } = &**summary;
                    println!(
                        "life {seed}: {lives} lives, {counts}, {} violations, {:.0} s",
                        violations.len(),
                        began.elapsed().as_secs_f64()
                    );
                    noted(&summary);
                    if violations.len() > 20 {
                        return;
                    }
                }
            });
        }
    });
}

/// One life. If it does not end as it must, its folders are kept.
fn live_once(seed: u64, kept: &Path) -> Result<Counts, Violation> {
    let folder = tempfile::Builder::new().prefix("life-").tempdir().unwrap();
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let mut life = Life::begin(seed, folder.path());
        life.live(KILLS_IN_A_LIFE);
        life.end()
    }));
    lived.map_err(|panic| {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let kept = kept.join(format!("violation-{seed}"));
        fs_err::create_dir_all(kept.parent().unwrap()).unwrap();
        let _ = std::process::Command::new("cp").arg("-a").arg(folder.path()).arg(&kept).status();
        Violation { seed, what: what.unwrap_or_default(), kept }
    })
}
