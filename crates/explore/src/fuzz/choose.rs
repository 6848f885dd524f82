// SPDX-License-Identifier: GPL-2.0-only
//! Where something comes in between: mostly beside an access to an event, since between two of
//! them one boundary is nearly always as good as another.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use machine::Ordinal;
use scenario::{Event, NmiSource, OnOverflow, Op, ReadFormat, Scenario, Step};

use super::context::{current_at, task_of};
use super::cover::Mark;
use super::dice::{Dice, sums};
use crate::execute::Run;
use crate::prepare::source;
use crate::sweep::Source;

/// How decisions are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Programs that showed something new are changed; places that were tried less come first.
    Coverage,
    /// Everything anew, independent of what was found.
    Random,
    /// Probabilistic concurrency testing: up to three decisions in one run, each at any access of
    /// any CPU with the same probability (Burckhardt et al., ASPLOS 2010).
    Pct,
}

impl Strategy {
    /// The names in flags and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coverage => "coverage",
            Self::Random => "random",
            Self::Pct => "pct",
        }
    }

    /// Decisions of one run.
    pub(crate) fn depth(self, dice: &mut Dice) -> usize {
        match self {
            Self::Coverage | Self::Random if dice.percent(85) => 1,
            Self::Coverage | Self::Random => 2,
            Self::Pct => 1 + dice.below(3),
        }
    }
}

/// What was interrupted, as far as it matters for not doing it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// By which kind of source.
    kind: u8,
    /// Before or behind which instruction.
    rip: u64,
    behind: bool,
    /// In which operation.
    op: u8,
    /// The state of the event that it accesses, whether that has counted, and whether the source's
    /// reader looks at it.
    state: i8,
    counted: bool,
    seen: bool,
}

/// What a campaign has learned of places so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learned {
    /// How often each has been tried.
    pub(crate) tried: BTreeMap<Place, u32>,
    /// Offsets of the fields that NMI handlers touch: only beside an access to one of these can
    /// one boundary be another than the next for them.
    pub(crate) handled: BTreeSet<u64>,
}

/// A boundary where something comes in between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    pub(crate) source: Source,
    pub(crate) cpu: usize,
    pub(crate) at: Ordinal,
    pub(crate) place: Option<Place>,
    /// Position in the order of time.
    order: usize,
}

/// A number for a kind of source.
pub(crate) fn kind(source: Source) -> u8 {
    match source {
        Source::Pmi(_) => 0,
        Source::Late(_) => 1,
        Source::External => 2,
        Source::Tick => 3,
        Source::Preempt(_) => 4,
    }
}

/// What can come in between in a scenario, each with its weight.
pub(crate) fn sources(scenario: &Scenario) -> Vec<(u64, Source)> {
    let mut all: Vec<(u64, NmiSource)> = Vec::new();
    let opened = |id: &str| scenario.opener(id).is_some();
    for event in scenario.events.iter().filter(|e| e.is_injector()) {
        if opened(&event.id) {
            all.push((6, NmiSource::Pmi(event.id.clone())));
            all.push((2, NmiSource::Late(event.id.clone())));
        }
    }
    let mut steps = scenario.programs.iter().flat_map(|program| &program.steps);
    let probed = steps.find_map(|step| match &step.op {
        Op::Probe(event) => Some(event.clone()),
        _ => None,
    });
    all.extend(probed.map(|event| (6, NmiSource::External(event))));
    let cpus = scenario.programs.len() as u32;
    all.extend(
        (0..cpus)
            .filter(|_| cpus > 1)
            .map(|cpu| (6, NmiSource::Preempt(cpu))),
    );
    all.push((1, NmiSource::Tick));
    all.iter()
        .filter_map(|(weight, from)| Some((*weight, source(scenario, from)?)))
        .collect()
}

/// What each injector's reader looks at, by what the injector counts.
fn readers(scenario: &Scenario) -> BTreeMap<u64, Vec<&str>> {
    let injectors = scenario.events.iter().filter(|event| event.is_injector());
    let reader = |injector: &'_ Event| {
        let Source::Pmi(code) = source(scenario, &NmiSource::Pmi(injector.id.clone()))? else {
            return None;
        };
        let leader = injector.group.as_ref().unwrap_or(&injector.id);
        let looks_at = |event: &&Event| match &injector.on_overflow {
            OnOverflow::ReadLocal(target) => event.id == *target,
            _ if injector.read == ReadFormat::Group => {
                event.id == *leader || event.group.as_ref() == Some(leader)
            }
            _ => event.id == injector.id,
        };
        let events = scenario.events.iter().filter(looks_at);
        Some((code, events.map(|event| event.id.as_str()).collect()))
    };
    injectors.filter_map(reader).collect()
}

/// Sources that are drawn for one spot, at most.
const TRIES: usize = 4;

/// What the injectors among these count, in their order.
pub(crate) fn codes(sources: &[(u64, Source)]) -> Vec<u64> {
    let pmi = sources.iter().filter_map(|(_, source)| match source {
        Source::Pmi(code) => Some(*code),
        _ => None,
    });
    pmi.collect()
}

/// The places of a run at which a decision can be.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    scenario: &'a Scenario,
    marks: &'a [Mark],
    run: &'a Run,
    sources: &'a [(u64, Source)],
    codes: Vec<u64>,
    readers: BTreeMap<u64, Vec<&'a str>>,
    strategy: Strategy,
    learned: &'a Learned,
    /// By source: sums of the weights of all marks, before and behind each.
    sums: RefCell<BTreeMap<usize, Vec<u64>>>,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(
        scenario: &'a Scenario,
        (marks, run): (&'a [Mark], &'a Run),
        sources: &'a [(u64, Source)],
        (strategy, learned): (Strategy, &'a Learned),
    ) -> Self {
        Self {
            scenario,
            marks,
            run,
            sources,
            codes: codes(sources),
            readers: readers(scenario),
            strategy,
            learned,
            sums: RefCell::default(),
        }
    }

    /// A spot at or behind the mark with number `from`.
    pub(crate) fn spot(&self, dice: &mut Dice, from: usize) -> Option<Spot> {
        // A source that can do nothing here gives none: another one may.
        (0..TRIES).find_map(|_| self.spot_of_one(dice, from))
    }

    fn spot_of_one(&self, dice: &mut Dice, from: usize) -> Option<Spot> {
        let weights = self.sources.iter().map(|(weight, _)| *weight);
        let chosen = dice.weighted(weights)?;
        let source = self.sources.get(chosen)?.1;
        // Now and then anywhere at all.
        if from == 0 && dice.percent(8) {
            return self.anywhere(dice, source);
        }
        let mut all = self.sums.borrow_mut();
        let sums = all.entry(chosen).or_insert_with(|| self.sums_of(source));
        let chosen = dice.of_sums(sums, 2 * from)?;
        let (order, behind) = (chosen / 2, chosen % 2 == 1);
        let mark = self.marks.get(order)?;
        Some(Spot {
            source,
            cpu: mark.cpu,
            at: mark.ordinal + u64::from(behind),
            place: Some(self.place(source, mark, behind)),
            order,
        })
    }

    fn sums_of(&self, source: Source) -> Vec<u64> {
        let both = self.marks.iter().flat_map(|mark| {
            let has = |bits: u8, code| {
                let at = self.codes.iter().position(|&own| own == code);
                at.is_none_or(|at| bits >> at & 1 != 0)
            };
            let fits = match source {
                Source::Preempt(to) => to != mark.cpu,
                Source::External => {
                    let (any, last) = self.probes(mark);
                    last.is_some() || !any
                }
                Source::Pmi(code) => has(mark.armed, code),
                Source::Late(code) => has(mark.late, code),
                Source::Tick => true,
            };
            [false, true].map(|behind| {
                if fits {
                    self.weight(source, mark, behind)
                } else {
                    0
                }
            })
        });
        sums(both)
    }

    fn weight(&self, source: Source, mark: &Mark, behind: bool) -> u64 {
        let place = self.place(source, mark, behind);
        let write = if mark.write { 4 } else { 1 };
        let seen = match (place.seen, place.counted) {
            (true, true) => 6,
            (true, false) => 3,
            (false, _) => 1,
        };
        match self.strategy {
            Strategy::Pct => 1,
            // Nothing of what was learned: shards would not be parts of one campaign.
            Strategy::Random => write * seen,
            Strategy::Coverage => {
                let nmi = !matches!(source, Source::Tick | Source::Preempt(_));
                let idle = nmi && !self.learned.handled.contains(&mark.offset);
                let base = if idle { 1 } else { 2 * write * seen };
                let times = self.learned.tried.get(&place).copied().unwrap_or(0);
                1 + base * 256 / (1 + u64::from(times))
            }
        }
    }

    fn place(&self, source: Source, mark: &Mark, behind: bool) -> Place {
        let program = self.scenario.programs.get(mark.cpu);
        let op = program.and_then(|p| Some(p.steps.get(mark.step)?.op.name()));
        let op = Op::NAMES.iter().position(|name| Some(*name) == op);
        Place {
            kind: kind(source),
            rip: mark.rip,
            behind,
            op: op.unwrap_or(0) as u8,
            state: mark.state,
            counted: mark.counted,
            seen: self.seen(source, mark),
        }
    }

    /// Does the source's reader look at what is accessed there?
    fn seen(&self, source: Source, mark: &Mark) -> bool {
        let name = &self.run.objects.get(mark.object).name;
        // Children count for the event that they are inherited from.
        let event = name.split('.').next().unwrap_or_default();
        match source {
            Source::Tick | Source::Preempt(_) => true,
            Source::External => self.probes(mark).1 == Some(event) && self.is_local(event, mark),
            Source::Pmi(code) | Source::Late(code) => {
                let reader = self.readers.get(&code);
                reader.is_some_and(|events| events.contains(&event)) && self.is_local(event, mark)
            }
        }
    }

    /// Can the event be read there with interrupts off (`perf_event_read_local`)?
    fn is_local(&self, event: &str, mark: &Mark) -> bool {
        let steps = |cpu: usize| &self.scenario.programs[cpu].steps;
        let opened = self.scenario.opener(event).and_then(|cpu| {
            let opens = |step: &Step| matches!(&step.op, Op::Open(id) if id == event);
            let at = steps(cpu).iter().position(opens)?;
            Some((cpu, current_at(steps(cpu), at)))
        });
        let (Some(event), Some((cpu, opener))) = (self.scenario.event(event), opened) else {
            return false;
        };
        match task_of(event, opener) {
            None => event.cpu.map_or(cpu, |cpu| cpu as usize) == mark.cpu,
            task => task == current_at(steps(mark.cpu), mark.step),
        }
    }

    /// Has this CPU a `probe` step at all, and whom does the last one before the mark look at?
    fn probes(&self, mark: &Mark) -> (bool, Option<&'a str>) {
        let scenario: &'a Scenario = self.scenario;
        let program = scenario.programs.get(mark.cpu);
        let steps = program.map_or(&[][..], |program| &program.steps);
        let probed = |step: &'a Step| match &step.op {
            Op::Probe(event) => Some(event.as_str()),
            _ => None,
        };
        let before = &steps[..mark.step.min(steps.len())];
        (
            steps.iter().any(|step| probed(step).is_some()),
            before.iter().rev().find_map(probed),
        )
    }

    fn anywhere(&self, dice: &mut Dice, source: Source) -> Option<Spot> {
        let cpu = dice.below(self.scenario.programs.len());
        let ranges: Vec<(Ordinal, Ordinal)> = self
            .run
            .log
            .cpu(cpu)
            .kernel
            .iter()
            .copied()
            .flatten()
            .collect();
        let &(first, last) = dice.pick(&ranges)?;
        let at = first + dice.below(usize::try_from(last - first).ok()? + 1) as u64;
        let order = self
            .marks
            .iter()
            .position(|mark| mark.cpu == cpu && mark.ordinal >= at)
            .unwrap_or(self.marks.len());
        let fits = !matches!(source, Source::Preempt(to) if to == cpu);
        fits.then_some(Spot {
            source,
            cpu,
            at,
            place: None,
            order,
        })
    }
}

/// The spots in the order in which a run comes to them, each once.
pub(crate) fn in_order(mut spots: Vec<Spot>) -> Vec<Spot> {
    spots.sort_by_key(|spot| (spot.order, spot.cpu, spot.at, kind(spot.source)));
    spots.dedup_by_key(|spot| (spot.cpu, spot.at, kind(spot.source)));
    spots
}
