//! NVIDIA graphics cards of PCs and servers, as the library of their driver reports them.

use super::Finding;
use super::subject::Subject;
use crate::host::nvml::Card;
use crate::host::nvml::record::Record;
use crate::host::nvml::watch::sensors_name;
use crate::text::{counted, first_few};

/// The driver itself takes some hundred megabytes on the largest cards, and a desktop as much.
const MUCH_MEMORY: u64 = 1 << 30;

const NONE: &str = "this host has no NVIDIA card with a driver";

/// Cards that answer; the finding if there is none.
fn answering<'a>(subject: &'a Subject<'_>) -> Result<Vec<&'a Card>, Finding> {
    match &subject.cards {
        None => Err(Finding::does_not_apply(NONE)),
        Some(Err(_)) => Err(Finding::unobservable("the driver of the cards does not answer")),
        Some(Ok(cards)) => {
            let answering: Vec<&Card> = cards.cards.iter().flatten().collect();
            let is_any = !answering.is_empty();
            is_any.then_some(answering).ok_or_else(|| Finding::unobservable("no card answers"))
        }
    }
}

fn named<'a>(cards: impl IntoIterator<Item = &'a Card>) -> String {
    first_few(cards.into_iter().map(sensors_name))
}

pub(super) fn driver(subject: &Subject) -> Finding {
    let cards = match &subject.cards {
        None => return Finding::does_not_apply(NONE),
        Some(Err(trouble)) => return Finding::problem(trouble.to_string(), trouble.remedy()),
        Some(Ok(cards)) => cards,
    };
    let silent = cards.cards.iter().enumerate().find_map(|(index, card)| Some((index, card.as_ref().err()?)));
    if let Some((index, trouble)) = silent {
        return Finding::problem(format!("card {index}: {trouble}"), trouble.remedy());
    }
    let release = cards.driver.as_deref().unwrap_or("of an unknown release");
    let cuda = cards.cuda.as_ref().map(|cuda| format!(", for CUDA up to {cuda},")).unwrap_or_default();
    match cards.cards.len() {
        0 => Finding::problem(
            format!("the driver {release} has no card"),
            "see `sudo dmesg | grep -i nvrm`, and whether the unit or the container hides /dev/nvidia*",
        ),
        count => Finding::ok(format!("the driver {release}{cuda} has {}", counted(count, "card", "cards"))),
    }
}

pub(super) fn persistence(subject: &Subject) -> Finding {
    let cards = match answering(subject) {
        Ok(cards) => cards,
        Err(finding) => return finding,
    };
    let off: Vec<&Card> = cards.iter().copied().filter(|card| card.is_persistent == Some(false)).collect();
    if cards.iter().all(|card| card.is_persistent.is_none()) {
        Finding::unobservable("no card reports its persistence mode")
    } else if off.is_empty() {
        Finding::ok("the driver keeps the cards initialised")
    } else {
        Finding::advice(
            format!("the driver shuts {} down between two programs, so every load takes longer", named(off)),
            "`sudo systemctl enable --now nvidia-persistenced`, or `sudo nvidia-smi -pm 1` until the next boot",
        )
    }
}

pub(super) fn memory(subject: &Subject) -> Finding {
    let cards = match answering(subject) {
        Ok(cards) => cards,
        Err(finding) => return finding,
    };
    let used = cards.iter().filter_map(|card| Some((*card, card.memory_used_bytes?)));
    let Some((card, bytes)) = used.max_by_key(|(_, bytes)| *bytes) else {
        return Finding::unobservable("no card reports how much of its memory is in use");
    };
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    let of = card.memory_bytes.map_or_else(String::new, |all| format!(" of {} GiB", all >> 30));
    let processes = card.processes.as_ref().map_or(0, Vec::len);
    let observed = format!(
        "{gibibytes:.1}{of} of the memory of {} are in use, by {}",
        sensors_name(card),
        counted(processes, "program", "programs")
    );
    // While the daemon measures, its worker is the program.
    if bytes > MUCH_MEMORY || processes > 0 {
        Finding::advice(
            observed,
            "`nvidia-smi` lists the programs; stop those that need not run on this host",
        )
    } else {
        Finding::ok(observed)
    }
}

pub(super) fn throttling(subject: &Subject) -> Finding {
    let cards = match answering(subject) {
        Ok(cards) => cards,
        Err(finding) => return finding,
    };
    let slowed = cards.iter().filter_map(|card| {
        let reasons = card.slowed_by.as_ref().filter(|reasons| !reasons.is_empty())?;
        Some(format!("{} ({})", sensors_name(card), reasons.join(", ")))
    });
    let slowed: Vec<String> = slowed.collect();
    if !slowed.is_empty() {
        Finding::problem(
            format!("throttled now: {}", first_few(&slowed)),
            "cool the card, check its power supply and `nvidia-smi -q -d POWER,PERFORMANCE`, and see what else runs on it",
        )
    } else if cards.iter().all(|card| card.slowed_by.is_none()) {
        Finding::unobservable("no card reports why its clocks are low")
    } else {
        Finding::ok("no card is throttled")
    }
}

pub(super) fn split(subject: &Subject) -> Finding {
    let cards = match answering(subject) {
        Ok(cards) => cards,
        Err(finding) => return finding,
    };
    let split: Vec<&Card> = cards.iter().copied().filter(|card| card.is_split == Some(true)).collect();
    match split.is_empty() {
        true => Finding::ok("no card is split into instances (MIG)"),
        false => Finding::advice(
            format!("{} is split into instances (MIG), which share its power and its clocks", named(split)),
            "measure while the other instances are idle, or `sudo nvidia-smi -mig 0`",
        ),
    }
}

pub(super) fn clocks(subject: &Subject) -> Finding {
    let cards = match answering(subject) {
        Ok(cards) => cards,
        Err(finding) => return finding,
    };
    let locked = Record::of(subject.root, &subject.asked.state).read();
    let is_locked =
        |card: &Card| locked.get(&card.uuid).is_some_and(|card| card.graphics_megahertz.is_some());
    let Some(card) = cards.iter().copied().find(|card| !is_locked(card)) else {
        return Finding::ok(format!("the daemon has locked the clock of {} for a job", named(cards)));
    };
    let name = sensors_name(card);
    match (card.graphics_megahertz, card.highest_graphics_megahertz) {
        // The driver does not report locks that were set by hand.
        (Some(now), Some(highest)) => Finding::advice(
            format!("the clock of {name} varies up to {highest} MHz; now it is at {now} MHz"),
            "set `host: {lock_clocks: true}` in jobs, for which the daemon needs CAP_SYS_ADMIN; see Rights in docs/OPERATING.md",
        ),
        _ => Finding::unobservable(format!("{name} does not report its clock")),
    }
}
