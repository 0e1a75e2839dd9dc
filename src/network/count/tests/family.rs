//! Files of the family, counted as anybody's, against the count from the configuration.

use super::none;
use crate::network::blocks::BLOCKS;
use crate::network::configuration::{Configuration, Precision, RequestedConfiguration};
use crate::network::cost::{Cost, LayerCost};
use crate::network::count::model;
use crate::network::count_configuration;
use crate::network::emit::{self, ModelFile, onnx};

fn counted(file: &ModelFile) -> Cost {
    let mut bytes = Vec::new();
    file.write(&mut bytes).unwrap();
    model(&bytes, &none()).unwrap()
}

/// Everything but names and shapes, which differ between formats. The conversions at the border of an int8
/// ONNX file are not part of the configuration.
fn numbers(cost: &Cost) -> Vec<(u64, u64, u64, u64)> {
    let rows = cost.layers.iter().filter(|row| !row.operator.ends_with("uantizeLinear"));
    let numbers = |row: &LayerCost| (row.macs, row.other_operations, row.parameters, row.bytes_moved);
    rows.map(numbers).collect()
}

#[test]
fn files_of_the_family_cost_what_their_configuration_costs() {
    for block in BLOCKS {
        for precision in [Precision::Fp32, Precision::Int8] {
            // An eighth of the paper's width, so that the weights are made quickly; all layers are there. 75
            // pixels are odd in every stage.
            let requested = RequestedConfiguration {
                width_percent: 12,
                ..RequestedConfiguration::new(block.name, 3, 2, 75, precision.name())
            };
            let configuration = Configuration::new(&requested).unwrap();
            let wanted = count_configuration::cost(&configuration);
            for form in emit::Form::all(&configuration) {
                let cost = counted(&form.model_file(&configuration).unwrap());
                assert_eq!(cost.uncounted, []);
                assert_eq!(numbers(&cost), numbers(&wanted), "{requested:?} {form:?}");
            }
            if precision == Precision::Fp32 {
                let apart = onnx::EmitOptions {
                    is_normalisation_apart: true,
                    ..onnx::EmitOptions::for_precision(precision)
                };
                let cost = counted(&onnx::model_file(&configuration, &apart).unwrap());
                assert_eq!(numbers(&cost), numbers(&wanted), "{requested:?} with normalisation apart");
            }
        }
    }
}
