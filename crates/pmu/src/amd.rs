// SPDX-License-Identifier: GPL-2.0-only
//! AMD: legacy (K7), extended core and PerfMonV2 counters (APM vol. 2, ch. 13).
//!
//! Where Intel answers reserved bits and writes to read-only registers with #GP, AMD processors
//! ignore them; DEBUGCTL alone faults. There are no fixed counters, and a counter is always written
//! in full, bits above the width dropped.

use abi::event_select as sel;
use abi::msr;
use abi::totals::HwEvent;

use crate::bank::{CounterWrite, Legal, Register};
use crate::config::{Config, GP_MAX};
use crate::latch::injector_event;
use crate::overflow::{CTR_FRZ, FREEZE_LBRS_ON_PMI, FREEZE_PERFMON_ON_PMI, LBR_FRZ};
use crate::threshold::Event;

/// `PERF_LEGACY_CTL0`; four of them.
const K7_SELECT0: u32 = 0xc001_0000;
/// `PERF_LEGACY_CTR0`; four of them.
const K7_COUNTER0: u32 = 0xc001_0004;
/// `PERF_CTL0`; selects at even numbers, counters at odd ones.
const CORE_SELECT0: u32 = 0xc001_0200;
/// `PerfCntrGlobalStatus`, then `...GlobalCtl`, `...GlobalStatusClr`, `...GlobalStatusSet`.
const GLOBAL_STATUS: u32 = 0xc000_0300;

/// `LsDispatch` (PMC 029H) with the unit mask for loads; it counts what retires here.
const LOADS: u64 = 0x0129;
/// The same for stores.
const STORES: u64 = 0x0229;

/// Host-only and guest-only. With either set and SVM off (there is no SVM here) a counter stands
/// still.
const HOST_GUEST_ONLY: u64 = 3 << 40;
/// Event, umask, USR, OS, EDGE, INT, EN, INV, CMASK, event\[11:8\], host-only and guest-only.
const SELECT: u64 = 0xffd7_ffff | 0xf << 32 | HOST_GUEST_ONLY;

/// What a select counts: event\[11:0\] is bits 35:32 and 7:0, the unit mask bits 15:8.
pub(crate) fn event(select: u64) -> Event {
    if select & HOST_GUEST_ONLY != 0 {
        return Event::Still;
    }
    let high = select >> 32 & 0xf;
    match (high, select & sel::CODE_MASK) {
        (0, 0x0076) => Event::Level(1),
        (0, 0x00c0) => Event::Pulse(HwEvent::Instructions),
        (0, 0x00c2) => Event::Pulse(HwEvent::Branches),
        (0, 0x00c3) => Event::Pulse(HwEvent::BranchMisses),
        (0, LOADS) => Event::Pulse(HwEvent::Loads),
        (0, STORES) => Event::Pulse(HwEvent::Stores),
        (1, 0x0120) => Event::Reference(1),
        (0, code) => injector_event(code),
        _ => Event::Unknown,
    }
}

/// Which register an MSR number is, if this machine has it.
pub(crate) fn register(config: &Config, number: u32) -> Option<Register> {
    let counter = |i| Register::Gp(i, CounterWrite::Truncated);
    let legacy = u32::from(config.gp_counters.min(4));
    let core = if config.core_extension {
        2 * u32::from(config.gp_counters)
    } else {
        0
    };
    if let Some(i) = number.checked_sub(K7_SELECT0).filter(|i| *i < legacy) {
        return Some(Register::Select(i as u8));
    }
    if let Some(i) = number.checked_sub(K7_COUNTER0).filter(|i| *i < legacy) {
        return Some(counter(i as u8));
    }
    if let Some(i) = number.checked_sub(CORE_SELECT0).filter(|i| *i < core) {
        let index = (i / 2) as u8;
        return Some(if i % 2 == 0 {
            Register::Select(index)
        } else {
            counter(index)
        });
    }
    if number == msr::DEBUGCTL {
        return Some(Register::Debugctl);
    }
    let global = match number.checked_sub(GLOBAL_STATUS)? {
        0 => Register::GlobalStatus,
        1 => Register::GlobalCtrl,
        2 => Register::StatusReset,
        3 => Register::StatusSet,
        _ => return None,
    };
    config.has_global().then_some(global)
}

/// The bits that registers have.
pub(crate) fn legal(config: &Config) -> Legal {
    let counters = config.gp_mask();
    let status = counters
        | if config.freeze_on_pmi {
            CTR_FRZ | LBR_FRZ
        } else {
            0
        };
    let freeze = if config.freeze_on_pmi {
        FREEZE_LBRS_ON_PMI | FREEZE_PERFMON_ON_PMI
    } else {
        0
    };
    Legal {
        select: [SELECT; GP_MAX as usize],
        fixed_ctrl: 0,
        global_ctrl: counters,
        status_reset: status,
        status_set: status,
        debugctl: 0b11 | freeze,
    }
}
