//! The one generator of random numbers: SplitMix64, a counter and a mixing function. The same seed gives the
//! same numbers on every host, whether they fill inputs, shuffle a study, make weights or resample latencies.
//!
//! Source: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
//! <https://doi.org/10.1145/2660193.2660195>; constants of its variant 13. Every seed is good.

/// One step: advances the counter and returns it mixed, uniform over all of `u64`.
#[inline]
pub(crate) fn split_mix_64(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *counter;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_values_are_the_published_ones() {
        // As printed by the reference implementation for this seed, https://prng.di.unimi.it/splitmix64.c
        let mut counter = 1_234_567;
        let first: Vec<u64> = (0..5).map(|_| split_mix_64(&mut counter)).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }
}
