//! The cards that are read while a job measures.

use std::io;

use super::choice::{self, CudaVariables};
use super::probe::{CardValues, Probe, START_LIMIT};
use super::readings::{READINGS, ReadingKind};
use super::{Card, Cards, Trouble};
use crate::bundle::format::{Graphics, GraphicsCard};
use crate::host::root::HostRoot;

/// Cards with their last values.
#[derive(Debug)]
pub(crate) struct WatchedCards {
    probe: Probe,
    cards: Vec<Card>,
    uuids: Vec<String>,
    values: Result<Vec<CardValues>, Trouble>,
}

/// Begin to watch the card to which CUDA gives this number, or every card if that is not known. The first of
/// the two is what a bundle says about it.
pub(crate) fn watch(root: &HostRoot, device: u32) -> (Graphics, Option<WatchedCards>) {
    let mut graphics = Graphics { device, ..Graphics::default() };
    match look(root) {
        Ok((mut probe, Cards { driver, cuda, cards })) => {
            (graphics.driver, graphics.cuda) = (driver, cuda);
            let (cards, detail) = chosen(cards, device, &CudaVariables::of_this_process());
            graphics.detail = detail;
            graphics.cards = cards.iter().map(in_bundle).collect();
            let uuids: Vec<String> = cards.iter().map(|card| card.uuid.clone()).collect();
            let values = probe.read(&uuids);
            (graphics, Some(WatchedCards { probe, cards, uuids, values }))
        }
        Err(trouble) => {
            graphics.detail = Some(trouble.to_string());
            (graphics, None)
        }
    }
}

fn look(root: &HostRoot) -> Result<(Probe, Cards), Trouble> {
    if !super::is_here(root) {
        return Err(Trouble::NoDriver);
    }
    let mut probe = Probe::start(root, START_LIMIT)?;
    let cards = probe.cards(START_LIMIT)?;
    Ok((probe, cards))
}

/// The card of that number, or every one, and what is not known of them.
pub(super) fn chosen(
    found: Vec<Result<Card, Trouble>>,
    device: u32,
    said: &CudaVariables,
) -> (Vec<Card>, Option<String>) {
    let (answering, silent): (Vec<_>, Vec<_>) =
        found.into_iter().enumerate().partition(|(_, card)| card.is_ok());
    let cards: Vec<Card> = answering.into_iter().filter_map(|(_, card)| card.ok()).collect();
    // CUDA numbers the cards that it can use. Which it can is not known of a card that does not answer.
    if let Some((index, Err(trouble))) = silent.into_iter().next() {
        return (cards, Some(format!("card {index}: {trouble}")));
    }
    match choice::card(&cards, device, said) {
        Ok(card) => (vec![card.clone()], None),
        Err(why) => (cards, Some(format!("which card is device {device} is not known: {why}"))),
    }
}

fn in_bundle(card: &Card) -> GraphicsCard {
    let card = card.clone();
    GraphicsCard {
        sensors: sensors_name(&card),
        uuid: card.uuid,
        name: card.name,
        bus: card.bus,
        persistence_mode: card.is_persistent,
        ecc: card.has_ecc,
        mig: card.is_split,
        memory_bytes: card.memory_bytes,
        memory_used_bytes: card.memory_used_bytes,
        processes: card.processes.and_then(|processes| u32::try_from(processes.len()).ok()),
        power_limit_watts: card.power_limit_watts,
    }
}

/// Beginning of the names of its sensors.
pub(crate) fn sensors_name(card: &Card) -> String {
    format!("gpu{}", card.index)
}

impl WatchedCards {
    /// The cards, in the order of [`WatchedCards::value`].
    pub(crate) fn cards(&self) -> &[Card] {
        &self.cards
    }

    /// Read all values again.
    pub(crate) fn refresh(&mut self) {
        self.values = self.probe.read(&self.uuids);
    }

    /// A value, as it was read last.
    ///
    /// # Errors
    /// It could not be read.
    pub(crate) fn value(&self, card: usize, reading: usize) -> io::Result<f64> {
        let ReadingKind { range, .. } = &READINGS[reading];
        let values = self.values.as_ref().and_then(|values| values[card].as_ref());
        match values.and_then(|values| values[reading].as_ref()) {
            Ok(value) if range.contains(value) => Ok(*value),
            Ok(value) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it reads {value}, which is not a measurement"),
            )),
            Err(trouble) => Err(io::Error::other(trouble.to_string())),
        }
    }
}
