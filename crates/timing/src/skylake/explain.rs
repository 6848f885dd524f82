// SPDX-License-Identifier: GPL-2.0-only
//! Why a block takes the cycles it takes: ports and cycles by instruction, what limits it, and a
//! timeline of two iterations in the steady state.

use super::bhive::{Block, COPIES, Prediction, Refusal};
use super::events::Event;
use super::form::Table;
use super::log::{Log, Stage};

/// Cycles of waiting that the front end does not explain.
const PILED: f64 = 20.0;
/// Iterations of the timeline.
const SHOWN: usize = 2;
/// The first of them.
const FROM: usize = COPIES / 2;

/// One instruction of the block.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its text.
    pub text: String,
    /// Issue slots.
    pub slots: usize,
    /// Uops on each port, of an iteration on average.
    pub ports: [f64; 8],
    /// Cycles from rename to the first dispatch, on average; none where nothing executes.
    pub wait: Option<f64>,
    /// Cycles from rename to retirement, on average.
    pub life: f64,
}

/// An instruction on the timeline, in cycles after the first one's rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Iteration, from 0, and instruction in the block.
    pub place: (usize, usize),
    /// Rename.
    pub renamed: u64,
    /// First dispatch and last result, if anything executes.
    pub executed: Option<(u64, u64)>,
    /// Retirement.
    pub retired: u64,
}

/// What there is to say of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The prediction.
    pub prediction: Prediction,
    /// The instructions.
    pub lines: Vec<Line>,
    /// What limits it.
    pub bottleneck: String,
    /// Two iterations.
    pub timeline: Vec<Mark>,
}

/// Explains a block.
///
/// # Errors
/// It cannot be predicted.
pub fn explain(table: &Table, bytes: &[u8]) -> Result<Explained, Refusal> {
    let block = Block::new(table, bytes)?;
    let trace = block.trace()?;
    let pipeline = block.run(&trace, Log::default())?;
    let prediction = block.prediction(&trace, &pipeline);
    let n = block.code.len();
    let notes = pipeline.log.as_ref().map_or(&[][..], |log| &log.notes);
    let mut renamed = vec![0; trace.len()];
    let mut first = vec![None; trace.len()];
    let mut done = vec![0; trace.len()];
    let mut retired = vec![0; trace.len()];
    let mut ports = vec![[0_u64; 8]; n];
    for &(i, stage, cycle) in notes {
        match stage {
            Stage::Renamed => renamed[i] = cycle,
            Stage::Retired => retired[i] = cycle,
            Stage::Dispatched { port, done: at } => {
                first[i].get_or_insert(cycle);
                done[i] = done[i].max(at);
                ports[i % n][usize::from(port)] += u64::from(i / n >= FROM);
            }
        }
    }
    let steady = (COPIES - FROM) as f64;
    let lines: Vec<Line> = (0..n)
        .map(|i| {
            let all = || (FROM..COPIES).map(|copy| copy * n + i);
            let mean = |sum: u64| sum as f64 / steady;
            Line {
                text: block.instructions[i].to_string(),
                slots: block.code[i].entries.iter().map(|e| e.slots.len()).sum(),
                ports: ports[i].map(mean),
                wait: first[i].map(|_| {
                    mean(
                        all()
                            .map(|k| first[k].unwrap_or(renamed[k]).saturating_sub(renamed[k]))
                            .sum(),
                    )
                }),
                life: mean(all().map(|k| retired[k].saturating_sub(renamed[k])).sum()),
            }
        })
        .collect();
    let start = renamed[FROM * n];
    let timeline = (0..SHOWN * n)
        .map(|k| {
            let i = FROM * n + k;
            let after = |cycle: u64| cycle.saturating_sub(start);
            Mark {
                place: (k / n, k % n),
                renamed: after(renamed[i]),
                executed: first[i].map(|f| (after(f), after(done[i]))),
                retired: after(retired[i]),
            }
        })
        .collect();
    let cycles = prediction.steady as f64 / steady;
    let used = |port: usize| lines.iter().map(|l| l.ports[port]).sum::<f64>();
    let busiest = (0..8)
        .max_by(|&a, &b| used(a).total_cmp(&used(b)))
        .unwrap_or(0);
    let all = pipeline.events.get(Event::Cycles) as f64;
    let share = |event: Event, each: f64| pipeline.events.get(event) as f64 / (each * all);
    // Uops that pile up before the ports wait for each other, not for the front end.
    let piled = lines.iter().filter_map(|l| l.wait).any(|w| w > PILED);
    let slots: usize = lines.iter().map(|l| l.slots).sum();
    let bottleneck = if share(Event::DividerActive, 1.0) > 0.85 {
        "the divider".to_owned()
    } else if used(busiest) > 0.93 * cycles {
        format!(
            "port {busiest}: {:.2} uops in {cycles:.2} cycles",
            used(busiest)
        )
    } else if slots as f64 / 4.0 > 0.93 * cycles {
        format!("rename: {slots} slots, 4 a cycle")
    } else if share(Event::LengthChangeStalls, 1.0) > 0.3 {
        "the predecoder, by length-changing prefixes".to_owned()
    } else if !piled {
        "the front end: predecoder and decoders".to_owned()
    } else {
        "latency: a chain of dependent instructions".to_owned()
    };
    Ok(Explained {
        prediction,
        lines,
        bottleneck,
        timeline,
    })
}
