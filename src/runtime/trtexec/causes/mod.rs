//! Error texts of trtexec: what they mean, whose fault they are, and what to do.
//!
//! One run prints several of them, from the cause to its last consequence. The [`table`] lists the most
//! telling text first, and the first row that occurs is the reason. Texts that only say that something failed
//! before are [`CONSEQUENCES`] and no reason. A text that does not say whose fault it is gets
//! `Fault::Unknown`: nothing is a fact about the model that the program does not say of the model.

use super::release::Release;

mod memory;
mod table;

pub(super) use memory::GpuMemory;
use table::{KNOWN, KnownText, Severity};
pub(super) use table::{MEMORY, NO_IMPLEMENTATION, OUT_OF_MEMORY};

/// Texts that follow every failure: they name no cause.
pub(super) const CONSEQUENCES: &[&str] = &[
    "Assertion engine != nullptr failed",
    "Building engine failed",
    "Engine could not be created",
    "Engine creation failed",
    "Engine set up failed",
    "Failed to create engine from model",
    "Inference set up failed",
    "Network And Config setup failed",
    "Parsing model failed",
];

/// The most telling row among the lines so far, and its line.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MostTelling(Option<(usize, String)>);

impl MostTelling {
    /// Look at one more line. A program whose release is not known may print any row.
    pub(super) fn take(&mut self, release: Option<Release>, is_warning: bool, line: &str) {
        let is_printed = |known: &KnownText| {
            let (since, until) = known.releases;
            (!is_warning || known.lines == Severity::Warnings)
                && release.is_none_or(|release| since <= release && release <= until)
        };
        let place = KNOWN.iter().position(|known| is_printed(known) && line.contains(known.text));
        let Some(place) = place else { return };
        if self.0.as_ref().is_none_or(|(first, _)| place < *first) {
            self.0 = Some((place, line.to_owned()));
        }
    }

    pub(super) fn row(&self) -> Option<(&'static KnownText, &str)> {
        self.0.as_ref().map(|(place, line)| (&KNOWN[*place], line.as_str()))
    }
}

/// What the number in `CUDA initialization failure with error: 222` stands for.
pub(super) fn cuda_error(line: &str) -> Option<&'static str> {
    let (_, rest) = line.split_once("nitialization failure with error")?;
    let digits: String =
        rest.trim_start_matches([':', ' ']).chars().take_while(char::is_ascii_digit).collect();
    let number: u32 = digits.parse().ok()?;
    CUDA_ERRORS.iter().find(|(known, _)| *known == number).map(|(_, meaning)| *meaning)
}

/// Errors of CUDA that initialising can end with, by their numbers in `driver_types.h` since CUDA 10.1.
const CUDA_ERRORS: &[(u32, &str)] = &[
    (2, "the GPU's memory is full"),
    (3, "the driver could not be initialised"),
    (35, "the driver is older than this CUDA"),
    (46, "every GPU is busy, or reserved for one process"),
    (100, "no GPU was found"),
    (101, "there is no GPU of that number"),
    (209, "the libraries contain no code for this GPU"),
    (222, "the driver is older than the libraries' code"),
    (304, "the operating system refused a call"),
    (801, "the operating system does not let CUDA do what it needs"),
    (802, "the GPUs are not ready yet"),
    (803, "the driver and its libraries are of different versions"),
    (804, "this GPU does not support libraries newer than its driver"),
    (999, "an unknown error; reloading the driver or a reboot helps most often"),
];

#[cfg(test)]
mod tests;
