// SPDX-License-Identifier: GPL-2.0-only
//! What a counter does while its enables stand as they are: taken from the registers after each
//! change, and used for everything that retires until the next.

use abi::event_select as sel;

use crate::config::{Config, Vendor};
use crate::threshold::{Event, Rings, Rule, Threshold, rule};
use crate::{amd, intel};

/// A counter's settings, decoded. Whether the global registers let it count is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Latch {
    /// The local enable: EN, or for fixed counters a ring.
    pub(crate) enabled: bool,
    /// What it adds.
    pub(crate) rule: Rule,
    /// Where it counts.
    pub(crate) rings: Rings,
    /// Whether an overflow requests a PMI.
    pub(crate) pmi: bool,
}

impl Latch {
    /// Disabled, counts nothing.
    pub(crate) const OFF: Self = Self {
        enabled: false,
        rule: Rule::Nothing,
        rings: Rings {
            user: false,
            kernel: false,
        },
        pmi: false,
    };

    /// Decodes a PERFEVTSEL.
    pub(crate) fn of_select(config: &Config, select: u64) -> Self {
        let threshold = Threshold {
            cmask: (select >> sel::CMASK_SHIFT) as u8,
            inv: select & sel::INV != 0,
            edge: select & sel::EDGE != 0,
        };
        let event = match config.vendor {
            Vendor::Intel => intel::event(config, select & sel::CODE_MASK),
            Vendor::Amd => amd::event(select),
        };
        Self {
            enabled: select & sel::EN != 0,
            rule: rule(event, threshold),
            rings: Rings {
                user: select & sel::USR != 0,
                kernel: select & sel::OS != 0,
            },
            pmi: select & sel::INT != 0,
        }
    }

    /// Decodes fixed counter `index`'s field of `IA32_FIXED_CTR_CTRL`: bit 0 OS, 1 USR, 2 ANY (one
    /// thread per core here, so without effect), 3 PMI.
    pub(crate) fn of_fixed(config: &Config, index: u8, field: u64) -> Self {
        Self {
            enabled: field & 3 != 0,
            rule: rule(intel::fixed_event(config, index), Threshold::default()),
            rings: Rings {
                user: field & 2 != 0,
                kernel: field & 1 != 0,
            },
            pmi: field & 8 != 0,
        }
    }
}

/// The event of an injector code (low 8 bits are [`sel::INJECTOR`]), on every vendor.
pub(crate) fn injector(code: u64) -> Option<u8> {
    (code <= sel::CODE_MASK && code & 0xff == sel::INJECTOR).then_some((code >> 8) as u8)
}

/// [`injector`] as an event.
pub(crate) fn injector_event(code: u64) -> Event {
    injector(code).map_or(Event::Unknown, Event::Injector)
}
