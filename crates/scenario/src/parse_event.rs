// SPDX-License-Identifier: GPL-2.0-only
//! Reading the declarations of events. `like` makes another declaration's keys defaults.

use toml::{Spanned, de::DeArray};

use crate::{
    Code, Event, EventKind, OnOverflow, ReadFormat, TaskTarget,
    scenario::limits,
    suggest::nearest,
    walk::{Cx, Span, Table, Value},
};

pub(crate) const KEYS: &[&str] = &[
    "id",
    "like",
    "kind",
    "sample_period",
    "read",
    "group",
    "task",
    "cpu",
    "disabled",
    "pinned",
    "exclusive",
    "inherit",
    "inherit_stat",
    "enable_on_exec",
    "exclude_user",
    "exclude_kernel",
    "buffer",
    "on_overflow",
];
pub(crate) const READS: &[&str] = &["single", "group"];

/// A declaration that parsed, with the places that later checks point at.
pub(crate) struct Draft {
    pub(crate) event: Event,
    pub(crate) id_span: Span,
    pub(crate) group_span: Span,
    pub(crate) cpu_span: Span,
    pub(crate) overflow_span: Span,
    pub(crate) period_span: Span,
    pub(crate) buffer_span: Span,
}

/// The events of a file.
#[derive(Default)]
pub(crate) struct Events {
    /// Every id that is declared, even if its declaration has errors.
    pub(crate) ids: Vec<Spanned<String>>,
    /// The declarations without errors.
    pub(crate) drafts: Vec<Draft>,
}

impl Events {
    pub(crate) fn has(&self, id: &str) -> bool {
        self.ids.iter().any(|known| known.get_ref() == id)
    }

    pub(crate) fn draft(&self, id: &str) -> Option<&Draft> {
        self.drafts.iter().find(|draft| draft.event.id == id)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.ids.iter().map(|id| id.get_ref().as_str()).collect()
    }

    /// Reports an id that is not declared.
    pub(crate) fn check(&self, cx: &Cx, id: &str, span: Span) -> bool {
        let known = self.has(id);
        if !known {
            cx.unknown(Code::UnknownEvent, span, "event", id, &self.names());
        }
        known
    }
}

/// A table and the tables it is `like`, nearest first.
struct Chain<'a>(Vec<Table<'a>>);

impl<'a> Chain<'a> {
    fn get(&self, key: &str) -> Option<Value<'a>> {
        self.0.iter().find_map(|table| table.get(key))
    }

    fn span(&self, key: &str) -> Span {
        self.get(key)
            .map_or_else(|| self.0[0].span.clone(), Spanned::span)
    }
}

pub(crate) fn read<'a>(cx: &'a Cx, list: &'a DeArray<'a>) -> Events {
    let mut events = Events::default();
    if list.len() > limits::EVENTS
        && let Some(first) = list.get(limits::EVENTS)
    {
        cx.error(
            Code::TooMuch,
            first.span(),
            format!("{} events are declared", list.len()),
            &format!("a scenario has at most {}", limits::EVENTS),
            "",
        );
    }
    let mut injectors = 0_u8;
    // Values by position, since `like` looks back at them.
    let mut seen: Vec<(String, Value<'a>)> = Vec::new();
    for value in list.iter().take(limits::EVENTS) {
        let Some(own) = Table::new(cx, value, "the event", KEYS) else {
            continue;
        };
        let id = own.require_string("id");
        let id = id.filter(|id| cx.identifier(id, "an event"));
        if let Some(id) = &id {
            let before = events
                .ids
                .iter()
                .find(|known| known.get_ref() == id.get_ref());
            if let Some(before) = before {
                cx.push(
                    cx.diagnostic(
                        Code::Duplicate,
                        format!("the event `{}` is declared twice", id.get_ref()),
                    )
                    .label(id.span(), "again here")
                    .label(before.span(), "first here"),
                );
                continue;
            }
        }
        let chain = chain(cx, own, &seen);
        let line_span = value.span();
        if let Some(id) = &id {
            seen.push((id.get_ref().clone(), value));
            events.ids.push(id.clone());
        }
        let Some(chain) = chain else { continue };
        if let Some(draft) = event(cx, &chain, id, injectors, &line_span) {
            if draft.event.kind == EventKind::Inject {
                // At most `limits::EVENTS` events, which is less than the 256 unit masks.
                injectors += 1;
            }
            events.drafts.push(draft);
        }
    }
    events
}

fn chain<'a>(cx: &'a Cx, own: Table<'a>, seen: &[(String, Value<'a>)]) -> Option<Chain<'a>> {
    let mut tables = vec![own];
    while let Some(table) = tables.last()
        && let Some(like) = table.get("like")
    {
        let like = cx.string(like, "`like`")?;
        let found = seen.iter().find(|(id, _)| id == like.get_ref());
        let Some((_, value)) = found else {
            let names: Vec<&str> = seen.iter().map(|(id, _)| id.as_str()).collect();
            let near = nearest(like.get_ref(), names.iter().copied());
            cx.error(
                Code::UnknownEvent,
                like.span(),
                format!("no event `{}` is declared before this one", like.get_ref()),
                &near.map_or_else(String::new, |near| format!("did you mean `{near}`?")),
                "`like` copies the keys of an event that is declared above",
            );
            return None;
        };
        // An event is only seen after its own chain was built, so this ends.
        tables.push(Table::new(cx, value, "the event", KEYS)?);
    }
    Some(Chain(tables))
}

fn event(
    cx: &Cx,
    chain: &Chain<'_>,
    id: Option<Spanned<String>>,
    injector: u8,
    span: &Span,
) -> Option<Draft> {
    let flag = |key: &str| match chain.get(key) {
        None => Some(false),
        Some(value) => cx.boolean(value, &format!("`{key}`")),
    };
    let number = |key: &str, high: u64| match chain.get(key) {
        None => Some(None),
        Some(value) => cx.number(value, &format!("`{key}`"), (0, high)).map(Some),
    };
    let kind = match chain.get("kind") {
        Some(value) => kind(cx, value),
        None => {
            chain.0[0].missing("kind");
            None
        }
    };
    let period = number("sample_period", limits::PERIOD);
    let read = match chain.get("read") {
        None => Some(0),
        Some(value) => cx.word(value, "read", READS),
    };
    let group = match chain.get("group") {
        None => Some(None),
        Some(value) => cx
            .string(value, "`group`")
            .map(|name| Some(name.into_inner()).filter(|name| name != "none")),
    };
    let task = match chain.get("task") {
        None => Some(TaskTarget::Cpu),
        Some(value) => task(cx, value),
    };
    let cpu = number("cpu", limits::CPUS as u64 - 1);
    let on_overflow = match chain.get("on_overflow") {
        None => Some(OnOverflow::Output),
        Some(value) => on_overflow(cx, value),
    };
    let [
        disabled,
        pinned,
        exclusive,
        inherit,
        inherit_stat,
        enable_on_exec,
        exclude_user,
        exclude_kernel,
    ] = [
        "disabled",
        "pinned",
        "exclusive",
        "inherit",
        "inherit_stat",
        "enable_on_exec",
        "exclude_user",
        "exclude_kernel",
    ]
    .map(flag);
    let buffer = chain.get("buffer").map(|v| cx.boolean(v, "`buffer`"));

    let (kind, period) = (kind?, period?.unwrap_or(0));
    let buffer = match buffer {
        None => period != 0,
        Some(given) => given?,
    };
    Some(Draft {
        event: Event {
            id: id?.into_inner(),
            kind,
            injector: (kind == EventKind::Inject).then_some(injector),
            sample_period: period,
            read: if read? == 1 {
                ReadFormat::Group
            } else {
                ReadFormat::Single
            },
            group: group?,
            task: task?,
            cpu: cpu?.and_then(|cpu| u32::try_from(cpu).ok()),
            disabled: disabled?,
            pinned: pinned?,
            exclusive: exclusive?,
            inherit: inherit?,
            inherit_stat: inherit_stat?,
            enable_on_exec: enable_on_exec?,
            exclude_user: exclude_user?,
            exclude_kernel: exclude_kernel?,
            buffer,
            on_overflow: on_overflow?,
            line: cx.line(span),
        },
        id_span: chain.span("id"),
        group_span: chain.span("group"),
        cpu_span: chain.span("cpu"),
        overflow_span: chain.span("on_overflow"),
        period_span: chain.span("sample_period"),
        buffer_span: chain.span("buffer"),
    })
}

fn kind(cx: &Cx, value: Value<'_>) -> Option<EventKind> {
    if value.get_ref().is_table() {
        let table = Table::new(cx, value, "`kind`", &["raw"])?;
        let raw = table.require("raw")?;
        let code = cx.number(raw, "`raw`", (0, u64::from(u32::MAX)))?;
        if code & !EventKind::RAW_MASK != 0 {
            cx.error(
                Code::OutOfRange,
                raw.span(),
                "the raw event sets bits that the driver decides",
                &format!("only bits of {:#x}", EventKind::RAW_MASK),
                "rings are chosen by `exclude_user` and `exclude_kernel`",
            );
            return None;
        }
        if code & 0xff == abi::event_select::INJECTOR {
            cx.error(
                Code::Sampling,
                raw.span(),
                "this raw event is an injector",
                "",
                "declare it with `kind = \"inject\"`, so that decisions know its number",
            );
            return None;
        }
        return Some(EventKind::Raw(code));
    }
    let Some(word) = value.get_ref().as_str() else {
        cx.wrong_type(value, "`kind`", "a word or `{ raw = CODE }`");
        return None;
    };
    let found = EventKind::WORDS.iter().find(|(name, _)| *name == word);
    if found.is_none() {
        let names = EventKind::WORDS.map(|(name, _)| name);
        cx.unknown_word(value.span(), "kind", word, &names);
    }
    found.map(|(_, kind)| *kind)
}

fn task(cx: &Cx, value: Value<'_>) -> Option<TaskTarget> {
    let name = cx.string(value, "`task`")?;
    match name.get_ref().as_str() {
        "cpu" => Some(TaskTarget::Cpu),
        "current" => Some(TaskTarget::Current),
        _ => cx
            .identifier(&name, "a task")
            .then(|| TaskTarget::Task(name.into_inner())),
    }
}

fn on_overflow(cx: &Cx, value: Value<'_>) -> Option<OnOverflow> {
    if value.get_ref().is_table() {
        let table = Table::new(cx, value, "`on_overflow`", &["read_local"])?;
        let target = table.require_string("read_local")?;
        return Some(OnOverflow::ReadLocal(target.into_inner()));
    }
    if value.get_ref().is_str() {
        return cx
            .word(value, "on_overflow", &["output"])
            .map(|_| OnOverflow::Output);
    }
    cx.wrong_type(
        value,
        "`on_overflow`",
        "\"output\" or `{ read_local = ID }`",
    );
    None
}
