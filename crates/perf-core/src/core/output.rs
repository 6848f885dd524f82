// SPDX-License-Identifier: GPL-2.0-only
//! Samples and throttle records: what stands in them, in the kernel's order.

use core::ptr;

use abi::guest_call::Reader;
use abi::syscall::{
    FORMAT_GROUP, FORMAT_ID, FORMAT_TOTAL_TIME_ENABLED, FORMAT_TOTAL_TIME_RUNNING, SAMPLE_READ,
};

use crate::hw::Hardware;
use crate::perf::Perf;
use crate::types::{PerfEvent, state};

use super::ring::{OutputHandle, record_header};
use super::{primary_event_id, siblings};

/// `PERF_SAMPLE_*` bits beside [`SAMPLE_READ`] that a sample can hold here.
pub(crate) mod sample {
    /// Process and thread.
    pub(crate) const TID: u64 = 1 << 1;
    /// Clock.
    pub(crate) const TIME: u64 = 1 << 2;
    /// Address; always 0 for events of this PMU.
    pub(crate) const ADDR: u64 = 1 << 3;
    /// Number of the event (of the parent, if inherited).
    pub(crate) const ID: u64 = 1 << 6;
    /// CPU.
    pub(crate) const CPU: u64 = 1 << 7;
    /// Period that the sample stands for.
    pub(crate) const PERIOD: u64 = 1 << 8;
    /// Number of the event itself.
    pub(crate) const STREAM_ID: u64 = 1 << 9;
    /// The event's number again, at a fixed place.
    pub(crate) const IDENTIFIER: u64 = 1 << 16;
    /// What names the source of a record (`sample_id_all`).
    pub(crate) const ID_ALL: u64 = TID | TIME | ID | CPU | STREAM_ID | IDENTIFIER;
    /// All of the above and `SAMPLE_READ`.
    pub(crate) const SUPPORTED: u64 =
        TID | TIME | ADDR | super::SAMPLE_READ | ID | CPU | PERIOD | STREAM_ID | IDENTIFIER;
}

/// `PERF_RECORD_THROTTLE`; the next number is UNTHROTTLE.
const RECORD_THROTTLE: u32 = 5;
/// `PERF_RECORD_UNTHROTTLE`.
const RECORD_UNTHROTTLE: u32 = 6;
/// `PERF_RECORD_SAMPLE`.
const RECORD_SAMPLE: u32 = 9;
/// Bytes of a record's header.
pub(crate) const HEADER_SIZE: u64 = 8;

/// Bytes of a `read(2)` by format and number of siblings (`__perf_event_read_size`).
pub(crate) fn read_size(format: u64, nr_siblings: u32) -> u32 {
    let mut size = 0;
    let mut entry = 8;
    let mut nr = 1;
    if format & FORMAT_TOTAL_TIME_ENABLED != 0 {
        size += 8;
    }
    if format & FORMAT_TOTAL_TIME_RUNNING != 0 {
        size += 8;
    }
    if format & FORMAT_ID != 0 {
        entry += 8;
    }
    if format & FORMAT_GROUP != 0 {
        nr += nr_siblings;
        size += 8;
    }
    size + entry * nr
}

/// Bytes of a sample behind its header (`__perf_event_header_size`). Each of the fields but READ
/// is one word.
pub(crate) fn sample_size(sample_type: u64, read_size: u32) -> u32 {
    let words = (sample_type & sample::SUPPORTED & !SAMPLE_READ).count_ones();
    let read = if sample_type & SAMPLE_READ != 0 {
        read_size
    } else {
        0
    };
    words * 8 + read
}

impl<H: Hardware> Perf<H> {
    /// `perf_event__header_size`: sizes that depend on the group.
    ///
    /// # Safety
    /// The core's rule.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_header_size(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            let nr_siblings = (*(*event).group_leader).nr_siblings.read() as u32;
            (*event).read_size = read_size((*event).attr.read_format, nr_siblings);
            (*event).header_size = sample_size((*event).attr.sample_type, (*event).read_size);
        }
    }

    /// `perf_log_throttle`: a record that says that the event was stopped, or goes on.
    ///
    /// # Safety
    /// The core's rule. Called from NMI.
    #[inline(never)]
    pub(crate) unsafe fn perf_log_throttle(&self, event: *mut PerfEvent, enable: bool) {
        const SIZE: u64 = HEADER_SIZE + 3 * 8;
        let kind = if enable {
            RECORD_UNTHROTTLE
        } else {
            RECORD_THROTTLE
        };
        let time = self.perf_clock();
        // SAFETY: the core's rule.
        unsafe {
            if let Some(mut handle) = self.perf_output_begin(event, SIZE) {
                handle.put(record_header(kind, 0, SIZE));
                handle.put(time);
                handle.put(primary_event_id(event));
                handle.put((*event).id);
                self.perf_output_end(&handle);
            }
        }
    }

    /// `perf_event_output`: writes a sample, if there is a buffer and room in it. Without, nobody
    /// is read.
    ///
    /// # Safety
    /// The core's rule. Called from NMI.
    #[inline(never)]
    pub(crate) unsafe fn perf_event_output(&self, event: *mut PerfEvent) {
        // SAFETY: the core's rule.
        unsafe {
            // perf_prepare_sample
            let size = HEADER_SIZE + u64::from((*event).header_size);
            let time = self.perf_clock();
            if let Some(mut handle) = self.perf_output_begin(event, size) {
                handle.put(record_header(RECORD_SAMPLE, 0, size));
                self.perf_output_sample(event, time, &mut handle);
                self.perf_output_end(&handle);
            }
        }
    }

    /// `perf_output_sample`: the fields in their fixed order.
    #[inline(never)]
    unsafe fn perf_output_sample(
        &self,
        event: *mut PerfEvent,
        time: u64,
        handle: &mut OutputHandle,
    ) {
        // SAFETY: the core's rule; the record was sized by the same bits.
        unsafe {
            let kind = (*event).attr.sample_type;
            let id = primary_event_id(event);
            if kind & sample::IDENTIFIER != 0 {
                handle.put(id);
            }
            if kind & sample::TID != 0 {
                let pid = u64::from((*self.current()).pid);
                handle.put(pid | pid << 32);
            }
            if kind & sample::TIME != 0 {
                handle.put(time);
            }
            if kind & sample::ADDR != 0 {
                handle.put(0);
            }
            if kind & sample::ID != 0 {
                handle.put(id);
            }
            if kind & sample::STREAM_ID != 0 {
                handle.put((*event).id);
            }
            if kind & sample::CPU != 0 {
                handle.put(self.hw.cpu() as u64);
            }
            if kind & sample::PERIOD != 0 {
                handle.put((*event).hw.last_period);
            }
            if kind & SAMPLE_READ != 0 {
                self.perf_output_read(event, handle);
            }
        }
    }

    /// `perf_output_read`.
    #[inline(never)]
    unsafe fn perf_output_read(&self, event: *mut PerfEvent, handle: &mut OutputHandle) {
        const TIMES: u64 = FORMAT_TOTAL_TIME_ENABLED | FORMAT_TOTAL_TIME_RUNNING;
        // SAFETY: the core's rule.
        unsafe {
            let format = (*event).attr.read_format;
            let mut times = (0, 0);
            if format & TIMES != 0 {
                times = self.calc_timer_values(event);
            }
            if format & FORMAT_GROUP != 0 {
                self.perf_output_read_group(event, times, handle);
            } else {
                self.perf_output_read_one(event, times, handle);
            }
        }
    }

    /// The times that the format asks for.
    #[inline(always)]
    unsafe fn put_times(format: u64, times: (u64, u64), handle: &mut OutputHandle) {
        // SAFETY: the record has room for them.
        unsafe {
            if format & FORMAT_TOTAL_TIME_ENABLED != 0 {
                handle.put(times.0);
            }
            if format & FORMAT_TOTAL_TIME_RUNNING != 0 {
                handle.put(times.1);
            }
        }
    }

    /// A member's value, of which the host is told as it lands, and its number.
    #[inline(always)]
    unsafe fn put_value(
        &self,
        event: *mut PerfEvent,
        value: u64,
        format: u64,
        handle: &mut OutputHandle,
    ) {
        // SAFETY: the record has room for them.
        unsafe {
            handle.put(value);
            self.hw.value(event, value, Reader::Sample);
            if format & FORMAT_ID != 0 {
                handle.put(primary_event_id(event));
            }
        }
    }

    /// `perf_output_read_one`: the driver has just folded this event's counter.
    #[inline(never)]
    unsafe fn perf_output_read_one(
        &self,
        event: *mut PerfEvent,
        times: (u64, u64),
        handle: &mut OutputHandle,
    ) {
        // SAFETY: the core's rule.
        unsafe {
            let format = (*event).attr.read_format;
            let value = self.perf_event_count(event);
            handle.put(value);
            self.hw.value(event, value, Reader::Sample);
            Self::put_times(format, times, handle);
            if format & FORMAT_ID != 0 {
                handle.put(primary_event_id(event));
            }
        }
    }

    /// `perf_output_read_group`: without any lock. Members on a counter are read; the count of
    /// every member is written, whatever its state.
    #[inline(never)]
    unsafe fn perf_output_read_group(
        &self,
        event: *mut PerfEvent,
        times: (u64, u64),
        handle: &mut OutputHandle,
    ) {
        // SAFETY: the core's rule; group links are followed by whole loads.
        unsafe {
            let leader = (*event).group_leader;
            let format = (*event).attr.read_format;
            let nr = 1 + (*leader).nr_siblings.read() as u64;
            if !ptr::eq(leader, event) && (*leader).state.read() > state::INACTIVE {
                self.event_pmu_read(leader);
            }
            let value = self.perf_event_count(leader);
            handle.put(nr);
            Self::put_times(format, times, handle);
            self.put_value(leader, value, format, handle);
            for sub in siblings(leader) {
                if !ptr::eq(sub, event) && (*sub).state.read() > state::INACTIVE {
                    self.event_pmu_read(sub);
                }
                let value = self.perf_event_count(sub);
                self.put_value(sub, value, format, handle);
            }
        }
    }
}
