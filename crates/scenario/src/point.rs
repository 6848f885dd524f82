// SPDX-License-Identifier: GPL-2.0-only
//! Places in a run: accesses to fields, and the three kinds of injection points.

use std::fmt;

use crate::walk::is_identifier;

/// Load or store. A read-modify-write is one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessKind {
    /// A load.
    Read,
    /// A store.
    Write,
}

impl fmt::Display for AccessKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// An access to a field: `[row: ](read|write) [object.]field`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// The function it happens in: a row of the scheduler table or another named function.
    pub row: Option<String>,
    /// Load or store.
    pub kind: AccessKind,
    /// The object: an event's id, or a child of one (`A.child[0]`); `None` matches any.
    pub object: Option<String>,
    /// The field, with its path inside the object (`master_count`, `hw.prev_count`).
    pub field: String,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(row) = &self.row {
            write!(f, "{row}: ")?;
        }
        write!(f, "{} ", self.kind)?;
        if let Some(object) = &self.object {
            write!(f, "{object}.")?;
        }
        f.write_str(&self.field)
    }
}

impl Access {
    /// Reads the text of an access. The first component of a path is an object if `is_object` says
    /// so; further components `child[N]` belong to it.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn parse(text: &str, is_object: impl Fn(&str) -> bool) -> Result<Self, String> {
        let (row, rest) = match text.split_once(':') {
            Some((row, rest)) => (Some(row.trim()), rest.trim()),
            None => (None, text.trim()),
        };
        if let Some(row) = row
            && !is_function(row)
        {
            return Err(format!("`{row}` is not the name of a row or function"));
        }
        let (kind, path) = match rest.split_once(' ') {
            Some(("read", path)) => (AccessKind::Read, path.trim()),
            Some(("write", path)) => (AccessKind::Write, path.trim()),
            _ => return Err("an access begins with `read` or `write` and a blank".to_owned()),
        };
        let parts: Vec<&str> = path.split('.').collect();
        let mut taken = usize::from(parts.len() > 1 && is_object(parts[0]));
        if taken > 0 {
            while taken + 1 < parts.len() && is_child(parts[taken]) {
                taken += 1;
            }
        }
        let (object, field) = parts.split_at(taken);
        if !field.iter().all(|part| is_identifier(part)) {
            return Err(format!("`{path}` is not a field, nor a field of an event"));
        }
        Ok(Self {
            row: row.map(str::to_owned),
            kind,
            object: (taken > 0).then(|| object.join(".")),
            field: field.join("."),
        })
    }
}

/// `child[N]`.
fn is_child(part: &str) -> bool {
    part.strip_prefix("child[")
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|n| n.parse::<u32>().is_ok())
}

/// A symbol, with path separators of Rust allowed.
pub(crate) fn is_function(text: &str) -> bool {
    text.len() <= 200
        && text.split("::").all(|part| {
            let mut chars = part.chars();
            chars
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
}

/// On which side of the access the boundary lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Before the instruction that makes the access.
    Before,
    /// Behind it.
    After,
}

/// An instruction boundary, in one of three ways.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// By number: exact for one image only.
    Exact {
        /// The CPU.
        cpu: u32,
        /// Boundaries of that CPU since reset.
        ordinal: u64,
        /// Instruction pointer there, if it is to be checked.
        rip: Option<u64>,
    },
    /// By place in the code.
    Code {
        /// The function.
        symbol: String,
        /// Bytes from its start.
        offset: u64,
        /// Which pass over the place, from 1.
        hit: u32,
        /// Label of the step it counts within; `None`: the whole run.
        step: Option<String>,
        /// The CPU; `None`: the first that comes there.
        cpu: Option<u32>,
    },
    /// By an access of the guest outside NMI handlers.
    Semantic {
        /// Before or behind the access.
        side: Side,
        /// The access; its `row` is the row it must happen in.
        access: Access,
        /// Which such access, from 1.
        hit: u32,
        /// Label of the step it counts within; `None`: the whole run.
        step: Option<String>,
        /// The CPU; `None`: the first that does it.
        cpu: Option<u32>,
    },
}

impl Point {
    /// Reads `symbol` or `symbol+0x3c` (the offset may be decimal too).
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn parse_code(text: &str) -> Result<(String, u64), String> {
        let (symbol, offset) = match text.split_once('+') {
            None => (text.trim(), 0),
            Some((symbol, offset)) => {
                let offset = offset.trim();
                let parsed = match offset.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16),
                    None => offset.parse(),
                };
                (
                    symbol.trim(),
                    parsed.map_err(|_| format!("`{offset}` is not an offset"))?,
                )
            }
        };
        if is_function(symbol) {
            Ok((symbol.to_owned(), offset))
        } else {
            Err(format!("`{symbol}` is not a symbol"))
        }
    }

    /// The CPU, where the point says it.
    #[must_use]
    pub const fn cpu(&self) -> Option<u32> {
        match self {
            Self::Exact { cpu, .. } => Some(*cpu),
            Self::Code { cpu, .. } | Self::Semantic { cpu, .. } => *cpu,
        }
    }

    /// Label of the step the point counts within.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Exact { .. } => None,
            Self::Code { step, .. } | Self::Semantic { step, .. } => step.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_print_as_they_read() {
        for text in [
            "init_dup_master: write master_count",
            "write A.dup_count",
            "read A.child[0].count",
            "read hw.prev_count",
            "remove_dup: read A.hw.prev_count",
        ] {
            let access = Access::parse(text, |name| name == "A").unwrap();
            assert_eq!(access.to_string(), text);
            let object = access.object.as_deref();
            assert_eq!(object.is_some(), text.contains("A."), "{text}");
        }
        for text in [
            "",
            "write",
            "wrote x",
            "a b: write x",
            "write x.",
            "write A[0].x",
        ] {
            assert!(Access::parse(text, |name| name == "A").is_err(), "{text}");
        }
    }

    #[test]
    fn code_points() {
        assert_eq!(Point::parse_code("f+0x3c"), Ok(("f".to_owned(), 0x3c)));
        assert_eq!(Point::parse_code("a::f"), Ok(("a::f".to_owned(), 0)));
        assert!(Point::parse_code("f+x").is_err());
        assert!(Point::parse_code("+1").is_err());
    }
}
