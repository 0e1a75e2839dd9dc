//! Several questions asked together.

/// Holm's step-down procedure ("A simple sequentially rejective multiple test procedure", *Scandinavian
/// Journal of Statistics* 6(2), 1979), as adjusted probabilities in the same order. It holds for any
/// dependence between the hypotheses. `None` is no hypothesis, and stays so.
pub(crate) fn holm(probabilities: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> = probabilities
        .iter()
        .enumerate()
        .filter_map(|(index, probability)| Some((index, (*probability)?)))
        .collect();
    order.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let mut adjusted = vec![None; probabilities.len()];
    let mut at_least: f64 = 0.0;
    for (rank, (index, probability)) in order.iter().enumerate() {
        let hypotheses = (order.len() - rank) as f64;
        at_least = at_least.max((probability * hypotheses).min(1.0));
        adjusted[*index] = Some(at_least);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusted_probabilities_are_those_of_holms_paper_and_of_r() {
        // p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") in R: 0.03 0.06 0.06 0.02.
        let found = holm(&[Some(0.01), Some(0.04), None, Some(0.03), Some(0.005)]);
        let wanted = [Some(0.03), Some(0.06), None, Some(0.06), Some(0.02)];
        for (found, wanted) in found.iter().zip(wanted) {
            match (found, wanted) {
                (Some(found), Some(wanted)) => assert!((found - wanted).abs() < 1e-12, "{found} {wanted}"),
                (found, wanted) => assert_eq!(*found, wanted),
            }
        }
        assert_eq!(holm(&[Some(0.9), Some(0.8)]), [Some(1.0), Some(1.0)]);
        assert!(holm(&[]).is_empty());
    }
}
