// SPDX-License-Identifier: GPL-2.0-only
//! Whole programs by chance: events with attributes and groups, tasks, CPUs, and what is done with
//! them. Whether a result is a valid scenario is for the parser of scenario files to say; what is
//! made here mostly is.

use std::collections::BTreeMap;

use scenario::{
    Event, EventKind, OnOverflow, Op, Program, ReadFormat, Scenario, Step, SwitchTarget, TaskTarget,
};

use super::context::{target, task_of};
use super::dice::Dice;

/// Operations of one program, at least and at most.
const STEPS: (usize, usize) = (5, 14);
/// Events that are open at once on one CPU, at most.
const OPEN_MAX: usize = 7;
/// Of a hundred events without a group, those that are opened in the context of an open one.
const JOINS: usize = 25;

/// Names of counting events, in the order of their making.
const NAMES: [&str; 16] = [
    "A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "M", "N", "O", "P", "Q",
];
/// Names of injectors.
const INJECTORS: [&str; 2] = ["L", "L2"];
/// Names of tasks.
const TASKS: [&str; 4] = ["T", "U", "V", "W"];

/// A scenario on `machine` with at most so many CPUs.
pub(crate) fn generate(dice: &mut Dice, title: &str, machine: &str, cpus: usize) -> Scenario {
    let mut maker = Maker {
        styles: Vec::new(),
        events: Vec::new(),
        tasks_of: BTreeMap::new(),
        tasks: 0,
        hotplug: false,
        dice,
    };
    let styles = 1 + maker.dice.below(2);
    for _ in 0..styles {
        let style = maker.style();
        maker.styles.push(style);
    }
    let cpus = if cpus > 1 && maker.dice.percent(40) {
        2
    } else {
        1
    };
    maker.hotplug = cpus == 1 && maker.dice.percent(6);
    let mut programs = vec![maker.program()];
    if cpus > 1 {
        let second = maker.other_program(&mut programs[0]);
        programs.push(second);
    }
    let events = maker.events;
    Scenario::of_programs(title.to_owned(), machine.to_owned(), events, programs)
}

/// A step without a label.
pub(crate) fn step(op: Op) -> Step {
    Step {
        op,
        label: None,
        line: 0,
    }
}

/// What has been made so far.
struct Maker<'d> {
    dice: &'d mut Dice,
    /// Attributes that events are opened with, so that some are equal.
    styles: Vec<Event>,
    events: Vec<Event>,
    /// By event: the task that it counts, none for a CPU's.
    tasks_of: BTreeMap<String, Option<String>>,
    /// Tasks that have a name so far.
    tasks: usize,
    /// The CPU goes away and comes back, and there are no groups: `group_leader` of what was a
    /// member dangles then, in mainline too (known.toml, oracle `freed`), and every read spins.
    hotplug: bool,
}

/// One CPU while its program is made.
#[derive(Default)]
struct Cpu {
    number: u32,
    steps: Vec<Step>,
    /// Events that are open.
    open: Vec<String>,
    /// The task that runs.
    current: Option<String>,
    /// Tasks that live.
    alive: Vec<String>,
}

impl Maker<'_> {
    /// Attributes of a counting event.
    fn style(&mut self) -> Event {
        const KINDS: [(u64, EventKind); 7] = [
            (20, EventKind::Instructions),
            (8, EventKind::Branches),
            (6, EventKind::Cycles),
            (2, EventKind::RefCycles),
            (2, EventKind::CpuClock),
            (1, EventKind::BranchMisses),
            // The branches again, by their code.
            (1, EventKind::Raw(0x00c4)),
        ];
        let kind = self.dice.weighted(KINDS.iter().map(|(weight, _)| *weight));
        let mut style = Event::plain("", KINDS[kind.unwrap_or(0)].1);
        style.exclude_kernel = self.dice.percent(70);
        style.exclude_user = !style.exclude_kernel && self.dice.percent(10);
        style.disabled = self.dice.percent(12);
        style.pinned = self.dice.percent(8);
        style.exclusive = self.dice.percent(3);
        style.inherit = self.dice.percent(15);
        style.inherit_stat = style.inherit && self.dice.percent(20);
        style.enable_on_exec = style.disabled && self.dice.percent(30);
        if self.dice.percent(25) && !style.inherit {
            style.read = ReadFormat::Group;
        }
        style
    }

    fn program(&mut self) -> Program {
        let mut cpu = Cpu::default();
        if self.dice.percent(35) {
            self.switch_to_new(&mut cpu);
        }
        let first = self.dice.below(100);
        if first < 85 {
            self.open_injector(&mut cpu);
        }
        if self.dice.percent(90) {
            self.open(&mut cpu);
        }
        if self.dice.percent(50) {
            self.on_event(&mut cpu, Op::Probe);
        }
        let least = cpu.steps.len() + STEPS.0;
        let most = least + self.dice.below(STEPS.1 - STEPS.0);
        self.fill(&mut cpu, most);
        Program { steps: cpu.steps }
    }

    /// A program that uses events of the first one, behind the last of whose first steps it begins.
    fn other_program(&mut self, first: &mut Program) -> Program {
        let mut cpu = Cpu {
            number: 1,
            ..Cpu::default()
        };
        let opens: Vec<usize> = (0..first.steps.len())
            .filter(|&at| matches!(first.steps[at].op, Op::Open(_)))
            .collect();
        let shared = opens.len().min(1 + self.dice.below(3));
        if let Some(&last) = opens.get(shared.wrapping_sub(1)) {
            first.steps[last].label = Some("ready".to_owned());
            cpu.steps.push(step(Op::Wait {
                step: "ready".to_owned(),
                begun: false,
            }));
            for &at in &opens[..shared] {
                if let Op::Open(id) = &first.steps[at].op {
                    cpu.open.push(id.clone());
                }
            }
        }
        if self.dice.percent(30) {
            self.switch_to_new(&mut cpu);
        }
        let most = cpu.steps.len() + 2 + self.dice.below(6);
        self.fill(&mut cpu, most);
        Program { steps: cpu.steps }
    }

    fn fill(&mut self, cpu: &mut Cpu, most: usize) {
        // Something that cannot be done makes no step.
        for _ in 0..4 * most {
            if cpu.steps.len() >= most {
                break;
            }
            self.act(cpu);
        }
    }

    /// One more operation.
    fn act(&mut self, cpu: &mut Cpu) {
        type Act<'d> = fn(&mut Maker<'d>, &mut Cpu);
        let acts: [(u64, Act<'_>); 21] = [
            (26, |m, cpu| m.open(cpu)),
            (3, |m, cpu| m.open_injector(cpu)),
            (18, |m, cpu| m.work(cpu)),
            (12, |m, cpu| m.on_event(cpu, Op::Read)),
            (12, |m, cpu| m.close(cpu)),
            (6, |m, cpu| {
                let group = m.dice.percent(20);
                m.on_event(cpu, |event| Op::Enable { event, group });
            }),
            (7, |m, cpu| {
                let group = m.dice.percent(20);
                m.on_event(cpu, |event| Op::Disable { event, group });
            }),
            (3, |m, cpu| {
                let group = m.dice.percent(20);
                m.on_event(cpu, |event| Op::Reset { event, group });
            }),
            (2, |m, cpu| {
                let reset = m.dice.percent(50);
                m.on_event(cpu, |event| Op::Pause { event, reset });
            }),
            (2, |m, cpu| m.on_event(cpu, Op::Mmap)),
            (2, |m, cpu| m.on_event(cpu, Op::UserRead)),
            (6, |m, cpu| m.on_event(cpu, Op::Probe)),
            (2, |m, cpu| {
                let n = 1 + m.dice.below(3) as u32;
                m.on_event(cpu, |event| Op::Refresh { event, n });
            }),
            (4, |_, cpu| cpu.steps.push(step(Op::Tick))),
            (3, |m, cpu| {
                let ns = [1000, 1_000_000, 10_000_000][m.dice.below(3)];
                cpu.steps.push(step(Op::Advance { ns }));
            }),
            (8, |m, cpu| m.switch(cpu)),
            (4, |m, cpu| m.fork(cpu)),
            (3, |m, cpu| m.exit_task(cpu)),
            (2, |_, cpu| {
                if cpu.current.is_some() {
                    cpu.steps.push(step(Op::Exec));
                }
            }),
            (1, |m, cpu| {
                let n = m.period();
                m.on_event(cpu, |event| Op::Period { event, n });
            }),
            (8, |m, cpu| {
                if m.hotplug {
                    let back = m.dice.percent(50);
                    cpu.steps
                        .push(step(if back { Op::Online } else { Op::Offline }));
                }
            }),
        ];
        let at = self.dice.weighted(acts.iter().map(|(weight, _)| *weight));
        (acts[at.unwrap_or(0)].1)(self, cpu);
    }

    fn open(&mut self, cpu: &mut Cpu) {
        let counting = self.events.iter().filter(|e| !e.is_injector()).count();
        let Some(name) = NAMES.get(counting) else {
            return;
        };
        if cpu.open.len() >= OPEN_MAX {
            return;
        }
        let mut event = match self.styles.as_slice() {
            [first] => first.clone(),
            // Most are equal to the first.
            [first, others @ ..] if self.dice.percent(35) => {
                self.dice.pick(others).unwrap_or(first).clone()
            }
            [first, ..] => first.clone(),
            [] => return,
        };
        if self.dice.percent(8) {
            event = self.style();
        }
        event.id = (*name).to_owned();
        if self.dice.percent(5) && !event.inherit && event.kind == EventKind::Instructions {
            event.sample_period = self.period();
            event.buffer = self.dice.percent(75);
        }
        let leader = if !self.hotplug && self.dice.percent(45) {
            self.leader(cpu)
        } else {
            None
        };
        if let Some(leader) = leader {
            self.join(cpu, &mut event, &leader);
            event.group = Some(leader.id.clone());
            (event.pinned, event.exclusive) = (false, false);
            if event.task != TaskTarget::Cpu {
                event.inherit = leader.inherit;
                event.inherit_stat &= event.inherit;
                if event.inherit {
                    (event.sample_period, event.buffer) = (0, false);
                }
            }
        } else {
            self.context(cpu, &mut event);
        }
        self.opened(cpu, event);
    }

    /// An event that another one can join: mostly a sampling one.
    fn leader(&mut self, cpu: &Cpu) -> Option<Event> {
        let leaders: Vec<&Event> = self
            .events
            .iter()
            .filter(|e| e.group.is_none() && cpu.open.contains(&e.id))
            .collect();
        let sampling = leaders.iter().find(|e| e.is_injector());
        if let Some(sampling) = sampling
            && self.dice.percent(75)
        {
            return Some((*sampling).clone());
        }
        self.dice.pick(&leaders).map(|e| (*e).clone())
    }

    /// Whose events: the CPU's, the running task's, another task's, or those of an event that is
    /// open: only events of one context share.
    fn context(&mut self, cpu: &Cpu, event: &mut Event) {
        if self.dice.percent(JOINS)
            && let Some(id) = self.dice.pick(&cpu.open)
            && let Some(model) = self.events.iter().find(|e| e.id == *id)
        {
            self.join(cpu, event, model);
            return;
        }
        if cpu.current.is_some() && self.dice.percent(75) {
            event.task = TaskTarget::Current;
        } else if self.dice.percent(8)
            && let Some(task) = self.dice.pick(&cpu.alive)
        {
            event.task = TaskTarget::Task(task.clone());
        } else {
            event.task = TaskTarget::Cpu;
        }
        event.cpu = self.dice.percent(8).then_some(cpu.number);
    }

    /// Into the context of `model`.
    fn join(&self, cpu: &Cpu, event: &mut Event, model: &Event) {
        event.cpu = model.cpu;
        let task = self.tasks_of.get(&model.id).and_then(Option::as_deref);
        event.task = target(task, cpu.current.as_deref());
    }

    fn opened(&mut self, cpu: &mut Cpu, event: Event) {
        let task = task_of(&event, cpu.current.as_deref()).map(str::to_owned);
        self.tasks_of.insert(event.id.clone(), task);
        cpu.steps.push(step(Op::Open(event.id.clone())));
        cpu.open.push(event.id.clone());
        self.events.push(event);
    }

    /// A period that a program of this size can come to.
    fn period(&mut self) -> u64 {
        300 + self.dice.below(3000) as u64
    }

    fn open_injector(&mut self, cpu: &mut Cpu) {
        let there = self.events.iter().filter(|e| e.is_injector()).count();
        let Some(name) = INJECTORS.get(there) else {
            return;
        };
        let mut event = Event::plain(name, EventKind::Inject);
        event.sample_period = 2;
        event.buffer = true;
        if self.dice.percent(85) {
            event.read = ReadFormat::Group;
        }
        event.pinned = self.dice.percent(5);
        self.context(cpu, &mut event);
        if self.dice.percent(20)
            && let Some(target) = self.dice.pick(&cpu.open)
            && self.events.iter().any(|e| e.id == *target && !e.inherit)
        {
            event.on_overflow = OnOverflow::ReadLocal(target.clone());
        }
        self.opened(cpu, event);
    }

    fn work(&mut self, cpu: &mut Cpu) {
        let n = [100, 1000, 1000, 3000][self.dice.below(4)];
        cpu.steps.push(step(Op::Work(n)));
    }

    fn on_event(&mut self, cpu: &mut Cpu, op: impl FnOnce(String) -> Op) {
        let Some(id) = self.dice.pick(&cpu.open) else {
            return;
        };
        let op = op(id.clone());
        let fits = self.events.iter().any(|e| {
            e.id == *id
                && match op {
                    Op::Refresh { .. } | Op::Period { .. } => e.is_sampling(),
                    Op::Mmap(_) | Op::UserRead(_) | Op::Probe(_) => !e.is_sampling() && !e.inherit,
                    // In the kernel only: it warns of inherited events.
                    Op::Pause { .. } => !e.inherit,
                    _ => true,
                }
        });
        let mapped = |id: &String| {
            let maps = |step: &Step| matches!(&step.op, Op::Mmap(mapped) if mapped == id);
            cpu.steps.iter().any(maps)
        };
        let sound = match &op {
            Op::Mmap(id) => !mapped(id),
            Op::UserRead(id) => mapped(id),
            _ => true,
        };
        if fits && sound {
            cpu.steps.push(step(op));
        }
    }

    fn close(&mut self, cpu: &mut Cpu) {
        if cpu.open.is_empty() {
            return;
        }
        let at = self.dice.below(cpu.open.len());
        let id = cpu.open.remove(at);
        cpu.steps.push(step(Op::Close(id)));
    }

    fn switch_to_new(&mut self, cpu: &mut Cpu) {
        if let Some(name) = TASKS.get(self.tasks) {
            self.tasks += 1;
            cpu.alive.push((*name).to_owned());
            cpu.current = Some((*name).to_owned());
            let target = SwitchTarget::Task((*name).to_owned());
            cpu.steps.push(step(Op::Switch(target)));
        }
    }

    fn switch(&mut self, cpu: &mut Cpu) {
        let others: Vec<String> = cpu
            .alive
            .iter()
            .filter(|task| Some(*task) != cpu.current.as_ref())
            .cloned()
            .collect();
        match self.dice.pick(&others) {
            Some(task) if self.dice.percent(60) => {
                let target = SwitchTarget::Task(task.clone());
                cpu.steps.push(step(Op::Switch(target)));
                cpu.current = Some(task.clone());
            }
            _ if cpu.current.is_some() && self.dice.percent(60) => {
                cpu.steps.push(step(Op::Switch(SwitchTarget::Idle)));
                cpu.current = None;
            }
            _ => self.switch_to_new(cpu),
        }
    }

    fn fork(&mut self, cpu: &mut Cpu) {
        if cpu.current.is_none() {
            return;
        }
        if let Some(name) = TASKS.get(self.tasks) {
            self.tasks += 1;
            cpu.alive.push((*name).to_owned());
            cpu.steps.push(step(Op::Fork((*name).to_owned())));
        }
    }

    fn exit_task(&mut self, cpu: &mut Cpu) {
        if let Some(task) = cpu.current.take() {
            cpu.alive.retain(|alive| *alive != task);
            cpu.steps.push(step(Op::ExitTask));
        }
    }
}
