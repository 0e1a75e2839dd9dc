//! Single operators, with numbers worked by hand, and the list of all.

use super::bad_input::{declared, field, graph, integer, node, weights};
use super::none;
use super::structure::numbers;
use crate::network::cost::Cost;
use crate::network::count::onnx;

/// Every operator of ONNX's own domain, of any version, in onnx 1.23 of PyPI.
const ALL: &str = "\
    Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool \
    BatchNormalization Bernoulli BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor \
    BlackmanWindow Cast CastLike CausalConvWithState Ceil Celu CenterCropPad Clip Col2Im Compress Concat \
    ConcatFromSequence Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumProd CumSum \
    DFT DeformConv DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal \
    Erf Exp Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool \
    GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HammingWindow \
    HannWindow HardSigmoid HardSwish Hardmax Identity If ImageDecoder InstanceNormalization IsInf IsNaN \
    LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual LinearAttention Log LogSoftmax Loop \
    LpNormalization LpPool MatMul MatMulInteger Max MaxPool MaxRoiPool MaxUnpool Mean \
    MeanVarianceNormalization MelWeightMatrix Min Mish Mod Mul Multinomial Neg NegativeLogLikelihoodLoss \
    NonMaxSuppression NonZero Not OneHot Optional OptionalGetElement OptionalHasElement Or PRelu Pad Pow \
    QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN RandomNormal RandomNormalLike \
    RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp \
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare RegexFullMatch Relu Reshape \
    Resize ReverseSequence RoiAlign RotaryEmbedding Round STFT Scan Scatter ScatterElements ScatterND \
    Selu SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength \
    SequenceMap Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss Softplus \
    Softsign SpaceToDepth Split SplitToSequence Sqrt Squeeze StringConcat StringNormalizer StringSplit \
    Sub Sum SwiGLU Swish Tan Tanh TensorScatter TfIdfVectorizer ThresholdedRelu Tile TopK Transpose \
    Trilu Unique Unsqueeze Upsample Where Xor";

/// What has no rule of its own because it is followed elsewhere.
const FOLLOWED: &[&str] = &["If", "Loop", "Scan", "SequenceMap"];

/// A model of one version of the operators.
fn of_version(version: u64, parts: &[(u8, Vec<u8>)]) -> Cost {
    let model = [graph(parts), field(8, &integer(2, version))].concat();
    onnx(&model, &none()).unwrap()
}

fn single(version: u64, parts: &[(u8, Vec<u8>)]) -> (u64, Vec<u64>) {
    let cost = of_version(version, parts);
    assert_eq!(cost.uncounted, []);
    (cost.macs(), cost.layers.last().unwrap().output_shape.clone())
}

/// A node with a setting that is a text.
fn with_text(node: Vec<u8>, name: &str, text: &str) -> Vec<u8> {
    [node, field(5, &[field(1, name.as_bytes()), field(4, text.as_bytes())].concat())].concat()
}

#[test]
fn every_operator_of_onnx_has_a_rule() {
    let missing: Vec<&str> = ALL
        .split_whitespace()
        .filter(|name| !FOLLOWED.contains(name))
        .filter(|name| {
            let parts = [(11, declared("x", &[1, 2])), (1, node(name, &["x"], "y", &[]))];
            let cost = of_version(23, &parts);
            cost.uncounted.iter().any(|one| one.why == "this operator is not counted")
        })
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn recurrent_layers_multiply_for_every_gate_step_and_direction() {
    // 7 steps, a batch of 2, 3 numbers in, a state of 5.
    for (operator, gates) in [("RNN", 1), ("GRU", 3), ("LSTM", 4)] {
        for directions in [1, 2] {
            let rows = gates * 5;
            let parts = [
                (11, declared("x", &[7, 2, 3])),
                (5, weights("w", &[directions, rows, 3], (directions * rows * 3 * 4) as usize)),
                (5, weights("r", &[directions, rows, 5], (directions * rows * 5 * 4) as usize)),
                (1, node(operator, &["x", "w", "r"], "y", &[("hidden_size", &[5])])),
            ];
            let macs = 7 * 2 * directions * gates * 5 * (3 + 5);
            assert_eq!(single(14, &parts), (macs, vec![7, directions, 2, 5]), "{operator}");
        }
    }
}

#[test]
fn an_einsum_is_a_product_where_it_sums() {
    let two = |equation: &str, first: &[u64], second: &[u64]| {
        let einsum = with_text(node("Einsum", &["a", "b"], "y", &[]), "equation", equation);
        single(12, &[(11, declared("a", first)), (11, declared("b", second)), (1, einsum)])
    };
    assert_eq!(
        two("bhid, bhjd -> bhij", &[2, 3, 4, 5], &[2, 3, 6, 5]),
        (2 * 3 * 4 * 6 * 5, vec![2, 3, 4, 6])
    );
    assert_eq!(two("...ij,...jk", &[2, 4, 5], &[2, 5, 6]), (2 * 4 * 5 * 6, vec![2, 4, 6]));
    // Elements by elements: no product of matrices.
    assert_eq!(two("ij,ij->ij", &[4, 5], &[4, 5]), (0, vec![4, 5]));
    let three = with_text(node("Einsum", &["a", "b", "c"], "y", &[]), "equation", "ij,jk,kl->il");
    let operands = [("a", [2, 3]), ("b", [3, 4]), ("c", [4, 5])];
    let mut parts: Vec<(u8, Vec<u8>)> =
        operands.iter().map(|(name, shape)| (11, declared(name, shape))).collect();
    parts.push((1, three));
    assert_eq!(single(12, &parts), (2 * 3 * 4 + 2 * 4 * 5, vec![2, 5]));
}

#[test]
fn attention_is_two_products_of_every_query_with_every_key() {
    let four = |name| (11, declared(name, &[1, 8, 16, 32]));
    let parts = [four("q"), four("k"), four("v"), (1, node("Attention", &["q", "k", "v"], "y", &[]))];
    assert_eq!(single(23, &parts), (8 * 16 * 16 * (32 + 32), vec![1, 8, 16, 32]));
    // ONNX Runtime's own, which projects first: 3 × 64 columns, 4 heads.
    let microsoft = |node: Vec<u8>| [node, field(7, b"com.microsoft")].concat();
    let attention = node("Attention", &["x", "w", "b"], "y", &[("num_heads", &[4])]);
    let parts = [
        (11, declared("x", &[2, 10, 64])),
        (5, weights("w", &[64, 192], 64 * 192 * 4)),
        (5, weights("b", &[192], 192 * 4)),
        (1, microsoft(attention)),
    ];
    let macs = 2 * 10 * 64 * 192 + 2 * 4 * 10 * 10 * (16 + 16);
    assert_eq!(single(13, &parts), (macs, vec![2, 10, 64]));
    let packed = node("MatMulNBits", &["x", "w"], "y", &[("K", &[64]), ("N", &[100])]);
    let parts = [
        (11, declared("x", &[2, 10, 64])),
        (
            5,
            [
                [100, 2, 16].map(|size| integer(1, size)).concat(),
                integer(2, 2),
                field(8, b"w"),
                field(9, &[0; 3200]),
            ]
            .concat(),
        ),
        (1, microsoft(packed)),
    ];
    assert_eq!(single(13, &parts), (20 * 64 * 100, vec![2, 10, 100]));
}

#[test]
fn fourier_transforms_have_shapes_and_no_macs() {
    let signal = (11, declared("x", &[2, 1024, 1]));
    let parts = [
        signal.clone(),
        numbers("step", &[], &[128]),
        numbers("length", &[], &[256]),
        (1, node("STFT", &["x", "step", "", "length"], "y", &[])),
    ];
    assert_eq!(single(17, &parts), (0, vec![2, 7, 129, 2]));
    let parts = [signal, (1, node("DFT", &["x"], "y", &[("onesided", &[1]), ("axis", &[1])]))];
    assert_eq!(single(17, &parts), (0, vec![2, 513, 2]));
    // Half of 5 × 1024 × 10 for each of two real signals.
    assert_eq!(of_version(17, &parts).other_operations(), 2 * 25_600);
}

#[test]
fn sequences_are_followed_tensor_by_tensor() {
    let parts = [
        (11, declared("x", &[5, 4])),
        numbers("sizes", &[2], &[2, 3]),
        numbers("one", &[], &[1]),
        (1, node("SplitToSequence", &["x", "sizes"], "parts", &[("axis", &[0])])),
        (1, node("SequenceAt", &["parts", "one"], "part", &[])),
        (1, node("SequenceInsert", &["parts", "part"], "more", &[])),
        (1, node("ConcatFromSequence", &["more"], "joined", &[("axis", &[0])])),
        (1, node("Relu", &["joined"], "y", &[])),
    ];
    assert_eq!(single(13, &parts).1, [8, 4]);
}

#[test]
fn sizes_that_values_decide_stay_open_and_are_named() {
    let parts = [
        (11, declared("x", &[5, 4])),
        (1, node("NonZero", &["x"], "places", &[])),
        (1, node("Transpose", &["places"], "turned", &[])),
    ];
    let cost = of_version(13, &parts);
    let listed: Vec<(&str, &str)> =
        cost.uncounted.iter().map(|one| (one.operator.as_str(), one.why.as_str())).collect();
    assert_eq!(
        listed,
        [
            ("NonZero", "how many elements are not zero depends on the values of its input"),
            ("Transpose", "the shape of its input `places` is not known"),
        ]
    );
}

#[test]
fn a_quantisation_that_looks_at_the_values_has_three_outputs() {
    let quantise = [node("DynamicQuantizeLinear", &["x"], "q", &[]), field(2, b"scale"), field(2, b"zero")];
    let parts = [
        (11, declared("x", &[3, 4])),
        (
            5,
            [[4, 5].map(|size| integer(1, size)).concat(), integer(2, 3), field(8, b"w"), field(9, &[0; 20])]
                .concat(),
        ),
        (1, quantise.concat()),
        (1, node("MatMulInteger", &["q", "w", "zero"], "p", &[])),
        (1, node("Cast", &["p"], "f", &[("to", &[1])])),
        (1, node("Mul", &["f", "scale"], "y", &[])),
    ];
    assert_eq!(single(11, &parts), (3 * 4 * 5, vec![3, 5]));
}

#[test]
fn settings_of_the_first_versions_are_read() {
    let image = || (11, declared("x", &[1, 2, 4, 4]));
    let of = |node: Vec<u8>, version| single(version, &[image(), (1, node)]).1;
    let reshape = node("Reshape", &["x"], "v", &[("shape", &[2, 16])]);
    let parts = [image(), (1, reshape), (1, node("Relu", &["v"], "y", &[]))];
    assert_eq!(single(1, &parts).1, [2, 16]);
    let slice = node("Slice", &["x"], "y", &[("starts", &[1, 0]), ("ends", &[3, 2]), ("axes", &[2, 3])]);
    assert_eq!(of(slice, 1), [1, 2, 2, 2]);
    let pads: &[u64] = &[0, 0, 1, 1, 0, 0, 1, 1];
    assert_eq!(of(node("Pad", &["x"], "y", &[("paddings", pads)]), 1), [1, 2, 6, 6]);
    assert_eq!(of(node("TopK", &["x"], "y", &[("k", &[2]), ("axis", &[3])]), 1), [1, 2, 4, 2]);
    let scale = |name: &str| {
        field(5, &[field(1, name.as_bytes()), [&[2 << 3 | 5], &2_f32.to_le_bytes()[..]].concat()].concat())
    };
    let upsample = [node("Upsample", &["x"], "y", &[]), scale("height_scale"), scale("width_scale")].concat();
    assert_eq!(of(upsample, 1), [1, 2, 8, 8]);
    let cast = with_text(node("Cast", &["x"], "y", &[]), "to", "FLOAT16");
    assert_eq!(of_version(1, &[image(), (1, cast)]).bytes_moved(), 32 * 4 + 32 * 2);
    let normalise =
        node("BatchNormalization", &["x", "s", "b", "m", "v"], "y", &[("consumed_inputs", &[0, 0, 0, 1, 1])]);
    let mut parts = vec![image(), (1, normalise)];
    parts.extend(["s", "b", "m", "v"].map(|name| (5, weights(name, &[2], 8))));
    assert_eq!(single(1, &parts).1, [1, 2, 4, 4]);
}

#[test]
fn an_element_type_newer_than_the_reader_leaves_that_tensor_alone_unknown() {
    let newer = |name: &str| {
        let sizes = [4, 4].map(|size| integer(1, size)).concat();
        (5, [sizes, integer(2, 99), field(8, name.as_bytes()), field(9, &[0; 7])].concat())
    };
    let parts = [
        (11, declared("x", &[1, 4])),
        newer("q"),
        (5, weights("s", &[1], 4)),
        (1, node("DequantizeLinear", &["q", "s"], "w", &[])),
        (1, node("MatMul", &["x", "w"], "p", &[])),
        (1, node("MatMul", &["x", "v"], "y", &[])),
        (5, weights("v", &[4, 4], 64)),
    ];
    let cost = of_version(25, &parts);
    assert_eq!(cost.macs(), 16);
    assert_eq!(cost.uncounted.len(), 1);
    assert_eq!(cost.uncounted[0].why, "the size of an element of `w` is not known");
}

/// The shape that exporters compute in 32-bit floating-point numbers around `Resize`.
#[test]
fn sizes_are_followed_through_floating_point_numbers() {
    let value = |name: &str, value: f32| {
        (5, [integer(2, 1), field(8, name.as_bytes()), field(9, &value.to_le_bytes())].concat())
    };
    let parts = [
        (11, declared("x", &[1, 3, 10, 10])),
        value("factor", 0.7),
        numbers("from", &[1], &[2]),
        numbers("to", &[1], &[4]),
        numbers("batch", &[2], &[1, 3]),
        (1, node("Shape", &["x"], "shape", &[])),
        (1, node("Slice", &["shape", "from", "to"], "sides", &[])),
        (1, node("Cast", &["sides"], "floats", &[("to", &[1])])),
        (1, node("Mul", &["floats", "factor"], "scaled", &[])),
        (1, node("Floor", &["scaled"], "whole", &[])),
        (1, node("Cast", &["whole"], "sizes", &[("to", &[7])])),
        (1, node("Concat", &["batch", "sizes"], "all", &[("axis", &[0])])),
        (1, node("Resize", &["x", "", "", "all"], "y", &[])),
    ];
    assert_eq!(single(13, &parts).1, [1, 3, 7, 7]);
}
