//! Going through all that PostgreSQL holds, to check it and to prove what is not there any more.

use varco_proto::time::UtcTime;

use super::connection::PgConnection;
use super::find::{ENVELOPE, head_in, place_of};
use super::names;
use super::schema::table_of;
use super::secrets::Secret;
use super::server::{Server, count, hours};
use crate::chains::{StoredLink, place, whole};
use crate::hours::partition::Partition;
use crate::store::StoreError;
use crate::transits::rows::Head;
use crate::transits::stored::StoredHours as _;

/// Rows read at once.
const ROWS_AT_ONCE: i64 = 1000;

/// A row as it was found.
#[derive(Debug)]
pub struct Inspected {
    /// What stands beside the sealed original, and that.
    pub head: Head,
    /// The sealed original.
    pub envelope: Vec<u8>,
    /// The digest in its edge's chain; none when it is not there.
    pub in_chain: Option<Vec<u8>>,
}

impl Server {
    /// The hours with how many transits each has, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn counts(&self) -> Result<Vec<(Partition, u64)>, StoreError> {
        self.with(|link| {
            let hours = hours(link)?.into_iter();
            hours.map(|hour| Ok((hour, count(link, hour)?))).collect()
        })
    }

    /// Hands every stored transit of the chains that was captured since a moment to `each`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn for_each_stored(
        &self,
        since: UtcTime,
        mut each: impl FnMut(StoredLink),
    ) -> Result<(), StoreError> {
        let names = self.names()?;
        self.with(|link| {
            let (mut edge, mut sequence) = (0_i32, 0_i64);
            loop {
                let rows = link.rows(
                    "read the chains",
                    "SELECT edge, sequence, digest, captured_at_us, stored AND kind = 'transit'
                     FROM links WHERE (edge, sequence) > ($1, $2)
                     ORDER BY edge, sequence LIMIT $3",
                    &[&edge, &sequence, &ROWS_AT_ONCE],
                )?;
                let Some(last) = rows.last() else {
                    return Ok(());
                };
                (edge, sequence) = (last.get(0), last.get(1));
                for row in rows {
                    let captured_at = UtcTime::from_unix_us(row.get(3));
                    if row.get::<_, bool>(4) && captured_at >= since {
                        let name = names.name(names::number(row.get(0))?);
                        let damaged = StoreError::Damaged { what: "name" };
                        each(StoredLink {
                            edge: name.ok_or(damaged)?.to_owned(),
                            sequence: row.get(1),
                            digest: row.get(2),
                            captured_at,
                        });
                    }
                }
            }
        })
    }

    /// Hands every row of an hour to `each`; a row that does not open as nothing. Gives whether the
    /// hour could be opened at all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn inspect(
        &self,
        hour: Partition,
        mut each: impl FnMut(Option<Inspected>) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        let Some(secret) = self.secrets.of(hour)? else {
            return Ok(false);
        };
        self.with(|link| {
            let mut after = i64::MIN;
            let mut first = true;
            loop {
                let rows = some(link, hour, after, first)?;
                first = false;
                let Some(last) = rows.last() else {
                    return Ok(true);
                };
                after = last.0;
                for row in opened(link, &secret, hour, rows)? {
                    each(row)?;
                }
            }
        })
    }
}

type Sealed = (i64, Vec<u8>, Vec<u8>);

fn some(
    link: &mut PgConnection,
    hour: Partition,
    after: i64,
    first: bool,
) -> Result<Vec<Sealed>, StoreError> {
    let than = if first { ">=" } else { ">" };
    let sql = format!(
        "SELECT id, head, envelope FROM {} WHERE id {than} $1 ORDER BY id LIMIT $2",
        table_of(hour)
    );
    match link.rows("read an hour", &sql, &[&after, &ROWS_AT_ONCE]) {
        // Destroyed meanwhile: its term was over.
        Err(error) if error.is_no_such_table() => Ok(Vec::new()),
        rows => {
            let row = |row: tokio_postgres::Row| (row.get(0), row.get(1), row.get(2));
            Ok(rows?.into_iter().map(row).collect())
        }
    }
}

fn opened(
    link: &mut PgConnection,
    secret: &Secret,
    hour: Partition,
    rows: Vec<Sealed>,
) -> Result<Vec<Option<Inspected>>, StoreError> {
    let (mut edges, mut sequences, mut places) = (Vec::new(), Vec::new(), Vec::new());
    let mut inspected: Vec<Option<Inspected>> = Vec::new();
    for (id, head, envelope) in rows {
        let head = head_in(secret, hour, id, &head);
        let envelope = secret
            .key
            .open(&place_of(ENVELOPE, hour, id), &envelope)
            .ok();
        let Some((head, envelope)) = head.zip(envelope) else {
            inspected.push(None);
            continue;
        };
        edges.push(names::column(head.edge)?);
        sequences.push(place(head.sequence));
        places.push(inspected.len());
        inspected.push(Some(Inspected {
            head,
            envelope,
            in_chain: None,
        }));
    }
    let links = link.rows(
        "read the edges' chains",
        "SELECT w.place, l.digest
         FROM unnest($1::integer[], $2::bigint[]) WITH ORDINALITY AS w (edge, sequence, place)
         JOIN links AS l ON l.edge = w.edge AND l.sequence = w.sequence AND l.stored",
        &[&edges, &sequences],
    )?;
    for row in links {
        let damaged = || StoreError::Damaged { what: "chain" };
        let asked = usize::try_from(whole(row.get(0))?).map_err(|_| damaged())?;
        let place = asked.checked_sub(1).and_then(|asked| places.get(asked));
        let place = place.and_then(|place| inspected.get_mut(*place));
        let place = place.and_then(Option::as_mut).ok_or_else(damaged)?;
        place.in_chain = row.get(1);
    }
    Ok(inspected)
}
