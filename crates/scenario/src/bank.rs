// SPDX-License-Identifier: GPL-2.0-only
//! The table `[pmu]` of machine files: the counter bank (SDM vol. 3B, chapter 20, and CPUID leaf
//! 0AH; APM vol. 2, chapter 13, and CPUID leaves 80000001H and 80000022H).
//!
//! Which parts go together is judged here, where an error can point at the line; the bank itself
//! refuses the same combinations, and a test holds the two together.

use crate::{
    Code, Vendor,
    walk::{Cx, Table, Value},
};

/// The counter bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PmuSpec {
    /// Intel: architectural version, 0 (no counters) to 5. AMD: 1, and 2 for PerfMonV2.
    pub version: u8,
    /// General-purpose (AMD: core) counters.
    pub gp_counters: u8,
    /// Their width in bits.
    pub gp_width: u8,
    /// Fixed-function counters, numbered from 0 without a gap.
    pub fixed_counters: u8,
    /// Their width in bits.
    pub fixed_width: u8,
    /// Fixed-function counters by bit (CPUID.0AH:ECX).
    pub fixed_bitmap: u32,
    /// `IA32_PERF_CAPABILITIES.FW_WRITE`: the IA32_A_PMCx addresses write the whole width.
    pub full_width_writes: bool,
    /// The ANY bits are reserved (CPUID.0AH:EDX\[15\]).
    pub any_thread_deprecated: bool,
    /// Architectural events that do not exist, by bit (CPUID.0AH:EBX).
    pub missing_events: u8,
    /// `IA32_DEBUGCTL`\[14\] exists.
    pub freeze_while_smm: bool,
    /// Transactional memory: IN_TX and IN_TXCP are accepted.
    pub tsx: bool,
    /// Top-down slots in a cycle.
    pub slots_per_cycle: u8,
    /// Reference cycles for each occurrence of the general-purpose event.
    pub gp_ref_divider: u32,
    /// AMD: the core counters at C0010200H exist (PerfCtrExtCore).
    pub core_extension: bool,
    /// AMD: DEBUGCTL can freeze the counters on a PMI (PerfMonV2).
    pub freeze_on_pmi: bool,
}

impl PmuSpec {
    const NONE: Self = Self {
        version: 0,
        gp_counters: 0,
        gp_width: 48,
        fixed_counters: 0,
        fixed_width: 48,
        fixed_bitmap: 0,
        full_width_writes: false,
        any_thread_deprecated: false,
        missing_events: 0,
        freeze_while_smm: false,
        tsx: false,
        slots_per_cycle: 4,
        gp_ref_divider: 1,
        core_extension: false,
        freeze_on_pmi: false,
    };
}

/// Keys of both vendors.
const SHARED: &[&str] = &["gp_counters", "gp_width"];
/// Keys of AMD's banks only.
const OF_AMD: &[&str] = &["kind", "freeze_on_pmi"];
pub(crate) const KEYS: &[&str] = &[
    "version",
    "gp_counters",
    "gp_width",
    "fixed_counters",
    "fixed_width",
    "fixed_bitmap",
    "full_width_writes",
    "any_thread_deprecated",
    "missing_events",
    "freeze_while_smm",
    "tsx",
    "slots_per_cycle",
    "gp_ref_divider",
    "kind",
    "freeze_on_pmi",
];
/// Generations of AMD's core counters.
pub(crate) const KINDS: &[&str] = &["legacy", "extended", "perfmon-v2"];
/// The architectural events, by number.
pub(crate) const EVENTS: &[&str] = &[
    "cycles",
    "instructions",
    "ref-cycles",
    "llc-references",
    "llc-misses",
    "branches",
    "branch-misses",
    "slots",
];
const SLOTS: usize = 7;

/// Counters that the MSR map has room for.
const GP_MAX: u64 = 8;
const FIXED_MAX: u64 = 16;
const WIDTHS: (u64, u64) = (32, 64);

pub(crate) fn pmu<'a>(top: &Table<'a>, value: Value<'a>, vendor: Vendor) -> Option<PmuSpec> {
    let table = Table::new(top.cx, value, "`[pmu]`", KEYS)?;
    foreign(&table, vendor);
    match vendor {
        Vendor::Intel => intel(&table),
        Vendor::Amd => amd(&table),
    }
}

/// Reports keys that only the other vendor's banks have.
fn foreign(table: &Table<'_>, vendor: Vendor) {
    for (key, value) in table.entries() {
        let name: &str = key.get_ref();
        if !KEYS.contains(&name) || SHARED.contains(&name) {
            continue;
        }
        let (owner, help) = match (vendor, OF_AMD.contains(&name)) {
            (Vendor::Intel, true) => (
                "AMD",
                "leave it out: an Intel bank is told by its `version`",
            ),
            (Vendor::Amd, false) => (
                "Intel",
                "leave it out: an AMD bank is told by its `kind`, `gp_counters`, `gp_width` and \
                 `freeze_on_pmi`",
            ),
            _ => continue,
        };
        let message = format!("`{name}` is a part of {owner}'s banks");
        let label = match vendor {
            Vendor::Intel => "`vendor` is `intel`",
            Vendor::Amd => "`vendor` is `amd`",
        };
        table.cx.error(
            Code::Bank,
            key.span().start..value.span().end,
            message,
            label,
            help,
        );
    }
}

fn amd(table: &Table<'_>) -> Option<PmuSpec> {
    let cx = table.cx;
    let kind = table
        .require("kind")
        .and_then(|v| cx.word(v, "kind", KINDS));
    let legacy = kind == Some(0);
    let gp_counters = if legacy {
        exactly_4(table)
    } else {
        small(table, "gp_counters", (1, GP_MAX))
    };
    let gp_width = small(table, "gp_width", WIDTHS);
    let freeze_on_pmi = table.flag("freeze_on_pmi", false);
    if freeze_on_pmi == Some(true) && kind.is_some_and(|kind| kind < 2) {
        needs(table, "freeze_on_pmi", "kind `perfmon-v2`");
    }
    let kind = kind?;
    Some(PmuSpec {
        version: if kind == 2 { 2 } else { 1 },
        gp_counters: gp_counters?,
        gp_width: gp_width?,
        core_extension: kind >= 1,
        freeze_on_pmi: freeze_on_pmi?,
        ..PmuSpec::NONE
    })
}

/// The counters of a bank without the extension: as many as its MSRs have always named.
fn exactly_4(table: &Table<'_>) -> Option<u8> {
    let value = table.require("gp_counters")?;
    let number = table.cx.number(value, "`gp_counters`", (1, GP_MAX))?;
    if number != 4 {
        table.cx.error(
            Code::Bank,
            value.span(),
            "a legacy bank has 4 counters",
            "must be 4",
            "for another number: `kind = \"extended\"`",
        );
        return None;
    }
    u8::try_from(number).ok()
}

fn intel(table: &Table<'_>) -> Option<PmuSpec> {
    let version = small(table, "version", (0, 5));
    // A version that is wrong breaks no rule but its own.
    let since = |least: u8| version.is_none_or(|version| version >= least);
    let gp_counters = if version == Some(0) {
        none_before(table, "gp_counters", 1)
    } else {
        small(table, "gp_counters", (1, GP_MAX))
    };
    let gp_width = small(table, "gp_width", WIDTHS);
    let (fixed_counters, fixed_width, full) = if since(2) {
        (
            small(table, "fixed_counters", (0, FIXED_MAX)),
            small(table, "fixed_width", WIDTHS),
            table
                .require("full_width_writes")
                .and_then(|v| table.cx.boolean(v, "`full_width_writes`")),
        )
    } else {
        (
            none_before(table, "fixed_counters", 2),
            optional(table, "fixed_width", WIDTHS, PmuSpec::NONE.fixed_width),
            table.flag("full_width_writes", false),
        )
    };
    let any_thread_deprecated = table.flag("any_thread_deprecated", false);
    let freeze_while_smm = table.flag("freeze_while_smm", false);
    let tsx = table.flag("tsx", false);
    let fixed_bitmap = table.number("fixed_bitmap", (0, (1 << FIXED_MAX) - 1), 0);
    let flags = [
        (full, "full_width_writes", 2),
        (freeze_while_smm, "freeze_while_smm", 2),
        (tsx, "tsx", 3),
        (any_thread_deprecated, "any_thread_deprecated", 5),
        (fixed_bitmap.map(|bits| bits != 0), "fixed_bitmap", 5),
    ];
    for (set, key, least) in flags {
        if set == Some(true) && !since(least) {
            needs(table, key, &format!("version {least} or later"));
        }
    }
    let missing_events = missing_events(table.cx, table, version);
    let slots_per_cycle = optional(
        table,
        "slots_per_cycle",
        (1, 16),
        PmuSpec::NONE.slots_per_cycle,
    );
    let gp_ref_divider = table.number("gp_ref_divider", (1, u32::MAX.into()), 1);
    Some(PmuSpec {
        version: version?,
        gp_counters: gp_counters?,
        gp_width: gp_width?,
        fixed_counters: fixed_counters?,
        fixed_width: fixed_width?,
        fixed_bitmap: u32::try_from(fixed_bitmap?).ok()?,
        full_width_writes: full?,
        any_thread_deprecated: any_thread_deprecated?,
        missing_events: missing_events?,
        freeze_while_smm: freeze_while_smm?,
        tsx: tsx?,
        slots_per_cycle: slots_per_cycle?,
        gp_ref_divider: u32::try_from(gp_ref_divider?).ok()?,
        ..PmuSpec::NONE
    })
}

/// The architectural events that CPUID reports as not available, by bit.
fn missing_events(cx: &Cx, table: &Table<'_>, version: Option<u8>) -> Option<u8> {
    let Some(value) = table.get("missing_events") else {
        return Some(0);
    };
    let mut bits = 0;
    let mut good = true;
    for word in cx.strings(value, "`missing_events`")? {
        let Some(at) = EVENTS.iter().position(|event| event == word.get_ref()) else {
            cx.unknown_word(word.span(), "architectural event", word.get_ref(), EVENTS);
            good = false;
            continue;
        };
        if at == SLOTS && version.is_some_and(|version| version < 5) {
            cx.error(
                Code::Bank,
                word.span(),
                "the event `slots` came with version 5",
                "not an event of this version",
                "leave it out: it does not exist before",
            );
            good = false;
        }
        bits |= 1 << at;
    }
    good.then_some(bits)
}

fn small(table: &Table<'_>, key: &str, range: (u64, u64)) -> Option<u8> {
    u8::try_from(table.require_number(key, range)?).ok()
}

fn optional(table: &Table<'_>, key: &str, range: (u64, u64), default: u8) -> Option<u8> {
    u8::try_from(table.number(key, range, default.into())?).ok()
}

/// A number of counters of a kind that came with version `least`: absent, or 0.
fn none_before(table: &Table<'_>, key: &str, least: u8) -> Option<u8> {
    let Some(value) = table.get(key) else {
        return Some(0);
    };
    let number = table
        .cx
        .number(value, &format!("`{key}`"), (0, FIXED_MAX))?;
    if number == 0 {
        return Some(0);
    }
    needs(table, key, &format!("version {least} or later"));
    None
}

/// Reports a part that only other banks have.
fn needs(table: &Table<'_>, key: &str, what: &str) {
    let span = table
        .get(key)
        .map_or(table.span.clone(), toml::Spanned::span);
    table.cx.error(
        Code::Bank,
        span,
        format!("`{key}` needs {what}"),
        "this bank has no such part",
        format!("leave `{key}` out, or choose {what}"),
    );
}
