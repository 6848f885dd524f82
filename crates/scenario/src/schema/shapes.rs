// SPDX-License-Identifier: GPL-2.0-only
//! The shapes of the files. Their doc comments are what editors show.

use std::collections::BTreeMap;

use abi::rows::Row;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

macro_rules! shapes {
    ($($(#[$doc:meta])* struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Deserialize, JsonSchema)]
            #[serde(deny_unknown_fields)]
            #[allow(dead_code, reason = "only the shape is used; one shape is empty")]
            pub(super) struct $name { $($(#[$field_doc])* $field: $ty,)* }
        )*
    };
}

macro_rules! words {
    ($($(#[$doc:meta])* enum $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Deserialize, JsonSchema)]
            pub(super) enum $name { $($(#[$word_doc])* #[serde(rename = $text)] $word,)* }
        )*
    };
}

shapes! {
    /// A scenario: events, a program for each CPU, what NMIs are injected, and what is expected of
    /// each scheduler.
    struct ScenarioFile {
        /// Version of the format: 1.
        #[schemars(range(min = 1, max = 1))]
        format: u64,
        /// One line for lists and reports.
        title: String,
        /// Where the scenario comes from.
        source: Option<String>,
        /// The claim that it shows: P1 to P26 of the review, or N1 upwards, found here.
        claim: Option<String>,
        /// Which kind of events it uses (user-only, or user and kernel), and why.
        events_why: Option<String>,
        /// Name of a machine in sim-configs/machines.
        machine: String,
        /// The memory model that the scenario is about. Default: sc.
        memory: Option<MemoryWord>,
        /// The events. They exist from their `open` step on.
        event: Option<Vec<EventShape>>,
        /// One program for each CPU, from CPU 0.
        #[schemars(length(min = 1, max = 4))]
        cpu: Vec<CpuShape>,
        /// Try every instruction boundary of one step.
        sweep: Option<SweepShape>,
        /// Fixed NMIs.
        inject: Option<Vec<InjectShape>>,
        /// What is expected, by name of the scheduler.
        expect: Option<BTreeMap<String, ExpectShape>>,
    }

    /// An event, as perf_event_open(2) takes it.
    struct EventShape {
        /// Its name in this file, in points and in reports.
        id: String,
        /// Copy the keys of this event, declared above; keys written here replace them.
        like: Option<String>,
        /// What it counts.
        kind: Option<KindShape>,
        /// Occurrences per sample; 0 or absent for a counting event, at least 2 for `inject`.
        sample_period: Option<u64>,
        /// What a read returns: the event alone, or its group. Default: single.
        read: Option<ReadWord>,
        /// Id of the group leader, or `none`.
        group: Option<String>,
        /// `cpu` (default): the CPU's context; `current`: the task that opens it; or a task's name.
        task: Option<String>,
        /// The CPU it counts on. Default: the one that opens it.
        cpu: Option<u32>,
        /// Opened disabled.
        disabled: Option<bool>,
        /// Must always be on the PMU.
        pinned: Option<bool>,
        /// Its group alone may be on the PMU.
        exclusive: Option<bool>,
        /// Children of the task inherit it.
        inherit: Option<bool>,
        /// Counts follow the tasks when two exchange their events.
        inherit_stat: Option<bool>,
        /// The next exec enables it.
        enable_on_exec: Option<bool>,
        /// Does not count at CPL 3.
        exclude_user: Option<bool>,
        /// Does not count at CPL 0.
        exclude_kernel: Option<bool>,
        /// Map its ring buffer when it is opened. Default: exactly if it samples. Without one the
        /// kernel emits no samples.
        buffer: Option<bool>,
        /// What an overflow runs: `output` (default) writes a sample, `{ read_local = ID }` reads
        /// another event, as a BPF program would.
        on_overflow: Option<OverflowShape>,
    }

    /// A raw event select.
    struct RawShape {
        /// Event code, unit mask, EDGE, ANY, INV, CMASK.
        raw: u32,
    }

    /// Read another event on overflow.
    struct ReadLocalShape {
        /// Its id.
        read_local: String,
    }

    /// What one CPU does.
    struct CpuShape {
        /// Its steps, in order.
        program: Vec<StepShape>,
    }

    /// Try every instruction boundary of one step.
    struct SweepShape {
        /// Label of the step: a system call, a switch, a tick or an exit.
        step: String,
        /// Who sends the NMI.
        source: SourceShape,
        /// NMIs in one run. Default: 1.
        #[schemars(range(min = 1, max = 8))]
        nmis: Option<u32>,
    }

    /// A fixed NMI or preemption; exactly one of `pmi`, `late`, `external`, `preempt` and
    /// `tick`.
    struct InjectShape {
        /// Overflow of this injector at the boundary.
        pmi: Option<String>,
        /// Overflow of this injector shortly before the boundary; the PMI lands on it.
        late: Option<String>,
        /// An NMI from elsewhere; it reads this event, to which a `probe` step attached it.
        external: Option<String>,
        /// No NMI: this CPU runs instead, until it waits or ends.
        #[schemars(range(max = 3))]
        preempt: Option<u32>,
        /// No NMI: the timer interrupt. Always `{}`.
        tick: Option<NoArgument>,
        /// The boundary.
        at: PointShape,
    }

    /// An instruction boundary; exactly one of `exact`, `code`, `before` and `after`.
    struct PointShape {
        /// By number: for one image only.
        exact: Option<ExactShape>,
        /// By place in the code: `symbol` or `symbol+0x3c`.
        code: Option<String>,
        /// Before an access outside NMI handlers: `write A.dup_count`, `read master_count`.
        before: Option<String>,
        /// Behind such an access.
        after: Option<String>,
        /// Which pass over the place, or which such access, from 1. Default: 1.
        #[schemars(range(min = 1))]
        hit: Option<u32>,
        /// Label of the step it counts within. Default: the whole run.
        step: Option<String>,
        /// The function the access happens in: a row of the scheduler table.
        row: Option<String>,
        /// The CPU. Default: any.
        cpu: Option<u32>,
    }

    /// A boundary by number.
    struct ExactShape {
        /// The CPU.
        cpu: u32,
        /// Boundaries of that CPU since reset.
        ordinal: u64,
        /// Instruction pointer there, to be checked.
        rip: Option<u64>,
    }

    /// What is expected of a scheduler.
    struct ExpectShape {
        /// Causes of the run without NMI.
        baseline: Option<Vec<CauseShape>>,
        /// Causes that an NMI brings: each must occur, and no other.
        violates: Option<Vec<CauseShape>>,
        /// The bad boundaries must be all boundaries of the windows. Default: false.
        exact: Option<bool>,
        /// Words of the failure that the guest ends in.
        fails: Option<String>,
        /// What justifies it.
        why: Option<String>,
    }

    /// A set of causes: whatever is given must match.
    struct CauseShape {
        /// Who reports it.
        oracle: OracleWord,
        /// Id of the event whose value or state is wrong.
        event: Option<String>,
        /// The row it happens in.
        row: Option<String>,
        /// Last access before and first access behind the bad boundaries:
        /// `["init_dup_master: write master_count", "init_dup_master: write dup_count"]`.
        window: Option<[String; 2]>,
        /// The violating access by symbol, for causes without an NMI.
        place: Option<String>,
        /// The claim that it shows. Default: in `violates` the scenario's own, in `baseline` none.
        claim: Option<String>,
    }

    /// A machine.
    struct MachineFile {
        /// Version of the format: 1.
        #[schemars(range(min = 1, max = 1))]
        format: u64,
        /// Its name; also that of its file.
        name: String,
        /// Whose PMU it has.
        vendor: VendorWord,
        /// What a retired instruction costs.
        timing: TimingWord,
        /// In which order other CPUs see the stores of one. Default: sc.
        memory: Option<MemoryWord>,
        /// Boundaries from an overflow to its PMI. Default: 0, the next boundary.
        #[schemars(range(min = 0, max = 10_000))]
        skid: Option<u32>,
        /// Instructions that a late PMI may land behind its overflow.
        skid_max: u32,
        /// Samples of one event per tick before it is throttled.
        #[schemars(range(min = 1))]
        max_samples_per_tick: u64,
        /// Instruction sets of the core that this processor lacks. Default: none.
        missing_features: Option<Vec<FeatureWord>>,
        /// The counter bank.
        pmu: PmuShape,
    }

    /// The counter bank. Intel: as CPUID leaf 0AH and IA32_PERF_CAPABILITIES describe it. AMD:
    /// `kind`, `gp_counters`, `gp_width` and `freeze_on_pmi`.
    struct PmuShape {
        /// Intel: version of architectural performance monitoring; 0: no counters.
        #[schemars(range(min = 0, max = 5))]
        version: Option<u8>,
        /// General-purpose counters.
        #[schemars(range(min = 0, max = 8))]
        gp_counters: Option<u8>,
        /// Their width in bits.
        #[schemars(range(min = 32, max = 64))]
        gp_width: u8,
        /// Intel: fixed-function counters, numbered from 0.
        #[schemars(range(min = 0, max = 16))]
        fixed_counters: Option<u8>,
        /// Intel: their width in bits.
        #[schemars(range(min = 32, max = 64))]
        fixed_width: Option<u8>,
        /// Intel, version 5: fixed-function counters by bit (CPUID.0AH:ECX). Default: 0.
        #[schemars(range(min = 0, max = 0xffff))]
        fixed_bitmap: Option<u32>,
        /// Intel: the IA32_A_PMCx addresses write the whole width.
        full_width_writes: Option<bool>,
        /// Intel, version 5: the ANY bits are reserved. Default: false.
        any_thread_deprecated: Option<bool>,
        /// Intel: architectural events that CPUID reports as not available. Default: none.
        missing_events: Option<Vec<ArchitecturalWord>>,
        /// Intel: IA32_DEBUGCTL[14] exists. Default: false.
        freeze_while_smm: Option<bool>,
        /// Intel, version 3: the select bits IN_TX and IN_TXCP are accepted. Default: false.
        tsx: Option<bool>,
        /// Intel: top-down slots in a cycle. Default: 4.
        #[schemars(range(min = 1, max = 16))]
        slots_per_cycle: Option<u8>,
        /// Intel: reference cycles for one occurrence of the event 3CH/01H. Default: 1.
        #[schemars(range(min = 1))]
        gp_ref_divider: Option<u32>,
        /// AMD: generation of the core counters.
        kind: Option<CountersWord>,
        /// AMD, perfmon-v2: DEBUGCTL can freeze the counters on a PMI. Default: false.
        freeze_on_pmi: Option<bool>,
    }

    /// A scheduler: which version of each sharing function the guest runs.
    struct SchedulerFile {
        /// Version of the format: 1.
        #[schemars(range(min = 1, max = 1))]
        format: u64,
        /// Its name; also that of its file.
        name: String,
        /// Scheduler whose rows are the defaults. Without one they are those of `none`.
        base: Option<String>,
        /// The rows.
        rows: Option<RowsShape>,
    }

    /// Bugs that are real but not this project's to fix.
    struct KnownFile {
        /// Version of the format: 1.
        #[schemars(range(min = 1, max = 1))]
        format: u64,
        /// The findings.
        known: Option<Vec<KnownShape>>,
    }

    /// A known finding: matched by where it happens (`window` or `place`), not by its symptom.
    struct KnownShape {
        /// Who reports it.
        oracle: OracleWord,
        /// The row or function it happens in.
        row: String,
        /// Last access before and first access behind the bad boundaries.
        window: Option<[String; 2]>,
        /// The violating access by symbol.
        place: Option<String>,
        /// Under which read guards it exists.
        #[schemars(length(min = 1))]
        read_guard: Vec<GuardWord>,
        /// What reaches it.
        #[schemars(length(min = 1))]
        reaches: Vec<ReachWord>,
        /// Schedulers it is known for. Default: all.
        schedulers: Option<Vec<String>>,
        /// Why it happens.
        reason: String,
        /// Where that can be read.
        source: String,
    }

    /// Open an event, and map its ring buffer if it has one.
    struct OpenStep { #[doc = "The event."] open: String, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// Close an event.
    struct CloseStep { #[doc = "The event."] close: String, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// PERF_EVENT_IOC_ENABLE.
    struct EnableStep { #[doc = "The event."] enable: String, #[doc = "The whole group."] group: Option<bool>, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// PERF_EVENT_IOC_DISABLE.
    struct DisableStep { #[doc = "The event."] disable: String, #[doc = "The whole group."] group: Option<bool>, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// PERF_EVENT_IOC_RESET.
    struct ResetStep { #[doc = "The event."] reset: String, #[doc = "The whole group."] group: Option<bool>, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// PERF_EVENT_IOC_REFRESH.
    struct RefreshStep { #[doc = "The event and the overflows left."] refresh: RefreshShape, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// The argument of `refresh`.
    struct RefreshShape { #[doc = "The event."] event: String, #[doc = "Overflows until it disables itself."] n: u32, }
    /// PERF_EVENT_IOC_PERIOD.
    struct PeriodStep { #[doc = "The event and its new period."] period: PeriodShape, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// The argument of `period`.
    struct PeriodShape { #[doc = "The event."] event: String, #[doc = "Occurrences per sample from here on."] n: u64, }
    /// perf_event_pause.
    struct PauseStep { #[doc = "The event, and whether its count becomes 0."] pause: PauseShape, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// The argument of `pause`.
    struct PauseShape { #[doc = "The event."] event: String, #[doc = "The count becomes 0. Default: false."] reset: Option<bool>, }
    /// Read an event's user page at CPL 3.
    struct UserReadStep { #[doc = "The event."] user_read: String, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// Read an event.
    struct ReadStep { #[doc = "The event."] read: String, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// Run user instructions.
    struct WorkStep { #[doc = "About how many."] work: u64, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// Another task runs on this CPU from here on.
    struct SwitchStep { #[doc = "Its name, or `idle`."] switch: String, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// The current task has a child, which inherits its events.
    struct ForkStep { #[doc = "The child's name."] fork: String, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// The current task ends; the idle task goes on.
    struct ExitTaskStep { #[doc = "Always `{}`."] exit_task: NoArgument, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// The current task executes a program.
    struct ExecStep { #[doc = "Always `{}`."] exec: NoArgument, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// This CPU's events leave it, as if it went away.
    struct OfflineStep { #[doc = "Always `{}`."] offline: NoArgument, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// This CPU takes events again.
    struct OnlineStep { #[doc = "Always `{}`."] online: NoArgument, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// Wait until a step of another CPU has begun or is done.
    struct WaitStep { #[doc = "The step."] wait: WaitShape, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// A timer tick on this CPU.
    struct TickStep { #[doc = "Always `{}`."] tick: NoArgument, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// The guest's clock advances.
    struct AdvanceStep { #[doc = "Nanoseconds."] advance: u64, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// Map the ring buffer of an event with `buffer = false`.
    struct MmapStep { #[doc = "The event."] mmap: String, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// An NMI that the PMU does not claim reads this event.
    struct ProbeStep { #[doc = "The event."] probe: String, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// The program ends.
    struct ExitStep { #[doc = "Always `{}`."] exit: NoArgument, #[doc = "A name for sweeps and points."] label: Option<String>, }
    /// An empty table.
    struct NoArgument {}
}

words! {
    /// What an event counts.
    enum KindWord {
        /// Only what decisions deliver.
        Inject = "inject",
        /// Instructions retired.
        Instructions = "instructions",
        /// Core cycles.
        Cycles = "cycles",
        /// Reference cycles.
        RefCycles = "ref-cycles",
        /// Branches retired.
        Branches = "branches",
        /// Mispredicted branches.
        BranchMisses = "branch-misses",
        /// Nanoseconds: a software event, in the group of a hardware event.
        CpuClock = "cpu-clock",
    }

    /// What a read returns.
    enum ReadWord {
        /// The event alone.
        Single = "single",
        /// The whole group.
        Group = "group",
    }

    /// What an overflow runs.
    enum OverflowWord {
        /// A sample into the ring buffer.
        Output = "output",
    }

    /// An oracle.
    enum OracleWord {
        /// A value against the ideal count.
        Count = "count",
        /// Values that one reader sees never fall.
        Monotony = "monotony",
        /// Counters and masters belong to whom they should.
        Ownership = "ownership",
        /// Only the documented state transitions.
        State = "state",
        /// WARN, BUG, a fault, a stack overflow.
        Warn = "warn",
        /// Access to freed memory.
        Freed = "freed",
        /// A handler or spin that does not end.
        Progress = "progress",
        /// Compatible events hold one counter.
        Sharing = "sharing",
        /// Enabled and running times against the ideal ones.
        Times = "times",
        /// What is meant to count and fits is on the PMU.
        Schedule = "schedule",
    }

    /// A vendor.
    enum VendorWord {
        /// Intel architectural performance monitoring.
        Intel = "intel",
        /// AMD core performance counters. The guest kernel does not run on them.
        Amd = "amd",
    }

    /// A generation of AMD's core counters.
    enum CountersWord {
        /// Four counters at C0010000H (K7).
        Legacy = "legacy",
        /// Core counters at C0010200H (PerfCtrExtCore).
        Extended = "extended",
        /// The same with global control and status (PerfMonV2).
        PerfMonV2 = "perfmon-v2",
    }

    /// An instruction set.
    enum FeatureWord {
        /// SSE with FXSAVE and FXRSTOR.
        Sse = "sse",
        /// SSE2; needs SSE.
        Sse2 = "sse2",
        /// CMPXCHG16B.
        Cx16 = "cx16",
        /// CLFLUSH.
        Clflush = "clflush",
        /// POPCNT.
        Popcnt = "popcnt",
        /// LZCNT.
        Lzcnt = "lzcnt",
        /// BMI1.
        Bmi1 = "bmi1",
        /// BMI2.
        Bmi2 = "bmi2",
        /// ADCX and ADOX.
        Adx = "adx",
        /// MOVBE.
        Movbe = "movbe",
        /// CRC32.
        Crc32 = "crc32",
        /// RDFSBASE and its kin.
        Fsgsbase = "fsgsbase",
        /// RDTSCP.
        Rdtscp = "rdtscp",
        /// RDPID.
        Rdpid = "rdpid",
        /// CLAC and STAC.
        Clac = "clac",
    }

    /// An architectural event.
    enum ArchitecturalWord {
        /// Event 0.
        Cycles = "cycles",
        /// Event 1.
        Instructions = "instructions",
        /// Event 2.
        RefCycles = "ref-cycles",
        /// Event 3.
        LlcReferences = "llc-references",
        /// Event 4.
        LlcMisses = "llc-misses",
        /// Event 5.
        Branches = "branches",
        /// Event 6.
        BranchMisses = "branch-misses",
        /// Event 7, from version 5 on.
        Slots = "slots",
    }

    /// A timing model.
    enum TimingWord {
        /// One cycle for each instruction.
        Unit = "unit",
        /// An out-of-order model of a Skylake core.
        Skylake = "skylake",
    }

    /// A memory model.
    enum MemoryWord {
        /// Sequentially consistent: a store is seen by all CPUs at once.
        Sc = "sc",
    }

    /// A read guard.
    enum GuardWord {
        /// As in Linux 5.5.
        V5_5 = "v5.5",
        /// As in Linux 5.9.
        V5_9 = "v5.9",
    }

    /// What reaches a finding.
    enum ReachWord {
        /// A PMI at the boundary.
        Pmi = "pmi",
        /// A PMI that lands late.
        Late = "late",
        /// An NMI from elsewhere.
        External = "external",
        /// Another CPU that runs in between.
        Preempt = "preempt",
        /// A timer interrupt.
        Tick = "tick",
    }
}

/// Who sends the NMI.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SourceShape {
    /// Overflow of this injector at the boundary.
    Pmi(#[expect(dead_code, reason = "only the shape is used")] String),
    /// Overflow of this injector shortly before the boundary; the PMI lands on it.
    Late(#[expect(dead_code, reason = "only the shape is used")] String),
    /// An NMI from elsewhere; it reads this event, to which a `probe` step attached it.
    External(#[expect(dead_code, reason = "only the shape is used")] String),
    /// No NMI: this CPU runs instead, until it waits or ends.
    Preempt(#[expect(dead_code, reason = "only the shape is used")] u32),
    /// No NMI: the timer interrupt. Always `{}`.
    Tick(NoArgument),
}

/// A step of another CPU, by its label.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WaitShape {
    /// It has begun.
    Begun(#[expect(dead_code, reason = "only the shape is used")] String),
    /// It is done.
    Done(#[expect(dead_code, reason = "only the shape is used")] String),
}

macro_rules! either {
    ($($(#[$doc:meta])* enum $name:ident { $($variant:ident($ty:ty),)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Deserialize, JsonSchema)]
            #[serde(untagged)]
            #[expect(dead_code, reason = "only the shape is used")]
            pub(super) enum $name { $($variant($ty),)* }
        )*
    };
}

either! {
    /// What an event counts: a word or a raw event select.
    enum KindShape { Word(KindWord), Raw(RawShape), }
    /// What an overflow runs.
    enum OverflowShape { Word(OverflowWord), ReadLocal(ReadLocalShape), }
    /// One operation, and a label if sweeps or points mean it.
    enum StepShape {
        Open(OpenStep), Close(CloseStep), Enable(EnableStep), Disable(DisableStep),
        Reset(ResetStep), Refresh(RefreshStep), Period(PeriodStep), Pause(PauseStep),
        Read(ReadStep), UserRead(UserReadStep), Work(WorkStep), Switch(SwitchStep),
        Fork(ForkStep), ExitTask(ExitTaskStep), Exec(ExecStep), Offline(OfflineStep),
        Online(OnlineStep), Wait(WaitStep), Tick(TickStep), Advance(AdvanceStep), Mmap(MmapStep),
        Probe(ProbeStep), Exit(ExitStep),
    }
    /// A version's name, or a switch.
    enum RowShape { Word(String), Switch(bool), }
}

/// The rows, made from the table that the guest is built with.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct RowsShape(
    #[expect(dead_code, reason = "only the shape is used")] BTreeMap<String, RowShape>,
);

impl JsonSchema for RowsShape {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rows".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let rows: serde_json::Map<String, serde_json::Value> = Row::ALL
            .into_iter()
            .map(|row| {
                let mut values: Vec<serde_json::Value> =
                    row.values().iter().map(|v| (*v).into()).collect();
                if row.values() == ["false", "true"] {
                    values.extend([false.into(), true.into()]);
                }
                (row.name().to_owned(), serde_json::json!({ "enum": values }))
            })
            .collect();
        json_schema!({
            "description": "A version for each function, true or false for a switch.",
            "type": "object",
            "properties": rows,
            "additionalProperties": false,
        })
    }
}
