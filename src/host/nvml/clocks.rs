//! Locked clocks of graphics cards, as settings of the host's power state: their names, and what a target
//! wants of them. No I/O.
//!
//! The library sets a lock and removes it, and does not report it. So what this program locked is in a record
//! of its own ([`super::record`]), and a card that is not in it counts as unlocked: removing a lock also
//! removes one that somebody else set before.

use crate::bundle::format::Sensor;
use crate::host::cpufreq::Settings;

/// One setting of a card, by the name that follows its UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CardSetting {
    /// Whether the driver keeps the card initialised, and with it the locks: `0` or `1`.
    Persistence,
    /// Lower and upper limit in MHz, or [`UNLOCKED`].
    Graphics,
    /// Likewise.
    Memory,
    /// Application clocks of memory and multiprocessors in MHz, for cards without locks.
    Application,
}

/// Value of a clock that is not locked by this program.
pub(crate) const UNLOCKED: &str = "none";

/// The clock that a card holds under every load, in MHz: its default application clock if it has one, else
/// the highest. Only read.
const SUSTAINED: &str = "sustained_graphics_megahertz";

/// The highest clock of its memory, in MHz. Only read.
const HIGHEST_MEMORY: &str = "highest_memory_megahertz";

/// There once a card has turned out to have no such lock. Only read.
const NO_GRAPHICS_LOCK: &str = "without_graphics_lock";
const NO_MEMORY_LOCK: &str = "without_memory_lock";

impl CardSetting {
    const ALL: [Self; 4] = [Self::Persistence, Self::Graphics, Self::Memory, Self::Application];

    fn name(self) -> &'static str {
        match self {
            Self::Persistence => "persistence_mode",
            Self::Graphics => "locked_graphics_megahertz",
            Self::Memory => "locked_memory_megahertz",
            Self::Application => "application_megahertz",
        }
    }

    /// The setting of a card in a power state.
    pub(crate) fn of(self, uuid: &str) -> String {
        of_card(uuid, self.name())
    }

    /// The card and the setting that a setting of a power state names; `None` if it is none of a card's, or
    /// cannot be set.
    pub(crate) fn parse(setting: &str) -> Option<(&str, Self)> {
        let (uuid, name) = setting.strip_prefix(Sensor::OF_CARD)?.split_once('/')?;
        Self::ALL.into_iter().find(|one| one.name() == name).map(|one| (uuid, one))
    }
}

/// What a card reports about its clocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct CardClocks {
    pub(crate) is_persistent: Option<bool>,
    pub(crate) sustained_graphics_megahertz: Option<u32>,
    pub(crate) highest_memory_megahertz: Option<u32>,
    /// Of memory and multiprocessors.
    pub(crate) application_megahertz: Option<(u32, u32)>,
}

/// What this program did to a card, and what the card turned out not to support.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) graphics_megahertz: Option<u32>,
    pub(crate) memory_megahertz: Option<u32>,
    pub(crate) has_no_graphics_lock: bool,
    pub(crate) has_no_memory_lock: bool,
}

/// A card's settings in a power state.
pub(crate) fn settings(uuid: &str, clocks: &CardClocks, known: Known, settings: &mut Settings) {
    let mut put = |setting: CardSetting, value: String| drop(settings.insert(setting.of(uuid), value));
    if let Some(is_persistent) = clocks.is_persistent {
        put(CardSetting::Persistence, u8::from(is_persistent).to_string());
    }
    let locked = |megahertz: Option<u32>| megahertz.map_or_else(|| UNLOCKED.to_owned(), |it| it.to_string());
    put(CardSetting::Graphics, locked(known.graphics_megahertz));
    put(CardSetting::Memory, locked(known.memory_megahertz));
    if let Some((memory, graphics)) = clocks.application_megahertz {
        put(CardSetting::Application, format!("{memory} {graphics}"));
    }
    let missing =
        [(NO_GRAPHICS_LOCK, known.has_no_graphics_lock), (NO_MEMORY_LOCK, known.has_no_memory_lock)];
    for (name, _) in missing.into_iter().filter(|(_, is_missing)| *is_missing) {
        settings.insert(of_card(uuid, name), "1".to_owned());
    }
    let offered =
        [(SUSTAINED, clocks.sustained_graphics_megahertz), (HIGHEST_MEMORY, clocks.highest_memory_megahertz)];
    for (name, megahertz) in offered {
        if let Some(megahertz) = megahertz {
            settings.insert(of_card(uuid, name), megahertz.to_string());
        }
    }
}

/// Lock the clocks of every card in the present settings.
pub(crate) fn locked(present: &Settings, wanted: &mut Settings) {
    for setting in present.keys() {
        let Some((uuid, card_setting)) = CardSetting::parse(setting) else { continue };
        let offered = |name: &str| present.get(&of_card(uuid, name)).cloned();
        let has_application = present.contains_key(&CardSetting::Application.of(uuid));
        let uses_application = has_application && offered(NO_GRAPHICS_LOCK).is_some();
        let value = match card_setting {
            CardSetting::Persistence => Some("1".to_owned()),
            CardSetting::Graphics => offered(SUSTAINED).filter(|_| !uses_application),
            // The memory of older cards has one clock under load.
            CardSetting::Memory => offered(HIGHEST_MEMORY).filter(|_| offered(NO_MEMORY_LOCK).is_none()),
            CardSetting::Application => offered(HIGHEST_MEMORY)
                .zip(offered(SUSTAINED))
                .filter(|_| uses_application)
                .map(|(memory, graphics)| format!("{memory} {graphics}")),
        };
        wanted.extend(value.map(|value| (setting.clone(), value)));
    }
}

fn of_card(uuid: &str, name: &str) -> String {
    format!("{}{uuid}/{name}", Sensor::OF_CARD)
}
