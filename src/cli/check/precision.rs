//! How precise a median will be, before anything is measured: in ranks, because nobody knows the latencies yet.
//!
//! The distribution-free interval for the median of n independent latencies lies between two of their order statistics,
//! whatever their distribution (W. J. Conover, *Practical Nonparametric Statistics*, 3rd edition, 1999, section 3.2): from
//! rank l to rank n + 1 − l, with l the largest for which P(Binomial(n, ½) < l) ≤ 2.5 %.

/// Chance that either end misses, half of what 95 % confidence leaves.
const MISS_EACH_SIDE: f64 = 0.025;

/// One sentence for people.
pub(super) fn describe(runs: u64) -> String {
    match ranks(runs) {
        Some((low, high)) => format!(
            "the median's 95 % interval will reach from the {} to the {} of {runs} latencies in order",
            ordinal(low),
            ordinal(high)
        ),
        None => format!("{runs} timed runs are too few for an interval; the smallest number is 6"),
    }
}

/// Ranks, from 1, of the order statistics that bound the median with at least 95 % confidence.
fn ranks(runs: u64) -> Option<(u64, u64)> {
    // P(X = k) = C(n, k) / 2ⁿ in logarithms, since 2⁻ⁿ is no longer a number of its own from n = 1075.
    let mut logarithm = -(runs as f64) * std::f64::consts::LN_2;
    let mut below = 0.0;
    let mut rank = 0;
    loop {
        below += logarithm.exp();
        if below > MISS_EACH_SIDE {
            break;
        }
        logarithm += ((runs - rank) as f64).ln() - ((rank + 1) as f64).ln();
        rank += 1;
    }
    (rank > 0).then(|| (rank, runs + 1 - rank))
}

fn ordinal(number: u64) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Sorted;
    use crate::units::Nanos;

    #[test]
    fn ranks_agree_with_the_exact_binomial() {
        // By hand: P(Bin(5, ½) < 1) = 1/32 = 3.1 % is more than 2.5 %, P(Bin(6, ½) < 1) = 1/64 = 1.6 % is not.
        assert_eq!(ranks(5), None);
        assert_eq!(ranks(6), Some((1, 6)));
        // P(Bin(10, ½) < 2) = 11/1024 = 1.1 %, < 3: 56/1024 = 5.5 %.
        assert_eq!(ranks(10), Some((2, 9)));
        // Table 16 of J.-Y. Le Boudec, Performance Evaluation (2010): n = 70 gives 27 and 44, n = 100 gives 40 and 61.
        assert_eq!(ranks(70), Some((27, 44)));
        assert_eq!(ranks(100), Some((40, 61)));
        // Far beyond the smallest double: n/2 − 0.98 √n by the normal approximation.
        let (low, high) = ranks(1_000_000).unwrap();
        assert_eq!(low + high, 1_000_001);
        assert!(low.abs_diff(499_020) <= 2, "{low}");
    }

    #[test]
    fn ranks_are_those_that_the_summary_will_use() {
        for runs in 1..=300 {
            // Latencies that are their own ranks.
            let latencies: Vec<Nanos> = (1..=runs).map(Nanos).collect();
            let interval = Sorted::new(&latencies).and_then(|sorted| sorted.median_interval());
            assert_eq!(ranks(runs), interval.map(|interval| (interval.low.0, interval.high.0)), "{runs}");
        }
    }

    #[test]
    fn ordinals_read_like_english() {
        let texts: Vec<String> = [1, 2, 3, 4, 11, 12, 13, 21, 101, 111].map(ordinal).to_vec();
        assert_eq!(texts.join(" "), "1st 2nd 3rd 4th 11th 12th 13th 21st 101st 111th");
    }
}
