//! Hosts with an sshd each.
//!
//! Every sshd is unprivileged in what it may do: one key, this user, loopback, settings and keys in a folder
//! of the test's own. It gives its sessions the folders of its host as `BACKBONE_INBOX` and so on, and a PATH
//! that begins with the host's `bin`, where a test puts what is to be found instead of the real programs.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::rig::{BACKBONE, PATIENCE, Rig, Settings, clean};

const SSHD: &str = "/usr/sbin/sshd";

/// Are these programs missing? If so, the test is skipped, and this says so.
pub(crate) fn lacks_sshd() -> bool {
    let on_path = |name: &str| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", name]).status();
        found.is_ok_and(|status| status.success())
    };
    let missing: Vec<&str> =
        [SSHD, "ssh", "ssh-keygen", "rsync"].into_iter().filter(|name| !on_path(name)).collect();
    if missing.is_empty() {
        return false;
    }
    let message = format!("not installed: {}; tools/install-packages gets them", missing.join(", "));
    assert!(std::env::var_os("BACKBONE_REQUIRE_SSHD").is_none(), "{message}");
    eprintln!("skipped: {message}");
    true
}

/// A host of the rack.
pub(crate) struct Device {
    /// Its name in ssh's configuration.
    pub(crate) name: String,
    /// Its folders and its daemon.
    pub(crate) rig: Rig,
    sshd: Child,
    port: u16,
}

/// The rack, and this desk.
pub(crate) struct Lab {
    pub(crate) devices: Vec<Device>,
    folder: TempDir,
}

impl Lab {
    /// So many hosts, whose daemons run.
    pub(crate) fn running(hosts: usize) -> Self {
        let mut lab = Self::new(hosts);
        lab.devices.iter_mut().for_each(|device| device.rig.start());
        lab
    }

    /// So many hosts without daemons.
    pub(crate) fn new(hosts: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        keygen(&folder.path().join("key"));
        let key = fs_err::read_to_string(folder.path().join("key.pub")).unwrap();
        if rustix::process::geteuid().is_root() {
            // Where sshd of root goes before a login; Debian's service makes it.
            fs_err::create_dir_all("/run/sshd").unwrap();
        }
        let devices = (1..=hosts).map(|number| Device::start(&format!("pi-{number}"), &key)).collect();
        let lab = Self { devices, folder };
        lab.write_configuration();
        lab
    }

    fn write_configuration(&self) {
        let folder = self.folder.path().display();
        let user = rustix::process::geteuid().as_raw();
        let user = Command::new("id").args(["-un", &user.to_string()]).output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap();
        let mut configuration = String::new();
        let mut known = String::new();
        for Device { name, rig, port, .. } in &self.devices {
            configuration.push_str(&format!("Host {name}\n  HostName 127.0.0.1\n  Port {port}\n"));
            let key = fs_err::read_to_string(rig.path("sshd/host.pub")).unwrap();
            known.push_str(&format!("[127.0.0.1]:{port} {key}"));
        }
        configuration.push_str(&format!(
            "Host *\n  User {}\n  IdentityFile {folder}/key\n  IdentitiesOnly yes\n  StrictHostKeyChecking yes\n  \
             UserKnownHostsFile {folder}/known\n  GlobalKnownHostsFile /dev/null\n",
            user.trim()
        ));
        fs_err::write(self.folder.path().join("ssh config"), configuration).unwrap();
        fs_err::write(self.known_hosts(), known).unwrap();
    }

    /// The file with the hosts' keys.
    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known")
    }

    /// A file or folder of this desk.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Names of all hosts.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.devices.iter().map(|device| device.name.as_str()).collect()
    }

    /// The command line of `backbone`, with this rack's ssh.
    pub(crate) fn backbone(&self, arguments: &[&str]) -> Command {
        let mut command = clean(BACKBONE);
        // The name has a space on purpose.
        command.args(arguments).arg("--ssh").arg(format!("ssh -F '{}'", self.path("ssh config").display()));
        command.current_dir(self.folder.path());
        command
    }

    /// Run it.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.backbone(arguments).output().unwrap()
    }

    /// Run it; it must end with this code. Returns what it printed on either stream.
    pub(crate) fn ends_with(&self, code: i32, arguments: &[&str]) -> (String, String) {
        let output = self.output(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:#?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// What it prints for programs, whatever its exit code.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.output(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:#?}"))
    }

    /// Names of the bundles below a folder of this desk that are not hidden.
    pub(crate) fn collected(&self, folder: &str) -> Vec<String> {
        let mut names = Vec::new();
        for host in fs_err::read_dir(self.path(folder)).unwrap() {
            for file in fs_err::read_dir(host.unwrap().path()).unwrap() {
                names.push(file.unwrap().file_name().into_string().unwrap());
            }
        }
        names.retain(|name| name.ends_with(".json.gz"));
        names.sort();
        names
    }
}

impl Device {
    fn start(name: &str, key: &str) -> Self {
        // Under a host root of its own, a daemon does not look into the source tree.
        let library = crate::rig::fetched("libonnxruntime.so");
        let more = format!("runtimes: {{onnxruntime: {{library: {}}}}}", library.display());
        let rig = Rig::new(Settings { rescan_seconds: 1, more: more.leak(), ..Settings::default() });
        let folder = rig.path("sshd");
        fs_err::create_dir(&folder).unwrap();
        fs_err::create_dir(rig.path("bin")).unwrap();
        std::os::unix::fs::symlink(BACKBONE, rig.path("bin/backbone")).unwrap();
        keygen(&folder.join("host"));
        fs_err::write(folder.join("authorized"), key).unwrap();
        // Another process may take the port before sshd does.
        for _ in 0..10 {
            let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
            write_settings(&rig, port);
            let log = fs_err::File::create(folder.join("log")).unwrap().into_parts().0;
            let mut command = Command::new(SSHD);
            command.args(["-D", "-e", "-f"]).arg(folder.join("settings"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let mut sshd = command.spawn().unwrap();
            if answers(&mut sshd, port) {
                return Self { name: name.to_owned(), rig, sshd, port };
            }
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
        panic!("sshd does not start: {}", fs_err::read_to_string(folder.join("log")).unwrap_or_default());
    }

    /// End its sshd: the host is down.
    pub(crate) fn go_down(&mut self) {
        let _ = self.sshd.kill();
        self.sshd.wait().unwrap();
    }

    /// Let a program of this name be found on the host before any other.
    pub(crate) fn replace(&self, program: &str, script: &str) {
        let path = self.rig.path("bin").join(program);
        let _ = fs_err::remove_file(&path);
        fs_err::write(&path, script).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn write_settings(rig: &Rig, port: u16) {
    let folder = rig.path("sshd").display().to_string();
    let root = rig.path("");
    let root = root.display();
    let settings = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\n\
         LogLevel ERROR\nMaxStartups 100\nPrintMotd no\n\
         SetEnv HOME={root} PATH={root}/bin:/usr/bin:/bin:/usr/sbin BACKBONE_INBOX={root}/lab/inbox \
         BACKBONE_OUTBOX={root}/lab/outbox BACKBONE_SPOOL={root}/lab/spool BACKBONE_STATE={root}/state\n"
    );
    fs_err::write(rig.path("sshd/settings"), settings).unwrap();
}

/// Wait until it takes connections; no if it ended.
fn answers(sshd: &mut Child, port: u16) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if sshd.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

pub(crate) fn keygen(file: &Path) {
    let _ = fs_err::remove_file(file);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(file);
    assert!(command.status().unwrap().success());
}
