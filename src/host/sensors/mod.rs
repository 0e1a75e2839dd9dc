//! What can be read of a host while it measures: temperatures, frequencies, throttling, power, load and
//! memory.
//!
//! Sensors are found once for each configuration, through [`HostRoot`]. For most of them a reading is then
//! one `pread` of an open file and allocates only the row of values. Values go to the daemon and from there
//! into the bundle's `environment`; nothing here judges them. A value that cannot be read is `None`, never
//! zero, and its sensor says why.
//!
//! Call it between the spans of a trial, and at most once a second within the timed one, and never from a
//! worker.

use std::io;
use std::ops::RangeInclusive;

use rustix::io::Errno;

use crate::bundle::format::{Quantity, Sensor};
use crate::host::root::HostRoot;

mod attribute;
mod frequency;
mod load;
mod rails;
mod thermal;
mod throttle;
mod total;

pub(crate) use total::total_of;

use attribute::{Attribute, Scale};
use load::Load;

#[cfg(test)]
mod tests;

/// The sensors of a host.
#[derive(Debug)]
pub struct Sensors {
    sensors: Vec<Sensor>,
    probes: Vec<Probe>,
    load: Load,
}

impl Sensors {
    /// Find every sensor, and read each once.
    pub fn find(root: &HostRoot) -> Self {
        let mut search = Search { root, sensors: Vec::new(), probes: Vec::new() };
        for find in [thermal::find, frequency::find, throttle::find, rails::find, load::find] {
            find(&mut search);
        }
        let Search { mut sensors, mut probes, .. } = search;
        let mut load = Load::of(root);
        load.refresh();
        for (sensor, probe) in sensors.iter_mut().zip(&mut probes) {
            let why = probe.read(&load).err().map(|error| error.to_string());
            sensor.unobservable = sensor.unobservable.take().or(why);
        }
        distinguish(&mut sensors);
        Self { sensors, probes, load }
    }

    /// All sensors, in the order of [`Sensors::read`].
    pub fn sensors(&self) -> &[Sensor] {
        &self.sensors
    }

    /// Quantities for which no sensor could be read.
    pub fn unobservable(&self) -> Vec<Quantity> {
        let is_told = |quantity: &Quantity| {
            self.sensors.iter().any(|sensor| sensor.quantity == *quantity && sensor.unobservable.is_none())
        };
        Quantity::ALL.iter().copied().filter(|quantity| !is_told(quantity)).collect()
    }

    /// Read all; `None` for each that cannot be read now.
    pub fn read(&mut self) -> Vec<Option<f64>> {
        self.load.refresh();
        let load = &self.load;
        self.probes.iter_mut().map(|probe| probe.read(load).ok()).collect()
    }

    /// Read one of them.
    pub(crate) fn read_one(&mut self, index: usize) -> Option<f64> {
        self.probes.get_mut(index)?.read(&self.load).ok()
    }

    /// Indices of the sensors of a quantity.
    pub fn of(&self, quantity: Quantity) -> Vec<usize> {
        (0..self.sensors.len()).filter(|&index| self.sensors[index].quantity == quantity).collect()
    }
}

/// A search for sensors, and what it found so far.
struct Search<'a> {
    root: &'a HostRoot,
    sensors: Vec<Sensor>,
    probes: Vec<Probe>,
}

impl Search<'_> {
    /// A sensor with its probe.
    fn add(&mut self, name: String, quantity: Quantity, path: &str, probe: Probe) -> &mut Sensor {
        self.probes.push(probe);
        self.sensors.push(Sensor {
            name,
            quantity,
            path: path.to_owned(),
            trip_celsius: None,
            wraps_at_joules: None,
            unobservable: None,
        });
        self.sensors.last_mut().expect("one was pushed just now")
    }

    /// A sensor that is one number in one file.
    fn add_number(
        &mut self,
        name: String,
        quantity: Quantity,
        path: &str,
        scale: Scale,
        range: RangeInclusive<f64>,
    ) -> &mut Sensor {
        let probe = match Attribute::open(self.root, path) {
            Ok(attribute) => Probe::Number { attribute, scale, range },
            Err(error) => Probe::Closed(error.kind()),
        };
        self.add(name, quantity, path, probe)
    }
}

/// How a sensor is read.
#[derive(Debug)]
enum Probe {
    /// A number in a file, scaled; a value outside `range` is not a measurement.
    Number { attribute: Attribute, scale: Scale, range: RangeInclusive<f64> },
    /// Millivolts and milliamperes, multiplied to watts.
    Product { millivolts: Attribute, milliamperes: Attribute },
    /// One of the numbers of [`Load`].
    Load(Quantity),
    /// A sensor that is known to give a constant.
    Constant,
    /// A file that could not be opened.
    Closed(io::ErrorKind),
}

impl Probe {
    fn read(&mut self, load: &Load) -> io::Result<f64> {
        match self {
            Self::Number { attribute, scale, range } => {
                let value = scale.of(attribute.number()?);
                if range.contains(&value) { Ok(value) } else { Err(not_a_measurement(value)) }
            }
            Self::Product { millivolts, milliamperes } => {
                let watts = millivolts.number()? as f64 * milliamperes.number()? as f64 / 1e6;
                if rails::WATTS.contains(&watts) { Ok(watts) } else { Err(not_a_measurement(watts)) }
            }
            Self::Load(quantity) => load.of_quantity(*quantity).ok_or(Errno::NODATA.into()),
            Self::Constant => Err(io::Error::other("a constant, not a measurement")),
            Self::Closed(kind) => Err((*kind).into()),
        }
    }
}

fn not_a_measurement(value: f64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it reads {value}, which is not a measurement"))
}

/// Number the sensors that share a name, from the second on.
fn distinguish(sensors: &mut [Sensor]) {
    for index in 1..sensors.len() {
        let (earlier, rest) = sensors.split_at_mut(index);
        let sensor = &mut rest[0];
        let name = sensor.name.clone();
        let mut number = 2;
        while earlier.iter().any(|other| other.quantity == sensor.quantity && other.name == sensor.name) {
            sensor.name = format!("{name}#{number}");
            number += 1;
        }
    }
}
