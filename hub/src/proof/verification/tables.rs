//! The tables held against the lines that made them: a row without its line, a line without its row and
//! an end that was undone are faults; where no line could be, that is said.

use std::collections::BTreeSet;
use std::time::Duration;

use varco_proto::time::UtcTime;

use crate::audit::told::TokenMade;
use crate::boxes::edges;
use crate::cases::case;
use crate::hotlists::list;
use crate::hours::partition::Partition;
use crate::opening::floor::Floor;
use crate::people::tokens::{self, DAYS_OF_OLDER, TokenRow};
use crate::proof::verification::expected::{Book, Expected, Made};
use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};
use crate::transits::retention::RUNS_APART;

use crate::proof::verification::{BrokenRow, acts, approvals, signing};

pub(super) const NO_LINE: &str = "no line made it";
pub(super) const NO_ROW: &str = "a line made it, and its row is gone";
pub(super) const UNDONE: &str = "a line ended it, and its row says that it lives";
pub(super) const UNTOLD_END: &str = "its row says that it ended, and no line ended it";

/// Whether a token's row is the one that its line made. Of an older version's line neither id nor end
/// is known, and the end is the one that such tokens were given.
fn is_as_told(row: &TokenRow, made: &Made<TokenMade>) -> bool {
    let told = &made.told;
    let is_whose = told.actor_id.as_ref().is_none_or(|id| *id == row.actor_id);
    let ends_at = told.ends_at.unwrap_or(made.at + DAYS_OF_OLDER);
    // Those of older versions were for nothing stated.
    let purposes = told.purposes.as_deref() == Some(row.purposes.as_str())
        || (told.purposes.is_none() && row.purposes.is_empty());
    is_whose
        && purposes
        && told.agreement == row.agreement
        && (&told.actor, &told.may, made.at) == (&row.actor, &Some(row.may.clone()), row.created_at)
        && ends_at == row.ends_at
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) broken: Vec<BrokenRow>,
    pub(super) unestablished: Vec<String>,
}

impl Held {
    pub(super) fn note(&mut self, table: &'static str, row: &str, what: &str) {
        self.broken.push(BrokenRow {
            table,
            row: row.to_owned(),
            what: what.to_owned(),
        });
    }

    /// A row, by its name, against what the lines say of it.
    pub(super) fn row<T>(
        &mut self,
        table: &'static str,
        book: &Book<T>,
        name: &str,
        is_ended: bool,
        differs: impl FnOnce(&Made<T>) -> Option<&'static str>,
    ) {
        let told_end = book.ended.contains(name);
        match book.made.get(name) {
            Some(made) => {
                if let Some(what) = differs(made) {
                    self.note(table, name, what);
                }
            }
            // An edge that was revoked after the copy was made is known again by a restore's line.
            None if told_end => {}
            None => self.note(table, name, NO_LINE),
        }
        match (told_end, is_ended) {
            (true, false) => self.note(table, name, UNDONE),
            (false, true) => self.note(table, name, UNTOLD_END),
            _ => {}
        }
    }

    pub(super) fn gone<T>(
        &mut self,
        table: &'static str,
        book: &Book<T>,
        there: &BTreeSet<String>,
    ) {
        for name in book.made.keys().filter(|name| !there.contains(*name)) {
            self.note(table, name, NO_ROW);
        }
    }

    /// What a later version wrote.
    pub(super) fn later(&mut self, expected: &Expected) {
        if expected.later_lines > 0 {
            self.unestablished.push(format!(
                "{} lines are of a later version: they stand in the chain, and what they did cannot be \
                 held against the tables; verify with that version",
                expected.later_lines
            ));
        }
    }

    /// Everything but the hours.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn hold(
        &mut self,
        main: &Connection,
        expected: &mut Expected,
        floor: &Floor,
    ) -> Result<(), StoreError> {
        self.tokens(main, expected, floor)?;
        self.edges(main, expected)?;
        signing::hold(self, main, expected)?;
        approvals::hold(self, main, &expected.approvals)?;
        acts::hold(self, main, &expected.rows)?;
        self.cases(main, expected)?;
        self.hotlists(main, expected)?;
        self.blocks(main, expected)
    }

    fn tokens(
        &mut self,
        main: &Connection,
        expected: &mut Expected,
        floor: &Floor,
    ) -> Result<(), StoreError> {
        let mut there = BTreeSet::new();
        for row in tokens::rows(main)? {
            // Enough to find it by.
            let name = row.id().to_owned();
            let had_ended = floor.has_ended_token(&row.digest);
            let told_end = expected.tokens.ended.contains(&row.digest);
            match (told_end || had_ended, row.revoked_at.is_some()) {
                (true, false) => self.note("tokens", &name, UNDONE),
                (false, true) => self.note("tokens", &name, UNTOLD_END),
                _ => {}
            }
            let unnamed = (row.actor.clone(), row.created_at.unix_us());
            match expected.tokens.made.get(&row.digest) {
                Some(made) if !is_as_told(&row, made) => {
                    self.note("tokens", &name, "it is not what its line says");
                }
                Some(_) => {}
                None => match expected.unnamed_tokens.get_mut(&unnamed) {
                    Some(count) if *count > 0 => {
                        *count -= 1;
                        self.unestablished.push(format!(
                            "token {name}: the line that made it is of an older version, which did \
                             not say which token it made"
                        ));
                    }
                    _ => self.note("tokens", &name, NO_LINE),
                },
            }
            there.insert(row.digest);
        }
        self.gone("tokens", &expected.tokens, &there);
        if expected.unnamed_tokens.values().any(|count| *count > 0) {
            self.note("tokens", "of an older version", NO_ROW);
        }
        Ok(())
    }

    fn edges(&mut self, main: &Connection, expected: &Expected) -> Result<(), StoreError> {
        let (table, book) = ("edges", &expected.edges);
        let mut there = BTreeSet::new();
        for edge in edges::all(main)? {
            let name = edge.id.to_string();
            self.row(
                table,
                book,
                &name,
                edge.revoked_at.is_some(),
                |Made { told, .. }| {
                    if told.edge_key != edge.opening_key.to_string() {
                        return Some("its key is not the one in its line");
                    }
                    (told.gate != edge.gate.as_str())
                        .then_some("its gate is not the one in its line")
                },
            );
            there.insert(name);
        }
        self.gone(table, book, &there);
        Ok(())
    }

    fn cases(&mut self, main: &Connection, expected: &Expected) -> Result<(), StoreError> {
        let (table, book) = ("cases", &expected.cases);
        let mut there = BTreeSet::new();
        for case in case::all(main)? {
            let name = case.id.to_string();
            self.row(table, book, &name, case.closed_at.is_some(), |made| {
                let Made { told, by, at, .. } = made;
                let row = (&*case.authority, &*case.order, case.until, &*case.opened_by);
                let line = (told.authority.trim(), told.order.trim(), told.until, &**by);
                (row != line || case.opened_at > *at).then_some("it is not what its line says")
            });
            there.insert(name);
        }
        self.gone(table, book, &there);
        Ok(())
    }

    fn hotlists(&mut self, main: &Connection, expected: &Expected) -> Result<(), StoreError> {
        let (table, book) = ("hotlists", &expected.lists);
        let mut there = BTreeSet::new();
        for list in list::all(main)? {
            let name = list.id.to_string();
            self.row(table, book, &name, list.closed_at.is_some(), |made| {
                let told = &made.told;
                let row = (&*list.owner, list.near, list.valid_from, list.valid_to);
                let line = (told.owner.trim(), told.near, told.valid_from, told.valid_to);
                let is_same = row == line
                    && (&list.seen_by, list.priority) == (&told.seen_by, told.priority)
                    && (&*list.name, &*list.reason) == (told.name.trim(), told.reason.trim())
                    && (list.made_by.is_empty() || made.by_id.as_ref() == Some(&list.made_by));
                (!is_same).then_some("it is not what its line says")
            });
            there.insert(name);
        }
        self.gone(table, book, &there);
        Ok(())
    }

    fn blocks(&mut self, main: &Connection, expected: &Expected) -> Result<(), StoreError> {
        const DOING: &str = "list what was blocked";
        let sql = "SELECT lower(hex(transit)), order_reference, lifted_at_us IS NULL FROM blocks";
        let mut statement = main.prepare(sql).doing(DOING)?;
        let mut rows = statement.query([]).doing(DOING)?;
        let mut there = BTreeSet::new();
        while let Some(row) = rows.next().doing(DOING)? {
            let name: String = row.get(0).doing(DOING)?;
            let order: String = row.get(1).doing(DOING)?;
            let holds: bool = row.get(2).doing(DOING)?;
            match (expected.blocks.get(&name), holds) {
                (Some(Some(told)), true) if *told != order => {
                    self.note("blocks", &name, "its order is not the one in its line");
                }
                (Some(_), false) => self.note("blocks", &name, "it was lifted, and no line says so"),
                (None, true) if expected.has_unnamed_blocks => self.unestablished.push(format!(
                    "block of {name}: a restore of an older version blocked transits again, and its \
                     line does not say which"
                )),
                (None, true) => self.note("blocks", &name, NO_LINE),
                _ => {}
            }
            there.insert(name);
        }
        for name in expected.blocks.keys().filter(|name| !there.contains(*name)) {
            self.note("blocks", name, NO_ROW);
        }
        Ok(())
    }

    /// The hours that are there, against those that began and did not end. `is_told` says of an hour
    /// without a line whether one was written since: in PostgreSQL it comes after the commit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn hours(
        &mut self,
        there: &BTreeSet<Partition>,
        expected: &Expected,
        term: Duration,
        now: UtcTime,
        is_told: impl Fn(Partition) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let lives = |hour: &Partition| hour.gone_at(term) > now + RUNS_APART;
        for hour in expected.hours.difference(there).filter(|hour| lives(hour)) {
            let what = "a line says that it began, its term is not over, and it is gone";
            self.note("hours", &hour.to_string(), what);
        }
        for hour in there.difference(&expected.hours).filter(|hour| lives(hour)) {
            if is_told(*hour)? {
                continue;
            }
            let since = expected.hours_told_since;
            let is_older = !expected.tells_all && since.is_none_or(|since| hour.start() <= since);
            if is_older {
                self.unestablished.push(format!(
                    "hour {hour}: it began under an older version, which wrote no line of it"
                ));
            } else {
                self.note("hours", &hour.to_string(), NO_LINE);
            }
        }
        Ok(())
    }
}
