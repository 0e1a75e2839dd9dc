//! How much of a network ran on which provider of its runtime. Pure: a worker's report of the nodes and the
//! network's cost come in.
//!
//! A runtime rewrites a model before it runs it. A convolution or product on a fallback provider counts as
//! the layer of the model whose name it carries, or else as one whose cost matches the shapes of its tensors.
//! What a provider compiled into a node of its own cannot be counted there, so the requested provider gets
//! the rest of the network. If a product of a fallback matches neither way, the shares are unknown and none
//! is reported.

use std::path::Path;

use crate::bundle::format::{LibraryFile, ProductNode, ProviderNodes, ProviderShare};
use crate::network::cost::{Cost, LayerCost};

/// What each provider ran, in the worker's order. Without a cost, no operations.
pub(super) fn shares(told: &[ProviderNodes], cost: Option<&Cost>) -> Vec<ProviderShare> {
    let operations = cost.and_then(|cost| operations(told, cost));
    let share = |(index, told): (usize, &ProviderNodes)| ProviderShare {
        name: told.provider.clone(),
        is_fallback: told.is_fallback,
        library: told.library.as_ref().map(|file| file.display().to_string()),
        nodes: told.nodes,
        operations: operations.as_ref().map(|operations| operations[index]),
    };
    told.iter().enumerate().map(share).collect()
}

/// A mapped library; `digest` reads it.
pub(super) fn library(file: &Path, digest: impl FnOnce(&Path) -> Option<String>) -> LibraryFile {
    LibraryFile { file: file.display().to_string(), version: version(file), sha256: digest(file) }
}

/// `libcudnn.so.9.1.0` is version `9.1.0`.
fn version(file: &Path) -> Option<String> {
    let (_, version) = file.file_name()?.to_str()?.split_once(".so.")?;
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
}

/// Operations by provider, in the worker's order; `None` if they cannot be separated.
fn operations(told: &[ProviderNodes], cost: &Cost) -> Option<Vec<u64>> {
    let all = cost.operations();
    if told.iter().any(|told| told.nodes.is_none()) {
        return None;
    }
    // One that ran everything has everything, whatever its nodes are called.
    let ran: Vec<&ProviderNodes> = told.iter().filter(|told| told.nodes != Some(0)).collect();
    if let [only] = ran[..] {
        return Some(told.iter().map(|one| if std::ptr::eq(one, only) { all } else { 0 }).collect());
    }
    let mut left: Vec<&LayerCost> = cost.layers.iter().filter(|layer| layer.macs > 0).collect();
    let fallbacks: Vec<u64> = told
        .iter()
        .map(|one| if one.is_fallback { operations_of(one.products.as_ref()?, &mut left) } else { Some(0) })
        .collect::<Option<_>>()?;
    let left = all.checked_sub(fallbacks.iter().sum())?;
    let count = |(one, fallback): (&ProviderNodes, u64)| if one.is_fallback { fallback } else { left };
    Some(told.iter().zip(fallbacks).map(count).collect())
}

/// Among the layers not claimed yet: the one with the longest name that the node's contains as a whole word,
/// or else one of as many multiply-accumulates. Shapes alone do not count: the library makes channels up to
/// its block size.
fn operations_of(products: &[ProductNode], left: &mut Vec<&LayerCost>) -> Option<u64> {
    let claim = |product: &ProductNode| {
        let named = (0..left.len()).filter(|&layer| holds(&product.name, &left[layer].name));
        let layer = named
            .max_by_key(|&layer| left[layer].name.len())
            .or_else(|| left.iter().position(|layer| Some(layer.macs) == product.macs))?;
        Some(2 * left.swap_remove(layer).macs)
    };
    products.iter().map(claim).sum()
}

/// Does a node's name contain that of a layer, and not just a longer name that begins or ends with it?
fn holds(node: &str, name: &str) -> bool {
    !name.is_empty() && node.match_indices(name).any(|(start, _)| is_word(node, start, name.len()))
}

/// Is there neither a letter nor a digit directly before and after this part of the text?
pub(super) fn is_word(text: &str, start: usize, length: usize) -> bool {
    let is_boundary = |byte: Option<&u8>| !byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = start.checked_sub(1).and_then(|before| text.as_bytes().get(before));
    is_boundary(before) && is_boundary(text.as_bytes().get(start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        provider: &str,
        is_fallback: bool,
        nodes: u64,
        products: &[(&str, Option<u64>)],
    ) -> ProviderNodes {
        let product = |&(name, macs): &(&str, Option<u64>)| ProductNode { name: name.to_owned(), macs };
        ProviderNodes {
            provider: format!("{provider}ExecutionProvider"),
            is_fallback,
            library: None,
            nodes: Some(nodes),
            products: is_fallback.then(|| products.iter().map(product).collect()),
        }
    }

    fn cost(layers: &[(&str, u64)]) -> Cost {
        let layer = |&(name, macs): &(&str, u64)| LayerCost {
            name: name.to_owned(),
            operator: "Conv".to_owned(),
            output_shape: Vec::new(),
            macs,
            other_operations: 0,
            parameters: 0,
            bytes_moved: 0,
        };
        Cost { layers: layers.iter().map(layer).collect(), ..Cost::default() }
    }

    fn operations_of(told: &[ProviderNodes], layers: &[(&str, u64)]) -> Vec<Option<u64>> {
        shares(told, Some(&cost(layers))).into_iter().map(|share| share.operations).collect()
    }

    #[test]
    fn one_provider_ran_everything_whatever_its_nodes_are_called() {
        assert_eq!(operations_of(&[told("CPU", false, 2, &[])], &[("b", 10), ("c", 5)]), [Some(30)]);
    }

    #[test]
    fn a_fallback_counts_by_the_layer_whose_name_it_carries_and_the_other_has_the_rest() {
        let ran = [told("CUDA", false, 9, &[]), told("CPU", true, 5, &[("fused conv12_token_3", None)])];
        assert_eq!(operations_of(&ran, &[("conv1", 100), ("conv12", 7)]), [Some(200), Some(14)]);
    }

    #[test]
    fn a_fallback_without_a_name_counts_by_its_shapes() {
        let ran = [told("CUDA", false, 9, &[]), told("CPU", true, 5, &[("activation1_nchwc", Some(7))])];
        assert_eq!(operations_of(&ran, &[("conv1", 100), ("conv2", 7)]), [Some(200), Some(14)]);
    }

    #[test]
    fn a_provider_that_took_nothing_ran_no_operations() {
        let ran = [told("CUDA", false, 0, &[]), told("CPU", true, 2, &[("x", None)])];
        assert_eq!(operations_of(&ran, &[("conv1", 100)]), [Some(0), Some(200)]);
    }

    #[test]
    fn operations_that_cannot_be_separated_have_no_share() {
        let layers = &[("conv1", 100)];
        let ran = [told("CUDA", false, 1, &[]), told("CPU", true, 1, &[("made_up", None)])];
        assert_eq!(operations_of(&ran, layers), [None, None]);
        let too_much = [told("CUDA", false, 1, &[]), told("CPU", true, 1, &[("made_up", Some(101))])];
        assert_eq!(operations_of(&too_much, layers), [None, None]);
        let twice =
            [told("CUDA", false, 1, &[]), told("CPU", true, 2, &[("conv1", None), ("conv1_2", None)])];
        assert_eq!(operations_of(&twice, layers), [None, None], "a layer runs once");
        let padded = [told("CUDA", false, 1, &[]), told("CPU", true, 1, &[("a_nchwc", Some(96))])];
        assert_eq!(operations_of(&padded, layers), [None, None], "no layer costs that");
        let not_told = ProviderNodes { products: None, ..told("CPU", true, 1, &[]) };
        assert_eq!(operations_of(&[told("CUDA", false, 1, &[]), not_told], layers), [None, None]);
        let unobserved = ProviderNodes { nodes: None, ..told("CUDA", false, 0, &[]) };
        assert_eq!(operations_of(&[unobserved], layers), [None]);
        assert!(shares(&[told("CPU", false, 1, &[])], None)[0].operations.is_none());
    }

    #[test]
    fn version_of_a_library_is_in_its_name_or_nowhere() {
        assert_eq!(version(Path::new("/lib/libcudnn.so.9.1.0")).as_deref(), Some("9.1.0"));
        assert_eq!(version(Path::new("/lib/libonnxruntime_providers_cuda.so")), None);
        assert_eq!(version(Path::new("/lib/libx.so.old")), None);
    }
}
