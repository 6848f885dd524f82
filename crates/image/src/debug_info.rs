// SPDX-License-Identifier: GPL-2.0-only
//! The DWARF sections of a file, owned, and the one reader type that lines and layouts share.

use std::sync::Arc;

use gimli::{EndianArcSlice, LittleEndian};

/// Reader over an owned section.
pub(crate) type Reader = EndianArcSlice<LittleEndian>;

/// The debug information of a file.
pub(crate) struct DebugInfo {
    sections: gimli::DwarfSections<Arc<[u8]>>,
}

impl DebugInfo {
    /// Takes the sections that `section` gives by name (empty when absent).
    pub(crate) fn read<'a>(section: impl Fn(&str) -> &'a [u8]) -> Self {
        let load = |id: gimli::SectionId| Ok::<_, gimli::Error>(Arc::from(section(id.name())));
        Self {
            sections: gimli::DwarfSections::load(load).unwrap_or_default(),
        }
    }

    /// A view for one reader.
    pub(crate) fn dwarf(&self) -> gimli::Dwarf<Reader> {
        self.sections
            .borrow(|bytes| Reader::new(Arc::clone(bytes), LittleEndian))
    }
}
