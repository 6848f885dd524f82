// SPDX-License-Identifier: GPL-2.0-only
//! A scenario as the file that a person would have written for it: [`crate::parse_scenario`] reads
//! from it the same scenario, lines aside. Made scenarios (found by search, made smaller) become
//! files this way, and are checked as any other file is.

use std::fmt::Write;

use crate::{
    Access, CausePattern, Expect, FORMAT, NmiSource, Op, Point, Scenario, Side, Step, SwitchTarget,
    Window, write_event::declarations,
};

/// The text of a file that means `scenario`. A header (license, `#:schema`) is the caller's matter.
///
/// The text parses if the scenario is consistent; whether it is, is for [`crate::parse_scenario`]
/// to say.
#[must_use]
pub fn write_scenario(scenario: &Scenario) -> String {
    let mut out = format!("format = {FORMAT}\n");
    let mut top = |key: &str, value: &str| line(&mut out, &format!("{key} = {}", quoted(value)));
    top("title", &scenario.title);
    let optional = [
        ("source", &scenario.source),
        ("claim", &scenario.claim),
        ("events_why", &scenario.events_why),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            top(key, value);
        }
    }
    top("machine", &scenario.machine);
    if !scenario.events.is_empty() {
        list(&mut out, "event", declarations(&scenario.events));
    }
    for program in &scenario.programs {
        line(&mut out, "\n[[cpu]]");
        list(&mut out, "program", program.steps.iter().map(step));
    }
    if scenario.programs.is_empty() {
        // No CPU is an error for the reader, who also wants the key.
        line(&mut out, "cpu = []");
    }
    if let Some(sweep) = &scenario.sweep {
        line(&mut out, "\n[sweep]");
        line(&mut out, &format!("step = {}", quoted(&sweep.step)));
        let source = source(&sweep.source);
        line(&mut out, &format!("source = {{ {source} }}"));
        if sweep.nmis != 1 {
            line(&mut out, &format!("nmis = {}", sweep.nmis));
        }
    }
    for inject in &scenario.inject {
        line(&mut out, "\n[[inject]]");
        line(&mut out, &source(&inject.source));
        line(&mut out, &format!("at = {{ {} }}", point(&inject.at)));
    }
    for (name, expect) in &scenario.expect {
        expectation(&mut out, name, expect);
    }
    out
}

impl Scenario {
    /// The scenario without the places in its file: what two files that mean the same have in
    /// common.
    #[must_use]
    pub fn without_places(mut self) -> Self {
        let steps = self.programs.iter_mut().flat_map(|p| &mut p.steps);
        steps.for_each(|step| step.line = 0);
        self.events.iter_mut().for_each(|event| event.line = 0);
        self.inject.iter_mut().for_each(|inject| inject.line = 0);
        self.sweep.iter_mut().for_each(|sweep| sweep.line = 0);
        for expect in self.expect.values_mut() {
            expect.line = 0;
            let causes = expect.baseline.iter_mut().chain(&mut expect.violates);
            causes.for_each(|cause| cause.line = 0);
        }
        self.machine_span = 0..0;
        self.expect_spans.values_mut().for_each(|span| *span = 0..0);
        self
    }

    /// A scenario of nothing but events and programs, not read from a file. Injectors are numbered
    /// and tasks collected as the reader does it.
    #[must_use]
    pub fn of_programs(
        title: String,
        machine: String,
        mut events: Vec<crate::Event>,
        programs: Vec<crate::Program>,
    ) -> Self {
        let injectors = events
            .iter_mut()
            .filter(|event| event.kind == crate::EventKind::Inject);
        for (number, event) in injectors.enumerate() {
            event.injector = u8::try_from(number).ok();
        }
        Self {
            title,
            source: None,
            claim: None,
            events_why: None,
            machine,
            tasks: Self::tasks_of(&programs, &events),
            events,
            programs,
            sweep: None,
            expect: std::collections::BTreeMap::new(),
            inject: Vec::new(),
            machine_span: 0..0,
            expect_spans: std::collections::BTreeMap::new(),
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// An array with one element a line.
fn list(out: &mut String, key: &str, elements: impl IntoIterator<Item = String>) {
    let mut elements = elements.into_iter().peekable();
    if elements.peek().is_none() {
        return line(out, &format!("{key} = []"));
    }
    line(out, &format!("{key} = ["));
    for element in elements {
        line(out, &format!("  {element},"));
    }
    line(out, "]");
}

fn step(step: &Step) -> String {
    let op = match &step.op {
        Op::Open(id)
        | Op::Close(id)
        | Op::Read(id)
        | Op::UserRead(id)
        | Op::Mmap(id)
        | Op::Probe(id)
        | Op::Fork(id)
        | Op::Switch(SwitchTarget::Task(id))
        | Op::Enable { event: id, .. }
        | Op::Disable { event: id, .. }
        | Op::Reset { event: id, .. } => quoted(id),
        Op::Switch(SwitchTarget::Idle) => quoted("idle"),
        Op::Refresh { event, n } => format!("{{ event = {}, n = {n} }}", quoted(event)),
        Op::Period { event, n } => format!("{{ event = {}, n = {n} }}", quoted(event)),
        Op::Pause { event, reset } => {
            let reset = if *reset { ", reset = true" } else { "" };
            format!("{{ event = {}{reset} }}", quoted(event))
        }
        Op::Work(n) | Op::Advance { ns: n } => n.to_string(),
        Op::Wait { step, begun } => {
            let key = if *begun { "begun" } else { "done" };
            format!("{{ {key} = {} }}", quoted(step))
        }
        Op::ExitTask | Op::Exec | Op::Offline | Op::Online | Op::Tick | Op::Exit => "{}".to_owned(),
    };
    let mut text = format!("{{ {} = {op}", step.op.name());
    if let Op::Enable { group: true, .. }
    | Op::Disable { group: true, .. }
    | Op::Reset { group: true, .. } = step.op
    {
        text += ", group = true";
    }
    if let Some(label) = &step.label {
        text += &format!(", label = {}", quoted(label));
    }
    text + " }"
}

fn source(source: &NmiSource) -> String {
    match source {
        NmiSource::Pmi(id) | NmiSource::Late(id) | NmiSource::External(id) => {
            format!("{} = {}", source.name(), quoted(id))
        }
        NmiSource::Preempt(cpu) => format!("preempt = {cpu}"),
        NmiSource::Tick => "tick = {}".to_owned(),
    }
}

fn point(point: &Point) -> String {
    let (mut text, hit, step, cpu) = match point {
        Point::Exact { cpu, ordinal, rip } => {
            let rip = rip.map_or_else(String::new, |rip| format!(", rip = {}", number(rip)));
            let ordinal = number(*ordinal);
            return format!("exact = {{ cpu = {cpu}, ordinal = {ordinal}{rip} }}");
        }
        Point::Code {
            symbol,
            offset,
            hit,
            step,
            cpu,
        } => {
            let text = format!("code = {}", quoted(&format!("{symbol}+{offset:#x}")));
            (text, hit, step, cpu)
        }
        Point::Semantic {
            side,
            access,
            hit,
            step,
            cpu,
        } => {
            let side = match side {
                Side::Before => "before",
                Side::After => "after",
            };
            let mut text = format!("{side} = {}", quoted(&place(access)));
            if let Some(row) = &access.row {
                text += &format!(", row = {}", quoted(row));
            }
            (text, hit, step, cpu)
        }
    };
    if *hit != 1 {
        let _ = write!(text, ", hit = {hit}");
    }
    if let Some(step) = step {
        let _ = write!(text, ", step = {}", quoted(step));
    }
    if let Some(cpu) = cpu {
        let _ = write!(text, ", cpu = {cpu}");
    }
    text
}

/// An access without its row.
fn place(access: &Access) -> String {
    Access {
        row: None,
        ..access.clone()
    }
    .to_string()
}

/// Decimal, or hexadecimal where TOML's own integers end.
fn number(n: u64) -> String {
    match i64::try_from(n) {
        Ok(n) => n.to_string(),
        Err(_) => format!("{n:#x}"),
    }
}

fn expectation(out: &mut String, name: &str, expect: &Expect) {
    line(out, &format!("\n[expect.{}]", key(name)));
    if expect.exact {
        line(out, "exact = true");
    }
    if let Some(words) = &expect.fails {
        line(out, &format!("fails = {}", quoted(words)));
    }
    if let Some(why) = &expect.why {
        line(out, &format!("why = {}", quoted(why)));
    }
    if !expect.baseline.is_empty() {
        list(out, "baseline", expect.baseline.iter().map(cause));
    }
    list(out, "violates", expect.violates.iter().map(cause));
}

fn cause(cause: &CausePattern) -> String {
    let mut text = format!("{{ oracle = {}", quoted(cause.oracle.name()));
    let mut put = |key: &str, value: &str| {
        let _ = write!(text, ", {key} = {value}");
    };
    if let Some(event) = &cause.event {
        put("event", &quoted(event));
    }
    if let Some(row) = &cause.row {
        put("row", &quoted(row));
    }
    if let Some(Window { from, to }) = &cause.window {
        let to = if to.row == from.row {
            place(to)
        } else {
            to.to_string()
        };
        put(
            "window",
            &format!("[{}, {}]", quoted(&from.to_string()), quoted(&to)),
        );
    }
    if let Some(place) = &cause.place {
        put("place", &quoted(place));
    }
    if let Some(claim) = &cause.claim {
        put("claim", &quoted(claim));
    }
    text + " }"
}

/// A key of a table: bare where TOML lets it be.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A basic string of TOML.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
