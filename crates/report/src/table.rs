// SPDX-License-Identifier: GPL-2.0-only
//! Aligned columns of text.

use std::io;

use anstyle::Style;

/// A table: a heading and rows of styled cells.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Vec<(Style, String)>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row; rows may differ in length.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = (Style, S)>) {
        let cells = cells.into_iter().map(|(style, text)| (style, text.into()));
        self.rows.push(cells.collect());
    }

    /// Writes the rows with columns two blanks apart and no blanks at line ends.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|(_, text)| text.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let last = row.iter().rposition(|(_, text)| !text.is_empty());
            let Some(last) = last else {
                writeln!(out)?;
                continue;
            };
            for (i, (style, text)) in row[..=last].iter().enumerate() {
                write!(out, "{style}{text}{style:#}")?;
                if i < last {
                    let blanks = widths[i] - text.chars().count() + 2;
                    write!(out, "{:blanks$}", "")?;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;
    use anstyle::Style;

    #[test]
    fn columns_align_and_lines_end_in_text() {
        let mut table = Table::new();
        let plain = Style::new();
        table.row([(plain, "a"), (plain, "long"), (plain, "")]);
        table.row([(plain, "bcd"), (plain, "x"), (plain, "y")]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a    long\nbcd  x     y\n");
    }
}
