//! A number that grows with each change of what the policy judges by, in the transaction of the change.
//!
//! Whoever keeps what the policy came to knows by it whether that still holds. This module owns the table `rights`.
//! The triggers are the tables' own, so that no path can change one without it. A room above that has such a table
//! writes triggers like these into its own schema.

use crate::store::sql::Connection;
use crate::store::{Doing as _, StoreError};

/// The table, and the triggers on the tables of this room and of those below it.
pub const SCHEMA: &str = "
    CREATE TABLE rights (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        version INTEGER NOT NULL
    ) STRICT;
    INSERT INTO rights VALUES (1, 1);
    CREATE TRIGGER municipalities_made AFTER INSERT ON municipalities
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER municipalities_changed AFTER UPDATE ON municipalities
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER municipalities_gone AFTER DELETE ON municipalities
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER municipality_gates_made AFTER INSERT ON municipality_gates
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER municipality_gates_changed AFTER UPDATE ON municipality_gates
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER municipality_gates_gone AFTER DELETE ON municipality_gates
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER gate_owners_made AFTER INSERT ON gate_owners
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER gate_owners_changed AFTER UPDATE ON gate_owners
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER gate_owners_gone AFTER DELETE ON gate_owners
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreements_made AFTER INSERT ON agreements
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreements_changed AFTER UPDATE ON agreements
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreements_gone AFTER DELETE ON agreements
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreement_givers_made AFTER INSERT ON agreement_givers
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreement_givers_changed AFTER UPDATE ON agreement_givers
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreement_givers_gone AFTER DELETE ON agreement_givers
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreement_receivers_made AFTER INSERT ON agreement_receivers
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreement_receivers_changed AFTER UPDATE ON agreement_receivers
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreement_receivers_gone AFTER DELETE ON agreement_receivers
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreement_gates_made AFTER INSERT ON agreement_gates
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreement_gates_changed AFTER UPDATE ON agreement_gates
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER agreement_gates_gone AFTER DELETE ON agreement_gates
        BEGIN UPDATE rights SET version = version + 1; END;";

/// The triggers on what gates are for, and on whose the bodies are.
pub const SCHEMA_PURPOSES: &str = "
    CREATE TRIGGER purpose_lists_made AFTER INSERT ON purpose_lists
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER purpose_lists_changed AFTER UPDATE ON purpose_lists
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER purpose_lists_gone AFTER DELETE ON purpose_lists
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER bodies_made AFTER INSERT ON bodies
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER bodies_changed AFTER UPDATE ON bodies
        BEGIN UPDATE rights SET version = version + 1; END;
    CREATE TRIGGER bodies_gone AFTER DELETE ON bodies
        BEGIN UPDATE rights SET version = version + 1; END;";

/// The number now. Read before what it counts the changes of: a change in between then only makes that be read
/// once more.
///
/// # Errors
/// [`StoreError`]: then nothing that is kept holds.
pub fn version(main: &Connection) -> Result<i64, StoreError> {
    main.prepare_cached("SELECT version FROM rights WHERE id = 1")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .doing("read the version of the rights")
}
