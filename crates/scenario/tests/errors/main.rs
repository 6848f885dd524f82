// SPDX-License-Identifier: GPL-2.0-only
//! What each mistake in a file looks like to the person who made it. `UPDATE_EXPECT=1` renews the texts.

mod cpus;
mod event;
mod expect;
mod known;
mod library;
mod machine;
mod scheduler;
mod steps;
mod sweep;
mod syntax;
mod tasks;

use expect_test::Expect;
use scenario::{Code, Diagnostics, Source, parse_machine, parse_scenario};

pub(crate) fn check<T: std::fmt::Debug>(result: Result<T, Diagnostics>, expected: &Expect) {
    let errors = result.expect_err("the file is wrong");
    assert!(
        errors
            .list()
            .iter()
            .all(|d| !d.code.explanation().is_empty())
    );
    expected.assert_eq(&format!("{}\n", errors.render(false)));
}

pub(crate) fn scenario(text: &str, expected: &Expect) {
    check(parse_scenario(&Source::new("a.toml", text)), expected);
}

/// Every code has an example here, and a text of its own.
#[test]
fn every_code_is_shown() {
    let examples = concat!(
        include_str!("cpus.rs"),
        include_str!("event.rs"),
        include_str!("expect.rs"),
        include_str!("known.rs"),
        include_str!("library.rs"),
        include_str!("machine.rs"),
        include_str!("scheduler.rs"),
        include_str!("steps.rs"),
        include_str!("sweep.rs"),
        include_str!("syntax.rs"),
        include_str!("tasks.rs"),
    );
    for code in Code::ALL {
        assert!(examples.contains(&format!("error[{code}]")), "{code}");
        assert_eq!(Code::from_id(&code.id().to_lowercase()), Some(*code));
    }
    assert_eq!(Code::from_id("E9999"), None);
}

#[test]
fn colour_only_where_asked() {
    let errors = parse_machine(&Source::new("m.toml", "format = 1\n")).unwrap_err();
    assert!(!errors.render(false).contains('\u{1b}'));
    assert!(errors.render(true).contains('\u{1b}'));
    assert_eq!(errors.to_string(), errors.render(false));
}
