//! Rows of tables held against what lines tell of them, column by column.

use std::collections::{BTreeMap, BTreeSet};

use varco_proto::ids::Digest;

use crate::proof::verification::tables::{Held, NO_LINE, NO_ROW, UNDONE, UNTOLD_END};
use crate::store::sql::{Connection, ValueRef};
use crate::store::{Doing as _, StoreError};

/// What lines tell of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    /// Nothing stands in it.
    Empty,
    /// This number; of a moment, its microseconds.
    Number(i64),
    /// At most this number.
    AtMost(i64),
    /// This text.
    Text(String),
    /// A text or bytes of this digest, hexadecimal.
    Digest(String),
    /// Something; the lines do not say what.
    Something,
}

impl Fact {
    /// A text, or nothing.
    pub(super) fn maybe(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_owned()))
    }

    fn fits(&self, value: ValueRef<'_>) -> bool {
        match (self, value) {
            (Self::Empty, ValueRef::Null) => true,
            (Self::Number(told), ValueRef::Integer(found)) => *told == found,
            (Self::AtMost(told), ValueRef::Integer(found)) => found <= *told,
            (Self::Text(told), ValueRef::Text(found)) => told.as_bytes() == found,
            (Self::Digest(told), ValueRef::Text(found) | ValueRef::Blob(found)) => {
                *told == Digest::of(found).to_string()
            }
            (Self::Something, found) => found != ValueRef::Null,
            _ => false,
        }
    }
}

/// What lines tell of one row. Of a column that is not among them they tell nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    columns: BTreeMap<&'static str, Fact>,
    /// Whether the row may be gone without a line of its own.
    pub(super) may_be_gone: bool,
}

impl Facts {
    pub(super) fn of<const N: usize>(columns: [(&'static str, Fact); N]) -> Self {
        Self {
            columns: columns.into(),
            may_be_gone: false,
        }
    }

    pub(super) fn set(&mut self, column: &'static str, fact: Fact) {
        self.columns.insert(column, fact);
    }

    pub(super) fn get(&self, column: &str) -> Option<&Fact> {
        self.columns.get(column)
    }

    /// A column may have something in it by now, where it had nothing.
    pub(super) fn forget_empty(&mut self, column: &str) {
        if self.get(column) == Some(&Fact::Empty) {
            self.forget(column);
        }
    }

    /// Nothing is known of a column any more.
    pub(super) fn forget(&mut self, column: &str) {
        self.columns.remove(column);
    }
}

/// A table whose rows lines made.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinedTable {
    pub(super) name: &'static str,
    /// What names a row, in SQL over the table.
    pub(super) key: &'static str,
    /// Which of its rows have lines, in SQL; all when it is `1`.
    pub(super) which: &'static str,
    /// The columns that are held.
    pub(super) columns: &'static [&'static str],
    /// The one that says since when a row has ended.
    pub(super) end: &'static str,
    /// Whether its rows may go without a line of their own, when their time is over.
    pub(super) rows_go: bool,
}

/// What lines tell of rows: by table, by what names the row.
#[derive(Debug, Default)]
pub(super) struct ToldRows {
    tables: BTreeMap<&'static str, BTreeMap<String, Facts>>,
    /// Beginnings of names of rows of which lines do not tell enough, by table.
    untold: BTreeMap<&'static str, BTreeSet<String>>,
}

impl ToldRows {
    pub(super) fn table(&mut self, name: &'static str) -> &mut BTreeMap<String, Facts> {
        self.tables.entry(name).or_default()
    }

    /// A row, if a line made it.
    pub(super) fn row(&mut self, table: &'static str, key: &str) -> Option<&mut Facts> {
        self.table(table).get_mut(key)
    }

    /// Of rows whose names begin so no line tells enough.
    pub(super) fn leave_out(&mut self, table: &'static str, beginning: String) {
        self.untold.entry(table).or_default().insert(beginning);
    }

    /// Holds a table against this.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn hold(
        &self,
        held: &mut Held,
        main: &Connection,
        table: &LinedTable,
    ) -> Result<(), StoreError> {
        const DOING: &str = "hold a table against its lines";
        let none = BTreeMap::new();
        let told = self.tables.get(table.name).unwrap_or(&none);
        let untold = self.untold.get(table.name);
        let is_untold = |key: &str| {
            untold.is_some_and(|all| all.iter().any(|beginning| key.starts_with(beginning)))
        };
        let LinedTable { name, which, .. } = *table;
        let columns = table.columns.join(", ");
        let sql = format!("SELECT {}, {columns} FROM {name} WHERE {which}", table.key);
        let mut statement = main.prepare(&sql).doing(DOING)?;
        let mut rows = statement.query([]).doing(DOING)?;
        let mut there = BTreeSet::new();
        while let Some(row) = rows.next().doing(DOING)? {
            let key: String = row.get(0).doing(DOING)?;
            match told.get(&key) {
                Some(facts) => {
                    for (at, column) in (1..).zip(table.columns) {
                        let value = row.get_ref(at).doing(DOING)?;
                        if let Some(what) = fault_of(facts, table, column, value) {
                            held.note(name, &key, &what);
                        }
                    }
                }
                None if is_untold(&key) => {}
                None => held.note(name, &key, NO_LINE),
            }
            there.insert(key);
        }
        let gone = told
            .iter()
            .filter(|(key, facts)| !facts.may_be_gone && !there.contains(*key) && !is_untold(key))
            .filter(|_| !table.rows_go);
        for (key, _) in gone {
            held.note(name, key, NO_ROW);
        }
        Ok(())
    }
}

fn fault_of(
    facts: &Facts,
    table: &LinedTable,
    column: &str,
    value: ValueRef<'_>,
) -> Option<String> {
    let fact = facts.get(column).filter(|fact| !fact.fits(value))?;
    let what = match (column == table.end, fact, value) {
        (true, Fact::Empty, _) => UNTOLD_END.to_owned(),
        (true, _, ValueRef::Null) => UNDONE.to_owned(),
        _ => format!("it is not what its line says, in `{column}`"),
    };
    Some(what)
}
