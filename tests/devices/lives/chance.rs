//! Random numbers from a seed: SplitMix64, Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", 2014.

use std::time::Duration;

pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn from(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below that one.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let index = self.below(of.len() as u64);
        &of[usize::try_from(index).unwrap()]
    }

    /// A time of up to so many milliseconds; short ones as often as long ones.
    pub(super) fn moment(&mut self, longest_ms: u64) -> Duration {
        let scale = self.below(longest_ms.max(1)) + 1;
        Duration::from_micros(self.below(scale * 1000))
    }
}
