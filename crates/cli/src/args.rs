// SPDX-License-Identifier: GPL-2.0-only
//! The command line. Unknown commands, flags and words get a "did you mean" from clap.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scenario::NmiSource;

use crate::args_campaign::{FuzzArgs, MergeArgs};
use crate::error::Failure;

/// Finds races between NMIs and a port of the Linux perf core, on a simulated x86-64 core.
#[derive(Debug, Parser)]
#[command(
    name = "pmusim",
    version,
    after_help = crate::exit::help(),
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// How results are written to standard output.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Colours; `auto`: on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// No progress and no rates on standard error.
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// More detail: what was looked up where.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Worker threads [default: the available cores]; results do not depend on it.
    #[arg(short, long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text for people; may change.
    Human,
    /// A versioned JSON object.
    Json,
    /// JUnit XML; `fuzz` and `merge` only.
    Junit,
    /// SARIF 2.1.0; `fuzz` and `merge` only.
    Sarif,
    /// Workflow commands of GitHub Actions; `fuzz` and `merge` only.
    Github,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run scenarios under every scheduler that they expect something of.
    #[command(after_help = "Examples:
  pmusim run sim-configs/scenarios/review
  pmusim run scenario.toml --scheduler v10
  pmusim run scenario.toml --write-traces target/pmusim
  pmusim run scenario.toml --format json")]
    Run(RunArgs),
    /// The claims about the patch under each of its versions: every cell is a run.
    #[command(after_help = "Examples:
  pmusim matrix
  pmusim matrix sim-configs/scenarios/review/p4-init-dup-master.toml
  pmusim matrix --markdown")]
    Matrix(MatrixArgs),
    /// Instructions of adding, deleting and reading an event, against the number of sharers.
    #[command(
        after_help = "Runs 1 to 32 compatible events under each version of the patch and counts the instructions that
retire in each call of a function, callees included. Each column has the costs of all calls.

Examples:
  pmusim paths --scheduler v12
  pmusim paths --markdown"
    )]
    Paths(PathsArgs),
    /// One NMI at every instruction boundary of a scenario's step.
    #[command(after_help = "Examples:
  pmusim sweep scenario.toml --scheduler v10
  pmusim sweep scenario.toml --expect --format json
  pmusim sweep scenario.toml --scheduler v12 --step 4 --source all")]
    Sweep(SweepArgs),
    /// NMIs, preemptions and ticks at every boundary of all steps, several in one run.
    #[command(after_help = "Examples:
  pmusim explore scenario.toml --scheduler v10
  pmusim explore scenario.toml --scheduler delta --nmis 2 --step target --checkpoint search.state")]
    Explore(ExploreArgs),
    /// Whole programs and decisions by chance, with every oracle on.
    #[command(
        after_help = "Results go to a folder: fuzz.json, findings/ with a scenario and a trace for each cause that is
not known, corpus/ with the programs that showed something new. The same flags give the same bytes,
whatever --jobs says; --max-time alone leaves the number of cases to the clock.

Examples:
  pmusim fuzz --scheduler v12 --seed 7 --max-execs 100000
  pmusim fuzz --scheduler retry --max-time 10m --corpus corpus --format github
  pmusim fuzz --shard 0/4 -o shard0"
    )]
    Fuzz(FuzzArgs),
    /// Join the folders that shards of `fuzz` have written.
    #[command(after_help = "Example:
  pmusim merge shard0 shard1 shard2 shard3 -o all")]
    Merge(MergeArgs),
    /// Run a trace again and compare verdict and state digest.
    #[command(after_help = "Example:
  pmusim replay target/pmusim/p4-init-dup-master.v10.w1.trace")]
    Replay(ReplayArgs),
    /// Which boundary, operation, rows of the patch and version make the finding of a trace.
    #[command(after_help = "Example:
  pmusim bisect --good delta traces/p4-init-dup-master.v10.trace")]
    Bisect(BisectArgs),
    /// The smallest scenario that shows the finding of a trace, with its trace.
    #[command(
        after_help = "Takes out CPUs, events, steps, attributes and NMIs until nothing more can go without changing the
cause. The scenario expects what it shows: `pmusim run` takes it as it is.

Example:
  pmusim shrink traces/p4-init-dup-master.v10.trace"
    )]
    Shrink(ShrinkArgs),
    /// What is done to traces as files.
    #[command(subcommand)]
    Trace(TraceCommand),
    /// Validate scenario, machine, scheduler, known-findings and trace files; runs nothing.
    #[command(after_help = "Examples:
  pmusim check sim-configs
  pmusim check - < scenario.toml")]
    Check(CheckArgs),
    /// Names that files and flags can use.
    #[command(after_help = "Example:
  pmusim list schedulers")]
    List(ListArgs),
    /// The longer text behind an error code of `check`.
    #[command(after_help = "Example:
  pmusim explain E0102")]
    Explain(ExplainArgs),
    /// The JSON schema of a kind of file, for editors.
    #[command(after_help = "Example:
  pmusim schema scenario > scenario-v1.json")]
    Schema(SchemaArgs),
    /// Run a static Linux program, or an ELF or raw machine code on the bare core.
    #[command(
        after_help = "A static ELF whose code has a SYSCALL is taken for a Linux program (--linux, --bare: say so). It
starts at CPL 3 with arguments, environment and auxiliary vector; its output is passed through,
and the machine's counters count it. Arguments that begin with `-` stand behind `--`.

Anything else runs on the bare core until HLT: from CPL 0 in 64-bit mode, with RSP at the end of
memory and no interrupt descriptor table. A raw file is loaded at --base, where all memory (0x1000
up to 32 MiB) may be read, written and executed. An ELF gets the permissions of its segments.

Examples:
  pmusim exec ./a.out one two -- --three
  pmusim exec ./a.out --env LANG=C --seed 7 --format json
  pmusim exec code.bin --reg rdi=42 --reg rsi=0x10"
    )]
    Exec(ExecArgs),
    /// Predict the throughput of basic blocks on a Skylake core.
    #[command(
        after_help = "Each line of FILE begins with the machine code of a block in hexadecimal; further columns \
(comma or tab) are ignored,
except that --score reads the measured value from the second one. The result is CSV: code, and cycles
per 100 iterations by the BHive protocol. A line that cannot be predicted has an empty second column,
with the reason on standard error; the rest goes on, and the exit code is 2.

Examples:
  pmusim throughput blocks.csv
  pmusim throughput --score measured.csv
  pmusim throughput - < blocks.txt"
    )]
    Throughput(ThroughputArgs),
    /// Count events of a program or a scenario on a machine with a pipeline model.
    #[command(
        after_help = "PROGRAM is a static ELF for Linux, an ELF or raw code for the bare core, or a scenario file (.toml).

Examples:
  pmusim stat ./program
  pmusim stat -e cycles,instructions,IDQ.DSB_UOPS ./program
  pmusim stat --scheduler v10 scenario.toml --format json"
    )]
    Stat(StatArgs),
}

impl Command {
    /// Whether the command writes this format.
    pub(crate) fn takes(&self, format: Format) -> Result<(), Failure> {
        let campaign = matches!(self, Self::Fuzz(_) | Self::Merge(_));
        match format {
            Format::Human | Format::Json => Ok(()),
            Format::Junit | Format::Sarif | Format::Github if campaign => Ok(()),
            Format::Junit | Format::Sarif | Format::Github => Err(Failure::input(
                "this command writes `human` or `json`; the other formats are those of `fuzz` and `merge`"
                    .to_owned(),
            )),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatArgs {
    /// Events by name, with commas between them; `pmusim list events` has all.
    #[arg(short, long = "event", value_name = "EVENTS", value_delimiter = ',')]
    pub(crate) events: Vec<String>,
    /// The scheduler of a scenario [default: the first that the file expects something of].
    #[arg(long, value_name = "S")]
    pub(crate) scheduler: Vec<String>,
    #[command(flatten)]
    pub(crate) exec: ExecArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ThroughputArgs {
    /// The file of blocks, or `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Say of each block which ports its instructions use, what limits it, and when what happens.
    #[arg(long, conflicts_with_all = ["score", "format"])]
    pub(crate) explain: bool,
    /// Compare with the measured values in the second column, and print how good it is.
    #[arg(long)]
    pub(crate) score: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Scenario files, folders of them, or `-` for standard input.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// Only under this scheduler (may be repeated).
    #[arg(long, value_name = "S")]
    pub(crate) scheduler: Vec<String>,
    /// On this machine instead of the file's.
    #[arg(long, value_name = "M")]
    pub(crate) machine: Option<String>,
    /// Where traces go: of each window (`w1`, ...), of the run with the file's injections
    /// (`inject`), and of the run without any if it has findings or is all there is (`base`)
    /// [default: none are written].
    #[arg(long, value_name = "DIR")]
    pub(crate) write_traces: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MatrixArgs {
    /// Scenario files that name a claim, or folders of them
    /// [default: sim-configs/scenarios/review].
    #[arg(value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// Only this version (may be repeated).
    #[arg(long, value_name = "S")]
    pub(crate) scheduler: Vec<String>,
    /// The page of docs/claims.md: the table, and each claim with its windows and reasons.
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PathsArgs {
    /// Only this version (may be repeated).
    #[arg(long, value_name = "S")]
    pub(crate) scheduler: Vec<String>,
    /// The machine that they run on.
    #[arg(long, value_name = "M", default_value = "skylake")]
    pub(crate) machine: String,
    /// Compatible events, at most.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(4..=128))]
    pub(crate) events: u16,
    /// The tables of docs/paths.md.
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// The scenario file, or `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A scheduler (may be repeated) [default: all that the file expects something of].
    #[arg(long, value_name = "S")]
    pub(crate) scheduler: Vec<String>,
    /// On this machine instead of the file's.
    #[arg(long, value_name = "M")]
    pub(crate) machine: Option<String>,
    /// The file's expectations decide the exit code.
    #[arg(long)]
    pub(crate) expect: bool,
    /// Where a trace of each window goes.
    #[arg(long, value_name = "DIR", default_value = "target/pmusim")]
    pub(crate) write_traces: PathBuf,
    /// NMIs in one run: each further one at every boundary of the run that has those before it
    /// [default: as the file says].
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub(crate) nmis: Option<u32>,
    /// This step instead of the file's: its label, or its number from 1, on CPU 0 or another.
    #[arg(long, value_name = "LABEL|[CPU:]N", conflicts_with = "expect")]
    pub(crate) step: Option<String>,
    /// This comes in between instead of what the file says (may be repeated): `pmi:L`, `late:L`,
    /// `external:A` (its reader looks at A), `tick`, `preempt:1`, or `all` that can.
    #[arg(long, value_name = "SOURCE", value_parser = sweep_source, conflicts_with = "expect")]
    pub(crate) source: Vec<SweepSource>,
    /// One run for each boundary, even where the result is known.
    #[arg(long)]
    pub(crate) no_reduction: bool,
    #[command(flatten)]
    pub(crate) rates: RateArgs,
}

/// What comes in between in a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SweepSource {
    /// Everything that can in that step, one after the other.
    All,
    /// This.
    One(NmiSource),
}

/// What a window's width in cycles is set against.
#[derive(Debug, Args)]
pub(crate) struct RateArgs {
    /// NMIs a second, for the chance that a window is hit.
    #[arg(long, value_name = "RATE", value_parser = rate, default_value = "4000")]
    pub(crate) nmi_rate: f64,
    /// Times a second that the step is done, for the time to the first hit.
    #[arg(long, value_name = "RATE", value_parser = rate, default_value = "1000")]
    pub(crate) operations: f64,
    /// The core's frequency, for the same.
    #[arg(long, value_name = "GHZ", value_parser = rate, default_value = "4")]
    pub(crate) ghz: f64,
}

#[derive(Debug, Args)]
pub(crate) struct ExploreArgs {
    /// The scenario file, or `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// A scheduler (may be repeated) [default: all that the file expects something of].
    #[arg(long, value_name = "S")]
    pub(crate) scheduler: Vec<String>,
    /// On this machine instead of the file's.
    #[arg(long, value_name = "M")]
    pub(crate) machine: Option<String>,
    /// NMIs in one run, at most.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(0..=8), default_value = "1")]
    pub(crate) nmis: u32,
    /// Preemptions in one run, at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=8), default_value = "1")]
    pub(crate) preemptions: u32,
    /// Where a CPU waits or ends, another one than the next goes on so often in one run, at most:
    /// with more than two CPUs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=8), default_value = "1")]
    pub(crate) switches: u32,
    /// Timer ticks in one run, at most, beside those of the program.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=8), default_value = "0")]
    pub(crate) ticks: u32,
    /// Only boundaries of the step with this label.
    #[arg(long, value_name = "LABEL")]
    pub(crate) step: Option<String>,
    /// End after about so many executions.
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) max_execs: Option<u64>,
    /// Where the state of the search is kept: written when it ends or is interrupted, and gone on
    /// from if it is there.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Causes that the file expects are no findings.
    #[arg(long)]
    pub(crate) expect: bool,
    /// Where a trace of each cause goes.
    #[arg(long, value_name = "DIR", default_value = "target/pmusim")]
    pub(crate) write_traces: PathBuf,
    /// One run for each boundary, even where the result is known.
    #[arg(long)]
    pub(crate) no_reduction: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The trace, or `-` for standard input.
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// Exit codes for `git bisect run`: 0 without the recorded finding, 1 with it, 125 for a trace
    /// that cannot be run here.
    #[arg(long)]
    pub(crate) for_bisect: bool,
    #[command(flatten)]
    pub(crate) rates: RateArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BisectArgs {
    /// The trace, or `-` for standard input.
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// Which of the trace's findings is looked for, from 1.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) finding: u16,
    /// A scheduler without the finding: which rows of the trace's own one bring it in?
    #[arg(long, value_name = "S")]
    pub(crate) good: Option<String>,
    /// The versions to ask, oldest first [default: none, v10, delta, v11, v11r, v12, retry].
    #[arg(long, value_name = "S", value_delimiter = ',')]
    pub(crate) versions: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// The trace, or `-` for standard input.
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// Which of the trace's findings is kept, from 1.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) finding: u16,
    /// Where the scenario and its trace go.
    #[arg(long, value_name = "DIR", default_value = "target/pmusim")]
    pub(crate) write: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    /// Find the points of traces again in this guest image; refused where the cause changed.
    #[command(after_help = "Example:
  pmusim trace reanchor --write traces/p4-init-dup-master.v10.trace")]
    Reanchor(ReanchorArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReanchorArgs {
    /// The traces.
    #[arg(required = true, value_name = "TRACE")]
    pub(crate) traces: Vec<PathBuf>,
    /// Write the files; otherwise only say what would change.
    #[arg(long)]
    pub(crate) write: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Files, folders of them, or `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// What to list.
    #[arg(value_enum, value_name = "WHAT")]
    pub(crate) what: What,
}

/// Things with names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Scenario files below sim-configs/scenarios.
    Scenarios,
    /// The oracles that judge runs.
    Oracles,
    /// Machines for `machine = ` and --machine.
    Machines,
    /// Schedulers for `[expect.S]` and --scheduler.
    Schedulers,
    /// Event kinds for `kind = `.
    Events,
}

impl What {
    /// The word on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Scenarios => "scenarios",
            Self::Oracles => "oracles",
            Self::Machines => "machines",
            Self::Schedulers => "schedulers",
            Self::Events => "events",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The code, such as E0102.
    #[arg(value_name = "CODE")]
    pub(crate) code: String,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The kind of file.
    #[arg(value_enum, value_name = "KIND")]
    pub(crate) kind: SchemaKind,
}

/// Files that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaKind {
    /// Scenarios.
    Scenario,
    /// Machines.
    Machine,
    /// Schedulers.
    Scheduler,
    /// The list of known findings.
    Known,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// The program, or `-` for standard input. A file that begins like an ELF is one.
    #[arg(value_name = "PROGRAM")]
    pub(crate) program: PathBuf,
    /// Arguments of a Linux program.
    #[arg(value_name = "ARGS")]
    pub(crate) args: Vec<OsString>,
    /// A variable of a Linux program's environment, which is empty otherwise (may be repeated).
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<OsString>,
    /// Where a Linux program's random bytes come from.
    #[arg(long, value_name = "N", value_parser = number, default_value = "0")]
    pub(crate) seed: u64,
    /// Address space of a Linux program in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u16).range(16..=2047))]
    pub(crate) memory: u16,
    /// Take an ELF for a Linux program.
    #[arg(long, conflicts_with_all = ["bare", "raw", "reg"])]
    pub(crate) linux: bool,
    /// Run an ELF on the bare core, even if it has a SYSCALL.
    #[arg(long)]
    pub(crate) bare: bool,
    /// Address of a raw file's first byte, or base of a position-independent ELF.
    #[arg(long, value_name = "ADDR", value_parser = number, default_value = "0x100000")]
    pub(crate) base: u64,
    /// A register's first value, such as RAX=0x10; also RIP and RFLAGS (may be repeated).
    #[arg(long, value_name = "REG=VALUE", value_parser = register)]
    pub(crate) reg: Vec<(Register, u64)>,
    /// Instructions to retire at most [default: 100 million on the bare core, 10 thousand million
    /// for a Linux program].
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) max_insns: Option<u64>,
    /// Take the file as machine code even if it begins like an ELF.
    #[arg(long)]
    pub(crate) raw: bool,
    /// The machine whose counters and CPUID the program sees.
    #[arg(long, value_name = "M", default_value = "skylake")]
    pub(crate) machine: String,
}

/// A register that `--reg` can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Register {
    /// A general register, by its number.
    General(usize),
    /// The instruction pointer.
    Rip,
    /// The flags.
    Rflags,
}

/// General registers in the order of their numbers.
const GENERAL: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// A number in decimal or, after `0x`, hexadecimal; `_` may separate digits.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    let plain = text.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    let parsed = match lower.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => match lower.strip_prefix('-') {
            // The two's complement, as a register would hold it.
            Some(_) => lower.parse::<i64>().map(i64::cast_unsigned),
            None => lower.parse(),
        },
    };
    parsed.map_err(|_| format!("`{text}` is not a number of 64 bits (decimal, or 0x...)"))
}

/// A positive number.
impl RateArgs {
    /// In the units of the formula.
    pub(crate) fn rates(&self) -> explore::Rates {
        explore::Rates {
            hertz: self.ghz * 1e9,
            nmis: self.nmi_rate,
            operations: self.operations,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err(format!("`{text}` is not a positive number")),
    }
}

fn sweep_source(text: &str) -> Result<SweepSource, String> {
    let (kind, of) = text.split_once(':').unwrap_or((text, ""));
    let event = || of.to_owned();
    Ok(SweepSource::One(match (kind, of.is_empty()) {
        ("all", true) => return Ok(SweepSource::All),
        ("tick", true) => NmiSource::Tick,
        ("pmi", false) => NmiSource::Pmi(event()),
        ("late", false) => NmiSource::Late(event()),
        ("external", false) => NmiSource::External(event()),
        ("preempt", false) => NmiSource::Preempt(
            of.parse()
                .map_err(|_| format!("`{of}` is no number of a CPU"))?,
        ),
        _ => {
            let kinds = "pmi:EVENT, late:EVENT, external:EVENT, tick, preempt:CPU or all";
            return Err(format!("`{text}` is not {kinds}"));
        }
    }))
}

fn register(text: &str) -> Result<(Register, u64), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not REGISTER=VALUE"))?;
    let lower = name.trim().to_ascii_lowercase();
    let register = match lower.as_str() {
        "rip" => Register::Rip,
        "rflags" => Register::Rflags,
        general => {
            let at = GENERAL.iter().position(|known| *known == general);
            let all = "rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 to r15, rip or rflags";
            Register::General(at.ok_or_else(|| format!("no register `{name}`; possible: {all}"))?)
        }
    };
    Ok((register, number(value.trim())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn numbers() {
        assert_eq!(number("0x1F"), Ok(31));
        assert_eq!(number("1_000"), Ok(1000));
        assert_eq!(number("-1"), Ok(u64::MAX));
        assert_eq!(number("0xffffffffffffffff"), Ok(u64::MAX));
        for bad in ["", "0x", "12z", "0x1_0000_0000_0000_0000", "--1"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn registers() {
        assert_eq!(register("RAX=0x10"), Ok((Register::General(0), 16)));
        assert_eq!(register("r15=1"), Ok((Register::General(15), 1)));
        assert_eq!(register("Rip=1"), Ok((Register::Rip, 1)));
        for bad in ["rax", "eax=1", "rax=", "=1"] {
            assert!(register(bad).is_err(), "{bad}");
        }
    }
}
