//! NVIDIA graphics cards of PCs and servers, through the management library that comes with their driver
//! (NVML).
//!
//! A driver can hang in the kernel, where not even SIGKILL ends a process, and a library of a vendor can
//! crash. So the daemon never loads it: [`probe`] starts the hidden command `backbone __nvml`, which loads
//! the library ([`library`]) and answers one line for each question ([`serve`]), and gives it up once an
//! answer is late. Nothing here judges a value.
//!
//! Jetsons are no such hosts: sysfs has their sensors, and [`super::jetson`] controls their clocks.

use serde::{Deserialize, Serialize};

use super::machine::Machine as _;
use super::root::HostRoot;

pub(crate) mod choice;
pub(crate) mod clocks;
mod library;
pub(crate) mod machine;
pub(crate) mod probe;
pub(crate) mod readings;
pub(crate) mod record;
mod serve;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

pub(crate) use probe::COMMAND;
pub(crate) use serve::execute;

/// The library's file, as the loader knows it. Without the number it is only there for compilers.
pub(crate) const LIBRARY: &str = "libnvidia-ml.so.1";

/// Holds a folder for each graphics card, named by its bus address.
const CARDS: &str = "/proc/driver/nvidia/gpus";

/// The device file that every use of the driver opens.
const CONTROL: &str = "/dev/nvidiactl";

/// Whether the host shows that NVIDIA's driver for cards runs on it.
pub(crate) fn is_here(root: &HostRoot) -> bool {
    super::family(root).name != "jetson" && (!root.names(CARDS).is_empty() || root.path(CONTROL).exists())
}

/// What the library reports about the driver, and the cards in its order, which is that of their bus
/// addresses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cards {
    /// Version of the driver.
    pub(crate) driver: Option<String>,
    /// The newest version of CUDA that the driver supports.
    pub(crate) cuda: Option<String>,
    /// The cards; an error for each one that does not answer.
    pub(crate) cards: Vec<Result<Card, Trouble>>,
}

/// A card, at the moment of the question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Card {
    /// Number in the order of bus addresses.
    pub(crate) index: u32,
    pub(crate) uuid: String,
    pub(crate) name: Option<String>,
    /// Bus address.
    pub(crate) bus: Option<String>,
    pub(crate) is_persistent: Option<bool>,
    pub(crate) has_ecc: Option<bool>,
    /// Split into instances (MIG).
    pub(crate) is_split: Option<bool>,
    /// UUIDs of its instances.
    pub(crate) instances: Vec<String>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) memory_used_bytes: Option<u64>,
    /// Processes that use the card, as far as this process may see them.
    pub(crate) processes: Option<Vec<u32>>,
    pub(crate) power_limit_watts: Option<f64>,
    /// From which the hardware slows down.
    pub(crate) slowdown_celsius: Option<f64>,
    pub(crate) graphics_megahertz: Option<u32>,
    pub(crate) highest_graphics_megahertz: Option<u32>,
    /// Reasons for lower clocks that hold now; null if they cannot be read.
    pub(crate) slowed_by: Option<Vec<String>>,
}

/// What is asked of the process that has the library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question {
    /// [`Cards`].
    Cards,
    /// A value for each of [`readings::READINGS`], for each of the cards with these UUIDs.
    Read(Vec<String>),
    /// [`clocks::CardClocks`] of each of the cards with these UUIDs.
    Clocks(Vec<String>),
    /// Change a setting of the card with this UUID.
    Change(String, Change),
}

/// A change of a card's settings. A lock is both limits in MHz; without it, the card chooses its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// Whether the driver keeps it initialised.
    Persistence(bool),
    /// The lock of its multiprocessors.
    LockGraphics(Option<u32>),
    /// The lock of its memory.
    LockMemory(Option<u32>),
    /// Application clocks of memory and multiprocessors, in MHz.
    Application(u32, u32),
}

/// Why the library gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Trouble {
    /// The host has no driver for cards.
    #[error("this host shows no NVIDIA driver")]
    NoDriver,
    /// There is no library.
    #[error("{LIBRARY} cannot be loaded: {0}")]
    NoLibrary(String),
    /// The driver's module is not loaded.
    #[error("the NVIDIA driver is not loaded")]
    NotLoaded,
    /// Library and module are of two releases.
    #[error("the NVIDIA driver that runs is of another release than {LIBRARY}")]
    Mismatch,
    /// A right is missing.
    #[error("the driver refuses it to this user")]
    Denied,
    /// The card no longer answers.
    #[error("the card has fallen off the bus")]
    Lost,
    /// The card needs a reset.
    #[error("the card needs a reset")]
    NeedsReset,
    /// The card or its driver has no such thing.
    #[error("this card does not report it")]
    Unsupported,
    /// An older driver.
    #[error("this driver has no {0}")]
    NoFunction(String),
    /// It did not answer in time.
    #[error("the NVIDIA driver did not answer within {0} s")]
    Hung(u64),
    /// The process with the library ended.
    #[error("the process that had loaded {LIBRARY} ended: {0}")]
    Ended(String),
    /// Another error, in the library's words.
    #[error("{LIBRARY} reports: {0}")]
    Other(String),
}

impl Trouble {
    /// What to do about it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::NoDriver | Self::NotLoaded => {
                "install and load the driver: `sudo apt install nvidia-driver && sudo modprobe nvidia`; `nvidia-smi` shows whether it runs"
            }
            Self::NoLibrary(_) => {
                "install the library of the driver's release, for example `sudo apt install libnvidia-ml1`; a container needs \
                 NVIDIA_DRIVER_CAPABILITIES=utility,compute"
            }
            Self::Mismatch => "reboot: the driver was updated and the old one still runs",
            Self::Denied => "let the daemon's user open /dev/nvidia*: `ls -l /dev/nvidia*` shows who may",
            Self::Lost | Self::NeedsReset => {
                "see `sudo dmesg | grep -i -e xid -e nvrm`, check power and seating of the card, and reboot"
            }
            Self::Hung(_) | Self::Ended(_) => {
                "see `sudo dmesg | grep -i -e xid -e nvrm`; if `nvidia-smi` does not return either, reboot"
            }
            Self::Unsupported | Self::NoFunction(_) => "install a newer driver if the card supports one",
            Self::Other(_) => "`nvidia-smi` shows the same error; see `sudo dmesg | grep -i -e xid -e nvrm`",
        }
    }
}
