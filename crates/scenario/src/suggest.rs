// SPDX-License-Identifier: GPL-2.0-only
//! "Did you mean": the nearest of the names that would have been right.

/// Changes (insert, delete, replace, swap of neighbours) that turn `a` into `b`.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The candidate nearest to `name`, if it is near enough to be what was meant. The first one wins
/// a tie.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // Long garbage is nobody's typing error, and the comparison is quadratic.
    if name.len() > 100 {
        return None;
    }
    // One letter can become any other by one change: only its case is a hint.
    let limit = match name.chars().count() {
        0 | 1 => 0,
        n => (n / 3).max(1),
    };
    let folded = name.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| {
            let plain = candidate.to_lowercase().replace('-', "_");
            (distance(&folded, &plain), candidate)
        })
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

/// `a, b or c`, each in backticks; shortened where there are many.
pub(crate) fn list<'c>(names: impl IntoIterator<Item = &'c str>) -> String {
    const SHOWN: usize = 24;
    let names: Vec<&str> = names.into_iter().collect();
    let mut out = String::new();
    for (i, name) in names.iter().take(SHOWN).enumerate() {
        if i > 0 {
            let last = i + 1 == names.len();
            out.push_str(if last { " or " } else { ", " });
        }
        out.push('`');
        out.push_str(name);
        out.push('`');
    }
    if names.len() > SHOWN {
        out.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("lable", "label"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn nearest_is_near() {
        assert_eq!(nearest("opne", ["open", "close"]), Some("open"));
        assert_eq!(
            nearest("ref_cycles", ["cycles", "ref-cycles"]),
            Some("ref-cycles")
        );
        assert_eq!(nearest("a", ["A", "B"]), Some("A"));
        assert_eq!(nearest("C", ["A", "B"]), None);
        assert_eq!(nearest("wholly different", ["open", "close"]), None);
    }

    #[test]
    fn lists() {
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` or `c`");
        assert_eq!(list([]), "");
    }
}
