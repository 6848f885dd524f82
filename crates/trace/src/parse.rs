// SPDX-License-Identifier: GPL-2.0-only
//! Text as a trace.

use crate::{Decision, Inline, Kind, Trace, VERSION, Verdict};

/// A text that is no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{line}: {message}")]
pub struct TraceError {
    /// The file.
    pub name: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong and what ought to stand there.
    pub message: String,
}

impl Trace {
    /// Reads the text of a trace; `name` is for errors.
    ///
    /// # Errors
    /// The first line that does not fit.
    pub fn parse(name: &str, text: &str) -> Result<Self, TraceError> {
        let mut lines = Lines {
            name,
            lines: text.lines().collect(),
            at: 0,
        };
        let version = lines.keyword("pmusim-trace", "`pmusim-trace 1`: is this a trace?")?;
        if version != VERSION.to_string() {
            return Err(lines.error(format!(
                "trace version {version}; this program reads version {VERSION}"
            )));
        }
        let image = lines.keyword("image", "`image` and the guest's hash")?;
        let scenario = lines.inline("scenario")?;
        let machine = lines.inline("machine")?;
        let scheduler = lines.inline("scheduler")?;
        let mut decisions = Vec::new();
        while let Some(rest) = lines.optional("decision") {
            let decision = decision(rest).map_err(|message| lines.error(message))?;
            decisions.push(decision);
        }
        let mut verdicts = Vec::new();
        let mut ended = false;
        while let Some(rest) = lines.optional("end") {
            ended = true;
            if rest != "clean" {
                verdicts.push(verdict(rest).map_err(|message| lines.error(message))?);
            }
        }
        if !ended {
            lines.at += 1;
            return Err(lines.error("expected `end` and a verdict, or `end clean`".to_owned()));
        }
        let digest = lines.keyword("digest", "`digest` and the final state's digest")?;
        if lines.at < lines.lines.len() {
            lines.at += 1;
            return Err(lines.error("nothing may follow the digest".to_owned()));
        }
        Ok(Self {
            image: image.to_owned(),
            scenario,
            machine,
            scheduler,
            decisions,
            verdicts,
            digest: digest.to_owned(),
        })
    }
}

struct Lines<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
    at: usize,
}

impl<'a> Lines<'a> {
    /// An error in the line read last.
    fn error(&self, message: String) -> TraceError {
        TraceError {
            name: self.name.to_owned(),
            line: self.at.max(1),
            message,
        }
    }

    fn optional(&mut self, word: &str) -> Option<&'a str> {
        let rest = self.lines.get(self.at)?.strip_prefix(word)?;
        let rest = rest.strip_prefix(' ')?;
        self.at += 1;
        Some(rest)
    }

    fn keyword(&mut self, word: &str, wanted: &str) -> Result<&'a str, TraceError> {
        self.optional(word).ok_or_else(|| {
            self.at += 1;
            self.error(format!("expected {wanted}"))
        })
    }

    fn inline(&mut self, kind: &str) -> Result<Inline, TraceError> {
        let name = self.keyword(
            &format!("begin {kind}"),
            &format!("`begin {kind}` and its name"),
        )?;
        let mut text = String::new();
        while let Some(line) = self.lines.get(self.at).and_then(|l| l.strip_prefix('|')) {
            text += line;
            text.push('\n');
            self.at += 1;
        }
        if self.lines.get(self.at) != Some(&format!("end {kind}").as_str()) {
            self.at += 1;
            return Err(self.error(format!(
                "expected `end {kind}`, or a line of the {kind} behind a bar"
            )));
        }
        self.at += 1;
        Ok(Inline {
            name: name.to_owned(),
            text,
        })
    }
}

fn decision(rest: &str) -> Result<Decision, String> {
    let parts: Vec<&str> = rest.split(" | ").collect();
    let [what, semantic, code, exact] = parts[..] else {
        return Err("a decision has four parts between ` | `".to_owned());
    };
    let (cpu, kind) = what
        .split_once(' ')
        .ok_or("a decision begins with its CPU and kind: `cpu0 pmi L`")?;
    let cpu = cpu_number(cpu)?;
    let words: Vec<&str> = kind.split(' ').collect();
    let kind = match words[..] {
        ["pmi", event] => Kind::Pmi(event.to_owned()),
        ["late", event, "from", at] => Kind::Late {
            event: event.to_owned(),
            occurs_at: at
                .parse()
                .map_err(|_| format!("`{at}` is not a boundary"))?,
        },
        ["nmi"] => Kind::External,
        ["tick"] => Kind::Tick,
        ["run", other] => Kind::Preempt(cpu_number(other)?),
        _ => {
            return Err(format!(
                "`{kind}`: a decision is pmi, late, nmi, tick or run"
            ));
        }
    };
    let (ordinal, rip) = exact
        .strip_prefix("ordinal=")
        .and_then(|rest| rest.split_once(" rip=0x"))
        .and_then(|(o, r)| Some((o.parse().ok()?, u64::from_str_radix(r, 16).ok()?)))
        .ok_or("the last part is `ordinal=N rip=0xADDRESS`")?;
    let given = |text: &str| (text != "-").then(|| text.to_owned());
    Ok(Decision {
        cpu,
        kind,
        semantic: given(semantic),
        code: given(code),
        ordinal,
        rip,
    })
}

fn cpu_number(word: &str) -> Result<usize, String> {
    word.strip_prefix("cpu")
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| format!("`{word}` is not a CPU; write `cpu0`"))
}

fn verdict(rest: &str) -> Result<Verdict, String> {
    const SHAPE: &str = "a verdict is `ORACLE EVENT row=ROW window=WRITE..WRITE`";
    let mut words = rest.splitn(4, ' ');
    let (Some(oracle), Some(event), Some(row), Some(window)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(SHAPE.to_owned());
    };
    let row = row.strip_prefix("row=").ok_or(SHAPE)?;
    let (from, to) = window
        .strip_prefix("window=")
        .and_then(|w| w.split_once(".."))
        .ok_or(SHAPE)?;
    Ok(Verdict {
        oracle: oracle.to_owned(),
        event: event.to_owned(),
        row: row.to_owned(),
        window: (from.to_owned(), to.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Trace {
        let file = |name: &str, text: &str| Inline {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        Trace {
            image: "00ff".to_owned(),
            scenario: file("p4.toml", "format = 1\n\ntitle = \"end scenario\"\n"),
            machine: file("skylake", "a\n"),
            scheduler: file("v10", ""),
            decisions: vec![
                Decision {
                    cpu: 0,
                    kind: Kind::Pmi("L".to_owned()),
                    semantic: Some("before write A.dup_count hit 1 in target".to_owned()),
                    code: None,
                    ordinal: 17,
                    rip: 0x10_1a2c,
                },
                Decision {
                    cpu: 1,
                    kind: Kind::Late {
                        event: "L".to_owned(),
                        occurs_at: 12,
                    },
                    semantic: None,
                    code: Some("f+0x3 hit 2".to_owned()),
                    ordinal: 19,
                    rip: 1,
                },
            ],
            verdicts: vec![Verdict {
                oracle: "count".to_owned(),
                event: "A".to_owned(),
                row: "init_dup_master".to_owned(),
                window: (
                    "init_dup_master: write A.master_count".to_owned(),
                    "-".to_owned(),
                ),
            }],
            digest: "blake3:12".to_owned(),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let trace = sample();
        assert_eq!(Trace::parse("t", &trace.to_string()), Ok(trace));
        let clean = Trace {
            verdicts: vec![],
            decisions: vec![],
            ..sample()
        };
        assert_eq!(Trace::parse("t", &clean.to_string()), Ok(clean));
    }

    #[test]
    fn errors_name_the_line_and_the_mend() {
        let text = sample().to_string();
        let check = |text: &str| Trace::parse("t", text).unwrap_err().to_string();
        assert_eq!(
            check(""),
            "t:1: expected `pmusim-trace 1`: is this a trace?"
        );
        assert_eq!(
            check(&text.replace("pmusim-trace 1", "pmusim-trace 9")),
            "t:1: trace version 9; this program reads version 1"
        );
        assert_eq!(
            check(&text.replace("cpu0 pmi L", "cpu0 pmi")),
            "t:13: `pmi`: a decision is pmi, late, nmi, tick or run"
        );
        assert_eq!(
            check(&(text + "more\n")),
            "t:17: nothing may follow the digest"
        );
    }

    proptest! {
        #[test]
        fn a_truncated_or_altered_trace_is_an_error_or_a_trace(
            cut in 0usize..900, at in 0usize..900, byte in any::<char>()
        ) {
            let text = sample().to_string();
            let mut altered: String = text.chars().take(cut).collect();
            if at < altered.chars().count() {
                altered = altered
                    .chars()
                    .enumerate()
                    .map(|(i, c)| if i == at { byte } else { c })
                    .collect();
            }
            if let Ok(trace) = Trace::parse("t", &altered) {
                prop_assert_eq!(Trace::parse("t", &trace.to_string()), Ok(trace));
            }
        }
    }
}
