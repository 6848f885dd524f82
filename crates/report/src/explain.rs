// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim throughput --explain`: the table of ports and cycles, the bottleneck, the timeline.

use std::io;

use timing::skylake::explain::Explained;

use crate::style::{DIM, HEAD, NAME};
use crate::table::Table;

/// Cycles of the timeline that are drawn.
const COLUMNS: u64 = 100;

/// Writes what there is to say of a block.
///
/// # Errors
/// Those of the writer.
pub fn explanation(out: &mut dyn io::Write, block: &str, explained: &Explained) -> io::Result<()> {
    let cycles = explained.prediction.steady as f64 / 100.0;
    writeln!(
        out,
        "{HEAD}{block}{HEAD:#}: {cycles:.2} cycles an iteration"
    )?;
    writeln!(out, "bottleneck: {}", explained.bottleneck)?;
    let plain = anstyle::Style::new();
    let mut table = Table::new();
    let mut heads = vec!["slots".to_owned()];
    heads.extend((0..8).map(|port| format!("p{port}")));
    heads.extend(["wait", "life", "instruction"].map(str::to_owned));
    table.row(heads.into_iter().map(|head| (HEAD, head)));
    for line in &explained.lines {
        let mut cells = vec![(plain, line.slots.to_string())];
        cells.extend(line.ports.iter().map(|&uops| {
            let text = if uops == 0.0 {
                "-".to_owned()
            } else {
                format!("{uops:.2}")
            };
            (plain, text)
        }));
        cells.push((
            plain,
            line.wait.map_or("-".to_owned(), |w| format!("{w:.1}")),
        ));
        cells.push((plain, format!("{:.1}", line.life)));
        cells.push((NAME, line.text.clone()));
        table.row(cells);
    }
    table.write(out)?;
    writeln!(
        out,
        "{DIM}I renamed, . waits, e executes, - done, R retires; a column is a cycle{DIM:#}"
    )?;
    for mark in &explained.timeline {
        let mut text = String::new();
        for cycle in 0..=mark.retired.min(COLUMNS) {
            text.push(match mark.executed {
                _ if cycle < mark.renamed => ' ',
                _ if cycle == mark.retired => 'R',
                _ if cycle == mark.renamed => 'I',
                Some((first, _)) if cycle < first => '.',
                Some((_, done)) if cycle < done => 'e',
                _ => '-',
            });
        }
        writeln!(out, "{:>2}.{:<3} {text}", mark.place.0, mark.place.1)?;
    }
    Ok(())
}
