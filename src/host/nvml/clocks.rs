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

/// The clock that a card holds under every load, in MHz: its default application clock if it has one, else the
/// highest. Only read.
const SUSTAINED: &str = "sustained_graphics_megahertz";

/// The highest clock of its memory, in MHz. Only read.
const HIGHEST_MEMORY: &str = "highest_memory_megahertz";

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
        format!("{}{uuid}/{}", Sensor::OF_CARD, self.name())
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
    match clocks.application_megahertz {
        Some((memory, graphics)) if known.has_no_graphics_lock => {
            put(CardSetting::Application, format!("{memory} {graphics}"));
        }
        _ => put(CardSetting::Graphics, locked(known.graphics_megahertz)),
    }
    // The memory of older cards has one clock under load.
    if !known.has_no_memory_lock {
        put(CardSetting::Memory, locked(known.memory_megahertz));
    }
    let offered =
        [(SUSTAINED, clocks.sustained_graphics_megahertz), (HIGHEST_MEMORY, clocks.highest_memory_megahertz)];
    for (name, megahertz) in offered {
        if let Some(megahertz) = megahertz {
            settings.insert(format!("{}{uuid}/{name}", Sensor::OF_CARD), megahertz.to_string());
        }
    }
}

/// Lock the clocks of every card in the present settings.
pub(crate) fn locked(present: &Settings, wanted: &mut Settings) {
    for setting in present.keys() {
        let Some((uuid, card_setting)) = CardSetting::parse(setting) else { continue };
        let offered = |name: &str| present.get(&format!("{}{uuid}/{name}", Sensor::OF_CARD)).cloned();
        let value = match card_setting {
            CardSetting::Persistence => Some("1".to_owned()),
            CardSetting::Graphics => offered(SUSTAINED),
            CardSetting::Memory => offered(HIGHEST_MEMORY),
            CardSetting::Application => offered(HIGHEST_MEMORY)
                .zip(offered(SUSTAINED))
                .map(|(memory, graphics)| format!("{memory} {graphics}")),
        };
        wanted.extend(value.map(|value| (setting.clone(), value)));
    }
}
