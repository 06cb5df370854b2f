//! Writing what a batch changed in the chains, once at its end.

use tokio_postgres::types::{ToSql, Type};

use super::super::connection::PgConnection;
use super::{Chain, Chains};
use crate::chains::column;
use crate::chains::heads::ChainLink;
use crate::postgres::ranges::Changed;
use crate::store::StoreError;

impl Chains {
    /// Writes what the batch changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(in crate::postgres) fn write(&self, link: &mut PgConnection) -> Result<(), StoreError> {
        let chains: Vec<&Chain> = self.0.values().collect();
        write_links(link, &chains)?;
        write_heads(link, &chains)?;
        for chain in chains {
            for (sequence, (stored, at_us)) in &chain.taken {
                link.change(
                    "note that the record is stored",
                    "UPDATE links SET stored = $3, received_at_us = $4
                     WHERE edge = $1 AND sequence = $2",
                    &[&chain.number, &column(*sequence)?, stored, at_us],
                )?;
            }
        }
        self.write_ranges(link)
    }

    fn write_ranges(&self, link: &mut PgConnection) -> Result<(), StoreError> {
        let mut changed = Changed::default();
        for chain in self.0.values() {
            if let Some(ranges) = &chain.ranges {
                changed.add(chain.number, ranges)?;
            }
        }
        changed.write(link)
    }
}

/// What a link's columns take: edge, sequence, digest and the one before, and the rest.
type Row<'a> = (i32, i64, &'a [u8], &'a [u8], &'a ChainLink);

fn write_links(link: &PgConnection, chains: &[&Chain]) -> Result<(), StoreError> {
    // What the columns take, standing still while the rows refer to it.
    let fresh: Vec<Row<'_>> = chains
        .iter()
        .flat_map(|chain| {
            chain.fresh.iter().map(|link| {
                let digest = &link.digest.as_bytes()[..];
                let previous = &link.previous.as_bytes()[..];
                let sequence = column(link.sequence)?;
                Ok((chain.number, sequence, digest, previous, link))
            })
        })
        .collect::<Result<_, StoreError>>()?;
    let rows = fresh
        .iter()
        .map(|(edge, sequence, digest, previous, link)| {
            let values: Vec<&(dyn ToSql + Sync)> = vec![
                edge,
                sequence,
                digest,
                previous,
                &link.captured_at_us,
                &link.received_at_us,
                &link.stored,
                &link.kind,
            ];
            values
        });
    if fresh.is_empty() {
        return Ok(());
    }
    let types = [
        Type::INT4,
        Type::INT8,
        Type::BYTEA,
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::BOOL,
        Type::TEXT,
    ];
    link.copy("append the links", "links", &types, rows)?;
    Ok(())
}

fn write_heads(link: &mut PgConnection, chains: &[&Chain]) -> Result<(), StoreError> {
    let changed: Vec<&&Chain> = chains.iter().filter(|chain| chain.changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let edges: Vec<i32> = changed.iter().map(|chain| chain.number).collect();
    let sequences = changed.iter().map(|chain| column(chain.sequence));
    let sequences: Vec<i64> = sequences.collect::<Result<_, StoreError>>()?;
    let digests: Vec<&[u8]> = changed
        .iter()
        .map(|chain| &chain.digest.as_bytes()[..])
        .collect();
    let times: Vec<i64> = changed.iter().map(|chain| chain.received_at_us).collect();
    link.change(
        "write the chains' heads",
        "UPDATE heads AS h SET sequence = n.sequence, digest = n.digest,
             received_at_us = n.received_at_us
         FROM unnest($1::integer[], $2::bigint[], $3::bytea[], $4::bigint[])
             AS n (edge, sequence, digest, received_at_us)
         WHERE h.edge = n.edge",
        &[&edges, &sequences, &digests, &times],
    )?;
    Ok(())
}
