//! The shipped unit in a real systemd: installed, started, notified, killed, stalled and stopped.
//!
//! Needs root, systemd and util-linux; elsewhere the test prints why it skips, and fails instead under
//! `BACKBONE_REQUIRE_SYSTEMD=1` (set by `.ci/run` for root). `BACKBONE_TEST_EXECUTABLES` names a folder with
//! other executables than the ones just built, such as `target/release`.

use std::time::{Duration, Instant};

use crate::machine::{Before, Machine, missing};

/// What a stop may take, five times the 5 s that the daemon promises.
const STOP: Duration = Duration::from_secs(25);

#[test]
fn shipped_unit_measures_survives_a_kill_and_a_stall_and_stops_cleanly() {
    if let Some(missing) = missing() {
        assert!(std::env::var_os("BACKBONE_REQUIRE_SYSTEMD").is_none(), "cannot run: {missing}");
        eprintln!("skipped: {missing}");
        return;
    }
    let machine = Machine::boot(Before::Installed);
    machine.wait_for("the unit to be ready", || machine.property("ActiveState") == "active");
    assert_eq!(machine.property("NRestarts"), "0");

    // A dropped job becomes a bundle, and its records can be asked for by field.
    machine.drop_job("quick", r#"{"latency_us": [100]}"#, 10);
    machine.wait_for("the bundle of `quick`", || machine.bundles("quick") == 1);
    // Its worker had a user and a control group of its own, and everything else that the kernel has.
    let bundle = machine.output(&["sh", "-c", "zcat /srv/backbone/outbox/quick.*.json.gz"]);
    let bundle: serde_json::Value = serde_json::from_str(&bundle).unwrap();
    let enforced = bundle["environment"]["sandbox"]["enforced"].to_string();
    for part in ["own_user", "control_group", "no_capabilities", "system_calls", "processes"] {
        assert!(enforced.contains(part), "{part}: {}", bundle["environment"]["sandbox"]);
    }
    machine.wait_for("journal records with JOB=quick", || {
        machine
            .output(&["journalctl", "--unit=backbone", "--output=json", "JOB=quick"])
            .contains("\"JOB\":\"quick\"")
    });

    // SIGKILL while a worker runs: systemd starts the daemon again, which finishes the job once.
    machine.drop_job("slow", r#"{"latency_us": [100000]}"#, 30);
    machine.wait_for("a worker for `slow`", || machine.has_worker());
    // The daemon has what it needs to control power; a worker gave it up before it loaded anything.
    machine.wait_for("a worker without the daemon's rights", || machine.capabilities_of_worker() == Some(0));
    assert_ne!(machine.capabilities(&machine.property("MainPID")), Some(0));
    let killed = machine.property("MainPID");
    machine.run(&["systemctl", "kill", "--kill-who=main", "--signal=KILL", "backbone"]);
    machine.wait_for("the restart", || {
        machine.property("NRestarts") == "1"
            && machine.property("ActiveState") == "active"
            && machine.property("MainPID") != killed
    });
    machine.wait_for("the bundle of `slow`", || machine.bundles("slow") == 1);

    // A clean stop returns the running job to the queue; the next start finishes it.
    machine.drop_job("again", r#"{"latency_us": [100000]}"#, 30);
    machine.wait_for("a worker for `again`", || machine.has_worker());
    let began = Instant::now();
    machine.run(&["systemctl", "stop", "backbone"]);
    assert!(began.elapsed() <= STOP, "the stop took {:?}", began.elapsed());
    assert_eq!(machine.property("Result"), "success");
    assert_eq!(machine.bundles("again"), 0, "stopped, so not measured to the end");
    machine.run(&["systemctl", "start", "backbone"]);
    machine.wait_for("the bundle of `again`", || machine.bundles("again") == 1);

    // A daemon that hangs is ended by the watchdog and started again.
    machine.drop_in("[Service]\nWatchdogSec=2\nRestartSec=100ms\nTimeoutStopSec=2\n");
    machine.run(&["systemctl", "restart", "backbone"]);
    let stalled = machine.property("MainPID");
    machine.run(&["kill", "-STOP", &stalled]);
    machine.wait_for("the watchdog to restart the daemon", || {
        let main = machine.property("MainPID");
        main != stalled && main != "0" && machine.property("ActiveState") == "active"
    });
    let journal = machine.output(&["journalctl", "--unit=backbone", "--output=cat"]);
    assert!(journal.contains("Watchdog timeout"), "restarted, but not by the watchdog:\n{journal}");

    // None lost, none published twice, after all that.
    machine.drop_job("last", r#"{"latency_us": [100]}"#, 10);
    machine.wait_for("the bundle of `last`", || machine.bundles("last") == 1);
    for job in ["quick", "slow", "again"] {
        assert_eq!(machine.bundles(job), 1, "bundles of `{job}`");
    }
}
