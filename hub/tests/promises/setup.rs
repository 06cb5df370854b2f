//! Making a home and enrolling edges.

use std::time::Duration;

use std::os::unix::fs::PermissionsExt as _;

use varco_hub::boxes::edges::EdgeError;
use varco_hub::certificates::tls;
use varco_hub::enrolment::adding::{self, AddEdgeError, NewEdge};
use varco_hub::enrolment::desk::{self, EdgeDeskError};
use varco_hub::home::HomeError;
use varco_hub::machine::files;
use varco_hub::opening::init::{self, InitSettings};
use varco_hub::timekeeping::Clock as _;

use crate::support::House;

#[test]
fn a_second_init_changes_nothing() {
    let house = House::new();
    let before = files::read(&house.home.sealing_key_file()).unwrap();
    let settings = InitSettings {
        hosts: Vec::new(),
        bind: [127, 0, 0, 1].into(),
        broker_port: 9,
        first_token_valid: Duration::from_secs(86_400),
        http_port: 9,
    };
    let again = init::init(&house.home, &settings, house.clock.now()).unwrap();
    assert!(again.already_there && again.token.is_none());
    assert_eq!(again.url, house.init.url);
    assert_eq!(files::read(&house.home.sealing_key_file()).unwrap(), before);
}

#[test]
fn c22_part_what_is_private_is_its_owners_alone() {
    let house = House::new();
    house.edge("porta-nord-01");
    let home = &house.home;
    let bundle = house.bundle("porta-nord-01").out;
    for file in [
        home.authority_key(),
        home.server_key(),
        home.client_key(),
        home.sealing_key_file(),
        home.token_file(),
        home.main_database(),
        bundle.join("edge.key"),
        bundle.join("signing.pk8"),
    ] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    let mode = std::fs::metadata(home.root()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn an_edges_bundle_is_whole_and_its_certificate_usable() {
    let house = House::new();
    house.edge("porta-nord-01");
    let folder = house.bundle("porta-nord-01").out;
    let text = |name: &str| files::read_text(&folder.join(name)).unwrap();
    tls::client_with_certificate(&text("ca.crt"), &text("edge.crt"), &text("edge.key")).unwrap();
    let config = text("edge.toml");
    assert!(config.contains(&format!("hub_key = \"{}\"", house.init.hub_key)));
    assert!(config.contains("id = \"porta-nord-01\""));
}

#[test]
fn a_name_is_never_used_twice_not_even_after_revocation() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    desk::revoke_edge(&house.home, &edge.id, house.clock.now()).unwrap();
    let crl = files::read_text(&house.home.revocation_list()).unwrap();
    assert!(crl.contains("X509 CRL"));
    let gate = "porta-nord".parse().unwrap();
    let mut bundle = house.bundle("elsewhere");
    let again = adding::add_edge(
        &house.home,
        NewEdge {
            id: &edge.id,
            gate: &gate,
            place: None,
        },
        &bundle,
        house.clock.now(),
    );
    assert!(matches!(
        again,
        Err(AddEdgeError::Edge(EdgeError::Taken(_)))
    ));
    assert!(
        !bundle.out.exists(),
        "nothing is left of a refused enrolment"
    );
    let hub = "varco-hub".parse().unwrap();
    bundle.out = bundle.out.join("hub");
    let reserved = adding::add_edge(
        &house.home,
        NewEdge {
            id: &hub,
            gate: &gate,
            place: None,
        },
        &bundle,
        house.clock.now(),
    );
    assert!(matches!(
        reserved,
        Err(AddEdgeError::Edge(EdgeError::Reserved))
    ));
}

#[test]
fn an_unknown_edge_is_not_revoked() {
    let house = House::new();
    let id = "nobody".parse().unwrap();
    let refused = desk::revoke_edge(&house.home, &id, house.clock.now());
    assert!(matches!(
        refused,
        Err(EdgeDeskError::Edge(EdgeError::Unknown(_)))
    ));
}

#[test]
fn a_configuration_with_faults_tells_all_of_them() {
    let house = House::new();
    let bad = b"[http]\nlisten = \"x\"\nport = 3\n[broker]\nhost = \"\"\nport = 0\n";
    files::write_private(&house.home.config_file(), bad).unwrap();
    let Err(HomeError::Config { faults, .. }) = house.home.config() else {
        panic!("the faults are told");
    };
    assert_eq!(faults.all().len(), 4, "{faults}");
}
