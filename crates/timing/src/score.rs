// SPDX-License-Identifier: GPL-2.0-only
//! How good predictions are: the figures by which throughput models are compared.

/// Figures of a set of (measured, predicted) pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Pairs.
    pub blocks: usize,
    /// Mean absolute error in percent of the measured value.
    pub mean: f64,
    /// Median absolute error in percent.
    pub median: f64,
    /// Kendall's tau-b.
    pub tau: f64,
    /// Mean signed error in percent.
    pub bias: f64,
    /// Percent of the pairs within 5 percent; within 10.
    pub within: [f64; 2],
}

/// The score of `pairs`; None of no pairs. Measured values are positive.
#[must_use]
pub fn score(pairs: &[(f64, f64)]) -> Option<Score> {
    if pairs.is_empty() {
        return None;
    }
    let n = pairs.len();
    let count = n as f64;
    let mut errors: Vec<f64> = pairs.iter().map(|(m, p)| (p - m).abs() / m).collect();
    errors.sort_by(f64::total_cmp);
    let within = |most: f64| 100.0 * errors.iter().filter(|e| **e <= most).count() as f64 / count;
    Some(Score {
        blocks: n,
        mean: 100.0 * errors.iter().sum::<f64>() / count,
        median: 50.0 * (errors[n / 2] + errors[(n - 1) / 2]),
        tau: tau(pairs),
        bias: 100.0 * pairs.iter().map(|(m, p)| (p - m) / m).sum::<f64>() / count,
        within: [within(0.05), within(0.10)],
    })
}

/// Kendall's tau-b in n log n steps (Knight 1966); 0 where it is not defined.
fn tau(pairs: &[(f64, f64)]) -> f64 {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let both = |n: usize| n as f64 * (n as f64 - 1.0) / 2.0;
    let ties = |same: &dyn Fn(usize) -> bool| {
        let (mut total, mut run) = (0.0, 1);
        for i in 1..sorted.len() {
            if same(i) {
                run += 1;
            } else {
                total += both(run);
                run = 1;
            }
        }
        total + both(run)
    };
    let measured = ties(&|i| sorted[i].0.total_cmp(&sorted[i - 1].0).is_eq());
    let joint = ties(&|i| {
        sorted[i].0.total_cmp(&sorted[i - 1].0).is_eq()
            && sorted[i].1.total_cmp(&sorted[i - 1].1).is_eq()
    });
    let mut predicted: Vec<f64> = sorted.iter().map(|p| p.1).collect();
    let swaps = merge_sort(&mut predicted);
    let (mut alike, mut run) = (0.0, 1);
    for pair in predicted.windows(2) {
        if pair[0].total_cmp(&pair[1]).is_eq() {
            run += 1;
        } else {
            alike += both(run);
            run = 1;
        }
    }
    alike += both(run);
    let all = both(sorted.len());
    let norm = ((all - measured) * (all - alike)).sqrt();
    if norm == 0.0 {
        return 0.0;
    }
    (all - measured - alike + joint - 2.0 * swaps) / norm
}

/// Sorts; the number of pairs that stood the wrong way round.
fn merge_sort(values: &mut [f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut swaps = merge_sort(left) + merge_sort(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j) = (0, 0);
    while i < left.len() && j < right.len() {
        if left[i] <= right[j] {
            merged.push(left[i]);
            i += 1;
        } else {
            merged.push(right[j]);
            swaps += (left.len() - i) as f64;
            j += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    values.copy_from_slice(&merged);
    swaps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tau by its definition.
    fn slow(pairs: &[(f64, f64)]) -> f64 {
        let (mut sum, mut left, mut right) = (0.0, 0.0, 0.0);
        for (i, a) in pairs.iter().enumerate() {
            for b in &pairs[..i] {
                let sign = |d: f64| if d == 0.0 { 0.0 } else { d.signum() };
                let (x, y) = (sign(a.0 - b.0), sign(a.1 - b.1));
                sum += x * y;
                left += x.abs();
                right += y.abs();
            }
        }
        sum / f64::sqrt(left * right)
    }

    #[test]
    fn tau_is_that_of_the_definition() {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 28)
        };
        let pairs: Vec<(f64, f64)> = (0..60).map(|_| (1.0 + next(), next())).collect();
        assert!((tau(&pairs) - slow(&pairs)).abs() < 1e-12);
    }

    #[test]
    fn figures_of_a_small_set() {
        let score = score(&[(100.0, 103.0), (200.0, 180.0)]).unwrap();
        assert!((score.mean - 6.5).abs() < 1e-9);
        assert!((score.median - 6.5).abs() < 1e-9);
        assert!((score.bias + 3.5).abs() < 1e-9);
        assert!((score.tau - 1.0).abs() < 1e-9);
        assert!((score.within[0] - 50.0).abs() < 1e-9);
        assert!((score.within[1] - 100.0).abs() < 1e-9);
        assert_eq!(super::score(&[]), None);
    }
}
