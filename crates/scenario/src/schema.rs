// SPDX-License-Identifier: GPL-2.0-only
//! The shapes of the files as derived types, from which the JSON schemas in `docs/schema` are
//! made. Their doc comments become hover texts in editors. Reading does not go through them (see
//! the crate's documentation); tests hold that whatever is read also fits them, that the keys
//! agree, and that the committed schemas are current.

mod shapes;

use schemars::generate::SchemaSettings;

use shapes::{KnownFile, MachineFile, ScenarioFile, SchedulerFile};

/// The kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `sim-configs/scenarios/**/*.toml`.
    Scenario,
    /// `sim-configs/machines/*.toml`.
    Machine,
    /// `sim-configs/schedulers/**/*.toml`.
    Scheduler,
    /// `sim-configs/known.toml`.
    Known,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Scenario, Self::Machine, Self::Scheduler, Self::Known];

    /// The word for it (`pmusim schema KIND`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::Machine => "machine",
            Self::Scheduler => "scheduler",
            Self::Known => "known",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The file in `docs/schema`.
    #[must_use]
    pub fn file(self) -> String {
        format!("{}-v{}.json", self.name(), crate::FORMAT)
    }

    /// The JSON schema (draft-07, which editors understand), with a newline at its end.
    ///
    /// # Panics
    /// Never: a schema is a JSON value.
    #[must_use]
    pub fn schema(self) -> String {
        let generator = SchemaSettings::draft07().into_generator();
        let schema = match self {
            Self::Scenario => generator.into_root_schema_for::<ScenarioFile>(),
            Self::Machine => generator.into_root_schema_for::<MachineFile>(),
            Self::Scheduler => generator.into_root_schema_for::<SchedulerFile>(),
            Self::Known => generator.into_root_schema_for::<KnownFile>(),
        };
        let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
        text.push('\n');
        text
    }

    /// Does the text fit the derived types? A second opinion for tests, looser than reading.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn fits(self, text: &str) -> Result<(), String> {
        let result = match self {
            Self::Scenario => toml::from_str::<ScenarioFile>(text).map(drop),
            Self::Machine => toml::from_str::<MachineFile>(text).map(drop),
            Self::Scheduler => toml::from_str::<SchedulerFile>(text).map(drop),
            Self::Known => toml::from_str::<KnownFile>(text).map(drop),
        };
        result.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
