//! Which edges sent of which gates and cameras, by what PostgreSQL holds.

use std::collections::BTreeSet;

use super::find::head_in;
use super::schema::table_of;
use super::server::Server;
use crate::store::StoreError;
use crate::transits::claims::StoredClaim;
use crate::transits::stored::StoredHours as _;

impl Server {
    /// The edges with the gates and cameras of their stored transits: of each hour the first and the
    /// last transit of a camera.
    pub(super) fn stored_claims(&self) -> Result<BTreeSet<StoredClaim>, StoreError> {
        let mut claims = BTreeSet::new();
        let names = self.names()?;
        for hour in self.hours()? {
            let Some(secret) = self.secrets.of(hour)? else {
                continue;
            };
            for order in ["ASC", "DESC"] {
                let sql = format!(
                    "SELECT DISTINCT ON (camera) id, head FROM {} ORDER BY camera, id {order}",
                    table_of(hour)
                );
                let rows = self.with(|link| match link.rows("read an hour", &sql, &[]) {
                    // Destroyed meanwhile: its term was over.
                    Err(error) if error.is_no_such_table() => Ok(Vec::new()),
                    rows => rows,
                })?;
                for row in rows {
                    let (id, sealed): (i64, Vec<u8>) = (row.get(0), row.get(1));
                    let Some(head) = head_in(&secret, hour, id, &sealed) else {
                        continue;
                    };
                    let name = |number| -> Result<String, StoreError> {
                        let name = names.name(number).map(str::to_owned);
                        name.ok_or(StoreError::Damaged { what: "name" })
                    };
                    claims.insert(StoredClaim {
                        edge: name(head.edge)?,
                        gate: name(head.entry.gate)?,
                        camera: name(head.entry.camera)?,
                    });
                }
            }
        }
        Ok(claims)
    }
}
