//! The tables in PostgreSQL, and how their schema moves forward.
//!
//! The transits are partitioned by the hour of capture, as in the home: what is past its term goes
//! as one table, at once and whole. Everybody writes and reads an hour's own table, never the
//! parent, so that no hour waits for what is done to another.

use super::connection::PgConnection;
use crate::hours::partition::Partition;
use crate::store::StoreError;

/// Each step brings the schema forward once; steps are only added at the end.
const STEPS: [&str; 3] = [
    "
    CREATE TABLE names (
        number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (number > 0),
        kind text NOT NULL CHECK (kind IN ('camera', 'gate', 'edge')),
        name text NOT NULL,
        UNIQUE (kind, name)
    );
    CREATE TABLE hours (hour integer PRIMARY KEY);
    CREATE TABLE transits (
        hour integer NOT NULL,
        id bigint NOT NULL,
        plate bigint NOT NULL,
        camera bigint NOT NULL,
        head bytea NOT NULL,
        envelope bytea NOT NULL
    ) PARTITION BY RANGE (hour);
    ALTER TABLE transits ALTER COLUMN envelope SET STORAGE EXTERNAL;
    CREATE TABLE plates (
        chunk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        hour integer NOT NULL,
        merged boolean NOT NULL,
        made_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
        sealed bytea NOT NULL
    );
    ALTER TABLE plates ALTER COLUMN sealed SET STORAGE EXTERNAL;
    CREATE INDEX plates_made_by ON plates (made_by);
    CREATE INDEX plates_hour ON plates (hour);
    CREATE TABLE heads (
        edge integer PRIMARY KEY,
        sequence bigint NOT NULL,
        digest bytea NOT NULL CHECK (length(digest) = 32),
        received_at_us bigint NOT NULL,
        pruned_through bigint NOT NULL
    ) WITH (fillfactor = 50);
    CREATE TABLE links (
        edge integer NOT NULL,
        sequence bigint NOT NULL CHECK (sequence > 0),
        digest bytea NOT NULL CHECK (length(digest) = 32),
        previous bytea NOT NULL CHECK (length(previous) = 32),
        captured_at_us bigint NOT NULL,
        received_at_us bigint NOT NULL,
        stored boolean NOT NULL,
        kind text NOT NULL CHECK (kind IN ('transit', 'tamper', 'drops')),
        PRIMARY KEY (edge, sequence)
    );
    CREATE TABLE gaps (
        edge integer NOT NULL,
        first bigint NOT NULL,
        last bigint NOT NULL CHECK (last >= first),
        missing bigint NOT NULL,
        opened_at_us bigint NOT NULL,
        closed_at_us bigint,
        told_at_us bigint,
        PRIMARY KEY (edge, first)
    );
    CREATE INDEX gaps_open ON gaps (edge) WHERE closed_at_us IS NULL;
    CREATE TABLE dropped (
        edge integer NOT NULL,
        first bigint NOT NULL,
        last bigint NOT NULL CHECK (last >= first),
        missing bigint NOT NULL,
        PRIMARY KEY (edge, first)
    );
    CREATE TABLE moved (
        hour integer PRIMARY KEY,
        rows bigint NOT NULL
    );",
    // Hours of the version before have transits whose gate and camera are not among those met.
    "CREATE TABLE met (
        gate integer NOT NULL,
        camera integer NOT NULL,
        PRIMARY KEY (gate, camera)
    );
    ALTER TABLE hours ADD COLUMN all_met boolean NOT NULL DEFAULT false;",
    // The home that this belongs to knows the id too.
    "CREATE TABLE belongs_to (
        one integer PRIMARY KEY CHECK (one = 1),
        id bytea NOT NULL CHECK (length(id) = 16)
    );",
];

/// What locks of ours are taken under, as an expression: a number of this schema's own, so that
/// other homes in one database do not wait for this one. The second number says which lock it is.
pub(super) const LOCK_CLASS: &str = "('hours'::regclass::oid::bigint & 2147483647)::integer";
/// The lock while the schema is looked at, when there may be no table yet.
const LOCK_SCHEMA: &str = "SELECT pg_advisory_xact_lock(1986097763, hashtext(current_schema()))";

/// Brings the schema forward. Gives whether Citus spreads the transits over several machines.
pub(super) fn migrate(link: &mut PgConnection) -> Result<bool, StoreError> {
    const DOING: &str = "bring the schema forward";
    link.run(DOING, "BEGIN")?;
    let done = forward(link);
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = link.run(DOING, end);
    let citus = done?;
    ended?;
    Ok(citus)
}

/// Checks that the schema is this version's, and changes nothing. Gives as [`migrate`].
pub(super) fn expect(link: &mut PgConnection) -> Result<bool, StoreError> {
    const DOING: &str = "read the schema's version";
    let version = match link.row(DOING, "SELECT max(version) FROM varco_schema", &[]) {
        Err(error) if error.is_no_such_table() => None,
        row => row?.and_then(|row| row.get::<_, Option<i32>>(0)),
    };
    let found = usize::try_from(version.unwrap_or(0)).unwrap_or(usize::MAX);
    let known = STEPS.len();
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(StoreError::OlderSchema { found, known }),
        std::cmp::Ordering::Equal => has_citus(link),
        std::cmp::Ordering::Greater => Err(StoreError::Newer { found, known }),
    }
}

fn has_citus(link: &mut PgConnection) -> Result<bool, StoreError> {
    let citus = "SELECT 1 FROM pg_extension WHERE extname = 'citus'";
    Ok(link.row("look for Citus", citus, &[])?.is_some())
}

fn forward(link: &mut PgConnection) -> Result<bool, StoreError> {
    const DOING: &str = "bring the schema forward";
    link.run(DOING, LOCK_SCHEMA)?;
    let table = "CREATE TABLE IF NOT EXISTS varco_schema (version integer NOT NULL)";
    link.run(DOING, table)?;
    let version = link.row(DOING, "SELECT max(version) FROM varco_schema", &[])?;
    let version = version.and_then(|row| row.get::<_, Option<i32>>(0));
    let found = usize::try_from(version.unwrap_or(0)).unwrap_or(usize::MAX);
    let Some(missing) = STEPS.get(found..) else {
        return Err(StoreError::Newer {
            found,
            known: STEPS.len(),
        });
    };
    for step in missing {
        link.run(DOING, step)?;
    }
    let citus = has_citus(link)?;
    if !missing.is_empty() {
        let known = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
        link.change(DOING, "INSERT INTO varco_schema VALUES ($1)", &[&known])?;
        if citus && found == 0 {
            // The chains and the rest stay at the coordinator, where they are locked.
            let spread = "SELECT create_distributed_table('transits', 'plate')";
            link.run("spread the transits over Citus", spread)?;
        }
    }
    Ok(citus)
}

/// The name of an hour's table.
pub(super) fn table_of(hour: Partition) -> String {
    format!("transits_{}", hour.number())
}

/// The number of an hour as its column has it.
pub(super) fn column(hour: Partition) -> i32 {
    i32::try_from(hour.number()).unwrap_or(i32::MAX)
}

/// Makes an hour's table when there is none, in the caller's transaction. Whoever makes the same at
/// once waits for this transaction's end.
///
/// Made beside the parent and then attached, because that lets others read the parent meanwhile.
pub(super) fn make_hour(
    link: &mut PgConnection,
    hour: Partition,
    citus: bool,
) -> Result<(), StoreError> {
    const DOING: &str = "make an hour's table";
    let (table, number) = (table_of(hour), column(hour));
    if is_there(link, &table)? {
        return Ok(());
    }
    let locks = format!("SELECT pg_advisory_xact_lock({LOCK_CLASS}, {number})");
    link.run(DOING, &locks)?;
    if is_there(link, &table)? {
        return Ok(());
    }
    // Of a table spread by plate, Citus can only say that an id is unique with its plate.
    let unique = if citus { "plate, id" } else { "id" };
    let next = number.saturating_add(1);
    link.run(
        DOING,
        &format!(
            "CREATE TABLE {table} (LIKE transits INCLUDING STORAGE)
                 WITH (toast_tuple_target = 8160, autovacuum_enabled = off);
             CREATE UNIQUE INDEX ON {table} ({unique});
             CREATE INDEX ON {table} (plate);
             CREATE INDEX ON {table} (camera);
             ALTER TABLE {table} ADD CHECK (hour >= {number} AND hour < {next});
             ALTER TABLE transits ATTACH PARTITION {table} FOR VALUES FROM ({number}) TO ({next});
             INSERT INTO hours VALUES ({number}, true) ON CONFLICT DO NOTHING;"
        ),
    )
}

fn is_there(link: &mut PgConnection, table: &str) -> Result<bool, StoreError> {
    let there = "SELECT to_regclass($1) IS NOT NULL";
    let there = link.row("look for an hour's table", there, &[&table])?;
    Ok(there.is_some_and(|row| row.get(0)))
}
