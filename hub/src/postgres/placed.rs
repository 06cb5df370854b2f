//! Finding stored transits in PostgreSQL by their ids alone, as a block names them.

use std::collections::HashSet;

use super::batch::{mark, tail};
use super::find::head_in;
use super::server::Server;
use crate::hours::partition::Partition;
use crate::store::StoreError;
use crate::transits::allowed::Placed;

impl Server {
    /// Where the transits of these ids lie; what is not stored is left out.
    pub(super) fn find_placed(&self, ids: &HashSet<[u8; 16]>) -> Result<Vec<Placed>, StoreError> {
        let marks = ids.iter().flat_map(|id| {
            // A version before kept the random half.
            [mark(id), tail(id)]
        });
        let marks: Vec<i64> = marks.collect();
        let sql = "SELECT hour, id, head FROM transits WHERE id = ANY($1)";
        let rows = self.with(|link| link.rows("find transits by their ids", sql, &[&marks]))?;
        let mut placed = Vec::new();
        for row in rows {
            let hour = Partition::from_number(i64::from(row.get::<_, i32>(0)));
            let Some(secret) = self.secrets.of(hour)? else {
                continue;
            };
            let head = head_in(&secret, hour, row.get(1), row.get(2));
            let head = head.filter(|head| ids.contains(&head.id));
            placed.extend(head.map(|head| Placed {
                id: head.id,
                hour,
                entry: head.entry,
            }));
        }
        Ok(placed)
    }
}
