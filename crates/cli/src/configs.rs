// SPDX-License-Identifier: GPL-2.0-only
//! Machines and schedulers by name: from the `sim-configs` folders found upward from the
//! scenario and from the current folder, then from the copies inside this binary.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::{env, fs, path};

use scenario::{Diagnostics, Library, Machine, Scheduler, Source};

use crate::error::Failure;
use crate::files;

mod built_in {
    include!(concat!(env!("OUT_DIR"), "/built_in.rs"));
}

/// One of the two kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `machines`.
    Machine,
    /// `schedulers`.
    Scheduler,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Machine => "machines",
            Self::Scheduler => "schedulers",
        }
    }

    fn built_in(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Machine => built_in::MACHINES,
            Self::Scheduler => built_in::SCHEDULERS,
        }
    }
}

/// Where names are looked up.
#[derive(Debug, Clone)]
pub(crate) struct Configs {
    /// `sim-configs` folders, nearest first.
    roots: Vec<PathBuf>,
}

impl Configs {
    /// Upward from `file`, if it is given, and from the current folder.
    pub(crate) fn around(file: Option<&Path>) -> Self {
        let mut roots: Vec<PathBuf> = Vec::new();
        let current = env::current_dir().ok();
        let starts = file
            .and_then(|file| path::absolute(file).ok())
            .into_iter()
            .chain(current);
        for start in starts {
            for folder in start.ancestors() {
                let root = folder.join("sim-configs");
                if root.is_dir() && !roots.contains(&root) {
                    roots.push(root);
                }
            }
        }
        Self { roots }
    }

    /// The folders, nearest first.
    pub(crate) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Every name of `kind` with the place it would be read from.
    pub(crate) fn names(&self, kind: Kind) -> BTreeMap<String, String> {
        let built_in = kind.built_in().iter();
        let mut names: BTreeMap<String, String> = built_in
            .map(|(name, _)| ((*name).to_owned(), "built-in".to_owned()))
            .collect();
        for root in self.roots.iter().rev() {
            let folder = root.join(kind.folder());
            let mut found = Vec::new();
            if files::walk(&folder, &["toml"], &mut found).is_err() {
                continue;
            }
            for file in found {
                let Ok(name) = file.strip_prefix(&folder) else {
                    continue;
                };
                let name = name.with_extension("").to_string_lossy().replace('\\', "/");
                names.insert(name, relative(&file));
            }
        }
        names
    }

    fn find(&self, kind: Kind, name: &str) -> Option<(String, String)> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !Path::new(name).components().all(plain) {
            return None;
        }
        for root in &self.roots {
            let file = root.join(kind.folder()).join(format!("{name}.toml"));
            if let Ok(text) = fs::read_to_string(&file) {
                return Some((relative(&file), text));
            }
        }
        let mut built_in = kind.built_in().iter();
        let (_, text) = built_in.find(|(known, _)| *known == name)?;
        let shown = format!("<built-in>/sim-configs/{}/{name}.toml", kind.folder());
        Some((shown, (*text).to_owned()))
    }

    /// A machine with the text it was read from, by name or, with the ending `.toml`, by path.
    pub(crate) fn machine(&self, name: &str) -> Result<(Machine, String), Failure> {
        if is_path(name) {
            let input = files::text(Path::new(name))?;
            return Ok((scenario::parse_machine(&input.source)?, input.source.text));
        }
        let machine = scenario::machine_by_name(name, self)?;
        let text = Library::machine(self, name)
            .map(|(_, text)| text)
            .unwrap_or_default();
        Ok((machine, text))
    }

    /// A scheduler by name or, with the ending `.toml`, by path.
    pub(crate) fn scheduler(&self, name: &str) -> Result<Scheduler, Failure> {
        if is_path(name) {
            let input = files::text(Path::new(name))?;
            return Ok(scenario::parse_scheduler(&input.source, self)?);
        }
        Ok(scenario::scheduler_by_name(name, self)?)
    }

    /// The list of known findings, from the nearest folder that has one, else the built-in one.
    pub(crate) fn known(&self) -> Result<Vec<scenario::Known>, Diagnostics> {
        for root in &self.roots {
            let file = root.join("known.toml");
            if let Ok(text) = fs::read_to_string(&file) {
                return scenario::parse_known(&Source::new(relative(&file), text));
            }
        }
        scenario::parse_known(&Source::new("<built-in>/sim-configs/known.toml", KNOWN))
    }
}

/// The shipped list of known findings.
const KNOWN: &str = include_str!("../../../sim-configs/known.toml");

impl Library for Configs {
    fn machine(&self, name: &str) -> Option<(String, String)> {
        self.find(Kind::Machine, name)
    }

    fn scheduler(&self, name: &str) -> Option<(String, String)> {
        self.find(Kind::Scheduler, name)
    }

    fn machine_names(&self) -> Vec<String> {
        self.names(Kind::Machine).into_keys().collect()
    }

    fn scheduler_names(&self) -> Vec<String> {
        self.names(Kind::Scheduler).into_keys().collect()
    }
}

fn is_path(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("toml"))
}

/// A path as people would type it here.
pub(crate) fn relative(path: &Path) -> String {
    let current = env::current_dir().ok();
    let short = current
        .as_deref()
        .and_then(|current| path.strip_prefix(current).ok());
    short.unwrap_or(path).display().to_string()
}
