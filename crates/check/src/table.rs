// SPDX-License-Identifier: GPL-2.0-only
//! The driver's table of who holds which counter (`cpu_hw_events.events`), as guest memory has it.

use abi::layout::CPUS_MAX;
use image::Image;
use machine::View;

/// Counters that the table has room for (`X86_PMC_IDX_MAX`).
const COUNTERS_MAX: i32 = 64;

/// The table, found at the first look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Table {
    place: Option<Place>,
}

/// Address of `cpu_hw_events[0].events` and the distance to that of the next CPU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    events: u64,
    stride: u64,
}

impl Table {
    /// The address of the event that holds counter `idx` of this CPU, 0 for nobody; `None` where
    /// there is no such counter.
    pub(crate) fn holder(&mut self, view: &View<'_>, idx: i32) -> Option<u64> {
        if self.place.is_none() {
            self.place = Place::of(view.image);
        }
        let Place { events, stride } = self.place?;
        let idx = u64::try_from(idx)
            .ok()
            .filter(|&idx| idx < COUNTERS_MAX as u64)?;
        view.mem
            .read_u64(events + view.cpu as u64 * stride + idx * 8)
            .ok()
    }

    /// All counters of this CPU that somebody holds: index and address of the event.
    pub(crate) fn holders(&mut self, view: &View<'_>) -> Vec<(i32, u64)> {
        (0..COUNTERS_MAX)
            .filter_map(|idx| Some((idx, self.holder(view, idx)?)))
            .filter(|&(_, addr)| addr != 0)
            .collect()
    }
}

impl Place {
    /// From the first CPU's table to behind the last one's.
    pub(crate) fn range(self) -> (u64, u64) {
        (self.events, self.events + self.stride * CPUS_MAX as u64)
    }

    pub(crate) fn of(image: &Image) -> Option<Self> {
        let perf = image.symbol("PERF")?.addr;
        let per_cpu = image.layout("Perf")?.field("cpu_hw_events")?.offset;
        let hw = image.layout("CpuHwEvents")?;
        Some(Self {
            events: perf + per_cpu + hw.field("events")?.offset,
            stride: hw.size,
        })
    }
}
