//! Witnesses over HTTP and HTTPS: what one answers, what the hub sends, and the alarm when one is missing.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use varco_hub::audit::action::Action;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::log::{self, StoredTree};
use varco_hub::audit::{self, AuditEntry};
use varco_hub::certificates::tls;
use varco_hub::config::audit::WitnessAddress;
use varco_hub::proof::verification::verify;
use varco_hub::timekeeping::{Clock as _, SystemClock};
use varco_hub::tlog::checkpoint::Checkpoint;
use varco_hub::tlog::note::{Note, NoteKey, NoteKind, NoteSigner};
use varco_hub::tlog::tree::TreeHash;
use varco_hub::upkeep::health::{State, witnesses_check};
use varco_hub::web::witness::{WitnessDesk, serve_witness};
use varco_hub::witnessing::sending::Sending;
use varco_hub::witnessing::settings::{NewWitness, WitnessError, WitnessFolder};
use varco_hub::witnessing::standing;
use varco_hub::witnessing::witness::WitnessAnswer;
use varco_proto::keys::SealingKey;

use crate::support::{House, SECOND};
use crate::witnessed::new_key;

fn write_lines(house: &House, count: usize) {
    let (key, now) = (house.home.sealing_key().unwrap(), house.clock.now());
    let mut main = house.home.open_main().unwrap();
    for _ in 0..count {
        let entry = AuditEntry::plain(Actor::console(), Action::GatesListed, serde_json::json!({}));
        audit::append_alone(&mut main, &entry, now, &key).unwrap();
    }
}

fn log_key(house: &House) -> NoteKey {
    log::public_key(&house.home.sealing_key().unwrap()).unwrap()
}

fn made(folder: &Path, house: &House, listen: SocketAddr) -> (WitnessFolder, NoteKey) {
    let place = WitnessFolder::at(folder);
    let new = NewWitness {
        name: "dpo.example.it".to_owned(),
        listen,
        logs: vec![log_key(house)],
    };
    let key = place.init(&new).unwrap();
    (place, key)
}

/// The request for a checkpoint of `new` lines after one of `old`.
fn request(house: &House, old: u64, new: u64) -> String {
    let main = house.home.open_main().unwrap();
    let key = house.home.sealing_key().unwrap();
    let note = log::checkpoint_at(&main, &key, new).unwrap();
    let proof = StoredTree::of(&main)
        .consistency(old.min(new), new)
        .unwrap();
    body(old, &proof, &note)
}

fn body(old: u64, proof: &[TreeHash], note: &Note) -> String {
    let lines: String = proof.iter().map(|hash| format!("{hash}\n")).collect();
    format!("old {old}\n{lines}\n{note}")
}

#[test]
fn c43_part_a_witness_answers_as_the_specification_says_and_never_goes_back() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    write_lines(&house, 30);
    let listen = "127.0.0.1:9470".parse().unwrap();
    let (place, key) = made(folder.path(), &house, listen);
    let witness = place.open(&place.config().unwrap()).unwrap();
    let now = house.clock.now();
    let answer = |body: &str| witness.answer(body, now).unwrap();
    let cosigned = |body: &str| {
        let WitnessAnswer::Cosigned(line) = answer(body) else {
            panic!("{:?}: {body}", answer(body));
        };
        let (_, note) = body.split_once("\n\n").unwrap();
        let note = Note::parse(&format!("{note}{line}")).unwrap();
        note.signed_by(&key).unwrap().unwrap()
    };
    let at_s = cosigned(&request(&house, 0, 10)).at_s.unwrap();
    assert_eq!(i64::try_from(at_s).unwrap(), now.unix_us() / 1_000_000);
    assert_eq!(answer(&request(&house, 0, 20)), WitnessAnswer::Conflict(10));
    cosigned(&request(&house, 10, 20));
    cosigned(&request(&house, 20, 20));
    // A rollback, an old size beyond the new, and what cannot be read.
    assert_eq!(
        answer(&request(&house, 10, 15)),
        WitnessAnswer::Conflict(20)
    );
    assert_eq!(answer(&request(&house, 20, 15)), WitnessAnswer::Malformed);
    let good = request(&house, 20, 25);
    for bad in [
        good.replacen("old 20", "old 020", 1),
        good.replacen("old 20", "old x", 1),
        good.replacen("old 20\n", "", 1),
        good.replacen("\n\n", "\nAAAA\n\n", 1),
        String::new(),
    ] {
        assert_eq!(answer(&bad), WitnessAnswer::Malformed, "{bad}");
    }
    // Another log, and a log that did not sign.
    let signer = NoteSigner::new("varco-hub/other", NoteKind::Log, new_key()).unwrap();
    let main = house.home.open_main().unwrap();
    let own = log::checkpoint_at(&main, &house.home.sealing_key().unwrap(), 25).unwrap();
    let said = Checkpoint::of(&own).unwrap();
    let of = |origin: &str, root: TreeHash, signer: &NoteSigner| {
        let mut said = said.clone();
        origin.clone_into(&mut said.origin);
        said.head.root = root;
        let text = said.text();
        let signatures = vec![signer.sign(&text, 0)];
        Note { text, signatures }
    };
    let other = of("varco-hub/other", said.head.root, &signer);
    assert_eq!(answer(&body(20, &[], &other)), WitnessAnswer::UnknownLog);
    let stranger = NoteSigner::new(&said.origin, NoteKind::Log, new_key()).unwrap();
    let unsigned = of(&said.origin, said.head.root, &stranger);
    assert_eq!(answer(&body(20, &[], &unsigned)), WitnessAnswer::NotSigned);
    // A fork, by whoever has the key: larger, and of the same size.
    let hub = log::signer(&house.home.sealing_key().unwrap()).unwrap();
    let forged = of(&said.origin, TreeHash([7; 32]), &hub);
    let proof = StoredTree::of(&main).consistency(20, 25).unwrap();
    let fork = body(20, &proof, &forged);
    assert_eq!(answer(&fork), WitnessAnswer::NotConsistent);
    cosigned(&good);
    assert_eq!(answer(&body(25, &[], &forged)), WitnessAnswer::Conflict(25));
    assert_eq!(
        witness.evidence().unwrap().len(),
        2,
        "it keeps what shows it"
    );
    assert!(witness.evidence().unwrap().contains(&fork));
}

#[test]
fn c43_part_a_witness_remembers_across_a_start_and_does_not_go_on_without_its_memory() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    write_lines(&house, 30);
    let (place, _) = made(folder.path(), &house, "127.0.0.1:9470".parse().unwrap());
    let now = house.clock.now();
    let witness = place.open(&place.config().unwrap()).unwrap();
    let first = witness.answer(&request(&house, 0, 25), now).unwrap();
    assert!(matches!(first, WitnessAnswer::Cosigned(_)));
    drop(witness);
    let witness = place.open(&place.config().unwrap()).unwrap();
    let again = witness.answer(&request(&house, 20, 30), now).unwrap();
    assert_eq!(again, WitnessAnswer::Conflict(25));
    drop(witness);
    std::fs::remove_file(place.database()).unwrap();
    let forgotten = place.open(&place.config().unwrap()).unwrap_err();
    assert!(matches!(forgotten, WitnessError::Forgotten(_)));
    std::fs::write(place.database(), b"").unwrap();
    assert!(place.open(&place.config().unwrap()).is_err());
}

#[test]
fn c43_part_of_two_requests_at_once_a_witness_cosigns_one_history() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    write_lines(&house, 20);
    let (place, _) = made(folder.path(), &house, "127.0.0.1:9470".parse().unwrap());
    let witness = Arc::new(place.open(&place.config().unwrap()).unwrap());
    let now = house.clock.now();
    let requests: Vec<_> = (1..=20).map(|size| request(&house, 0, size)).collect();
    let cosigned = std::thread::scope(|scope| {
        let asking: Vec<_> = requests
            .iter()
            .map(|request| scope.spawn(|| witness.answer(request, now).unwrap()))
            .collect();
        let answers = asking.into_iter().map(|one| one.join().unwrap());
        answers
            .filter(|answer| matches!(answer, WitnessAnswer::Cosigned(_)))
            .count()
    });
    assert_eq!(cosigned, 1);
}

struct Running {
    address: WitnessAddress,
    stop: watch::Sender<bool>,
}

fn serve(place: &WitnessFolder, key: &NoteKey, house: &House, is_tls: bool) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    let witness = Arc::new(place.open(&place.config().unwrap()).unwrap());
    let (stop, stopping) = watch::channel(false);
    let server = is_tls.then(|| {
        let hosts = ["127.0.0.1".to_owned()];
        let issued = house.home.authority().unwrap();
        let issued = issued.server(&hosts, SystemClock.now()).unwrap();
        tls::server(&issued.certificate_pem, &issued.key_pem).unwrap()
    });
    let clock = house.clock.clone();
    let desk = WitnessDesk {
        witness,
        clock,
        told: None,
    };
    tokio::spawn(serve_witness(listener, server, desk, stopping));
    let scheme = if is_tls { "https" } else { "http" };
    Running {
        address: WitnessAddress {
            address: format!("{scheme}://{at}"),
            key: key.clone(),
            ca_file: None,
        },
        stop,
    }
}

fn sending(house: &House, witnesses: Vec<WitnessAddress>) -> Sending {
    let (key, mut main) = (
        house.home.sealing_key().unwrap(),
        house.home.open_main().unwrap(),
    );
    standing::take_over(&mut main, &witnesses, house.clock.now(), &key).unwrap();
    Sending {
        main: house.home.main_database(),
        key,
        clock: house.clock.clone(),
        witnesses,
        authority: house.home.authority_certificate(),
    }
}

fn standings(house: &House) -> Vec<standing::WitnessStanding> {
    standing::all(&house.home.open_main().unwrap()).unwrap()
}

fn checked(house: &House) -> State {
    witnesses_check(&standings(house), house.clock.now()).state
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_part_the_hub_is_cosigned_by_several_witnesses_and_a_missing_one_is_an_alarm() {
    let house = House::new();
    write_lines(&house, 3);
    assert_eq!(checked(&house), State::Warning, "nobody witnesses");
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let listen = "127.0.0.1:9470".parse().unwrap();
    let (first, first_key) = made(one.path(), &house, listen);
    let second = WitnessFolder::at(two.path());
    let new = NewWitness {
        name: "prefettura.example.it".to_owned(),
        listen,
        logs: vec![log_key(&house)],
    };
    let second_key = second.init(&new).unwrap();
    let (plain, secure) = (
        serve(&first, &first_key, &house, false),
        serve(&second, &second_key, &house, true),
    );
    let all = vec![plain.address.clone(), secure.address.clone()];
    let sending = sending(&house, all);
    let named = house.count("SELECT count(*) FROM audit WHERE action = 'witnesses-changed'");
    assert_eq!(named, 1);
    sending.round(house.clock.now()).await.unwrap();
    let last = || {
        let main = house.home.open_main().unwrap();
        log::last_cosigned(&main).unwrap().unwrap()
    };
    let signed = |note: &Note, key: &NoteKey| note.signed_by(key).unwrap().is_some();
    let note = last();
    assert!(signed(&note, &first_key) && signed(&note, &second_key));
    assert!(signed(&note, &log_key(&house)));
    assert_eq!(checked(&house), State::Ok);
    // It grows, and both follow.
    write_lines(&house, 40);
    sending.round(house.clock.now()).await.unwrap();
    let size = Checkpoint::of(&last()).unwrap().head.size;
    let main = house.home.open_main().unwrap();
    assert_eq!(size, log::size(&main).unwrap());
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);
    // One is away: after an hour that is an alarm.
    plain.stop.send(true).unwrap();
    while TcpListener::bind(plain.address.address.trim_start_matches("http://")).is_err() {
        tokio::time::sleep(SECOND / 50).await;
    }
    house.clock.advance(3500 * SECOND);
    write_lines(&house, 1);
    sending.round(house.clock.now()).await.unwrap();
    assert_eq!(checked(&house), State::Ok);
    house.clock.advance(200 * SECOND);
    sending.round(house.clock.now()).await.unwrap();
    let check = witnesses_check(&standings(&house), house.clock.now());
    assert_eq!(check.state, State::Fault);
    assert!(
        check.found.contains("dpo.example.it since"),
        "{}",
        check.found
    );
    assert!(signed(&last(), &second_key) && !signed(&last(), &first_key));
    // Readiness says so, by a count.
    let hub = house.serve().await;
    let ready = hub.client.get(format!("{}/readyz", hub.url)).send().await;
    let ready: serde_json::Value = ready.unwrap().json().await.unwrap();
    let checks = ready["checks"].as_array().unwrap();
    let told = checks
        .iter()
        .find(|check| check["name"] == "witnesses")
        .unwrap();
    assert_eq!(told["state"], "fault");
    assert!(!told["found"].as_str().unwrap().contains("dpo"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_part_a_hub_whose_lines_were_cut_or_changed_is_told_so_by_its_witness() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    write_lines(&house, 8);
    let (place, key) = made(folder.path(), &house, "127.0.0.1:9470".parse().unwrap());
    let running = serve(&place, &key, &house, false);
    let sending = sending(&house, vec![running.address.clone()]);
    let main = house.home.open_main().unwrap();
    let copy = house.home.main_database().with_extension("copy");
    main.execute("VACUUM INTO ?", [copy.to_string_lossy()])
        .unwrap();
    drop(main);
    write_lines(&house, 5);
    sending.round(house.clock.now()).await.unwrap();
    // An older copy is put in place, and the hub goes on from it.
    for side in ["sqlite-wal", "sqlite-shm"] {
        std::fs::remove_file(house.home.main_database().with_extension(side)).ok();
    }
    std::fs::copy(&copy, house.home.main_database()).unwrap();
    let fault = || standings(&house)[0].fault.clone().unwrap();
    sending.round(house.clock.now()).await.unwrap();
    assert!(fault().contains("lines were cut"), "{}", fault());
    house.clock.advance(SECOND);
    write_lines(&house, 9);
    sending.round(house.clock.now()).await.unwrap();
    assert!(fault().contains("does not continue"), "{}", fault());
    let witness = place.open(&place.config().unwrap()).unwrap();
    assert_eq!(witness.evidence().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_does_not_know_the_log_or_signs_with_another_key_is_told() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    let (other, second) = (House::new(), tempfile::tempdir().unwrap());
    let listen = "127.0.0.1:9470".parse().unwrap();
    let (place, key) = made(folder.path(), &other, listen);
    let running = serve(&place, &key, &house, false);
    let asked = sending(&house, vec![running.address.clone()]);
    asked.round(house.clock.now()).await.unwrap();
    let fault = || standings(&house)[0].fault.clone().unwrap();
    assert!(fault().contains("does not know this log"), "{}", fault());
    // The right log, and hub.toml names another key.
    let (place, key) = made(second.path(), &house, listen);
    let mut running = serve(&place, &key, &house, false);
    let wrong: SealingKey = new_key();
    running.address.key = NoteKey::new(key.name(), NoteKind::Witness, wrong.opening_key()).unwrap();
    let asked = sending(&house, vec![running.address.clone()]);
    asked.round(house.clock.now()).await.unwrap();
    assert!(fault().contains("no cosignature"), "{}", fault());
    let main = house.home.open_main().unwrap();
    assert!(log::last_cosigned(&main).unwrap().is_none());
}
