//! Files of consent: CSV and one JSON object a line, read and written a part at a time.
//!
//! Cells that a spreadsheet would take for a formula stand behind an apostrophe, which `import` takes off again.

use super::ask::Client;
use super::order::text;
use super::{Misuse, Status, out};
use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::Path;

/// Columns, in the order written.
pub const COLUMNS: [&str; 7] = ["channel", "address", "shop", "word", "at", "source", "proof"];
/// Rows sent at a time.
const ROWS: usize = 100;
/// Longest line read.
const LINE: u64 = 64 * 1024;
/// Wrong lines after which the file is somebody else's.
const WRONG: u64 = 100;

/// Kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated, with a head line.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    /// By the file's ending.
    pub fn of(file: &Path) -> Format {
        match file.extension().and_then(|e| e.to_str()) {
            Some("ndjson" | "jsonl" | "json") => Format::Ndjson,
            _ => Format::Csv,
        }
    }
}

/// Counts of an import.
#[derive(Default)]
struct Counts {
    new: u64,
    known: u64,
    older: u64,
    wrong: u64,
}

/// Takes a file in, or says what would become of it.
pub async fn import(
    client: &Client,
    path: &Path,
    format: Format,
    (execute, reason): (bool, &str),
) -> anyhow::Result<Status> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut rows = rows(format, file).map_err(|why| Misuse(format!("{}: {why}", path.display())))?;
    let mut counts = Counts::default();
    loop {
        let mut part = Vec::new();
        for (line, row) in rows.by_ref().take(ROWS) {
            match row {
                Ok(row) => part.push((line, row)),
                Err(why) => wrong(&mut counts, path, line, &why)?,
            }
        }
        if part.is_empty() {
            break;
        }
        let ask = json!({
            "rows": part.iter().map(|(_, row)| row).collect::<Vec<_>>(), "execute": execute, "reason": reason,
        });
        let done: Value = client.post("/api/v1/consent/import", &ask).await?;
        let ends = done.get("rows").and_then(Value::as_array).cloned().unwrap_or_default();
        for ((line, _), end) in part.iter().zip(&ends) {
            match text(end, "outcome").as_str() {
                "new" => counts.new += 1,
                "known" => counts.known += 1,
                "older" => counts.older += 1,
                _ => wrong(&mut counts, path, *line, &text(end, "why"))?,
            }
        }
    }
    let Counts { new, known, older, wrong } = counts;
    let would = if execute { "taken in" } else { "would be taken in" };
    out::line(&format!("{new} {would}, {known} known already, {older} older than what was said since, {wrong} wrong"));
    if !execute {
        out::note("nothing was changed: add --execute and --reason TEXT to do it");
    }
    Ok(if wrong > 0 { Status::Failure } else { Status::Done })
}

fn wrong(counts: &mut Counts, path: &Path, line: u64, why: &str) -> anyhow::Result<()> {
    counts.wrong += 1;
    out::note(&format!("{}:{line}: {why}", path.display()));
    if counts.wrong >= WRONG {
        bail!(Misuse(format!("{WRONG} lines are wrong: is this the right file, in the right format?")));
    }
    Ok(())
}

/// Rows of a file, each with its line and as an object with some of [`COLUMNS`], or with what is wrong with it.
type Rows<'a> = Box<dyn Iterator<Item = (u64, Result<Value, String>)> + 'a>;

/// Reads a file, row by row.
///
/// # Errors
/// Its head line names columns that there are not, or lacks one that is needed.
pub fn rows<'a>(format: Format, file: impl Read + 'a) -> Result<Rows<'a>, String> {
    Ok(match format {
        Format::Csv => Box::new(csv_rows(file)?),
        Format::Ndjson => Box::new(json_rows(file)),
    })
}

/// A CSV file being written, as [`rows`] reads it, and so that no spreadsheet computes a cell.
pub struct Sheet<W: Write>(csv::Writer<W>);

impl<W: Write> Sheet<W> {
    /// With its head line.
    ///
    /// # Errors
    /// The writer's.
    pub fn begin(to: W) -> anyhow::Result<Sheet<W>> {
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(COLUMNS)?;
        Ok(Sheet(writer))
    }

    /// One row more, its cells in the order of [`COLUMNS`].
    ///
    /// # Errors
    /// The writer's.
    pub fn put<'a>(&mut self, cells: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
        Ok(self.0.write_record(cells.map(quoted))?)
    }

    /// What was put is there.
    ///
    /// # Errors
    /// The writer's.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        Ok(self.0.flush()?)
    }
}

/// Rows of a CSV file; columns in any order, by their names.
fn csv_rows(file: impl Read) -> Result<impl Iterator<Item = (u64, Result<Value, String>)>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(BufReader::new(file));
    let head: Vec<String> = reader.headers().map_err(|e| e.to_string())?.iter().map(str::to_lowercase).collect();
    let head: Vec<String> = head.iter().map(|h| h.trim_start_matches('\u{feff}').to_string()).collect();
    if let Some(odd) = head.iter().find(|h| !COLUMNS.contains(&h.as_str())) {
        return Err(format!("column {odd:?} is none of {}", COLUMNS.join(", ")));
    }
    for needed in ["address", "word"] {
        if !head.iter().any(|h| h == needed) {
            return Err(format!("the head line names no column {needed:?}"));
        }
    }
    Ok(reader.into_records().map(move |record| match record {
        Ok(record) => {
            let line = record.position().map_or(0, csv::Position::line);
            let cells = head.iter().zip(record.iter()).map(|(name, cell)| (name.clone(), plain(cell).into()));
            (line, Ok(Value::Object(cells.collect::<Map<String, Value>>())))
        }
        Err(error) => (error.position().map_or(0, csv::Position::line), Err(error.to_string())),
    }))
}

/// Rows of a file with a JSON object a line.
fn json_rows(file: impl Read) -> impl Iterator<Item = (u64, Result<Value, String>)> {
    let mut reader = BufReader::new(file);
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            number += 1;
            let mut line = String::new();
            match reader.by_ref().take(LINE).read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) if line.trim().is_empty() => {}
                Ok(_) => {
                    let row = serde_json::from_str::<Map<String, Value>>(&line).map_err(|e| e.to_string());
                    return Some((number, row.and_then(known)));
                }
                Err(error) => return Some((number, Err(error.to_string()))),
            }
        }
    })
}

/// An object with our columns, all of them text.
fn known(row: Map<String, Value>) -> Result<Value, String> {
    let odd =
        row.iter().find(|(key, value)| !COLUMNS.contains(&key.as_str()) || !(value.is_string() || value.is_null()));
    match odd {
        Some((key, _)) => Err(format!("{key:?} is none of the columns, or no text")),
        None => Ok(row.into_iter().filter(|(_, value)| value.is_string()).collect::<Map<_, _>>().into()),
    }
}

/// What begins a formula in a spreadsheet.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A cell that no spreadsheet computes.
fn quoted(cell: &str) -> String {
    if is_formula(cell) || cell.starts_with('\'') { format!("'{cell}") } else { cell.to_string() }
}

/// A cell as it was before [`quoted`].
fn plain(cell: &str) -> &str {
    let rest = cell.strip_prefix('\'').unwrap_or(cell);
    if is_formula(rest) || rest.starts_with('\'') { rest } else { cell }
}

/// Prints everybody's consent.
pub async fn export(client: &Client, format: Format, mut ask: Value) -> anyhow::Result<Status> {
    let (mut nameless, mut closed) = (0, 0);
    let mut sheet = (format == Format::Csv).then(|| Sheet::begin(std::io::stdout())).transpose()?;
    loop {
        let page: Value = client.post("/api/v1/consent/export", &ask).await?;
        for row in page.get("rows").and_then(Value::as_array).into_iter().flatten() {
            let cell = |name: &&str| row.get(*name).and_then(Value::as_str).unwrap_or_default();
            match &mut sheet {
                Some(sheet) => sheet.put(COLUMNS.iter().map(cell))?,
                None => out::json_line(row),
            }
        }
        sheet.as_mut().map_or(Ok(()), Sheet::flush)?;
        let count = |key: &str| page.get(key).and_then(Value::as_u64).unwrap_or(0);
        (nameless, closed) = (nameless + count("nameless"), closed + count("closed"));
        match page.get("cursor").filter(|c| c.is_string()) {
            Some(cursor) => ask["cursor"] = cursor.clone(),
            None => break,
        }
    }
    if nameless > 0 {
        out::note(&format!(
            "{nameless} people are left out: they were erased (what they said still counts), or nobody kept who they are"
        ));
    }
    if closed > 0 {
        out::note(&format!("{closed} records are sealed with a key that is no longer configured"));
    }
    Ok(Status::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_formula_and_comes_back_as_it_was() {
        for cell in
            ["=1+1", "+886912345678", "-x", "@x", "\tx", "'=x", "''", "mei@example.com", "", "O'Hara", "'quoted"]
        {
            let written = quoted(cell);
            assert!(!is_formula(&written), "{written:?}");
            assert_eq!(plain(&written), cell);
        }
        assert_eq!(plain("+886912345678"), "+886912345678", "a file of somebody else's has no apostrophe");
    }
}
