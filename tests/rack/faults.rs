//! Hosts that do not do their part: each is named, with its reason and a hint, and holds up no other.

use crate::collect::fill;
use crate::lab::{Lab, keygen, lacks_sshd};
use crate::rig::{job, model};

/// The code of the error of a host, as programs read it.
fn code(answer: &serde_json::Value, host: usize) -> String {
    answer["hosts"][host]["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn host_that_is_down_or_has_another_key_is_named_and_the_others_are_served() {
    if lacks_sshd() {
        return;
    }
    let mut lab = Lab::new(4);
    for (number, device) in lab.devices.iter().enumerate() {
        fill(&device.rig, &format!("hosthosthost{number}"), 2);
    }
    lab.devices[0].go_down();
    // The key of the second is another than the one known here, that of the third is not known.
    let known = fs_err::read_to_string(lab.known_hosts()).unwrap();
    keygen(&lab.path("other"));
    let other = fs_err::read_to_string(lab.path("other.pub")).unwrap();
    let mut lines: Vec<String> = known.lines().map(str::to_owned).collect();
    let place = lines[1].split(' ').next().unwrap().to_owned();
    lines[1] = format!("{place} {}", other.trim());
    lines.remove(2);
    fs_err::write(lab.known_hosts(), format!("{}\n", lines.join("\n"))).unwrap();
    for command in [&["collect", "-o", "all"][..], &["status"]] {
        let arguments = [command, &["pi-1", "pi-2", "pi-3", "pi-4"]].concat();
        let answer = lab.json(&arguments);
        let codes: Vec<String> = (0..4).map(|host| code(&answer, host)).collect();
        assert_eq!(codes, ["unreachable", "host_key_changed", "host_key_unknown", ""], "{answer:#}");
        let (text, _) = lab.ends_with(1, &arguments);
        assert!(text.contains("Connection refused") && text.contains("ssh-keygen -R"), "{text}");
    }
    assert_eq!(lab.collected("all").len(), 2);
}

#[test]
fn device_without_backbone_or_with_that_of_another_processor_or_version_is_named() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::running(3);
    fs_err::remove_file(lab.devices[0].rig.path("bin/backbone")).unwrap();
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    elf.extend(if cfg!(target_arch = "x86_64") { [0xb7, 0] } else { [0x3e, 0] });
    elf.resize(4096, 0);
    lab.devices[1].replace("backbone", "");
    fs_err::write(lab.devices[1].rig.path("bin/backbone"), elf).unwrap();
    let real = crate::rig::BACKBONE;
    lab.devices[2].replace(
        "backbone",
        &format!("#!/bin/sh\n\"{real}\" \"$@\" | sed 's/\"version\": \"[^\"]*\"/\"version\": \"99.1.0\"/'\n"),
    );
    fs_err::write(lab.path("net.sim"), model(300)).unwrap();
    fs_err::write(lab.path("a.yaml"), job("net.sim", "runtime: sim")).unwrap();
    let answer = lab.json(&["submit", "pi-1", "pi-2", "pi-3", "a.yaml", "--wait"]);
    let codes: Vec<String> = (0..3).map(|host| code(&answer, host)).collect();
    assert_eq!(codes, ["no_backbone", "wrong_architecture", ""], "{answer:#}");
    let third = &answer["hosts"][2];
    assert_eq!((&third["version"], third["results"].as_array().unwrap().len()), (&"99.1.0".into(), 1));
    assert!(third["notes"][0].as_str().unwrap().contains("judge"), "{answer:#}");
}

#[test]
fn device_that_is_full_or_gives_no_rights_keeps_no_half_job() {
    if lacks_sshd() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("BACKBONE_REQUIRE_SSHD").is_none(), "needs root");
        eprintln!("skipped: needs root to mount and to become another user");
        return;
    }
    let lab = Lab::running(3);
    let inbox = lab.devices[0].rig.inbox("");
    lab.devices[0].replace(
        "rsync",
        &format!(
            "#!/bin/sh\nexec unshare --mount sh -c 'mount -t tmpfs -o size=64k none \"{}\" && exec /usr/bin/rsync \"$@\"' rsync \"$@\"\n",
            inbox.display()
        ),
    );
    lab.devices[1].replace(
        "rsync",
        "#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/rsync \"$@\"\n",
    );
    lab.devices[2].replace("rsync", "#!/bin/sh\necho 'sh: 1: rsync: not found' >&2\nexit 127\n");
    let mut big = model(300).into_bytes();
    big.resize(1 << 20, b' ');
    fs_err::write(lab.path("net.sim"), big).unwrap();
    fs_err::write(lab.path("a.yaml"), job("net.sim", "runtime: sim")).unwrap();
    let answer = lab.json(&["submit", "pi-1", "pi-2", "pi-3", "a.yaml"]);
    let codes: Vec<String> = (0..3).map(|host| code(&answer, host)).collect();
    assert_eq!(codes, ["no_room", "no_rights", "no_rsync"], "{answer:#}");
    for device in &lab.devices {
        assert_eq!(device.rig.inbox_names(), [""; 0], "no job without its model");
    }
}

#[test]
fn name_of_a_host_never_becomes_an_option_or_a_command() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::new(0);
    for name in ["-oProxyCommand=touch planted", "$(touch planted)", "a;touch planted", "`touch planted`"] {
        for command in [&["status", "--"][..], &["collect", "-o", "all", "--"]] {
            // The flag for ssh must come before `--`.
            let mut line = crate::rig::clean(crate::rig::BACKBONE);
            let output = line.current_dir(lab.path("")).args(command).arg(name).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{output:?}");
        }
    }
    assert!(!lab.path("planted").exists());
}

#[test]
fn status_has_a_line_for_each_host() {
    if lacks_sshd() {
        return;
    }
    let mut lab = Lab::running(3);
    lab.devices[1].rig.kill();
    lab.devices[2].go_down();
    let (text, _) = lab.ends_with(1, &["status", "pi-1", "pi-2", "pi-3"]);
    let states: Vec<&str> =
        text.lines().skip(1).take(3).map(|line| line.split("  ").nth(1).unwrap().trim()).collect();
    assert_eq!(states[0], "idle", "{text}");
    assert!(states[1].starts_with("no daemon"), "{text}");
    assert_eq!(states[2], "unreachable", "{text}");
    let answer = lab.json(&["status", "pi-1", "pi-2"]);
    assert_eq!(
        (&answer["hosts"][0]["daemon_runs"], &answer["hosts"][1]["daemon_runs"]),
        (&true.into(), &false.into())
    );
    assert_eq!(answer["hosts"][0]["status"]["state"], "idle");
}
