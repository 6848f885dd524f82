// SPDX-License-Identifier: GPL-2.0-only
//! The exit codes (contract, section 9; docs/exit-codes.md says what each command means by them).

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// What was asked for is done, and it holds.
    Good,
    /// An expectation does not hold, something was found, or the guest failed.
    Finding,
    /// Input error: a wrong flag, a missing file, a file with mistakes.
    Input,
    /// A limit was reached, or the run proves nothing (vacuous, inconclusive).
    Cut,
    /// The selection is empty: nothing ran.
    Nothing,
    /// A trace that does not parse, has diverged, or belongs to another guest image.
    Stale,
    /// `replay --for-bisect`: this commit can tell nothing.
    Skip,
    /// Interrupted; what was found until then has been printed.
    Interrupted,
}

impl Exit {
    /// Every code and, last, the one of a panic, with what it means.
    pub(crate) const ALL: [(u8, &'static str); 9] = [
        (0, "done, and everything asked holds"),
        (
            1,
            "an expectation does not hold, a finding that is not known, or the guest failed",
        ),
        (
            2,
            "input error: wrong flag, missing file, mistakes in a file",
        ),
        (
            3,
            "a limit was reached, or the run proves nothing (vacuous)",
        ),
        (4, "nothing selected"),
        (
            5,
            "the trace does not parse, or its decisions cannot be found in this guest image",
        ),
        (101, "a bug of pmusim itself"),
        (
            125,
            "replay --for-bisect: the trace cannot be run here, or records no finding",
        ),
        (130, "interrupted; what was found is printed"),
    ];

    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Finding => 1,
            Self::Input => 2,
            Self::Cut => 3,
            Self::Nothing => 4,
            Self::Stale => 5,
            Self::Skip => 125,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table for `pmusim --help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:\n");
    for (code, meaning) in Exit::ALL {
        text += &format!("  {code:<4} {meaning}\n");
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_table_has_every_code() {
        for exit in [
            Exit::Good,
            Exit::Finding,
            Exit::Input,
            Exit::Cut,
            Exit::Nothing,
            Exit::Stale,
            Exit::Skip,
            Exit::Interrupted,
        ] {
            assert!(
                Exit::ALL.iter().any(|(code, _)| *code == exit.code()),
                "{exit:?}"
            );
        }
    }

    #[test]
    fn the_page_has_every_code() {
        let page = include_str!("../../../docs/exit-codes.md");
        for (code, _) in Exit::ALL {
            assert!(
                page.contains(&format!("| {code} |")),
                "{code} is missing in docs/exit-codes.md"
            );
        }
    }
}
