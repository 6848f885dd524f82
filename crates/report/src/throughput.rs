// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim throughput`: predictions of blocks, and how good they are.

use std::io;

use serde::Serialize;
use timing::score::{Score, score};
use timing::skylake::bhive::Prediction;

use crate::style::{DIM, HEAD, NAME};
use crate::table::Table;

/// A block of the input.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlockRow {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Its code as the file has it.
    pub hex: String,
    /// Cycles per 100 iterations; absent where the block cannot be predicted.
    pub predicted: Option<f64>,
    /// Why it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Predictions of a file of blocks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ThroughputReport {
    /// The blocks in the order of the file.
    pub blocks: Vec<BlockRow>,
}

impl ThroughputReport {
    /// CSV with the header `hex,predicted`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "hex,predicted")?;
        for row in &self.blocks {
            match row.predicted {
                Some(cycles) => writeln!(out, "{},{cycles}", row.hex)?,
                None => writeln!(out, "{},", row.hex)?,
            }
        }
        Ok(())
    }
}

/// The figures of one class of blocks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassScore {
    /// The class.
    pub class: String,
    /// Blocks with a prediction.
    pub blocks: usize,
    /// Mean absolute error in percent.
    pub mean: f64,
    /// Median absolute error in percent.
    pub median: f64,
    /// Kendall's tau-b.
    pub tau: f64,
    /// Mean signed error in percent.
    pub bias: f64,
    /// Percent of the blocks within 5 and within 10 percent.
    pub within: [f64; 2],
}

impl ClassScore {
    fn new(class: &str, score: Score) -> Self {
        Self {
            class: class.to_owned(),
            blocks: score.blocks,
            mean: score.mean,
            median: score.median,
            tau: score.tau,
            bias: score.bias,
            within: score.within,
        }
    }
}

/// How good the predictions of measured blocks are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreReport {
    /// Measured blocks.
    pub measured: usize,
    /// Of them predicted, in percent.
    pub coverage: f64,
    /// By class; classes without blocks are left out.
    pub classes: Vec<ClassScore>,
}

/// A measured block and its prediction.
type Pair = (f64, Prediction);

impl ScoreReport {
    /// Scores (measured, predicted) pairs out of `measured` blocks.
    #[must_use]
    pub fn new(pairs: &[Pair], measured: usize) -> Self {
        /// Published values lie two cycles low and are rounded; further below the bound, they are
        /// wrong.
        const ROUNDING: f64 = 4.0;
        let impossible = |(m, p): &Pair| *m < p.bound() - ROUNDING;
        let odd = |p: &Prediction| p.after_stores || p.divides || p.walks;
        type Class<'a> = (&'a str, &'a dyn Fn(&Pair) -> bool);
        let classes: [Class<'_>; 8] = [
            ("all", &|_| true),
            ("scalar integer", &|(_, p)| p.scalar),
            ("vector, x87, MMX", &|(_, p)| !p.scalar),
            ("loads meet stores", &|(_, p)| p.after_stores),
            ("divisions, roots", &|(_, p)| p.divides),
            ("more pages than the TLB", &|(_, p)| p.walks),
            ("measured below the bound", &impossible),
            ("clean: none of the last four", &|b| {
                !odd(&b.1) && !impossible(b)
            }),
        ];
        let mut scores = Vec::new();
        let steady: Vec<(f64, f64)> = pairs.iter().map(|(m, p)| (*m, p.steady as f64)).collect();
        for (name, belongs) in classes {
            let chosen: Vec<(f64, f64)> = pairs
                .iter()
                .filter(|pair| belongs(pair))
                .map(|(m, p)| (*m, p.cycles()))
                .collect();
            scores.extend(score(&chosen).map(|s| ClassScore::new(name, s)));
        }
        scores.extend(score(&steady).map(|s| ClassScore::new("all, raw steady state", s)));
        Self {
            measured,
            coverage: 100.0 * pairs.len() as f64 / measured.max(1) as f64,
            classes: scores,
        }
    }

    /// Text for people.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn human(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let heads = [
            "class", "blocks", "error %", "median %", "tau", "bias %", "in 5 %", "in 10 %",
        ];
        let mut table = Table::new();
        table.row(heads.map(|head| (HEAD, head)));
        for class in &self.classes {
            let number =
                |value: f64, digits: usize| (anstyle::Style::new(), format!("{value:.digits$}"));
            table.row([
                (NAME, class.class.clone()),
                (anstyle::Style::new(), class.blocks.to_string()),
                number(class.mean, 2),
                number(class.median, 2),
                number(class.tau, 4),
                number(class.bias, 2),
                number(class.within[0], 1),
                number(class.within[1], 1),
            ]);
        }
        table.write(out)?;
        writeln!(
            out,
            "{DIM}predicted: {:.2} % of {} measured blocks{DIM:#}",
            self.coverage, self.measured
        )
    }
}
