//! The hub that stops a stalker (issue 20, part 8).
//!
//! Every question about vehicles is judged, before it is answered, against what its person searched before; where
//! a rule fires, the next one needs a second person.
//!
//! The rule is pure (`rule`, `thresholds`, `words`, `sameness`). What it needs is read from `searches`, which
//! tells no plate, no reference and no person: only marks, HMACs under a key that lies with those of the hours,
//! and nothing older than 180 days. This room owns the tables `searches`, `second_looks`, `own_plates`,
//! `duty_hours` and `accounts_of_one`.

pub mod desk;
pub mod duty;
pub mod judge;
pub mod marks;
pub mod own_people;
pub mod past;
pub mod rule;
mod sameness;
pub mod searches;
pub mod second_looks;
pub mod thresholds;
pub mod words;

/// The tables, for [`crate::store::migrate`].
pub const SCHEMA: &str = "
    CREATE TABLE searches (
        number INTEGER PRIMARY KEY,
        person INTEGER NOT NULL,
        at_us INTEGER NOT NULL,
        plate INTEGER,
        exact INTEGER NOT NULL,
        reference INTEGER NOT NULL,
        purpose TEXT NOT NULL,
        shown INTEGER NOT NULL,
        off_duty INTEGER NOT NULL CHECK (off_duty IN (0, 1)),
        stopped INTEGER NOT NULL CHECK (stopped IN (0, 1)),
        looks INTEGER NOT NULL,
        run INTEGER NOT NULL,
        grown_at_us INTEGER
    ) STRICT;
    CREATE INDEX searches_by_time ON searches (at_us);
    CREATE INDEX searches_by_person ON searches (person, at_us, plate, exact, run, off_duty);
    CREATE INDEX searches_of_plate ON searches (person, plate, at_us, number, reference, looks, grown_at_us)
        WHERE plate IS NOT NULL;
    CREATE INDEX searches_by_others ON searches (plate, reference, at_us, person)
        WHERE plate IS NOT NULL AND stopped = 0;
    CREATE INDEX searches_by_reference ON searches (reference, person, at_us, plate) WHERE stopped = 0;
    CREATE INDEX searches_repeated ON searches (person, at_us, plate, reference)
        WHERE plate IS NOT NULL AND looks >= 2;
    CREATE INDEX searches_off_duty ON searches (person, at_us, plate) WHERE off_duty = 1;
    CREATE TABLE second_looks (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        asked_by TEXT NOT NULL,
        asked_name TEXT NOT NULL,
        body TEXT NOT NULL,
        person INTEGER NOT NULL,
        plate INTEGER,
        reference INTEGER NOT NULL,
        rule TEXT NOT NULL,
        purpose TEXT NOT NULL,
        case_reference TEXT NOT NULL,
        sealed BLOB,
        asked_at_us INTEGER NOT NULL,
        decided_at_us INTEGER,
        decided_by TEXT,
        agreed INTEGER CHECK (agreed IN (0, 1))
    ) STRICT;
    CREATE INDEX second_looks_by_person ON second_looks (person, reference, decided_at_us);
    CREATE INDEX second_looks_waiting ON second_looks (asked_at_us) WHERE decided_at_us IS NULL;
    CREATE TABLE own_plates (
        exact INTEGER PRIMARY KEY,
        listed_by TEXT NOT NULL,
        listed_at_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE duty_hours (
        actor TEXT NOT NULL,
        from_us INTEGER NOT NULL,
        to_us INTEGER NOT NULL CHECK (to_us > from_us),
        PRIMARY KEY (actor, from_us)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE accounts_of_one (
        actor TEXT PRIMARY KEY,
        person TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// Plates that are listed are a body's, and no other's to take off.
pub const SCHEMA_OWN_BODIES: &str = "
    CREATE TABLE own_plates_of (
        exact INTEGER NOT NULL,
        body TEXT NOT NULL,
        listed_by TEXT NOT NULL,
        listed_at_us INTEGER NOT NULL,
        PRIMARY KEY (exact, body)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO own_plates_of
        SELECT exact, body, listed_by, listed_at_us
        FROM own_plates JOIN actors ON actors.id = own_plates.listed_by;
    DROP TABLE own_plates;
    ALTER TABLE own_plates_of RENAME TO own_plates;";
