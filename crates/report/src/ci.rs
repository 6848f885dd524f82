// SPDX-License-Identifier: GPL-2.0-only
//! The findings of a campaign in the formats that CI systems read: JUnit, SARIF, and the workflow
//! commands of GitHub Actions.

use std::io;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use crate::fuzz::{FuzzFinding, FuzzReport};

/// Name of this program in reports.
const TOOL: &str = "pmusim";

impl FuzzReport {
    /// A suite with one case for each cause; known ones pass.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn junit(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut suite = TestSuite::new(format!("{TOOL} fuzz {}", self.scheduler));
        for finding in &self.findings {
            let mut status = TestCaseStatus::success();
            if finding.unexplained > 0 {
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status
                    .set_type(finding.oracle.clone())
                    .set_message(finding.example.clone())
                    .set_description(finding.description());
            }
            let mut case = TestCase::new(finding.cause.clone(), status);
            if let Some(known) = &finding.known {
                case.set_system_out(format!("known: {known}"));
            }
            suite.add_test_case(case);
        }
        if self.findings.is_empty() {
            let name = format!("{} executions", self.executions);
            suite.add_test_case(TestCase::new(name, TestCaseStatus::success()));
        }
        let mut report = Report::new(TOOL);
        report.add_test_suite(suite);
        let text = report.to_string().map_err(io::Error::other)?;
        out.write_all(text.as_bytes())
    }

    /// SARIF 2.1.0 (OASIS, March 2020): one rule for each oracle, one result for each cause; known
    /// ones are suppressed. The location is a line of the scenario.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn sarif(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut rules: Vec<&str> = self.findings.iter().map(|f| f.oracle.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        let rule = |id: &&str| {
            let about = check::Oracle::ALL.iter().find(|o| o.name() == *id);
            let about = about.map_or("the guest runs to the end of its programs", |o| o.about());
            json!({ "id": id, "shortDescription": { "text": about } })
        };
        let sarif = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": TOOL,
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules.iter().map(rule).collect::<Vec<_>>(),
                }},
                "results": self.findings.iter().map(FuzzFinding::sarif).collect::<Vec<_>>(),
            }],
        });
        serde_json::to_writer_pretty(&mut *out, &sarif)?;
        writeln!(out)
    }

    /// Workflow commands: an error for each cause that is not known, a notice for each that is.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn github(&self, out: &mut dyn io::Write) -> io::Result<()> {
        for finding in &self.findings {
            let (word, text) = match &finding.known {
                Some(known) if finding.unexplained == 0 => ("notice", format!("known: {known}")),
                _ => ("error", finding.description()),
            };
            let mut place = format!("title={}", property(&finding.cause));
            if let Some(scenario) = &finding.scenario {
                let file = property(scenario);
                place = format!("file={file},line={},{place}", finding.line);
            }
            writeln!(out, "::{word} {place}::{}", message(&text))?;
        }
        Ok(())
    }
}

impl FuzzFinding {
    /// Everything that somebody who fixes it wants to read first.
    fn description(&self) -> String {
        let mut text = format!("{}\n{}", self.cause, self.example);
        for place in &self.places {
            text += &format!("\nat {place}");
        }
        if let Some(trace) = &self.trace {
            text += &format!("\npmusim replay {trace}");
        }
        text
    }

    fn sarif(&self) -> Value {
        let mut result = json!({
            "ruleId": self.oracle,
            "level": if self.unexplained > 0 { "error" } else { "note" },
            "message": { "text": self.description() },
            "partialFingerprints": { "cause/v1": self.cause },
        });
        if let Some(scenario) = &self.scenario {
            result["locations"] = json!([{ "physicalLocation": {
                "artifactLocation": { "uri": scenario },
                "region": { "startLine": self.line },
            }}]);
        }
        if let Some(known) = self.known.as_ref().filter(|_| self.unexplained == 0) {
            result["suppressions"] = json!([{ "kind": "external", "justification": known }]);
        }
        result
    }
}

/// A message of a workflow command.
fn message(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
