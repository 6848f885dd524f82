// SPDX-License-Identifier: GPL-2.0-only
//! The PMC bank as hardware: selects, counters, global control and status, overflow and the
//! request for a performance-monitoring interrupt.
//!
//! The bank is told what retired ([`abi::totals::Totals`], occurrences since reset by ring) and
//! derives every counter from differences of totals, so nothing happens per instruction. Whoever
//! drives it asks [`Pmu::headroom`] how many instructions may retire before it must look again
//! ([`Pmu::settle`]).
//!
//! Intel architectural performance monitoring versions 1 to 5 and AMD's legacy, extended and
//! PerfMonV2 core counters are one bank behind different MSR maps. One feature, one file:
//!
//! | file | feature |
//! |---|---|
//! | `config` | what a machine has: numbers, widths, CPUID leaves |
//! | `intel`, `amd` | which MSR is which register, which bits are legal, which code is which event |
//! | `bank` | the state, RDMSR and WRMSR, the counting order around a WRMSR |
//! | `latch` | what a counter counts while it is enabled (rings, event) |
//! | `threshold` | CMASK, INV and EDGE under the scalar model |
//! | `counter` | arithmetic modulo two to the width, and the carry |
//! | `counts` | what the bank asks for of what retired |
//! | `overflow` | status bits, PMI request, freezing on a PMI |
//! | `global` | the global registers and `IA32_PERF_GLOBAL_INUSE` |
//! | `injector` | the event that only decisions make happen |
//! | `headroom` | how long no counter can overflow |
//! | `rdpmc` | RDPMC's index space |
//! | `view` | counters for digests and reports |
//!
//! Not here: the local APIC and LVTPC (a PMI request is a return value), CR4.PCE and the privilege
//! checks of RDMSR, WRMSR and RDPMC (the core makes them), PEBS, the LBR stack (only its freeze bits
//! exist), uncore counters. Reference: Intel SDM vol. 3B chapter "Performance Monitoring", AMD APM
//! vol. 2 chapter 13. What the manuals leave open and the bank chooses stands in
//! `docs/deviations.md`, section "PMC bank".
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod amd;
mod bank;
mod config;
mod counter;
mod counts;
mod global;
mod headroom;
mod injector;
mod intel;
mod latch;
mod overflow;
mod rdpmc;
mod threshold;
mod view;

pub use bank::{Followers, GeneralProtection, Pmu, WRMSR_RETIREMENT};
pub use config::{Config, ConfigError, Rates, Vendor};
pub use counts::Counts;
pub use injector::Occurred;
pub use view::{CounterKind, CounterView};
