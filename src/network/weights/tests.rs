use super::*;
use crate::network::configuration::{Precision, RequestedConfiguration};

fn weights(block: &str, kernel: i64) -> Weights {
    Weights::new(&Configuration::new(&RequestedConfiguration::new(block, kernel, 1, 224, "fp32")).unwrap())
}

#[test]
fn batch_input_and_precision_change_no_weight() {
    let one = weights("depthwise-separable", 3);
    let requested = RequestedConfiguration::new("depthwise-separable", 3, 4, 1400, "int8");
    let other = Weights::new(&Configuration::new(&requested).unwrap());
    assert_eq!(one.convolutions, other.convolutions);
    assert_eq!(one.tensor_scales, other.tensor_scales);
    let (mut these, mut those) = (Vec::new(), Vec::new());
    for layer in 0..one.graph.layers.len() {
        one.codes(layer, 5, &mut these);
        other.codes(layer, 5, &mut those);
        assert_eq!(these, those);
    }
}

#[test]
fn first_codes_and_scales_are_the_same_on_every_machine() {
    let weights = weights("standard", 3);
    let mut codes = Vec::new();
    weights.codes(0, 0, &mut codes);
    let values = weights.convolutions[0].as_ref().unwrap();
    let found = format!(
        "{:?} {:08x} {:?} {:08x}",
        codes[..8].iter().map(|code| code.cast_signed()).collect::<Vec<i8>>(),
        values.weight_scales[0].to_bits(),
        &values.bias_codes[..3],
        weights.tensor_scales[10].to_bits()
    );
    insta::assert_snapshot!(found, @"[20, 4, -43, -73, 120, -11, -101, -99] 3afbedbc [64784, 65381, 49300] 3d810204");
}

#[test]
fn no_value_is_denormal_infinite_or_zero_and_no_channel_is_constant() {
    for configuration in Configuration::family(Precision::Fp32) {
        // The rest of the family differs from these in nothing that this looks at.
        if configuration.batch() > 1 || configuration.input() > 224 || configuration.kernel() > 3 {
            continue;
        }
        let weights = Weights::new(&configuration);
        let mut codes = Vec::new();
        assert!(weights.tensor_scales.iter().all(|scale| scale.is_normal() && *scale > 0.0));
        for (layer, values) in weights.convolutions.iter().enumerate() {
            let Some(values) = values else { continue };
            assert!(values.weight_scales.iter().all(|scale| scale.is_normal() && *scale > 1e-9));
            assert!(values.biases.iter().all(|bias| *bias == 0.0 || bias.is_normal()));
            for channel in 0..8 {
                weights.codes(layer, channel, &mut codes);
                assert!(codes.iter().any(|code| *code != codes[0]), "{configuration} {layer} {channel}");
            }
        }
    }
}

#[test]
fn codes_use_the_whole_range_and_have_no_side() {
    let weights = weights("standard", 7);
    let mut codes = Vec::new();
    let mut counts = [0_u32; 256];
    for channel in 0..64 {
        weights.codes(8, channel, &mut codes);
        for code in &codes {
            counts[usize::from(*code)] += 1;
        }
    }
    assert_eq!(counts[128], 0, "−128 is left out");
    assert!(counts.iter().enumerate().all(|(code, count)| code == 128 || *count > 0));
    let expected = counts.iter().sum::<u32>() / 256;
    // Six standard deviations of a Poisson count; −127 takes what would have been −128.
    let slack = 6.0 * f64::from(expected).sqrt();
    for (code, count) in counts.iter().enumerate().filter(|(code, _)| ![128, 129].contains(code)) {
        assert!((f64::from(*count) - f64::from(expected)).abs() < slack, "{code}: {count} of {expected}");
    }
}

#[test]
fn batch_normalisation_apart_is_the_folded_function() {
    let weights = weights("standard", 3);
    let values = weights.convolutions[0].as_ref().unwrap();
    for channel in 0..64_usize {
        let (folded, bias) = (values.weight_scales[channel], values.biases[channel]);
        let apart = weights.batch_normalisation(0, channel as u64, folded, bias);
        let gain = apart.scale / (apart.variance + EPSILON).sqrt();
        for sum in [-1000.0_f32, 0.0, 730.0] {
            let apart = gain * (sum * apart.weight_scale - apart.mean) + apart.bias;
            assert!((apart - (sum * folded + bias)).abs() < 1e-5);
        }
    }
}
