//! What this program locked on graphics cards: a small file in the state folder, durable before the library
//! is asked to lock and until it has unlocked. A lock does not survive a reboot, so the record names its
//! boot.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::root::HostRoot;

/// The file's name.
const FILE: &str = "graphics-clocks.json";

/// The state folder under another host root.
const FOLDER_OF_A_STAND_IN: &str = "/var/lib/backbone";

/// Changes with each boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// The file.
#[derive(Debug)]
pub(crate) struct Record {
    path: PathBuf,
    boot: String,
}

/// What was locked, by the card's UUID.
pub(crate) type LockedCards = BTreeMap<String, LockedCard>;

/// The clocks of a card, in MHz; null for one that is not locked. A card without any was only kept
/// initialised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockedCard {
    pub(crate) graphics_megahertz: Option<u32>,
    pub(crate) memory_megahertz: Option<u32>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    boot: String,
    cards: LockedCards,
}

impl Record {
    /// For a host and the daemon's state folder.
    pub(crate) fn of(root: &HostRoot, state: &Path) -> Self {
        let folder = if root.is_real() { state.to_owned() } else { root.path(FOLDER_OF_A_STAND_IN) };
        Self { path: folder.join(FILE), boot: root.read(BOOT).unwrap_or_default() }
    }

    /// The cards; none if there is no record of this boot. One that cannot be read counts as none: removing a
    /// lock that does not exist does no harm.
    pub(crate) fn read(&self) -> LockedCards {
        let content =
            fs_err::read(&self.path).ok().and_then(|bytes| serde_json::from_slice::<Content>(&bytes).ok());
        content.filter(|content| content.boot == self.boot).map(|content| content.cards).unwrap_or_default()
    }

    /// Keep these cards in place of the present ones; durable when this returns.
    ///
    /// # Errors
    /// The disk refuses.
    pub(crate) fn write(&self, cards: LockedCards) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        if cards.is_empty() {
            return match fs_err::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        fs_err::create_dir_all(folder)?;
        let temporary = self.path.with_extension("new");
        let mut file = fs_err::File::create(&temporary)?;
        serde_json::to_writer(&mut file, &Content { boot: self.boot.clone(), cards })?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs_err::rename(&temporary, &self.path)?;
        fs_err::File::open(folder)?.sync_all()
    }
}
