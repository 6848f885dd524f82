// SPDX-License-Identifier: GPL-2.0-only
//! Matching findings with `sim-configs/known.toml`: by where they happen, never by symptom
//! (contract, section 8).

use check::Violation;
use check::cause::{Cause, NamedWrite, row_of};
use image::Image;
use scenario::{Access, AccessKind, Known, NmiSource, Reach, ReadGuard, Scheduler};

use abi::rows::Row;

/// The entries that can apply to one scheduler and source of NMIs.
#[derive(Debug)]
pub(crate) struct KnownHere<'a>(Vec<&'a Known>);

impl<'a> KnownHere<'a> {
    /// The entries of `list` for `scheduler` and `source`.
    pub(crate) fn new(list: &'a [Known], scheduler: &Scheduler, source: &NmiSource) -> Self {
        let guard = match scheduler.value(Row::ReadGuard) {
            "v5.9" => ReadGuard::V5_9,
            _ => ReadGuard::V5_5,
        };
        let reach = match source {
            NmiSource::Pmi(_) => Reach::Pmi,
            NmiSource::Late(_) => Reach::Late,
            NmiSource::External(_) => Reach::External,
        };
        let applies = |known: &&Known| {
            known.read_guard.contains(&guard)
                && known.reaches.contains(&reach)
                && (known.schedulers.is_empty() || known.schedulers.contains(&scheduler.name))
        };
        Self(list.iter().filter(applies).collect())
    }

    /// Why all of `causes` are known; none when one of them is not.
    pub(crate) fn reason(&self, causes: &[Cause]) -> Option<String> {
        let reasons: Option<Vec<&str>> = causes.iter().map(|cause| self.of(cause)).collect();
        let mut reasons = reasons.filter(|list| !list.is_empty())?;
        reasons.sort_unstable();
        reasons.dedup();
        Some(reasons.join("; "))
    }

    /// A finding without an NMI is known: an entry names its place. Nothing has to reach it.
    pub(crate) fn knows_baseline(&self, image: &Image, violation: &Violation) -> bool {
        let row = row_of(image, violation.at.rip);
        let function = image.function_at(violation.at.rip);
        self.0.iter().any(|known| {
            let here = known.place.as_deref().is_some_and(|place| {
                place == row || function.is_some_and(|function| function.name == place)
            });
            here && known.oracle.name() == violation.oracle.name()
        })
    }

    fn of(&self, cause: &Cause) -> Option<&str> {
        let found = self.0.iter().find(|known| matches(known, cause))?;
        Some(&found.reason)
    }
}

fn matches(known: &Known, cause: &Cause) -> bool {
    known.oracle.name() == cause.oracle.name()
        && known.row == cause.row
        && known.window.as_ref().is_some_and(|window| {
            is(&window.from, cause.after.as_ref(), &known.row)
                && is(&window.to, cause.before.as_ref(), &known.row)
        })
}

/// Whether a side of a window is this write.
fn is(access: &Access, write: Option<&NamedWrite>, row: &str) -> bool {
    let Some(write) = write else {
        return false;
    };
    let field = match &access.object {
        Some(object) => write.field == format!("{object}.{}", access.field),
        None => write
            .field
            .split_once('.')
            .is_some_and(|(_, field)| field.ends_with(&access.field)),
    };
    access.kind == AccessKind::Write && field && access.row.as_deref().unwrap_or(row) == write.row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(row: &str, field: &str) -> Option<NamedWrite> {
        Some(NamedWrite {
            row: row.to_owned(),
            field: field.to_owned(),
            ordinal: 0,
            rip: 0,
        })
    }

    fn known(window: &str) -> Vec<Known> {
        let text = format!(
            "format = 1\n[[known]]\noracle = \"count\"\nrow = \"f\"\nwindow = {window}\n\
             read_guard = [\"v5.5\"]\nreaches = [\"pmi\"]\nreason = \"because\"\nsource = \"s\"\n"
        );
        scenario::parse_known(&scenario::Source::new("known.toml", text)).unwrap()
    }

    #[test]
    fn both_sides_of_the_window_must_fit() {
        let list = known("[\"f: write count\", \"f: write hw.prev_count\"]");
        let here = KnownHere(list.iter().collect());
        let cause = |after, before| Cause {
            oracle: check::Oracle::Count,
            event: "A".to_owned(),
            row: "f".to_owned(),
            after,
            before,
        };
        let (count, prev) = (write("f", "A.count"), write("f", "A.hw.prev_count"));
        let good = cause(count.clone(), prev.clone());
        assert_eq!(
            here.reason(std::slice::from_ref(&good)).as_deref(),
            Some("because")
        );
        assert_eq!(here.reason(&[]), None);
        for other in [
            cause(prev, count.clone()),
            cause(count.clone(), None),
            cause(count.clone(), write("g", "A.hw.prev_count")),
        ] {
            assert_eq!(here.reason(&[good.clone(), other]), None);
        }
    }
}
