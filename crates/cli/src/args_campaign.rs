// SPDX-License-Identifier: GPL-2.0-only
//! The arguments of `fuzz` and `merge`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::args::number;

#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// Scenario files, or folders of them, whose programs are changed too.
    #[arg(value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// The scheduler.
    #[arg(long, value_name = "S", default_value = "v10")]
    pub(crate) scheduler: String,
    /// The machine.
    #[arg(long, value_name = "M", default_value = "skylake")]
    pub(crate) machine: String,
    /// Seed of all choices.
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) seed: u64,
    /// How programs and places of decisions are chosen.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = FuzzStrategy::Coverage)]
    pub(crate) strategy: FuzzStrategy,
    /// CPUs of a program, at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2), default_value = "1")]
    pub(crate) cpus: u8,
    /// Executions of all shards together, at most: one case has up to 8
    /// [default: 20000, without --max-time].
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) max_execs: Option<u64>,
    /// End behind the epoch in which this time is over: `90s`, `10m`, `2h`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) max_time: Option<Duration>,
    /// A folder of programs: changed too, and what showed something new is added.
    #[arg(long, value_name = "DIR")]
    pub(crate) corpus: Option<PathBuf>,
    /// Only the cases i with i mod N = I.
    #[arg(long, value_name = "I/N", value_parser = shard, default_value = "0/1")]
    pub(crate) shard: Shard,
    /// Show findings as they were found.
    #[arg(long)]
    pub(crate) no_shrink: bool,
    /// The folder of the results.
    #[arg(short, long, value_name = "DIR", default_value = "target/pmusim/fuzz")]
    pub(crate) output: PathBuf,
}

/// How programs and places of decisions are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FuzzStrategy {
    /// Programs that showed something new are changed; places tried less come first.
    Coverage,
    /// Everything anew; shards merge to what one run gives.
    Random,
    /// Up to three decisions in one run, at any access of any CPU.
    Pct,
}

impl From<FuzzStrategy> for explore::Strategy {
    fn from(strategy: FuzzStrategy) -> Self {
        match strategy {
            FuzzStrategy::Coverage => Self::Coverage,
            FuzzStrategy::Random => Self::Random,
            FuzzStrategy::Pct => Self::Pct,
        }
    }
}

/// A part of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Which, from 0.
    pub(crate) index: u64,
    /// Of how many.
    pub(crate) of: u64,
}

fn shard(text: &str) -> Result<Shard, String> {
    let words = || "a shard is written I/N with I below N, as 0/4".to_owned();
    let (index, of) = text.split_once('/').ok_or_else(words)?;
    let shard = Shard {
        index: index.parse().map_err(|_| words())?,
        of: of.parse().map_err(|_| words())?,
    };
    if shard.index < shard.of {
        Ok(shard)
    } else {
        Err(words())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let words = || "a time is a number with `s`, `m` or `h` behind it, as 10m".to_owned();
    let units = [("s", 1), ("m", 60), ("h", 3600)];
    let unit = units
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let (number, seconds) = unit.ok_or_else(words)?;
    let number: u64 = number.parse().map_err(|_| words())?;
    let all = number
        .checked_mul(*seconds)
        .filter(|n| *n > 0)
        .ok_or_else(words)?;
    Ok(Duration::from_secs(all))
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Folders that `pmusim fuzz` has written, one for each shard.
    #[arg(required = true, value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
    /// The folder of the result.
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "target/pmusim/merged"
    )]
    pub(crate) output: PathBuf,
}
