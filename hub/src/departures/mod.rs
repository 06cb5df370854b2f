//! What becomes of data when a member leaves an agreement or a municipality the hub (art. 14 of Perugia's regulation).
//!
//! It is destroyed, or exceptionally kept for proceedings, and the hub certifies it. This room owns the tables
//! `destruction_certificates` and `ceased_municipalities`.
//!
//! A transit is stored once, at the hub, for its municipality; an agreement gives reach, and no copy. What others hold
//! beside that are the alerts of their lists and the transits that their cases hold by an order.

pub mod certificate;
pub mod cessation;
pub mod desk;
mod held;

use crate::store::sql::{Connection, OptionalExtension as _, params};
use crate::store::{Doing as _, StoreError};
use varco_proto::time::UtcTime;

/// The tables, for [`crate::store::migrate`]. The certificate of a municipality that left the hub is of no agreement.
pub const SCHEMA: &str = "
    CREATE TABLE ceased_municipalities (
        municipality TEXT PRIMARY KEY,
        act TEXT NOT NULL,
        ceased_at_us INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE destruction_certificates (
        number INTEGER PRIMARY KEY,
        agreement TEXT NOT NULL,
        party TEXT NOT NULL CHECK (party IN ('giver', 'receiver', 'municipality')),
        who TEXT NOT NULL,
        until_us INTEGER NOT NULL,
        text TEXT NOT NULL,
        made_at_us INTEGER NOT NULL,
        UNIQUE (agreement, party, who, until_us)
    ) STRICT;";

/// Which certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CertificateRow<'a> {
    agreement: &'a str,
    party: &'a str,
    who: &'a str,
    until: UtcTime,
}

/// The text of a certificate that was made; none when none was.
fn find(main: &Connection, row: &CertificateRow<'_>) -> Result<Option<String>, StoreError> {
    let sql = "SELECT text FROM destruction_certificates
        WHERE agreement = ? AND party = ? AND who = ? AND until_us = ?";
    let until = row.until.unix_us();
    main.query_row(
        sql,
        params![row.agreement, row.party, row.who, until],
        |row| row.get(0),
    )
    .optional()
    .doing("look a certificate up")
}

/// The number of the next certificate.
fn next(main: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce(max(number), 0) + 1 FROM destruction_certificates";
    main.query_row(sql, [], |row| row.get(0))
        .doing("number a certificate")
}

fn keep(
    main: &Connection,
    number: i64,
    row: &CertificateRow<'_>,
    text: &str,
    now: UtcTime,
) -> Result<(), StoreError> {
    main.execute(
        "INSERT INTO destruction_certificates VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![
            number,
            row.agreement,
            row.party,
            row.who,
            row.until.unix_us(),
            text,
            now.unix_us(),
        ],
    )
    .doing("keep a certificate")?;
    Ok(())
}
