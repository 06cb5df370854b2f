//! One person asks and another decides: never alone, never twice, never late, and each step with its line.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use varco_hub::approvals::approval::{ApprovalError, ApprovalState};
use varco_hub::approvals::desk::{self, ApprovalSaid, JudgesDeciders, MayDecide, WantedApproval};
use varco_hub::approvals::subject::{ApprovalSubject, ExtractionCase, RecipientKind};
use varco_hub::approvals::{ApprovalId, approval, tidying, using};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::judgement::desk::tell_accounts;
use varco_hub::opening::floor;
use varco_hub::people::actors;
use varco_hub::people::appointing;
use varco_hub::people::appointments::Role;
use varco_hub::proof::verification::verify;
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;

use crate::levels_support::{Hall, OFFICER, OPERATOR, admission, id_of};
use crate::signed::{at_console, lines};
use crate::support::{House, SECOND};

const HOUR: Duration = Duration::from_secs(3600);

fn actor(house: &House, name: &str) -> Actor {
    let main = house.home.open_main().unwrap();
    let actor = actors::of_name(&main, name).unwrap().unwrap();
    let body = actors::body_of(&main, actor.id()).unwrap();
    actor.of_body(body.as_str())
}

/// Does something as a person.
fn by<T>(house: &House, name: &str, act: impl FnOnce(&mut Connection, &Acting<'_>) -> T) -> T {
    let acting = Acting {
        actor: &actor(house, name),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    act(&mut house.home.open_main().unwrap(), &acting)
}

fn states(house: &House) -> Vec<ApprovalState> {
    let main = house.home.open_main().unwrap();
    let all = approval::newest(&main, 100).unwrap();
    all.iter()
        .map(|one| one.state_at(house.clock.now()))
        .collect()
}

#[tokio::test]
async fn nobody_decides_what_they_asked_under_no_account_nor_says_two_words() {
    let hall = Hall::new().await;
    hall.agree("perugia-questura");
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    let officer = hall.hire("Ten. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    let (status, asked) = hall.ask(&questura, admission(), 60).await;
    assert_eq!(status, 201, "{asked}");
    assert_eq!(asked["state"], "waiting");
    let id = id_of(&asked);
    assert_eq!(hall.decide(&questura, &id, true).await.0, 403, "one's own");
    assert_eq!(
        hall.ask(&questura, admission(), 60).await.0,
        409,
        "it waits"
    );
    // The same person has an account in Perugia's room too.
    at_console(&hall.house, |main, acting| {
        let accounts = ["Comm. Verdi", "Ten. Bianchi"];
        let accounts = accounts.map(|name| actors::of_name(main, name).unwrap().unwrap());
        tell_accounts(main, "VRDNNA80A01G478X", &accounts, acting).unwrap();
    });
    let (status, told) = hall.decide(&officer, &id, true).await;
    assert_eq!(status, 403, "{told}");
    assert!(
        told["error"].as_str().unwrap().contains("under no account"),
        "{told}"
    );
    let (_, shown) = hall.get(&officer, "approvals").await;
    assert_eq!(shown["to_decide"], json!([]), "it does not wait for them");
    let other = hall.hire("Mar. Neri", "owner", Role::DutyOfficer, &OFFICER);
    let (_, shown) = hall.get(&other, "approvals").await;
    assert_eq!(shown["to_decide"][0]["id"], json!(id));
    assert_eq!(hall.decide(&other, &id, true).await.0, 200);
    assert_eq!(hall.decide(&other, &id, false).await.0, 403, "one word");
    let third = hall.hire("Mar. Blu", "owner", Role::DutyOfficer, &OFFICER);
    assert_eq!(
        hall.decide(&third, &id, false).await.0,
        409,
        "it is settled"
    );
    assert_eq!(lines(&hall.house, "approval-decided").len(), 1);
    assert_eq!(lines(&hall.house, "approval-asked").len(), 1);
    assert!(
        verify(&hall.house.home, hall.house.clock.now())
            .unwrap()
            .intact
    );
}

#[tokio::test]
async fn whoever_may_not_decide_learns_nothing_and_whoever_lost_office_between_may_not() {
    let hall = Hall::new().await;
    hall.agree("perugia-questura");
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    let (_, asked) = hall.ask(&questura, admission(), 60).await;
    let id = id_of(&asked);
    for (who, body, role, may) in [
        ("Ag. Gialli", "owner", Role::Operator, &OFFICER[..]),
        ("Ten. Corti", "pl-corciano", Role::DutyOfficer, &OFFICER),
        ("Dir. Rosa", "questura", Role::Responsible, &OFFICER),
        ("Ten. Senza", "owner", Role::DutyOfficer, &OPERATOR),
    ] {
        let token = hall.hire(who, body, role, may);
        let (status, told) = hall.decide(&token, &id, true).await;
        assert!([403, 409].contains(&status), "{who}: {told}");
        let (_, shown) = hall.get(&token, "approvals").await;
        assert_eq!(shown["to_decide"], json!([]), "{who}");
    }
    assert_eq!(states(&hall.house), [ApprovalState::Waiting]);
    // Judged anew within the transaction: who was let in and lost the office decides nothing.
    let officer = hall.hire("Ten. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    assert_eq!(hall.get(&officer, "approvals").await.0, 200);
    at_console(&hall.house, |main, acting| {
        appointing::dismiss(main, "Ten. Bianchi", "trasferito", acting).unwrap();
    });
    let said = ApprovalSaid {
        approves: true,
        note: String::new(),
    };
    assert_eq!(hall.decide(&officer, &id, true).await.0, 403);
    hall.appoint("Ten. Bianchi", "owner", Role::Operator, &OFFICER);
    assert_eq!(
        hall.decide(&officer, &id, true).await.0,
        409,
        "an operator now, who learns of nothing"
    );
    // A check that cannot be made is a no.
    let failed = by(&hall.house, "Ten. Bianchi", |main, acting| {
        desk::decide(main, &id.parse().unwrap(), &said, &Broken, acting)
    });
    assert!(
        matches!(failed, Err(ApprovalError::Unjudged(_))),
        "{failed:?}"
    );
    assert_eq!(states(&hall.house), [ApprovalState::Waiting]);
}

struct Broken;

impl JudgesDeciders for Broken {
    fn may_decide(
        &self,
        _: &Connection,
        _: &approval::Approval,
    ) -> Result<MayDecide, ApprovalError> {
        Err(ApprovalError::Unjudged("nobody can say".to_owned()))
    }
}

/// Lets everybody decide: what then still holds is the engine's own.
pub(crate) struct Anybody;

impl JudgesDeciders for Anybody {
    fn may_decide(
        &self,
        _: &Connection,
        _: &approval::Approval,
    ) -> Result<MayDecide, ApprovalError> {
        Ok(MayDecide::Yes)
    }
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_word_counts() {
    let hall = Hall::new().await;
    hall.agree("perugia-questura");
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    let officers: Vec<String> = (0..6)
        .map(|k| hall.hire(&format!("Ten. {k}"), "owner", Role::DutyOfficer, &OFFICER))
        .collect();
    for round in 0..5_usize {
        let (status, asked) = hall.ask(&questura, admission(), 60).await;
        assert_eq!(status, 201, "{asked}");
        let id = id_of(&asked);
        let words = officers.iter().enumerate();
        let words = words.map(|(k, token)| hall.decide(token, &id, (k + round) % 2 == 0));
        let said = futures_util::future::join_all(words).await;
        let mut statuses: Vec<u16> = said.iter().map(|(status, _)| *status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409, 409, 409], "{said:?}");
        let (_, last) = said.into_iter().find(|(status, _)| *status == 200).unwrap();
        assert_eq!(last["decisions"].as_array().unwrap().len(), 1);
        assert_eq!(lines(&hall.house, "approval-decided").len(), round + 1);
        if last["state"] == "approved" {
            assert_eq!(
                hall.post(&questura, &format!("approvals/{id}/ending"), &json!({}))
                    .await
                    .0,
                204
            );
        }
    }
    assert!(
        verify(&hall.house.home, hall.house.clock.now())
            .unwrap()
            .intact
    );
}

#[tokio::test]
async fn a_request_is_withdrawn_by_who_asked_and_expires_by_itself_for_good() {
    let hall = Hall::new().await;
    hall.agree("perugia-questura");
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    let colleague = hall.hire("Isp. Viola", "questura", Role::Operator, &OPERATOR);
    let officer = hall.hire("Ten. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    let (_, asked) = hall.ask(&questura, admission(), 60).await;
    let path = format!("approvals/{}/withdrawal", id_of(&asked));
    assert_eq!(hall.post(&colleague, &path, &json!({})).await.0, 403);
    assert_eq!(hall.post(&questura, &path, &json!({})).await.0, 204);
    assert_eq!(hall.post(&questura, &path, &json!({})).await.0, 409);
    assert_eq!(hall.decide(&officer, &id_of(&asked), true).await.0, 409);
    let (_, asked) = hall.ask(&questura, admission(), 60).await;
    let late = id_of(&asked);
    hall.house.clock.advance(HOUR * 12);
    assert_eq!(
        hall.decide(&officer, &late, true).await.0,
        409,
        "nobody decided in time"
    );
    let note = || {
        let acting = Acting {
            actor: &Actor::hub(),
            now: hall.house.clock.now(),
            key: &hall.house.home.sealing_key().unwrap(),
        };
        tidying::note_ended(&mut hall.house.home.open_main().unwrap(), &acting).unwrap()
    };
    assert_eq!((note(), note()), (1, 0));
    assert_eq!(lines(&hall.house, "approval-withdrawn").len(), 1);
    let expired = lines(&hall.house, "approval-expired");
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0]["details"]["approval"], json!(late));
    // Nor does a clock that is set back revive it.
    let main = hall.house.home.open_main().unwrap();
    let found = approval::find(&main, &late.parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(
        found.state_at(found.asked_at + SECOND),
        ApprovalState::Expired
    );
    // What was unlocked ends at its second, and is noted once.
    let (_, asked) = hall.ask(&questura, admission(), 60).await;
    assert_eq!(hall.decide(&officer, &id_of(&asked), true).await.0, 200);
    hall.house.clock.advance(HOUR);
    assert_eq!(states(&hall.house)[0], ApprovalState::Over);
    assert_eq!(note(), 1);
    let found = approval::find(&main, &id_of(&asked).parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(
        found.state_at(found.decided_at.unwrap()),
        ApprovalState::Over
    );
    for (subject, minutes) in [(admission(), 0), (admission(), 12 * 60 + 1)] {
        assert_eq!(hall.ask(&questura, subject, minutes).await.0, 422);
    }
    for subject in [
        json!({"for": "admission", "agreement": "altro", "municipality": "Perugia"}),
        json!({"for": "admission", "agreement": "perugia-questura", "municipality": "Corciano"}),
        json!({"for": "admission", "agreement": "perugia-questura", "municipality": "Perugia", "body": "owner"}),
        json!({"for": "maintenance", "gates": ["porta-nord"], "municipality": "Perugia", "secrecy": "x"}),
        json!({"for": "case-closing", "case": "c1"}),
        json!({"for": "policy-widening", "policy": "00"}),
    ] {
        let (status, told) = hall.ask(&questura, subject.clone(), 60).await;
        assert_eq!(status, 422, "{subject}: {told}");
    }
    assert_eq!(
        hall.ask(&questura, json!({"for": "anything"}), 60).await.0,
        400
    );
}

fn extraction() -> ApprovalSubject {
    let id = "0192f3a0-0000-7000-8000-000000000001".parse().unwrap();
    ApprovalSubject::Extraction {
        case_type: ExtractionCase::Complaint,
        recipient_kind: RecipientKind::Office,
        held_in: None,
        originals: false,
        purpose: "public-safety".to_owned(),
        case_reference: "RGNR 1/2026".to_owned(),
        reference: "Querela 12/2026".to_owned(),
        recipient: "Procura di Perugia".to_owned(),
        transits: BTreeSet::from([id]),
    }
}

/// Asks for an extraction and has it approved; gives its id.
fn approved(house: &House) -> ApprovalId {
    let wanted = WantedApproval {
        subject: extraction(),
        reason: "querela".to_owned(),
        lasts: HOUR,
    };
    let asked = by(house, "Ag. Gialli", |main, acting| {
        desk::ask(main, &wanted, acting)
    })
    .unwrap();
    let said = ApprovalSaid {
        approves: true,
        note: String::new(),
    };
    by(house, "Com. Rossi", |main, acting| {
        desk::decide(main, &asked.id, &said, &Anybody, acting)
    })
    .unwrap();
    asked.id
}

/// Uses it up in a transaction of its own.
fn used(
    house: &House,
    who: &str,
    id: &ApprovalId,
    subject: &ApprovalSubject,
) -> Result<u64, ApprovalError> {
    by(house, who, |main, acting| {
        let transaction = main.transaction().unwrap();
        let used = using::use_up(&transaction, id, subject, acting)?;
        transaction.commit().unwrap();
        Ok(used.line())
    })
}

#[tokio::test]
async fn what_was_approved_is_used_once_by_who_asked_for_what_was_asked_and_in_time() {
    let hall = Hall::new().await;
    hall.hire("Ag. Gialli", "owner", Role::Operator, &OPERATOR);
    hall.hire("Ag. Grigi", "owner", Role::Operator, &OPERATOR);
    hall.hire("Com. Rossi", "owner", Role::Responsible, &OFFICER);
    let house = &hall.house;
    let id = approved(house);
    let mut other = extraction();
    if let ApprovalSubject::Extraction { recipient, .. } = &mut other {
        *recipient = "qualcun altro".to_owned();
    }
    assert!(matches!(
        used(house, "Ag. Gialli", &id, &other),
        Err(ApprovalError::Other)
    ));
    assert!(matches!(
        used(house, "Ag. Grigi", &id, &extraction()),
        Err(ApprovalError::NotTheirs)
    ));
    // What is not committed was not used.
    by(house, "Ag. Gialli", |main, acting| {
        let transaction = main.transaction().unwrap();
        using::use_up(&transaction, &id, &extraction(), acting).unwrap();
    });
    assert!(lines(house, "approval-used").is_empty());
    used(house, "Ag. Gialli", &id, &extraction()).unwrap();
    let again = used(house, "Ag. Gialli", &id, &extraction());
    assert!(
        matches!(again, Err(ApprovalError::Locked(ApprovalState::Used))),
        "{again:?}"
    );
    let line = &lines(house, "approval-used");
    assert_eq!(line.len(), 1);
    assert_eq!(line[0]["details"]["approval"], json!(id));
    let late = approved(house);
    house.clock.advance(HOUR);
    let over = used(house, "Ag. Gialli", &late, &extraction());
    assert!(
        matches!(over, Err(ApprovalError::Locked(ApprovalState::Over))),
        "{over:?}"
    );
    // Whoever puts an older database in place revives nothing.
    let main = house.home.open_main().unwrap();
    floor::keep(&house.home, &main).unwrap();
    main.execute_batch(
        "UPDATE approvals SET used_at_us = NULL, ended_at_us = NULL, ended_why = NULL",
    )
    .unwrap();
    house.clock.advance(SECOND);
    let mut main = house.home.open_main().unwrap();
    let raised = floor::hold(&house.home, &mut main, house.clock.now()).unwrap();
    assert_eq!(raised.approvals, [id.to_string()]);
    let revived = used(house, "Ag. Gialli", &id, &extraction());
    assert!(
        matches!(
            revived,
            Err(ApprovalError::Locked(ApprovalState::TakenBack))
        ),
        "{revived:?}"
    );
}

#[tokio::test]
async fn two_others_agree_where_two_are_needed_and_one_refusal_refuses() {
    let hall = Hall::new().await;
    let house = &hall.house;
    let officer = |name: &str| hall.hire(name, "owner", Role::DutyOfficer, &OFFICER);
    let [asker, one, two] = ["Com. Uno", "Com. Due", "Com. Tre"].map(officer);
    // As a version left it that knew of no one who answers alone (C09).
    let main = house.home.open_main().unwrap();
    let all = "UPDATE appointments SET role = 'responsible' WHERE role = 'duty-officer'";
    main.execute(all, []).unwrap();
    drop(main);
    let policy = json!({"for": "policy-widening", "policy": "ab".repeat(32)});
    let (status, asked) = hall.ask(&asker, policy.clone(), 60).await;
    assert_eq!((status, &asked["needed"]), (201, &json!(2)), "{asked}");
    let id = id_of(&asked);
    let (status, after) = hall.decide(&one, &id, true).await;
    assert_eq!(
        (status, &after["state"]),
        (200, &json!("waiting")),
        "{after}"
    );
    assert_eq!(
        hall.decide(&one, &id, true).await.0,
        403,
        "one person, one word"
    );
    let (_, shown) = hall.get(&one, "approvals").await;
    assert_eq!(shown["to_decide"], json!([]), "it waits for others");
    let (status, after) = hall.decide(&two, &id, true).await;
    assert_eq!(
        (status, &after["state"]),
        (200, &json!("approved")),
        "{after}"
    );
    let (_, asked) = hall.ask(&asker, policy, 60).await;
    let (_, after) = hall.decide(&one, &id_of(&asked), false).await;
    assert_eq!(after["state"], "refused");
    assert_eq!(hall.decide(&two, &id_of(&asked), true).await.0, 409);
    let told: Vec<Value> = lines(house, "approval-decided");
    let states: Vec<_> = told.iter().map(|line| &line["details"]["state"]).collect();
    assert_eq!(states, ["waiting", "approved", "refused"]);
}

#[tokio::test]
async fn c40_part_a_case_is_closed_through_a_request_and_by_no_second_account_of_who_asked() {
    let hall = Hall::new().await;
    let [one, other, third] = ["Ag. Uno", "Ag. Due", "Ag. Tre"]
        .map(|name| hall.hire(name, "owner", Role::Operator, &OPERATOR));
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    at_console(&hall.house, |main, acting| {
        let accounts = ["Ag. Uno", "Ag. Due"];
        let accounts = accounts.map(|name| actors::of_name(main, name).unwrap().unwrap());
        tell_accounts(main, "UNODUE80A01G478X", &accounts, acting).unwrap();
    });
    for case in ["primo", "secondo"] {
        let order = json!({
            "id": case, "authority": "Procura", "order": "decreto 5/2026",
            "until": "2027-03-01T00:00:00Z", "purpose": "public-safety", "case_reference": "PG 9/2026",
        });
        assert_eq!(hall.post(&one, "cases", &order).await.0, 201);
        assert_eq!(
            hall.post(&one, &format!("cases/{case}/closing"), &json!({}))
                .await
                .0,
            202
        );
    }
    let (_, shown) = hall.get(&third, "approvals").await;
    assert_eq!(shown["to_decide"].as_array().unwrap().len(), 2, "{shown}");
    assert_eq!(shown["to_decide"][0]["subject"]["for"], "case-closing");
    assert_eq!(
        hall.get(&questura, "approvals").await.1["to_decide"],
        json!([])
    );
    let (status, told) = hall.post(&other, "cases/primo/closing", &json!({})).await;
    assert_eq!(status, 409, "the same person: {told}");
    assert_eq!(
        hall.post(&third, "cases/primo/closing", &json!({})).await.0,
        204
    );
    // Or the second person agrees where requests are shown, and who asked closes it.
    let id = id_of(
        shown["to_decide"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["subject"]["case"] == "secondo")
            .unwrap(),
    );
    assert_eq!(hall.decide(&other, &id, true).await.0, 403);
    assert_eq!(hall.decide(&third, &id, true).await.0, 200);
    assert_eq!(
        hall.post(&one, "cases/secondo/closing", &json!({})).await.0,
        204
    );
    assert_eq!(
        hall.post(&one, "cases/secondo/closing", &json!({})).await.0,
        409,
        "used"
    );
    assert_eq!(lines(&hall.house, "approval-used").len(), 2);
    assert_eq!(lines(&hall.house, "case-closed").len(), 2);
    assert!(
        verify(&hall.house.home, hall.house.clock.now())
            .unwrap()
            .intact
    );
}

#[tokio::test]
async fn c28_part_what_sql_unlocked_behind_the_lines_is_found_and_old_requests_are_forgotten() {
    let hall = Hall::new().await;
    hall.agree("perugia-questura");
    let questura = hall.hire("Comm. Verdi", "questura", Role::Operator, &OPERATOR);
    let officer = hall.hire("Ten. Bianchi", "owner", Role::DutyOfficer, &OFFICER);
    let (_, asked) = hall.ask(&questura, admission(), 60).await;
    assert_eq!(hall.decide(&officer, &id_of(&asked), true).await.0, 200);
    let ending = format!("approvals/{}/ending", id_of(&asked));
    assert_eq!(hall.post(&questura, &ending, &json!({})).await.0, 204);
    let (_, asked) = hall.ask(&questura, admission(), 60).await;
    let house = &hall.house;
    let check = || verify(&house.home, house.clock.now()).unwrap();
    let execute = |sql: &str| house.home.open_main().unwrap().execute_batch(sql).unwrap();
    execute("CREATE TABLE kept AS SELECT * FROM approvals");
    let waits = id_of(&asked);
    for sql in [
        format!("UPDATE approvals SET decided_at_us = asked_at_us, until_us = asked_at_us + 3600000000 WHERE id = '{waits}'"),
        "UPDATE approvals SET ended_at_us = NULL, ended_why = NULL".to_owned(),
        "UPDATE approvals SET until_us = until_us + 1 WHERE until_us IS NOT NULL".to_owned(),
        "UPDATE approvals SET subject = replace(subject, 'questura\"', 'altri\"')".to_owned(),
        "UPDATE approvals SET asked_by = 'a1'".to_owned(),
        "INSERT INTO approvals SELECT 'r0123456789abcdef', kind, subject, asked_by, asked_name, asked_body,
         asked_session, reason, asked_at_us, waits_until_us, needed, lasts_us, decided_at_us, until_us, used_at_us,
         ended_at_us, ended_why FROM kept LIMIT 1".to_owned(),
    ] {
        assert!(check().intact, "before {sql}");
        execute(&sql);
        let broken = check().broken_rows;
        assert!(broken.iter().any(|row| row.table == "approvals"), "{sql}: {broken:?}");
        execute("PRAGMA foreign_keys = OFF; DELETE FROM approvals; INSERT INTO approvals SELECT * FROM kept;");
    }
    assert!(check().intact);
    house.clock.advance(HOUR * 24 * 200);
    let acting = Acting {
        actor: &Actor::hub(),
        now: house.clock.now(),
        key: &house.home.sealing_key().unwrap(),
    };
    let mut main = house.home.open_main().unwrap();
    tidying::note_ended(&mut main, &acting).unwrap();
    assert_eq!(
        house.count("SELECT count(*) FROM approvals"),
        1,
        "it expired just now"
    );
    assert_eq!(house.count("SELECT count(*) FROM approval_decisions"), 0);
}
