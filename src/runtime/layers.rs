//! The time of each layer, collected run by run, for runtimes whose profilers report single executions.

use std::collections::HashMap;
use std::hash::Hash;

use crate::bundle::format::Layer;

/// Times of layers over a number of runs. `Key` tells layers apart.
pub struct LayerTimes<Key> {
    runs: usize,
    places: HashMap<Key, usize>,
    /// In the order in which they first ran.
    layers: Vec<TimedLayer>,
}

struct TimedLayer {
    layer: Layer,
    /// Of each run; zero if the layer did not run in it.
    nanoseconds: Vec<u64>,
}

impl<Key: Eq + Hash> LayerTimes<Key> {
    /// Nothing yet of that many runs.
    pub fn new(runs: usize) -> Self {
        Self { runs, places: HashMap::new(), layers: Vec::new() }
    }

    /// A layer took this long in that run, counted from 0. Several executions in one run, as in a loop, are
    /// added. `describe` makes the layer when it first runs, without its times.
    pub fn add(&mut self, run: usize, key: Key, nanoseconds: u64, describe: impl FnOnce() -> Layer) {
        let layers = &mut self.layers;
        let place = *self.places.entry(key).or_insert_with(|| {
            layers.push(TimedLayer { layer: describe(), nanoseconds: vec![0; self.runs] });
            layers.len() - 1
        });
        if let Some(time) = layers[place].nanoseconds.get_mut(run) {
            *time = time.saturating_add(nanoseconds);
        }
    }

    /// Every layer that ran, with mean and median over all runs.
    pub fn into_layers(self) -> Vec<Layer> {
        self.layers.into_iter().map(TimedLayer::timed).collect()
    }
}

impl TimedLayer {
    fn timed(self) -> Layer {
        const NANOSECONDS_IN_MILLISECOND: f64 = 1e6;
        let mut sorted = self.nanoseconds;
        sorted.sort_unstable();
        let middle = sorted.len() / 2;
        let median = match sorted.len() {
            0 => return self.layer,
            odd if odd % 2 == 1 => sorted[middle] as f64,
            _ => (sorted[middle - 1] as f64 + sorted[middle] as f64) / 2.0,
        };
        let sum: f64 = sorted.iter().map(|time| *time as f64).sum();
        Layer {
            mean_milliseconds: sum / sorted.len() as f64 / NANOSECONDS_IN_MILLISECOND,
            median_milliseconds: Some(median / NANOSECONDS_IN_MILLISECOND),
            ..self.layer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> impl FnOnce() -> Layer {
        let name = name.to_owned();
        || Layer { name, ..Layer::default() }
    }

    #[test]
    fn rounds_of_a_loop_add_up_and_a_run_without_the_layer_counts_as_zero() {
        let mut times = LayerTimes::new(4);
        for (run, name, nanoseconds) in
            [(0, "b", 2_000_000), (0, "a", 1), (1, "b", 1_000_000), (1, "b", 3_000_000)]
        {
            times.add(run, name, nanoseconds, named(name));
        }
        let layers = times.into_layers();
        assert_eq!(layers.iter().map(|layer| layer.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!((layers[0].mean_milliseconds, layers[0].median_milliseconds), (1.5, Some(1.0)));
    }

    #[test]
    fn nothing_that_ran_is_no_layer() {
        assert_eq!(LayerTimes::<u8>::new(3).into_layers(), []);
        assert_eq!(LayerTimes::<u8>::new(0).into_layers(), []);
    }
}
