// SPDX-License-Identifier: GPL-2.0-only
//! Intel: the MSR map (SDM vol. 4, ch. 2), the bits each register has in each version, and the
//! architectural events (SDM vol. 3B, 20.2.1.2 and table of fixed counters).

use abi::event_select as sel;
use abi::msr;
use abi::totals::HwEvent;

use crate::bank::{CounterWrite, Legal, Register};
use crate::config::{Config, FIXED_MAX, GP_MAX};
use crate::latch::injector_event;
use crate::overflow::{ASCI, COND_CHGD, CTR_FRZ, DS_BUFFER, LBR_FRZ, TOPA_PMI, UNCORE};
use crate::threshold::Event;

/// `MEM_INST_RETIRED.ALL_LOADS` (Skylake and later; before, `MEM_UOPS_RETIRED.ALL_LOADS`).
pub(crate) const ALL_LOADS: u64 = 0x81d0;
/// `MEM_INST_RETIRED.ALL_STORES`.
pub(crate) const ALL_STORES: u64 = 0x82d0;
/// Architectural event 7, top-down slots.
const SLOTS: u64 = 0x01a4;
/// PERFEVTSEL bits of every version: event, umask, USR, OS, EDGE, PC, INT, EN, INV, CMASK.
const SELECT: u64 = 0xffdf_ffff;
/// IN_TX and IN_TXCP of parts with transactional memory; the latter only on counter 2.
const IN_TX: u64 = 1 << 32;
const IN_TXCP: u64 = 1 << 33;

/// What an event code counts. An architectural event that CPUID reports as not available does not
/// occur.
pub(crate) fn event(config: &Config, code: u64) -> Event {
    let (index, event) = match code {
        sel::CYCLES => (0, Event::Level(1)),
        sel::INSTRUCTIONS => (1, Event::Pulse(HwEvent::Instructions)),
        sel::REF_CYCLES => (2, Event::Reference(config.gp_ref_divider)),
        sel::LLC_REFERENCES => (3, Event::Pulse(HwEvent::LlcReferences)),
        sel::LLC_MISSES => (4, Event::Pulse(HwEvent::LlcMisses)),
        sel::BRANCHES => (5, Event::Pulse(HwEvent::Branches)),
        sel::BRANCH_MISSES => (6, Event::Pulse(HwEvent::BranchMisses)),
        SLOTS => (7, Event::Level(config.slots_per_cycle)),
        // No architectural events: every bank has them.
        ALL_LOADS => return Event::Pulse(HwEvent::Loads),
        ALL_STORES => return Event::Pulse(HwEvent::Stores),
        _ => return core_event(code).unwrap_or_else(|| injector_event(code)),
    };
    let available =
        index < config.architectural_events() && config.unavailable_events & (1 << index) == 0;
    if available { event } else { Event::Unknown }
}

/// Events of the Skylake core by unit mask and code (intel/perfmon, SKL core events V59). Without a
/// model of the pipeline they do not occur.
fn core_event(code: u64) -> Option<Event> {
    use HwEvent as E;
    let pulse = |event| Some(Event::Pulse(event));
    let many = |event| Some(Event::Many(event));
    match code {
        0x01c4 => pulse(E::ConditionalBranches),
        0x20c4 => pulse(E::TakenBranches),
        0x010e => many(E::UopsIssued),
        0x01b1 => many(E::UopsExecuted),
        0x02c2 => many(E::RetireSlots),
        0x01a1 => pulse(E::Port0),
        0x02a1 => pulse(E::Port1),
        0x04a1 => pulse(E::Port2),
        0x08a1 => pulse(E::Port3),
        0x10a1 => pulse(E::Port4),
        0x20a1 => pulse(E::Port5),
        0x40a1 => pulse(E::Port6),
        0x80a1 => pulse(E::Port7),
        0x0879 => many(E::DsbUops),
        0x0479 => many(E::MiteUops),
        0x3079 => many(E::MsUops),
        0x02ab => pulse(E::SwitchPenalty),
        0x019c => many(E::NotDelivered),
        0x0187 => pulse(E::LengthChangeStalls),
        0x010d => pulse(E::RecoveryCycles),
        0x01a2 => pulse(E::ResourceStalls),
        0x08a2 => pulse(E::StoreBufferStalls),
        0x04a3 => Some(Event::Fixed(E::StallsTotal, 4)),
        0x14a3 => Some(Event::Fixed(E::StallsMemory, 20)),
        0x015e => pulse(E::SchedulerEmpty),
        0x0114 => pulse(E::DividerActive),
        0x01d1 => many(E::L1Hit),
        0x08d1 => many(E::L1Miss),
        0x02d1 => many(E::L2Hit),
        0x04d1 => many(E::L3Hit),
        0x20d1 => many(E::L3Miss),
        0x0203 => many(E::StoreForwardBlocks),
        0x0107 => many(E::AddressAlias),
        _ => None,
    }
}

/// What a fixed counter counts; numbers above 3 have no meaning here and stand still.
pub(crate) fn fixed_event(config: &Config, index: u8) -> Event {
    match index {
        0 => Event::Pulse(HwEvent::Instructions),
        1 => Event::Level(1),
        2 => Event::Reference(1),
        3 => Event::Level(config.slots_per_cycle),
        _ => Event::Unknown,
    }
}

/// Which register an MSR number is, if this machine has it.
pub(crate) fn register(config: &Config, number: u32) -> Option<Register> {
    if let Some(register) = indexed(config, number) {
        return Some(register);
    }
    let (register, since) = match number {
        msr::DEBUGCTL => (Register::Debugctl, 0),
        msr::FIXED_CTR_CTRL => (Register::FixedCtrl, 2),
        msr::PERF_GLOBAL_STATUS => (Register::GlobalStatus, 2),
        msr::PERF_GLOBAL_CTRL => (Register::GlobalCtrl, 2),
        msr::PERF_GLOBAL_OVF_CTRL => (Register::StatusReset, 2),
        msr::PERF_CAPABILITIES => (Register::PerfCapabilities, 2),
        msr::PERF_GLOBAL_STATUS_SET => (Register::StatusSet, 4),
        msr::PERF_GLOBAL_INUSE => (Register::InUse, 4),
        _ => return None,
    };
    (config.version >= since).then_some(register)
}

/// The arrays: counters under both aliases, selects, fixed counters.
fn indexed(config: &Config, number: u32) -> Option<Register> {
    let at = |first: u32, count: u8| {
        let index = number.checked_sub(first)?;
        (index < u32::from(count)).then_some(index as u8)
    };
    let gp = config.gp_counters;
    if let Some(i) = at(msr::PMC0, gp) {
        return Some(Register::Gp(i, CounterWrite::SignExtended));
    }
    if let Some(i) = at(msr::PERFEVTSEL0, gp) {
        return Some(Register::Select(i));
    }
    if let Some(i) = at(msr::A_PMC0, gp).filter(|_| config.full_width_writes) {
        return Some(Register::Gp(i, CounterWrite::FullWidth));
    }
    at(msr::FIXED_CTR0, FIXED_MAX)
        .filter(|i| config.fixed_mask() & (1 << i) != 0)
        .map(Register::Fixed)
}

/// The bits that may be 1 in a WRMSR. DEBUGCTL: LBR and BTF always, both freeze bits from version
/// 2; branch trace store is not reported by CPUID, so its bits are reserved.
pub(crate) fn legal(config: &Config) -> Legal {
    let any = config.version >= 3 && !config.any_thread_deprecated;
    let mut select = [SELECT | if any { sel::ANY } else { 0 }; GP_MAX as usize];
    if config.tsx {
        for bits in &mut select {
            *bits |= IN_TX;
        }
        select[2] |= IN_TXCP;
    }
    let field: u64 = if any { 0xf } else { 0xb };
    let fixed_ctrl = (0..FIXED_MAX)
        .filter(|i| config.fixed_mask() & (1 << i) != 0)
        .fold(0, |bits, i| bits | field << (4 * i));
    let counters = config.counter_bits();
    let mut set = counters | DS_BUFFER;
    if config.version >= 3 {
        set |= UNCORE;
    }
    if config.version >= 4 {
        set |= TOPA_PMI | LBR_FRZ | CTR_FRZ | ASCI;
    }
    let mut debugctl = 0b11;
    if config.version >= 2 {
        debugctl |= crate::overflow::FREEZE_LBRS_ON_PMI | crate::overflow::FREEZE_PERFMON_ON_PMI;
    }
    if config.freeze_while_smm {
        debugctl |= 1 << 14;
    }
    Legal {
        select,
        fixed_ctrl,
        global_ctrl: counters,
        status_reset: set | COND_CHGD,
        status_set: set,
        debugctl,
    }
}
