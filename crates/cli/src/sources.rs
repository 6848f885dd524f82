// SPDX-License-Identifier: GPL-2.0-only
//! Lines of the guest's source files, shown where the repository is at hand.

use std::fs;
use std::path::{Path, PathBuf};

use image::Manifest;

/// The repository that the guest image was built from.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    root: Option<PathBuf>,
}

impl Sources {
    /// Looks for it beside the `sim-configs` folders. One whose sources are not those of the image
    /// is passed over: its lines would be the wrong ones.
    pub(crate) fn of_guest(configs: &[PathBuf]) -> Self {
        let wanted = Manifest::committed().sources;
        let fits = |root: &&Path| image::sources::hash(root).is_ok_and(|hash| hash == wanted);
        let root = configs
            .iter()
            .filter_map(|config| config.parent())
            .find(fits);
        Self {
            root: root.map(Path::to_owned),
        }
    }

    /// The text of a line, from 1.
    pub(crate) fn line(&self, file: &str, line: u32) -> Option<String> {
        let text = fs::read_to_string(self.root.as_ref()?.join(file)).ok()?;
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        text.lines().nth(index).map(str::to_owned)
    }
}
