//! How one sequence becomes another with the least effort.

/// One step of an alignment of two sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Both have something here: places in the first and the second.
    Both(usize, usize),
    /// Only the first has: its place.
    First(usize),
    /// Only the second has: its place.
    Second(usize),
}

/// Fewest characters to insert, drop or change to make `b` of `a`.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The cheapest alignment of two sequences of these lengths, in order. `cost(i, j)` is that of
/// setting place `i` of the first beside `j` of the second, `gap` that of leaving one alone.
#[must_use]
pub fn align(
    first: usize,
    second: usize,
    cost: impl Fn(usize, usize) -> f32,
    gap: f32,
) -> Vec<Step> {
    let width = second + 1;
    // Each cell: the cost so far and the last step.
    let mut table: Vec<(f32, Option<Step>)> = vec![(0.0, None); (first + 1) * width];
    for i in 0..=first {
        for j in 0..=second {
            let mut best = (f32::INFINITY, None);
            let mut offer = |total: f32, step| {
                if total < best.0 {
                    best = (total, Some(step));
                }
            };
            if i > 0 && j > 0 {
                let before = table[(i - 1) * width + j - 1].0;
                offer(before + cost(i - 1, j - 1), Step::Both(i - 1, j - 1));
            }
            if i > 0 {
                offer(table[(i - 1) * width + j].0 + gap, Step::First(i - 1));
            }
            if j > 0 {
                offer(table[i * width + j - 1].0 + gap, Step::Second(j - 1));
            }
            if i + j > 0 {
                table[i * width + j] = best;
            }
        }
    }
    let mut steps = Vec::with_capacity(first.max(second));
    let (mut i, mut j) = (first, second);
    while let Some(step) = table[i * width + j].1 {
        steps.push(step);
        match step {
            Step::Both(..) => (i, j) = (i - 1, j - 1),
            Step::First(_) => i -= 1,
            Step::Second(_) => j -= 1,
        }
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aligned(a: &str, b: &str) -> Vec<Step> {
        let (x, y) = (a.as_bytes(), b.as_bytes());
        let cost = |i: usize, j: usize| if x[i] == y[j] { 0.0 } else { 1.0 };
        align(x.len(), y.len(), cost, 0.7)
    }

    #[test]
    fn the_distance_counts_insertions_drops_and_changes() {
        for (a, b, wanted) in [
            ("", "", 0),
            ("AB123CD", "AB123CD", 0),
            ("AB123CD", "AB128CD", 1),
            ("AB123CD", "B123CD", 1),
            ("AB123CD", "AB1123CD", 1),
            ("", "ABC", 3),
            ("ABC", "XYZ", 3),
        ] {
            assert_eq!(distance(a, b), wanted, "{a} {b}");
            assert_eq!(distance(b, a), wanted, "{b} {a}");
        }
    }

    #[test]
    fn an_alignment_names_every_place_once() {
        use Step::{Both, First, Second};
        assert_eq!(
            aligned("AB12", "B12X"),
            [First(0), Both(1, 0), Both(2, 1), Both(3, 2), Second(3)]
        );
        assert_eq!(aligned("", "AB"), [Second(0), Second(1)]);
        assert_eq!(aligned("AB", "AC"), [Both(0, 0), Both(1, 1)]);
    }

    #[test]
    fn costs_that_are_no_numbers_still_end() {
        assert_eq!(align(3, 3, |_, _| f32::NAN, 1.0).len(), 6);
        assert!(align(3, 2, |_, _| f32::NAN, f32::NAN).len() <= 5);
    }
}
