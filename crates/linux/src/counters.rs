// SPDX-License-Identifier: GPL-2.0-only
//! The machine's own counters, set to count the program at CPL 3: what `perf stat` would do.

use abi::event_select::{EN, USR};
use abi::msr;
use machine::Core;
use pmu::{Config, Vendor};

/// Occurrences at CPL 3 since the program began. `None`: the machine has no counter left for the
/// event, or its file says that the event does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Instructions retired.
    pub instructions: Option<u64>,
    /// Branches retired, taken or not, SYSCALL included.
    pub branches: Option<u64>,
    /// Memory reads.
    pub loads: Option<u64>,
    /// Memory writes.
    pub stores: Option<u64>,
}

/// Which RDPMC index counts what.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Armed([Option<u32>; 4]);

/// Events in the order of [`Counts`]: code, and bit in CPUID.0AH:EBX of an architectural one.
const INTEL: [(u64, u8); 4] = [(0x00c0, 1 << 1), (0x00c4, 1 << 5), (0x81d0, 0), (0x82d0, 0)];
const AMD: [(u64, u8); 4] = [(0x00c0, 0), (0x00c2, 0), (0x0129, 0), (0x0229, 0)];

/// RDPMC's index of fixed counter 0, and its enable bit in GLOBAL_CTRL.
const FIXED_0: u32 = 0x4000_0000;
const FIXED_0_ON: u64 = 1 << 32;
/// Fixed counter 0 counts at CPL 3.
const FIXED_0_USER: u64 = 2;

const AMD_SELECT_0: u32 = 0xc001_0200;
const AMD_LEGACY_SELECT_0: u32 = 0xc001_0000;

/// Programs the counters before the first instruction.
pub(crate) fn arm(core: &mut Core) -> Armed {
    let config = *core.pmu.config();
    let mut armed = Armed::default();
    if config.version == 0 {
        return armed;
    }
    let mut free = 0..config.gp_counters;
    let mut writes = Vec::new();
    let mut global = 0;
    let intel = config.vendor == Vendor::Intel;
    let events = if intel { INTEL } else { AMD };
    for (slot, (code, missing)) in armed.0.iter_mut().zip(events) {
        let fixed_0 = config.fixed_counters > 0 || config.fixed_bitmap & 1 != 0;
        if code == INTEL[0].0 && intel && fixed_0 {
            writes.push((msr::FIXED_CTR_CTRL, FIXED_0_USER));
            global |= FIXED_0_ON;
            *slot = Some(FIXED_0);
        } else if config.unavailable_events & missing == 0
            && let Some(counter) = free.next()
        {
            writes.push((select(&config, counter), code | USR | EN));
            global |= 1 << counter;
            *slot = Some(counter.into());
        }
    }
    if intel && config.version >= 2 {
        writes.push((msr::PERF_GLOBAL_CTRL, global));
    }
    let now = core.totals();
    for (msr, value) in writes {
        core.pmu
            .wrmsr(msr, value, &now)
            .expect("the bank has this register and takes this value");
    }
    armed
}

fn select(config: &Config, counter: u8) -> u32 {
    let counter = u32::from(counter);
    match config.vendor {
        Vendor::Intel => msr::PERFEVTSEL0 + counter,
        Vendor::Amd if config.core_extension => AMD_SELECT_0 + 2 * counter,
        Vendor::Amd => AMD_LEGACY_SELECT_0 + counter,
    }
}

/// Reads the counters.
pub(crate) fn read(core: &Core, armed: &Armed) -> Counts {
    let now = core.totals();
    // Reading settles the bank; the run must not depend on being looked at.
    let mut bank = core.pmu.clone();
    let mut value = |i: usize| bank.rdpmc(armed.0[i]?, &now).ok();
    Counts {
        instructions: value(0),
        branches: value(1),
        loads: value(2),
        stores: value(3),
    }
}
