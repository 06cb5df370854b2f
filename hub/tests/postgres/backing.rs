//! The transits are in PostgreSQL: each house has a schema of its own.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use varco_hub::home::Home;
use varco_hub::hours::partition::Partition;
use varco_hub::postgres::Server;

use crate::cluster::{self, Cluster};
use crate::support::House;

/// Where a house's schema is.
#[derive(Clone)]
pub(crate) struct Schema {
    own: Option<Arc<Cluster>>,
    pub(crate) name: String,
}

impl Schema {
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.cluster().sql(&self.name, sql)
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.own.as_deref().unwrap_or_else(|| cluster::shared())
    }
}

fn all() -> &'static Mutex<HashMap<PathBuf, Schema>> {
    static ALL: OnceLock<Mutex<HashMap<PathBuf, Schema>>> = OnceLock::new();
    ALL.get_or_init(Mutex::default)
}

/// The schema of a house.
pub(crate) fn schema(home: &Home) -> Schema {
    all().lock().unwrap()[home.root()].clone()
}

pub(crate) fn configure(home: &Home) {
    configure_in(home, None);
}

/// As [`configure`], in a cluster of the test's own.
pub(crate) fn configure_in(home: &Home, own: Option<Arc<Cluster>>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("house_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let schema = Schema { own, name };
    schema
        .cluster()
        .sql("public", &format!("CREATE SCHEMA {}", schema.name));
    let path = home.config_file();
    let mut text = std::fs::read_to_string(&path).unwrap();
    if let Some(before) = text.find("\n[store]") {
        text.truncate(before);
    }
    std::fs::write(&path, text).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    let address = schema.cluster().address(&schema.name);
    write!(file, "\n[store]\npostgres = \"{address}\"\n").unwrap();
    let config = home.config().unwrap();
    let settings = home.archive_settings(config.retention);
    drop(Server::open(settings, config.postgres.unwrap()).unwrap());
    // The tests ask both stores in the same words.
    schema.sql("CREATE VIEW chain AS SELECT * FROM links");
    all().lock().unwrap().insert(home.root().to_owned(), schema);
}

/// Counts what is in PostgreSQL; none when it is in the home.
pub(crate) fn count(home: &Home, sql: &str) -> Option<i64> {
    let tables = ["FROM chain", "FROM gaps", "FROM dropped"];
    let here = tables.iter().any(|table| sql.contains(table));
    here.then(|| schema(home).sql(sql).parse().unwrap())
}

pub(crate) fn refuse_poison(home: &Home, hour: Partition) -> bool {
    let table = format!("transits_{}", hour.number());
    schema(home).sql(&format!(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'poison'; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON {table} FOR EACH ROW
             WHEN (length(NEW.envelope) > 3000) EXECUTE FUNCTION poison()"
    ));
    true
}

/// Rows in the hours' tables.
pub(crate) fn rows_on_disk(house: &House) -> i64 {
    let schema = schema(&house.home);
    let rows = |hour: Partition| -> i64 {
        let count = format!("SELECT count(*) FROM transits_{}", hour.number());
        schema.sql(&count).parse().unwrap()
    };
    house.hours().into_iter().map(rows).sum()
}
