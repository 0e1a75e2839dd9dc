//! What of a result only a comparison asks for: how the inputs were filled, and at which clock the processor
//! or the graphics processor ran. Data comes from bundles, goes to rows.

use serde::Serialize;

use crate::bundle::format::{Bundle, Environment, Placement, Quantity, Reading};

/// The runtimes that run on a graphics processor even if no graphics card is recorded, as on a Jetson.
const GPU_RUNTIME: &str = "trtexec";

/// The runtime whose clock is that of a stick, which reports none.
const EDGE_TPU_RUNTIME: &str = "edgetpu";

/// The clock that a result was measured at.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct RowClock {
    /// Whose clock: `cpu_frequency` or `gpu_frequency`.
    pub quantity: Quantity,
    /// Mean over the readings of the fastest core that the worker may run on, in Hz.
    pub hertz: f64,
}

impl RowClock {
    /// `None` if no reading has it. During the runs if there are such readings, else before and after.
    pub(super) fn of(bundle: &Bundle) -> Option<Self> {
        let environment = bundle.environment.as_ref()?;
        let runtime = bundle.runtime.as_ref().map(|runtime| runtime.name.as_str());
        let quantity = match (runtime, &environment.graphics) {
            (Some(EDGE_TPU_RUNTIME) | None, _) => return None,
            (Some(GPU_RUNTIME), _) | (_, Some(_)) => Quantity::GpuFrequency,
            _ => Quantity::CpuFrequency,
        };
        let during = fastest(environment, quantity, &environment.samples);
        let values = match during.is_empty() {
            true => [&environment.before, &environment.after]
                .into_iter()
                .flat_map(|readings| fastest(environment, quantity, readings))
                .collect(),
            false => during,
        };
        let hertz = values.iter().sum::<f64>() / values.len() as f64;
        (hertz > 0.0).then_some(Self { quantity, hertz })
    }
}

/// The highest value of each reading that has one.
fn fastest(environment: &Environment, quantity: Quantity, readings: &[Reading]) -> Vec<f64> {
    let chosen = environment.placement.as_ref().and_then(cores);
    let counts = |name: &String| {
        quantity != Quantity::CpuFrequency || chosen.as_ref().is_none_or(|cores| cores.contains(name))
    };
    let of = |reading: &Reading| {
        let sensors = environment.sensors.iter().zip(&reading.values);
        let wanted = sensors.filter(|(sensor, _)| sensor.quantity == quantity && counts(&sensor.name));
        wanted.filter_map(|(_, value)| *value).max_by(f64::total_cmp)
    };
    readings.iter().filter_map(of).collect()
}

/// The cores of a worker that is restricted to some, by the names of their sensors.
fn cores(placement: &Placement) -> Option<Vec<String>> {
    let cpus = placement.cpus.as_ref().filter(|_| !placement.cpus_asked.is_empty())?;
    Some(cpus.iter().map(|cpu| format!("cpu{cpu}")).collect())
}

/// How the inputs were filled, in one line; `None` in bundles of older programs, and for runtimes without
/// tensors.
pub(super) fn inputs(bundle: &Bundle) -> Option<Box<str>> {
    let model = bundle.model.as_ref()?;
    let described = |(place, filled): (usize, &crate::bundle::format::FilledInput)| {
        let shape = model.inputs.get(place).map_or_else(String::new, |tensor| {
            let sizes = tensor.shape.iter();
            let sizes: Vec<String> =
                sizes.map(|size| size.map_or("?".to_owned(), |size| size.to_string())).collect();
            format!(" {} [{}]", tensor.element_type, sizes.join(", "))
        });
        // What it was filled with always has a JSON text.
        format!("{}{shape} {}", filled.name, serde_json::to_string(filled).unwrap_or_default())
    };
    let all: Vec<String> = bundle.inputs.iter().enumerate().map(described).collect();
    (!all.is_empty()).then(|| all.join("; ").into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::format::Sensor;

    fn bundle() -> Bundle {
        let bytes = include_bytes!("../../tests/bundles/v2-measured.json.gz");
        crate::bundle::read::decode(&bytes[..]).unwrap()
    }

    fn sensor(name: &str, quantity: Quantity) -> Sensor {
        Sensor {
            name: name.to_owned(),
            quantity,
            path: String::new(),
            trip_celsius: None,
            wraps_at_joules: None,
            unobservable: None,
        }
    }

    fn reading(values: &[Option<f64>]) -> Reading {
        Reading { build: 1, process: 1, at_seconds: 0.0, values: values.to_vec() }
    }

    #[test]
    fn clock_is_that_of_the_fastest_allowed_core_during_the_runs() {
        let mut bundle = bundle();
        bundle.runtime.as_mut().unwrap().name = "onnxruntime".to_owned();
        let mut environment = Environment {
            sensors: vec![
                sensor("cpu0", Quantity::CpuFrequency),
                sensor("cpu1", Quantity::CpuFrequency),
                sensor("gpu", Quantity::GpuFrequency),
            ],
            before: vec![reading(&[Some(1e9), Some(1.2e9), Some(3e8)])],
            after: vec![reading(&[None, Some(1.4e9), None])],
            ..Environment::default()
        };
        let mut clock = |environment: &Environment, runtime: &str| {
            bundle.environment = Some(environment.clone());
            bundle.runtime.as_mut().unwrap().name = runtime.to_owned();
            RowClock::of(&bundle).map(|clock| clock.hertz)
        };
        assert_eq!(clock(&environment, "onnxruntime"), Some(1.3e9));
        assert_eq!(clock(&environment, "trtexec"), Some(3e8));
        assert_eq!(clock(&environment, "edgetpu"), None);
        environment.samples = vec![reading(&[Some(2e9), Some(1e9), None]); 2];
        assert_eq!(clock(&environment, "onnxruntime"), Some(2e9));
        environment.placement =
            Some(Placement { cpus_asked: vec![1], cpus: Some(vec![1]), ..Placement::default() });
        assert_eq!(clock(&environment, "onnxruntime"), Some(1e9));
        environment.samples = vec![reading(&[None, None, None])];
        assert_eq!(clock(&environment, "onnxruntime"), Some(1.3e9));
        environment.sensors.clear();
        assert_eq!(clock(&environment, "onnxruntime"), None);
    }
}
