// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim throughput`: basic blocks through the Skylake model, by the BHive protocol.

use report::{BlockRow, ScoreReport, ThroughputReport};
use timing::skylake::bhive::from_hex;
use timing::skylake::explain;
use timing::skylake::form::Table;

use crate::args::ThroughputArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files;

/// A line with a block.
struct Line<'a> {
    number: usize,
    hex: &'a str,
    /// The second column.
    measured: Option<&'a str>,
}

/// The blocks of a file: the first column of each line. Empty lines, `#` lines and a header are
/// none.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let mut columns = line.split([',', '\t']).map(str::trim);
        let hex = columns.next().unwrap_or("");
        let header = i == 0 && hex.eq_ignore_ascii_case("hex");
        if line.trim().is_empty() || line.starts_with('#') || header || hex == "hex" {
            continue;
        }
        lines.push(Line {
            number: i + 1,
            hex,
            measured: columns.next(),
        });
    }
    lines
}

pub(crate) fn run(context: &Context, args: &ThroughputArgs) -> Result<Exit, Failure> {
    let bytes = files::bytes(&args.file)?;
    // A byte that is no text makes its own line bad, not the file.
    let text = String::from_utf8_lossy(&bytes);
    let lines = lines(&text);
    if lines.is_empty() {
        return Err(Failure::input(format!(
            "{}: no block in it; each line begins with the code of one in hexadecimal",
            args.file.display()
        )));
    }
    let table = Table::skylake();
    if args.explain {
        return explain(context, &table, &lines);
    }
    let blocks: Vec<&str> = lines.iter().map(|line| line.hex).collect();
    let interrupt = &context.interrupt;
    let results = explore::throughput(&table, &blocks, context.jobs(), || !interrupt.pressed());
    let mut exit = Exit::Good;
    let mut rows = Vec::new();
    let mut pairs = Vec::new();
    let mut measured = 0;
    for (line, result) in lines.iter().zip(results) {
        let Some(result) = result else {
            exit = Exit::Interrupted;
            break;
        };
        let mut row = BlockRow {
            line: line.number,
            hex: line.hex.to_owned(),
            predicted: None,
            error: None,
        };
        let value = if args.score {
            match line.measured.unwrap_or("").parse::<f64>() {
                Ok(value) if value.is_finite() && value > 0.0 => Some(value),
                _ => {
                    row.error = Some("no measured value in the second column".to_owned());
                    None
                }
            }
        } else {
            None
        };
        measured += usize::from(value.is_some());
        match result {
            Ok(prediction) => {
                row.predicted = Some(prediction.cycles());
                pairs.extend(value.map(|value| (value, prediction)));
            }
            Err(why) => row.error = Some(why.to_string()),
        }
        if let Some(error) = &row.error {
            exit = Exit::Input;
            context.note(&format!("line {}: {error}", line.number));
        }
        rows.push(row);
    }
    if args.score {
        let report = ScoreReport::new(&pairs, measured);
        context.result("throughput-score", &report, |out| report.human(out))?;
    } else {
        let report = ThroughputReport { blocks: rows };
        context.result("throughput", &report, |out| report.human(out))?;
    }
    Ok(exit)
}

/// `--explain`: each block in words instead of a line of CSV.
fn explain(context: &Context, table: &Table, lines: &[Line<'_>]) -> Result<Exit, Failure> {
    let mut exit = Exit::Good;
    for line in lines {
        match from_hex(line.hex).and_then(|bytes| explain::explain(table, &bytes)) {
            Ok(explained) => context.result("throughput-explain", &(), |out| {
                report::explanation(out, line.hex, &explained)
            })?,
            Err(why) => {
                exit = Exit::Input;
                context.note(&format!("line {}: {why}", line.number));
            }
        }
    }
    Ok(exit)
}
