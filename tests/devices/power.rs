//! The daemon on fake hosts: a job asks for a power state, is measured in it, and the host is restored to the
//! state in which its owner left it, whatever happens in between.

use std::path::{Path, PathBuf};

use backbone::bundle::format::{Bundle, Power, Stage, Status, VerdictState};
use rustix::process::Signal;

use crate::rig::{Rig, Settings, hosts, job, long_job, model, slow_model};

const XAVIER: &str = "agx-xavier-jetpack-4.3";
const ORIN: &str = "agx-orin-jetpack-6.0";

/// Steady enough for a verdict, quick enough for a test.
const MICROSECONDS: u64 = 2_000;

fn rig_on(host: &str, settings: Settings) -> Rig {
    let rig = Rig::new(settings);
    hosts::fill(&rig.path("host"), host);
    rig
}

fn drop_job(rig: &Rig, name: &str, text: &str) {
    fs_err::write(rig.inbox(format!("{name}.yaml")), text).unwrap();
}

fn drop_model(rig: &Rig, text: &str) {
    fs_err::write(rig.inbox("net.sim"), text).unwrap();
}

/// A Xavier in the middle of a long trial, its power state changed for it; and the state before.
fn in_a_trial() -> (Rig, hosts::State) {
    let mut rig = rig_on(XAVIER, Settings::default());
    let before = hosts::state(&rig.path("host"));
    drop_model(&rig, &slow_model());
    drop_job(&rig, "long", &long_job("net.sim", "host: {power_mode: MODE_30W_ALL, lock_clocks: true}"));
    rig.start();
    rig.wait_for_status("a running trial", |status| status.running.is_some());
    (rig, before)
}

fn in_mode(mode: &str) -> String {
    job("net.sim", &format!("host: {{power_mode: {mode}, lock_clocks: true}}"))
}

fn kept(rig: &Rig) -> PathBuf {
    rig.path("host/var/lib/backbone/power-state.json")
}

fn power(bundle: &Bundle) -> &Power {
    bundle.environment.as_ref().and_then(|told| told.power.as_ref()).expect("a power state")
}

fn codes(bundle: &Bundle) -> Vec<&str> {
    bundle.verdict.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

/// Reasons that are about power.
fn power_codes(bundle: &Bundle) -> Vec<&str> {
    let ours = [
        "power_state_not_held",
        "clocks_not_locked",
        "power_mode_not_in_force",
        "unknown_release",
        "power_state_unobserved",
    ];
    codes(bundle).into_iter().filter(|code| ours.contains(code)).collect()
}

#[test]
fn job_on_a_xavier_is_measured_in_its_mode_and_the_host_is_restored() {
    let mut rig = rig_on(XAVIER, Settings::default());
    let before = hosts::state(&rig.path("host"));
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "smoke", &in_mode("MODE_30W_ALL"));
    rig.start();
    let bundles = rig.wait_until_done(1);
    let power = power(&bundles[0]);
    assert_eq!(bundles[0].outcome.status, Status::Measured);
    assert_eq!(power.found.mode.as_ref().unwrap().name, "MODE_15W");
    let applied = power.applied.as_ref().unwrap();
    assert_eq!(
        (applied.mode.as_ref().unwrap().id, applied.mode.as_ref().unwrap().name.as_str()),
        (3, "MODE_30W_ALL")
    );
    assert_eq!(applied.settings["/sys/class/devfreq/17000000.gv11b/min_freq"], "900000000");
    assert_eq!(applied.settings["/sys/kernel/debug/bpmp/debug/clk/emc/rate"], "1600000000");
    assert_eq!((&power.not_applied[..], &power.not_held[..], power.restored), (&[][..], &[][..], Some(true)));
    assert_eq!(power_codes(&bundles[0]), [""; 0]);
    assert!(bundles[0].simulated);
    assert_eq!(hosts::state(&rig.path("host")).differences(&before), [""; 0]);
    assert!(!kept(&rig).exists());
}

#[test]
fn job_that_asks_for_nothing_is_measured_in_the_state_it_finds_and_reports_it() {
    let mut rig = rig_on("laptop-usb-edgetpu", Settings::default());
    let before = hosts::state(&rig.path("host"));
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "smoke", &job("net.sim", ""));
    rig.start();
    let bundles = rig.wait_until_done(1);
    let power = power(&bundles[0]);
    assert_eq!((power.applied.as_ref(), power.restored), (None, None));
    assert_eq!(power.found.settings["/sys/devices/system/cpu/intel_pstate/no_turbo"], "0");
    assert_eq!(power_codes(&bundles[0]), [""; 0]);
    assert_eq!(hosts::state(&rig.path("host")).differences(&before), [""; 0]);
}

#[test]
fn study_holds_its_state_for_all_configurations_and_restores_it_once() {
    let mut rig = rig_on(XAVIER, Settings::default());
    let before = hosts::state(&rig.path("host"));
    drop_model(&rig, &model(MICROSECONDS));
    let both = in_mode("MAXN").replace("model: net.sim", "model: net.sim\nruntime: [sim, onnxruntime]");
    // Whether or not a library is there to measure it, it has its turn.
    let both = both.replace("model: net.sim", "model: [net.sim, tokens.onnx]");
    let tokens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/tokens.onnx");
    fs_err::copy(tokens, rig.inbox("tokens.onnx")).unwrap();
    drop_job(&rig, "both", &both);
    rig.start();
    let bundles = rig.wait_until_done(2);
    assert_eq!(power(&bundles[0]).restored, None, "kept for the next configuration");
    assert_eq!(power(&bundles[1]).restored, Some(true));
    assert_eq!(hosts::state(&rig.path("host")).differences(&before), [""; 0]);
    assert_eq!(rig.log().matches("power state changed").count(), 1, "{}", rig.log());
}

#[test]
fn mode_that_the_host_does_not_offer_rejects_the_job_and_lists_those_it_has() {
    let mut rig = rig_on(XAVIER, Settings::default());
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "wrong", &in_mode("MODE_50W"));
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!((bundle.outcome.status, bundle.outcome.stage), (Status::Rejected, Some(Stage::Power)));
    assert_eq!(bundle.outcome.reason.as_deref(), Some("power_mode_not_offered"));
    insta::assert_snapshot!(bundle.outcome.detail.unwrap(), @"power mode `MODE_50W` is not offered by this host, which has `MAXN`, `MODE_10W`, `MODE_15W`, `MODE_30W_ALL`, `MODE_30W_6CORE`, `MODE_30W_4CORE`, `MODE_30W_2CORE`");
    assert!(bundle.outcome.hint.is_some());
}

#[test]
fn every_failure_of_nvpmodel_has_its_own_reason_and_the_host_stays_as_it_was() {
    let cases = [
        ("refuse", "power_mode_refused"),
        ("silent", "power_mode_not_set"),
        ("errors", "power_mode_refused"),
        ("busy", "power_mode_refused"),
        ("readonly", "power_mode_refused"),
        ("root", "power_mode_denied"),
        ("ask", "reboot_needed"),
        ("missing", "power_tool_missing"),
    ];
    for (fault, code) in cases {
        let mut rig = rig_on(XAVIER, Settings::default());
        let before = hosts::state(&rig.path("host"));
        match fault {
            "missing" => fs_err::remove_file(rig.path("host/usr/sbin/nvpmodel")).unwrap(),
            _ => hosts::make_faulty(&rig.path("host"), fault),
        }
        drop_model(&rig, &model(MICROSECONDS));
        drop_job(&rig, "faulty", &in_mode("MODE_30W_ALL"));
        drop_job(&rig, "next", &job("net.sim", ""));
        rig.start();
        rig.wait_until_done(2);
        let bundle = rig.bundle_of("faulty");
        assert_eq!(
            (bundle.outcome.status, bundle.outcome.stage),
            (Status::Failed, Some(Stage::Power)),
            "{fault}"
        );
        assert_eq!(bundle.outcome.reason.as_deref(), Some(code), "{fault}: {:?}", bundle.outcome);
        assert!(bundle.outcome.hint.is_some(), "{fault}");
        assert_eq!(
            (bundle.verdict.state, codes(&bundle)),
            (VerdictState::Invalid, vec!["not_measured"]),
            "{fault}"
        );
        assert_eq!(rig.bundle_of("next").outcome.status, Status::Measured, "{fault}");
        assert_eq!(hosts::state(&rig.path("host")).differences(&before), [""; 0], "{fault}");
    }
}

#[test]
fn nvpmodel_that_hangs_costs_its_limit_and_the_job_not_the_daemon() {
    let mut rig = rig_on(XAVIER, Settings::default());
    hosts::make_faulty(&rig.path("host"), "hang");
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "hangs", &in_mode("MODE_30W_ALL"));
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.reason.as_deref(), Some("power_tool_hung"));
}

#[test]
fn mode_that_is_back_after_three_seconds_makes_the_result_invalid() {
    let mut rig = rig_on(XAVIER, Settings::default());
    hosts::make_faulty(&rig.path("host"), "revert");
    drop_model(&rig, &slow_model());
    let measure = "measure: {warm_up_runs: 1, timed_runs: 60}";
    drop_job(&rig, "reverts", &job("net.sim", &format!("{measure}\nhost: {{power_mode: MAXN}}")));
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured);
    assert_eq!(bundle.verdict.state, VerdictState::Invalid);
    let change = &power(&bundle).not_held[0];
    // On a busy machine three seconds may be over before the process begins.
    assert_eq!((change.process, change.difference.setting.as_str()), (1, "power mode"));
    assert_eq!(change.difference.found.as_deref(), Some("MODE_15W (2)"));
    assert_eq!(power_codes(&bundle), ["power_state_not_held"]);
}

#[test]
fn host_is_restored_when_the_daemon_is_stopped_in_a_trial() {
    let (mut rig, before) = in_a_trial();
    // A session that closes, a terminal, and a limit of processor time are no other ends than a stop.
    for signal in [Signal::HUP, Signal::QUIT, Signal::INT, Signal::XCPU, Signal::TERM] {
        assert!(hosts::state(&rig.path("host")) != before);
        assert!(rig.end(signal).status.success(), "{signal:?}");
        assert_eq!(hosts::state(&rig.path("host")).differences(&before), [""; 0], "{signal:?}");
        assert!(!kept(&rig).exists());
        if signal != Signal::TERM {
            rig.start();
            rig.wait_for_timing();
        }
    }
    // The job is measured by the next start, in its mode again.
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(power(&bundle).applied.as_ref().unwrap().mode.as_ref().unwrap().name, "MODE_30W_ALL");
    assert_eq!(hosts::state(&rig.path("host")).differences(&before), [""; 0]);
}

#[test]
fn host_that_a_killed_daemon_left_changed_is_restored_at_the_next_start_before_anything_is_measured() {
    let (mut rig, before) = in_a_trial();
    rig.kill();
    assert!(hosts::state(&rig.path("host")) != before);
    assert!(kept(&rig).exists());
    rig.must(&["pause"]);
    rig.start();
    rig.wait_until("the host as it was", || !kept(&rig).exists());
    assert_eq!(hosts::state(&rig.path("host")).differences(&before), [""; 0]);
    assert!(rig.bundles().is_empty());
    rig.must(&["resume"]);
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(
        power(&bundle).found.mode.as_ref().unwrap().name,
        "MODE_15W",
        "the owner's, not what was left"
    );
}

#[test]
fn mode_that_needs_a_reboot_is_refused_unless_the_configuration_allows_it() {
    let mut rig = rig_on(ORIN, Settings::default());
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "fifty", &in_mode("MODE_50W"));
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.reason.as_deref(), Some("reboot_needed"));
    assert!(bundle.outcome.hint.unwrap().contains("reboot: for_power_mode"));
    assert!(!rig.path("host/faults/reboots").exists());
}

/// The machine goes down, its boot service sets the mode asked for last, and the daemon starts.
fn reboot(rig: &mut Rig) {
    rig.kill();
    hosts::nvpmodel(&rig.path("host"), &["-f", "/etc/nvpmodel.conf"]);
    rig.start();
}

#[test]
fn host_is_rebooted_once_for_a_job_that_then_continues_and_again_to_restore_it() {
    let mut rig = rig_on(ORIN, Settings { more: "reboot: for_power_mode", ..Settings::default() });
    let before = hosts::state(&rig.path("host"));
    let reboots = |rig: &Rig| {
        fs_err::read_to_string(rig.path("host/faults/reboots")).unwrap_or_default().lines().count()
    };
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "fifty", &in_mode("MODE_50W"));
    rig.start();
    rig.wait_until("a reboot", || reboots(&rig) == 1);
    drop_job(&rig, "urgent", &job("net.sim", "priority: 100"));
    reboot(&mut rig);
    rig.wait_until("a reboot to put the host back", || reboots(&rig) == 2);
    let bundle = rig.bundle_of("fifty");
    assert_eq!(bundle.outcome.status, Status::Measured);
    assert_eq!(power(&bundle).found.mode.as_ref().unwrap().name, "MODE_30W");
    assert_eq!(power(&bundle).applied.as_ref().unwrap().mode.as_ref().unwrap().name, "MODE_50W");
    assert_eq!(power(&bundle).restored, Some(false));
    reboot(&mut rig);
    rig.wait_until("the host as it was", || !kept(&rig).exists());
    rig.wait_until_done(2);
    assert_eq!(hosts::state(&rig.path("host")).differences(&before), [""; 0]);
    assert_eq!(reboots(&rig), 2);
    let urgent = rig.bundle_of("urgent");
    assert_eq!(power(&urgent).found.mode.as_ref().unwrap().name, "MODE_30W");
}

#[test]
fn reboot_that_does_not_bring_the_mode_is_not_tried_twice() {
    let mut rig = rig_on(ORIN, Settings { more: "reboot: for_power_mode", ..Settings::default() });
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "fifty", &in_mode("MODE_50W"));
    rig.start();
    let reboots =
        || fs_err::read_to_string(rig.path("host/faults/reboots")).unwrap_or_default().lines().count();
    rig.wait_until("a reboot", || reboots() == 1);
    // A boot service that sets the default mode, whatever was asked for.
    rig.kill();
    fs_err::write(rig.path("host/var/lib/nvpmodel/status"), "pmode:0002\n").unwrap();
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.reason.as_deref(), Some("reboot_needed"));
    let reboots = fs_err::read_to_string(rig.path("host/faults/reboots")).unwrap();
    assert_eq!(reboots.lines().count(), 1);
}

#[test]
fn unknown_board_and_release_are_measured_and_flagged() {
    let mut rig = rig_on(XAVIER, Settings::default());
    fs_err::write(rig.path("host/proc/device-tree/compatible"), b"nvidia,p9999-0000\0nvidia,tegra999\0")
        .unwrap();
    fs_err::write(rig.path("host/etc/nv_tegra_release"), "# R99 (release), REVISION: 1.0, GCID: 1\n")
        .unwrap();
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "unknown", &in_mode("MODE_30W_ALL"));
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured);
    assert_eq!((bundle.host.l4t.as_deref(), bundle.host.jetpack.as_deref()), (Some("99.1.0"), None));
    assert_eq!(power_codes(&bundle), ["unknown_release"]);
}

#[test]
fn virtual_machine_says_that_it_shows_no_clock() {
    let mut rig = rig_on("virtual-machine", Settings::default());
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "locked", &job("net.sim", "host: {lock_clocks: true}"));
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(power_codes(&bundle), ["clocks_not_locked", "power_state_unobserved"], "{bundle:?}");
}

#[test]
fn setting_that_cannot_be_written_is_flagged_and_the_rest_is_locked() {
    let mut rig = rig_on("laptop-usb-edgetpu", Settings::default());
    let before = hosts::state(&rig.path("host"));
    let governor = "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor";
    // A file of this machine's kernel that not even root may write.
    fs_err::remove_file(rig.path(format!("host{governor}"))).unwrap();
    fs_err::os::unix::fs::symlink("/proc/sys/kernel/ostype", rig.path(format!("host{governor}"))).unwrap();
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "locked", &job("net.sim", "host: {lock_clocks: true}"));
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    let power = power(&bundle);
    let refused: Vec<&str> = power.not_applied.iter().map(|it| it.setting.as_str()).collect();
    assert_eq!(refused, [governor]);
    assert_eq!(power.not_applied[0].error.as_deref(), Some("permission denied"));
    let applied = power.applied.as_ref().unwrap();
    assert_eq!(applied.settings["/sys/devices/system/cpu/cpufreq/policy1/scaling_governor"], "performance");
    assert_eq!((power_codes(&bundle), power.restored), (vec!["clocks_not_locked"], Some(true)));
    // The governor is a link now, and no file of the fake host's any more.
    assert_eq!(hosts::state(&rig.path("host")).differences(&before).len(), 1);
}

/// A setting of this machine's kernel that takes any number in silence and keeps what fits into its nine bits
/// (core(5)). Each process has its own, and begins with its parent's.
const CLAMPING: &str = "/proc/self/coredump_filter";

#[test]
fn clock_that_takes_a_limit_and_keeps_a_lower_one_is_flagged_and_restored() {
    // A number that is the same in the base in which it is read and in the one in which it is written.
    fs_err::write(CLAMPING, "1").unwrap();
    let mut rig = rig_on("laptop-usb-edgetpu", Settings::default());
    let before = hosts::state(&rig.path("host"));
    let policy = "/sys/devices/system/cpu/cpufreq/policy0";
    let lower = rig.path(format!("host{policy}/scaling_min_freq"));
    fs_err::remove_file(&lower).unwrap();
    fs_err::os::unix::fs::symlink(CLAMPING, &lower).unwrap();
    fs_err::write(rig.path(format!("host{policy}/scaling_max_freq")), "1538\n").unwrap();
    drop_model(&rig, &model(MICROSECONDS));
    drop_job(&rig, "locked", &job("net.sim", "host: {lock_clocks: true}"));
    rig.start();
    let bundle = rig.wait_until_done(1).remove(0);
    let power = power(&bundle);
    let told: Vec<(&str, &str, Option<&str>, Option<&str>)> = power
        .not_applied
        .iter()
        .map(|it| (it.setting.as_str(), it.wanted.as_str(), it.found.as_deref(), it.error.as_deref()))
        .collect();
    let lower = format!("{policy}/scaling_min_freq");
    assert_eq!(told, [(lower.as_str(), "1538", Some("00000002"), None)]);
    assert_eq!((power_codes(&bundle), power.restored), (vec!["clocks_not_locked"], Some(true)));
    assert_eq!(bundle.verdict.state, VerdictState::Suspect);
    // The lower limit is a link now, and the upper one a number that this test chose.
    assert_eq!(hosts::state(&rig.path("host")).differences(&before).len(), 2);
}

#[test]
fn mode_that_the_firmware_does_not_let_have_its_clocks_is_flagged() {
    for (more, code) in [("", "power_mode_not_in_force"), (", lock_clocks: true", "clocks_not_locked")] {
        let mut rig = rig_on(XAVIER, Settings::default());
        hosts::make_faulty(&rig.path("host"), "clamp");
        drop_model(&rig, &model(MICROSECONDS));
        drop_job(&rig, "clamped", &job("net.sim", &format!("host: {{power_mode: MODE_30W_ALL{more}}}")));
        rig.start();
        let bundle = rig.wait_until_done(1).remove(0);
        assert_eq!(bundle.outcome.status, Status::Measured);
        assert_eq!(power_codes(&bundle), [code], "{:?}", bundle.verdict);
        let told = &power(&bundle).not_applied[0];
        assert!(told.setting.ends_with("/scaling_max_freq"), "{told:?}");
        assert_eq!((told.wanted.as_str(), told.found.as_deref()), ("1200000", Some("883200")));
    }
}

#[test]
fn saved_power_state_that_is_damaged_fails_no_job_and_is_set_aside_and_named() {
    let (mut rig, before) = in_a_trial();
    rig.kill();
    let changed = hosts::state(&rig.path("host"));
    assert!(!changed.differences(&before).is_empty());
    let whole = fs_err::read(kept(&rig)).unwrap();
    fs_err::write(kept(&rig), &whole[..whole.len() / 2]).unwrap();
    rig.start();
    let status = rig.wait_for_attention("power_state_lost");
    let aside = Path::new(&status.attention[0].what).to_owned();
    assert_eq!(fs_err::read(&aside).unwrap(), &whole[..whole.len() / 2]);
    let bundle = rig.wait_until_done(1).remove(0);
    assert_eq!(bundle.outcome.status, Status::Measured, "{:?}", bundle.outcome);
    // Until somebody has looked at it, also after a start.
    rig.end(Signal::TERM);
    rig.start();
    rig.wait_for_attention("power_state_lost");
    fs_err::remove_file(&aside).unwrap();
    drop_job(&rig, "next", &job("net.sim", ""));
    rig.wait_until_done(2);
    rig.wait_for_status("no trouble", |status| status.attention.is_empty());
    assert_eq!(rig.bundle_of("next").outcome.status, Status::Measured);
}
