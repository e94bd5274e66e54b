//! Medians, percentiles and rates.

use std::time::Duration;

/// A count as a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// So many in a second.
pub fn rate(count: u64, took: Duration) -> f64 {
    float(count) / took.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Milliseconds, with their fractions.
pub fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

/// The middle of what was measured; 0 of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (upper, lower) = (sorted.len() / 2, sorted.len().saturating_sub(1) / 2);
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    f64::midpoint(at(lower), at(upper))
}

/// The value below or at which `share` percent of the sorted values lie.
pub fn percentile(sorted: &[Duration], share: usize) -> Duration {
    let index = (sorted.len() * share).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        for (values, middle) in
            [(vec![], 0.0), (vec![3.0], 3.0), (vec![3.0, 1.0], 2.0), (vec![9.0, 1.0, 2.0], 2.0)]
        {
            assert!((median(&values) - middle).abs() < 1e-9, "{values:?}");
        }
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Duration::from_millis(100));
        assert_eq!(percentile(&values, 99), Duration::from_millis(198));
        assert_eq!(percentile(&values[..1], 99), Duration::from_millis(1));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
