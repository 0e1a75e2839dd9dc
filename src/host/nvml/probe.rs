//! The process that has the library loaded, as seen from this one: asked in turn, given up once it is late.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::de::DeserializeOwned;

use super::clocks::CardClocks;
use super::readings::READINGS;
use super::{Cards, Change, LIBRARY, Question, Trouble};
use crate::host::root::HostRoot;
use crate::host::tool::{self, ROOT_VARIABLE};

/// The first argument of such a process, which no one types by mistake.
pub(crate) const COMMAND: &str = "__nvml";

/// File name of the executable with every command.
const PROGRAM: &str = "backbone";

/// Without persistence mode the driver initialises every card anew, some seconds for each; machines have up
/// to eight.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(20);

/// A card answers within milliseconds. Longer than this disturbs the once a second of a measurement anyway.
pub(crate) const READ_LIMIT: Duration = Duration::from_secs(2);

/// A change takes some tens of milliseconds.
const CHANGE_LIMIT: Duration = Duration::from_secs(5);

/// More than the longest answer, for sixteen cards with seven instances each.
const LONGEST_ANSWER_BYTES: usize = 256 * 1024;

/// What the library reports about driver and cards now; `None` on a host without such cards.
pub(crate) fn cards(root: &HostRoot, limit: Duration) -> Option<Result<Cards, Trouble>> {
    let asked = || Probe::start(root, limit)?.cards(limit);
    super::is_here(root).then(asked)
}

/// The process.
#[derive(Debug)]
pub(crate) struct Probe {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// Read but not yet taken as an answer.
    read: Vec<u8>,
    /// Why it is asked no more.
    given_up: Option<Trouble>,
}

impl Probe {
    /// Start it, and have it open the library.
    ///
    /// # Errors
    /// The library cannot be used, or does not answer in time.
    pub(crate) fn start(root: &HostRoot, limit: Duration) -> Result<Self, Trouble> {
        let not_started = |error: io::Error| Trouble::Ended(error.to_string());
        let mut command = Command::new(program().map_err(not_started)?);
        command.args([OsStr::new(COMMAND), root.as_path().as_os_str()]);
        // The library of a stand-in for a host finds its files through the variable.
        command.env(ROOT_VARIABLE, root.as_path()).env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(not_started)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both were asked for")
        };
        let mut probe = Self { child, input, output, read: Vec::new(), given_up: None };
        probe.answer::<()>(limit)?;
        Ok(probe)
    }

    /// What the library reports about driver and cards.
    ///
    /// # Errors
    /// It does not answer in time, or not for the driver.
    pub(crate) fn cards(&mut self, limit: Duration) -> Result<Cards, Trouble> {
        self.ask(&Question::Cards, limit)
    }

    /// The values of [`READINGS`], for each of these cards.
    ///
    /// # Errors
    /// It does not answer in time.
    pub(crate) fn read(&mut self, cards: &[String]) -> Result<Vec<CardValues>, Trouble> {
        let values: Vec<CardValues> = self.ask(&Question::Read(cards.to_vec()), READ_LIMIT)?;
        let is_whole =
            |values: &CardValues| values.as_ref().map_or(true, |values| values.len() == READINGS.len());
        if values.len() == cards.len() && values.iter().all(is_whole) {
            Ok(values)
        } else {
            Err(self
                .give_up(Trouble::Ended("its answer belongs to another version of this program".to_owned())))
        }
    }

    /// What these cards report about their clocks.
    ///
    /// # Errors
    /// It does not answer in time.
    pub(crate) fn clocks(&mut self, cards: &[String]) -> Result<Vec<Result<CardClocks, Trouble>>, Trouble> {
        self.ask(&Question::Clocks(cards.to_vec()), CHANGE_LIMIT)
    }

    /// Change a setting of this card.
    ///
    /// # Errors
    /// The driver refuses, or does not answer in time.
    pub(crate) fn change(&mut self, card: &str, change: Change) -> Result<(), Trouble> {
        self.ask(&Question::Change(card.to_owned(), change), CHANGE_LIMIT)
    }

    /// Whether it is still asked.
    pub(crate) fn is_usable(&self) -> bool {
        self.given_up.is_none()
    }

    /// Ask and wait for the answer.
    fn ask<Answer: DeserializeOwned>(
        &mut self,
        question: &Question,
        limit: Duration,
    ) -> Result<Answer, Trouble> {
        if let Some(trouble) = &self.given_up {
            return Err(trouble.clone());
        }
        let mut line = serde_json::to_string(question).unwrap_or_default();
        line.push('\n');
        // A pipe holds many questions, so this never waits.
        if self.input.write_all(line.as_bytes()).is_err() {
            return Err(self.ended());
        }
        self.answer(limit)
    }

    fn answer<Answer: DeserializeOwned>(&mut self, limit: Duration) -> Result<Answer, Trouble> {
        let line = match self.line(limit) {
            Ok(Some(line)) => line,
            Ok(None) => return Err(self.ended()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(self.give_up(Trouble::Hung(limit.as_secs())));
            }
            Err(error) => return Err(self.give_up(Trouble::Ended(error.to_string()))),
        };
        match serde_json::from_slice::<Result<Answer, Trouble>>(&line) {
            Ok(answer) => answer,
            // Something that the library printed.
            Err(error) => Err(self.give_up(Trouble::Ended(format!("its answer is not one: {error}")))),
        }
    }

    /// The next line; `None` at the end.
    fn line(&mut self, limit: Duration) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line = self.read.drain(..=end).collect();
                return Ok(Some(line));
            }
            if self.read.len() > LONGEST_ANSWER_BYTES {
                return Err(io::Error::other("its answer has no end"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.output.as_fd(), PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let mut bytes = [0; 4096];
            match self.output.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(count) => self.read.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn ended(&mut self) -> Trouble {
        let status = tool::end(&mut self.child)
            .map_or_else(|| "without a status".to_owned(), |status| status.to_string());
        self.give_up(Trouble::Ended(status))
    }

    fn give_up(&mut self, trouble: Trouble) -> Trouble {
        log::warn!("the NVIDIA driver is asked no more: {trouble}");
        self.given_up = Some(trouble.clone());
        tool::end(&mut self.child);
        trouble
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        tool::end(&mut self.child);
    }
}

/// The values of a card, in the order of [`READINGS`].
pub(crate) type CardValues = Result<Vec<Result<f64, Trouble>>, Trouble>;

/// The executable with every command: this one, or that next to the daemon's. A test's executable is one
/// folder below it.
fn program() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let beside = own.with_file_name(PROGRAM);
    let above = own.parent().and_then(|folder| folder.parent()).map(|folder| folder.join(PROGRAM));
    [Some(beside), above].into_iter().flatten().find(|path| path.is_file()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("`{PROGRAM}`, which loads {LIBRARY}, is not next to {}", own.display()),
        )
    })
}
