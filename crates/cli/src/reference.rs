// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim explain` and `pmusim schema`: what the file formats say about themselves.

use scenario::Code;
use scenario::schema::Kind;
use serde::Serialize;

use crate::args::{ExplainArgs, SchemaArgs, SchemaKind};
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;

#[derive(Serialize)]
struct Explanation {
    code: &'static str,
    text: &'static str,
}

pub(crate) fn explain(context: &Context, args: &ExplainArgs) -> Result<Exit, Failure> {
    let Some(code) = Code::from_id(&args.code) else {
        let all: Vec<&str> = Code::ALL.iter().map(|code| code.id()).collect();
        let words = format!(
            "there is no code `{}`; possible: {}",
            args.code,
            all.join(", ")
        );
        return Err(Failure::input(words));
    };
    let report = Explanation {
        code: code.id(),
        text: code.explanation(),
    };
    context.result("explain", &report, |out| {
        writeln!(out, "{}: {}", report.code, report.text)
    })?;
    Ok(Exit::Good)
}

/// A schema is JSON already, in either format.
pub(crate) fn schema(context: &Context, args: &SchemaArgs) -> Result<Exit, Failure> {
    let kind = match args.kind {
        SchemaKind::Scenario => Kind::Scenario,
        SchemaKind::Machine => Kind::Machine,
        SchemaKind::Scheduler => Kind::Scheduler,
        SchemaKind::Known => Kind::Known,
    };
    let text = kind.schema();
    context.text(&text)?;
    Ok(Exit::Good)
}
