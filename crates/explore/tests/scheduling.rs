// SPDX-License-Identifier: GPL-2.0-only
//! What the scenarios of `sched`, `groups` and `tasks` are about really happens in them. The
//! oracles judge counts by what the guest scheduled; that a group was off, an event throttled or a
//! master ENABLED is held here.

mod common;

use abi::guest_call::Reader;
use abi::syscall;
use common::{Shipped, text_of};
use explore::{Execution, RUN_LIMIT, execute};
use machine::{AccessKind, GuestEvent, ObjectAccess, Observer, Outcome, Schedule, Until, View};

const RAX: usize = 0;
const RSI: usize = 6;
const RDI: usize = 7;

/// A read(2): the event and the words that the user got.
#[derive(Debug)]
struct Read {
    event: String,
    words: Vec<u64>,
}

impl Read {
    fn value(&self) -> u64 {
        self.words[0]
    }
    /// Enabled and running time of a single event.
    fn times(&self) -> (u64, u64) {
        (self.words[1], self.words[2])
    }
    /// Enabled and running time of a group.
    fn group_times(&self) -> (u64, u64) {
        (self.words[1], self.words[2])
    }
    /// Values of a group, leader first.
    fn group_values(&self) -> Vec<u64> {
        (0..self.words[0] as usize)
            .map(|i| self.words[3 + 2 * i])
            .collect()
    }
}

#[derive(Default)]
struct Reads {
    call: Option<(String, u64)>,
    done: Vec<Read>,
    samples: usize,
}

impl Observer for Reads {
    fn guest_event(&mut self, _view: &View<'_>, event: GuestEvent, _rip: u64) {
        if let GuestEvent::Value {
            reader: Reader::Sample,
            ..
        } = event
        {
            self.samples += 1;
        }
    }
    fn syscall(&mut self, view: &View<'_>) {
        let regs = &view.core.cpu.regs;
        self.call = (regs[RAX] == syscall::READ).then(|| {
            let object = view.objects.by_fd(regs[RDI]).expect("an open event");
            (view.objects.get(object).name.to_string(), regs[RSI])
        });
    }
    fn return_to_user(&mut self, view: &View<'_>) {
        if let Some((event, buffer)) = self.call.take() {
            let words = view.core.cpu.regs[RAX] / 8;
            self.done.push(Read {
                event,
                words: (0..words)
                    .map(|i| view.mem.read_u64(buffer + 8 * i).unwrap())
                    .collect(),
            });
        }
    }
}

/// All reads of the run with the file's injections, and how many values samples held.
fn reads(shipped: &Shipped, scheduler: &str) -> (Vec<Read>, usize) {
    let prepared = shipped.prepare(scheduler);
    let mut machine = prepared.setup.machine().unwrap();
    let mut observer = Reads::default();
    machine.run(
        &mut shipped.injected(&prepared),
        &mut observer,
        Until::End { limit: RUN_LIMIT },
    );
    (observer.done, observer.samples)
}

fn of<'a>(reads: &'a [Read], event: &str) -> Vec<&'a Read> {
    reads.iter().filter(|read| read.event == event).collect()
}

fn run(shipped: &Shipped, scheduler: &str) -> Execution {
    let prepared = shipped.prepare(scheduler);
    execute(&prepared.setup, shipped.injected(&prepared)).unwrap()
}

fn plain(shipped: &Shipped, scheduler: &str) -> Execution {
    execute(&shipped.prepare(scheduler).setup, Schedule::empty()).unwrap()
}

fn outcomes(run: &Execution) -> Vec<Outcome> {
    run.outcomes.iter().map(|&(_, outcome)| outcome).collect()
}

/// The states that an event was given, in order.
fn states(run: &Execution, event: &str) -> Vec<i32> {
    state_writes(run, event).map(|a| a.new as i32).collect()
}

fn state_writes<'a>(run: &'a Execution, event: &'a str) -> impl Iterator<Item = &'a ObjectAccess> {
    run.log.cpu(0).base.iter().filter(move |a| {
        a.kind == AccessKind::Write
            && &*run.objects.get(a.object).name == event
            && run.objects.field_name(a.offset) == "state"
    })
}

const ERROR: i32 = -2;
const OFF: i32 = -1;
const INACTIVE: i32 = 0;
const ENABLED: i32 = 1;
const ACTIVE: i32 = 2;

#[test]
fn a_group_goes_off_and_on_as_a_whole() {
    let shipped = Shipped::named("groups/no-room-for-sibling.toml");
    let (reads, _) = reads(&shipped, "none");
    let groups = of(&reads, "L");
    let [before, after] = groups[..] else {
        panic!("{reads:?}")
    };
    // Off since C came: C never counted, L and A not since.
    let (enabled, running) = before.group_times();
    assert!(running < enabled, "{before:?}");
    let values = before.group_values();
    assert!(values[1] > 0 && values[2] == 0, "{values:?}");
    // On again after the tick.
    assert!(after.group_times().1 > running);
    assert!(after.group_values()[1] > values[1] && after.group_values()[2] > 0);
}

#[test]
fn a_failed_commit_takes_members_through_active_and_back() {
    let shipped = Shipped::named("groups/commit-fails.toml");
    let run = plain(&shipped, "none");
    let states = states(&run, "C");
    // Enabled; in and back; in at the tick.
    assert_eq!(states, [INACTIVE, ACTIVE, INACTIVE, ACTIVE]);
}

#[test]
fn without_a_buffer_there_is_no_sample() {
    let shipped = Shipped::named("groups/no-buffer.toml");
    let run = run(&shipped, "none");
    assert_eq!(outcomes(&run), [Outcome::Delivered, Outcome::Delivered]);
    // Of two overflows one wrote a sample, with two members.
    assert_eq!(reads(&shipped, "none").1, 2);
}

#[test]
fn the_fourth_sample_in_a_tick_stops_the_event_until_the_tick() {
    use Outcome::{Delivered, NotArmed};
    let shipped = Shipped::named("sched/throttle.toml");
    for scheduler in ["none", "v10", "delta"] {
        let run = run(&shipped, scheduler);
        assert_eq!(
            outcomes(&run),
            [
                Delivered, Delivered, Delivered, Delivered, NotArmed, Delivered
            ]
        );
        // Throttling is the driver's: the event stays ACTIVE, its group goes on.
        let on = states(&run, "L").iter().rposition(|&s| s == ACTIVE);
        assert_eq!(on, Some(states(&run, "L").len() - 1));
    }
    let (reads, _) = reads(&shipped, "none");
    let values: Vec<u64> = of(&reads, "L")
        .iter()
        .map(|read| read.group_values()[0])
        .collect();
    assert_eq!(values, [8, 10]);
}

#[test]
fn a_new_period_and_an_enable_end_throttling() {
    use Outcome::{Absorbed, Delivered, NotArmed};
    for scheduler in ["none", "v10", "delta", "v11", "v11r", "v12", "retry"] {
        // The fifth overflow brings two of the three occurrences that the new period asks for.
        let shipped = Shipped::named("sched/period-throttled.toml");
        assert_eq!(
            outcomes(&run(&shipped, scheduler)),
            [
                Delivered, Delivered, Delivered, Delivered, Absorbed, Delivered
            ]
        );
        // Throttled by the fourth; enabled anew; throttled by the eighth.
        let shipped = Shipped::named("sched/throttled-close.toml");
        let outcomes = outcomes(&run(&shipped, scheduler));
        assert_eq!(outcomes[..8], [Delivered; 8]);
        assert_eq!(outcomes[8..], [NotArmed]);
    }
}

#[test]
fn an_event_in_error_shares_again_once_it_fits() {
    let shipped = Shipped::named("sched/pinned-error-back.toml");
    for scheduler in ["none", "v10", "delta", "v11", "v11r", "v12", "retry"] {
        let run = plain(&shipped, scheduler);
        let states = states(&run, "S");
        let error = states.iter().rposition(|&s| s == ERROR).expect("S fails");
        assert_eq!(states[error + 1], OFF, "{scheduler} {states:?}");
        assert!(states[error..].contains(&ACTIVE), "{scheduler} {states:?}");
    }
}

#[test]
fn an_event_limit_disables_by_irq_work() {
    use Outcome::{Delivered, NotArmed};
    let shipped = Shipped::named("sched/refresh.toml");
    for scheduler in ["none", "v10", "delta"] {
        let run = run(&shipped, scheduler);
        assert_eq!(outcomes(&run), [Delivered, Delivered, NotArmed, Delivered]);
        let states = states(&run, "L");
        assert_eq!(
            states.iter().filter(|&&s| s == OFF).count(),
            2,
            "{states:?}"
        );
        assert_eq!(states.last(), Some(&OFF));
    }
}

/// From which states the event went OFF.
fn off_from(run: &Execution, event: &str) -> Vec<i32> {
    state_writes(run, event)
        .filter(|a| a.new as i32 == OFF)
        .map(|a| a.old as i32)
        .collect()
}

#[test]
fn pending_disable_is_taken_by_irq_work_and_by_sched_out() {
    // By irq_work: the group is scheduled out, then the leader goes OFF.
    let shipped = Shipped::named("sched/refresh.toml");
    assert_eq!(off_from(&run(&shipped, "none"), "L"), [INACTIVE, INACTIVE]);
    // The same PMI, late, inside the rescheduling: event_sched_out sees it first.
    let text = text_of("sched/refresh-enable.toml")
        + "\n[[inject]]\nlate = \"L\"\n\
           at = { before = \"read L.hw.idx\", row = \"x86_pmu_stop\", step = \"target\" }\n";
    let shipped = Shipped::parse("refresh-enable.toml", text);
    let run = run(&shipped, "none");
    assert_eq!(outcomes(&run), [Outcome::Delivered]);
    assert_eq!(off_from(&run, "L"), [ACTIVE]);
}

#[test]
fn a_pinned_event_in_error_reads_nothing_until_it_is_enabled() {
    let shipped = Shipped::named("sched/pinned-error.toml");
    for scheduler in ["none", "v10", "delta"] {
        assert!(states(&plain(&shipped, scheduler), "R").contains(&ERROR));
        let (reads, _) = reads(&shipped, scheduler);
        let lens: Vec<usize> = of(&reads, "R").iter().map(|r| r.words.len()).collect();
        assert_eq!(lens, [0, 0, 4, 4]);
        assert!(of(&reads, "R")[2].value() > 0);
        assert!(of(&reads, "R")[3].value() >= of(&reads, "R")[2].value());
    }
}

#[test]
fn rotation_gives_everyone_a_turn() {
    let shipped = Shipped::named("sched/rotation.toml");
    let (reads, _) = reads(&shipped, "none");
    let tick = 1_000_000;
    let mut turns = 0;
    for event in ["B", "C", "M"] {
        let (enabled, running) = of(&reads, event)[4].times();
        assert!((4 * tick..5 * tick).contains(&enabled), "{event} {enabled}");
        // Never all of the time, and never none of it.
        assert!(
            (tick..=3 * tick + tick / 2).contains(&running),
            "{event} {running}"
        );
        turns += (running + tick / 2) / tick;
    }
    // Two of three at any time.
    assert_eq!(turns, 8);
    // Two events in the end: room for both.
    let last = of(&reads, "B");
    let [.., before, after] = last[..] else {
        panic!()
    };
    assert!(after.value() > before.value());
}

#[test]
fn a_master_that_is_rotated_out_is_enabled_while_its_sharer_counts() {
    let shipped = Shipped::named("sched/enabled-master-rotation.toml");
    for (scheduler, enabled) in [("none", false), ("v10", true), ("delta", true)] {
        let states = states(&plain(&shipped, scheduler), "M");
        assert_eq!(states.contains(&ENABLED), enabled, "{scheduler} {states:?}");
    }
    for scheduler in ["v10", "delta"] {
        let (reads, _) = reads(&shipped, scheduler);
        let values: Vec<Vec<u64>> = of(&reads, "B").iter().map(|r| r.group_values()).collect();
        // Out between the first two reads, from a few instructions behind the first on; in again
        // before the third.
        assert!(values[1][1] < values[0][1] + 20, "{scheduler}");
        assert!(values[2][1] > values[1][1], "{scheduler}");
        let times: Vec<(u64, u64)> = of(&reads, "B").iter().map(|r| r.group_times()).collect();
        assert!(times[1].0 > times[0].0 + 400, "{scheduler}");
        assert!(times[1].1 < times[0].1 + 20, "{scheduler}");
    }
}

#[test]
fn an_exclusive_event_keeps_the_pmu_to_itself() {
    let (reads, _) = reads(&Shipped::named("sched/exclusive.toml"), "none");
    let values = |event| -> Vec<u64> { of(&reads, event).iter().map(|r| r.value()).collect() };
    let (e, b) = (values("E"), values("B"));
    let grew = |list: &[u64], i: usize| list[i] > list[i - 1];
    for i in 1..e.len() {
        assert!(grew(&e, i) != grew(&b, i), "{e:?} {b:?}");
    }
}

#[test]
fn events_of_a_task_stand_still_while_another_runs() {
    let (reads, _) = reads(&Shipped::named("tasks/switch.toml"), "none");
    let a = of(&reads, "A");
    // Read in T, in idle, in U, and in T again, before it has done anything.
    assert!(a[0].value() > 0);
    assert_eq!(a[1].value(), a[2].value());
    assert_eq!(a[1].times(), a[2].times());
    assert!(a[3].value() > a[2].value());
    let c: Vec<u64> = of(&reads, "C").iter().map(|r| r.value()).collect();
    assert!(c[0] == 0 && c[1] > 0, "{c:?}");
}
