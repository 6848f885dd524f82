// SPDX-License-Identifier: GPL-2.0-only
//! No text makes the readers panic, and what they read fits the schemas.

use proptest::prelude::*;
use scenario::{
    Diagnostics, Scenario, Source, Texts, parse_known, parse_machine, parse_scenario,
    parse_scheduler, schema::Kind,
};

const SAMPLE: &str = include_str!("../../../sim-configs/scenarios/review/p4-init-dup-master.toml");
const SCHEDULER: &str = include_str!("../../../sim-configs/schedulers/v10.toml");
const MACHINE: &str = include_str!("../../../sim-configs/machines/skylake.toml");

fn rendered<T>(result: Result<T, Diagnostics>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(errors) => {
            assert!(!errors.list().is_empty());
            for error in errors.list() {
                assert!(
                    error
                        .position()
                        .is_some_and(|(line, column)| line > 0 && column > 0)
                );
            }
            assert!(!errors.render(false).is_empty());
            assert!(!errors.render(true).is_empty());
            None
        }
    }
}

fn every_reader(text: &str) {
    let source = Source::new("any", text);
    if rendered(parse_scenario(&source)).is_some() {
        Kind::Scenario.fits(text).unwrap();
    }
    if rendered(parse_machine(&source)).is_some() {
        Kind::Machine.fits(text).unwrap();
    }
    if rendered(parse_scheduler(&source, &Texts::default())).is_some() {
        Kind::Scheduler.fits(text).unwrap();
    }
    if rendered(parse_known(&source)).is_some() {
        Kind::Known.fits(text).unwrap();
    }
}

/// Pieces that files are made of, so that arbitrary texts come close to valid ones.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "format = 1\n",
        "title = \"t\"\n",
        "machine = \"m\"\n",
        "name = \"n\"\n",
        "[[cpu]]\n",
        "program = [",
        "event = [",
        "{ open = \"A\" }",
        "{ read = \"A\", label = \"x\" }",
        "{ id = \"A\", kind = \"cycles\" }",
        "{ id = \"L\", kind = \"inject\", sample_period = 2 }",
        "{ work = 1_000 }",
        "]",
        "\n",
        ", ",
        "[sweep]\n",
        "step = \"x\"\n",
        "source = { pmi = \"L\" }\n",
        "[expect.v10]\n",
        "violates = [",
        "{ oracle = \"count\" }",
        "[rows]\n",
        "reset = \"v10\"\n",
        "[pmu]\n",
        "[[known]]\n",
        "\u{e9}\u{1f600}\t",
        "'''",
        "\"",
        "\r\n",
        "= ",
        "{",
        "}",
        "[[inject]]\n",
        "at = { before = \"write A.count\" }\n",
        "-1",
        "0x",
    ];
    prop_oneof![
        4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        every_reader(&text);
    }

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(piece(), 0..30)) {
        every_reader(&pieces.concat());
    }

    /// A shipped file with a hole, a doubled part or a foreign piece.
    #[test]
    fn damaged_files(
        file in proptest::sample::select(vec![SAMPLE, SCHEDULER, MACHINE]),
        from in any::<proptest::sample::Index>(),
        length in 0_usize..40,
        piece in piece(),
    ) {
        let chars: Vec<char> = file.chars().collect();
        let from = from.index(chars.len());
        let to = (from + length).min(chars.len());
        let text: String = chars[..from].iter().copied()
            .chain(piece.chars())
            .chain(chars[to..].iter().copied())
            .collect();
        every_reader(&text);
    }
}

/// Strings that a file may hold and that the messages repeat.
#[test]
fn strange_names() {
    for name in [
        "\\u0000",
        "\\n\\n",
        "\\u202e",
        &"x".repeat(5000),
        "\u{1f600}",
    ] {
        every_reader(&SAMPLE.replace("target", name));
        every_reader(&SAMPLE.replace("id = \"A\"", &format!("id = \"{name}\"")));
        every_reader(&SAMPLE.replace("init_dup_master:", name));
    }
}

fn sample() -> Scenario {
    parse_scenario(&Source::new("sample", SAMPLE)).unwrap()
}

#[test]
fn deep_nesting_is_an_error() {
    every_reader(&format!("a = {}{}", "[".repeat(5000), "]".repeat(5000)));
    every_reader(&"a.".repeat(5000));
}

#[test]
fn reading_twice_gives_the_same() {
    assert_eq!(sample(), sample());
}
