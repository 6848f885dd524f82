// SPDX-License-Identifier: GPL-2.0-only
//! Structure layouts: which field lies at which offset, from the debug information.

use std::collections::BTreeMap;

use crate::debug_info::DebugInfo;
use crate::types::{Key, Kind, Type, Types};

/// Nesting that is flattened, at most.
const DEPTH_MAX: usize = 8;
/// Fields of one structure, at most.
const FIELDS_MAX: usize = 4096;
/// Fields of all structures, at most.
const FIELDS_TOTAL_MAX: usize = 1 << 20;

/// A field of a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Name; a field of a nested structure is dotted (`hw.prev_count`).
    pub name: String,
    /// Offset from the start of the outermost structure in bytes.
    pub offset: u64,
    /// Size in bytes.
    pub size: u64,
    /// Type with wrappers seen through, when the debug information names it.
    pub type_name: Option<String>,
}

impl Field {
    /// Whether it covers the byte at `offset`.
    #[must_use]
    pub const fn covers(&self, offset: u64) -> bool {
        offset.wrapping_sub(self.offset) < self.size
    }
}

/// A structure's size and fields. Nested structures appear as themselves and flattened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructLayout {
    /// Name (`PerfEvent`).
    pub name: String,
    /// Name with its modules (`perf_core::types::PerfEvent`).
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Fields by offset, an outer one before its parts.
    pub fields: Vec<Field>,
    /// Positions of fields, by name.
    by_name: BTreeMap<String, usize>,
    /// Positions of the innermost fields, by the bytes that they cover.
    by_byte: Vec<Option<usize>>,
}

/// Bytes of a structure whose fields are found by table; behind them the list is searched.
const TABLE_MAX: u64 = 1 << 16;

impl StructLayout {
    /// A structure with these fields, in any order.
    #[must_use]
    pub fn new(name: String, path: String, size: u64, mut fields: Vec<Field>) -> Self {
        fields.sort_by_key(|f| f.offset);
        let mut by_name = BTreeMap::new();
        for (at, field) in fields.iter().enumerate() {
            by_name.entry(field.name.clone()).or_insert(at);
        }
        let mut this = Self {
            name,
            path,
            size,
            fields,
            by_name,
            by_byte: Vec::new(),
        };
        this.by_byte = (0..size.min(TABLE_MAX))
            .map(|b| this.innermost(b))
            .collect();
        this
    }

    /// The field with this (dotted) name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|&at| &self.fields[at])
    }

    /// The innermost field that covers the byte at `offset`; none in padding.
    #[must_use]
    pub fn field_at(&self, offset: u64) -> Option<&Field> {
        let tabled = usize::try_from(offset)
            .ok()
            .and_then(|b| self.by_byte.get(b));
        let at = tabled.copied().unwrap_or_else(|| self.innermost(offset));
        at.map(|at| &self.fields[at])
    }

    fn innermost(&self, offset: u64) -> Option<usize> {
        let all = self.fields.iter().enumerate().rev();
        let covering = all.filter(|(_, f)| f.covers(offset));
        covering.min_by_key(|(_, f)| f.size).map(|(at, _)| at)
    }
}

/// All structures of a file.
pub(crate) struct Layouts {
    list: Vec<StructLayout>,
    /// Positions in the list, by the last part of the path without arguments.
    by_tail: BTreeMap<String, Vec<usize>>,
}

impl Layouts {
    pub(crate) fn new(debug: &DebugInfo) -> Self {
        let types = Types::new(debug);
        let mut out: Vec<StructLayout> = Vec::new();
        let mut total = 0;
        for (_, named) in types.iter() {
            let Some((name, body)) = nameable(&types, named) else {
                continue;
            };
            let mut fields = Vec::new();
            flatten(&types, body, "", 0, DEPTH_MAX, &mut fields);
            total += fields.len();
            if total > FIELDS_TOTAL_MAX {
                break;
            }
            out.push(StructLayout::new(
                name.to_owned(),
                format!("{}{name}", named.namespace),
                body.size.unwrap_or(0),
                fields,
            ));
        }
        // One definition stands in every unit that uses it.
        out.sort_by(|a, b| a.path.cmp(&b.path));
        out.dedup();
        let mut by_tail: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, layout) in out.iter().enumerate() {
            by_tail
                .entry(tail(&layout.path).to_owned())
                .or_default()
                .push(at);
        }
        Self { list: out, by_tail }
    }

    pub(crate) fn as_slice(&self) -> &[StructLayout] {
        &self.list
    }

    pub(crate) fn find(&self, name: &str) -> Option<&StructLayout> {
        let fits = |layout: &&StructLayout| {
            // `Perf` also names `perf_core::perf::Perf<guest::bare::Bare>`.
            let plain = layout.path.split('<').next().unwrap_or_default();
            let path = if name.contains('<') {
                &layout.path
            } else {
                plain
            };
            let tail = path.strip_suffix(name);
            tail.is_some_and(|t| t.is_empty() || t.ends_with("::"))
        };
        let candidates = self.by_tail.get(tail(name))?;
        let mut found = candidates.iter().map(|&at| &self.list[at]).filter(fits);
        let first = found.next()?;
        let same = |l: &StructLayout| l.size == first.size && l.fields == first.fields;
        found.all(same).then_some(first)
    }
}

/// The last part of a path, without arguments.
fn tail(path: &str) -> &str {
    let plain = path.split('<').next().unwrap_or_default();
    plain.rsplit("::").next().unwrap_or_default()
}

/// The name and the structure of a type that has both: a named structure, or a typedef of an
/// anonymous one, as C writes it.
fn nameable<'a>(types: &'a Types, t: &'a Type) -> Option<(&'a str, &'a Type)> {
    if t.name.is_empty() || t.declaration {
        return None;
    }
    let body = match t.kind {
        Kind::Struct => t,
        Kind::Alias => types
            .get(t.target?)
            .filter(|s| s.kind == Kind::Struct && s.name.is_empty())?,
        Kind::Pointer | Kind::Array | Kind::Other => return None,
    };
    (!body.members.is_empty()).then_some((&t.name, body))
}

fn flatten(
    types: &Types,
    body: &Type,
    prefix: &str,
    base: u64,
    depth: usize,
    out: &mut Vec<Field>,
) {
    for member in &body.members {
        if out.len() >= FIELDS_MAX {
            return;
        }
        let target: Key = types.seen_through(member.target);
        let offset = base.saturating_add(member.offset);
        let name = format!("{prefix}{}", member.name);
        let anonymous = member.name.is_empty();
        if !anonymous {
            out.push(Field {
                name: name.clone(),
                offset,
                size: types.size(target),
                type_name: types.name(target),
            });
        }
        let Some(inner) = types.get(target) else {
            continue;
        };
        // The insides of library types are nobody's business.
        if inner.kind == Kind::Struct && depth > 0 && !inner.namespace.starts_with("core::") {
            let prefix = if anonymous {
                prefix.to_owned()
            } else {
                format!("{name}.")
            };
            flatten(types, inner, &prefix, offset, depth - 1, out);
        }
    }
}
