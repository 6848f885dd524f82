// SPDX-License-Identifier: GPL-2.0-only
//! CMASK, INV and EDGE (SDM vol. 3B, 20.2.1) under the scalar model.
//!
//! Silicon compares the occurrences of each cycle. The bank sees totals, so it needs a model of how
//! occurrences lie in cycles: **every occurrence lies in a cycle of its own** (at most one
//! instruction retires per cycle). From that follows, with n occurrences in a cycle:
//!
//! * CMASK 0 counts occurrences, and INV does nothing.
//! * CMASK 1 counts the cycles that have the occurrence: as many as occurrences. INV counts the
//!   others: cycles minus occurrences, in the selected rings.
//! * CMASK of 2 and more is never reached (INV: always).
//! * Cycle events have the same n in every unhalted cycle: 1 for core and reference cycles, the
//!   issue width for slots. An event that is unknown has n = 0 in every cycle.
//! * EDGE counts rises of the comparison. Occurrences are pulses (the line falls again before the
//!   next one), so with CMASK 1 there is one rise for each, inverted or not; a comparison that never
//!   changes has none. EDGE with CMASK 0 compares as CMASK 1 without INV.
//!
//! Injected occurrences happen between cycles: they are pulses, and with INV every cycle counts.

use abi::totals::{HwEvent, Ring};

use crate::config::Rates;
use crate::counts::Counts;

/// What a select's event code (or a fixed counter's number) names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A code without a meaning here: accepted, does not occur.
    Unknown,
    /// The counter stands still, with any threshold.
    Still,
    /// Something that happens at most once a cycle.
    Pulse(HwEvent),
    /// Something that may happen several times a cycle: no threshold can be told from totals, so
    /// with one it counts nothing.
    Many(HwEvent),
    /// Something that means what it means with this CMASK only, as the event lists say; with
    /// another one it counts nothing.
    Fixed(HwEvent, u8),
    /// Core cycles, each counting this many (1, or the slots of a cycle).
    Level(u8),
    /// Reference cycles, one occurrence for this many.
    Reference(u32),
    /// Injector of this number.
    Injector(u8),
}

/// What a counter adds, after the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing ever.
    Nothing,
    /// Each occurrence.
    Occurrences(HwEvent),
    /// This many in each core cycle.
    Slots(u8),
    /// One for this many reference cycles.
    Reference(u32),
    /// Core cycles in which the event did not occur.
    CyclesWithout(HwEvent),
    /// Each occurrence of this injector; the totals do not know it.
    Injected(u8),
}

/// The select bits that this file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Threshold {
    pub(crate) cmask: u8,
    pub(crate) inv: bool,
    pub(crate) edge: bool,
}

const CYCLES: Rule = Rule::Occurrences(HwEvent::Cycles);

/// Combines an event and a threshold.
pub(crate) fn rule(event: Event, threshold: Threshold) -> Rule {
    let Threshold { cmask, inv, edge } = threshold;
    if let Event::Fixed(event, own) = event {
        return if (cmask, inv, edge) == (own, false, false) {
            Rule::Occurrences(event)
        } else {
            Rule::Nothing
        };
    }
    if cmask == 0 && !edge {
        return plain(event);
    }
    if matches!(event, Event::Many(_) | Event::Still) {
        return Rule::Nothing;
    }
    let reached = cmask.max(1) <= per_cycle(event);
    let constant = matches!(
        event,
        Event::Unknown | Event::Level(_) | Event::Reference(_)
    );
    if edge {
        // A pulse that reaches the threshold rises once, and so does its inverse.
        return if constant || !reached {
            Rule::Nothing
        } else {
            plain(event)
        };
    }
    match (reached, inv) {
        (false, false) => Rule::Nothing,
        (false, true) => CYCLES,
        (true, false) if constant => CYCLES,
        (true, true) if constant => Rule::Nothing,
        (true, false) => plain(event),
        (true, true) => match event {
            Event::Pulse(event) => Rule::CyclesWithout(event),
            _ => CYCLES,
        },
    }
}

fn plain(event: Event) -> Rule {
    match event {
        Event::Unknown | Event::Still | Event::Fixed(..) => Rule::Nothing,
        Event::Pulse(event) | Event::Many(event) => Rule::Occurrences(event),
        Event::Level(1) => CYCLES,
        Event::Level(slots) => Rule::Slots(slots),
        Event::Reference(1) => Rule::Occurrences(HwEvent::RefCycles),
        Event::Reference(divider) => Rule::Reference(divider),
        Event::Injector(n) => Rule::Injected(n),
    }
}

/// Occurrences in a cycle that has any.
fn per_cycle(event: Event) -> u8 {
    match event {
        Event::Unknown | Event::Still | Event::Many(_) | Event::Fixed(..) => 0,
        Event::Level(slots) => slots,
        Event::Pulse(_) | Event::Reference(_) | Event::Injector(_) => 1,
    }
}

/// A set of rings: USR is CPL 1 to 3, OS is CPL 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rings {
    pub(crate) user: bool,
    pub(crate) kernel: bool,
}

impl Rings {
    pub(crate) fn contains(self, ring: Ring) -> bool {
        match ring {
            Ring::User => self.user,
            Ring::Kernel => self.kernel,
        }
    }

    fn sum(self, now: &impl Counts, event: HwEvent) -> u64 {
        let user = if self.user {
            now.get(Ring::User, event)
        } else {
            0
        };
        let kernel = if self.kernel {
            now.get(Ring::Kernel, event)
        } else {
            0
        };
        user + kernel
    }
}

impl Rule {
    /// The counted quantity since reset. Injected occurrences are not in it.
    pub(crate) fn total(self, rings: Rings, now: &impl Counts) -> u64 {
        match self {
            Self::Nothing | Self::Injected(_) => 0,
            Self::Occurrences(event) => rings.sum(now, event),
            Self::Slots(slots) => rings.sum(now, HwEvent::Cycles) * u64::from(slots),
            Self::Reference(divider) => rings.sum(now, HwEvent::RefCycles) / u64::from(divider),
            Self::CyclesWithout(event) => rings
                .sum(now, HwEvent::Cycles)
                .saturating_sub(rings.sum(now, event)),
        }
    }

    /// The most that one instruction can add; `None` if instructions add nothing, or if nobody
    /// says how much ([`Rates::lags`]).
    pub(crate) fn per_instruction(self, rates: &Rates) -> Option<u64> {
        let timed = |most: u64| (!rates.lags).then_some(most);
        match self {
            Self::Nothing | Self::Injected(_) => None,
            Self::Slots(slots) => timed(rates.cycles.saturating_mul(slots.into())),
            // The remainder of the division may add one.
            Self::Reference(_) => timed(rates.ref_cycles),
            Self::CyclesWithout(_) => timed(rates.cycles),
            Self::Occurrences(event) => match event {
                HwEvent::Instructions | HwEvent::Branches => Some(1),
                HwEvent::Loads | HwEvent::Stores => Some(rates.memory),
                HwEvent::Cycles => timed(rates.cycles),
                HwEvent::RefCycles => timed(rates.ref_cycles),
                HwEvent::BranchMisses => timed(1),
                HwEvent::LlcReferences | HwEvent::LlcMisses => timed(rates.memory),
                // Only a model of the pipeline tells these, and it lags.
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::totals::Totals;

    fn with(cmask: u8, inv: bool, edge: bool) -> Threshold {
        Threshold { cmask, inv, edge }
    }

    #[test]
    fn an_instruction_is_a_pulse_of_one() {
        let event = Event::Pulse(HwEvent::Instructions);
        let each = Rule::Occurrences(HwEvent::Instructions);
        assert_eq!(rule(event, with(0, false, false)), each);
        assert_eq!(
            rule(event, with(0, true, false)),
            each,
            "INV is ignored without CMASK"
        );
        assert_eq!(rule(event, with(1, false, false)), each);
        assert_eq!(rule(event, with(2, false, false)), Rule::Nothing);
        assert_eq!(
            rule(event, with(1, true, false)),
            Rule::CyclesWithout(HwEvent::Instructions)
        );
        assert_eq!(rule(event, with(2, true, false)), CYCLES);
        assert_eq!(rule(event, with(0, false, true)), each);
        assert_eq!(rule(event, with(1, true, true)), each);
        assert_eq!(rule(event, with(2, true, true)), Rule::Nothing);
    }

    #[test]
    fn cycles_and_slots_are_levels() {
        assert_eq!(rule(Event::Level(4), with(0, false, false)), Rule::Slots(4));
        assert_eq!(rule(Event::Level(4), with(4, false, false)), CYCLES);
        assert_eq!(rule(Event::Level(4), with(5, false, false)), Rule::Nothing);
        assert_eq!(rule(Event::Level(4), with(4, true, false)), Rule::Nothing);
        assert_eq!(rule(Event::Level(4), with(5, true, false)), CYCLES);
        assert_eq!(rule(Event::Level(1), with(1, false, true)), Rule::Nothing);
    }

    #[test]
    fn an_unknown_event_has_only_cycles_without_it() {
        assert_eq!(rule(Event::Unknown, with(0, true, false)), Rule::Nothing);
        assert_eq!(rule(Event::Unknown, with(1, false, false)), Rule::Nothing);
        assert_eq!(rule(Event::Unknown, with(1, true, false)), CYCLES);
        assert_eq!(rule(Event::Unknown, with(1, true, true)), Rule::Nothing);
    }

    #[test]
    fn a_division_keeps_its_phase() {
        let mut now = Totals::default();
        let rings = Rings {
            user: true,
            kernel: true,
        };
        now.add(Ring::User, HwEvent::RefCycles, 5);
        now.add(Ring::Kernel, HwEvent::RefCycles, 5);
        assert_eq!(Rule::Reference(4).total(rings, &now), 2);
        now.add(Ring::Kernel, HwEvent::RefCycles, 2);
        assert_eq!(Rule::Reference(4).total(rings, &now), 3);
    }
}
