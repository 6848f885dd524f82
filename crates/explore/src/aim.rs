// SPDX-License-Identifier: GPL-2.0-only
//! A sweep of another step, or by another source, than a scenario's file says.

use scenario::{NmiSource, Op, Scenario, Step, Sweep};

/// The label of a step that has none.
const LABEL: &str = "swept";

/// What can come in between in a step of `cpu`: the PMI of every injector, prompt and late; an NMI
/// from elsewhere that reads any event which is open before the step, the oldest first, and which
/// `perf_event_read_local` takes, as an overflow handler of an injector could (readers R1 and R2,
/// contract section 2); the timer; every other CPU.
#[must_use]
pub fn sources_at(scenario: &Scenario, (cpu, step): (usize, usize)) -> Vec<NmiSource> {
    let mut all = Vec::new();
    for event in scenario.events.iter().filter(|event| event.is_injector()) {
        all.push(NmiSource::Pmi(event.id.clone()));
        all.push(NmiSource::Late(event.id.clone()));
    }
    let steps = scenario.programs.get(cpu).map_or(&[][..], |p| &p.steps);
    let before = &steps[..step.min(steps.len())];
    let mut open: Vec<&str> = Vec::new();
    for step in before {
        match &step.op {
            Op::Open(event) => open.push(event),
            Op::Close(event) => open.retain(|id| id != event),
            _ => {}
        }
    }
    let readable = open.into_iter().filter(|id| {
        let event = scenario.event(id);
        event.is_some_and(|event| !event.is_injector() && !event.inherit)
    });
    all.extend(readable.map(|id| NmiSource::External(id.to_owned())));
    all.push(NmiSource::Tick);
    let others = (0..scenario.programs.len()).filter(|other| *other != cpu);
    all.extend(others.filter_map(|other| Some(NmiSource::Preempt(u32::try_from(other).ok()?))));
    all
}

/// The scenario with a sweep of this step by this source, and without what its file expects of its
/// own. An NMI from elsewhere gets a `probe` step before that one, so that its reader looks at the
/// event.
#[must_use]
pub fn aimed(
    scenario: &Scenario,
    (cpu, step): (usize, usize),
    source: &NmiSource,
    nmis: u32,
) -> Scenario {
    let mut aimed = scenario.clone();
    aimed.expect.clear();
    let taken = scenario.labelled(LABEL).is_some();
    let Some(program) = aimed.programs.get_mut(cpu) else {
        return aimed;
    };
    let Some(target) = program.steps.get_mut(step) else {
        return aimed;
    };
    let label = if taken {
        format!("{LABEL}2")
    } else {
        LABEL.to_owned()
    };
    let label = target.label.get_or_insert(label).clone();
    let line = target.line;
    if let NmiSource::External(event) = source {
        let probe = Step {
            op: Op::Probe(event.clone()),
            label: None,
            line,
        };
        program.steps.insert(step, probe);
    }
    aimed.sweep = Some(Sweep {
        step: label,
        source: source.clone(),
        nmis,
        line: 0,
    });
    aimed
}

#[cfg(test)]
mod tests {
    use scenario::{Event, EventKind, Program};

    use super::*;

    fn program() -> Scenario {
        let mut injector = Event::plain("L", EventKind::Inject);
        injector.sample_period = 2;
        let events = vec![
            injector,
            Event::plain("A", EventKind::Instructions),
            Event::plain("B", EventKind::Instructions),
        ];
        let ops = [
            Op::Open("L".to_owned()),
            Op::Open("A".to_owned()),
            Op::Open("B".to_owned()),
            Op::Close("A".to_owned()),
            Op::Read("B".to_owned()),
        ];
        let steps = ops.into_iter().map(|op| Step {
            op,
            label: None,
            line: 0,
        });
        let steps = steps.collect();
        let title = "aim".to_owned();
        let machine = "skylake".to_owned();
        Scenario::of_programs(title, machine, events, vec![Program { steps }])
    }

    fn words(scenario: &Scenario, step: usize) -> Vec<String> {
        let all = sources_at(scenario, (0, step));
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sources_are_those_of_what_is_open() {
        let scenario = program();
        assert_eq!(words(&scenario, 0), ["pmi L", "late L", "tick"]);
        assert_eq!(
            words(&scenario, 3),
            ["pmi L", "late L", "external A", "external B", "tick"]
        );
        assert_eq!(
            words(&scenario, 4),
            ["pmi L", "late L", "external B", "tick"]
        );
    }

    #[test]
    fn the_result_is_a_valid_file() {
        let scenario = program();
        let external = NmiSource::External("B".to_owned());
        let text = scenario::write_scenario(&aimed(&scenario, (0, 3), &external, 2));
        let read = scenario::parse_scenario(&scenario::Source::new("aimed.toml", &text));
        let read = read.unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        let sweep = read.sweep.clone().unwrap();
        assert_eq!((sweep.source, sweep.nmis), (external, 2));
        let (cpu, step) = read.labelled(&sweep.step).unwrap();
        assert_eq!((cpu, step), (0, 4));
        assert_eq!(read.programs[0].steps[3].op, Op::Probe("B".to_owned()));
    }
}
