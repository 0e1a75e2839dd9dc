//! Reasons from the assignment of nodes to execution providers.

use super::{Evidence, Measured};
use crate::bundle::format::ProviderShare;

pub(super) fn provider_not_used(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let asked = asked(evidence)?;
    (asked.nodes == Some(0)).then(|| format!("{} ran no node; {}", asked.name, fallbacks(evidence.providers)))
}

pub(super) fn provider_fallback(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let is_used = asked(evidence)?.nodes.is_some_and(|nodes| nodes > 0);
    let fallbacks = fallbacks(evidence.providers);
    (is_used && !fallbacks.is_empty()).then_some(fallbacks)
}

/// The processor's provider needs no observation: a session that names no other provider has no other.
pub(super) fn provider_unobserved(evidence: &Evidence, measured: Option<&Measured>) -> Option<String> {
    measured?;
    let asked = asked(evidence)?;
    (asked.nodes.is_none() && asked.library.is_some())
        .then(|| format!("the number of nodes that {} ran is unknown", asked.name))
}

fn asked<'a>(evidence: &Evidence<'a>) -> Option<&'a ProviderShare> {
    evidence.providers.iter().find(|share| !share.is_fallback)
}

/// Such as `3 of 60 nodes ran on CPUExecutionProvider, 2.1 % of the operations`; empty if there are none.
fn fallbacks(providers: &[ProviderShare]) -> String {
    let nodes: u64 = providers.iter().filter_map(|share| share.nodes).sum();
    let operations: Option<u64> = providers.iter().map(|share| share.operations).sum();
    let told = providers.iter().filter(|share| share.is_fallback).map(|share| {
        let ran = share.nodes.map_or_else(|| "some".to_owned(), |count| count.to_string());
        let part = match (share.operations, operations) {
            (Some(part), Some(all)) if all > 0 => {
                format!(", {:.1} % of the operations", part as f64 * 100.0 / all as f64)
            }
            _ => String::new(),
        };
        format!("{ran} of {nodes} nodes ran on {}{part}", share.name)
    });
    told.collect::<Vec<_>>().join("; ")
}
