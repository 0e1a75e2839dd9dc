//! A histogram in text: how often latencies fell into each of a few equal spans, for a terminal or a file.

/// Rows of spans; a terminal shows them without scrolling.
const MOST_ROWS: usize = 12;

/// Fewer would hide a second peak.
const FEWEST_ROWS: usize = 8;

/// Characters of the longest bar.
const WIDEST_BAR: usize = 40;

/// Latencies above the third quartile by more than this many interquartile ranges share one row, so that a
/// few of them do not squeeze all others into one (Tukey's outer fence, *Exploratory Data Analysis*, 1977).
const FENCE: f64 = 3.0;

/// A line for each span, from latencies in milliseconds. Empty for fewer than two different ones.
pub(super) fn lines(latencies: impl Iterator<Item = f64>) -> Vec<String> {
    let mut sorted: Vec<f64> = latencies.collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    if low == high {
        return Vec::new();
    }
    let quartile = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    let range = quartile(0.75) - quartile(0.25);
    let fence = if range > 0.0 { quartile(0.75) + FENCE * range } else { high };
    let within = sorted.partition_point(|latency| *latency <= fence);
    let top = sorted[within - 1];
    // Freedman and Diaconis, "On the histogram as a density estimator: L2 theory", 1981.
    let width = 2.0 * range / (sorted.len() as f64).cbrt();
    let rows = if width > 0.0 { ((top - low) / width).ceil() as usize } else { MOST_ROWS };
    let rows = if top > low { rows.clamp(FEWEST_ROWS, MOST_ROWS) } else { 1 };
    let width = (top - low) / rows as f64;
    let ends: Vec<f64> = (1..rows).map(|row| low + width * row as f64).chain([top]).collect();
    let mut counts = Vec::with_capacity(rows);
    let mut before = 0;
    for end in &ends {
        let until = sorted.partition_point(|latency| latency <= end).min(within);
        counts.push(until - before);
        before = until;
    }
    let digits = digits(width.max(top * 1e-6));
    let starts = std::iter::once(low).chain(ends.iter().copied());
    let mut spans: Vec<(String, usize)> = starts
        .zip(&ends)
        .zip(counts)
        .map(|((start, end), count)| (format!("{start:.digits$} to {end:.digits$}"), count))
        .collect();
    if within < sorted.len() {
        spans.push((format!("above, to {high:.digits$}"), sorted.len() - within));
    }
    let label = spans.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    let most = spans.iter().map(|(_, count)| *count).max().unwrap_or_default();
    spans.iter().map(|(span, count)| format!("{span:>label$}  {}{count}", bar(*count, most))).collect()
}

/// At least one character for anything.
fn bar(count: usize, most: usize) -> String {
    let length = (count * WIDEST_BAR).div_ceil(most.max(1));
    if length == 0 { String::new() } else { format!("{} ", "█".repeat(length)) }
}

/// Decimal places that tell the ends of spans apart.
fn digits(width: f64) -> usize {
    let places = (-width.log10()).ceil() + 1.0;
    // A span of a nanosecond has six.
    if places.is_finite() { places.clamp(0.0, 6.0) as usize } else { 6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_is_in_one_row_and_far_ones_share_one() {
        let usual = (0..100).map(|n| 4.0 + f64::from(n % 10) / 100.0);
        let lines = lines(usual.chain([9.5, 40.25]));
        insta::assert_snapshot!(lines.join("\n"), @"
          4.000 to 4.011  ████████████████████████████████████████ 20
          4.011 to 4.022  ████████████████████ 10
          4.022 to 4.034  ████████████████████ 10
          4.034 to 4.045  ████████████████████ 10
          4.045 to 4.056  ████████████████████ 10
          4.056 to 4.067  ████████████████████ 10
          4.067 to 4.079  ████████████████████ 10
          4.079 to 4.090  ████████████████████████████████████████ 20
        above, to 40.250  ████ 2
        ");
        let counts = lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
        assert_eq!(counts.sum::<usize>(), 102);
    }

    #[test]
    fn two_peaks_are_two_peaks() {
        let lines = lines((0..60).map(|n| if n % 3 == 0 { 2.0 } else { 1.0 } + f64::from(n) * 1e-4));
        insta::assert_snapshot!(lines.join("\n"), @"
        1.00 to 1.13  ████████████████████████████████████████ 40
        1.13 to 1.25  0
        1.25 to 1.38  0
        1.38 to 1.50  0
        1.50 to 1.63  0
        1.63 to 1.75  0
        1.75 to 1.88  0
        1.88 to 2.01  ████████████████████ 20
        ");
    }

    #[test]
    fn nothing_one_value_and_huge_values_are_no_trouble() {
        assert_eq!(lines([].into_iter()), [""; 0]);
        assert_eq!(lines([3.0].into_iter()), [""; 0]);
        assert_eq!(lines([3.0, 3.0].into_iter()), [""; 0]);
        assert_eq!(lines([3.0, 3.000_001].into_iter()).len(), MOST_ROWS);
        let huge = u64::MAX as f64 / 1e6;
        assert!(!lines([1e-6, huge].into_iter()).is_empty());
        assert_eq!(lines([1.0, 1.0, 1.0, 1.0, 1.0, 7.0].into_iter()).len(), MOST_ROWS);
    }
}
