// SPDX-License-Identifier: GPL-2.0-only
//! The envelope of every JSON report.

use std::io;

use serde::Serialize;

/// Version of the JSON reports (the key `format`).
pub const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Envelope<'a, T> {
    format: u32,
    kind: &'a str,
    #[serde(flatten)]
    report: &'a T,
}

/// Writes `report` as a versioned JSON object, indented, with a final newline.
///
/// # Errors
/// Those of the writer.
pub fn json<T: Serialize>(out: &mut dyn io::Write, kind: &str, report: &T) -> io::Result<()> {
    let envelope = Envelope {
        format: FORMAT,
        kind,
        report,
    };
    serde_json::to_writer_pretty(&mut *out, &envelope)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::json;

    #[derive(serde::Serialize)]
    struct Two {
        b: u8,
        a: u8,
    }

    #[test]
    fn the_version_stands_first_and_keys_keep_their_order() {
        let mut out = Vec::new();
        json(&mut out, "two", &Two { b: 1, a: 2 }).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "{\n  \"format\": 1,\n  \"kind\": \"two\",\n  \"b\": 1,\n  \"a\": 2\n}\n";
        assert_eq!(text, expected);
    }
}
