//! Which card a job computes on, from what a worker's environment says.

use super::choice::{self, BY_BUS, CudaVariables};
use super::clocks::{self, CardClocks, CardSetting, Known};
use super::readings::{READINGS, Value, reasons_in};
use super::record::{LockedCard, LockedCards, Record};
use super::watch::chosen;
use super::{Card, Trouble};
use crate::host::cpufreq::Settings;
use crate::host::root::HostRoot;

fn cards(names: &[&str]) -> Vec<Card> {
    let card = |(index, name): (usize, &&str)| Card {
        index: index as u32,
        uuid: format!("GPU-{index}aaa"),
        name: Some((*name).to_owned()),
        instances: if index == 1 { vec!["MIG-77-1".to_owned(), "MIG-77-2".to_owned()] } else { Vec::new() },
        ..Card::default()
    };
    names.iter().enumerate().map(card).collect()
}

fn said(visible: Option<&str>, order: Option<&str>) -> CudaVariables {
    CudaVariables { visible: visible.map(str::to_owned), order: order.map(str::to_owned) }
}

#[test]
fn number_of_cuda_is_a_card_where_the_order_is_known() {
    let mixed = cards(&["A2", "H100", "A2"]);
    let alike = cards(&["H100", "H100", "H100"]);
    let index = |cards: &[Card], device, visible, order| {
        choice::card(cards, device, &said(visible, order)).map(|card| card.index)
    };
    for (device, visible, expected) in [
        (0, None, 0),
        (2, None, 2),
        (0, Some("2"), 2),
        (1, Some("2,0"), 0),
        (1, Some(" 1 , 2 ,x,0"), 2),
        (0, Some("GPU-1"), 1),
        (1, Some("0,GPU-2aaa"), 2),
        (0, Some("MIG-77-2"), 1),
        (0, Some("MIG-GPU-2aaa/3/0"), 2),
    ] {
        assert_eq!(index(&mixed, device, visible, Some(BY_BUS)), Ok(expected), "{visible:?}");
        assert_eq!(index(&alike, device, visible, None), Ok(expected), "{visible:?}");
    }
    for (device, visible, why) in [
        (3, None, "the host has no card 3"),
        (0, Some(""), "CUDA_VISIBLE_DEVICES is ``, which has no device 0"),
        (0, Some("-1"), "CUDA_VISIBLE_DEVICES is `-1`, which has no device 0"),
        (1, Some("0,none,1"), "CUDA_VISIBLE_DEVICES is `0,none,1`, which has no device 1"),
        (0, Some("GPU-9"), "CUDA_VISIBLE_DEVICES names `GPU-9`, which this host does not have"),
    ] {
        assert_eq!(index(&mixed, device, visible, Some(BY_BUS)), Err(why.to_owned()), "{visible:?}");
    }
}

#[test]
fn cards_that_differ_are_numbered_by_speed_unless_the_environment_says_otherwise() {
    let mixed = cards(&["A2", "H100"]);
    for order in [None, Some("FASTEST_FIRST")] {
        let why = choice::card(&mixed, 0, &said(None, order)).unwrap_err();
        assert!(why.starts_with("the cards differ"), "{why}");
        // A UUID needs no order.
        assert_eq!(choice::card(&mixed, 0, &said(Some("GPU-1"), order)).map(|card| card.index), Ok(1));
    }
}

#[test]
fn every_card_is_watched_if_it_is_not_known_which() {
    let found = |names: &[&str]| cards(names).into_iter().map(Ok).collect::<Vec<_>>();
    let (one, detail) = chosen(found(&["A2", "H100"]), 1, &said(None, Some(BY_BUS)));
    assert_eq!((one.len(), one[0].index, detail), (1, 1, None));
    let (all, detail) = chosen(found(&["A2", "H100"]), 1, &said(None, None));
    assert_eq!(all.len(), 2);
    assert!(detail.unwrap().starts_with("which card is device 1 is not known: the cards differ"));
    // CUDA does not count a card that is lost.
    let mut lost = found(&["H100", "H100"]);
    lost[0] = Err(Trouble::Lost);
    let (left, detail) = chosen(lost, 0, &said(None, Some(BY_BUS)));
    assert_eq!((left.len(), detail.as_deref()), (1, Some("card 0: the card has fallen off the bus")));
}

#[test]
fn only_reasons_that_lower_clocks_against_what_was_set_are_named() {
    // Idle, application clocks, display clocks.
    assert_eq!(reasons_in(0x1 | 0x2 | 0x100), [""; 0]);
    assert_eq!(reasons_in(0x4 | 0x40), ["software_power_cap", "hardware_thermal_slowdown"]);
    let bits: u64 = READINGS.iter().fold(0, |bits, reading| match reading.value {
        Value::Reason(bit) => bits | bit,
        _ => bits,
    });
    assert_eq!(bits, 0xfc);
}

/// What a card reports, and what locking wants of it, without the names that all settings share.
fn lock_of(clocks: &CardClocks, known: Known) -> (Vec<String>, Vec<String>) {
    let lines = |settings: &Settings| -> Vec<String> {
        let short =
            |(setting, value): (&String, &String)| format!("{} {value}", setting.rsplit('/').next().unwrap());
        settings.iter().map(short).collect()
    };
    let (mut present, mut wanted) = (Settings::new(), Settings::new());
    clocks::settings("GPU-0", clocks, known, &mut present);
    clocks::locked(&present, &mut wanted);
    (lines(&present), lines(&wanted))
}

const CLOCKS: CardClocks = CardClocks {
    is_persistent: Some(false),
    sustained_graphics_megahertz: Some(1590),
    highest_memory_megahertz: Some(2619),
    application_megahertz: Some((2619, 1200)),
};

#[test]
fn card_is_locked_by_what_it_has() {
    let (present, wanted) = lock_of(&CLOCKS, Known::default());
    assert_eq!(
        present,
        [
            "application_megahertz 2619 1200",
            "highest_memory_megahertz 2619",
            "locked_graphics_megahertz none",
            "locked_memory_megahertz none",
            "persistence_mode 0",
            "sustained_graphics_megahertz 1590",
        ]
    );
    assert_eq!(
        wanted,
        ["locked_graphics_megahertz 1590", "locked_memory_megahertz 2619", "persistence_mode 1"]
    );
    let older = Known { has_no_graphics_lock: true, has_no_memory_lock: true, ..Known::default() };
    assert_eq!(lock_of(&CLOCKS, older).1, ["application_megahertz 2619 1590", "persistence_mode 1"]);
    // Neither: the lock that cannot be set stays wanted, so that the verdict names it.
    let without = CardClocks { application_megahertz: None, ..CLOCKS };
    assert_eq!(lock_of(&without, older).1, ["locked_graphics_megahertz 1590", "persistence_mode 1"]);
    let locked = Known { graphics_megahertz: Some(1590), memory_megahertz: Some(2619), ..Known::default() };
    assert!(lock_of(&CLOCKS, locked).0.contains(&"locked_graphics_megahertz 1590".to_owned()));
}

#[test]
fn setting_of_a_card_is_no_file() {
    let setting = CardSetting::Graphics.of("GPU-0");
    assert_eq!(CardSetting::parse(&setting), Some(("GPU-0", CardSetting::Graphics)));
    for other in ["/sys/devices/system/cpu/cpu0/online", "nvml:GPU-0/highest_memory_megahertz", "nvml:GPU-0"]
    {
        assert_eq!(CardSetting::parse(other), None, "{other}");
    }
}

#[test]
fn record_of_locks_lasts_until_the_next_boot() {
    let folder = tempfile::tempdir().unwrap();
    let root = HostRoot::new(folder.path()).unwrap();
    let boot = root.path("/proc/sys/kernel/random/boot_id");
    fs_err::create_dir_all(boot.parent().unwrap()).unwrap();
    fs_err::write(&boot, "one\n").unwrap();
    let record = || Record::of(&root, folder.path());
    let card = LockedCard { graphics_megahertz: Some(1590), memory_megahertz: None };
    let cards = LockedCards::from([("GPU-0".to_owned(), card)]);
    record().write(cards.clone()).unwrap();
    assert_eq!(record().read(), cards);
    fs_err::write(&boot, "two\n").unwrap();
    assert_eq!(record().read(), LockedCards::new());
    record().write(LockedCards::new()).unwrap();
    assert!(!root.path("/var/lib/backbone/graphics-clocks.json").exists());
    record().write(LockedCards::new()).unwrap();
}
