// SPDX-License-Identifier: GPL-2.0-only
//! Finding the files that other files name.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    Code, Diagnostic, Diagnostics, Machine, Scenario, Scheduler, Source, parse_machine,
    parse_scheduler,
    suggest::{list, nearest},
    walk::Span,
};

/// Where machines and schedulers are looked up by name. A found file is (name for errors, text).
pub trait Library {
    /// The machine file of this name.
    fn machine(&self, name: &str) -> Option<(String, String)>;
    /// The scheduler file of this name.
    fn scheduler(&self, name: &str) -> Option<(String, String)>;
    /// The names of all machines, for suggestions.
    fn machine_names(&self) -> Vec<String>;
    /// The names of all schedulers, for suggestions.
    fn scheduler_names(&self) -> Vec<String>;
}

/// A library of texts in memory (a trace's inlined files, tests). Each entry is
/// name -> (name for errors, text).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// Machines by name.
    pub machines: BTreeMap<String, (String, String)>,
    /// Schedulers by name.
    pub schedulers: BTreeMap<String, (String, String)>,
}

impl Library for Texts {
    fn machine(&self, name: &str) -> Option<(String, String)> {
        self.machines.get(name).cloned()
    }

    fn scheduler(&self, name: &str) -> Option<(String, String)> {
        self.schedulers.get(name).cloned()
    }

    fn machine_names(&self) -> Vec<String> {
        self.machines.keys().cloned().collect()
    }

    fn scheduler_names(&self) -> Vec<String> {
        self.schedulers.keys().cloned().collect()
    }
}

/// What a scenario refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Its machine.
    pub machine: Machine,
    /// The schedulers that it expects something of, by name.
    pub schedulers: BTreeMap<String, Scheduler>,
}

/// Looks up and reads the machine and the schedulers that `scenario` names. `source` is the text
/// it was parsed from: errors point into it.
///
/// # Errors
/// Everything that is missing, and everything wrong in what was found.
pub fn resolve(
    source: &Source,
    scenario: &Scenario,
    library: &dyn Library,
) -> Result<Resolved, Diagnostics> {
    let from = Arc::new(source.clone());
    let mut errors = Vec::new();
    let machine = find_machine(
        &scenario.machine,
        library,
        &from,
        Some(scenario.machine_span.clone()),
    );
    let machine = machine.map_err(|e| errors.extend(e.into_list())).ok();
    if let Some(reason) = machine.as_ref().and_then(Machine::guest_refusal) {
        let message = format!("the guest kernel cannot run on `{}`", scenario.machine);
        let help = "the guest's driver is Intel's, for version 2 and later: choose such a machine";
        errors.push(
            Diagnostic::new(Arc::clone(&from), Code::NoGuest, message)
                .label(scenario.machine_span.clone(), reason)
                .help(help.to_owned()),
        );
    }
    let mut schedulers = BTreeMap::new();
    for name in scenario.expect.keys() {
        let span = scenario.expect_spans.get(name).cloned();
        match find_scheduler(name, library, &from, span) {
            Ok(scheduler) => {
                schedulers.insert(name.clone(), scheduler);
            }
            Err(e) => errors.extend(e.into_list()),
        }
    }
    match machine {
        Some(machine) if errors.is_empty() => Ok(Resolved {
            machine,
            schedulers,
        }),
        _ => Err(Diagnostics::new(errors)),
    }
}

/// Looks up and reads a machine whose name was given as an argument.
///
/// # Errors
/// It does not exist (without a place in a file), or what is wrong with its file.
pub fn machine_by_name(name: &str, library: &dyn Library) -> Result<Machine, Diagnostics> {
    find_machine(name, library, &argument(), None)
}

/// Looks up and reads a scheduler whose name was given as an argument.
///
/// # Errors
/// It does not exist (without a place in a file), or what is wrong with its file.
pub fn scheduler_by_name(name: &str, library: &dyn Library) -> Result<Scheduler, Diagnostics> {
    find_scheduler(name, library, &argument(), None)
}

fn argument() -> Arc<Source> {
    Arc::new(Source::new("arguments", ""))
}

fn find_machine(
    name: &str,
    library: &dyn Library,
    from: &Arc<Source>,
    span: Option<Span>,
) -> Result<Machine, Diagnostics> {
    let Some((path, text)) = library.machine(name) else {
        return Err(unknown(
            "machine",
            name,
            &library.machine_names(),
            from,
            span,
        ));
    };
    let source = Source::new(path, text);
    let machine = parse_machine(&source)?;
    agree("machine", name, &machine.name, source)?;
    Ok(machine)
}

fn find_scheduler(
    name: &str,
    library: &dyn Library,
    from: &Arc<Source>,
    span: Option<Span>,
) -> Result<Scheduler, Diagnostics> {
    let Some((path, text)) = library.scheduler(name) else {
        return Err(unknown(
            "scheduler",
            name,
            &library.scheduler_names(),
            from,
            span,
        ));
    };
    let source = Source::new(path, text);
    let scheduler = parse_scheduler(&source, library)?;
    agree("scheduler", name, &scheduler.name, source)?;
    Ok(scheduler)
}

fn unknown(
    what: &str,
    name: &str,
    valid: &[String],
    from: &Arc<Source>,
    span: Option<Span>,
) -> Diagnostics {
    let valid = || valid.iter().map(String::as_str);
    let message = format!("there is no {what} `{name}`");
    let mut diagnostic = Diagnostic::new(Arc::clone(from), Code::UnknownFile, message);
    let near = nearest(name, valid());
    let hint = near.map_or_else(String::new, |near| format!("did you mean `{near}`?"));
    match span {
        Some(span) => diagnostic = diagnostic.label(span, hint),
        None if near.is_some() => diagnostic = diagnostic.help(hint),
        None => {}
    }
    if valid().next().is_some() {
        diagnostic = diagnostic.help(format!("possible: {}", list(valid())));
    }
    Diagnostics::new(vec![diagnostic])
}

fn agree(what: &str, asked: &str, found: &str, source: Source) -> Result<(), Diagnostics> {
    if asked == found {
        return Ok(());
    }
    let quoted = format!("\"{found}\"");
    let at = source.text.find(&quoted).map_or(0, |at| at + 1);
    let message = format!("the file of the {what} `{asked}` says that its name is `{found}`");
    let diagnostic = Diagnostic::new(Arc::new(source), Code::NameMismatch, message)
        .label(at..at + found.len(), format!("expected `{asked}`"));
    Err(Diagnostics::new(vec![diagnostic]))
}
