//! Which nodes of the model are in which layer of a profile. Pure: a worker's profile and the network's cost
//! come in.
//!
//! A runtime rewrites a model before it runs it. A layer holds the nodes whose names its own name contains,
//! as whole words: one node, or several that were fused. What names do not tell, the order does: if as many
//! products are left on both sides, they are the same ones. If neither does, the number stays unknown.

use super::providers::is_word;
use crate::bundle::format::{Layer, Profile};
use crate::network::cost::{Cost, LayerCost};

/// More comparisons of names than this would keep the daemon busy for seconds; then only equal names count.
const MOST_COMPARED: usize = 4_000_000;

/// Parts of the words that runtimes have for convolutions and matrix products, in lower case. ONNX Runtime's
/// are in its list of kernels, TensorFlow Lite's in its schema, and XNNPACK's in
/// `xnn_operator_type_to_string`.
const PRODUCT_WORDS: &[&str] =
    &["attention", "conv", "einsum", "fully", "gemm", "gru", "lstm", "matmul", "matrix", "rnn", "svdf"];

/// The profile with the multiply-accumulates of each layer, as far as they are known.
pub(super) fn with_macs(profile: Profile, cost: Option<&Cost>) -> Profile {
    let Some(cost) = cost else { return profile };
    let mut layers = profile.layers;
    let mut join = Join::new(&cost.layers);
    for layer in &mut layers {
        layer.macs = join.equal(&layer.name);
    }
    let named = layers.iter_mut().filter(|layer| layer.macs.is_none() && !layer.name.is_empty());
    let named: Vec<&mut Layer> = named.collect();
    if named.len().saturating_mul(join.count_left()) <= MOST_COMPARED {
        for layer in named {
            layer.macs = join.contained(&layer.name);
        }
    }
    join.by_order(layers.iter_mut().filter(|layer| layer.macs.is_none() && is_product(layer)).collect());
    if join.has_no_product_left() {
        layers.iter_mut().for_each(|layer| layer.macs = layer.macs.or(Some(0)));
    }
    Profile { layers, ..profile }
}

fn is_product(layer: &Layer) -> bool {
    let operator = layer.operator.as_deref().unwrap_or(&layer.name).to_ascii_lowercase();
    PRODUCT_WORDS.iter().any(|word| operator.contains(word))
}

/// The nodes of a model that no layer has claimed yet.
struct Join<'a> {
    nodes: &'a [LayerCost],
    is_left: Vec<bool>,
}

impl<'a> Join<'a> {
    fn new(nodes: &'a [LayerCost]) -> Self {
        Self { nodes, is_left: vec![true; nodes.len()] }
    }

    fn left(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&node| self.is_left[node])
    }

    fn count_left(&self) -> usize {
        self.left().count()
    }

    fn has_no_product_left(&self) -> bool {
        self.left().all(|node| self.nodes[node].macs == 0)
    }

    fn claim(&mut self, node: usize) -> u64 {
        self.is_left[node] = false;
        self.nodes[node].macs
    }

    /// The node of exactly that name.
    fn equal(&mut self, name: &str) -> Option<u64> {
        let node = self.left().find(|&node| self.nodes[node].name == name)?;
        Some(self.claim(node))
    }

    /// Every node whose name that of the layer contains, longer names first: `a/b` is not also the node `a`.
    fn contained(&mut self, name: &str) -> Option<u64> {
        let mut places: Vec<(usize, usize, usize)> = self
            .left()
            .flat_map(|node| {
                let part = self.nodes[node].name.as_str();
                let places = (!part.is_empty()).then(|| name.match_indices(part)).into_iter().flatten();
                places
                    .filter(|(start, part)| is_word(name, *start, part.len()))
                    .map(move |(start, part)| (part.len(), start, node))
            })
            .collect();
        places.sort_unstable_by(|one, other| other.cmp(one));
        let mut taken: Vec<(usize, usize)> = Vec::new();
        let mut macs = None;
        for (length, start, node) in places {
            let is_free = taken.iter().all(|(from, to)| start + length <= *from || *to <= start);
            if is_free && self.is_left[node] {
                taken.push((start, start + length));
                macs = Some(macs.unwrap_or(0) + self.claim(node));
            }
        }
        macs
    }

    /// These products are the ones left, if there are as many.
    fn by_order(&mut self, layers: Vec<&mut Layer>) {
        let products: Vec<usize> = self.left().filter(|&node| self.nodes[node].macs > 0).collect();
        if products.len() == layers.len() {
            for (layer, node) in layers.into_iter().zip(products) {
                layer.macs = Some(self.claim(node));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(nodes: &[(&str, u64)]) -> Cost {
        let node = |&(name, macs): &(&str, u64)| LayerCost {
            name: name.to_owned(),
            operator: "Conv".to_owned(),
            output_shape: Vec::new(),
            macs,
            other_operations: 0,
            parameters: 0,
            bytes_moved: 0,
        };
        Cost { layers: nodes.iter().map(node).collect(), ..Cost::default() }
    }

    fn macs(layers: &[(&str, &str)], nodes: &[(&str, u64)]) -> Vec<Option<u64>> {
        let layer = |&(name, operator): &(&str, &str)| Layer {
            name: name.to_owned(),
            operator: (!operator.is_empty()).then(|| operator.to_owned()),
            ..Layer::default()
        };
        let profile = Profile { layers: layers.iter().map(layer).collect(), ..Profile::default() };
        with_macs(profile, Some(&cost(nodes))).layers.into_iter().map(|layer| layer.macs).collect()
    }

    #[test]
    fn a_fused_layer_holds_every_node_that_its_name_contains() {
        let nodes = [("a", 5), ("a/b", 7), ("a/b/relu", 0), ("conv12", 11)];
        assert_eq!(
            macs(&[("a/b + a/b/relu", ""), ("a", ""), ("pool", "")], &nodes),
            [Some(7), Some(5), None]
        );
        assert_eq!(macs(&[("fused conv12_token_3", "Conv")], &[("conv12", 11)]), [Some(11)]);
    }

    #[test]
    fn the_order_tells_what_names_do_not_if_the_counts_agree() {
        let layers =
            [("", "Convolution (NHWC, F32) IGEMM"), ("", "Clamp"), ("", "Fully Connected (NC, F32)")];
        assert_eq!(macs(&layers, &[("x", 3), ("y", 0), ("z", 4)]), [Some(3), Some(0), Some(4)]);
        assert_eq!(macs(&layers, &[("x", 3), ("z", 4), ("w", 5)]), [None, None, None]);
    }

    #[test]
    fn a_layer_that_no_node_is_in_is_known_to_have_none_only_if_every_product_has_its_layer() {
        assert_eq!(
            macs(&[("conv", "Conv"), ("reorder", "ReorderInput")], &[("conv", 9)]),
            [Some(9), Some(0)]
        );
        assert_eq!(macs(&[("reorder", "ReorderInput")], &[("conv", 9)]), [None]);
    }

    #[test]
    fn without_a_cost_nothing_is_said() {
        let layers = vec![Layer { name: "conv".to_owned(), ..Layer::default() }];
        let profile = Profile { layers, ..Profile::default() };
        assert_eq!(with_macs(profile.clone(), None), profile);
    }
}
