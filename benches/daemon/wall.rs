//! Where the wall time of a hundred trials of a second goes, each after a second of waiting for a cool host:
//! at least 99 % of what is not waited belongs to the workers, which load, warm up and time; the rest is the
//! daemon's, for journals, status and readings. The runtime is `sim`, which is ready at once and takes
//! exactly the scripted time; it neither generates nor builds. Takes four minutes. `BACKBONE_BENCH_TRIALS`
//! sets another number of trials.

use std::io::{BufRead as _, BufReader};
use std::process::ExitCode;
use std::time::Duration;

use backbone::bundle::read;

use crate::rig::{Daemon, Place, Report};

/// Trials, unless told otherwise; the most processes that a job may ask for.
const TRIALS: u32 = 100;

/// Runs of a trial: five to warm up and ninety-five timed, of ten milliseconds each, are a second.
const RUNS: (u32, u32) = (5, 95);
const MICROSECONDS: u32 = 10_000;

/// A zone that never cools, and how long a trial waits for it. The bundle says how long it waited.
const HOT_MILLICELSIUS: &str = "60000\n";
const COOLING: &str = "host: {start_below_celsius: 50, wait_up_to_seconds: 1}";

/// The target, of the time that is not waited: waiting longer must not make it easier.
const LEAST_SHARE: f64 = 0.99;

pub(crate) fn run() -> ExitCode {
    let trials =
        std::env::var("BACKBONE_BENCH_TRIALS").ok().map_or(TRIALS, |text| text.parse().expect("a number"));
    let mut report = Report::new(&format!("{trials} trials of 1 s (simulated runtime)"));
    let place = Place::on_disk();
    place.stage("x.sim", &format!("{{\"latency_us\": [{MICROSECONDS}]}}"));
    place.drop_in("x.sim");
    let zone = place.path("root/sys/class/thermal/thermal_zone0");
    fs_err::create_dir_all(&zone).expect("a folder can be made");
    fs_err::write(zone.join("type"), "cpu-thermal\n").expect("a file can be written");
    fs_err::write(zone.join("temp"), HOT_MILLICELSIUS).expect("a file can be written");
    let (warm_up_runs, timed_runs) = RUNS;
    let job = format!(
        "backbone: 1\nmodel: x.sim\nruntime: sim\nmeasure: {{warm_up_runs: {warm_up_runs}, timed_runs: {timed_runs}, processes: {trials}}}\n{COOLING}\n"
    );
    place.stage("wall.yaml", &job);
    let daemon = Daemon::start(&place, "", &[]);
    place.drop_in("wall.yaml");
    daemon.wait("the first trial", Duration::from_secs(60), |status| status.running.is_some());
    // Open, so that it can be read after the job is done and its journal removed.
    let journals = place.path("spool").join("journal");
    let journal =
        fs_err::read_dir(journals).expect("journals").next().expect("a journal").expect("a journal");
    let journal = fs_err::File::open(journal.path()).expect("the journal");
    daemon.wait("the bundle", Duration::from_secs(10 + 4 * u64::from(trials)), |status| {
        status.finished.measured == 1
    });
    let bundle = place
        .path("outbox")
        .join(place.names("outbox").into_iter().find(|name| name.ends_with(".json.gz")).expect("a bundle"));
    let bundle = read::decode(fs_err::File::open(bundle).expect("the bundle")).expect("the bundle");
    let time = |text: &str| text.parse::<jiff::Timestamp>().expect("a time");
    // From the claim, not the first worker's start: the first wait comes before that.
    let claimed = time(bundle.times.claimed.as_deref().expect("a claim"));
    let wall = time(&bundle.times.finished).duration_since(claimed).as_secs_f64();
    let latencies = bundle
        .trials
        .iter()
        .flat_map(|trial| trial.latencies.warm_up_ns.iter().chain(&trial.latencies.latency_ns));
    let timed = latencies.map(|latency| latency.0 as f64 / 1e9).sum::<f64>();
    let workers: f64 = BufReader::new(journal)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.expect("a line")).expect("JSON"))
        .filter_map(|record| record["wall_seconds"].as_f64())
        .sum();
    let cooling = bundle.environment.expect("an environment").cooling;
    assert_eq!(cooling.len(), trials as usize, "not every trial waited");
    let waited: f64 = cooling.iter().map(|wait| wait.waited_seconds).sum();
    let not_waited = wall - waited;
    let share = |seconds: f64| format!("{seconds:.2} s, {:.2} %", seconds / not_waited * 100.0);
    report.figure("wall time", &format!("{wall:.2} s"));
    report.figure("waiting for a cool host", &format!("{waited:.2} s"));
    report.figure("all but waiting", &format!("{not_waited:.2} s"));
    report.figure("warm-up and timed runs", &share(timed));
    report.figure("starting, loading and ending", &share(workers - timed));
    report.figure("the daemon between two workers", &share(not_waited - workers));
    report.judged(
        "workers together",
        &share(workers),
        &format!("at least {} %", LEAST_SHARE * 100.0),
        workers / not_waited >= LEAST_SHARE,
    );
    report.end()
}
