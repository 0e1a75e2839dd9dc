//! The host together with the clocks of the card that a job uses: what power control sees and changes. Other
//! cards are left alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::choice::CudaVariables;
use super::clocks::{self, CardSetting, Known, UNLOCKED};
use super::probe::{Probe, START_LIMIT};
use super::record::{LockedCard, Record};
use super::watch::chosen;
use super::{Change, Trouble};
use crate::host::cpufreq::Settings;
use crate::host::machine::Machine;
use crate::host::root::HostRoot;
use crate::host::tool::{ToolCall, ToolError, ToolOutput};

/// A host with cards.
#[derive(Debug)]
pub(crate) struct HostWithCards {
    root: HostRoot,
    record: Record,
    now: RefCell<Now>,
}

/// What is known while a job has its turn.
#[derive(Debug, Default)]
struct Now {
    /// Number of the CUDA device that it uses.
    device: Option<u32>,
    /// Its card, once it was looked for.
    uuid: Option<String>,
    probe: Option<Probe>,
    /// Locks that a card turned out not to have.
    without: BTreeMap<String, Known>,
}

impl HostWithCards {
    /// For a host and the daemon's state folder.
    pub(crate) fn new(root: &HostRoot, state: &Path) -> Self {
        Self { root: root.clone(), record: Record::of(root, state), now: RefCell::default() }
    }

    /// The turn of a job on this CUDA device begins.
    pub(crate) fn begin(&self, device: Option<u32>) {
        let mut now = self.now.borrow_mut();
        if now.device != device {
            *now = Now { device, ..Now::default() };
        }
    }

    /// No turn needs the cards any more: the process that has the library ends.
    pub(crate) fn end(&self) {
        *self.now.borrow_mut() = Now::default();
    }

    /// The card of the job, and those that a killed process may have left locked.
    fn uuids(&self, now: &mut Now) -> Result<Vec<String>, Trouble> {
        let mut uuids: Vec<String> = self.record.read().into_keys().collect();
        if let (Some(device), None) = (now.device, &now.uuid) {
            let found = self.probe(now)?.cards(START_LIMIT)?.cards;
            let (cards, _) = chosen(found, device, &CudaVariables::of_this_process());
            // Not if it is not known which: locking the others was not asked for.
            now.uuid = if let [card] = &cards[..] { Some(card.uuid.clone()) } else { None };
        }
        uuids.extend(now.uuid.clone().filter(|uuid| !uuids.contains(uuid)));
        Ok(uuids)
    }

    fn probe<'now>(&self, now: &'now mut Now) -> Result<&'now mut Probe, Trouble> {
        if !super::is_here(&self.root) {
            return Err(Trouble::NoDriver);
        }
        let probe = match now.probe.take() {
            Some(probe) if probe.is_usable() => probe,
            _ => Probe::start(&self.root, START_LIMIT)?,
        };
        Ok(now.probe.insert(probe))
    }

    fn read_cards(&self) -> Result<Settings, Trouble> {
        let mut now = self.now.borrow_mut();
        let uuids = self.uuids(&mut now)?;
        let mut settings = Settings::new();
        if uuids.is_empty() {
            return Ok(settings);
        }
        let locked = self.record.read();
        let clocks = self.probe(&mut now)?.clocks(&uuids)?;
        for (uuid, clocks) in uuids.iter().zip(clocks) {
            let LockedCard { graphics_megahertz, memory_megahertz } =
                locked.get(uuid).copied().unwrap_or_default();
            let known = now.without.get(uuid).copied().unwrap_or_default();
            // A card that does not answer has no settings, as a processor that is off has none.
            if let Ok(clocks) = clocks {
                let known = Known { graphics_megahertz, memory_megahertz, ..known };
                clocks::settings(uuid, &clocks, known, &mut settings);
            }
        }
        Ok(settings)
    }

    fn change(&self, uuid: &str, setting: CardSetting, value: &str) -> io::Result<()> {
        let change = change(setting, value).ok_or(io::ErrorKind::InvalidInput)?;
        let mut cards = self.record.read();
        let former = cards.get(uuid).copied();
        let mut card = former.unwrap_or_default();
        match change {
            Change::LockGraphics(megahertz) => card.graphics_megahertz = megahertz,
            Change::LockMemory(megahertz) => card.memory_megahertz = megahertz,
            Change::Persistence(_) | Change::Application(..) => {}
        }
        let is_undone = matches!(change, Change::LockGraphics(None) | Change::LockMemory(None));
        if !is_undone {
            // First: whatever happens then, the next start finds the card.
            cards.insert(uuid.to_owned(), card);
            self.record.write(cards.clone())?;
        }
        let mut now = self.now.borrow_mut();
        let told = self.probe(&mut now).and_then(|probe| probe.change(uuid, change));
        let after = match (&told, is_undone) {
            (Ok(()), _) => Some(card),
            // It may have been set before the answer was lost.
            (Err(Trouble::Hung(_) | Trouble::Ended(_)), _) | (_, true) => former.or(Some(card)),
            (Err(_), false) => former,
        };
        if matches!(told, Err(Trouble::Unsupported | Trouble::NoFunction(_))) {
            let known = now.without.entry(uuid.to_owned()).or_default();
            match setting {
                CardSetting::Graphics => known.has_no_graphics_lock = true,
                CardSetting::Memory => known.has_no_memory_lock = true,
                CardSetting::Persistence | CardSetting::Application => {}
            }
        }
        drop(now);
        // A card without a lock stays in the record only while its persistence is ours.
        let is_over = |card: &LockedCard| *card == LockedCard::default() && told.is_ok() && value != "1";
        match after.filter(|card| !is_over(card)) {
            Some(card) => cards.insert(uuid.to_owned(), card),
            None => cards.remove(uuid),
        };
        self.record.write(cards)?;
        told.map_err(|trouble| io::Error::new(kind(&trouble), trouble.to_string()))
    }
}

/// The change that a value of a setting asks for.
fn change(setting: CardSetting, value: &str) -> Option<Change> {
    let megahertz = |value: &str| if value == UNLOCKED { Some(None) } else { value.parse().ok().map(Some) };
    Some(match setting {
        CardSetting::Persistence => Change::Persistence(value == "1"),
        CardSetting::Graphics => Change::LockGraphics(megahertz(value)?),
        CardSetting::Memory => Change::LockMemory(megahertz(value)?),
        CardSetting::Application => {
            let (memory, graphics) = value.split_once(' ')?;
            Change::Application(memory.parse().ok()?, graphics.parse().ok()?)
        }
    })
}

fn kind(trouble: &Trouble) -> io::ErrorKind {
    match trouble {
        Trouble::Denied => io::ErrorKind::PermissionDenied,
        Trouble::Unsupported | Trouble::NoFunction(_) => io::ErrorKind::Unsupported,
        Trouble::Hung(_) => io::ErrorKind::TimedOut,
        Trouble::Lost | Trouble::NoDriver => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    }
}

impl Machine for HostWithCards {
    fn read(&self, path: &str) -> io::Result<String> {
        self.root.read(path)
    }

    fn write(&self, path: &str, value: &str) -> io::Result<()> {
        match CardSetting::parse(path) {
            Some((uuid, setting)) => self.change(uuid, setting, value),
            None => self.root.write(path, value),
        }
    }

    fn names(&self, folder: &str) -> Vec<String> {
        self.root.names(folder)
    }

    fn cards(&self) -> Settings {
        // Without an answer the settings are missing, which is a difference wherever they are wanted.
        self.read_cards().unwrap_or_default()
    }

    fn run(&self, call: &ToolCall<'_>) -> Result<ToolOutput, ToolError> {
        self.root.run(call)
    }
}
