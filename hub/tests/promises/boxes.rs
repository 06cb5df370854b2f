//! What boxes report of themselves: taken, kept for a week, shown, and told when something is wrong.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use varco_hub::alerts::webhook::{self, NewWebhook, WebhookTells};
use varco_hub::boxes::anomalies::{self, Event, HOLD, News};
use varco_hub::boxes::gate_hours::{self, GateCounts};
use varco_hub::boxes::history;
use varco_hub::boxes::kinds::Kind;
use varco_hub::boxes::watch::{LOOK_EVERY, SILENT_AFTER, Since, look};
use varco_hub::chains::place::Limits;
use varco_hub::config::RETENTION_MAX;
use varco_hub::enrolment::desk;
use varco_hub::intake::writer::{Message, Writer};
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::timekeeping::Clock;
use varco_hub::timekeeping::{Doubt, Reading};
use varco_hub::web::webhooks::deliver_regularly;
use varco_proto::envelope::seal;
use varco_proto::keys::SealingKey;
use varco_proto::receipt::RefusalReason;
use varco_proto::record::RecordBody;
use varco_proto::status::EdgeStatus;
use varco_proto::tamper::{TamperEvent, TamperKind};
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;
use varco_proto::wire;

use crate::support::{Carrying as _, DAY, House, SECOND, TestEdge};
use crate::tokens::add_token;

const MINUTE: Duration = Duration::from_secs(60);

/// How a sound box with one camera is at the hub's time, changed by the test.
fn status(house: &House, edge: &TestEdge, change: impl FnOnce(&mut wire::EdgeStatus)) -> Message {
    let mut report = wire::EdgeStatus {
        reported_at_unix_us: house.clock.now().unix_us(),
        clock: wire::ClockState::Synchronised.into(),
        uptime_ms: 3_600_000,
        software_version: "0.1.0".to_owned(),
        disk_free_bytes: Some(8 << 30),
        cameras: vec![wire::CameraStatus {
            camera_id: "nord-1".to_owned(),
            connected: true,
            connections: 1,
            picture: wire::PictureState::Fine.into(),
            ..wire::CameraStatus::default()
        }],
        ..wire::EdgeStatus::default()
    };
    change(&mut report);
    sealed(edge, report, &edge.key)
}

fn sealed(edge: &TestEdge, report: wire::EdgeStatus, key: &SealingKey) -> Message {
    let status = EdgeStatus {
        edge: edge.id.clone(),
        report,
    };
    Message {
        topic: Topic::Status(edge.id.clone()).name(),
        bytes: seal(&status, key).envelope,
    }
}

fn black(report: &mut wire::EdgeStatus) {
    report.cameras[0].picture = wire::PictureState::Black.into();
}

/// Takes a status; gives the reason when it is refused.
fn take(house: &House, message: Message) -> Option<RefusalReason> {
    let taken = house.writer().take(&[message]).unwrap();
    let refusals = house.refusals(&taken);
    refusals.first().map(|(_, reason)| *reason)
}

fn news(house: &House) -> Vec<(Event, Kind)> {
    let main = house.home.open_main().unwrap();
    let news = anomalies::news_after(&main, 0, 1000).unwrap();
    let told = |one: News| (one.event, one.anomaly.kind);
    news.into_iter().map(told).collect()
}

fn looked(house: &House, since: &mut Since) {
    let main = house.home.open_main().unwrap();
    look(&main, since, house.clock.now()).unwrap();
}

#[test]
fn c31_part_a_picture_that_goes_black_is_told_at_once_and_its_end_when_it_stays_well() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let mut since = Since::now(house.clock.now());
    assert_eq!(take(&house, status(&house, &edge, |_| {})), None);
    assert!(news(&house).is_empty());
    let begun = (Event::Begun, Kind::PictureBlack);
    // It comes and goes: that is one anomaly.
    for _ in 0..4 {
        house.clock.advance(MINUTE);
        assert_eq!(take(&house, status(&house, &edge, black)), None);
        assert_eq!(news(&house), [begun]);
        house.clock.advance(MINUTE);
        assert_eq!(take(&house, status(&house, &edge, |_| {})), None);
        looked(&house, &mut since);
        assert_eq!(news(&house), [begun]);
    }
    let view = &house.edge_views()[0];
    assert_eq!(view.anomalies.len(), 1);
    assert_eq!(view.anomalies[0].subject.as_deref(), Some("nord-1"));
    house.clock.advance(HOLD - SECOND);
    assert_eq!(take(&house, status(&house, &edge, |_| {})), None);
    looked(&house, &mut since);
    assert_eq!(news(&house), [begun]);
    house.clock.advance(SECOND);
    looked(&house, &mut since);
    assert_eq!(news(&house), [begun, (Event::Ended, Kind::PictureBlack)]);
    assert!(house.edge_views()[0].anomalies.is_empty());
}

#[test]
fn a_status_is_taken_of_its_own_edge_with_its_own_key_alone() {
    let house = House::new();
    let (edge, other) = (house.edge("nord-01"), house.edge("sud-01"));
    let good = status(&house, &edge, |_| {});
    let own = |change: &dyn Fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        take(&house, message)
    };
    let half = good.bytes.len() / 2;
    let malformed = Some(RefusalReason::Malformed);
    assert_eq!(own(&|m| m.bytes.truncate(half)), malformed);
    assert_eq!(own(&|m| m.bytes.clear()), malformed);
    let flipped = own(&|m| *m.bytes.last_mut().unwrap() ^= 1);
    assert_eq!(flipped, Some(RefusalReason::BadSignature));
    let topic = Topic::Status(other.id.clone()).name();
    let elsewhere = own(&|m| m.topic.clone_from(&topic));
    assert_eq!(elsewhere, Some(RefusalReason::BadSignature));
    // The other edge's status, signed with its key, names this one.
    let named = EdgeStatus {
        edge: edge.id.clone(),
        report: wire::EdgeStatus::default(),
    };
    let named = Message {
        topic: Topic::Status(other.id.clone()).name(),
        bytes: seal(&named, &other.key).envelope,
    };
    assert_eq!(take(&house, named), Some(RefusalReason::WrongEdge));
    let many = status(&house, &edge, |report| {
        report.cameras = vec![wire::CameraStatus::default(); 65];
    });
    assert_eq!(take(&house, many), malformed);
    assert!(house.edge_views().iter().all(|view| view.report.is_none()));
    let main = house.home.open_main().unwrap();
    assert_eq!(history::latest(&main, &edge.id).unwrap(), None);
    assert_eq!(take(&house, good), None);
    assert!(history::latest(&main, &edge.id).unwrap().is_some());
}

#[test]
fn a_status_of_a_revoked_edge_is_not_taken_and_what_was_wrong_with_it_is_over() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    assert_eq!(take(&house, status(&house, &edge, black)), None);
    desk::revoke_edge(&house.home, &edge.id, house.clock.now()).unwrap();
    house.clock.advance(MINUTE);
    let after = status(&house, &edge, |report| report.spool_depth = 9);
    assert_eq!(take(&house, after), Some(RefusalReason::UnknownKey));
    let main = house.home.open_main().unwrap();
    let latest = history::latest(&main, &edge.id).unwrap().unwrap();
    assert_eq!(latest.spool_depth, 0);
    looked(&house, &mut Since::now(house.clock.now()));
    assert_eq!(
        news(&house).last(),
        Some(&(Event::Ended, Kind::PictureBlack))
    );
    house.clock.advance(DAY);
    looked(&house, &mut Since::now(house.clock.now() - DAY));
    assert_eq!(news(&house).len(), 2, "nobody waits for it");
}

#[test]
fn a_status_that_is_replayed_or_of_the_future_says_nothing_and_shuts_nothing_out() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let first = status(&house, &edge, |_| {});
    assert_eq!(take(&house, first.clone()), None);
    assert_eq!(take(&house, first.clone()), Some(RefusalReason::Replay));
    house.clock.advance(MINUTE);
    assert_eq!(take(&house, status(&house, &edge, black)), None);
    assert_eq!(take(&house, first), Some(RefusalReason::Replay));
    let year_on = |report: &mut wire::EdgeStatus| {
        report.reported_at_unix_us += 365 * 86_400_000_000;
        report.software_version = "<script>alert(1)</script>".repeat(40);
    };
    let future = status(&house, &edge, year_on);
    assert_eq!(take(&house, future), Some(RefusalReason::FromTheFuture));
    assert_eq!(news(&house).last(), Some(&(Event::Begun, Kind::ClockWrong)));
    for wrong in [i64::MIN, -1, i64::MAX] {
        let message = status(&house, &edge, |report| report.reported_at_unix_us = wrong);
        assert_eq!(take(&house, message), Some(RefusalReason::Malformed));
    }
    house.clock.advance(MINUTE);
    let sound = status(&house, &edge, |report| report.spool_depth = 3);
    assert_eq!(take(&house, sound), None);
    let report = house.edge_views()[0].report.clone().unwrap();
    assert_eq!(
        (report.spool_depth, report.software_version.as_str()),
        (3, "0.1.0")
    );
}

/// The clock of a hub whose machine was started anew.
struct Doubted {
    kept: UtcTime,
    system: UtcTime,
}

impl Clock for Doubted {
    fn now(&self) -> UtcTime {
        self.kept
    }

    fn reading(&self) -> Reading {
        Reading::doubted(self.kept, self.system, Doubt::Start)
    }
}

/// Takes a status of a moment while the hub's clock is in doubt; gives the reason when it is refused.
fn take_in_doubt(
    house: &House,
    edge: &TestEdge,
    system: UtcTime,
    reported_at: UtcTime,
) -> Option<RefusalReason> {
    let kept = house.clock.now();
    let mut writer = Writer::new(
        house.home.open_main().unwrap(),
        house.archive(),
        house.home.sealing_key().unwrap(),
        Arc::new(Doubted { kept, system }),
        Limits {
            term: RETENTION_MAX,
            ahead_max: MINUTE,
        },
    );
    let message = reported(house, edge, reported_at);
    let taken = writer.take(&[message]).unwrap();
    let refusals = house.refusals(&taken);
    refusals.first().map(|(_, reason)| *reason)
}

fn reported(house: &House, edge: &TestEdge, at: UtcTime) -> Message {
    status(house, edge, |report| {
        report.reported_at_unix_us = at.unix_us();
    })
}

#[test]
fn while_the_hubs_clock_is_in_doubt_nothing_is_said_of_a_boxs_clock() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let (kept, off) = (house.clock.now(), Duration::from_secs(36_000));
    for (system, reported_at) in [
        // The kept time is ahead of the true one.
        (kept - off, kept - off),
        // The machine was off for hours: its own clock knows it, or does not.
        (kept + off, kept + off),
        (kept, kept + off * 2),
    ] {
        let refused = take_in_doubt(&house, &edge, system, reported_at);
        assert_eq!(refused, None, "{reported_at} by {system}");
    }
    let far = kept + DAY * 365;
    let future = Some(RefusalReason::FromTheFuture);
    assert_eq!(take_in_doubt(&house, &edge, kept, far), future);
    assert!(news(&house).is_empty(), "{:?}", news(&house));
    // Somebody vouches for the hub's clock, and the box's is wrong.
    let ahead = reported(&house, &edge, kept + off * 3);
    assert_eq!(take(&house, ahead), future);
    let begun = [(Event::Begun, Kind::ClockWrong)];
    assert_eq!(news(&house), begun);
    // In doubt again, that it is over is not known either.
    assert_eq!(take_in_doubt(&house, &edge, kept, kept + off * 4), None);
    house.clock.advance(HOLD);
    looked(&house, &mut Since::now(house.clock.now()));
    assert_eq!(news(&house), begun);
}

#[test]
fn an_old_homes_status_of_the_future_does_not_shut_the_true_ones_out() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let main = house.home.open_main().unwrap();
    let far = (house.clock.now() + DAY * 365).unix_us();
    main.execute(
        "UPDATE edges SET reported_at_us = ?, spool_depth = 7, cameras_connected = 0, cameras = 0,
         software_version = ''",
        [far],
    )
    .unwrap();
    assert_eq!(take(&house, status(&house, &edge, |_| {})), None);
    assert_eq!(house.edge_views()[0].report.clone().unwrap().spool_depth, 0);
}

#[test]
fn c31_part_a_box_that_falls_silent_is_told_and_that_it_is_heard_again() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let mut since = Since::now(house.clock.now());
    assert_eq!(take(&house, status(&house, &edge, |_| {})), None);
    house.clock.advance(SILENT_AFTER);
    looked(&house, &mut since);
    assert!(news(&house).is_empty());
    house.clock.advance(SECOND);
    // A hub that has only begun to listen says nothing of who it has not heard.
    looked(&house, &mut Since::now(house.clock.now()));
    assert!(news(&house).is_empty());
    looked(&house, &mut since);
    assert_eq!(news(&house), [(Event::Begun, Kind::Silent)]);
    house.clock.advance(MINUTE);
    assert_eq!(take(&house, status(&house, &edge, |_| {})), None);
    house.clock.advance(HOLD - MINUTE);
    assert_eq!(take(&house, status(&house, &edge, |_| {})), None);
    house.clock.advance(MINUTE);
    looked(&house, &mut since);
    assert_eq!(news(&house).last(), Some(&(Event::Ended, Kind::Silent)));
}

#[test]
fn c31_part_an_alarm_is_told_as_an_anomaly_until_it_is_released() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let now = house.clock.now();
    let body = RecordBody::Tamper(TamperEvent {
        kind: TamperKind::Cabinet,
        camera: None,
        noticed_at: now,
        detail: "the contact is open".to_owned(),
        suspends: true,
    });
    let (head, sealed) = edge.head.seal_next(&edge.id, body, now, &edge.key);
    edge.head = head;
    let message = edge.message(&sealed);
    let mut writer = house.writer();
    writer.take(std::slice::from_ref(&message)).unwrap();
    writer.take(&[message]).unwrap();
    assert_eq!(news(&house), [(Event::Begun, Kind::CabinetOpen)]);
    let mut since = Since::now(now);
    house.clock.advance(MINUTE);
    looked(&house, &mut since);
    desk::release_edge(&house.home, &edge.id, "the technician was there", now).unwrap();
    looked(&house, &mut since);
    house.clock.advance(HOLD);
    looked(&house, &mut since);
    let ended = (Event::Ended, Kind::CabinetOpen);
    assert!(news(&house).contains(&ended), "{:?}", news(&house));
}

#[test]
fn of_a_week_of_reports_samples_and_changes_are_kept_and_nothing_beyond() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let begun = house.clock.now();
    let main = house.home.open_main().unwrap();
    let kept = |since: UtcTime| {
        history::of_edge(&main, &edge.id, since, 5000)
            .unwrap()
            .len()
    };
    let mut writer = house.writer();
    for minute in 0..60 {
        let spool_dropped = u64::from(minute >= 20);
        let message = status(&house, &edge, |report| report.spool_dropped = spool_dropped);
        writer.take(&[message]).unwrap();
        house.clock.advance(MINUTE);
    }
    // At 0, 15, 20 (a change), 35 and 50 minutes.
    assert_eq!(kept(begun), 5);
    // A box gone mad changes with each of its reports, ten a second.
    for number in 0..300_u64 {
        let message = status(&house, &edge, |report| report.spool_dropped = number + 2);
        writer.take(&[message]).unwrap();
        house.clock.advance(SECOND / 10);
    }
    assert!(kept(begun) <= 6, "{}", kept(begun));
    house.clock.advance(DAY * 7);
    looked(&house, &mut Since::now(house.clock.now()));
    assert_eq!(kept(begun), 0);
    assert!(history::latest(&main, &edge.id).unwrap().is_some());
    house.clock.advance(HOLD);
    looked(&house, &mut Since::now(house.clock.now()));
    house.clock.advance(DAY * 8);
    looked(&house, &mut Since::now(house.clock.now()));
    let ended = "SELECT count(*) FROM box_anomalies WHERE ended_at_us IS NOT NULL";
    assert_eq!(house.count(ended), 0, "what was over long ago is gone");
}

const HOUR: Duration = Duration::from_secs(3600);

/// Until Sunday noon, the hours of a week, with a night.
fn usual_week(house: &House, edge: &TestEdge) {
    let counts = GateCounts::default();
    for back in 1..=24 * 7 {
        let at = house.clock.now() - HOUR * back;
        let by_day = (6..22).contains(&(gate_hours::hour_of(at).rem_euclid(24)));
        for _ in 0..if by_day { 60 } else { 2 } {
            counts.count(&edge.gate, at);
        }
    }
    let main = house.home.open_main().unwrap();
    gate_hours::add(&main, &counts.take(), house.clock.now()).unwrap();
}

#[test]
fn a_gate_is_not_told_as_quiet_for_an_hour_in_which_the_hub_did_not_listen() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    usual_week(&house, &edge);
    // The hub was away, and what the box kept meanwhile is not in yet.
    house.clock.advance(HOUR * 2 + MINUTE * 10);
    assert_eq!(take(&house, status(&house, &edge, |_| {})), None);
    let mut since = Since::now(house.clock.now());
    looked(&house, &mut since);
    // Nor is the hour told whose beginning it missed.
    for hours in 1..=2 {
        assert!(news(&house).is_empty(), "{hours}");
        house.clock.advance(HOUR);
        assert_eq!(take(&house, status(&house, &edge, |_| {})), None);
        looked(&house, &mut since);
    }
    assert_eq!(news(&house), [(Event::Begun, Kind::GateQuiet)]);
}

#[test]
fn c31_part_a_gate_that_sends_nothing_at_an_hour_in_which_it_did_is_told() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let counts = GateCounts::default();
    usual_week(&house, &edge);
    let main = house.home.open_main().unwrap();
    let mut since = Since::now(house.clock.now());
    let mut passes = |house: &House, count: usize| {
        // The box itself is heard: silence would be told as such.
        for _ in 0..count {
            counts.count(&edge.gate, house.clock.now());
        }
        gate_hours::add(&main, &counts.take(), house.clock.now()).unwrap();
        // An hour is looked at when ten minutes have passed since its end.
        let over = house.clock.now() + HOUR;
        house.clock.set(over + LOOK_EVERY * 61);
        assert_eq!(take(house, status(house, &edge, |_| {})), None);
        look(&main, &mut since, house.clock.now()).unwrap();
        house.clock.set(over);
    };
    passes(&house, 55);
    let quiet = |house: &House| {
        let news = news(house).into_iter();
        news.filter(|(_, kind)| *kind == Kind::GateQuiet)
            .map(|(event, _)| event)
            .collect::<Vec<_>>()
    };
    assert!(quiet(&house).is_empty());
    passes(&house, 0);
    assert_eq!(quiet(&house), [Event::Begun]);
    passes(&house, 3);
    assert_eq!(quiet(&house), [Event::Begun]);
    passes(&house, 50);
    assert_eq!(quiet(&house), [Event::Begun, Event::Ended]);
}

#[test]
fn what_is_stored_is_counted_by_gate_and_hour_once() {
    let house = House::new();
    let mut edge = house.edge("porta-nord-01");
    let batch = [
        edge.seal("AB001CD", house.clock.now()),
        edge.seal("AB002CD", house.clock.now()),
    ];
    let mut writer = house.writer();
    writer.take(&batch).unwrap();
    writer.take(&batch).unwrap();
    let key = (edge.gate.clone(), gate_hours::hour_of(house.clock.now()));
    assert_eq!(writer.gates().take().get(&key), Some(&2));
    assert!(writer.gates().take().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn c31_part_those_who_see_to_the_edges_are_told_over_a_stream_and_nobody_else() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let may = |what: Permission| {
        let may = Permissions::of(&[what]);
        add_token(&house.home, "Tecnico Verdi", &may, house.clock.now()).unwrap()
    };
    let (technician, officer) = (may(Permission::Edges), may(Permission::Alerts));
    let served = house.serve().await;
    let get = |path: &str, token: &str| {
        let url = format!("{}{path}", served.url);
        served.client.get(url).carrying(token).send()
    };
    for path in [
        "/api/v1/anomalies",
        "/api/v1/anomalies/live",
        "/api/v1/edges/porta-nord-01",
    ] {
        assert_eq!(get(path, &officer).await.unwrap().status(), 403, "{path}");
    }
    let mut stream = get("/api/v1/anomalies/live", &technician).await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(take(&house, status(&house, &edge, black)), None);
    let mut heard = String::new();
    while !heard.contains("\n\n") {
        let chunk = stream.chunk().await.unwrap().unwrap();
        heard += std::str::from_utf8(&chunk).unwrap();
    }
    assert!(
        heard.contains("event: anomaly") && heard.contains("id: 1"),
        "{heard}"
    );
    assert!(
        heard.contains("picture-black") && heard.contains("begun"),
        "{heard}"
    );
    let open = get("/api/v1/anomalies", &technician).await.unwrap();
    let open: serde_json::Value = open.json().await.unwrap();
    assert_eq!(open["anomalies"][0]["edge"], "porta-nord-01");
    let shown = get("/api/v1/edges/porta-nord-01?limit=5", &technician)
        .await
        .unwrap();
    let shown: serde_json::Value = shown.json().await.unwrap();
    assert_eq!(shown["latest"]["cameras"]["nord-1"]["picture"], "black");
    assert_eq!(shown["anomalies"][0]["kind"], "picture-black");
    assert_eq!(shown["registered_for"]["gates"][0], "porta-nord");
    let list = get("/api/v1/edges", &technician).await.unwrap();
    assert_eq!(list.status(), 200);
    assert_eq!(
        get("/api/v1/edges/nobody", &technician)
            .await
            .unwrap()
            .status(),
        404
    );
    served.stop.send_replace(true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_anomalies_takes_one_of_the_places_for_streams() {
    let mut house = House::new();
    house.http_limits.streams_per_actor_max = 1;
    let may = Permissions::of(&[Permission::Edges]);
    let now = house.clock.now();
    let token = add_token(&house.home, "Tecnico Verdi", &may, now).unwrap();
    let served = house.serve().await;
    let open = || {
        let url = format!("{}/api/v1/anomalies/live", served.url);
        served.client.get(url).carrying(&token).send()
    };
    let first = open().await.unwrap();
    assert_eq!(first.status(), 200);
    assert_eq!(served.state.connections.counts().streams, 1);
    assert_eq!(open().await.unwrap().status(), 429);
    drop(first);
    for _ in 0..600 {
        if served.state.connections.counts().streams == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(open().await.unwrap().status(), 200);
    served.stop.send_replace(true);
}

/// Takes one message as a system that is told, and gives its body.
async fn told(listener: &TcpListener) -> serde_json::Value {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = socket.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the hub went away");
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
        if let Some(Ok(body)) = body.map(serde_json::from_str) {
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            socket.write_all(answer).await.unwrap();
            return body;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c31_part_a_webhook_for_anomalies_is_told_of_them_and_one_for_alerts_is_not() {
    let house = House::new();
    let edge = house.edge("porta-nord-01");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/varco", listener.local_addr().unwrap());
    let main = house.home.open_main().unwrap();
    let (key, now) = (house.home.webhook_key().unwrap(), house.clock.now());
    for (id, tells) in [
        ("tecnici", WebhookTells::Anomalies),
        ("centrale", WebhookTells::Alerts),
    ] {
        webhook::make(
            &main,
            &key,
            NewWebhook {
                id,
                url: &url,
                authority: None,
                lists: &[],
                body: &varco_hub::bodies::BodyId::owner(),
            },
            now,
        )
        .unwrap();
        webhook::tell_of(&main, id, &[tells]).unwrap();
    }
    let served = house.serve().await;
    let delivering = tokio::spawn(deliver_regularly(served.state.clone()));
    assert_eq!(take(&house, status(&house, &edge, black)), None);
    let told = tokio::time::timeout(Duration::from_secs(30), told(&listener));
    let told = told.await.expect("the system is told");
    assert_eq!(told["type"], "anomaly.begun");
    assert_eq!(told["data"]["anomaly"]["kind"], "picture-black");
    assert_eq!(told["data"]["anomaly"]["edge"], "porta-nord-01");
    let waiting = |id: &str| {
        let all = webhook::all(&main).unwrap();
        all.into_iter().find(|one| one.id == id).unwrap().waiting
    };
    assert_eq!(waiting("centrale"), 0, "its subject is plates");
    served.stop.send_replace(true);
    delivering.await.unwrap();
}
