//! The rows of a file, line by line, so that an unclosed quote harms its own row alone.

/// Most lines that a quoted cell may go on for.
const CONTINUED_MAX: usize = 10;

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The line of the file that it begins on, from 1.
    pub(super) number: u64,
    /// Trimmed.
    pub(super) cells: Vec<String>,
    /// A quote opens in it and is not closed: the text behind it was taken as it stands.
    pub(super) quote_open: bool,
}

impl Row {
    /// Whether nothing stands in it.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }

    /// A cell with something in it.
    pub(super) fn cell(&self, at: usize) -> Option<&str> {
        self.cells
            .get(at)
            .map(String::as_str)
            .filter(|cell| !cell.is_empty())
    }
}

/// Reads rows.
#[derive(Debug, Clone)]
pub(super) struct Rows<'a> {
    lines: &'a [&'a str],
    next: usize,
    separator: char,
    width: usize,
}

/// The lines of a text, however it ends them.
pub(super) fn lines(text: &str) -> Vec<&str> {
    if text.contains('\n') || !text.contains('\r') {
        text.lines().collect()
    } else {
        text.split('\r').collect()
    }
}

impl<'a> Rows<'a> {
    /// From a line on, counted from 0; `width` is how many cells a whole row has.
    pub(super) fn of(lines: &'a [&'a str], next: usize, separator: char, width: usize) -> Self {
        Self {
            lines,
            next,
            separator,
            width,
        }
    }

    /// A row whose quoted cell goes on below: only where the lines together are one whole row, and
    /// none of them is one by itself.
    fn continued(&self, first: &str) -> Option<(Vec<String>, usize)> {
        if self.width < 2 {
            return None;
        }
        let mut joined = first.to_owned();
        for (count, line) in self.lines.iter().skip(self.next + 1).enumerate() {
            if count == CONTINUED_MAX {
                return None;
            }
            let balanced = line.matches('"').count().is_multiple_of(2);
            if balanced && split(line, self.separator).cells.len() >= self.width {
                return None;
            }
            joined.push('\n');
            joined.push_str(line);
            let whole = split(&joined, self.separator);
            if !whole.open {
                let fits = !whole.untidy && whole.cells.len() == self.width;
                return fits.then_some((whole.cells, count + 2));
            }
        }
        None
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let line = *self.lines.get(self.next)?;
        let number = u64::try_from(self.next + 1).unwrap_or(u64::MAX);
        let Split { cells, open, .. } = split(line, self.separator);
        let continued = if open { self.continued(line) } else { None };
        let (cells, taken, quote_open) = match continued {
            Some((cells, taken)) => (cells, taken, false),
            None => (cells, 1, open),
        };
        self.next += taken;
        Some(Row {
            number,
            cells,
            quote_open,
        })
    }
}

/// A line in cells.
pub(super) struct Split {
    pub(super) cells: Vec<String>,
    /// A quote is not closed.
    open: bool,
    /// Something stands behind a closing quote.
    untidy: bool,
}

/// Splits a line. A quote counts where a cell begins with it; one that is not closed is left out,
/// and its cell ends at the next separator.
pub(super) fn split(line: &str, separator: char) -> Split {
    let mut split = Split {
        cells: Vec::new(),
        open: false,
        untidy: false,
    };
    let mut rest = Some(line);
    while let Some(text) = rest {
        let begun = text.trim_start_matches(|c: char| c.is_whitespace() && c != separator);
        let quoted = begun
            .strip_prefix('"')
            .or_else(|| begun.strip_prefix("=\""));
        let (cell, behind) = match quoted.map(closed) {
            Some(Some((mut cell, behind))) => {
                let (more, behind) = plain(behind, separator);
                split.untidy |= !more.trim().is_empty();
                cell.push_str(more);
                (cell, behind)
            }
            unclosed => {
                split.open |= unclosed.is_some();
                let (cell, behind) = plain(quoted.unwrap_or(text), separator);
                (cell.to_owned(), behind)
            }
        };
        split.cells.push(tidy(&cell));
        rest = behind;
    }
    split
}

/// Up to the separator, and what is behind it.
fn plain(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((cell, behind)) => (cell, Some(behind)),
        None => (text, None),
    }
}

/// A quoted text without its marks, and what is behind the closing one.
fn closed(text: &str) -> Option<(String, &str)> {
    let mut cell = String::new();
    let mut rest = text;
    loop {
        let (before, behind) = rest.split_once('"')?;
        cell.push_str(before);
        match behind.strip_prefix('"') {
            Some(more) => {
                cell.push('"');
                rest = more;
            }
            None => return Some((cell, behind)),
        }
    }
}

/// Without what spreadsheets put around a cell to keep it text: `'AB123CD` and `="AB123CD"`.
fn tidy(cell: &str) -> String {
    let cell = cell.trim();
    let formula = cell
        .strip_prefix("=\"")
        .and_then(|rest| rest.strip_suffix('"'));
    let text = cell
        .strip_prefix('\'')
        .map(|rest| rest.strip_suffix('\'').unwrap_or(rest));
    formula.or(text).unwrap_or(cell).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, width: usize) -> Vec<Row> {
        Rows::of(&lines(text), 0, ';', width).collect()
    }

    #[test]
    fn an_unclosed_quote_harms_its_own_row_alone() {
        let rows = rows(
            "A;\"in fuga, vedi;31/12\nB;x;31/12\nC;\"y;31/12\nD;z \"q\";31/12\n",
            3,
        );
        let cells: Vec<_> = rows.iter().map(|row| row.cells.join("|")).collect();
        assert_eq!(
            cells,
            [
                "A|in fuga, vedi|31/12",
                "B|x|31/12",
                "C|y|31/12",
                "D|z \"q\"|31/12"
            ]
        );
        let open: Vec<_> = rows.iter().map(|row| row.quote_open).collect();
        assert_eq!(open, [true, false, true, false]);
    }

    #[test]
    fn a_quoted_cell_may_go_on_below() {
        let rows = rows("\"one\ntwo \"\"2\"\"\";A;x\nB;\"p;q\";y\n\"never;closed", 3);
        assert_eq!(rows[0].cells, ["one\ntwo \"2\"", "A", "x"]);
        assert_eq!((rows[1].number, rows[1].cells.len()), (3, 3));
        assert_eq!(rows[2].cells, ["never", "closed"]);
        assert!(rows[2].quote_open);
    }

    #[test]
    fn what_spreadsheets_put_around_a_cell_is_left_out() {
        let cells = split("=\"AB1\";'AB2; \"=\"\"AB3\"\"\" ;\"a\" b", ';').cells;
        assert_eq!(cells, ["AB1", "AB2", "AB3", "a b"]);
        assert_eq!(lines("a\rb\rc").len(), 3);
    }
}
