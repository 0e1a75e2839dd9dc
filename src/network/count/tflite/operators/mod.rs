//! What each TensorFlow Lite operator makes and costs. Activations are NHWC; an activation that an operator's
//! options name is part of it.
//!
//! Source of the operators' numbers and options: the schema that [`crate::model_file::tflite::graph`] names.

use crate::model_file::tflite::operators::title;
use crate::network::count::graph::Work;
use crate::network::count::uncountable::Uncountable;
pub(super) use context::Context;

mod context;
mod elementwise;
mod layout;
mod products;
mod recurrent;
mod selection;
mod windows;

/// What an operator makes and does.
pub(super) struct Effect {
    /// Shapes of its outputs, as far as they follow from what it reads; the others are the file's.
    pub(super) shapes: Vec<Vec<u64>>,
    pub(super) work: Work,
    /// Which inputs are tensors rather than shapes, axes and bounds: the activation, weights, biases.
    pub(super) tensors: Vec<usize>,
}

type Answer = Result<Effect, Uncountable>;
pub(super) type Rule = fn(&Context<'_, '_>) -> Answer;

/// The rule of a builtin operator.
pub(super) fn rule(code: u32) -> Option<Rule> {
    let title = title(code, "");
    let found = OPERATORS.iter().find(|(names, _)| names.contains(&title.as_str()));
    found.map(|(_, rule)| *rule)
}

/// What is counted, by the schema's names. Operators of one rule stand together.
const OPERATORS: &[(&[&str], Rule)] = &[
    (&["CONV_2D"], products::convolution),
    (&["DEPTHWISE_CONV_2D"], products::depthwise_convolution),
    (&["TRANSPOSE_CONV"], products::transposed_convolution),
    (&["CONV_3D"], products::convolution_3d),
    (&["CONV_3D_TRANSPOSE"], products::transposed_convolution_3d),
    (&["FULLY_CONNECTED"], products::fully_connected),
    (&["BATCH_MATMUL"], products::matrix_product),
    (&["LSTM"], recurrent::lstm),
    (&["UNIDIRECTIONAL_SEQUENCE_LSTM"], recurrent::sequence_lstm),
    (&["BIDIRECTIONAL_SEQUENCE_LSTM"], recurrent::both_ways_lstm),
    (&["RNN", "UNIDIRECTIONAL_SEQUENCE_RNN"], recurrent::rnn),
    (&["BIDIRECTIONAL_SEQUENCE_RNN"], recurrent::both_ways_rnn),
    (&["SVDF"], recurrent::svdf),
    (&["AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"], windows::pool),
    (&["RESIZE_BILINEAR"], windows::resize_linear),
    (&["RESIZE_NEAREST_NEIGHBOR"], windows::resize_nearest),
    (&["LOCAL_RESPONSE_NORMALIZATION"], windows::local_normalization),
    (&["RELU", "RELU_N1_TO_1", "RELU6", "RELU_0_TO_1", "LEAKY_RELU", "PRELU"], elementwise::clamp),
    (&["ADD", "STABLEHLO_ADD"], elementwise::addition),
    (elementwise::BINARY, elementwise::binary),
    (elementwise::UNARY, elementwise::unary),
    // The interpreter runs these as passes of their own.
    (&["QUANTIZE", "DEQUANTIZE"], elementwise::unary),
    (&["SOFTMAX", "LOG_SOFTMAX"], elementwise::softmax),
    (&["L2_NORMALIZATION"], elementwise::norm),
    (&["ADD_N"], elementwise::sum_of_several),
    (&["SELECT", "SELECT_V2", "STABLEHLO_SELECT"], elementwise::choice),
    (elementwise::REDUCTIONS, elementwise::reduction),
    (&["ARG_MAX", "ARG_MIN"], elementwise::position),
    (&["TOPK_V2"], elementwise::greatest),
    (&["RFFT2D"], elementwise::fourier),
    (&["WHERE"], elementwise::positions_of_truth),
    (&["RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL"], elementwise::random),
    (&["SEGMENT_SUM"], elementwise::segments),
    (elementwise::UNSORTED_SEGMENTS, elementwise::segments),
    (&["RESHAPE"], layout::reshape),
    (&["SQUEEZE"], layout::squeeze),
    (&["EXPAND_DIMS"], layout::expand_axes),
    (&["BITCAST", "STABLEHLO_RESHAPE"], layout::view),
    (&["DENSIFY"], layout::densify),
    (&["SHAPE"], layout::shape_of),
    (&["RANK", "HASHTABLE_SIZE"], layout::scalar),
    (&["BROADCAST_ARGS"], layout::broadcast_shapes),
    (&["CONCATENATION"], layout::concatenation),
    (&["PACK"], layout::packing),
    (&["PAD", "PADV2", "MIRROR_PAD"], layout::pad),
    (&["FILL"], layout::fill),
    (&["ZEROS_LIKE"], layout::zeros),
    (&["RANGE"], layout::range),
    (&["ONE_HOT"], layout::one_hot),
    (&["TRANSPOSE"], selection::transpose),
    (&["SLICE"], selection::slice),
    (&["STRIDED_SLICE"], selection::strided_slice),
    (&["SPLIT"], selection::split),
    (&["SPLIT_V"], selection::split_by_sizes),
    (&["UNPACK"], selection::unpack),
    (&["GATHER"], selection::gather),
    (&["GATHER_ND"], selection::gather_positions),
    (&["EMBEDDING_LOOKUP"], selection::embedding),
    (&["TILE"], selection::tile),
    (&["BROADCAST_TO"], selection::broadcast_to),
    (&["SPACE_TO_DEPTH"], selection::space_to_depth),
    (&["DEPTH_TO_SPACE"], selection::depth_to_space),
    (&["REVERSE_V2", "REVERSE_SEQUENCE"], selection::same),
    (&["REAL", "IMAG"], selection::same),
    (selection::DECLARED, selection::declared),
    (&["SPACE_TO_BATCH_ND"], selection::space_to_batch),
    (&["BATCH_TO_SPACE_ND"], selection::batch_to_space),
    (&["MATRIX_DIAG"], selection::diagonal),
    (&["DYNAMIC_UPDATE_SLICE", "MATRIX_SET_DIAG"], selection::updated),
    (&["STABLEHLO_DYNAMIC_UPDATE_SLICE", "STABLEHLO_SCATTER"], selection::updated),
    (&["SCATTER_ND"], selection::scattered),
    (&["SPARSE_TO_DENSE"], selection::sparse_to_dense),
    (&["DILATE", "STABLEHLO_PAD"], selection::spread),
];

fn one(shape: Vec<u64>, work: Work, tensors: Vec<usize>) -> Answer {
    Ok(Effect { shapes: vec![shape], work, tensors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_for_an_operator_of_the_schema_and_none_for_two() {
        let schema: Vec<String> = (0..300).map(|code| title(code, "")).collect();
        let mut seen = std::collections::HashSet::new();
        for name in OPERATORS.iter().flat_map(|(names, _)| *names) {
            assert!(schema.iter().any(|known| known == name), "{name}");
            assert!(seen.insert(*name), "{name} has two rules");
        }
    }
}
