//! What the file says of a tensor's shape, and which word counts where it differs from ours.
//!
//! A file gives each tensor a shape, in which open dimensions have a placeholder of 1, and a signature, in
//! which they are open. Both are what an interpreter begins with; it computes all shapes again, so that those
//! of a file hold only while its inputs have the shapes of the file.

use crate::model_file::tflite::graph::GraphTensor;

/// The shape that the file gives, with open dimensions; `None` where it says nothing.
pub(super) fn signature<'r>(tensor: &'r GraphTensor<'_>, trusts_file: bool) -> Option<&'r [Option<u64>]> {
    (trusts_file && tensor.is_ranked).then_some(tensor.signature.as_slice())
}

/// The whole shape by the file alone. An open first dimension is a batch and has the file's placeholder; an
/// empty shape may be no shape at all.
pub(super) fn whole(tensor: &GraphTensor<'_>, trusts_file: bool) -> Option<Vec<u64>> {
    let has_open_inside = tensor.signature.iter().skip(1).any(Option::is_none);
    (trusts_file && tensor.is_ranked && !has_open_inside).then(|| tensor.shape.clone())
}

/// What is decided on a shape.
pub(super) enum Decision {
    /// Both agree, or only one of them says something.
    Agreed(Vec<u64>),
    /// The file says something else than what was computed.
    ByFile {
        /// The shape to use.
        used: Vec<u64>,
        /// Ours.
        computed: Vec<u64>,
    },
    /// Neither says it.
    Unknown,
}

/// The shape of a tensor of the file for which `computed` follows from the inputs of its operator.
pub(super) fn decide(tensor: &GraphTensor<'_>, trusts_file: bool, computed: Option<Vec<u64>>) -> Decision {
    let Some(computed) = computed else {
        return whole(tensor, trusts_file).map_or(Decision::Unknown, Decision::Agreed);
    };
    let Some(declared) = signature(tensor, trusts_file) else { return Decision::Agreed(computed) };
    if declared.len() == computed.len() {
        let sizes = declared.iter().zip(&computed);
        let used: Vec<u64> = sizes.map(|(declared, computed)| declared.unwrap_or(*computed)).collect();
        if used == computed {
            return Decision::Agreed(computed);
        }
        return Decision::ByFile { used, computed };
    }
    match declared.iter().copied().collect() {
        Some(used) => Decision::ByFile { used, computed },
        None => Decision::Agreed(computed),
    }
}
