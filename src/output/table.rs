//! Tables for people.

use comfy_table::{Table, presets};

use super::one_line;

/// `rows` under `headings`, without lines, as columns that `cut` and eyes can follow.
pub fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings);
    rows.into_iter().for_each(|row| {
        table.add_row(row.map(|cell| one_line(&cell)));
    });
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let trimmed: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    trimmed.join("\n")
}
