// SPDX-License-Identifier: GPL-2.0-only
//! The folder of a campaign: `fuzz.json`, `findings/` with a scenario and a trace for each cause
//! that is not known, `corpus/` with the programs that showed something new. Everything in it is
//! named by its contents, so that folders of shards can be joined.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use explore::{Signature, Small};
use report::{FuzzFinding, FuzzReport};

use crate::args::Format;
use crate::configs::relative;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::files::{self, json_name};

/// A folder that results are written to.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The file with the report.
    pub(crate) const REPORT: &'static str = "fuzz.json";
    const FINDINGS: &'static str = "findings";
    const CORPUS: &'static str = "corpus";

    /// The folder, without what an earlier campaign left in it.
    pub(crate) fn begin(path: &Path) -> Result<Self, Failure> {
        let this = Self(path.to_owned());
        if path.join(Self::REPORT).is_file() {
            for old in [Self::FINDINGS, Self::CORPUS] {
                let old = path.join(old);
                if old.is_dir() {
                    fs::remove_dir_all(&old).map_err(|error| this.cannot(&error))?;
                }
            }
        }
        for new in [Self::FINDINGS, Self::CORPUS] {
            fs::create_dir_all(path.join(new)).map_err(|error| this.cannot(&error))?;
        }
        Ok(this)
    }

    fn cannot(&self, error: &io::Error) -> Failure {
        Failure::input(format!("cannot write to `{}`: {error}", self.0.display()))
    }

    /// Writes a file of the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        fs::write(self.0.join(name), text).map_err(|error| self.cannot(&error))
    }

    /// Writes scenario and trace of a finding; their names in the folder.
    pub(crate) fn write_finding(
        &self,
        slug: &str,
        small: &Small,
    ) -> Result<(String, String), Failure> {
        let name = |ending| format!("{}/{slug}.{ending}", Self::FINDINGS);
        let (scenario, trace) = (name("toml"), name("trace"));
        self.write(&scenario, &small.text)?;
        self.write(&trace, &small.trace.to_string())?;
        Ok((scenario, trace))
    }

    /// Writes the report, last of all: where it is, the rest is there too.
    pub(crate) fn write_report(&self, report: &FuzzReport) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        report::json(&mut bytes, "fuzz", report).map_err(|error| self.cannot(&error))?;
        self.write(Self::REPORT, &String::from_utf8_lossy(&bytes))
    }

    /// Writes the corpus.
    pub(crate) fn write_corpus(&self, programs: &[String]) -> Result<(), Failure> {
        Self::write_programs(&self.0.join(Self::CORPUS), programs)
    }

    /// Writes programs to a folder, each under a name made of its text.
    pub(crate) fn write_programs(folder: &Path, programs: &[String]) -> Result<(), Failure> {
        let cannot = |error: io::Error| {
            Failure::input(format!("cannot write to `{}`: {error}", folder.display()))
        };
        fs::create_dir_all(folder).map_err(cannot)?;
        for text in programs {
            let name = format!("{:016x}.toml", explore::text_hash(text));
            fs::write(folder.join(name), text).map_err(cannot)?;
        }
        Ok(())
    }

    /// The report in a folder.
    pub(crate) fn read(path: &Path) -> Result<FuzzReport, Failure> {
        let file = path.join(Self::REPORT);
        let text = files::text(&file)?.source.text;
        let wrong = |words: String| Failure::input(format!("{}: {words}", file.display()));
        let mut value: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let head = value.as_object_mut().and_then(|object| {
            let format = object.remove("format")?.as_u64()?;
            Some((format, object.remove("kind")?.as_str()?.to_owned()))
        });
        match head {
            Some((format, kind)) if format == u64::from(report::FORMAT) && kind == "fuzz" => {}
            Some((format, kind)) => {
                return Err(wrong(format!(
                    "a report of kind `{kind}`, format {format}; `fuzz`, format {} is wanted",
                    report::FORMAT
                )));
            }
            None => return Err(wrong("not a report of `pmusim fuzz`".to_owned())),
        }
        let report: FuzzReport =
            serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
        // Names are taken as parts of this folder.
        for name in report
            .findings
            .iter()
            .flat_map(|f| [&f.scenario, &f.trace])
            .flatten()
        {
            let inside = name.strip_prefix("findings/").is_some_and(|rest| {
                !rest.is_empty() && !rest.contains(['/', '\\']) && rest != ".."
            });
            if !inside {
                return Err(wrong(format!("`{name}` is not a file in `findings`")));
            }
        }
        Ok(report)
    }

    /// Names and texts of the files of a finding.
    pub(crate) fn files_of(
        path: &Path,
        finding: &FuzzFinding,
    ) -> Result<Vec<(String, String)>, Failure> {
        let names = [&finding.scenario, &finding.trace].into_iter().flatten();
        names
            .map(|name| Ok((name.clone(), files::text(&path.join(name))?.source.text)))
            .collect()
    }

    /// The corpus in a folder.
    pub(crate) fn programs(path: &Path) -> Result<Vec<String>, Failure> {
        let folder = path.join(Self::CORPUS);
        let mut found = Vec::new();
        if folder.is_dir() {
            files::walk(&folder, &["toml"], &mut found)?;
        }
        found.sort();
        found
            .iter()
            .map(|file| Ok(files::text(file)?.source.text))
            .collect()
    }

    /// Writes the report to standard output in the format that was asked for; the exit code.
    pub(crate) fn show(
        &self,
        context: &Context,
        kind: &str,
        report: &FuzzReport,
    ) -> Result<Exit, Failure> {
        let mut shown = report.clone();
        let here = relative(&self.0);
        let here = match context.format() {
            Format::Human => here,
            _ => json_name(&here),
        };
        for finding in &mut shown.findings {
            for name in [&mut finding.scenario, &mut finding.trace]
                .into_iter()
                .flatten()
            {
                *name = format!("{here}/{name}");
            }
        }
        match context.format() {
            Format::Human | Format::Json => context.result(kind, &shown, |out| shown.human(out))?,
            Format::Junit => context.write(|out| shown.junit(out))?,
            Format::Sarif => context.write(|out| shown.sarif(out))?,
            Format::Github => context.write(|out| shown.github(out))?,
        }
        Ok(match report {
            _ if kind == "merge" => Exit::Good,
            report if report.interrupted => Exit::Interrupted,
            report if report.finds() => Exit::Finding,
            report if report.vacuous() => Exit::Cut,
            _ => Exit::Good,
        })
    }
}

/// A name for the files of a cause.
pub(crate) fn slug(signature: &Signature) -> String {
    let words = signature.to_string();
    let place = signature.place.as_deref().unwrap_or(&signature.row);
    let plain: String = place
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(40)
        .collect();
    let hash = explore::text_hash(&words) >> 32;
    format!("{}-{plain}-{hash:08x}", signature.oracle)
}
