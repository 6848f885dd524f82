// SPDX-License-Identifier: GPL-2.0-only
//! A new event: its select value, its period, and whether it could ever be scheduled
//! (`x86_pmu_event_init` and below).

use abi::event_select as sel;
use abi::syscall::{Attr, TYPE_HARDWARE, TYPE_RAW, TYPE_SOFTWARE};

use super::constraints::X86_RAW_EVENT_MASK;
use super::{CpuHwEvents, INTEL_PMC_IDX_FIXED};
use crate::container_of;
use crate::core::errno::{EINVAL, ENOENT};
use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, state};

/// [`HwPerfEvent::flags`](crate::types::HwPerfEvent::flags): user code may read the counter.
pub const PERF_X86_EVENT_RDPMC_ALLOWED: u32 = 0x0100;

/// `intel_perfmon_event_map` with the CPUID bit that says that the event is missing
/// (`intel_arch_events_map`), by `PERF_COUNT_HW_*`. The stalled-cycles events are model-specific.
const INTEL_PERFMON_EVENT_MAP: [(u64, u32); 10] = [
    (sel::CYCLES, 1 << 0),
    (sel::INSTRUCTIONS, 1 << 1),
    (sel::LLC_REFERENCES, 1 << 3),
    (sel::LLC_MISSES, 1 << 4),
    (sel::BRANCHES, 1 << 5),
    (sel::BRANCH_MISSES, 1 << 6),
    (sel::REF_CYCLES, 1 << 2), // bus-cycles
    (0, 0),                    // stalled-cycles-frontend
    (0, 0),                    // stalled-cycles-backend
    (sel::FIXED_REF_CYCLES_PSEUDO, 0),
];

impl<H: Hardware> Perf<H> {
    /// `x86_pmu_event_init`: configures a new event of type `TYPE_HARDWARE` or `TYPE_RAW`. The
    /// group leader must be set, the event need not be in its list yet.
    ///
    /// Returns 0, -ENOENT for an event that is not of this PMU or that the machine does not have,
    /// or -EINVAL for one that can never be scheduled.
    ///
    /// # Safety
    /// `event` is live, nobody else knows it; its leader and the siblings are live.
    #[inline(never)]
    pub unsafe fn x86_pmu_event_init(&self, event: *mut PerfEvent) -> i32 {
        if self.x86_pmu().num_counters == 0 {
            return -ENOENT;
        }
        // SAFETY: live by the caller's promise.
        unsafe {
            if !matches!((*event).attr.kind, TYPE_HARDWARE | TYPE_RAW) {
                return -ENOENT;
            }
            let err = self.__x86_pmu_event_init(event);
            if err != 0 {
                return err;
            }
            let err = if (*event).group_leader == event {
                self.validate_event(event)
            } else {
                self.validate_group(event)
            };
            if err != 0 {
                return err;
            }
            (*event).hw.flags |= PERF_X86_EVENT_RDPMC_ALLOWED;
        }
        0
    }

    /// The part of event_init that fills [`crate::types::HwPerfEvent`].
    #[inline(never)]
    unsafe fn __x86_pmu_event_init(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: `event` is live and private (x86_pmu_event_init).
        unsafe {
            let hwc = &mut (*event).hw;
            hwc.idx.write(-1);
            hwc.last_cpu = -1;
            hwc.last_tag = !0;
            hwc.config_base.write(0);
            hwc.event_base.write(0);
            hwc.event_base_rdpmc.write(0);
            hwc.prev_count.set(0);
            hwc.flags = 0;
            let err = self.intel_pmu_hw_config(event);
            if err != 0 {
                err
            } else {
                self.x86_setup_perfctr(event)
            }
        }
    }

    /// `intel_pmu_hw_config`: the select value, without the event code of `TYPE_HARDWARE`.
    #[inline(never)]
    unsafe fn intel_pmu_hw_config(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: `event` is live and private (x86_pmu_event_init).
        let (attr, hwc) = unsafe { (&(*event).attr, &mut (*event).hw) };
        hwc.config = sel::INT;
        if attr.flags & Attr::EXCLUDE_USER == 0 {
            hwc.config |= sel::USR;
        }
        if attr.flags & Attr::EXCLUDE_KERNEL == 0 {
            hwc.config |= sel::OS;
        }
        if attr.kind == TYPE_RAW {
            hwc.config |= attr.config & X86_RAW_EVENT_MASK;
            if attr.config & sel::ANY != 0 {
                let pmu = self.x86_pmu();
                if pmu.version < 3 || pmu.anythread_deprecated {
                    return -EINVAL;
                }
                hwc.config |= sel::ANY;
            }
        }
        0
    }

    /// `x86_setup_perfctr`: the period of a counting event, and the code of a generic one.
    #[inline(never)]
    unsafe fn x86_setup_perfctr(&self, event: *mut PerfEvent) -> i32 {
        let pmu = self.x86_pmu();
        // SAFETY: `event` is live and private (x86_pmu_event_init).
        let (attr, hwc) = unsafe { (&(*event).attr, &mut (*event).hw) };
        if attr.sample_period == 0 {
            hwc.sample_period = pmu.max_period;
            hwc.last_period = hwc.sample_period;
            hwc.period_left.set(hwc.sample_period.cast_signed());
        }
        if attr.kind == TYPE_RAW {
            return 0;
        }
        let Some(&(code, missing_bit)) = usize::try_from(attr.config)
            .ok()
            .and_then(|config| INTEL_PERFMON_EVENT_MAP.get(config))
        else {
            return -EINVAL;
        };
        if code == 0 || pmu.arch_events_missing & missing_bit != 0 {
            return -ENOENT;
        }
        hwc.config |= code;
        0
    }

    /// `validate_event`: some counter can count it.
    #[inline(never)]
    unsafe fn validate_event(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: live (x86_pmu_event_init); constraints live as long as the PMU.
        let weight = unsafe { (*self.x86_get_event_constraints(event)).weight };
        if weight == 0 { -EINVAL } else { 0 }
    }

    /// `validate_group`: the group and the new event fit on an empty PMU.
    #[inline(never)]
    unsafe fn validate_group(&self, event: *mut PerfEvent) -> i32 {
        let mut fake_cpuc = CpuHwEvents::new();
        let fake_cpuc = &raw mut fake_cpuc;
        // SAFETY: the events are live (x86_pmu_event_init); the fake is our own.
        unsafe {
            let n = self.collect_events(fake_cpuc, (*event).group_leader, true);
            if n < 0 {
                return -EINVAL;
            }
            (*fake_cpuc).n_events = n;
            let n = self.collect_events(fake_cpuc, event, false);
            if n < 0 {
                return -EINVAL;
            }
            (*fake_cpuc).n_events = 0;
            self.x86_schedule_events(fake_cpuc, n, None)
        }
    }

    /// `collect_events`: appends `leader`, and its siblings that are not off if `dogrp`, to the
    /// list; returns its length, or -EINVAL when there are more events than counters. `n_events`
    /// stays as it is.
    ///
    /// # Safety
    /// `cpuc` is this CPU's with interrupts off, or a private one; the events are live.
    #[inline(never)]
    pub(super) unsafe fn collect_events(
        &self,
        cpuc: *mut CpuHwEvents,
        leader: *mut PerfEvent,
        dogrp: bool,
    ) -> i32 {
        let pmu = self.x86_pmu();
        let max_count = (pmu.num_counters + pmu.num_counters_fixed).cast_signed();
        // SAFETY: valid by the caller's promise; `n` stays below max_count, which the lists hold.
        unsafe {
            let mut n = (*cpuc).n_events;
            if (*leader).attr.kind != TYPE_SOFTWARE {
                if n >= max_count {
                    return -EINVAL;
                }
                (*cpuc).event_list[n.cast_unsigned() as usize] = leader;
                n += 1;
            }
            if !dogrp {
                return n;
            }
            let head = &raw mut (*leader).sibling_list;
            let mut node = (*head).next.read();
            while node != head {
                let event = container_of!(node, PerfEvent, sibling_list);
                node = (*node).next.read();
                if (*event).attr.kind == TYPE_SOFTWARE || (*event).state.read() <= state::OFF {
                    continue;
                }
                if n >= max_count {
                    return -EINVAL;
                }
                (*cpuc).event_list[n.cast_unsigned() as usize] = event;
                n += 1;
            }
            n
        }
    }

    /// `x86_pmu_event_idx`: RDPMC index for user code plus one; 0 when user code may not.
    ///
    /// # Safety
    /// `event` is live.
    #[inline(never)]
    pub unsafe fn x86_pmu_event_idx(&self, event: *mut PerfEvent) -> i32 {
        // SAFETY: live by the caller's promise.
        unsafe {
            let mut idx = (*event).hw.idx.read();
            if (*event).hw.flags & PERF_X86_EVENT_RDPMC_ALLOWED == 0 {
                return 0;
            }
            if self.x86_pmu().num_counters_fixed != 0 && idx >= INTEL_PMC_IDX_FIXED {
                idx = (idx - INTEL_PMC_IDX_FIXED) | 1 << 30;
            }
            idx + 1
        }
    }

    /// `copy_hw_config` of the sharing patches: the new event of a shared counter takes over the
    /// counter index, and nothing else.
    ///
    /// # Safety
    /// Both are live; interrupts are off.
    #[inline(never)]
    pub unsafe fn copy_hw_config(&self, old_event: *mut PerfEvent, new_event: *mut PerfEvent) {
        // SAFETY: live by the caller's promise.
        unsafe { (*new_event).hw.idx.write((*old_event).hw.idx.read()) }
    }
}
