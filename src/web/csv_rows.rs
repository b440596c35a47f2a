//! Tables as CSV for spreadsheets. A cell that a spreadsheet would take for a formula gets a leading quote: names on a
//! camera are an attacker's to choose.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

/// Writes flat records: one row each, its cells in the order of the record's fields.
pub struct CsvRows<W: Write> {
    writer: csv::Writer<W>,
    columns: &'static [&'static str],
}

impl<W: Write> CsvRows<W> {
    pub fn new(out: W, terminator: csv::Terminator, columns: &'static [&'static str]) -> Self {
        let mut builder = csv::WriterBuilder::new();
        let writer = builder.terminator(terminator).from_writer(out);
        Self { writer, columns }
    }

    pub fn header(&mut self) -> io::Result<()> {
        Ok(self.writer.write_record(self.columns)?)
    }

    /// A field that the record does not have, or that is null, is an empty cell.
    pub fn row(&mut self, record: &impl Serialize) -> io::Result<()> {
        let record = serde_json::to_value(record)?;
        let cells = self.columns.iter().map(|column| cell(record.get(column)));
        Ok(self.writer.write_record(cells)?)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// Everything that was written.
    pub fn finish(self) -> io::Result<W> {
        self.writer
            .into_inner()
            .map_err(|error| io::Error::other(error.to_string()))
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{text}")
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str) -> String {
        let mut rows = CsvRows::new(Vec::new(), csv::Terminator::CRLF, &["path", "bytes", "bay"]);
        let record = serde_json::json!({"path": path, "bytes": 7, "bay": null});
        rows.row(&record).unwrap();
        String::from_utf8(rows.finish().unwrap()).unwrap()
    }

    #[test]
    fn a_cell_can_be_neither_a_formula_nor_break_its_row() {
        assert_eq!(row("DCIM/A.MP4"), "DCIM/A.MP4,7,\r\n");
        assert_eq!(row("a,\"b\"\n"), "\"a,\"\"b\"\"\n\",7,\r\n");
        for start in ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx"] {
            assert_eq!(row(start), format!("'{start},7,\r\n"));
        }
        assert_eq!(row("\r=1"), "\"'\r=1\",7,\r\n");
    }
}
