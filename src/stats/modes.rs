//! Two groups of latencies, if the runs fall into two.

/// Two groups of runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Modes {
    /// Mean of the faster group.
    pub(crate) low: f64,
    /// Mean of the slower group.
    pub(crate) high: f64,
    /// Part of the runs in the slower group.
    pub(crate) high_share: f64,
    /// Ashman's D: how many common standard deviations the means are apart, times √2. Above 2 two normal
    /// distributions count as two; cut in two, one normal distribution has 2.65 and a uniform one 3.46.
    pub(crate) separation: f64,
}

/// The cut that leaves the least squares within the groups (Otsu, "A threshold selection method from
/// gray-level histograms", *IEEE Transactions on Systems, Man, and Cybernetics* 9(1), 1979), with the
/// separation of Ashman, Bird and Zepf ("Detecting bimodality in astronomical datasets", *The Astronomical
/// Journal* 108(6), 1994).
///
/// Values in ascending order. `None` for fewer than four, and if all are equal.
pub(crate) fn modes(sorted: &[f64]) -> Option<Modes> {
    let count = sorted.len();
    if count < 4 || sorted[0] == sorted[count - 1] {
        return None;
    }
    let origin = sorted[0];
    let total: f64 = sorted.iter().map(|value| value - origin).sum();
    let (mut below, mut best) = (0.0, (f64::NEG_INFINITY, 1));
    for cut in 1..count {
        below += sorted[cut - 1] - origin;
        if sorted[cut - 1] == sorted[cut] {
            continue;
        }
        let (few, many) = (cut as f64, (count - cut) as f64);
        let apart = (total - below) / many - below / few;
        let between = few * many * apart * apart;
        if between > best.0 {
            best = (between, cut);
        }
    }
    let (faster, slower) = sorted.split_at(best.1);
    let ((low, of_low), (high, of_high)) = (moments(faster), moments(slower));
    let noise = ((of_low + of_high) / 2.0).sqrt();
    let separation = if noise > 0.0 { (high - low) / noise } else { f64::MAX };
    Some(Modes { low, high, high_share: slower.len() as f64 / count as f64, separation })
}

/// Mean, and variance over n.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values[0] + values.iter().map(|value| value - values[0]).sum::<f64>() / count;
    (mean, values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count)
}
