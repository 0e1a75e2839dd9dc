//! One ssh connection to a host, which everything shares that is done there.
//!
//! The first `ssh` authenticates and stays as a master (ssh_config(5), `ControlMaster`); further ones, and
//! those that rsync starts, go through its socket. So a host costs one handshake, and trouble of the
//! connection and trouble on the device are distinct. The master is our child and ends with us.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::host_name::HostName;
use super::shell::{quoted, quoted_for_rsync, words};
use super::trouble::{Trouble, last_line};

/// Options of every ssh. Those that the user gives come first, and ssh takes the first of each.
const OPTIONS: &[&str] = &[
    // Many hosts at once cannot ask for passwords.
    "BatchMode=yes",
    "ConnectTimeout=10",
    // A host that is switched off in the middle is noticed after a minute.
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "ClearAllForwardings=yes",
    "RemoteCommand=none",
    "RequestTTY=no",
];

/// Longer than ssh's own limits: it did not say why.
const CONNECT_WITHIN: Duration = Duration::from_secs(60);

/// How often to look whether the socket is there.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the master runs on the device: it ends when our end of its input is closed, however we end.
const WAIT: &str = "exec cat >/dev/null";

/// What ssh exits with if the connection fails.
const CONNECTION_FAILED: i32 = 255;

/// No more is read of what a device prints.
const LONGEST_ANSWER_BYTES: u64 = 64 << 20;

/// The name that rsync passes to ssh, which goes through the socket and looks no name up (RFC 6761).
pub(super) const BEHIND_THE_SOCKET: &str = "backbone-rack.invalid";

/// How ssh is called.
#[derive(Debug, Clone)]
pub(crate) struct Ssh {
    words: Vec<String>,
}

impl Ssh {
    /// The user's command, such as `ssh -F lab.conf`, or plain `ssh`. `None` if it makes no sense: a quote
    /// that is not closed, no word, or a word with both quotes, which rsync cannot be told.
    pub(crate) fn of(command: Option<&str>) -> Option<Self> {
        let words = words(command.unwrap_or("ssh"))?;
        let can_be_told = words.iter().all(|word| quoted_for_rsync(word).is_some());
        (!words.is_empty() && can_be_told).then_some(Self { words })
    }

    /// Connect. `socket` is a path that nothing has, in a folder of our own.
    pub(super) fn connect(&self, host: &HostName, socket: &Path) -> Result<Connection, Trouble> {
        let said = socket.with_extension("said");
        let stderr = stream(fs_err::File::create(&said).map_err(here)?);
        let mut command = self.command(socket);
        command.args(["-o", "ControlMaster=yes", "-o", "ControlPersist=no", "-T", "--", host.as_str(), WAIT]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr);
        let mut master = command.spawn().map_err(|error| self.not_started(&error))?;
        let deadline = Instant::now() + CONNECT_WITHIN;
        let why = loop {
            if socket.exists() {
                let (ssh, host, socket) = (self.clone(), host.clone(), socket.to_owned());
                return Ok(Connection { ssh, host, socket, master });
            }
            match master.try_wait() {
                Ok(Some(_)) => break Trouble::of_connection(&read(&said)),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
                Ok(None) => {
                    let seconds = CONNECT_WITHIN.as_secs();
                    break Trouble::Unreachable(format!("no login within {seconds} s"));
                }
                Err(error) => break here(error),
            }
        };
        end(&mut master);
        Err(why)
    }

    fn command(&self, socket: &Path) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).arg("-S").arg(socket);
        for option in OPTIONS {
            command.args(["-o", option]);
        }
        // The words of messages tell what is wrong.
        command.env("LC_ALL", "C");
        command
    }

    pub(super) fn not_started(&self, error: &std::io::Error) -> Trouble {
        Trouble::NoTool(self.words[0].clone(), error.to_string())
    }
}

/// A connection. It ends when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    ssh: Ssh,
    host: HostName,
    socket: PathBuf,
    master: Child,
}

/// How something ended on the device.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl Connection {
    /// Run a script of one line in the device's `sh`, with these arguments as `$1` and so on, and this input.
    pub(super) fn run(&self, script: &str, arguments: &[&OsStr], input: &[u8]) -> Result<Printed, Trouble> {
        let mut line = b"exec sh -c ".to_vec();
        for word in [OsStr::new(script), OsStr::new("backbone")].iter().chain(arguments) {
            line.extend(quoted(word));
            line.push(b' ');
        }
        let (fed, said) = (self.socket.with_extension("fed"), self.socket.with_extension("said"));
        // Files and not pipes: neither side waits for the other.
        fs_err::write(&fed, input).map_err(here)?;
        let mut command = self.ssh.command(&self.socket);
        command.args(["-o", "ControlMaster=no", "-T", "--", self.host.as_str()]);
        command.arg(std::ffi::OsString::from_vec(line));
        command.stdin(stream(fs_err::File::open(&fed).map_err(here)?)).stdout(Stdio::piped());
        command.stderr(stream(fs_err::File::create(&said).map_err(here)?));
        let mut child = command.spawn().map_err(|error| self.ssh.not_started(&error))?;
        let mut stdout = Vec::new();
        let pipe = child.stdout.take();
        let is_read = pipe.map(|pipe| pipe.take(LONGEST_ANSWER_BYTES).read_to_end(&mut stdout));
        let status = child.wait().map_err(here)?;
        is_read.transpose().map_err(here)?;
        let stderr = read(&said);
        match status.code() {
            Some(CONNECTION_FAILED) | None => Err(Trouble::Lost(last_line(&stderr))),
            Some(code) => Ok(Printed { code, stdout, stderr }),
        }
    }

    /// The value of rsync's `--rsh`.
    pub(super) fn remote_shell(&self) -> String {
        let socket = self.socket.to_string_lossy();
        let own = [
            "-S",
            socket.as_ref(),
            "-o",
            "ControlMaster=no",
            "-o",
            "ProxyCommand=false",
            "-o",
            "BatchMode=yes",
        ];
        let words = self.ssh.words.iter().map(String::as_str).chain(own);
        words.filter_map(quoted_for_rsync).collect::<Vec<_>>().join(" ")
    }

    /// A path for a file of this connection's own.
    pub(super) fn own_file(&self, ending: &str) -> PathBuf {
        self.socket.with_extension(ending)
    }

    /// Its host.
    pub(super) fn host(&self) -> &HostName {
        &self.host
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        end(&mut self.master);
    }
}

/// End a master: SIGTERM, so that it tells the server.
fn end(master: &mut Child) {
    drop(master.stdin.take());
    let process = rustix::process::Pid::from_child(master);
    if matches!(master.try_wait(), Ok(None)) {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
    }
    let _ = master.wait();
}

/// A file as a stream of a process.
pub(super) fn stream(file: fs_err::File) -> Stdio {
    file.into_parts().0.into()
}

pub(super) fn here(error: std::io::Error) -> Trouble {
    Trouble::Here(error.to_string())
}

pub(super) fn read(file: &Path) -> String {
    fs_err::read(file).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}
