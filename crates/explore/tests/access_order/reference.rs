// SPDX-License-Identifier: GPL-2.0-only
//! How a row's accesses are written down, and the comparison of what a call does with them.
//!
//! Letters: E the event that a function is called for, M its master, T any other event of the
//! list, NM the new master.

/// A numbered line: its number, and what may stand there.
pub(crate) struct Step {
    pub(crate) number: &'static str,
    pub(crate) forms: &'static [&'static str],
}

/// A function in one version.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// First and last step of its loop: a pass begins with the first.
    pub(crate) cycle: Option<(usize, usize)>,
    /// The step after which it returns, in one of its branches.
    pub(crate) returns: Option<usize>,
    pub(crate) steps: &'static [Step],
    /// What the listing's reader should know.
    pub(crate) notes: &'static [&'static str],
}

macro_rules! steps {
    ($($number:literal: $($form:literal)|+;)+) => {
        &[$(Step { number: $number, forms: &[$($form),+] }),+]
    };
}
pub(crate) use steps;

pub(crate) const CHILDREN: &str =
    "The lines of child counts stand under the row shadow_child_count, which v10 sets.";
pub(crate) const NULL_AND_M: &str =
    "dup_master is loaded twice, once to compare with null; only code under ctx->lock writes it.";
pub(crate) const INC: &str = "The counting of dup_active is one instruction that loads and stores.";

/// All functions whose calls are compared.
pub(crate) fn functions() -> impl Iterator<Item = &'static Function> {
    crate::early::FUNCTIONS
        .iter()
        .chain(crate::later::FUNCTIONS)
}

/// Words and what stands between them.
fn tokens(line: &str) -> Vec<&str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = line;
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| word(c) != word(first)).unwrap_or(rest.len());
        found.push(&rest[..end]);
        rest = &rest[end..];
    }
    found
}

/// T, T2, NM, N2 and so on: any event of the list.
fn is_other(name: &str) -> bool {
    name == "NM"
        || name
            .strip_prefix(['T', 'N'])
            .is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
}

impl Step {
    /// Which form `line` has; with `own`, M is E.
    fn form(&self, line: &str, own: bool) -> Option<usize> {
        let line = tokens(line);
        self.forms.iter().position(|form| {
            let form = tokens(form);
            form.len() == line.len()
                && form.iter().zip(&line).all(|(&form, &name)| {
                    form == name
                        || form == "T" && is_other(name)
                        || form == "M" && own && name == "E"
                })
        })
    }
}

impl Function {
    /// The step and form of each line of a call, `None` for a warning.
    ///
    /// # Errors
    /// The line that has no place in the order.
    pub(crate) fn place(
        &self,
        lines: &[String],
        own: bool,
    ) -> Result<Vec<Option<(usize, usize)>>, String> {
        let mut next = 0;
        let mut places: Vec<Option<(usize, usize)>> = Vec::new();
        for line in lines {
            if line == "WARN" {
                places.push(None);
                continue;
            }
            let find = |range: std::ops::Range<usize>| {
                range
                    .into_iter()
                    .find_map(|at| Some((at, self.steps[at].form(line, own)?)))
            };
            let again = || {
                let (first, last) = self.cycle?;
                (first < next && next <= last + 1).then_some(())?;
                find(first..first + 1)
            };
            let over = self.returns.is_some_and(|at| next == at + 1);
            let (at, form) = find(next..self.steps.len())
                .or_else(again)
                .filter(|_| !over)
                .ok_or_else(|| format!("{}: `{line}` is out of order", self.name))?;
            next = at + 1;
            places.push(Some((at, form)));
        }
        Ok(places)
    }
}
