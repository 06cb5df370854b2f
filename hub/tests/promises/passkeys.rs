//! Passkeys over HTTPS, shown by a device that this file plays: what is let in, and what is not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use varco_hub::audit::ending::end_due;
use varco_hub::opening::floor;
use varco_hub::people::tokens::Permission;
use varco_hub::proof::verification::verify;
use varco_hub::signing::challenges;
use varco_hub::signing::desk;
use varco_hub::signing::passkey_revoking;
use varco_hub::timekeeping::Clock as _;

use crate::http::house_with;
use crate::signed::{
    PASSWORD, TestPerson, TestPost, account_code, at_console, cookie_of, lines, post_json, told,
};
use crate::support::{DAY, House, SECOND, Served};

const LOOK_UP: &[Permission] = &[Permission::Lookups];
const HOST: &str = "localhost";
const SIGN_IN: &str = "/api/v1/session/passkey";
/// Its person is there, and was recognised.
const RECOGNISED: u8 = 0x05;

/// What a device says, and what of it a test may bend.
#[derive(Clone)]
struct Said {
    origin: String,
    flags: u8,
    counter: u32,
    host: &'static str,
    kind: &'static str,
}

impl Said {
    fn showing(counter: u32) -> Self {
        Self {
            origin: format!("https://{HOST}"),
            flags: RECOGNISED,
            counter,
            host: HOST,
            kind: "webauthn.get",
        }
    }

    fn client(&self, asked: &Value) -> Vec<u8> {
        let client = json!({
            "type": self.kind, "challenge": options(asked)["challenge"], "origin": self.origin,
            "crossOrigin": false,
        });
        client.to_string().into_bytes()
    }

    fn device(&self, more: &[u8]) -> Vec<u8> {
        let mut data = digest(&SHA256, self.host.as_bytes()).as_ref().to_vec();
        data.push(self.flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data.extend_from_slice(more);
        data
    }
}

fn options(asked: &Value) -> Value {
    serde_json::from_str(asked["options"].as_str().unwrap()).unwrap()
}

/// A device with one passkey.
struct Device {
    key: EcdsaKeyPair,
    credential: Vec<u8>,
    handle: String,
}

impl Device {
    /// Makes a key for what the hub asks, and what the browser says of it.
    fn make(asked: &Value) -> (Self, Value) {
        let (rules, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(rules, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(rules, pkcs8.as_ref(), &random).unwrap();
        let credential = digest(&SHA256, key.public_key().as_ref()).as_ref().to_vec();
        let said = Said {
            kind: "webauthn.create",
            // With a key in it.
            flags: RECOGNISED | 0x40,
            ..Said::showing(1)
        };
        let mut attested = vec![0; 16];
        attested.extend_from_slice(&[0, 32]);
        attested.extend_from_slice(&credential);
        let point = key.public_key().as_ref();
        // COSE: an EC2 key for ES256 on P-256.
        attested.extend_from_slice(&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32]);
        attested.extend_from_slice(&point[1..33]);
        attested.extend_from_slice(&[0x22, 0x58, 32]);
        attested.extend_from_slice(&point[33..]);
        let data = said.device(&attested);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend_from_slice(&data);
        let id = BASE64.encode(&credential);
        let answer = json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": BASE64.encode(said.client(asked)),
                "attestationObject": BASE64.encode(&object), "transports": ["internal"],
            },
        });
        let handle = options(asked)["user"]["id"].as_str().unwrap().to_owned();
        let device = Self {
            key,
            credential,
            handle,
        };
        (device, answer)
    }

    fn show(&self, asked: &Value, said: &Said) -> Value {
        let (client, data) = (said.client(asked), said.device(&[]));
        let mut signed = data.clone();
        signed.extend_from_slice(digest(&SHA256, &client).as_ref());
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let id = BASE64.encode(&self.credential);
        json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": BASE64.encode(&client), "authenticatorData": BASE64.encode(&data),
                "signature": BASE64.encode(signature.as_ref()), "userHandle": self.handle,
            },
        })
    }
}

fn proof(asked: &Value, answer: &Value) -> Value {
    json!({
        "challenge": asked["challenge"], "state": asked["state"], "answer": answer.to_string(),
    })
}

async fn asked(hub: &Served) -> Value {
    let response = hub.client.get(format!("{}{SIGN_IN}", hub.url)).send().await;
    let (status, asked) = told(response.unwrap()).await;
    assert_eq!(status, 200, "{asked}");
    asked
}

/// A house whose page has a name that passkeys are bound to.
async fn house_of_passkeys() -> (House, Served) {
    let (house, hub) = house_with(&["AB123CD"]).await;
    hub.stop.send(true).unwrap();
    let file = house.home.root().join("hub.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let table = format!("[signing]\npasskey_host = \"{HOST}\"\n");
    assert!(text.contains("[signing]\n"), "{text}");
    std::fs::write(&file, text.replace("[signing]\n", &table)).unwrap();
    let hub = house.serve().await;
    (house, hub)
}

async fn keep(hub: &Served, person: &TestPerson, name: &str) -> Device {
    let path = "POST /api/v1/passkeys/challenge";
    let (status, asked) = person.ask(hub, path, &json!({})).await;
    assert_eq!(status, 200, "{asked}");
    let (device, answer) = Device::make(&asked);
    let body = json!({"name": name, "password": PASSWORD, "passkey": proof(&asked, &answer)});
    let (status, kept) = person.ask(hub, "POST /api/v1/passkeys", &body).await;
    assert_eq!(status, 201, "{kept}");
    device
}

async fn sign_in(hub: &Served, post: &TestPost, passkey: &Value) -> u16 {
    let body = json!({ "passkey": passkey, "post": post.proof(hub, "passkey").await });
    post_json(hub, SIGN_IN, &body).await.status().as_u16()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn a_passkey_lets_its_person_in_once_for_each_challenge_and_nothing_else_does() {
    let (house, hub) = house_of_passkeys().await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let mut anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    let bruno = TestPerson::new(&house, &hub, "b.verdi", LOOK_UP, &post).await;
    let key = keep(&hub, &anna, "Chiave blu").await;
    let other = keep(&hub, &bruno, "Chiave rossa").await;

    let first = asked(&hub).await;
    let shown = proof(&first, &key.show(&first, &Said::showing(2)));
    let body = json!({ "passkey": shown, "post": post.proof(&hub, "passkey").await });
    let response = post_json(&hub, SIGN_IN, &body).await;
    let cookie = cookie_of(&response);
    let (status, answer) = told(response).await;
    assert_eq!((status, &answer["user_name"]), (201, &json!("a.rossi")));
    anna.cookie = cookie.unwrap();
    anna.mark = answer["mark"].as_str().unwrap().to_owned();
    anna.session = answer["session"].as_str().unwrap().to_owned();
    assert_eq!(anna.look_up(&hub).await, 200);
    let made = lines(&house, "signed-in");
    let by = made.last().unwrap()["details"]["passkey"].clone();
    assert_eq!(by, lines(&house, "passkey-made")[0]["details"]["passkey"]);

    // The same once more, and each thing that is not as it should be.
    assert_eq!(sign_in(&hub, &post, &shown).await, 401, "replayed");
    let right = Said::showing(3);
    let evil = Said {
        origin: "https://evil.example".to_owned(),
        ..right.clone()
    };
    let elsewhere = Said {
        host: "evil.example",
        ..right.clone()
    };
    let unseen = Said {
        flags: 0x01,
        ..right.clone()
    };
    let making = Said {
        kind: "webauthn.create",
        ..right.clone()
    };
    for (said, why) in [
        (&evil, "another origin"),
        (&elsewhere, "another site's"),
        (&unseen, "its person was not recognised"),
        (&making, "of another ceremony"),
        (&Said::showing(2), "the counter stood still"),
        (&Said::showing(1), "the counter went back"),
    ] {
        let asked = asked(&hub).await;
        let shown = proof(&asked, &key.show(&asked, said));
        assert_eq!(sign_in(&hub, &post, &shown).await, 401, "{why}");
    }
    let (one, two) = (asked(&hub).await, asked(&hub).await);
    let shown = key.show(&one, &right);
    let mut mixed = proof(&two, &shown);
    assert_eq!(sign_in(&hub, &post, &mixed).await, 401, "another challenge");
    mixed["state"] = one["state"].clone();
    assert_eq!(sign_in(&hub, &post, &mixed).await, 401, "another state");
    // One's own key under another's name, and another's key under one's own.
    let names = |device: &Device, handle: &str| {
        let mut answer = device.show(&one, &right);
        answer["response"]["userHandle"] = handle.into();
        proof(&one, &answer)
    };
    assert_eq!(sign_in(&hub, &post, &names(&key, &other.handle)).await, 401);
    assert_eq!(sign_in(&hub, &post, &names(&other, &key.handle)).await, 401);
    let mut forged = key.show(&one, &right);
    forged["response"]["signature"] = other.show(&one, &right)["response"]["signature"].clone();
    assert_eq!(sign_in(&hub, &post, &proof(&one, &forged)).await, 401);
    let unknown = Device::make(&json!({
        "options": json!({"challenge": "AA", "user": {"id": key.handle}}).to_string(),
    }));
    let shown = proof(&one, &unknown.0.show(&one, &right));
    assert_eq!(sign_in(&hub, &post, &shown).await, 401, "nobody's");
    // From no post, and after its minute.
    let body = json!({ "passkey": proof(&one, &key.show(&one, &right)) });
    assert_eq!(post_json(&hub, SIGN_IN, &body).await.status(), 401);
    house.clock.advance(challenges::VALID);
    let late = proof(&one, &key.show(&one, &right));
    assert_eq!(sign_in(&hub, &post, &late).await, 401, "late");
    // All that did not use it up.
    let last = asked(&hub).await;
    let shown = proof(&last, &key.show(&last, &right));
    assert_eq!(sign_in(&hub, &post, &shown).await, 201);
    let refused = lines(&house, "sign-in-refused");
    assert!(refused.len() >= 10, "{}", refused.len());
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);
}

#[tokio::test]
async fn a_passkey_unlocks_its_own_session_alone_and_is_made_with_the_password_alone() {
    let (house, hub) = house_of_passkeys().await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    let bruno = TestPerson::new(&house, &hub, "b.verdi", LOOK_UP, &post).await;
    let key = keep(&hub, &anna, "Chiave blu").await;
    let other = keep(&hub, &bruno, "Chiave rossa").await;
    let (_, again) = anna
        .ask(&hub, "POST /api/v1/passkeys/challenge", &json!({}))
        .await;
    let (_, answer) = Device::make(&again);
    let body = |name: &str, password: &str| json!({"name": name, "password": password, "passkey": proof(&again, &answer)});
    for (name, password, status) in [
        ("Chiave blu", PASSWORD, 422),
        ("", PASSWORD, 422),
        ("Chiave verde", "another long password", 401),
    ] {
        let body = body(name, password);
        let asked = anna.ask(&hub, "POST /api/v1/passkeys", &body).await;
        assert_eq!(asked.0, status, "{name}");
    }
    // What was made for one account is not kept for another.
    let body = body("Chiave nera", PASSWORD);
    let theirs = bruno.ask(&hub, "POST /api/v1/passkeys", &body).await;
    assert_eq!(theirs.0, 401);
    assert_eq!(lines(&house, "passkey-made").len(), 2);

    let locking = anna.ask(&hub, "POST /api/v1/session/locking", &Value::Null);
    assert_eq!(locking.await.0, 204);
    let list = anna.ask(&hub, "GET /api/v1/passkeys", &Value::Null).await;
    assert_eq!(list.0, 423, "a locked session shows none");
    let unlock = async |device: &Device, counter: u32| {
        let asked = asked(&hub).await;
        let shown = proof(&asked, &device.show(&asked, &Said::showing(counter)));
        anna.ask(&hub, "POST /api/v1/session/passkey/unlocking", &shown)
            .await
            .0
    };
    assert_eq!(unlock(&other, 2).await, 401, "somebody else's");
    assert_eq!(anna.look_up(&hub).await, 423);
    assert_eq!(unlock(&key, 2).await, 200);
    assert_eq!(anna.look_up(&hub).await, 200);
    anna.ask(&hub, "POST /api/v1/session/locking", &Value::Null)
        .await;
    for counter in 3..8 {
        assert_eq!(unlock(&other, counter).await, 401);
    }
    assert_eq!(unlock(&key, 9).await, 401, "the fifth ended the session");
    assert_eq!(lines(&house, "session-unlocked").len(), 1);
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn a_passkey_that_was_revoked_stays_so_and_one_that_no_line_gave_is_found() {
    let (house, hub) = house_of_passkeys().await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    let bruno = TestPerson::new(&house, &hub, "b.verdi", LOOK_UP, &post).await;
    let (key, second) = (
        keep(&hub, &anna, "Chiave blu").await,
        keep(&hub, &anna, "Telefono").await,
    );
    let theirs = keep(&hub, &bruno, "Chiave rossa").await;
    let works = async |hub: &Served, device: &Device, counter: u32| {
        let asked = asked(hub).await;
        let shown = proof(&asked, &device.show(&asked, &Said::showing(counter)));
        sign_in(hub, &post, &shown).await
    };
    let copy = house.home.root().join("older.sqlite");
    let main = house.home.open_main().unwrap();
    main.execute("VACUUM INTO ?", [copy.to_str().unwrap()])
        .unwrap();
    house.clock.advance(SECOND * 10);
    let (_, listed) = anna.ask(&hub, "GET /api/v1/passkeys", &Value::Null).await;
    let mut ids: Vec<_> = listed["passkeys"].as_array().unwrap().iter().collect();
    ids.sort_by_key(|one| one["name"].as_str().unwrap());
    assert_eq!((ids.len(), &listed["enabled"]), (2, &json!(true)));
    let revocation =
        |id: &Value| format!("POST /api/v1/passkeys/{}/revocation", id.as_str().unwrap());
    // Nobody revokes another's.
    let first = revocation(&ids[0]["passkey"]);
    assert_eq!(bruno.ask(&hub, &first, &json!({})).await.0, 404);
    assert_eq!(anna.ask(&hub, &first, &json!({})).await.0, 204);
    assert_eq!(anna.ask(&hub, &first, &json!({})).await.0, 404);
    assert_eq!(works(&hub, &key, 2).await, 401);
    assert_eq!(works(&hub, &second, 2).await, 201);
    // At the console too, and with a new code for the account.
    let id = ids[1]["passkey"].as_str().unwrap();
    let account = lines(&house, "passkey-made")[0]["details"]["account"].clone();
    at_console(&house, |main, acting| {
        assert!(passkey_revoking::revoke(main, id, account.as_str().unwrap(), acting).unwrap());
    });
    assert_eq!(works(&hub, &second, 3).await, 401);
    account_code(&house, "b.verdi", None);
    assert_eq!(works(&hub, &theirs, 2).await, 401);
    assert_eq!(lines(&house, "passkey-revoked").len(), 3);
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);

    // No line gave these.
    let execute = |sql: &str| house.home.open_main().unwrap().execute_batch(sql).unwrap();
    execute("CREATE TABLE kept AS SELECT * FROM passkeys");
    for sql in [
        "UPDATE passkeys SET fixed = (SELECT fixed FROM passkeys WHERE name = 'Telefono')
         WHERE name = 'Chiave blu'",
        "UPDATE passkeys SET account = 'u0' WHERE name = 'Chiave blu'",
        "UPDATE passkeys SET revoked_at_us = NULL WHERE name = 'Chiave blu'",
        "DELETE FROM passkeys WHERE name = 'Telefono'",
        "INSERT INTO passkeys SELECT 'k0', account, 'x', randomblob(32), fixed, moving, transports,
         made_at_us, NULL, NULL FROM passkeys WHERE name = 'Telefono'",
    ] {
        execute(sql);
        let found = verify(&house.home, house.clock.now()).unwrap();
        assert!(found.is_broken(), "{sql}");
        execute("DELETE FROM passkeys; INSERT INTO passkeys SELECT * FROM kept");
    }
    execute("DROP TABLE kept");
    assert!(verify(&house.home, house.clock.now()).unwrap().intact);

    // Nor does an older database bring one back.
    floor::keep(&house.home, &main).unwrap();
    drop(main);
    hub.stop.send(true).unwrap();
    house.restart();
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{}{ending}", house.home.main_database().display());
        let _ = std::fs::remove_file(file);
    }
    std::fs::rename(&copy, house.home.main_database()).unwrap();
    let mut main = house.home.open_main().unwrap();
    let raised = floor::hold(&house.home, &mut main, house.clock.now()).unwrap();
    assert_eq!(raised.signing.passkeys.len(), 3, "{raised:?}");
    drop(main);
    let hub = house.serve().await;
    for device in [&key, &second, &theirs] {
        assert_eq!(works(&hub, device, 9).await, 401);
    }
}

#[tokio::test]
async fn without_a_name_in_hub_toml_there_are_no_passkeys_and_a_disabled_account_has_none() {
    let (house, hub) = house_with(&[]).await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    let url = format!("{}{SIGN_IN}", hub.url);
    assert_eq!(hub.client.get(url).send().await.unwrap().status(), 404);
    let path = "POST /api/v1/passkeys/challenge";
    assert_eq!(anna.ask(&hub, path, &json!({})).await.0, 404);
    let (house, hub) = house_of_passkeys().await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    let key = keep(&hub, &anna, "Chiave blu").await;
    let user = "a.rossi".parse().unwrap();
    at_console(&house, |main, acting| desk::disable(main, &user, acting)).unwrap();
    let asked = asked(&hub).await;
    let shown = proof(&asked, &key.show(&asked, &Said::showing(2)));
    assert_eq!(sign_in(&hub, &post, &shown).await, 403);
}

#[tokio::test]
async fn a_passkey_is_still_held_against_its_lines_when_others_have_ended() {
    let (house, hub) = house_of_passkeys().await;
    let post = TestPost::new(&house, &hub, "Sala operativa 1").await;
    let anna = TestPerson::new(&house, &hub, "a.rossi", LOOK_UP, &post).await;
    keep(&hub, &anna, "Chiave blu").await;
    house.clock.advance(DAY * 800);
    let (now, key) = (house.clock.now(), house.home.sealing_key().unwrap());
    let ended = end_due(&mut house.home.open_main().unwrap(), DAY * 730, now, &key);
    ended.unwrap();
    assert!(lines(&house, "signed-in").is_empty(), "lines ended");
    // Sessions of then are long tidied away where a hub runs.
    let found = verify(&house.home, now).unwrap().broken_rows;
    let passkeys: Vec<_> = found.iter().filter(|row| row.table == "passkeys").collect();
    assert!(passkeys.is_empty(), "{passkeys:?}");
}
