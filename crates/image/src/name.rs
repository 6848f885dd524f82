// SPDX-License-Identifier: GPL-2.0-only
//! Names of functions: from the linkage name to what people write.

/// The demangled name; what is not mangled stays.
pub(crate) fn demangle(raw: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(raw))
}

/// The path without generic arguments: `<a::T<b::U>>::f::<V>` is `a::T::f`, `<a::T as b::C>::f`
/// is `a::T::f`.
pub(crate) fn path(full: &str) -> String {
    let mut out = String::new();
    for segment in split(full) {
        let segment = match segment.strip_prefix('<') {
            None => strip_generics(segment).to_owned(),
            // `<T as C>` and `<T>` at the beginning name a type; later it is `::<arguments>`.
            Some(inner) if out.is_empty() => {
                let inner = inner.strip_suffix('>').unwrap_or(inner);
                let inner = inner.split(" as ").next().unwrap_or(inner);
                split(inner)
                    .into_iter()
                    .map(strip_generics)
                    .filter(|s| !s.is_empty())
                    .collect::<Vec<_>>()
                    .join("::")
            }
            Some(_) => continue,
        };
        if !out.is_empty() {
            out.push_str("::");
        }
        out.push_str(&segment);
    }
    if out.is_empty() { full.to_owned() } else { out }
}

/// The last segment of a [`path`]; a closure keeps the function it stands in.
pub(crate) fn short(path: &str) -> &str {
    let segments = split(path);
    let named = segments
        .iter()
        .rposition(|s| !s.starts_with('{'))
        .unwrap_or(0);
    let tail: usize = segments[named..].iter().map(|s| s.len() + 2).sum();
    path.get(path.len() + 2 - tail.min(path.len() + 2)..)
        .unwrap_or(path)
}

fn strip_generics(segment: &str) -> &str {
    segment.split('<').next().unwrap_or(segment)
}

/// Splits at `::` outside of brackets. Never empty.
fn split(name: &str) -> Vec<&str> {
    let bytes = name.as_bytes();
    let (mut depth, mut start, mut at) = (0usize, 0, 0);
    let mut parts = Vec::new();
    while at < bytes.len() {
        match bytes[at] {
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            // An arrow closes nothing.
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b'>' | b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && bytes.get(at + 1) == Some(&b':') => {
                parts.push(&name[start..at]);
                start = at + 2;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&name[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(full: &str, want_path: &str, want_short: &str) {
        let path = path(full);
        assert_eq!(path, want_path);
        assert_eq!(short(&path), want_short);
    }

    #[test]
    fn paths_lose_generics_and_keep_modules() {
        check("memcpy", "memcpy", "memcpy");
        check("a::b::c", "a::b::c", "c");
        check("a::f::<b::G<c::H>>", "a::f", "f");
        check("<a::T>::f", "a::T::f", "f");
        check("<a::T<x::Y>>::f::<fn(u8) -> b::R>", "a::T::f", "f");
        check("<a::T as b::C<d::E>>::f", "a::T::f", "f");
        check("a::f::{closure#0}", "a::f::{closure#0}", "f::{closure#0}");
        check(
            "<a::T>::f::<U>::{closure#1}",
            "a::T::f::{closure#1}",
            "f::{closure#1}",
        );
        check("", "", "");
        check("::", "::", "");
        check("<", "<", "<");
        check("é::ü<ß", "é::ü", "ü");
    }

    #[test]
    fn rust_names_of_both_schemes_are_demangled() {
        assert_eq!(demangle("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(
            demangle("_ZN4core3ptr13drop_in_place17h0123456789abcdefE"),
            "core::ptr::drop_in_place"
        );
        assert_eq!(demangle("perf_event_read"), "perf_event_read");
    }
}
