//! What the walk knows of a tensor, for the operators that read it.

use crate::model_file::onnx::Payload;

/// What is known of a tensor while its readers are being walked.
#[derive(Debug, Default)]
pub(super) struct Fact<'a> {
    pub(super) name: String,
    pub(super) shape: Option<Vec<u64>>,
    pub(super) element_type: i64,
    pub(super) stored_bits: u64,
    pub(super) is_constant: bool,
    pub(super) payload: Option<Payload<'a>>,
    pub(super) values: Option<Vec<i64>>,
}

impl Fact<'_> {
    /// Its values as whole numbers, where they are known.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        self.values.clone().or_else(|| self.payload.as_ref().and_then(Payload::integers))
    }
}
