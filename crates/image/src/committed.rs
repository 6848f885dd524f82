// SPDX-License-Identifier: GPL-2.0-only
//! The guest image that is committed beside this crate, and its manifest.

use std::sync::{Arc, OnceLock};

use crate::Image;

static COMPRESSED: &[u8] = include_bytes!("../guest/guest.elf.z");
static MANIFEST: &str = include_str!("../guest/manifest.toml");

/// Bytes of the decompressed image, at most.
const ELF_SIZE_MAX: usize = 64 << 20;

/// What is said about an image: `crates/image/guest/manifest.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// [`crate::sources::hash`] of the sources it was built from.
    pub sources: String,
    /// BLAKE3 of the ELF, in hexadecimal.
    pub elf: String,
    /// The compiler (`rustc --version`).
    pub rustc: String,
}

impl Manifest {
    /// The manifest of the committed image.
    ///
    /// # Panics
    /// When it is damaged.
    #[must_use]
    pub fn committed() -> Self {
        Self::parse(MANIFEST)
            .expect("crates/image/guest/manifest.toml is damaged: cargo xtask guest")
    }

    /// Reads what [`Manifest::render`] writes; none when a line is missing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(key))?;
            let value = line.strip_prefix(" = \"")?.strip_suffix('"')?;
            Some(value.to_owned())
        };
        Some(Self {
            sources: value("sources")?,
            elf: value("elf")?,
            rustc: value("rustc")?,
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let Self {
            sources,
            elf,
            rustc,
        } = self;
        format!(
            "# SPDX-License-Identifier: GPL-2.0-only\n\
             # Written by `cargo xtask guest`. After a merge conflict, run it again.\n\
             sources = \"{sources}\"\nelf = \"{elf}\"\nrustc = \"{rustc}\"\n"
        )
    }
}

/// The bytes of the committed ELF.
///
/// # Panics
/// When the committed file is damaged.
#[must_use]
pub fn guest_elf() -> Vec<u8> {
    miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(COMPRESSED, ELF_SIZE_MAX)
        .expect("crates/image/guest/guest.elf.z is damaged: cargo xtask guest")
}

pub(crate) fn guest() -> Arc<Image> {
    static GUEST: OnceLock<Arc<Image>> = OnceLock::new();
    Arc::clone(GUEST.get_or_init(|| {
        let image = Image::parse(&guest_elf()).expect("the committed guest is a good ELF");
        let hash = blake3::Hash::from_bytes(image.hash()).to_hex();
        assert_eq!(
            hash.as_str(),
            Manifest::committed().elf,
            "guest.elf.z and manifest.toml belong to different builds: cargo xtask guest"
        );
        Arc::new(image)
    }))
}
