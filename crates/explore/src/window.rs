// SPDX-License-Identifier: GPL-2.0-only
//! How wide a window of boundaries is in cycles, and how often a random NMI lands in it.
//!
//! The Skylake model listens to one run along the path of the sweep's baseline. An NMI that arrives
//! while boundary b is the next one is taken there, so b is open from the cycle in which the
//! boundary before it was reached to its own. Instructions that retire in one cycle share the time
//! up to it equally: which of them the cycle's end falls on depends on alignment, and this is the
//! average.
//!
//! With NMIs at a rate r that know nothing of the program, a core of frequency f and a window of w
//! cycles, the chance that one operation is hit is p = 1 - exp(-w r / f); with o operations a
//! second the first hit comes after 1 / (o p) seconds on average. A test holds both against a
//! simulation.

use machine::{Ordinal, Schedule, SetupError, Until};

use crate::setup::{RUN_LIMIT, Setup};

/// The time of each boundary of one CPU.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    times: Vec<(Ordinal, f64)>,
}

/// NMIs, operations and the core's frequency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Cycles a second.
    pub hertz: f64,
    /// NMIs a second.
    pub nmis: f64,
    /// Operations a second.
    pub operations: f64,
}

impl Default for Rates {
    /// A core of 4 GHz, the 4,000 samples a second of `perf record`, 1,000 operations a second.
    fn default() -> Self {
        Self {
            hertz: 4e9,
            nmis: 4000.0,
            operations: 1000.0,
        }
    }
}

impl Rates {
    /// The chance that one operation with a window of so many cycles is hit.
    #[must_use]
    pub fn chance(&self, cycles: f64) -> f64 {
        -(-cycles * self.nmis / self.hertz).exp_m1()
    }

    /// Seconds until the first hit, on average; infinite if there is none.
    #[must_use]
    pub fn seconds(&self, cycles: f64) -> f64 {
        1.0 / (self.operations * self.chance(cycles))
    }
}

impl Clock {
    /// The clock of CPU `cpu` in a run of `setup` without NMI.
    ///
    /// # Errors
    /// The machine cannot be built.
    pub fn new(setup: &Setup, cpu: usize) -> Result<Self, SetupError> {
        Self::along(setup, cpu, Schedule::empty())
    }

    /// The clock of CPU `cpu` in a run with these decisions.
    ///
    /// # Errors
    /// The machine cannot be built.
    pub fn along(setup: &Setup, cpu: usize, mut schedule: Schedule) -> Result<Self, SetupError> {
        let mut machine = setup.machine()?;
        machine.listen();
        let until = Until::End { limit: RUN_LIMIT };
        machine.run(&mut schedule, &mut (), until);
        let Some(model) = &mut machine.core_mut(cpu).model else {
            return Ok(Self::default());
        };
        model.drain();
        Ok(Self::from_cycles(&model.boundaries()))
    }

    /// From (boundary, cycle), in order.
    #[must_use]
    pub fn from_cycles(cycles: &[(Ordinal, u64)]) -> Self {
        let mut times = Vec::with_capacity(cycles.len());
        let mut before = 0;
        for group in cycles.chunk_by(|a, b| a.1 == b.1) {
            let cycle = group[0].1;
            let share = cycle.saturating_sub(before) as f64 / group.len() as f64;
            for (k, &(ordinal, _)) in group.iter().enumerate() {
                times.push((ordinal, before as f64 + share * (k + 1) as f64));
            }
            before = cycle;
        }
        Self { times }
    }

    /// The time at which a boundary was reached: that of the first one from it on.
    fn at(&self, ordinal: Ordinal) -> Option<f64> {
        let i = self.times.partition_point(|t| t.0 < ordinal);
        self.times.get(i).map(|t| t.1)
    }

    /// Cycles in which the boundaries `first` to `last` are open.
    #[must_use]
    pub fn width(&self, first: Ordinal, last: Ordinal) -> Option<f64> {
        Some((self.at(last)? - self.at(first.checked_sub(1)?)?).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator of numbers in (0, 1).
    fn random(state: &mut u64) -> f64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((*state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    #[test]
    fn boundaries_of_one_cycle_share_its_time() {
        let clock = Clock::from_cycles(&[(1, 4), (2, 10), (3, 10), (4, 10), (5, 11)]);
        assert_eq!(clock.width(2, 2), Some(2.0));
        assert_eq!(clock.width(2, 4), Some(6.0));
        assert_eq!(clock.width(5, 5), Some(1.0));
        assert_eq!(clock.width(6, 6), None);
    }

    #[test]
    fn the_formula_is_that_of_many_random_nmis() {
        // An operation of 50 boundaries; the window is 20 to 22. NMIs come at random.
        let cycles: Vec<(Ordinal, u64)> = (0..50).map(|n| (n, 3 + n * 7 / 3)).collect();
        let clock = Clock::from_cycles(&cycles);
        let width = clock.width(20, 22).unwrap();
        let (start, end) = (clock.at(19).unwrap(), clock.at(22).unwrap());
        let rates = Rates {
            hertz: 1e6,
            nmis: 3000.0,
            operations: 2000.0,
        };
        let period = rates.hertz / rates.operations;
        let mut state = 1;
        let mut next = 0.0;
        let (mut hits, mut operations) = (0_u32, 0_u32);
        let mut first: Vec<f64> = Vec::new();
        let mut since = 0.0;
        let mut begin = 0.0;
        while operations < 400_000 {
            let mut hit = false;
            // Arrivals before the end of this operation's period.
            while next < begin + period {
                hit |= next > begin + start && next <= begin + end;
                next += -random(&mut state).ln() * rates.hertz / rates.nmis;
            }
            operations += 1;
            if hit {
                hits += 1;
                first.push((begin + period - since) / rates.hertz);
                since = begin + period;
            }
            begin += period;
        }
        let chance = f64::from(hits) / f64::from(operations);
        let seconds = first.iter().sum::<f64>() / first.len() as f64;
        let near = |a: f64, b: f64| (a - b).abs() / b < 0.05;
        assert!(
            near(chance, rates.chance(width)),
            "{chance} {}",
            rates.chance(width)
        );
        assert!(
            near(seconds, rates.seconds(width)),
            "{seconds} {}",
            rates.seconds(width)
        );
    }
}
