//! Every fake host: what is detected there, and that its power state can be locked and restored, file by
//! file.

use std::rc::Rc;

use backbone::bundle::format::{PowerRequest, PowerState};
use backbone::host::power::hold::PowerHost;
use backbone::host::power::saved::SavedFile;
use backbone::host::{self, HostRoot};

use crate::rig::hosts;

fn power(root: &HostRoot) -> PowerHost {
    let keep = SavedFile::of(root, root.as_path());
    PowerHost::new(host::family(root).power, Rc::new(root.clone()), Rc::new(keep))
}

#[test]
fn every_fake_host_is_detected_for_what_it_is() {
    let mut text = String::new();
    for name in hosts::all() {
        let folder = tempfile::tempdir().unwrap();
        hosts::fill(folder.path(), &name);
        let mut found = host::observe(&HostRoot::new(folder.path()).unwrap());
        found.root = String::new();
        text.push_str(&format!("{name}\n{}\n", serde_json::to_string_pretty(&found).unwrap()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_fake_host_is_locked_and_restored_as_it_was() {
    let mut locked = 0;
    for name in hosts::all() {
        let folder = tempfile::tempdir().unwrap();
        hosts::fill(folder.path(), &name);
        let before = hosts::state(folder.path());
        let root = HostRoot::new(folder.path()).unwrap();
        let power = power(&root);
        let hold = power.take("1-a", &PowerRequest { power_mode: None, lock_clocks: true }).unwrap();
        assert!(hold.not_applied.is_empty(), "{name}: {:?}", hold.not_applied);
        let is_locked = |state: &PowerState| {
            let mut limits = state.settings.iter().filter(|(path, _)| path.ends_with("min_freq"));
            limits.all(|(path, lower)| state.settings[&path.replace("min_freq", "max_freq")] == *lower)
        };
        assert!(is_locked(&hold.applied), "{name}: {:?}", hold.applied);
        let changed = hosts::state(folder.path());
        locked += usize::from(changed != before);
        assert_eq!(changed != before, name != "virtual-machine", "{name}");
        let recovered = hold.release().unwrap();
        assert!(recovered.not_restored.is_empty(), "{name}: {:?}", recovered.not_restored);
        assert_eq!(hosts::state(folder.path()).differences(&before), [""; 0], "{name}");
        assert!(!power.is_left(), "{name}");
    }
    assert!(locked >= 10, "{locked}");
}

#[test]
fn every_mode_that_needs_no_reboot_is_set_by_its_name_and_the_former_comes_back() {
    let mut refused = Vec::new();
    for (name, modes) in [
        ("agx-xavier-jetpack-4.3", ["MAXN", "MODE_30W_ALL", "MODE_30W_2CORE", "MODE_10W"]),
        ("xavier-nx-jetpack-5.1", ["MODE_15W_6CORE", "MODE_20W_2CORE", "MODE_10W_DESKTOP", "MODE_10W_4CORE"]),
        ("agx-orin-jetpack-6.0", ["MODE_30W", "MODE_50W", "MODE_15W", "MAXN"]),
        ("orin-nano-jetpack-6.2", ["MAXN_SUPER", "15W", "25W", "7W"]),
        ("nano-jetpack-4.6", ["MAXN", "5W", "MAXN", "5W"]),
        ("thor-jetpack-7.0", ["90W", "70W", "120W", "MAXN"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        hosts::fill(folder.path(), name);
        let before = hosts::state(folder.path());
        let power = power(&HostRoot::new(folder.path()).unwrap());
        for mode in modes {
            let request = PowerRequest { power_mode: Some(mode.to_owned()), lock_clocks: true };
            match power.take("1-a", &request) {
                Ok(hold) => {
                    let present = hosts::nvpmodel(folder.path(), &["-q"]);
                    assert!(present.contains(&format!("NV Power Mode: {mode}\n")), "{name}: {present}");
                    assert!(hold.not_applied.is_empty(), "{name} {mode}: {:?}", hold.not_applied);
                    hold.release().unwrap();
                }
                Err(error) => refused.push(format!("{name} {mode} {}", error.code())),
            }
            assert_eq!(hosts::state(folder.path()).differences(&before), [""; 0], "{name} {mode}");
            assert!(!power.is_left(), "{name} {mode}");
        }
    }
    // Those that change which parts of the graphics processor have power.
    assert_eq!(
        refused,
        [
            "agx-xavier-jetpack-4.3 MODE_10W reboot_needed",
            "agx-orin-jetpack-6.0 MODE_50W reboot_needed",
            "agx-orin-jetpack-6.0 MODE_15W reboot_needed",
            "agx-orin-jetpack-6.0 MAXN reboot_needed",
            "orin-nano-jetpack-6.2 7W reboot_needed",
            "thor-jetpack-7.0 MAXN reboot_needed",
        ]
    );
}
