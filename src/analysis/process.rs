//! The timed runs of one process: the unit of every statistic on the desk side. Data comes from rows.

/// The timed runs of one process.
#[derive(Debug, Clone, PartialEq)]
pub struct RowProcess {
    /// Which build, from 1.
    pub build: u32,
    /// Which process of the build, from 1.
    pub process: u32,
    /// Latencies in nanoseconds, in order.
    pub latency_ns: Box<[u64]>,
}

impl RowProcess {
    /// Mean latency in milliseconds. There is at least one run.
    pub fn mean_ms(&self) -> f64 {
        self.milliseconds().sum::<f64>() / self.latency_ns.len() as f64
    }

    /// Latencies in milliseconds, in order.
    pub fn milliseconds(&self) -> impl Iterator<Item = f64> {
        self.latency_ns.iter().map(|&nanoseconds| nanoseconds as f64 / 1e6)
    }
}
