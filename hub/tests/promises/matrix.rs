//! Every route, asked by every role from a post and from elsewhere, against one table that is written by hand from
//! the regulation of Perugia (C.C. 96/2015) and, where it says so, from Macerata's protocol: what it denies is
//! refused, what it allows is not, and each access leaves its line (C24), and none deletes a transit (C25).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use varco_hub::bodies::BodyKind;
use varco_hub::bodies::desk::{self as bodies, WantedBody};
use varco_hub::people::appointing::{self, WantedAppointment};
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::proof::verification::verify;
use varco_hub::timekeeping::Clock as _;

use crate::described::all_permissions;
use crate::levels_support::Hall;
use crate::matrix_requests::{OPEN, SESSION, sent};
use crate::signed::{TestPerson, TestPost, account_code, at_console, post_code_in};
use crate::support::{Carrying as _, DAY, SECOND, system_token};

/// Who asks. Each has every task that there is: what is refused is refused to the role.
const CALLERS: [(char, &str); 9] = [
    ('R', "responsible"),
    ('D', "officer on duty"),
    ('O', "operator of Judicial Police"),
    ('N', "operator who is not"),
    ('G', "guard corps"),
    ('V', "oversight"),
    ('A', "administrator"),
    ('M', "a firm's technician, alone"),
    ('S', "a system"),
];

/// What the regulation says of a route: who may, at a post in the rooms of their own body, and elsewhere. A system
/// sits nowhere.
pub(crate) struct Decided {
    pub(crate) asked: &'static str,
    at: &'static str,
    away: &'static str,
}

const fn row(asked: &'static str, at: &'static str, away: &'static str) -> Decided {
    Decided { asked, at, away }
}

/// Art. 17 c. 5, annex 1 c. 7: who answers for it lets records leave.
const LEAVE: [&str; 2] = ["R........", "........."];
/// Art. 7 c. 2: reserved to Judicial Police, and c. 4: the operations room and the guard corps view. Art. 4 c. 2 and
/// art. 8 c. 2 B b1: from the posts. Art. 6 c. 5: the controller watches over, and does not view. Art. 8 c. 2 A a4: a
/// firm never alone. Macerata, art. 1 c. 1 and premises: transits are told to the police's systems.
const VIEW: [&str; 2] = ["RDO.G...S", "........S"];
/// Art. 7 c. 4, art. 9 c. 2 A a1: as before, and the guard corps extracts nothing; which vehicles travel together is
/// no view of an image.
const WORK_OUT: [&str; 2] = ["RDO.....S", "........S"];
/// Art. 7 c. 4, art. 8 c. 2 B b1: who searches, saves and duplicates. A system saves nothing.
const SAVE: [&str; 2] = ["RDO......", "........."];
/// Art. 3: numbers without persons; everybody who was appointed but whoever only runs or mends the system.
const NUMBERS: [&str; 2] = ["RDONGV..S", "RDONGV..S"];
/// What is searched for tells of persons: art. 7 c. 2 and c. 4. It is no look at the archive: from anywhere.
const LISTS: [&str; 2] = ["RDO.....S", "RDO.....S"];
/// Which lists there are, without a plate.
const NAMES_OF_LISTS: [&str; 2] = ["RDONG...S", "RDONG...S"];
/// Which boxes there are: art. 9 c. 2 C c7; nobody but a firm's technician alone is kept from it.
const BOXES: [&str; 2] = ["RDONGVA.S", "RDONGVA.S"];
/// Art. 9 c. 2 C c7: those in charge see to the boxes.
const MINDING: [&str; 2] = ["RDON..A.S", "RDON..A.S"];
/// Art. 6 c. 5, art. 11 c. 4: who answers for it, and the controller, see who looked. No operator does.
const AUDIT: [&str; 2] = ["R....V...", "R....V..."];
/// Art. 6 c. 1 and c. 3, art. 9 c. 2 C c5: who answers for the persons, and who runs the system for them.
const PERSONS: [&str; 2] = ["R.....A..", "R.....A.."];
/// Art. 8 c. 2 A a3, a4: whoever needs leave asks; the guard corps needs none. A system asks for nothing.
const ASKING: [&str; 2] = ["RDON.VAM.", "RDON.VAM."];
/// Art. 8 c. 2 A a3: the lieutenant is told.
const TOLD: [&str; 2] = ["R........", "R........"];
/// Art. 8 c. 2 A a1: level 1 goes first, the guard corps too.
const FIRST: [&str; 2] = ["RDO.G....", "........."];
/// Art. 11 c. 3: whoever may look up asks for the second look that it takes; a system has nobody to vouch for it.
const SECOND_LOOK: [&str; 2] = ["RDO.G....", "........."];

const TABLE: [Decided; 40] = [
    row("GET /api/v1/alerts", VIEW[0], VIEW[1]),
    row("GET /api/v1/alerts/live", VIEW[0], VIEW[1]),
    row("POST /api/v1/alerts/{id}/acknowledgement", VIEW[0], VIEW[1]),
    row("GET /api/v1/anomalies", MINDING[0], MINDING[1]),
    row("GET /api/v1/anomalies/live", MINDING[0], MINDING[1]),
    row("GET /api/v1/approvals", ASKING[0], ASKING[1]),
    row("POST /api/v1/approvals", ASKING[0], ASKING[1]),
    row("POST /api/v1/approvals/{id}/decision", ASKING[0], ASKING[1]),
    row("POST /api/v1/approvals/{id}/ending", ASKING[0], ASKING[1]),
    row(
        "POST /api/v1/approvals/{id}/withdrawal",
        ASKING[0],
        ASKING[1],
    ),
    row("GET /api/v1/audit/checkpoint", AUDIT[0], AUDIT[1]),
    row("GET /api/v1/audit/consistency", AUDIT[0], AUDIT[1]),
    row("GET /api/v1/audit/lines/{id}", AUDIT[0], AUDIT[1]),
    row("GET /api/v1/audit/lines/{id}/proof", AUDIT[0], AUDIT[1]),
    row("POST /api/v1/audit/search", AUDIT[0], AUDIT[1]),
    row("POST /api/v1/blocks", SAVE[0], SAVE[1]),
    row("GET /api/v1/cases", SAVE[0], SAVE[1]),
    row("POST /api/v1/cases", SAVE[0], SAVE[1]),
    row("GET /api/v1/cases/{id}", SAVE[0], SAVE[1]),
    row("POST /api/v1/cases/{id}/closing", SAVE[0], SAVE[1]),
    row("POST /api/v1/cases/{id}/holdings", SAVE[0], SAVE[1]),
    row("POST /api/v1/counts", NUMBERS[0], NUMBERS[1]),
    row("POST /api/v1/duty-hours", LEAVE[0], LEAVE[1]),
    row("GET /api/v1/edges", BOXES[0], BOXES[1]),
    row("GET /api/v1/edges/{id}", MINDING[0], MINDING[1]),
    row("GET /api/v1/gate-claims", FIRST[0], FIRST[1]),
    row("POST /api/v1/gate-claims", FIRST[0], FIRST[1]),
    row("POST /api/v1/gate-claims/ending", FIRST[0], FIRST[1]),
    row("GET /api/v1/gates", VIEW[0], VIEW[1]),
    row("GET /api/v1/hotlists", NAMES_OF_LISTS[0], NAMES_OF_LISTS[1]),
    row("POST /api/v1/hotlists", LISTS[0], LISTS[1]),
    row("POST /api/v1/hotlists/{id}/closing", LISTS[0], LISTS[1]),
    row("POST /api/v1/hotlists/{id}/entries", LISTS[0], LISTS[1]),
    row("POST /api/v1/hotlists/{id}/plates", LISTS[0], LISTS[1]),
    row(
        "POST /api/v1/hotlists/{id}/plates/change",
        LISTS[0],
        LISTS[1],
    ),
    row(
        "POST /api/v1/hotlists/{id}/plates/removal",
        LISTS[0],
        LISTS[1],
    ),
    row("POST /api/v1/lookups", VIEW[0], VIEW[1]),
    row("POST /api/v1/lookups/both", VIEW[0], VIEW[1]),
    row("POST /api/v1/lookups/companions", WORK_OUT[0], WORK_OUT[1]),
    row("GET /api/v1/notices", TOLD[0], TOLD[1]),
];
/// The rest of it.
const MORE: [Decided; 20] = [
    row("POST /api/v1/notices/{id}/reading", TOLD[0], TOLD[1]),
    row("POST /api/v1/own-plates", LEAVE[0], LEAVE[1]),
    row("GET /api/v1/second-looks", SAVE[0], SAVE[1]),
    row("POST /api/v1/second-looks", SECOND_LOOK[0], SECOND_LOOK[1]),
    row("GET /api/v1/transits/live", VIEW[0], VIEW[1]),
    row("POST /api/v1/transits/{id}/corrections", SAVE[0], SAVE[1]),
    row("POST /api/v1/evidence", SAVE[0], SAVE[1]),
    row("GET /api/v1/extraction-permits", SAVE[0], SAVE[1]),
    row("POST /api/v1/extraction-permits", LEAVE[0], LEAVE[1]),
    row(
        "POST /api/v1/extraction-permits/{id}/end",
        LEAVE[0],
        LEAVE[1],
    ),
    row("GET /api/v1/access-register", SAVE[0], SAVE[1]),
    row("POST /api/v1/access-register", SAVE[0], SAVE[1]),
    row("GET /api/v1/access-register/sheet", SAVE[0], SAVE[1]),
    row("POST /api/v1/access-register/{id}/exit", SAVE[0], SAVE[1]),
    row("GET /api/v1/purposes", VIEW[0], VIEW[1]),
    row("GET /api/v1/agreements", VIEW[0], VIEW[1]),
    // Art. 6 c. 5: who answers for an office, and the controller, see who is appointed in it.
    row("GET /api/v1/office", AUDIT[0], AUDIT[1]),
    // Art. 6 c. 1, art. 9 c. 2 C c5: who answers for it, and who sees to the accounts, end what lets somebody in.
    row("GET /api/v1/sessions", PERSONS[0], PERSONS[1]),
    row("POST /api/v1/sessions/{id}/ending", PERSONS[0], PERSONS[1]),
    // The one route that the description leaves out: other programs' tiles.
    row("GET /api/v1/audit/tile/{path}", AUDIT[0], AUDIT[1]),
];

/// By what somebody is let in.
enum Way {
    Session(TestPerson),
    Token(String),
}

/// Somebody who asks.
pub(crate) struct Asker {
    pub(crate) column: char,
    pub(crate) is_at: bool,
    name: String,
    way: Way,
}

impl Asker {
    pub(crate) async fn ask(&self, hall: &Hall, asked: &str) -> u16 {
        let (method, path) = asked.split_once(' ').unwrap();
        let sent = sent(asked, &self.name);
        let url = format!("{}{}", hall.hub.url, sent.at(path));
        let mut request = hall.hub.client.request(method.parse().unwrap(), url);
        request = match &self.way {
            Way::Token(token) => request.carrying(token),
            Way::Session(person) => request
                .header("cookie", format!("__Host-varco={}", person.cookie))
                .header("x-varco-session", &person.mark),
        };
        if let Some(body) = &sent.body {
            request = request.json(body);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// Lines that say what they did.
    pub(crate) fn lines(&self, hall: &Hall) -> i64 {
        let main = hall.house.home.open_main().unwrap();
        let sql = "SELECT count(*) FROM audit WHERE actor = ?";
        main.query_row(sql, [&self.name], |row| row.get(0)).unwrap()
    }
}

/// Somebody of a column, appointed with every task.
fn appoint(hall: &Hall, name: &str, column: char, is_at: bool) {
    let (role, body) = match column {
        'R' if is_at => (Role::Responsible, "owner"),
        // A body has one.
        'R' => (Role::Responsible, "pl-perugia-2"),
        'D' => (Role::DutyOfficer, "owner"),
        'G' => (Role::GuardCorps, "owner"),
        'V' => (Role::Oversight, "owner"),
        'A' => (Role::Administrator, "owner"),
        'M' => (Role::Maintenance, "ditta"),
        _ => (Role::Operator, "owner"),
    };
    at_console(&hall.house, |main, acting| {
        let wanted = WantedAppointment {
            name: name.to_owned(),
            body: body.parse().unwrap(),
            role,
            may: Permissions::of(&all_permissions()),
            act: "Determina 12/2026 del Comandante".to_owned(),
            is_police: !['N', 'M'].contains(&column),
            trained_on: None,
            from: acting.now,
            until: Some(acting.now + DAY * 300),
        };
        appointing::appoint(main, &wanted, acting).unwrap();
    });
}

fn system(hall: &Hall) -> Asker {
    let may = Permission::ALL.map(|(task, _)| task).into_iter();
    // No system may be given more.
    let acts = [
        Permission::Oversight,
        Permission::Persons,
        Permission::Admission,
        Permission::Cases,
    ];
    let may: Vec<_> = may.filter(|task| !acts.contains(task)).collect();
    Asker {
        column: 'S',
        is_at: true,
        name: "Centrale".to_owned(),
        way: Way::Token(system_token(&hall.house, "Centrale", &may)),
    }
}

/// Everybody, signed in: at a post of their own body, and at one in the rooms of another.
pub(crate) async fn askers(hall: &Hall) -> Vec<Asker> {
    at_console(&hall.house, |main, acting| {
        let wanted = WantedBody {
            id: "pl-perugia-2".parse().unwrap(),
            name: "Polizia Locale di Perugia, distaccamento".to_owned(),
            kind: Some(BodyKind::LocalPolice),
            municipality: Some("Perugia".to_owned()),
        };
        bodies::set(main, &wanted, acting).unwrap();
    });
    let mut posts = Vec::new();
    for (post, body) in [
        ("Sala", "owner"),
        ("Officina", "ditta"),
        ("Corciano", "pl-corciano"),
    ] {
        let code = post_code_in(&hall.house, post, body);
        posts.push(TestPost::with_code(&hall.hub, &code).await);
    }
    let mut all = Vec::new();
    for (column, _) in CALLERS.iter().filter(|(column, _)| *column != 'S') {
        for is_at in [true, false] {
            let post = match (is_at, column) {
                (false, _) => &posts[2],
                (true, 'M') => &posts[1],
                (true, _) => &posts[0],
            };
            let user = format!(
                "{}.{}",
                column.to_lowercase(),
                if is_at { "at" } else { "away" }
            );
            let name = format!("Agente {user}");
            let code = account_code(&hall.house, &user, Some(&name));
            appoint(hall, &name, *column, is_at);
            hall.house.clock.advance(SECOND * 5);
            let person = TestPerson::open(&hall.hub, &hall.house, &code, post).await;
            all.push(Asker {
                column: *column,
                is_at,
                name,
                way: Way::Session(person),
            });
        }
    }
    all.push(system(hall));
    all
}

/// Every operation that the hub itself describes, as it serves it.
async fn described(hall: &Hall) -> BTreeSet<String> {
    let url = format!("{}/api/v1/openapi.json", hall.hub.url);
    let description: Value = hall
        .hub
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let paths = description["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

pub(crate) fn rows() -> impl Iterator<Item = &'static Decided> {
    TABLE.iter().chain(&MORE)
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c24_part_c25_each_role_may_by_each_route_what_the_regulation_says_each_access_is_a_line_and_none_deletes()
 {
    let mut hall = Hall::new().await;
    hall.house.companions = true;
    hall.hub = hall.house.serve().await;
    let mut decided: BTreeSet<String> = rows().map(|row| row.asked.to_owned()).collect();
    assert!(decided.remove("GET /api/v1/audit/tile/{path}"));
    decided.extend(OPEN.iter().chain(&SESSION).map(|asked| (*asked).to_owned()));
    let routes = described(&hall).await;
    let undecided: Vec<_> = routes.symmetric_difference(&decided).collect();
    assert!(
        undecided.is_empty(),
        "without a row, or without a route: {undecided:?}"
    );

    let askers = askers(&hall).await;
    let stored = hall.house.stored();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for row in rows() {
        for asker in &askers {
            let marks = if asker.is_at { row.at } else { row.away };
            let allows = marks.contains(asker.column);
            let before = asker.lines(&hall);
            let status = asker.ask(&hall, row.asked).await;
            let who = format!(
                "{} {}",
                asker.column,
                if asker.is_at { "at" } else { "away" }
            );
            if (status == 403) == allows || status == 429 || status >= 500 {
                wrong.push(format!("{}: {who}: {status}, allowed: {allows}", row.asked));
            }
            if asker.lines(&hall) <= before {
                wrong.push(format!("{}: {who}: {status} and no line", row.asked));
            }
            asked += 1;
        }
        let path = row
            .asked
            .replace("{id}", "1")
            .replace("{path}", "0/000.p/1");
        let (method, path) = path.split_once(' ').unwrap();
        let request = hall
            .hub
            .client
            .request(method.parse().unwrap(), format!("{}{path}", hall.hub.url));
        let status = request
            .json(&json!({}))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16();
        if ![401, 429].contains(&status) {
            wrong.push(format!("{}: nobody: {status}", row.asked));
        }
        for method in ["DELETE", "PUT", "PATCH"] {
            let url = format!("{}{path}", hall.hub.url);
            let request = hall.hub.client.request(method.parse().unwrap(), url);
            let status = request.carrying(&hall.hub.token).send().await.unwrap();
            if status.status() != 405 {
                wrong.push(format!("{method} {path}: {}", status.status()));
            }
        }
        hall.house.clock.advance(SECOND * 4);
    }
    assert_eq!(hall.house.stored(), stored, "nobody deletes");
    // What anybody may ask is answered alike whoever asks, and nobody is kept from their own session.
    for open in OPEN {
        hall.house.clock.advance(SECOND * 3);
        let mut statuses = BTreeSet::new();
        for asker in [&askers[0], &askers[14], askers.last().unwrap()] {
            statuses.insert(asker.ask(&hall, open).await);
        }
        if statuses.len() != 1 {
            wrong.push(format!("{open}: {statuses:?}"));
        }
    }
    for own in SESSION {
        for asker in &askers {
            let status = asker.ask(&hall, own).await;
            if status == 403 || status >= 500 {
                wrong.push(format!("{own}: {}: {status}", asker.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {asked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(asked, 60 * 17);
    let now = hall.house.clock.now();
    assert!(verify(&hall.house.home, now).unwrap().intact);
}
