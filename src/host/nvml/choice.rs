//! Which card a number of CUDA means. No I/O.
//!
//! CUDA numbers the cards that `CUDA_VISIBLE_DEVICES` lists, in the order of that list; without it all cards,
//! the fastest first, or in the order of their bus addresses if `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`. Source:
//! <https://docs.nvidia.com/cuda/cuda-c-programming-guide/#cuda-environment-variables>.

use super::Card;

/// The variable that hides cards from CUDA.
pub(crate) const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// The variable that says how CUDA numbers cards, and its value for the order in which the library lists
/// them.
pub(crate) const ORDER: &str = "CUDA_DEVICE_ORDER";
pub(crate) const BY_BUS: &str = "PCI_BUS_ID";

/// What a worker's environment says about cards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CudaVariables {
    /// [`VISIBLE`].
    pub(crate) visible: Option<String>,
    /// [`ORDER`].
    pub(crate) order: Option<String>,
}

impl CudaVariables {
    /// Of this process. A worker inherits them, and gets the order by bus addresses if there is none.
    pub(crate) fn of_this_process() -> Self {
        let text = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self { visible: text(VISIBLE), order: text(ORDER).or_else(|| Some(BY_BUS.to_owned())) }
    }
}

/// The card that CUDA gives this number.
///
/// # Errors
/// Why it is not known, in a few words.
pub(crate) fn card<'a>(cards: &'a [Card], device: u32, said: &CudaVariables) -> Result<&'a Card, String> {
    let entry = match &said.visible {
        None => None,
        Some(list) => {
            // CUDA ignores everything from the first entry on that it does not understand.
            let mut entries = list.split(',').map(str::trim).take_while(|entry| is_entry(entry));
            let entry = entries.nth(device as usize);
            Some(entry.ok_or_else(|| format!("{VISIBLE} is `{list}`, which has no device {device}"))?)
        }
    };
    let number = match entry {
        None => device,
        Some(entry) => match entry.parse() {
            Ok(number) => number,
            Err(_) => return named(cards, entry),
        },
    };
    let index = number as usize;
    let card = cards.get(index).ok_or_else(|| format!("the host has no card {number}"))?;
    let is_ordered =
        said.order.as_deref() == Some(BY_BUS) || cards.iter().all(|other| other.name == card.name);
    if is_ordered {
        Ok(card)
    } else {
        Err(format!("the cards differ, and {ORDER} is not {BY_BUS}, so CUDA may number them otherwise"))
    }
}

fn is_entry(entry: &str) -> bool {
    entry.parse::<u32>().is_ok() || entry.starts_with("GPU-") || entry.starts_with("MIG-")
}

/// By the beginning of a card's UUID, or by an instance of it: `MIG-` and a UUID of its own, or as older
/// drivers write it `MIG-GPU-…/1/0`.
fn named<'a>(cards: &'a [Card], entry: &str) -> Result<&'a Card, String> {
    let of_card = entry.strip_prefix("MIG-").filter(|rest| rest.starts_with("GPU-")).unwrap_or(entry);
    let of_card = of_card.split('/').next().unwrap_or(of_card);
    let is_it = |card: &&Card| {
        card.uuid.starts_with(of_card) || card.instances.iter().any(|instance| instance.starts_with(entry))
    };
    cards
        .iter()
        .find(is_it)
        .ok_or_else(|| format!("{VISIBLE} names `{entry}`, which this host does not have"))
}
