//! The packages, on a real dpkg and a real systemd: installed, upgraded while a job runs, downgraded, removed
//! and purged; in a container; over a hand-made installation. And the man pages and completions in them.
//!
//! `packaging/build` makes them of the executables just built, uncompressed, because a test needs no small
//! ones; `BACKBONE_TEST_EXECUTABLES` names others. Machines need root and systemd, as in `systemd.rs`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::machine::{Before, Machine, executables, folder_with, missing, remove_groups};
use crate::rig::clean;

#[path = "../../packaging/pages/render.rs"]
mod pages;

/// Packages in a folder that lives as long as they do.
struct Packages {
    folder: tempfile::TempDir,
}

impl Packages {
    /// Or a reason why none can be made and installed here.
    fn possible() -> Option<Self> {
        let is_debian =
            ["/usr/bin/dpkg-deb", "/usr/sbin/adduser"].iter().all(|path| Path::new(path).exists());
        let lacking = if is_debian { missing() } else { Some("this is not Debian or Ubuntu".to_owned()) };
        if let Some(lacking) = lacking.or_else(no_worker) {
            assert!(std::env::var_os("BACKBONE_REQUIRE_SYSTEMD").is_none(), "cannot run: {lacking}");
            eprintln!("skipped: {lacking}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        pages::write(&folder.path().join("pages"), "2026-01-31").unwrap();
        Some(Self { folder })
    }

    /// `packaging/build`, with what differs between two machines that build.
    fn build(&self, kind: &str, version: &str, umask: &str) -> PathBuf {
        let output = self.folder.path().join(format!("{version}-{umask}"));
        let mut build = clean("bash");
        build.args(["-c", &format!("umask {umask}; exec packaging/build \"$@\""), "build", kind, "--quick"]);
        build.args(["--version", version, "--runtimes", "/nowhere"]);
        build.arg("--executables").arg(executables());
        build.arg("--pages").arg(self.folder.path().join("pages"));
        build.arg("--output").arg(&output).env("SOURCE_DATE_EPOCH", "1769860800");
        let made = done(build.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("MAKEFLAGS"));
        PathBuf::from(String::from_utf8(made.stdout).unwrap().lines().next().unwrap())
    }

    fn deb(&self, version: &str) -> PathBuf {
        self.build("deb", version, "022")
    }

    /// The same package after a change of what is in it.
    fn changed(&self, package: &Path, script: &str) -> PathBuf {
        let (root, changed) = (self.folder.path().join("root"), package.with_extension("changed.deb"));
        done(clean("dpkg-deb").arg("-R").args([package, &root]));
        done(clean("sh").args(["-ec", script]).current_dir(&root));
        done(clean("dpkg-deb").args(["-Znone", "-b"]).args([&root, &changed]));
        fs_err::remove_dir_all(root).unwrap();
        changed
    }
}

impl Packages {
    /// Where a machine sees one of them.
    fn seen(&self, package: &Path) -> String {
        let below = package.strip_prefix(self.folder.path()).unwrap();
        format!("/var/packages/{}", below.display())
    }

    /// What a command prints in the place of systemd, as in a container.
    fn in_container(&self, script: &str) -> String {
        let folder = folder_with(self.folder.path());
        let mut boot = clean("tests/systemd/boot");
        let script = format!("exec 2>&1; {script}");
        boot.arg("outside").arg(folder.path()).args(["-", "sh", "-c", &script]);
        let output = boot.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        remove_groups(folder.path());
        text(&output)
    }
}

/// The package is of all three executables.
fn no_worker() -> Option<String> {
    let is_there = executables().join("backbone-worker-tflite").exists();
    (!is_there).then(|| "built without the feature tflite".to_owned())
}

fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    output
}

/// What it printed, both streams.
fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `dpkg` in the machine, without questions.
fn dpkg(machine: &Machine, arguments: &[&str]) -> Output {
    let mut command = vec![
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "dpkg",
        "--force-unsafe-io",
        "--force-confold",
        "--no-triggers",
    ];
    command.extend(arguments);
    machine.try_run(&command)
}

fn install(machine: &Machine, package: &str) -> String {
    let output = dpkg(machine, &["--install", package]);
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

fn file(machine: &Machine, path: &str) -> String {
    machine.output(&["cat", path])
}

fn exists(machine: &Machine, path: &str) -> bool {
    machine.try_run(&["test", "-e", path]).status.success()
}

#[test]
fn package_is_upgraded_while_a_job_runs_refuses_a_downgrade_and_keeps_results_when_it_is_purged() {
    let Some(packages) = Packages::possible() else { return };
    let (old, new) = (packages.deb("0.1.0"), packages.deb("0.1.1"));
    let new = packages.changed(&new, "echo '# a new default' >> etc/backbone/config.yaml");
    let (old, new) = (packages.seen(&old), packages.seen(&new));
    let machine = Machine::boot_with(packages.folder.path(), Before::Bare);
    let said = install(&machine, &old);
    assert!(!said.contains("made by hand"), "{said}");
    machine.wait_for("the unit to be ready", || machine.property("ActiveState") == "active");
    assert_eq!(machine.output(&["systemctl", "is-enabled", "backbone"]), "enabled");
    assert_eq!(text(&dpkg(&machine, &["--verify", "backbone"])), "");
    assert_eq!(file(&machine, "/srv/backbone/spool/format"), "1");

    upgrade_while_a_job_runs(&machine, &new);
    refuse_a_downgrade(&machine, &old);
    remove_and_purge(&machine);
}

fn upgrade_while_a_job_runs(machine: &Machine, new: &str) {
    machine.run(&["sh", "-c", "echo 'settle_seconds: 2' >> /etc/backbone/config.yaml"]);
    machine.drop_job("slow", r#"{"latency_us": [100000]}"#, 60);
    machine.wait_for("a worker for `slow`", || machine.has_worker());
    let identity = file(machine, "/srv/backbone/spool/identity");
    machine.drop_job("queued", r#"{"latency_us": [100]}"#, 10);
    let before = machine.property("MainPID");
    let said = install(machine, new);
    eprintln!("{said}");
    machine.wait_for("the new daemon", || machine.property("ActiveState") == "active");
    assert_ne!(machine.property("MainPID"), before);
    for job in ["slow", "queued"] {
        machine.wait_for("the bundle of a job", || machine.bundles(job) == 1);
    }
    let journal = machine.output(&["journalctl", "--unit=backbone", "--output=cat", "JOB=slow"]);
    eprintln!("{journal}");
    // What the tag is stays for the life of a spool; the number may have grown.
    let tag = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    let now = file(machine, "/srv/backbone/spool/identity");
    assert_eq!(tag(&now), tag(&identity));
    // A file that was edited and that the package changed too: the edited one stays, the other is next to it.
    assert!(file(machine, "/etc/backbone/config.yaml").ends_with("settle_seconds: 2"));
    assert!(file(machine, "/etc/backbone/config.yaml.dpkg-dist").ends_with("# a new default"));
    assert!(!exists(machine, "/run/backbone-was-active"));
}

fn refuse_a_downgrade(machine: &Machine, old: &str) {
    machine.run(&["systemctl", "stop", "backbone"]);
    machine.run(&["sh", "-c", "echo 2 > /srv/backbone/spool/format"]);
    let refused = dpkg(machine, &["--install", old]);
    assert!(!refused.status.success());
    let said = text(&refused);
    assert!(
        said.contains("/srv/backbone/spool/format says format 2, and this version reads formats up to 1"),
        "{said}"
    );
    assert_eq!(
        machine.output(&["dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", "backbone"]),
        "0.1.1 installed"
    );
    // The daemon refuses as well, and loses nothing.
    machine.run(&["sh", "-c", "systemctl start backbone || true"]);
    machine.wait_for("the daemon to refuse", || {
        machine
            .output(&["journalctl", "--unit=backbone", "--output=cat"])
            .contains("a newer backbone wrote it (format 2")
    });
    // With formats that the older version reads, a downgrade is like an upgrade.
    machine.run(&["sh", "-c", "systemctl stop backbone; echo 1 > /srv/backbone/spool/format; systemctl reset-failed backbone; systemctl start backbone"]);
    install(machine, old);
    machine.wait_for("the older daemon", || machine.property("ActiveState") == "active");
    machine.drop_job("older", r#"{"latency_us": [100]}"#, 10);
    machine.wait_for("the bundle of `older`", || machine.bundles("older") == 1);
}

fn remove_and_purge(machine: &Machine) {
    let removed = dpkg(machine, &["--remove", "backbone"]);
    assert!(removed.status.success(), "{}", text(&removed));
    assert!(!exists(machine, "/usr/bin/backbone-daemon"));
    assert!(machine.property("LoadState") != "loaded", "the unit is still there");
    assert!(!machine.try_run(&["pgrep", "-x", "backbone-daemon"]).status.success());
    for kept in ["/etc/backbone/config.yaml", "/var/lib/backbone", "/srv/backbone/spool"] {
        assert!(exists(machine, kept), "{kept}");
    }
    let purged = dpkg(machine, &["--purge", "backbone"]);
    assert!(purged.status.success(), "{}", text(&purged));
    assert!(
        text(&purged).contains(
            "kept what was measured or is still to be measured: /srv/backbone/inbox /srv/backbone/outbox"
        ),
        "{}",
        text(&purged)
    );
    for job in ["slow", "queued", "older"] {
        assert_eq!(machine.bundles(job), 1, "bundles of `{job}`");
    }
    for gone in ["/etc/backbone/config.yaml", "/var/lib/backbone", "/srv/backbone/spool"] {
        assert!(!exists(machine, gone), "{gone}");
    }
}

#[test]
fn package_over_a_hand_made_installation_names_it_and_takes_its_jobs_over() {
    let Some(packages) = Packages::possible() else { return };
    let package = packages.seen(&packages.deb("0.1.0"));
    let machine = Machine::boot_with(packages.folder.path(), Before::Installed);
    machine.wait_for("the unit to be ready", || machine.property("ActiveState") == "active");
    machine.drop_job("slow", r#"{"latency_us": [100000]}"#, 30);
    machine.wait_for("a worker for `slow`", || machine.has_worker());
    let before = machine.property("MainPID");
    let said = install(&machine, &package);
    assert!(said.contains("made by hand"), "{said}");
    assert!(said.contains("/usr/bin/backbone: replaced by this package's"), "{said}");
    assert!(said.contains("/usr/lib/systemd/system/backbone.service: replaced"), "{said}");
    machine.wait_for("the package's daemon", || {
        machine.property("ActiveState") == "active" && machine.property("MainPID") != before
    });
    machine.wait_for("the bundle of `slow`", || machine.bundles("slow") == 1);
}

#[test]
fn package_installs_without_systemd_and_leaves_a_missing_mount_alone() {
    let Some(packages) = Packages::possible() else { return };
    let package = packages.deb("0.1.0");
    let foreign =
        packages.changed(&package, "sed -i 's/^Architecture: .*/Architecture: riscv64/' DEBIAN/control");
    let (package, foreign) = (packages.seen(&package), packages.seen(&foreign));

    let said = packages.in_container(&format!(
        "dpkg --no-triggers -i {package} && echo \"$?: $(dpkg --verify backbone)\" && ls -ld /srv/backbone/inbox && \
         systemctl is-enabled backbone && dpkg -P backbone && ls /srv"
    ));
    assert!(said.contains("systemd does not run here, so nothing is started"), "{said}");
    assert!(said.contains("drwxrwsr-x 2 backbone backbone") && said.contains("enabled"), "{said}");
    assert!(!said.contains("error"), "{said}");

    // No systemd at all: the users and folders are made without it.
    let said = packages.in_container(&format!(
        "rm -f /usr/bin/systemd-sysusers /usr/bin/systemd-tmpfiles /usr/bin/systemctl; dpkg --no-triggers -i {package} \
         && id backbone-worker && stat -c '%U %a' /srv/backbone/spool/control /srv/backbone/outbox"
    ));
    assert!(said.contains("(backbone-worker)") && said.contains("backbone 2770\nbackbone 2775"), "{said}");

    let said = packages.in_container(&format!(
        "echo 'LABEL=results /srv/backbone ext4 defaults 0 2' >> /etc/fstab; dpkg --no-triggers -i {package}; \
         ls /srv/backbone && echo filled; dpkg-query -W -f '${{db:Status-Status}}' backbone"
    ));
    assert!(said.contains("/srv/backbone should be mounted and is not"), "{said}");
    assert!(!said.contains("filled") && said.ends_with("installed"), "{said}");

    let said = packages.in_container(&format!("dpkg --no-triggers -i {foreign}; ls /usr/bin/backbone"));
    assert!(said.contains("riscv64") && said.contains("cannot access '/usr/bin/backbone'"), "{said}");
}

#[test]
fn archive_installs_upgrades_and_is_removed_without_dpkg() {
    let Some(packages) = Packages::possible() else { return };
    let archive = packages.build("tarball", "0.1.0", "022");
    let said = packages.in_container(&format!(
        "cd /tmp && tar -xf {} && cd backbone-* && ./install && ./install && \
         stat -c '%U %a %n' /usr/local/bin/backbone /usr/local/share/man/man1/backbone.1 /etc/backbone/config.yaml /srv/backbone/inbox \
         /usr/local/share/backbone/ansible/roll-out.yml /usr/local/share/backbone/systemd/push/backbone-push-rsync.timer && \
         /usr/local/bin/backbone --version && grep ExecStart= /usr/local/lib/systemd/system/backbone.service && \
         mkdir -p /srv/backbone/spool && echo 7 > /srv/backbone/spool/format && ./install; echo \"refused with $?\"; \
         ./install --remove && find /usr/local | grep backbone",
        packages.seen(&archive)
    ));
    for expected in [
        "root 755 /usr/local/bin/backbone",
        "root 644 /usr/local/share/man/man1/backbone.1",
        "root 644 /etc/backbone/config.yaml",
        "backbone 2775 /srv/backbone/inbox",
        "root 644 /usr/local/share/backbone/ansible/roll-out.yml",
        "root 644 /usr/local/share/backbone/systemd/push/backbone-push-rsync.timer",
        "ExecStart=/usr/local/bin/backbone serve",
        "says format 7, and this version reads formats up to 1",
        "refused with 2",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(said.trim_end().ends_with("stay"), "something is left:\n{said}");
}

#[test]
fn two_builds_have_the_same_bytes_whoever_builds() {
    let Some(packages) = Packages::possible() else { return };
    for (kind, list) in [("deb", "dpkg-deb --fsys-tarfile \"$0\" | tar -tv"), ("tarball", "tar -tvf \"$0\"")]
    {
        let [one, other] = ["022", "077"].map(|umask| packages.build(kind, "0.1.0", umask));
        if fs_err::read(&one).unwrap() != fs_err::read(&other).unwrap() {
            let [one, other] = [one, other].map(|made| {
                let listed = done(clean("sh").args(["-ec", list]).arg(&made));
                let control = done(
                    clean("sh").args(["-ec", "ar p \"$0\" control.tar | tar -tv; ar tv \"$0\""]).arg(&made),
                );
                format!("{}{}", text(&control), text(&listed))
            });
            panic!("two builds of the {kind} differ:\n{one}\n{other}");
        }
    }
}

#[test]
fn maintainer_scripts_pass_shellcheck() {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        eprintln!("skipped: shellcheck is missing");
        return;
    }
    let script = "cd packaging; shellcheck build check install */preinst */postinst */prerm */postrm";
    done(clean("bash").args(["-c", script]).current_dir(env!("CARGO_MANIFEST_DIR")));
}

/// Every command and subcommand, as `backbone-list-runtimes`.
fn commands(command: &clap::Command, name: &str, into: &mut Vec<String>) {
    into.push(name.to_owned());
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        commands(below, &format!("{name}-{}", below.get_name()), into);
    }
}

#[test]
fn every_command_has_a_page_that_a_formatter_accepts() {
    let folder = tempfile::tempdir().unwrap();
    pages::write(folder.path(), "2026-01-31").unwrap();
    let mut expected = Vec::new();
    commands(&backbone::cli::command(), "backbone", &mut expected);
    commands(&backbone::cli::daemon_command(), "backbone-daemon", &mut expected);
    expected.sort();
    let pages = folder.path().join("man/man1");
    let mut found: Vec<String> = fs_err::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".1", ""))
        .collect();
    found.sort();
    assert_eq!(found, expected);
    assert!(found.len() > 15, "found only {found:?}");

    if Command::new("mandoc").arg("-V").output().is_err() {
        eprintln!("skipped: mandoc is missing");
        return;
    }
    for page in &found {
        let path = pages.join(format!("{page}.1"));
        let lint = clean("mandoc").args(["-Tlint", "-Wwarning"]).arg(&path).output().unwrap();
        assert!(lint.status.success(), "{page}: {}", text(&lint));
    }
    let shown = done(clean("mandoc").args(["-Tutf8", "-O", "width=100"]).arg(pages.join("backbone-run.1")));
    // Bold letters are letters typed over.
    let shown = String::from_utf8_lossy(&shown.stdout).chars().fold(String::new(), |mut text, letter| {
        if letter == '\u{8}' {
            text.pop();
        } else {
            text.push(letter);
        }
        text
    });
    assert!(shown.contains("SYNOPSIS") && shown.contains("SEE ALSO"), "{shown}");
}

#[test]
fn completions_complete_commands_and_options() {
    let folder = tempfile::tempdir().unwrap();
    pages::write(folder.path(), "").unwrap();
    let [bash, zsh, fish] = pages::COMPLETIONS.map(|(_, place)| folder.path().join(place));
    let complete = |words: &str| {
        let script = format!(
            "source \"$1\"; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _backbone backbone \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\""
        );
        text(&done(clean("bash").args(["-c", &script, "bash"]).arg(&bash)))
    };
    assert_eq!(complete("backbone stat"), "status\n");
    assert_eq!(complete("backbone list run"), "runtimes\n");
    assert!(complete("backbone run --out").contains("--outbox"));
    for (shell, script) in [("zsh", zsh), ("fish", fish)] {
        if Command::new(shell).arg("--version").output().is_err() {
            eprintln!("skipped: {shell} is missing");
            continue;
        }
        done(clean(shell).arg("-n").arg(script));
    }
}
