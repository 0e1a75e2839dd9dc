//! Hosts whose date is years off, and jumps: a board without a clock starts in 1970, and a server of time
//! corrects it in the middle of everything. Jobs keep their order, and nothing is old before its time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use backbone::bundle::format::Status;
use rustix::process::Signal;

use crate::rig::{Rig, Settings, job, model};

const TEN_YEARS: i64 = 10 * 365 * 86_400;

/// The library that shifts the date of a process; made once.
fn stub() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clock-{}", std::process::id()));
        fs_err::create_dir_all(&folder).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clock/stub.rs");
        let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        command.args([
            "--edition",
            "2024",
            "--crate-type",
            "cdylib",
            "-C",
            "strip=symbols",
            "-o",
            "clock.so",
        ]);
        assert!(command.arg(source).current_dir(&folder).status().unwrap().success());
        folder.join("clock.so")
    })
}

/// Set the date of the daemon, by renaming: it may read the file at any moment.
fn set_date(rig: &Rig, offset_seconds: i64) {
    fs_err::write(rig.path("offset.new"), offset_seconds.to_string()).unwrap();
    fs_err::rename(rig.path("offset.new"), rig.path("offset")).unwrap();
}

fn start(rig: &mut Rig) {
    let mut serve = rig.serve();
    serve.env("LD_PRELOAD", stub()).env("CLOCK_OFFSET_FILE", rig.path("offset"));
    rig.begin(&mut serve);
}

/// Drop jobs whose names are in no order, one after the other.
fn drop_jobs(rig: &Rig, names: &[&str]) {
    for name in names {
        rig.drop_file(format!("{name}.yaml"), job("net.sim", ""));
        rig.wait_for_clock();
    }
}

#[test]
fn date_that_is_years_off_and_jumps_costs_no_job_and_no_order() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let to_1970 = 100 - i64::try_from(now).unwrap();
    let mut rig = Rig::new(Settings { more: "model_retention_seconds: 3600", ..Settings::default() });
    let mut order: Vec<String> = Vec::new();
    rig.drop_file("net.sim", model(50));
    for (round, (at_start, later)) in
        [(to_1970, 0), (TEN_YEARS, -TEN_YEARS), (-TEN_YEARS, TEN_YEARS), (0, to_1970)].into_iter().enumerate()
    {
        let names = ["zebra", "ant", "mule", "bee"].map(|name| format!("{name}-{round}"));
        let [first, second, third, fourth] = names.each_ref().map(String::as_str);
        set_date(&rig, at_start);
        // Two while the daemon is down, one while it runs, one after the date jumped.
        drop_jobs(&rig, &[first, second]);
        start(&mut rig);
        drop_jobs(&rig, &[third]);
        set_date(&rig, later);
        drop_jobs(&rig, &[fourth]);
        order.extend(names.iter().cloned());
        let bundles = rig.wait_until_done(order.len());
        assert!(bundles.iter().all(|bundle| bundle.outcome.status == Status::Measured), "{}", rig.log());
        let found: Vec<&str> = bundles.iter().map(|bundle| bundle.job.name.as_str()).collect();
        assert_eq!(found, order, "the ids are in the order of arrival");
        assert_eq!(rig.measured_order(), order);
        // The model is as old as before: its retention does not go by the date.
        assert_eq!(rig.inbox_names(), ["net.sim"]);
        rig.wait_for_status("no trouble", |status| status.attention.is_empty() && status.running.is_none());
        assert!(rig.must(&["status"]).contains("idle"));
        rig.end(if round % 2 == 0 { Signal::TERM } else { Signal::KILL });
    }
}
