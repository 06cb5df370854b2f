//! Tables on the terminal: the only door to `comfy_table`.

use comfy_table::{CellAlignment, Table, presets};

/// A table in Markdown, so that it can be kept as it is printed. All columns but the first are
/// numbers and stand to the right.
pub(super) fn markdown(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(head.to_vec());
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
