//! The preview as one page for a browser: a table a language, a row a milestone, a column a channel.

use super::cell::Cell;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;

#[derive(Serialize)]
struct Language<'a> {
    locale: &'a str,
    columns: Vec<String>,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    milestone: &'a str,
    cells: Vec<&'a Cell>,
}

/// The page; it needs nothing from anywhere else.
///
/// # Errors
/// None that words could cause: they are data, escaped.
pub fn render(cells: &[Cell]) -> anyhow::Result<String> {
    let mut languages: Vec<Language> = Vec::new();
    for cell in cells {
        let language = match languages.iter_mut().position(|l| l.locale == cell.locale) {
            Some(i) => &mut languages[i],
            None => {
                languages.push(Language { locale: cell.locale, columns: Vec::new(), rows: Vec::new() });
                let last = languages.len() - 1;
                &mut languages[last]
            }
        };
        let window = if cell.window == "any" { String::new() } else { format!(", window {}", cell.window) };
        let column = format!("{}{window}", cell.channel);
        if !language.columns.contains(&column) {
            language.columns.push(column);
        }
        match language.rows.last_mut().filter(|r| r.milestone == cell.milestone) {
            Some(row) => row.cells.push(cell),
            None => language.rows.push(Row { milestone: cell.milestone, cells: vec![cell] }),
        }
    }
    let mut env = Environment::new();
    // By its name the engine knows that this is HTML: every value is escaped.
    env.add_template("page.html", include_str!("page.html"))?;
    Ok(env.get_template("page.html")?.render(context! { languages => Value::from(Serde(&languages)) })?)
}
