//! Which provider runs which nodes: one run of the session under the library's own profiler, before anything
//! is timed.
//!
//! The library writes the profile to a file. The file loses its name before the run, so a crash leaves
//! nothing behind.

use std::collections::BTreeMap;
use std::io::Read as _;

use ort::session::Session;
use ort::session::builder::SessionBuilder;
use tempfile::TempDir;

use super::profile::{self, RanNode};
use super::provider::Provider;
use crate::bundle::format::{Layer, ProductNode, ProviderNodes, Stage};
use crate::runtime::{Failure, NodeShapes};

/// The most products of a provider that are reported, and the most bytes of their names; beyond that, only
/// the number of nodes is. The daemon keeps what a worker reports in memory, and takes lines of 1 MiB; a
/// session has two fallbacks at most.
const MOST_PRODUCTS: usize = 4_000;
const NAMES_LIMIT: usize = 128 << 10;

/// Make a session write its profile into a folder. Without a folder the placement is not observed.
pub(super) fn profiled(builder: SessionBuilder) -> (SessionBuilder, Option<TempDir>) {
    let folder = match tempfile::Builder::new().prefix("backbone-profile-").tempdir() {
        Ok(folder) => folder,
        Err(error) => {
            log::warn!("cannot keep a profile: {error}");
            return (builder, None);
        }
    };
    match builder.with_profiling(folder.path().join("run")) {
        Ok(builder) => (builder, Some(folder)),
        Err(error) => {
            log::warn!("ONNX Runtime creates no profile: {error}");
            (error.recover(), None)
        }
    }
}

/// A profile that is being written; its file, if it could be opened.
pub(super) struct Profile(Option<fs_err::File>);

impl Profile {
    /// The session exists, and its file with it: hold the file, and remove it from the file system.
    pub(super) fn hold(folder: TempDir) -> Self {
        let only = fs_err::read_dir(folder.path()).ok().and_then(|mut files| files.next()?.ok());
        Self(only.and_then(|file| fs_err::File::open(file.path()).ok()))
    }

    /// The session has run once: end the profile and tell what ran where. `None` if it cannot be used.
    ///
    /// # Errors
    /// `profiler_not_ended`: nothing may be timed after that.
    pub(super) fn end(mut self, session: &mut Session) -> Result<Option<Vec<RanNode>>, Failure> {
        let nodes =
            self.read(session)?.and_then(|text| profile::nodes(&text).map_err(|error| error.to_string()));
        Ok(nodes.inspect_err(|error| log::warn!("the profile cannot be used: {error}")).ok())
    }

    /// End the profile and tell the time of each layer in the session's last `runs` runs.
    ///
    /// # Errors
    /// `profiler_not_ended`; `profile_not_readable`.
    pub(super) fn end_timed(&mut self, session: &mut Session, runs: u32) -> Result<Vec<Layer>, Failure> {
        let layers = self
            .read(session)?
            .and_then(|text| profile::layers(&text, runs).map_err(|error| error.to_string()));
        layers.map_err(|why| not_readable(&why))
    }

    /// End the profile and tell the shapes of what each node made.
    ///
    /// # Errors
    /// As [`Profile::end_timed`].
    pub(super) fn end_with_shapes(&mut self, session: &mut Session) -> Result<NodeShapes, Failure> {
        let shapes =
            self.read(session)?.and_then(|text| profile::shapes(&text).map_err(|error| error.to_string()));
        shapes.map_err(|why| not_readable(&why))
    }

    /// End the profile; its text, or why there is none.
    fn read(&mut self, session: &mut Session) -> Result<Result<Vec<u8>, String>, Failure> {
        // Also if the file was lost: the library keeps writing until it is asked to stop.
        session.end_profiling().map_err(|error| {
            let detail = format!("ONNX Runtime's profiler cannot be turned off: {error}");
            Failure::new(Stage::Prepare, "profiler_not_ended", detail)
                .with_hint("check that the folder for temporary files (TMPDIR) is writable and not full")
        })?;
        Ok(self.0.take().ok_or_else(|| "it was not written".to_owned()).and_then(|mut file| {
            let mut text = Vec::new();
            file.read_to_end(&mut text).map_err(|error| error.to_string())?;
            Ok(text)
        }))
    }
}

fn not_readable(why: &str) -> Failure {
    let detail = format!("the profile of ONNX Runtime cannot be used: {why}");
    Failure::new(Stage::Report, "profile_not_readable", detail).with_hint(
        "make room in the folder for temporary files (TMPDIR), or ask for fewer `measure.timed_runs`",
    )
}

/// What each provider runs: first the one that was asked for, then the others by name.
pub(super) fn by_provider(asked: &Provider, ran: Option<Vec<RanNode>>) -> Vec<ProviderNodes> {
    let is_observed = ran.is_some();
    let mut by_name: BTreeMap<String, Vec<RanNode>> = BTreeMap::new();
    for node in ran.into_iter().flatten() {
        by_name.entry(node.provider.clone()).or_default().push(node);
    }
    let of_asked = by_name.remove(&asked.name).unwrap_or_default();
    let mut told = vec![ProviderNodes {
        provider: asked.name.clone(),
        is_fallback: false,
        library: asked.library.clone(),
        nodes: is_observed.then_some(of_asked.len() as u64),
        products: None,
    }];
    let second = asked.second.as_ref();
    told.extend(by_name.into_iter().map(|(provider, nodes)| ProviderNodes {
        is_fallback: true,
        library: second.filter(|(name, _)| *name == provider).map(|(_, file)| file.clone()),
        nodes: Some(nodes.len() as u64),
        products: products(nodes),
        provider,
    }));
    told
}

/// `None` if there are too many.
fn products(nodes: Vec<RanNode>) -> Option<Vec<ProductNode>> {
    let products: Vec<ProductNode> = nodes.into_iter().filter_map(|node| node.product).collect();
    let length: usize = products.iter().map(|product| product.name.len()).sum();
    (products.len() <= MOST_PRODUCTS && length <= NAMES_LIMIT).then_some(products)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::super::provider::OutputsOn;
    use super::*;

    fn cuda() -> Provider {
        Provider {
            name: "CUDAExecutionProvider".to_owned(),
            library: Some(PathBuf::from("/lib/cuda.so")),
            second: Some(("SecondExecutionProvider", PathBuf::from("/lib/second.so"))),
            outputs_on: OutputsOn::Cuda(0),
            options: Default::default(),
        }
    }

    fn node(product: &str, provider: &str) -> RanNode {
        let product = (!product.is_empty()).then(|| ProductNode { name: product.to_owned(), macs: Some(1) });
        RanNode { product, provider: format!("{provider}ExecutionProvider") }
    }

    fn told(shares: Vec<ProviderNodes>) -> Vec<(String, bool, Option<u64>, Option<usize>)> {
        let row = |share: ProviderNodes| {
            (share.provider, share.is_fallback, share.nodes, share.products.map(|products| products.len()))
        };
        shares.into_iter().map(row).collect()
    }

    #[test]
    fn the_provider_that_was_asked_for_comes_first_and_the_others_are_its_fallbacks() {
        let ran = vec![node("a", "CPU"), node("b", "CUDA"), node("", "CPU"), node("", "Second")];
        let shares = by_provider(&cuda(), Some(ran));
        let libraries: Vec<_> = shares.iter().map(|share| share.library.as_deref()).collect();
        assert_eq!(libraries, [Some(Path::new("/lib/cuda.so")), None, Some(Path::new("/lib/second.so"))]);
        assert_eq!(
            told(shares),
            [
                ("CUDAExecutionProvider".to_owned(), false, Some(1), None),
                ("CPUExecutionProvider".to_owned(), true, Some(2), Some(1)),
                ("SecondExecutionProvider".to_owned(), true, Some(1), Some(0)),
            ]
        );
    }

    #[test]
    fn a_provider_that_ran_nothing_has_no_nodes_and_one_that_was_not_observed_has_null() {
        let shares = by_provider(&cuda(), Some(vec![node("a", "CPU")]));
        assert_eq!(shares[0].nodes, Some(0));
        assert_eq!(told(by_provider(&cuda(), None)), [(cuda().name, false, None, None)]);
    }

    #[test]
    fn products_without_end_are_left_out_and_still_counted() {
        let long = "n".repeat(1 << 10);
        for ran in [vec![node(&long, "CPU"); 600], vec![node("n", "CPU"); MOST_PRODUCTS + 1]] {
            let count = ran.len() as u64;
            let shares = by_provider(&cuda(), Some(ran));
            assert_eq!((shares[1].nodes, &shares[1].products), (Some(count), &None));
        }
    }
}
