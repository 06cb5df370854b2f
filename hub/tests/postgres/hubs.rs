//! Several hubs of one home on one PostgreSQL: each with its own connections and its own memory.

use std::thread;
use std::time::Duration;

use varco_hub::audit;
use varco_hub::chains::place::Limits;
use varco_hub::config::RETENTION_MAX;
use varco_hub::intake::writer::{Message, Writer};
use varco_hub::lookups::store::TransitStore;
use varco_hub::proof::verification;
use varco_hub::timekeeping::Clock as _;
use varco_proto::receipt::RefusalReason;

use crate::backing;
use crate::lookups::{found, query};
use crate::support::{DAY, House, TestEdge};

/// Another hub of a house's home.
struct Hub {
    store: TransitStore,
    writer: Writer,
}

fn hub(house: &House) -> Hub {
    let store = house
        .home
        .open_store(&house.home.config().unwrap())
        .unwrap();
    let limits = Limits {
        term: RETENTION_MAX,
        ahead_max: Duration::from_secs(60),
    };
    let key = house.home.sealing_key().unwrap();
    let main = house.home.open_main().unwrap();
    let writer = Writer::new(main, store.clone(), key, house.clock.clone(), limits);
    Hub { store, writer }
}

fn seals(house: &House, edge: &mut TestEdge, count: usize) -> Vec<Message> {
    let now = house.clock.now();
    (0..count).map(|_| edge.seal("AB123CD", now)).collect()
}

fn intact(house: &House) {
    let verified = verification::verify(&house.home, house.clock.now()).unwrap();
    assert!(verified.intact, "{verified:?}");
}

#[test]
fn k04_two_hubs_share_the_edges_and_double_nothing() {
    let house = House::new();
    let names = ["porta-nord-01", "porta-sud-1", "porta-est", "porta-ov"];
    let mut edges = names.map(|id| house.edge(id));
    let mut shares: [Vec<Vec<Message>>; 2] = Default::default();
    for round in 0..20 {
        // The broker deals out in turns: of each edge every hub gets a part, out of order.
        let mut batches: [Vec<Message>; 2] = Default::default();
        for edge in &mut edges {
            for (at, message) in seals(&house, edge, 10).into_iter().enumerate() {
                batches[(at + round) % 2].push(message);
            }
        }
        for (share, batch) in shares.iter_mut().zip(batches) {
            share.push(batch);
        }
    }
    let receipts: Vec<usize> = thread::scope(|scope| {
        let hubs = shares.map(|batches| {
            let mut hub = hub(&house);
            scope.spawn(move || {
                let mut receipts = 0;
                for batch in &batches {
                    // As the batcher does it: what the store does not take now is tried again.
                    let taken = (0..100).find_map(|_| hub.writer.take(batch).ok()).unwrap();
                    receipts += taken.stored.len();
                }
                receipts
            })
        });
        hubs.map(|hub| hub.join().unwrap()).into()
    });
    assert_eq!(receipts, [400, 400]);
    assert_eq!(house.stored(), 800);
    assert_eq!(house.count("SELECT count(*) FROM chain WHERE stored"), 800);
    for edge in &edges {
        let chain = house.chain(&edge.id);
        assert_eq!((chain.head, chain.missing), (200, 0));
    }
    intact(&house);
}

#[test]
fn what_one_hub_stored_the_other_finds_and_judges_by() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let (mut one, mut other) = (hub(&house), hub(&house));
    let start = edge.head;
    for k in 0..5 {
        let batch = [edge.seal(&format!("AB10{k}CD"), house.clock.now())];
        one.writer.take(&batch).unwrap();
        let again = other.writer.take(&batch).unwrap();
        assert_eq!(house.refusals(&again), [(k + 1, RefusalReason::Replay)]);
        let wanted = usize::try_from(k + 1).unwrap();
        assert_eq!(found(&house, &query(&house, "AB10?CD")).len(), wanted);
        assert_eq!(other.store.size().unwrap().transits, k + 1);
        std::mem::swap(&mut one, &mut other);
    }
    edge.head = start;
    let fork = seals(&house, &mut edge, 1);
    let taken = one.writer.take(&fork).unwrap();
    assert_eq!(house.refusals(&taken), [(1, RefusalReason::Fork)]);
    let next = seals(&house, &mut edge, 1);
    let taken = other.writer.take(&next).unwrap();
    assert_eq!(house.refusals(&taken), [(0, RefusalReason::OnHold)]);
}

#[test]
fn merged_plates_are_found_by_a_hub_that_never_saw_their_parts() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let mut one = hub(&house);
    let now = house.clock.now();
    one.writer.take(&[edge.seal("AB100CD", now)]).unwrap();
    assert_eq!(found(&house, &query(&house, "AB1*")).len(), 1);
    for k in 1..40 {
        let batch = [edge.seal(&format!("AB1{k:02}CD"), now)];
        one.writer.take(&batch).unwrap();
    }
    // The house's own hub read one part; the others are merged before it asks again.
    one.store
        .seal(varco_hub::hours::partition::Partition::of(
            now,
            varco_hub::hours::partition::Term::WHOLE,
        ))
        .unwrap();
    let parts = backing::schema(&house.home).sql("SELECT count(*) FROM plates");
    assert_eq!(parts, "1");
    assert_eq!(found(&house, &query(&house, "AB1*")).len(), 40);
    assert_eq!(house.archive().size().unwrap().transits, 40);
    house.restart();
    assert_eq!(found(&house, &query(&house, "AB1*")).len(), 40);
}

#[test]
fn k04_a_hub_that_dies_within_a_batch_loses_and_doubles_nothing() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let schema = backing::schema(&house.home);
    let messages = seals(&house, &mut edge, 60);
    let (mut dying, mut other) = (hub(&house), hub(&house));
    dying.writer.take(&messages[..20]).unwrap();
    // Its backend is cut off after the locks are held and rows are written, before the commit.
    let hour = house.hours()[0].number();
    schema.sql(&format!(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
         CREATE TRIGGER die AFTER INSERT ON links FOR EACH STATEMENT EXECUTE FUNCTION die();
         SELECT {hour}"
    ));
    let error = dying.writer.take(&messages[20..40]).unwrap_err();
    assert!(!error.is_of_the_record(), "it is tried again: {error}");
    schema.sql("DROP TRIGGER die ON links");
    assert_eq!(house.stored(), 20);
    // The broker deals what was not acknowledged to the other hub.
    let taken = other.writer.take(&messages[20..40]).unwrap();
    assert_eq!(house.receipts(&taken), (21..=40).collect::<Vec<u64>>());
    assert!(house.refusals(&taken).is_empty());
    // The first one is as good as before.
    let taken = dying.writer.take(&messages[30..]).unwrap();
    assert_eq!(house.receipts(&taken), (31..=60).collect::<Vec<u64>>());
    assert_eq!(house.stored(), 60);
    intact(&house);
}

#[test]
fn k04_hubs_that_end_an_hour_at_once_leave_one_line() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let hour = Duration::from_secs(3600);
    let captures = (0..24).map(|hours| now - hours * hour);
    let batch: Vec<_> = captures.map(|at| edge.seal("AB123CD", at)).collect();
    house.writer().take(&batch).unwrap();
    assert_eq!(found(&house, &query(&house, "AB123CD")).len(), 24);
    house.clock.set(now + 9 * DAY);
    let expired: Vec<u64> = thread::scope(|scope| {
        let hubs = [(); 3].map(|()| {
            let mut hub = hub(&house);
            scope.spawn(move || hub.writer.expire(usize::MAX).unwrap().transits)
        });
        hubs.map(|hub| hub.join().unwrap()).into()
    });
    assert_eq!(expired.iter().sum::<u64>(), 24);
    let lines = "SELECT count(*) FROM audit WHERE action = 'partition-expired'";
    assert_eq!((house.count(lines), house.stored()), (24, 0));
    let left = "SELECT (SELECT count(*) FROM hours) + (SELECT count(*) FROM plates)
        + (SELECT count(*) FROM pg_inherits WHERE inhparent = 'transits'::regclass)";
    assert_eq!(backing::schema(&house.home).sql(left), "0");
    let main = house.home.open_main().unwrap();
    let key = house.home.sealing_key().unwrap().opening_key();
    assert!(audit::check::verify(&main, &key).unwrap().1.is_empty());
}

#[test]
fn nothing_that_tells_a_plate_is_in_the_database() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch = [edge.seal("AB123CD", now), edge.seal("ZZ999ZZ", now)];
    house.writer().take(&batch).unwrap();
    let schema = backing::schema(&house.home);
    let table = format!("transits_{}", house.hours()[0].number());
    let everything = [
        format!("SELECT * FROM {table}"),
        "SELECT * FROM plates".to_owned(),
        "SELECT * FROM links".to_owned(),
        "SELECT * FROM names".to_owned(),
    ];
    for sql in everything {
        let rows = schema.sql(&sql);
        for plate in ["AB123CD", "ZZ999ZZ"] {
            let bytes = hex::encode(plate);
            assert!(!rows.contains(plate) && !rows.contains(&bytes), "{sql}");
        }
    }
    let tokens = format!("SELECT count(DISTINCT plate) FROM {table}");
    assert_eq!(schema.sql(&tokens), "2");
}

#[test]
fn a_row_that_was_changed_is_found_and_not_shown() {
    for (sql, shown) in [
        (
            "UPDATE {t} SET head = decode(repeat('00', length(head)), 'hex') WHERE id = {id}",
            2,
        ),
        (
            "UPDATE {t} SET envelope = (SELECT envelope FROM {t} WHERE id <> {id} LIMIT 1)
          WHERE id = {id}",
            2,
        ),
        ("DELETE FROM {t} WHERE id = {id}", 2),
        (
            "UPDATE links SET digest = decode(repeat('00', 32), 'hex') WHERE sequence = 2",
            3,
        ),
    ] {
        let house = House::new();
        let mut edge = house.edge("porta-nord-01");
        let batch = seals(&house, &mut edge, 3);
        house.writer().take(&batch).unwrap();
        intact(&house);
        let schema = backing::schema(&house.home);
        let table = format!("transits_{}", house.hours()[0].number());
        let id = schema.sql(&format!("SELECT min(id) FROM {table}"));
        schema.sql(&sql.replace("{t}", &table).replace("{id}", &id));
        let verified = verification::verify(&house.home, house.clock.now()).unwrap();
        assert!(
            !verified.intact && !verified.broken_transits.is_empty(),
            "{sql}"
        );
        let key = house.home.sealing_key().unwrap();
        let asking = varco_hub::lookups::question::Asking {
            actor: &varco_hub::audit::actor::Actor::at_console("test").unwrap(),
            grounds: Some(
                &varco_hub::audit::purpose::Grounds::stated(Some("traffic"), Some("PG 1")).unwrap(),
            ),
            reach: &varco_hub::municipalities::reach::Reach::everywhere(),
            now: house.clock.now(),
            key: &key,
            judge: &house.home.judge().unwrap(),
            grown_at: None,
        };
        let found = house
            .archive()
            .look_up(&query(&house, "AB123CD"), &asking)
            .unwrap();
        assert_eq!(found.transits.len(), shown, "{sql}");
    }
}

#[test]
fn a_home_with_chains_of_its_own_does_not_begin_anew_in_postgresql() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let text = std::fs::read_to_string(house.home.config_file()).unwrap();
    let before = text.split("\n[store]").next().unwrap();
    std::fs::write(house.home.config_file(), before).unwrap();
    let batch = seals(&house, &mut edge, 1);
    house.writer().take(&batch).unwrap();
    std::fs::write(house.home.config_file(), &text).unwrap();
    let refused = house
        .home
        .open_store(&house.home.config().unwrap())
        .unwrap_err();
    assert!(refused.to_string().contains("store move"), "{refused}");
}

#[test]
fn with_several_hubs_a_gap_is_told_when_it_stays_and_once() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let path = house.home.config_file();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}hubs = 2\n")).unwrap();
    let (mut one, mut other) = (hub(&house), hub(&house));
    let messages = seals(&house, &mut edge, 6);
    // What is missing here is on its way through the other one.
    let taken = one
        .writer
        .take(&[messages[0].clone(), messages[2].clone()])
        .unwrap();
    assert_eq!(house.receipts(&taken), [1, 3]);
    assert!(house.refusals(&taken).is_empty());
    let taken = other.writer.take(&messages[1..2]).unwrap();
    assert_eq!(
        (house.receipts(&taken), house.chain(&edge.id).missing),
        (vec![2], 0)
    );
    // The fourth never comes.
    other.writer.take(&messages[4..5]).unwrap();
    house.clock.advance(Duration::from_secs(11));
    let taken = one.writer.take(&messages[5..6]).unwrap();
    assert_eq!(house.refusals(&taken), [(6, RefusalReason::Gap)]);
    let next = seals(&house, &mut edge, 1);
    assert!(
        house
            .refusals(&other.writer.take(&next).unwrap())
            .is_empty()
    );
    assert_eq!(house.chain(&edge.id).missing, 1);
}
