// SPDX-License-Identifier: GPL-2.0-only
//! Declarations of events as a person would write them: keys that have their defaults are left out,
//! and `like` stands where it makes the declaration shorter.

use std::collections::BTreeMap;

use crate::{
    Event, EventKind, OnOverflow, ReadFormat, TaskTarget, parse_event::KEYS, write::quoted,
};

/// What a file says of an event: key to value as text. Keys with their defaults are not in it.
type Keys = BTreeMap<&'static str, String>;

/// One line for each event, in order.
pub(crate) fn declarations(events: &[Event]) -> Vec<String> {
    // What each declaration means when `like` is followed, by id.
    let mut above: Vec<(&Event, Keys)> = Vec::new();
    let mut lines = Vec::new();
    for event in events {
        let wanted = keys(event);
        let like = above
            .iter()
            .filter(|(base, _)| base.kind == event.kind)
            .filter_map(|(base, resolved)| {
                Some((base.id.as_str(), over(event, &wanted, resolved)?, resolved))
            })
            // The shortest, and of these the first. On a tie `like` says more: equal attributes are
            // what sharing is about.
            .min_by_key(|(_, own, _)| own.len())
            .filter(|(_, own, _)| own.len() < wanted.len() && wanted.len() > 1);
        let (base, own, resolved) = match like {
            Some((base, own, resolved)) => {
                let mut all = resolved.clone();
                all.extend(own.clone());
                (Some(base), own, all)
            }
            None => (None, wanted.clone(), wanted),
        };
        let mut words = vec![format!("id = {}", quoted(&event.id))];
        words.extend(base.map(|base| format!("like = {}", quoted(base))));
        // In the order in which the documentation lists the keys.
        let given = KEYS.iter().filter_map(|key| Some((key, own.get(key)?)));
        words.extend(given.map(|(key, value)| format!("{key} = {value}")));
        lines.push(format!("{{ {} }}", words.join(", ")));
        above.push((event, resolved));
    }
    lines
}

/// The keys of `event` without `like`.
fn keys(event: &Event) -> Keys {
    let mut keys = Keys::new();
    let kind = match event.kind {
        EventKind::Raw(code) => format!("{{ raw = {code:#06x} }}"),
        kind => {
            let mut words = EventKind::WORDS.iter();
            quoted(words.find(|(_, k)| *k == kind).map_or("", |(word, _)| word))
        }
    };
    keys.insert("kind", kind);
    if event.sample_period != 0 {
        keys.insert("sample_period", event.sample_period.to_string());
    }
    if event.read == ReadFormat::Group {
        keys.insert("read", quoted("group"));
    }
    if let Some(group) = &event.group {
        keys.insert("group", quoted(group));
    }
    match &event.task {
        TaskTarget::Cpu => {}
        TaskTarget::Current => {
            keys.insert("task", quoted("current"));
        }
        TaskTarget::Task(name) => {
            keys.insert("task", quoted(name));
        }
    }
    if let Some(cpu) = event.cpu {
        keys.insert("cpu", cpu.to_string());
    }
    let flags = [
        ("disabled", event.disabled),
        ("pinned", event.pinned),
        ("exclusive", event.exclusive),
        ("inherit", event.inherit),
        ("inherit_stat", event.inherit_stat),
        ("enable_on_exec", event.enable_on_exec),
        ("exclude_user", event.exclude_user),
        ("exclude_kernel", event.exclude_kernel),
    ];
    for (key, _) in flags.into_iter().filter(|(_, on)| *on) {
        keys.insert(key, "true".to_owned());
    }
    if event.buffer != event.is_sampling() {
        keys.insert("buffer", event.buffer.to_string());
    }
    if let OnOverflow::ReadLocal(target) = &event.on_overflow {
        let target = quoted(target);
        keys.insert("on_overflow", format!("{{ read_local = {target} }}"));
    }
    keys
}

/// What `event` must say when it is like one that means `base`; `None` if it cannot be.
fn over(event: &Event, wanted: &Keys, base: &Keys) -> Option<Keys> {
    let mut own = Keys::new();
    for key in KEYS {
        match (wanted.get(key), base.get(key)) {
            (None, None) => {}
            (Some(wanted), Some(base)) if wanted == base => {}
            (Some(wanted), _) => {
                own.insert(key, wanted.clone());
            }
            (None, Some(_)) => {
                own.insert(key, default(event, key)?);
            }
        }
    }
    Some(own)
}

/// The default of a key as text; a CPU has none.
fn default(event: &Event, key: &str) -> Option<String> {
    Some(match key {
        "sample_period" => "0".to_owned(),
        "read" => quoted("single"),
        "group" => quoted("none"),
        "task" => quoted("cpu"),
        "on_overflow" => quoted("output"),
        "buffer" => event.is_sampling().to_string(),
        "cpu" | "kind" => return None,
        _ => "false".to_owned(),
    })
}
