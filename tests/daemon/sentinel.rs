//! Sentinels: one fixed network between the configurations of a job, and once in so many hours by the daemon
//! itself; the desk shows how the device drifted. With the real ONNX Runtime.

use backbone::bundle::format::{Bundle, Role, Schedule, ScheduleOrder, Status};

use crate::library::with_onnxruntime;
use crate::rig::Rig;

fn schedule(bundle: &Bundle) -> Schedule {
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    bundle.schedule.expect("a schedule")
}

#[test]
fn study_in_random_order_has_a_sentinel_in_its_bundles_and_the_desk_shows_the_drift() {
    let Some(settings) = with_onnxruntime("") else { return };
    let rig = Rig::running_with(settings);
    rig.drop_file(
        "s.yaml",
        "backbone: 1\n\
         study: {blocks: [depthwise-separable, spatially-separable], kernels: [3, 5], batches: [1], inputs: [32], precisions: [fp32]}\n\
         measure: {warm_up_runs: 1, timed_runs: 6, seed: 7}\norder: random\nsentinel_every: 2\n\
         sentinel: {block: depthwise-separable, kernel: 3, input: 32, precision: fp32, width_percent: 50}\n",
    );
    let mut bundles = rig.wait_until_done(7);
    bundles.sort_by_key(|bundle| schedule(bundle).place);
    let roles: Vec<Role> = bundles.iter().map(|bundle| schedule(bundle).role).collect();
    let (sentinel, configuration) = (Role::Sentinel, Role::Configuration);
    assert_eq!(
        roles,
        [sentinel, configuration, configuration, sentinel, configuration, configuration, sentinel]
    );
    for (index, bundle) in bundles.iter().enumerate() {
        let Schedule { order, seed, place, places, .. } = schedule(bundle);
        assert_eq!((order, seed, place, places), (ScheduleOrder::Random, Some(7), index as u64 + 1, 7));
    }
    let networks: Vec<&str> =
        bundles.iter().map(|bundle| bundle.configuration.as_ref().unwrap().name.as_str()).collect();
    assert!(networks[0] == networks[3] && networks[3] == networks[6], "{networks:?}");
    let outbox = rig.outbox("");
    let rows = rig.must(&["results", outbox.to_str().unwrap(), "--include-simulated", "--json"]);
    let rows: Vec<serde_json::Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 7);
    for row in &rows {
        let (mean, drift) = (row["latency_mean"].as_f64().unwrap(), row["drift"].as_f64().unwrap());
        let corrected = row["latency_mean_corrected"].as_f64().unwrap();
        assert!(drift > 0.0 && (corrected - mean / drift).abs() < 1e-9 * mean, "{row}");
    }
    let shown = rig.command(&["results", outbox.to_str().unwrap(), "--include-simulated"]);
    let (table, notes) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    assert!(table.contains("mean, corrected for drift") && table.contains("(sentinel)"), "{table}");
    assert!(notes.contains("drift of s") && notes.contains("over 3 sentinels"), "{notes}");
}

#[test]
fn daemon_measures_its_own_sentinel_once_in_its_hours_and_keeps_the_series_over_a_restart() {
    let Some(settings) = with_onnxruntime("sentinel_hours: 24\n") else { return };
    let mut rig = Rig::running_with(settings);
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!((bundle.job.name.as_str(), schedule(&bundle).role), ("sentinel", Role::Sentinel));
    let wanted = |status: &backbone::daemon::status::Status| status.sentinel.is_some();
    let series = rig.wait_for_status("a series", wanted).sentinel.unwrap();
    assert_eq!((series.count, series.last.bundle.as_str()), (1, bundle.id.as_str()));
    let mean = bundle.summary.as_ref().unwrap().mean;
    assert!((series.last.mean_milliseconds - mean).abs() < 1e-6 * mean);
    assert!(rig.must(&["status"]).contains("number 1; no change of level"));
    rig.kill();
    rig.start();
    let again = rig.wait_for_status("the series again", wanted).sentinel.unwrap();
    assert_eq!(again, series);
    assert_eq!(rig.bundles().len(), 1, "it is not due yet");
}
