// SPDX-License-Identifier: GPL-2.0-only
//! What happens before the first event: the variables of every CPU, then each CPU's own PMU.

use abi::boot::BootInfo;
use abi::layout::CPUS_MAX;

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::slot;

/// `max_samples_per_tick` when the boot block gives none: 100000 samples a second at 250 ticks.
pub const MAX_SAMPLES_PER_TICK: u64 = 400;

impl<H: Hardware> Perf<H> {
    /// `perf_event_init`: run once, on the first CPU, before any other method.
    ///
    /// # Safety
    /// `self` does not move any more; nothing else uses it yet.
    #[inline(never)]
    pub unsafe fn boot(&self, info: &BootInfo) {
        // SAFETY: nothing else uses `self` yet.
        unsafe {
            *self.rows.get() = info.rows;
            self.cpus.write(info.cpus.clamp(1, CPUS_MAX as u32));
            self.max_samples_per_tick
                .write(match info.max_samples_per_tick {
                    0 => MAX_SAMPLES_PER_TICK,
                    n => n,
                });
            for cpu in 0..CPUS_MAX {
                (*self.cpu_contexts[cpu].get()).ctx.init();
                (*self.percpu[cpu].get()).active_ctx_list.init();
                let idle = self.tasks[cpu].get();
                (*idle).used.write(slot::ALIVE);
                (*idle).task.cpu.write(cpu as i32);
                (*idle).task.on_cpu.set(cpu as i32 + 1);
                (*self.percpu[cpu].get())
                    .current
                    .write(&raw mut (*idle).task);
            }
        }
    }

    /// Starts the PMU of the CPU that calls (`x86_pmu_starting_cpu`).
    ///
    /// # Safety
    /// After [`Perf::boot`], once for each CPU, interrupts off.
    #[inline(never)]
    pub unsafe fn boot_cpu(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.x86_pmu_boot_cpu() }
    }
}
