//! Several trials of one configuration, as one: what their sensors reported, and which providers they ran on.
//! Pure.

use crate::bundle::format::{Environment, ProviderNodes, Reading, Sensor};

/// One environment of the trials of a configuration. A restart of the daemon between two of them may have
/// found other sensors; readings are put in the order of all of them.
pub(super) fn environments(trials: impl IntoIterator<Item = Environment>) -> Option<Environment> {
    let mut trials = trials.into_iter();
    let mut all = trials.next()?;
    for next in trials {
        let places: Vec<usize> = next
            .sensors
            .iter()
            .map(|sensor| {
                let is_same =
                    |known: &Sensor| (known.quantity, &known.name) == (sensor.quantity, &sensor.name);
                all.sensors.iter().position(is_same).unwrap_or_else(|| {
                    all.sensors.push(sensor.clone());
                    all.sensors.len() - 1
                })
            })
            .collect();
        let count = all.sensors.len();
        let placed = |reading: Reading| {
            let mut values = vec![None; count];
            places.iter().zip(reading.values).for_each(|(&place, value)| values[place] = value);
            Reading { values, ..reading }
        };
        for (into, from) in [
            (&mut all.before_warm_up, next.before_warm_up),
            (&mut all.before, next.before),
            (&mut all.samples, next.samples),
            (&mut all.after, next.after),
        ] {
            into.iter_mut().for_each(|reading| reading.values.resize(count, None));
            into.extend(from.into_iter().map(placed));
        }
        all.observation = all.observation.min(next.observation);
        all.unobservable.retain(|quantity| next.unobservable.contains(quantity));
        all.cooling.extend(next.cooling);
        all.clocks.extend(next.clocks);
        all.placement = next.placement.or(all.placement);
        all.sandbox = match (all.sandbox, next.sandbox) {
            (Some(one), Some(other)) => Some(one.weakest(other)),
            (one, other) => one.or(other),
        };
        all.graphics = all.graphics.or(next.graphics);
    }
    Some(all)
}

/// With two processes, the report with more fallback counts, or the one that could not tell.
pub(super) fn with_more_fallback(one: Vec<ProviderNodes>, other: Vec<ProviderNodes>) -> Vec<ProviderNodes> {
    let fallback = |told: &[ProviderNodes]| {
        told.iter()
            .map(|told| told.nodes.map_or(u64::MAX, |nodes| if told.is_fallback { nodes } else { 0 }))
            .max()
    };
    if fallback(&one) > fallback(&other) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(provider: &str, is_fallback: bool, nodes: Option<u64>) -> ProviderNodes {
        ProviderNodes { provider: provider.to_owned(), is_fallback, library: None, nodes, products: None }
    }

    #[test]
    fn of_several_processes_the_one_with_the_most_fallback_counts() {
        let whole = || vec![ran("CUDA", false, Some(9))];
        let part = || vec![ran("CUDA", false, Some(7)), ran("CPU", true, Some(2))];
        let unknown = || vec![ran("CUDA", false, None)];
        assert_eq!(with_more_fallback(part(), whole()), part());
        assert_eq!(with_more_fallback(whole(), part()), part());
        assert_eq!(with_more_fallback(unknown(), part()), unknown());
        assert_eq!(with_more_fallback(Vec::new(), whole()), whole());
    }
}
