//! Power control against a machine in memory.

use std::rc::Rc;

use super::fake_machine::{GPU, Memory, OVERRIDE, POLICIES};
use super::hold::{PowerHost, TakeError};
use super::*;
use crate::bundle::format::PowerRequest;
use crate::host::family;

fn host(memory: &Rc<Memory>) -> PowerHost {
    PowerHost::new(family(&**memory).power, memory.clone(), memory.clone())
}

fn request(power_mode: Option<&str>, lock_clocks: bool) -> PowerRequest {
    PowerRequest { power_mode: power_mode.map(str::to_owned), lock_clocks }
}

const THIRTY_WATTS: Option<&str> = Some("MODE_30W_ALL");

#[test]
fn family_is_found_by_the_device_tree() {
    assert_eq!(family(&Memory::jetson()).name, "jetson");
    assert_eq!(family(&Memory::linux()).name, "linux");
    let coral = Memory::linux();
    let compatible = "fsl,imx8mq-phanbell\0fsl,imx8mq\0".to_owned();
    coral.files.borrow_mut().insert("/proc/device-tree/compatible".to_owned(), compatible);
    assert_eq!(family(&coral).name, "coral");
}

#[test]
fn applying_what_was_read_changes_nothing() {
    for memory in [Memory::jetson(), Memory::nano(), Memory::linux()] {
        let control = family(&memory).power;
        let state = read(control, &memory);
        assert!(!state.settings.is_empty());
        let applied = apply(control, &memory, state.clone(), &|_| state.clone(), AfterModeError::Stop);
        assert_eq!(memory.operations.get(), 0);
        assert_eq!(applied.state, state);
        assert!(applied.differences.is_empty());
    }
}

#[test]
fn jetson_is_brought_into_the_mode_and_locked_at_its_caps_and_restored() {
    let memory = Rc::new(Memory::jetson());
    let before = memory.files.borrow().clone();
    let hold = host(&memory).take("1-a", &request(THIRTY_WATTS, true)).unwrap();
    assert!(hold.not_applied.is_empty(), "{:?}", hold.not_applied);
    assert_eq!(hold.applied.mode.as_ref().unwrap().name, "MODE_30W_ALL");
    for policy in POLICIES {
        assert_eq!(memory.file(&format!("{policy}/scaling_min_freq")), "1500");
    }
    assert_eq!(memory.file(&format!("{GPU}/min_freq")), "900");
    assert_eq!(memory.file(&format!("{GPU}/device/railgate_enable")), "0");
    assert_eq!(memory.file("/sys/kernel/debug/bpmp/debug/clk/emc/rate"), "1600");
    assert_eq!(memory.file("/sys/devices/system/cpu/cpu0/cpuidle/state0/disable"), "1");
    assert!(memory.kept.borrow().is_some());
    let recovered = hold.release().unwrap();
    assert!(recovered.was_left && recovered.not_restored.is_empty(), "{recovered:?}");
    let mut after = memory.files.borrow().clone();
    // Unlocked, its rate is the memory controller's to choose.
    let rate = "/sys/kernel/debug/bpmp/debug/clk/emc/rate";
    after.insert(rate.to_owned(), before[rate].clone());
    assert_eq!(after, before);
    assert!(memory.kept.borrow().is_none());
}

#[test]
fn memory_clock_of_a_nano_is_locked_at_the_modes_cap_and_given_back() {
    let memory = Rc::new(Memory::nano());
    let before = memory.files.borrow().clone();
    let hold = host(&memory).take("1-a", &request(THIRTY_WATTS, true)).unwrap();
    assert!(hold.not_applied.is_empty(), "{:?}", hold.not_applied);
    let state =
        |memory: &Memory| ["clk_state", "clk_rate"].map(|name| memory.file(&format!("{OVERRIDE}/{name}")));
    assert_eq!(state(&memory), ["1", "1600"]);
    assert_eq!(hold.applied.settings[&format!("{OVERRIDE}/clk_rate")], "1600");
    assert!(hold.release().unwrap().not_restored.is_empty());
    assert_eq!((state(&memory)[0].as_str(), memory.enabled.get()), ("0", 0));
    let mut after = memory.files.borrow().clone();
    after.insert(format!("{OVERRIDE}/clk_rate"), before[&format!("{OVERRIDE}/clk_rate")].clone());
    assert_eq!(after, before);
}

#[test]
fn memory_clock_that_its_owner_locked_keeps_his_rate_afterwards() {
    let memory = Rc::new(Memory::nano());
    memory.files.borrow_mut().insert(format!("{OVERRIDE}/clk_rate"), "800".to_owned());
    Machine::write(&*memory, &format!("{OVERRIDE}/clk_state"), "1").unwrap();
    let before = memory.files.borrow().clone();
    let control = family(&*memory).power;
    let found = read(control, &*memory);
    let applied = apply(control, &*memory, found.clone(), &|_| found.clone(), AfterModeError::Stop);
    assert_eq!((applied.differences.len(), memory.operations.get()), (0, 1), "nothing but the owner's write");
    let hold = host(&memory).take("1-a", &request(None, true)).unwrap();
    assert_eq!(memory.file(&format!("{OVERRIDE}/clk_rate")), "1333");
    hold.release().unwrap();
    assert_eq!(*memory.files.borrow(), before);
    assert_eq!(memory.enabled.get(), 1);
}

#[test]
fn memory_clock_that_shows_no_file_is_named_as_not_locked() {
    let memory = Rc::new(Memory::nano());
    memory.files.borrow_mut().retain(|path, _| !path.starts_with("/sys/kernel/debug/"));
    let hold = host(&memory).take("1-a", &request(None, true)).unwrap();
    assert_eq!(hold::describe(&hold.not_applied), "memory clock is not readable, not locked");
    assert!(hold.release().unwrap().not_restored.is_empty());
    let hold = host(&memory).take("2-a", &request(THIRTY_WATTS, false)).unwrap();
    assert!(hold.not_applied.is_empty(), "{:?}", hold.not_applied);
}

#[test]
fn personal_computer_is_locked_without_turbo_and_its_modes_are_governors() {
    let memory = Rc::new(Memory::linux());
    let before = memory.files.borrow().clone();
    let hold = host(&memory).take("1-a", &request(None, true)).unwrap();
    assert_eq!(memory.file("/sys/devices/system/cpu/intel_pstate/no_turbo"), "1");
    assert_eq!(memory.file(&format!("{}/scaling_governor", POLICIES[1])), "performance");
    assert_eq!(memory.file(&format!("{}/scaling_min_freq", POLICIES[1])), "1600");
    drop(hold);
    assert_eq!(*memory.files.borrow(), before);
    let error = host(&memory).take("1-a", &request(Some("ondemand"), false)).unwrap_err();
    assert_eq!(error.code(), "power_mode_not_offered");
    assert_eq!(
        error.to_string(),
        "power mode `ondemand` is not offered by this host, which has `performance`, `schedutil`"
    );
    let hold = host(&memory).take("1-a", &request(Some("performance"), false)).unwrap();
    assert_eq!(memory.file(&format!("{}/scaling_min_freq", POLICIES[0])), "800");
    drop(hold);
}

#[test]
fn nothing_is_changed_before_the_state_found_is_kept() {
    let memory = Rc::new(Memory::jetson());
    let before = memory.files.borrow().clone();
    memory.lives(1);
    let error = host(&memory).take("1-a", &request(THIRTY_WATTS, true)).unwrap_err();
    assert!(matches!(error, TakeError::NotSaved(_)));
    assert_eq!(*memory.files.borrow(), before);
}

#[test]
fn clamped_clock_is_what_could_not_be_reached_and_nothing_else() {
    let memory = Rc::new(Memory::jetson());
    let clamped = format!("{GPU}/min_freq");
    memory.clamps.borrow_mut().insert(clamped.clone(), 700);
    let hold = host(&memory).take("1-a", &request(None, true)).unwrap();
    let expected =
        PowerDifference { setting: clamped, wanted: "900".into(), found: Some("700".into()), error: None };
    assert_eq!(hold.not_applied, [expected]);
    // What was already low enough for the clamp is restored all the same.
    drop(hold);
    assert_eq!(memory.file(&format!("{GPU}/min_freq")), "300");
}

#[test]
fn read_only_settings_are_named_with_what_the_kernel_said() {
    let memory = Rc::new(Memory::linux());
    let all: Vec<String> = memory.files.borrow().keys().cloned().collect();
    memory.read_only.borrow_mut().extend(all);
    let hold = host(&memory).take("1-a", &request(None, true)).unwrap();
    // Five of the processors, three of the card.
    assert_eq!(hold.not_applied.len(), 8, "{:?}", hold.not_applied);
    assert!(
        hold.not_applied
            .iter()
            .all(|it| it.error.as_deref() == Some("read-only filesystem or storage medium"))
    );
    drop(hold);
    assert!(memory.kept.borrow().is_none());
}

#[test]
fn setting_that_cannot_be_restored_stays_kept_and_is_restored_when_it_can() {
    let memory = Rc::new(Memory::linux());
    let before = memory.files.borrow().clone();
    let hold = host(&memory).take("1-a", &request(None, true)).unwrap();
    let stuck = format!("{}/scaling_governor", POLICIES[0]);
    memory.read_only.borrow_mut().insert(stuck.clone());
    let recovered = hold.release().unwrap();
    assert_eq!(recovered.not_restored.iter().map(|it| &it.setting).collect::<Vec<_>>(), [&stuck]);
    // The next job must not take the changed state for the owner's.
    let hold = host(&memory).take("2-a", &request(None, true)).unwrap();
    assert_eq!(hold.found().settings[&stuck], "schedutil");
    memory.read_only.borrow_mut().clear();
    drop(hold);
    assert_eq!(*memory.files.borrow(), before);
    assert!(memory.kept.borrow().is_none());
}

#[test]
fn hold_that_is_dropped_in_a_panic_restores_the_host() {
    let memory = Rc::new(Memory::jetson());
    let mode = memory.file("/var/lib/nvpmodel/status");
    let host = host(&memory);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _hold = host.take("1-a", &request(THIRTY_WATTS, true)).unwrap();
        panic!("as a mistake in the daemon would");
    }));
    assert!(result.is_err());
    assert_eq!(memory.file("/var/lib/nvpmodel/status"), mode);
    assert!(memory.kept.borrow().is_none());
}

/// What matters of a machine's state: everything but the rate that its memory controller chooses.
fn owners(memory: &Memory) -> BTreeMap<String, String> {
    let mut files = memory.files.borrow().clone();
    files.remove("/sys/kernel/debug/bpmp/debug/clk/emc/rate");
    files.remove(&format!("{OVERRIDE}/clk_rate"));
    files.insert("enabled".to_owned(), memory.enabled.get().to_string());
    files
}

#[test]
fn killed_at_any_step_of_lock_and_restore_a_thousand_times_the_host_is_restored_a_thousand_times() {
    let machines: [fn() -> Memory; 3] = [Memory::jetson, Memory::nano, Memory::linux];
    let requests = [(THIRTY_WATTS, true), (None, true), (Some("MAXN"), false)];
    let (mut trials, mut restored, mut killed) = (0, 0, 0);
    'all: for second in 0.. {
        for machine in machines {
            for (mode, lock) in requests {
                let is_jetson = family(&machine()).name == "jetson";
                let request = request(mode.filter(|_| is_jetson), lock);
                let whole = Rc::new(machine());
                drop(host(&whole).take("1-a", &request).unwrap());
                for first in 1..=whole.operations.get() {
                    let memory = Rc::new(machine());
                    let before = owners(&memory);
                    memory.lives(first);
                    // Killed while it takes or while it gives back: what runs after that does nothing.
                    drop(host(&memory).take("1-a", &request));
                    killed += usize::from(!memory.is_alive());
                    // The next start is killed too, ever later.
                    memory.revives();
                    memory.lives(second + 1);
                    let _ = host(&memory).recover();
                    memory.revives();
                    let recovered = host(&memory).recover().unwrap();
                    assert!(recovered.not_restored.is_empty(), "{recovered:?}");
                    trials += 1;
                    restored += usize::from(owners(&memory) == before && memory.kept.borrow().is_none());
                    if trials == 1000 {
                        break 'all;
                    }
                }
            }
        }
    }
    assert_eq!((trials, restored), (1000, 1000));
    assert!(killed > 900, "only {killed} were killed");
}
