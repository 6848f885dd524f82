// SPDX-License-Identifier: GPL-2.0-only
//! What each call of a row does, as the core executes it: its own accesses to events, and the
//! functions it calls in between.

use image::{Image, SymbolKind};
use machine::{
    AccessKind, End, GuestEvent, Machine, ObjectAccess, ObjectId, Objects, Observer, Ordinal,
    Schedule, Until, View,
};

use explore::{RUN_LIMIT, Setup};

const RDX: usize = 2;
const RSP: usize = 4;
const RSI: usize = 6;

/// A value that a row passes on or stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Event(ObjectId),
    Null,
    Tombstone,
    State(i32),
}

/// Something that a row does itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Access {
        access: ObjectAccess,
        /// The write that follows from the same instruction is part of it.
        rmw: bool,
    },
    Call {
        name: &'static str,
        args: Vec<Value>,
    },
    Warn,
}

/// One call of a row's function.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The function, with its version.
    pub(crate) function: String,
    /// Its events.
    pub(crate) args: Vec<Value>,
    /// `dup_master` of the first one at entry.
    pub(crate) master: Value,
    /// The first one's state and place in sharing at entry, in words.
    pub(crate) situation: String,
    /// The events whose master the first one was at entry.
    pub(crate) slaves: Vec<ObjectId>,
    pub(crate) lines: Vec<Line>,
}

/// What an argument is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Event,
    State,
}
use Kind::{Event, State};

/// The functions that rows call: symbol, name in the listing, arguments behind `self`.
const CALLEES: &[(&str, &str, &[Kind])] = &[
    ("perf_event_init_dup_master", "init_dup_master", &[Event]),
    ("perf_event_exit_dup_master", "exit_dup_master", &[Event]),
    ("event_pmu_read_dup", "read_dup", &[Event, Event]),
    ("perf_event_can_share", "can_share", &[Event]),
    ("perf_event_compatible", "compatible", &[Event, Event]),
    ("pmu_op_add", "pmu->add", &[Event]),
    ("pmu_op_del", "pmu->del", &[Event]),
    ("pmu_op_read", "pmu->read", &[Event]),
    (
        "perf_event_set_state",
        "perf_event_set_state",
        &[Event, State],
    ),
    ("copy_hw_config", "copy_hw_config", &[Event, Event]),
    ("perf_pmu_disable", "perf_pmu_disable", &[]),
    ("perf_pmu_enable", "perf_pmu_enable", &[]),
    ("perf_event_update_userpage", "update_userpage", &[Event]),
    ("userpage_owner_v11r", "userpage_owner", &[Event]),
    ("pmu_op_event_idx", "event_idx", &[Event]),
];

/// The rows whose calls are recorded, without version, and how many events they take.
const ROWS: &[(&str, usize)] = &[
    ("init_dup_master", 1),
    ("exit_dup_master", 1),
    ("read_dup", 2),
    ("setup_dup", 1),
    ("remove_dup", 1),
    ("pmu_add", 1),
    ("pmu_del", 1),
    ("pmu_read", 1),
    ("sched_out_state", 1),
    ("event_count", 1),
    ("local_value", 1),
    ("reset", 1),
    ("index", 1),
    ("userpage_owner", 1),
    ("update_sharers_userpages", 1),
];

fn row(function: &str) -> Option<usize> {
    let versions = [
        "_v10",
        "_delta",
        "_v11",
        "_v11r",
        "_v12",
        "_retry",
        "_composed",
    ];
    let row = versions.iter().find_map(|v| function.strip_suffix(v))?;
    ROWS.iter()
        .find(|(name, _)| *name == row)
        .map(|&(_, events)| events)
}

/// A function that has been entered and has not returned.
#[derive(Debug)]
struct Frame {
    function: String,
    /// RSP at entry, where the return address is.
    rsp: u64,
    ret: u64,
    /// Position of its record, if it is a row.
    record: Option<usize>,
}

/// Records the calls of rows.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) calls: Vec<Call>,
    /// The first boundary of each step.
    pub(crate) steps: Vec<Ordinal>,
    /// Functions of interrupted code and of the NMI handler.
    frames: [Vec<Frame>; 2],
}

impl Recorder {
    fn frames(&mut self, view: &View<'_>) -> &mut Vec<Frame> {
        &mut self.frames[usize::from(view.core.nmi.is_some())]
    }

    /// The record of the function at `rip`, if it is a row.
    fn running(&mut self, view: &View<'_>, rip: u64) -> Option<&mut Call> {
        let rsp = view.core.cpu.regs[RSP];
        let frames = self.frames(view);
        while frames.last().is_some_and(|frame| frame.rsp < rsp) {
            frames.pop();
        }
        let here = &view.image.function_at(rip)?.name;
        let record = frames
            .last()
            .filter(|frame| frame.function == *here)
            .and_then(|frame| frame.record);
        assert!(
            record.is_some() || row(here).is_none(),
            "{here} runs at {rip:#x}, but its entry was not seen"
        );
        Some(&mut self.calls[record?])
    }
}

fn value(view: &View<'_>, kind: Kind, raw: u64) -> Option<Value> {
    Some(match (kind, raw) {
        (State, _) => Value::State(raw as i32),
        (Event, 0) => Value::Null,
        (Event, u64::MAX) => Value::Tombstone,
        (Event, _) => match view.objects.at(raw) {
            Some((id, 0)) => Value::Event(id),
            _ => return None,
        },
    })
}

/// The arguments behind `self`, by the calling convention.
fn arguments(view: &View<'_>, name: &str, kinds: &[Kind]) -> Vec<Value> {
    let regs = &view.core.cpu.regs;
    [regs[RSI], regs[RDX]]
        .iter()
        .zip(kinds)
        .map(|(&raw, &kind)| {
            value(view, kind, raw)
                .unwrap_or_else(|| panic!("{name} is called with {raw:#x}, which is no event"))
        })
        .collect()
}

fn master_of(view: &View<'_>, event: ObjectId) -> Value {
    let raw = view.field(event, "dup_master").expect("dup_master");
    value(view, Event, raw).expect("dup_master points to an event")
}

pub(crate) fn state_name(state: i32) -> &'static str {
    match state {
        -4 => "DEAD",
        -3 => "EXIT",
        -2 => "ERROR",
        -1 => "OFF",
        0 => "INACTIVE",
        1 => "ENABLED",
        2 => "ACTIVE",
        _ => "?",
    }
}

fn state_of(view: &View<'_>, event: ObjectId) -> &'static str {
    state_name(view.field(event, "state").expect("state") as i32)
}

fn situation(view: &View<'_>, event: ObjectId, master: Value) -> String {
    let own = format!("E {}", state_of(view, event));
    match master {
        Value::Null => format!("{own}, without master"),
        Value::Tombstone => format!("{own}, its master a tombstone"),
        Value::Event(id) if id == event => {
            let active = view.field(event, "dup_active").expect("dup_active");
            format!("{own}, its own master with {active} active")
        }
        Value::Event(id) => format!("{own}, slave of M {}", state_of(view, id)),
        Value::State(_) => unreachable!("a master is an event"),
    }
}

impl Observer for Recorder {
    fn code(&mut self, view: &View<'_>) {
        let rip = view.core.cpu.rip;
        let Some(function) = view.image.function_at(rip).filter(|f| f.addr == rip) else {
            return;
        };
        let rsp = view.core.cpu.regs[RSP];
        let Ok(ret) = view.mem.read_u64(rsp) else {
            return;
        };
        let frames = self.frames(view);
        while frames.last().is_some_and(|frame| frame.rsp < rsp) {
            frames.pop();
        }
        // At the same place on the stack: who jumped here without a return address of its own, or
        // one that has returned.
        if let Some(at) = frames.iter().position(|frame| {
            frame.rsp == rsp && (frame.ret != ret || frame.function == function.name)
        }) {
            frames.truncate(at);
        }
        let caller = frames.last().and_then(|frame| frame.record);
        let function = function.name.clone();
        let record = row(&function).map(|events| {
            let args = arguments(view, &function, &[Event; 2][..events]);
            let Value::Event(event) = args[0] else {
                panic!("{function} is called without an event");
            };
            let master = master_of(view, event);
            let slaves = view.objects.iter();
            self.calls.push(Call {
                function: function.clone(),
                situation: situation(view, event, master),
                args,
                master,
                slaves: slaves
                    .filter(|&(id, o)| {
                        id != event && !o.dead && master_of(view, id) == Value::Event(event)
                    })
                    .map(|(id, _)| id)
                    .collect(),
                lines: Vec::new(),
            });
            self.calls.len() - 1
        });
        if let Some(caller) = caller {
            let (_, name, kinds) = CALLEES
                .iter()
                .find(|(symbol, ..)| *symbol == function)
                .unwrap_or_else(|| {
                    let caller = &self.calls[caller].function;
                    panic!("{caller} calls {function}, which the listings do not know")
                });
            let args = arguments(view, name, kinds);
            self.calls[caller].lines.push(Line::Call { name, args });
        }
        self.frames(view).push(Frame {
            function,
            rsp,
            ret,
            record,
        });
    }

    fn access(&mut self, view: &View<'_>, access: &ObjectAccess) {
        let Some(call) = self.running(view, access.rip) else {
            return;
        };
        if let Some(Line::Access { access: last, rmw }) = call.lines.last_mut()
            && (last.kind, access.kind) == (AccessKind::Read, AccessKind::Write)
            && (last.ordinal, last.rip, last.object, last.offset)
                == (access.ordinal, access.rip, access.object, access.offset)
        {
            *last = *access;
            *rmw = true;
            return;
        }
        call.lines.push(Line::Access {
            access: *access,
            rmw: false,
        });
    }

    fn guest_event(&mut self, view: &View<'_>, event: GuestEvent, rip: u64) {
        if let GuestEvent::Warn { .. } = event
            && let Some(call) = self.running(view, rip)
        {
            call.lines.push(Line::Warn);
        }
    }

    fn step_begin(&mut self, view: &View<'_>, _step: usize) {
        self.steps.push(view.core.ordinal);
    }

    fn syscall(&mut self, _view: &View<'_>) {
        self.frames[0].clear();
    }

    fn leave_user(&mut self, _view: &View<'_>) {
        self.frames[0].clear();
    }

    fn nmi_entry(&mut self, _view: &View<'_>) {
        self.frames[1].clear();
    }
}

/// The record of one run.
pub(crate) struct Recorded {
    pub(crate) recorder: Recorder,
    pub(crate) objects: Objects,
    pub(crate) end: End,
}

/// Runs `setup` and records it.
pub(crate) fn run(setup: &Setup, mut schedule: Schedule) -> Recorded {
    let mut machine: Machine = setup.machine().unwrap();
    let image: &Image = &setup.image;
    for symbol in image.symbols() {
        if symbol.kind == SymbolKind::Function {
            machine.watch_code(symbol.addr);
        }
    }
    let mut recorder = Recorder::default();
    let end = machine.run(
        &mut schedule,
        &mut recorder,
        Until::End { limit: RUN_LIMIT },
    );
    Recorded {
        recorder,
        objects: machine.objects().clone(),
        end,
    }
}
