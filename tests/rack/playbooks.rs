//! `ansible/`: linted, and played against a folder that stands for a host, and against a host of the rack.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::collect::fill;
use crate::lab::{Lab, lacks_sshd};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of Ansible's, or nothing and why.
fn ansible(program: &str, arguments: &[&str]) -> Option<Output> {
    let packages = repository().join("target/python-ansible");
    let file: PathBuf = packages.join("bin").join(program);
    if !file.is_file() {
        let message = format!("{} is missing; `make test-rack` installs it", file.display());
        assert!(std::env::var_os("BACKBONE_REQUIRE_ANSIBLE").is_none(), "{message}");
        eprintln!("skipped: {message}");
        return None;
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("python3");
    command.arg(&file).args(arguments).current_dir(repository().join("ansible"));
    command.env("PYTHONPATH", &packages).env("PATH", format!("{}:{path}", packages.join("bin").display()));
    command.env("ANSIBLE_NOCOLOR", "1").env("LC_ALL", "C.UTF-8").env_remove("ANSIBLE_CONFIG");
    Some(command.output().unwrap())
}

fn good(output: &Output) -> String {
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn playbooks_are_well_formed_and_without_a_finding_of_the_linter() {
    for playbook in ["roll-out.yml", "collect.yml"] {
        let Some(output) =
            ansible("ansible-playbook", &["--syntax-check", "-i", "inventory.example.yml", playbook])
        else {
            return;
        };
        good(&output);
    }
    if let Some(output) = ansible("ansible-lint", &["--offline", "--strict", "roll-out.yml", "collect.yml"]) {
        good(&output);
    }
}

#[test]
fn role_writes_what_a_host_needs_and_changes_nothing_the_second_time() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("host");
    fs_err::create_dir(&folder).unwrap();
    let inventory = root.path().join("inventory.yml");
    let text = format!(
        "backbone:\n  hosts:\n    local-root:\n      ansible_connection: local\n      ansible_python_interpreter: python3\n  vars:\n    \
         backbone_become: false\n    backbone_root: {}\n    backbone_push: rsync\n    backbone_push_target: lab@desk:/srv/results\n    \
         backbone_settings: {{metrics_folder: /var/lib/prometheus/node-exporter, rescan_seconds: 30}}\n",
        folder.display()
    );
    fs_err::write(&inventory, text).unwrap();
    let play = || ansible("ansible-playbook", &["-i", inventory.to_str().unwrap(), "roll-out.yml"]);
    let Some(first) = play() else { return };
    good(&first);
    let again = good(&play().unwrap());
    assert!(again.contains("changed=0"), "{again}");
    let settings = folder.join("etc/backbone/config.yaml");
    let text = fs_err::read_to_string(&settings).unwrap();
    assert!(text.contains("rescan_seconds: 30"), "{text}");
    // The daemon understands them.
    let output = crate::rig::clean(crate::rig::BACKBONE)
        .args(["status", "--config"])
        .arg(&settings)
        .arg("--state")
        .arg(&folder)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("no daemon is running"), "{output:?}");
    for file in
        ["backbone-push-rsync.service", "backbone-push-rsync.timer", "backbone.service.d/metrics.conf"]
    {
        assert!(folder.join("etc/systemd/system").join(file).exists(), "{file}");
    }
}

#[test]
fn playbook_collects_from_hosts_of_the_rack() {
    if lacks_sshd() {
        return;
    }
    let lab = Lab::new(2);
    for (number, device) in lab.devices.iter().enumerate() {
        fill(&device.rig, &format!("hosthosthos{number}"), 3);
    }
    fs_err::write(lab.path("inventory.yml"), "backbone:\n  hosts:\n    pi-1:\n    pi-2:\n").unwrap();
    let (inventory, results) = (lab.path("inventory.yml"), lab.path("results"));
    let variables = serde_json::json!({
        "backbone_command": crate::rig::BACKBONE,
        "backbone_results": results,
        "backbone_remove": true,
        "backbone_ssh": format!("ssh -F '{}'", lab.path("ssh config").display()),
    });
    let variables = variables.to_string();
    let arguments = ["-i", inventory.to_str().unwrap(), "-e", &variables, "collect.yml"];
    let Some(output) = ansible("ansible-playbook", &arguments) else { return };
    good(&output);
    assert_eq!(lab.collected("results").len(), 6);
    assert!(lab.devices.iter().all(|device| device.rig.bundle_files().is_empty()));
}
