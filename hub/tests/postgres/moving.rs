//! The move out of the home into PostgreSQL.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use varco_hub::config::postgres_address::Address;
use varco_hub::home::HomeError;
use varco_hub::home::lock::{Act, Holder, Lock};
use varco_hub::home::whereabouts::{self, Whereabouts, WhereaboutsError};
use varco_hub::machine::random;
use varco_hub::opening::moving::{self, MoveError, Moved};
use varco_hub::proof::verification;
use varco_hub::timekeeping::Clock as _;
use varco_proto::receipt::RefusalReason;

use crate::backing;
use crate::lookups::{found, query};
use crate::support::{DAY, House, TestEdge};

/// A house that keeps its transits in its home, and the connection string of the schema that they
/// are to be moved to.
fn house() -> (House, String, String) {
    let house = House::new();
    let configured = std::fs::read_to_string(house.home.config_file()).unwrap();
    let before = configured.split("\n[store]").next().unwrap();
    std::fs::write(house.home.config_file(), before).unwrap();
    let schema = backing::schema(&house.home);
    let address = schema.cluster().address(&schema.name);
    (house, address, configured)
}

/// Cut moves; `VARCO_LOOPS` says another number.
const CUTS: usize = 6;
/// Longest life of a move that is cut; a fast machine shortens it.
const LIFE_MAX: Duration = Duration::from_millis(400);

fn configure(house: &House, text: &str) {
    std::fs::write(house.home.config_file(), text).unwrap();
}

/// What keeps a hub with this configuration from starting.
fn refused(house: &House, configuration: &str) -> WhereaboutsError {
    configure(house, configuration);
    let config = house.home.config().unwrap();
    let fault = |opened: Result<(), HomeError>| match opened {
        Err(HomeError::Whereabouts(fault)) => fault,
        other => panic!("{other:?}"),
    };
    // Who only reads is refused as well.
    let read = fault(house.home.open_server(&config).map(drop));
    let opened = fault(house.home.open_store(&config).map(drop));
    assert_eq!(read.to_string(), opened.to_string());
    opened
}

fn go(house: &House, address: &str, finish: bool) -> Result<Moved, MoveError> {
    let to = Address::parse(address, None).unwrap();
    moving::run(&house.home, to, finish, house.clock.now())
}

#[test]
fn c39_transits_and_chains_are_moved_while_intake_goes_on_and_nothing_is_lost() {
    let (house, address, configured) = house();
    let (mut edge, mut other) = (house.edge("porta-nord-01"), house.edge("porta-sud"));
    let now = house.clock.now();
    let mut writer = house.writer();
    let hour = Duration::from_secs(3600);
    for hours in 0..30 {
        let at = now - hours * hour;
        let batch = [edge.seal("AB123CD", at), other.seal("ZZ999ZZ", at)];
        writer.take(&batch).unwrap();
    }
    let moved = go(&house, &address, false).unwrap();
    assert_eq!(
        (moved.hours, moved.transits, moved.finished),
        (30, 60, false)
    );
    // Intake goes on; a gap is open, and a place is known as refused.
    let missing = edge.seal("AB123CD", now);
    let late = edge.seal("AB123CD", now);
    let old = other.seal("AB124CD", now - 8 * DAY);
    let taken = writer.take(&[late.clone(), old]).unwrap();
    assert_eq!(house.receipts(&taken), [32]);
    let again = go(&house, &address, false).unwrap();
    assert_eq!(again.transits, 1, "only what came since");
    // Of one moment, either may come first.
    let sorted = |mut found: Vec<(String, u64)>| {
        found.sort();
        found
    };
    let before = sorted(found(&house, &query(&house, "*")));
    assert_eq!(before.len(), 61);

    // A hub that runs is not left behind.
    let listen = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listen.local_addr().unwrap().port();
    let text = std::fs::read_to_string(house.home.config_file()).unwrap();
    let running = text.replace(
        "listen = \"127.0.0.1:1\"",
        &format!("listen = \"127.0.0.1:{port}\""),
    );
    assert_ne!(running, text);
    std::fs::write(house.home.config_file(), &running).unwrap();
    assert!(matches!(
        go(&house, &address, true),
        Err(MoveError::Running(_))
    ));
    drop(listen);
    std::fs::write(house.home.config_file(), &text).unwrap();

    drop(writer);
    house.restart();
    let moved = go(&house, &address, true).unwrap();
    assert_eq!((moved.transits, moved.links, moved.finished), (0, 62, true));
    assert!(house.hour_files().is_empty(), "nothing is left behind");
    std::fs::write(house.home.config_file(), &configured).unwrap();
    let after = sorted(found(&house, &query(&house, "*")));
    assert_eq!(after, before);
    let mut at_gate = query(&house, "*");
    at_gate.filter.gates = vec!["porta-nord".parse().unwrap()];
    let at_gate = sorted(found(&house, &at_gate));
    assert_eq!(at_gate, before, "which cameras the gate has came along");
    let chain = house.chain(&edge.id);
    assert_eq!((chain.head, chain.missing), (32, 1));
    // The chains are judged by as if they had always been there.
    let mut writer = house.writer();
    let taken = writer.take(&[missing, late]).unwrap();
    assert_eq!(house.receipts(&taken), [31, 32]);
    assert_eq!(house.refusals(&taken), [(32, RefusalReason::Replay)]);
    assert_eq!(house.chain(&edge.id).missing, 0);
    let next = [other.seal("AB125CD", now)];
    let taken = writer.take(&next).unwrap();
    assert!(house.refusals(&taken).is_empty());
    let verified = verification::verify(&house.home, now).unwrap();
    assert!(verified.intact, "{verified:?}");
    assert_eq!(verified.transits, 63);
}

#[test]
fn a_finish_that_was_broken_off_is_repeated_and_a_working_hub_is_not_overwritten() {
    let (house, address, configured) = house();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let batch: Vec<_> = (0..5).map(|_| edge.seal("AB123CD", now)).collect();
    house.writer().take(&batch).unwrap();
    house.restart();
    go(&house, &address, false).unwrap();
    // Killed after PostgreSQL had all and before the home let go: the home is as it was.
    let main = std::fs::read(house.home.main_database()).unwrap();
    let log = house.home.main_database().with_extension("sqlite-wal");
    let logged = std::fs::read(&log).ok();
    let kept = tempfile::tempdir().unwrap();
    for file in house.hour_files() {
        std::fs::copy(&file, kept.path().join(file.file_name().unwrap())).unwrap();
    }
    go(&house, &address, true).unwrap();
    for side in ["sqlite-wal", "sqlite-shm"] {
        std::fs::remove_file(house.home.main_database().with_extension(side)).ok();
    }
    std::fs::write(house.home.main_database(), main).unwrap();
    if let Some(logged) = logged {
        std::fs::write(&log, logged).unwrap();
    }
    for file in std::fs::read_dir(kept.path()).unwrap() {
        let file = file.unwrap();
        let to = house.home.partitions_folder().join(file.file_name());
        std::fs::copy(file.path(), to).unwrap();
    }
    let again = go(&house, &address, true).unwrap();
    assert_eq!((again.transits, again.links, again.finished), (0, 5, true));
    std::fs::write(house.home.config_file(), &configured).unwrap();
    assert_eq!(found(&house, &query(&house, "AB123CD")).len(), 5);

    // Another home whose own hub works in its PostgreSQL.
    let working = House::new();
    let mut other = working.edge("porta-sud");
    working
        .writer()
        .take(&[other.seal("AB123CD", now)])
        .unwrap();
    let schema = backing::schema(&working.home);
    let occupied = schema.cluster().address(&schema.name);
    let (fresh, ..) = self::house();
    assert!(matches!(
        go(&fresh, &occupied, false),
        Err(MoveError::Occupied)
    ));
}

#[test]
fn a_start_that_does_not_fit_the_move_is_refused_and_opens_nothing() {
    let (house, address, configured) = house();
    let plain = configured.split("\n[store]").next().unwrap().to_owned();
    let schema = backing::schema(&house.home);
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    house.writer().take(&[edge.seal("AB123CD", now)]).unwrap();
    house.restart();
    // Before the move, and while it copies, the transits are in the home.
    for _ in 0..2 {
        let fault = refused(&house, &configured);
        assert!(matches!(fault, WhereaboutsError::NotMoved), "{fault}");
        configure(&house, &plain);
        house
            .home
            .open_store(&house.home.config().unwrap())
            .unwrap();
        go(&house, &address, false).unwrap();
    }
    go(&house, &address, true).unwrap();
    // After it they are in PostgreSQL, and in no other.
    let fault = refused(&house, &plain);
    let said = fault.to_string();
    assert!(matches!(fault, WhereaboutsError::InPostgres(_)), "{said}");
    assert!(said.contains("[store]\npostgres = "), "{said}");
    assert!(said.contains(&schema.name), "{said}");
    assert_eq!(house.hour_files().len(), 0);
    let other = format!("{}_other", schema.name);
    schema.sql(&format!("CREATE SCHEMA {other}"));
    let elsewhere = configured.replace(&schema.name, &other);
    let fault = refused(&house, &elsewhere);
    assert!(
        matches!(fault, WhereaboutsError::OtherDatabase(_)),
        "{fault}"
    );
    let tables = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{other}'");
    assert_eq!(schema.sql(&tables), "0", "nothing was made there");
    let gone = go(&house, &schema.cluster().address(&other), true);
    assert!(matches!(gone, Err(MoveError::Gone(_))), "{gone:?}");
    // The same end once more changes nothing, and says so.
    let again = go(&house, &address, true).unwrap();
    assert_eq!((again.transits, again.links, again.finished), (0, 0, true));
    configure(&house, &configured);
    house.restart();
    assert_eq!(found(&house, &query(&house, "*")).len(), 1);
    // Not even the right one, once it is emptied.
    house.restart();
    schema.sql("DELETE FROM belongs_to");
    let fault = refused(&house, &configured);
    assert!(
        matches!(fault, WhereaboutsError::OtherDatabase(_)),
        "{fault}"
    );
}

#[test]
fn a_home_of_a_version_before_is_known_by_its_keys_and_chains() {
    let (house, address, configured) = house();
    let plain = configured.split("\n[store]").next().unwrap().to_owned();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    house.writer().take(&[edge.seal("AB123CD", now)]).unwrap();
    house.restart();
    go(&house, &address, true).unwrap();
    // That version noted nothing, neither here nor there.
    let main = house.home.open_main().unwrap();
    whereabouts::say(&main, &Whereabouts::Unsaid).unwrap();
    backing::schema(&house.home).sql("DELETE FROM belongs_to");
    let fault = refused(&house, &plain);
    assert!(matches!(fault, WhereaboutsError::Elsewhere), "{fault}");
    configure(&house, &configured);
    assert_eq!(found(&house, &query(&house, "*")).len(), 1);
    let said = whereabouts::read(&main).unwrap();
    assert!(matches!(said, Whereabouts::Postgres { .. }), "{said:?}");
}

#[test]
fn a_database_of_another_home_is_not_taken() {
    let (one, other) = (House::new(), House::new());
    let mut edge = one.edge("porta-nord-01");
    let now = one.clock.now();
    one.writer().take(&[edge.seal("AB123CD", now)]).unwrap();
    let text = std::fs::read_to_string(one.home.config_file()).unwrap();
    let fault = refused(&other, &text);
    assert!(
        matches!(fault, WhereaboutsError::OtherDatabase(_)),
        "{fault}"
    );
    // Nor when it has no id yet: its edges are not registered here.
    one.restart();
    backing::schema(&one.home).sql("DELETE FROM belongs_to");
    configure(&other, &text);
    let opened = other.home.open_store(&other.home.config().unwrap());
    assert!(
        matches!(
            opened,
            Err(HomeError::Whereabouts(WhereaboutsError::OtherDatabase(_)))
        ),
        "{opened:?}"
    );
}

#[test]
fn one_move_at_a_time_and_none_ends_beside_somebody_at_work() {
    let (house, address, _) = house();
    let holder = Holder::this("varco-hub store move", house.clock.now());
    let held = |moved: Result<Moved, MoveError>| {
        let lock = matches!(moved, Err(MoveError::Home(HomeError::Lock(_))));
        assert!(lock, "{moved:?}");
    };
    let other = Lock::of_act(&house.home, Act::Move, &holder).unwrap();
    held(go(&house, &address, false));
    held(go(&house, &address, true));
    drop(other);
    let change = Lock::beside_others(&house.home).unwrap();
    go(&house, &address, false).unwrap();
    held(go(&house, &address, true));
    drop(change);
    go(&house, &address, true).unwrap();
}

/// Seals and stores a few transits in each of several hours.
fn store_some(house: &House, edge: &mut TestEdge, sent: &mut usize) {
    let now = house.clock.now();
    let mut writer = house.writer();
    for hours in 0..6 {
        let at = now - hours * Duration::from_secs(3600);
        let batch: Vec<_> = (0..10).map(|_| edge.seal("AB123CD", at)).collect();
        let taken = writer.take(&batch).unwrap();
        assert_eq!(house.receipts(&taken).len(), batch.len());
        *sent += batch.len();
    }
    drop(writer);
    house.restart();
}

/// Runs the command and kills it after a random part of a life. Gives whether it came to its end.
fn cut(house: &House, address: &str, finish: bool, life: Duration) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_varco-hub"));
    command.args(["store", "move", "--to", address, "--home"]);
    command
        .arg(house.home.root())
        .args(finish.then_some("--finish"));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(life.mul_f64(random::fraction()));
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.is_empty(), "it was not the kill that ended it: {said}");
    output.status.success()
}

#[test]
fn c39_part_moves_that_are_cut_at_random_points_lose_and_double_nothing() {
    let cuts_wanted = crate::support::loops(CUTS);
    let (mut cuts, mut moves, mut life) = (0, 0, LIFE_MAX);
    while cuts < cuts_wanted {
        let (house, address, configured) = house();
        let plain = configured.split("\n[store]").next().unwrap().to_owned();
        let mut edge = house.edge("porta-nord-01");
        let mut sent = 0;
        store_some(&house, &mut edge, &mut sent);
        for round in 0.. {
            let finish = round % 3 != 0;
            let ended = cut(&house, &address, finish, life);
            cuts += usize::from(!ended);
            if ended && finish {
                life = life.mul_f64(0.8);
                moves += 1;
            }
            let main = house.home.open_main().unwrap();
            if let Whereabouts::Postgres { .. } = whereabouts::read(&main).unwrap() {
                let fault = refused(&house, &plain);
                assert!(matches!(fault, WhereaboutsError::InPostgres(_)), "{fault}");
                break;
            }
            let fault = refused(&house, &configured);
            assert!(matches!(fault, WhereaboutsError::NotMoved), "{fault}");
            // The hub starts again in the home, and takes more.
            configure(&house, &plain);
            if round < 3 {
                store_some(&house, &mut edge, &mut sent);
            }
            if cuts >= cuts_wanted {
                go(&house, &address, true).unwrap();
            }
        }
        configure(&house, &configured);
        house.restart();
        store_some(&house, &mut edge, &mut sent);
        assert_eq!(usize::try_from(house.stored()).unwrap(), sent);
        assert!(
            house.hour_files().is_empty(),
            "the start removes what a cut left"
        );
        let chain = house.chain(&edge.id);
        assert_eq!(
            (chain.head, chain.missing),
            (u64::try_from(sent).unwrap(), 0)
        );
        let verified = verification::verify(&house.home, house.clock.now()).unwrap();
        assert!(verified.intact, "{verified:?}");
        assert_eq!(verified.transits, u64::try_from(sent).unwrap());
    }
    println!("{cuts} moves cut, {moves} came to their end before the kill");
}
