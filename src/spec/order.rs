//! The key `order`: a study may be measured in an order of chance, so that a slow drift of the host does not
//! look like an effect of the factor that changes slowest. The same seed gives the same order on every
//! machine.

use crate::runtime::fill::Generator;

/// Shuffle in place: Fisher–Yates from the last place down, one step of [`Generator`] for each place.
///
/// Source: D. E. Knuth, *The Art of Computer Programming*, volume 2, 3rd edition, 1997, algorithm 3.4.2P. A
/// place is the upper half of (step × number of places), 128 bits wide; of 10 000 places none is more likely
/// than another by 10⁻¹⁵.
pub(super) fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut generator = Generator::new(seed);
    for last in (1..items.len()).rev() {
        let product = u128::from(generator.next()) * (last as u128 + 1);
        // The upper half is at most `last`.
        items.swap(last, (product >> u64::BITS) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(count: u32, seed: u64) -> Vec<u32> {
        let mut items: Vec<u32> = (0..count).collect();
        shuffle(&mut items, seed);
        items
    }

    #[test]
    fn shuffle_keeps_every_item_and_is_decided_by_the_seed() {
        let mut items = shuffled(162, 1);
        assert_eq!(items, shuffled(162, 1));
        assert_ne!(items, shuffled(162, 2));
        items.sort_unstable();
        assert_eq!(items, (0..162).collect::<Vec<u32>>());
        assert_eq!((shuffled(0, 1), shuffled(1, 1)), (vec![], vec![0]));
    }

    #[test]
    fn order_of_a_seed_never_changes() {
        // The first steps from seed 0 are 0xE220A839…, 0x6E789E6A…, 0x06C45D18… (of 2⁶⁴: 0.883, 0.432,
        // 0.026). By hand: place ⌊0.883 × 4⌋ = 3 stays, ⌊0.432 × 3⌋ = 1 changes with 2, ⌊0.026 × 2⌋ = 0
        // with 1.
        assert_eq!(shuffled(4, 0), [2, 0, 1, 3]);
    }

    #[test]
    fn every_order_is_as_likely_as_another() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            *counts.entry(shuffled(3, seed)).or_insert(0) += 1;
        }
        // Binomial, p = 1/6: standard deviation 29. Seeds are fixed, so this passes always or never.
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (850..=1150).contains(count)), "{counts:?}");
    }
}
