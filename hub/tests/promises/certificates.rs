//! The certificates that the hub shows as a server.

use std::net::SocketAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use varco_hub::certificates::authority::{SERVER_LIFE_MAX, describe};
use varco_hub::certificates::tls;
use varco_hub::machine::files;
use varco_hub::timekeeping::{Clock as _, SystemClock};
use varco_hub::upkeep::server_certificate::{
    self, CertificateKeeper, HostChanges, OwnPair, ServerCertificateError,
};
use varco_proto::time::UtcTime;

use crate::support::{DAY, House, SECOND, Served};

/// Another authority than the hub's.
struct Other {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn dated(name: &str, (from, days): (UtcTime, u32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let begins = date_time_ymd(1970, 1, 1) + from.since(UtcTime::from_unix_us(0));
    params.not_before = begins;
    params.not_after = begins + DAY * days;
    params
}

impl Other {
    fn new(now: UtcTime) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = dated("Another authority", (now - DAY * 100, 900));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// Certificate and key.
    fn issue(&self, host: &str, dates: (UtcTime, u32)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = dated(host, dates);
        params.subject_alt_names = CertificateParams::new(vec![host.to_owned()])
            .unwrap()
            .subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// What a caller gets who believes one authority and calls the hub by a name.
async fn call(hub: &Served, authority: &str, host: &str) -> Option<u16> {
    let address: SocketAddr = hub.url["https://".len()..].parse().unwrap();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client(authority).unwrap())
        .resolve(host, address)
        .build()
        .unwrap();
    let url = format!("https://{host}:{}/healthz", address.port());
    let answer = client.get(url).send().await.ok()?;
    Some(answer.status().as_u16())
}

fn authority(house: &House) -> String {
    files::read_text(&house.home.authority_certificate()).unwrap()
}

#[test]
fn the_servers_certificate_holds_397_days_and_renews_itself_for_the_same_names_and_key() {
    let house = House::new();
    let read = || {
        let pem = files::read_text(&house.home.server_certificate()).unwrap();
        let key = files::read_text(&house.home.server_key()).unwrap();
        (describe(&pem).unwrap(), key)
    };
    let (first, key) = read();
    assert!(first.life() <= SERVER_LIFE_MAX, "{first:?}");
    let now = house.clock.now();
    assert!(!server_certificate::renew_when_due(&house.home, now + DAY * 200).unwrap());
    assert!(server_certificate::renew_when_due(&house.home, now + DAY * 270).unwrap());
    let (second, same) = read();
    assert_eq!((&second.hosts, &same), (&first.hosts, &key));
    assert!(second.ends >= first.ends + DAY * 260 && second.life() <= SERVER_LIFE_MAX);
    let lines = "SELECT count(*) FROM audit WHERE action = 'certificate-issued'";
    assert_eq!(house.count(lines), 1);
}

#[test]
fn an_older_home_whose_certificate_holds_ten_years_gets_another_at_its_next_start() {
    let house = House::new();
    let now = house.clock.now();
    let key = KeyPair::from_pem(&files::read_text(&house.home.authority_key()).unwrap()).unwrap();
    let other = Other {
        issuer: Issuer::from_ca_cert_pem(&authority(&house), key).unwrap(),
        pem: String::new(),
    };
    let (certificate, key) = other.issue("127.0.0.1", (now - DAY, 3650));
    files::write_public(&house.home.server_certificate(), certificate.as_bytes()).unwrap();
    files::write_private(&house.home.server_key(), key.as_bytes()).unwrap();
    CertificateKeeper::start(&house.home, false, now).unwrap();
    let life = || {
        let pem = files::read_text(&house.home.server_certificate()).unwrap();
        describe(&pem).unwrap().life()
    };
    assert_eq!(life(), DAY * 3650, "one of several hubs leaves it");
    CertificateKeeper::start(&house.home, true, now).unwrap();
    assert!(life() <= SERVER_LIFE_MAX);
    assert!(other.pem.is_empty());
}

#[tokio::test]
async fn a_further_name_is_served_at_once_and_open_connections_go_on() {
    let house = House::new();
    let now = SystemClock.now();
    server_certificate::issue(
        &house.home,
        HostChanges {
            further: &[],
            without: &[],
        },
        now,
    )
    .unwrap();
    let mut keeper = CertificateKeeper::start(&house.home, true, now).unwrap();
    let hub = house
        .serve_as(tls::server_of(keeper.shown()).unwrap())
        .await;
    let alive = || async {
        let answer = hub.client.get(format!("{}/healthz", hub.url)).send().await;
        answer.unwrap().bytes().await.unwrap();
        hub.state.connections.counts().strangers
    };
    assert_eq!(alive().await, 1);
    let name = "hub.example.test";
    assert_eq!(call(&hub, &authority(&house), name).await, None, "not yet");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let hosts = server_certificate::issue(
        &house.home,
        HostChanges {
            further: &[name.to_owned()],
            without: &[],
        },
        now,
    )
    .unwrap();
    assert!(hosts.contains(&name.to_owned()) && hosts.contains(&"127.0.0.1".to_owned()));
    assert!(keeper.look(now).unwrap());
    assert_eq!(call(&hub, &authority(&house), name).await, Some(200));
    assert!(!keeper.look(now).unwrap(), "nothing new");
    let broker = house.home.config().unwrap().broker_host;
    let stays = server_certificate::issue(
        &house.home,
        HostChanges {
            further: &[],
            without: &[broker],
        },
        now,
    );
    assert!(matches!(stays, Err(ServerCertificateError::Needed(_))));
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_shown_under_its_names_and_boxes_go_on_as_before() {
    let house = House::new();
    let now = SystemClock.now();
    server_certificate::issue(
        &house.home,
        HostChanges {
            further: &["boxes.example.test".to_owned()],
            without: &[],
        },
        now,
    )
    .unwrap();
    let mut keeper = CertificateKeeper::start(&house.home, true, now).unwrap();
    let hub = house
        .serve_as(tls::server_of(keeper.shown()).unwrap())
        .await;
    let other = Other::new(now);
    let (leaf, key) = other.issue("portal.example.test", (now - DAY, 90));
    let chain = format!("{leaf}{}", other.pem);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let own = server_certificate::take_own(
        &house.home,
        OwnPair {
            certificate: &chain,
            key: &key,
        },
        false,
        now,
    )
    .unwrap();
    assert_eq!(own.hosts, ["portal.example.test"]);
    assert!(keeper.look(now).unwrap());
    let portal = call(&hub, &other.pem, "portal.example.test").await;
    assert_eq!(portal, Some(200));
    let box_of = call(&hub, &authority(&house), "boxes.example.test").await;
    assert_eq!(box_of, Some(200), "believes ca.crt alone");
    let by_address = hub.client.get(format!("{}/healthz", hub.url)).send().await;
    assert_eq!(by_address.unwrap().status(), 200);
    let state = |at: UtcTime| {
        let checks = server_certificate::checks(&house.home, at);
        let mut own = checks
            .into_iter()
            .filter(|check| check.name == "own certificate");
        own.next().map(|check| format!("{:?}", check.state))
    };
    assert_eq!(state(now).as_deref(), Some("Ok"));
    assert_eq!(state(now + DAY * 75).as_deref(), Some("Warning"));
    assert_eq!(state(now + DAY * 90).as_deref(), Some("Fault"));
    assert!(server_certificate::drop_own(&house.home, now).unwrap());
    assert!(keeper.look(now).unwrap());
    assert_eq!(state(now), None);
}

#[test]
fn a_certificate_that_would_not_hold_is_refused() {
    let house = House::new();
    let now = SystemClock.now();
    let other = Other::new(now);
    let take = |chain: &str, key: &str| {
        server_certificate::take_own(
            &house.home,
            OwnPair {
                certificate: chain,
                key,
            },
            false,
            now,
        )
        .is_ok()
    };
    let chained = |leaf: &str| format!("{leaf}{}", other.pem);
    let (good, key) = other.issue("portal.example.test", (now - DAY, 90));
    let (_, wrong_key) = other.issue("portal.example.test", (now - DAY, 90));
    let (over, over_key) = other.issue("portal.example.test", (now - DAY * 50, 49));
    let (later, later_key) = other.issue("portal.example.test", (now + DAY, 49));
    assert!(!take(&chained(&good), &wrong_key), "the key is another's");
    assert!(!take(&chained(&over), &over_key), "it is over");
    assert!(!take(&chained(&later), &later_key), "it has not begun");
    assert!(!take(&good, &key), "nobody knows its authority");
    assert!(
        !take(&format!("{good}{}", Other::new(now).pem), &key),
        "another's authority"
    );
    assert!(!take("", &key) && !take(&chained(&good), ""));
    assert!(!house.home.own_certificate().exists());
    let (taken, taken_key) = other.issue("localhost", (now - SECOND, 90));
    let refused = server_certificate::take_own(
        &house.home,
        OwnPair {
            certificate: &chained(&taken),
            key: &taken_key,
        },
        false,
        now,
    );
    assert!(matches!(refused, Err(ServerCertificateError::Boxes(_))));
    let pair = (chained(&taken), taken_key);
    server_certificate::take_own(
        &house.home,
        OwnPair {
            certificate: &pair.0,
            key: &pair.1,
        },
        true,
        now,
    )
    .unwrap();
    assert!(take(&chained(&good), &key));
}
