//! Weights in a second file next to an ONNX file, for networks that the first cannot hold.
//!
//! Each tensor of the model file says where in the second its numbers are; readers look for that in the
//! model's own folder.
//!
//! Source: <https://onnx.ai/onnx/repo-docs/ExternalData.html>

use super::protobuf::Message;
use super::{Piece, WeightsPiece};

/// What is added to the name of the model file.
pub(crate) const EXTENSION: &str = "data";

/// Where a tensor begins: at pages, so that readers can map each by itself.
const ALIGNMENT_BYTES: u64 = 4096;

/// TensorProto.DataLocation.
const EXTERNAL: u64 = 1;

/// The second file under construction.
pub(super) struct Beside {
    name: String,
    pieces: Vec<Piece>,
    length: u64,
}

impl Beside {
    /// Next to a file of this name. A name alone and no path, so that both can be moved together.
    pub(super) fn new(model: &str) -> Self {
        Self { name: format!("{model}.{EXTENSION}"), pieces: Vec::new(), length: 0 }
    }

    /// Add a layer's weights, and to its tensor where they lie.
    pub(super) fn push(&mut self, tensor: Message, weights: WeightsPiece, length: u64) -> Message {
        let offset = self.length.next_multiple_of(ALIGNMENT_BYTES);
        let padding = vec![0; (offset - self.length) as usize];
        self.pieces.extend([Piece::Bytes(padding), Piece::Weights(weights)]);
        self.length = offset + length;
        let entry = |key: &str, value: &str| Message::new().text(1, key).text(2, value);
        tensor
            .message(13, entry("location", &self.name))
            .message(13, entry("offset", &offset.to_string()))
            .message(13, entry("length", &length.to_string()))
            .integer(14, EXTERNAL)
    }

    pub(super) fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }
}
