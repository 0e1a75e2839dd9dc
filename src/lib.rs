//! Find out which network design choices pay off on a device, by measuring them there.
//!
//! This library is everything that the executables `backbone`, `backbone-daemon` and `backbone-worker-tflite`
//! do. `docs/ARCHITECTURE.md` has the map with every folder, the invariants and the tests that hold them;
//! this page is a tour of the modules, in an order in which they can be read.
//!
//! # The two sides
//!
//! ```text
//! device   inbox ─▶ spec ─▶ spool ─▶ host ─▶ worker ─▶ latencies ─▶ stats, verdict ─▶ bundle ─▶ outbox
//! desk     copies of outboxes ─▶ collect ─▶ analysis ─▶ report, export
//! ```
//!
//! They share [`mod@bundle`] and nothing else. The desk side is the Cargo feature `desk`, on by default.
//!
//! # A tour
//!
//! 1. **[`bundle::format`]** defines what is published: one [`Bundle`](bundle::format::Bundle) per
//!    configuration and runtime, with every latency in it. Start here: all other modules produce or consume
//!    it. [`units`] has the type of a latency.
//! 2. **[`spec`]** turns a job file into a [`Job`](spec::Job), or reports every mistake in it at once.
//! 3. **[`network`]** is the family of networks that jobs can name: configurations, their graphs, their cost,
//!    and the bytes of their model files. **[`model_file`]** reads model files without trusting them.
//! 4. **[`runtime`]** is the seam for inference runtimes, and [`measure`] the loop that times them. Both run
//!    inside a **[`worker`]**, one process per trial. How a worker can end is one enum.
//! 5. **[`host`]** is the machine: its facts, sensors and power state, all through one root folder, so that a
//!    folder of files can stand for a device in tests. `installation` finds libraries and programs on it, and
//!    [`doctor`] checks whether it is fit to measure.
//! 6. **[`spool`]** keeps jobs and bundles through crashes: everything that must survive is a file, and its
//!    state is in its name.
//! 7. **[`daemon`]** connects these: it takes jobs from the inbox, runs their trials one after another, and
//!    publishes the bundles. [`stats`] and [`verdict`] are pure functions that it applies to the latencies.
//! 8. **`collect`, `analysis`, `compare`, `export` and `report`** read bundles at the desk.
//! 9. **[`cli`]** is on top: it parses arguments, calls the modules above, and is the only one that prints.
//!
//! # Examples
//!
//! What does a depthwise separable block save, compared with a standard convolution?
//!
//! ```
//! use backbone::network::configuration::{Configuration, Precision};
//! use backbone::network::count_configuration::cost;
//!
//! let cost_of = |name: &str| {
//!     let mut family = Configuration::family(Precision::Int8);
//!     cost(&family.find(|configuration| configuration.to_string() == name).expect("one of the family"))
//! };
//! let standard = cost_of("standard-k3-b1-i224-int8");
//! let separable = cost_of("depthwise-separable-k3-b1-i224-int8");
//!
//! assert_eq!(standard.operations(), 3_627_122_688);
//! assert!(separable.operations() * 5 < standard.operations());
//! // Fewer operations, but also fewer of them for each byte moved.
//! assert!(separable.operational_density() < standard.operational_density());
//! ```
//!
//! A job file with a mistake:
//!
//! ```
//! use backbone::spec::{render, resolve};
//!
//! let mistakes = resolve::job(b"backbone: 1\nmodel: net.onnx\nmesure: {timed_runs: 50}\n", "smoke.yaml")
//!     .expect_err("`mesure` is not a key");
//! let text = render(&mistakes, "smoke.yaml");
//! assert!(text.starts_with("smoke.yaml:3:1:"), "{text}");
//! assert!(text.contains("hint: did you mean `measure`?"), "{text}");
//! ```
//!
//! Every statistic in a bundle can be computed again from its latencies; those of this one are from an older
//! version, which had fewer:
//!
//! ```
//! let file = std::fs::File::open("tests/bundles/v1-measured.json.gz")?;
//! let bundle = backbone::bundle::read::decode(file)?;
//!
//! let (again, recorded) = (backbone::stats::summary(&bundle.trials).unwrap(), bundle.summary.unwrap());
//! assert_eq!((again.mean, again.median_interval), (recorded.mean, recorded.median_interval));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "desk")]
pub mod analysis;
pub mod bundle;
pub mod cli;
#[cfg(feature = "desk")]
pub mod collect;
#[cfg(feature = "desk")]
pub mod compare;
pub(crate) mod config;
pub mod daemon;
#[cfg(test)]
mod derived_docs;
pub mod doctor;
pub(crate) mod error;
#[cfg(feature = "desk")]
pub(crate) mod export;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod guarded;
pub mod host;
mod installation;
pub mod measure;
pub mod model_file;
pub mod network;
#[cfg(feature = "desk")]
mod parallel;
#[cfg(feature = "desk")]
pub(crate) mod rack;
mod random;
#[cfg(feature = "desk")]
pub mod report;
pub mod runtime;
mod scratch;
pub mod spec;
pub mod spool;
pub mod stats;
mod table;
mod text;
pub mod units;
pub mod verdict;
pub mod worker;
