// SPDX-License-Identifier: GPL-2.0-only
//! The types of the debug information, as a table by their offset in `.debug_info`.
//!
//! References are followed with a bound on every step: the input may be garbage.

use std::collections::BTreeMap;

use gimli::{AttributeValue, DwAt, DwTag, constants as dw};

use crate::debug_info::{DebugInfo, Reader};

type Entry = gimli::DebuggingInformationEntry<Reader>;

/// Offset of a type's entry in `.debug_info`.
pub(crate) type Key = usize;

/// Steps through aliases or wrappers, and depth of nested names, at most.
const DEPTH_MAX: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Structure, class or union.
    Struct,
    /// Typedef, const, volatile, ...
    Alias,
    Pointer,
    Array,
    /// Base type, enumeration, ...
    Other,
}

#[derive(Debug)]
pub(crate) struct Member {
    /// Empty for an anonymous one.
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) target: Key,
}

#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Modules around it, each followed by `::`.
    pub(crate) namespace: String,
    pub(crate) size: Option<u64>,
    pub(crate) target: Option<Key>,
    pub(crate) count: Option<u64>,
    pub(crate) members: Vec<Member>,
    pub(crate) declaration: bool,
}

/// All types.
#[derive(Debug, Default)]
pub(crate) struct Types(BTreeMap<Key, Type>);

impl Types {
    pub(crate) fn new(debug: &DebugInfo) -> Self {
        let dwarf = debug.dwarf();
        let mut types = Self::default();
        let mut headers = dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            if let Ok(unit) = dwarf.unit(header) {
                // What was read before an error stays.
                let _ = types.read_unit(&dwarf, &unit);
            }
        }
        types
    }

    fn read_unit(
        &mut self,
        dwarf: &gimli::Dwarf<Reader>,
        unit: &gimli::Unit<Reader>,
    ) -> Result<(), gimli::Error> {
        let Some(base) = unit.header.debug_info_offset() else {
            return Ok(());
        };
        // The chain of entries around the current one: key of a type, or name of a namespace.
        let mut around: Vec<(isize, Option<Key>, String)> = Vec::new();
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            while around.last().is_some_and(|(d, ..)| *d >= entry.depth()) {
                around.pop();
            }
            let key = base.0 + entry.offset().0;
            let at = Attributes {
                dwarf,
                unit,
                base: base.0,
                entry,
            };
            let namespace = || around.last().map_or("", |(.., n)| n).to_owned();
            let mut pushed = (None, namespace());
            match entry.tag() {
                dw::DW_TAG_namespace => pushed.1 = format!("{}{}::", pushed.1, at.name()),
                dw::DW_TAG_member => {
                    let parent = around.last().and_then(|(_, key, _)| *key);
                    let parent = parent.and_then(|key| self.0.get_mut(&key));
                    if let (Some(parent), Some(target)) = (parent, at.target())
                        && parent.kind == Kind::Struct
                    {
                        parent.members.push(Member {
                            name: at.name(),
                            offset: at.member_offset(),
                            target,
                        });
                    }
                }
                dw::DW_TAG_subrange_type => {
                    let parent = around.last().and_then(|(_, key, _)| *key);
                    if let Some(parent) = parent.and_then(|key| self.0.get_mut(&key)) {
                        let n = at
                            .number(dw::DW_AT_count)
                            .or_else(|| at.number(dw::DW_AT_upper_bound)?.checked_add(1));
                        // More dimensions multiply.
                        parent.count = match (parent.count, n) {
                            (Some(a), Some(b)) => a.checked_mul(b),
                            (a, b) => b.or(a),
                        };
                    }
                }
                tag => {
                    if let Some(kind) = kind(tag) {
                        let name = at.name();
                        pushed = (Some(key), format!("{}{name}::", pushed.1));
                        self.0.insert(
                            key,
                            Type {
                                kind,
                                name,
                                namespace: namespace(),
                                size: at.number(dw::DW_AT_byte_size),
                                target: at.target(),
                                count: None,
                                members: Vec::new(),
                                declaration: entry.has_attr(dw::DW_AT_declaration),
                            },
                        );
                    }
                }
            }
            around.push((entry.depth(), pushed.0, pushed.1));
        }
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &Type)> {
        self.0.iter().map(|(key, t)| (*key, t))
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Type> {
        self.0.get(&key)
    }

    /// Size in bytes, 0 when unknown.
    pub(crate) fn size(&self, key: Key) -> u64 {
        self.size_within(key, DEPTH_MAX).unwrap_or(0)
    }

    fn size_within(&self, key: Key, depth: usize) -> Option<u64> {
        let t = self.get(key)?;
        let inner = || self.size_within(t.target?, depth.checked_sub(1)?);
        match t.kind {
            Kind::Pointer => Some(t.size.unwrap_or(8)),
            Kind::Array => t.size.or_else(|| inner()?.checked_mul(t.count?)),
            Kind::Alias => t.size.or_else(inner),
            Kind::Struct | Kind::Other => t.size,
        }
    }

    /// The type behind aliases and wrappers. A wrapper is a structure whose one member with a size
    /// fills it and that is a Rust tuple (`Once<T>(UnsafeCell<T>)`) or comes from `core`.
    pub(crate) fn seen_through(&self, key: Key) -> Key {
        let mut key = key;
        for _ in 0..DEPTH_MAX {
            let Some(t) = self.get(key) else { break };
            let next = match t.kind {
                Kind::Alias => t.target,
                Kind::Struct => self.wrapped(t),
                Kind::Pointer | Kind::Array | Kind::Other => None,
            };
            match next {
                Some(next) => key = next,
                None => break,
            }
        }
        key
    }

    fn wrapped(&self, t: &Type) -> Option<Key> {
        let mut sized = t.members.iter().filter(|m| self.size(m.target) > 0);
        let (only, None) = (sized.next()?, sized.next()) else {
            return None;
        };
        let fills = only.offset == 0 && Some(self.size(only.target)) == t.size;
        let transparent = only.name == "__0" || t.namespace.starts_with("core::");
        (fills && transparent).then_some(only.target)
    }

    /// How a type is written, with short names.
    pub(crate) fn name(&self, key: Key) -> Option<String> {
        self.name_within(key, DEPTH_MAX)
    }

    fn name_within(&self, key: Key, depth: usize) -> Option<String> {
        let t = self.get(key)?;
        if !t.name.is_empty() {
            return Some(t.name.clone());
        }
        let inner = self.name_within(t.target?, depth.checked_sub(1)?)?;
        match t.kind {
            Kind::Pointer => Some(format!("*{inner}")),
            Kind::Array => Some(match t.count {
                Some(n) => format!("[{inner}; {n}]"),
                None => format!("[{inner}]"),
            }),
            Kind::Alias => Some(inner),
            Kind::Struct | Kind::Other => None,
        }
    }
}

fn kind(tag: DwTag) -> Option<Kind> {
    Some(match tag {
        dw::DW_TAG_structure_type | dw::DW_TAG_class_type | dw::DW_TAG_union_type => Kind::Struct,
        dw::DW_TAG_typedef
        | dw::DW_TAG_const_type
        | dw::DW_TAG_volatile_type
        | dw::DW_TAG_restrict_type
        | dw::DW_TAG_atomic_type => Kind::Alias,
        dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type => Kind::Pointer,
        dw::DW_TAG_array_type => Kind::Array,
        dw::DW_TAG_base_type
        | dw::DW_TAG_enumeration_type
        | dw::DW_TAG_subroutine_type
        | dw::DW_TAG_unspecified_type => Kind::Other,
        _ => return None,
    })
}

/// The attributes of one entry.
struct Attributes<'a> {
    dwarf: &'a gimli::Dwarf<Reader>,
    unit: &'a gimli::Unit<Reader>,
    base: usize,
    entry: &'a Entry,
}

impl Attributes<'_> {
    fn name(&self) -> String {
        let text = || {
            let value = self.entry.attr_value(dw::DW_AT_name)?;
            let text = self.dwarf.attr_string(self.unit, value).ok()?;
            Some(gimli::Reader::to_string_lossy(&text).ok()?.into_owned())
        };
        text().unwrap_or_default()
    }

    fn number(&self, at: DwAt) -> Option<u64> {
        self.entry.attr(at)?.udata_value()
    }

    fn target(&self) -> Option<Key> {
        match self.entry.attr_value(dw::DW_AT_type)? {
            AttributeValue::UnitRef(offset) => self.base.checked_add(offset.0),
            AttributeValue::DebugInfoRef(offset) => Some(offset.0),
            _ => None,
        }
    }

    /// Offset of a member in bytes; that of a bit field is rounded down.
    fn member_offset(&self) -> u64 {
        self.number(dw::DW_AT_data_member_location)
            .or_else(|| Some(self.number(dw::DW_AT_data_bit_offset)? / 8))
            .unwrap_or(0)
    }
}
