//! What the policy came to is kept between requests: it must be what it would come to now.

use std::sync::Arc;
use std::time::Duration;

use varco_hub::agreements::AgreementId;
use varco_hub::agreements::desk::{self, Party, WantedAgreement};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::purpose::Purpose;
use varco_hub::bodies::desk::WantedBody;
use varco_hub::bodies::{self, BodyKind};
use varco_hub::hours::partition::Term;
use varco_hub::municipalities::{Municipality, desk as municipal};
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::{Permission, Permissions, TokenBounds};
use varco_hub::policy::caller::{Caller, CallerKind};
use varco_hub::policy::rights::Rights;
use varco_hub::policy::world::WorldRead;
use varco_hub::policy::{Deed, Policy};
use varco_hub::store::sql::Connection;
use varco_hub::timekeeping::Clock as _;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;

use crate::support::House;

const TOWNS: [&str; 3] = ["Perugia", "Corciano", "Assisi"];
const GATES: [&str; 4] = ["nord", "sud", "est", "ovest"];
const BODIES: [&str; 2] = ["questura", "carabinieri"];
const MINUTE: Duration = Duration::from_secs(60);

/// Something that happens, by numbers that a test draws.
#[derive(Debug, Clone, Copy)]
struct Happening {
    what: u8,
    which: u8,
    other: u8,
    minutes: u8,
}

impl Happening {
    fn drawn(step: u32) -> Self {
        let digest = Digest::of(&step.to_be_bytes());
        let [what, which, other, minutes, ..] = *digest.as_bytes();
        Self {
            what,
            which,
            other,
            minutes,
        }
    }
}

fn town(number: u8) -> Municipality {
    TOWNS[usize::from(number) % TOWNS.len()].parse().unwrap()
}

fn agreement(number: u8) -> AgreementId {
    format!("patto-{}", number % 4).parse().unwrap()
}

fn party(number: u8) -> Party {
    match number % 5 {
        known @ 0..=2 => Party::Giver(town(known)),
        other => Party::Receiver(BODIES[usize::from(other) - 3].parse().unwrap()),
    }
}

/// Does it, or is refused, which is as good here.
fn happen(main: &mut Connection, one: Happening, acting: &Acting<'_>) {
    let id = agreement(one.which);
    let refused = match one.what % 6 {
        0 => {
            let span = MINUTE * u32::from(one.other % 40 + 1);
            let from = acting.now + MINUTE * u32::from(one.which % 7);
            let wanted = WantedAgreement {
                id,
                title: "Patto".to_owned(),
                legal_basis: "L. 48/2017".to_owned(),
                lead: town(one.other),
                purposes: [Purpose::PublicSafety].into(),
                may: Permissions::of(&[Permission::Lookups]),
                admission: false,
                from,
                until: from + span,
                givers: [town(one.other)].into(),
                receivers: [BODIES[usize::from(one.which) % 2].parse().unwrap()].into(),
                gates: [].into(),
            };
            desk::make(main, &wanted, acting)
                .err()
                .map(|e| e.to_string())
        }
        1 => desk::join(main, &id, &party(one.other), acting)
            .err()
            .map(|e| e.to_string()),
        2 => desk::leave(main, &id, &party(one.other), acting)
            .err()
            .map(|e| e.to_string()),
        3 => desk::end(main, &id, acting).err().map(|e| e.to_string()),
        4 => {
            let gate = GATES[usize::from(one.which) % GATES.len()].parse().unwrap();
            let to = (one.other % 4 < 3).then(|| town(one.other));
            let given = municipal::give(main, &gate, to.as_ref(), acting);
            given.err().map(|e| e.to_string())
        }
        _ => None,
    };
    drop(refused);
}

/// Of each body an operator and, under each of two agreements, a system.
fn callers(main: &Connection) -> Vec<Caller> {
    let operator = CallerKind::Person {
        role: Role::Operator,
        is_police: true,
    };
    let under = |which| TokenBounds {
        agreement: Some(agreement(which).to_string()),
        ..TokenBounds::of(&Purpose::REGULATION)
    };
    let caller = |body, kind, bounds| Caller {
        id: "anybody".to_owned(),
        kind,
        body,
        may: Permissions::of(&[Permission::Lookups]),
        delegated: Permissions::of(&[]),
        bounds,
        at_post: true,
        second_present: false,
        beside: None,
    };
    let mut all = Vec::new();
    for body in bodies::all(main).unwrap().into_values() {
        all.push(caller(body.clone(), operator, None));
        all.push(caller(body.clone(), CallerKind::System, Some(under(0))));
        all.push(caller(body, CallerKind::System, Some(under(1))));
    }
    all
}

fn consortium(house: &House) -> Connection {
    let (mut main, key) = (
        house.home.open_main().unwrap(),
        house.home.sealing_key().unwrap(),
    );
    let acting = Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &key,
    };
    for town in TOWNS {
        municipal::set(
            &mut main,
            &town.parse().unwrap(),
            Term::WHOLE,
            None,
            &acting,
        )
        .unwrap();
    }
    for id in BODIES {
        let wanted = WantedBody {
            id: id.parse().unwrap(),
            name: id.to_owned(),
            kind: Some(BodyKind::StatePolice),
            municipality: None,
        };
        bodies::desk::set(&mut main, &wanted, &acting).unwrap();
    }
    main
}

#[test]
fn what_is_kept_is_what_the_policy_comes_to_now() {
    let house = House::new();
    let mut main = consortium(&house);
    let key = house.home.sealing_key().unwrap();
    let (policy, rights) = (
        Policy::built_in().unwrap(),
        Rights::under(Policy::built_in().unwrap()),
    );
    let callers = callers(&main);
    let mut now: UtcTime = house.clock.now();
    let (mut kept, mut read, mut seen) = (0, 0, 0);
    let mut last = None;
    for step in 0..600_u32 {
        let one = Happening::drawn(step);
        // Mostly on, now and then back.
        now = match one.minutes {
            back @ 0..20 => now - MINUTE * u32::from(back),
            on => now + MINUTE * u32::from(on / 40),
        };
        let acting = Acting {
            actor: &Actor::console(),
            now,
            key: &key,
        };
        happen(&mut main, one, &acting);
        let world = rights.world(&main, now).unwrap();
        let fresh = WorldRead::at(&main, now).unwrap().world;
        for caller in &callers {
            let purpose = Some(Purpose::PublicSafety);
            let before = rights.reach(caller, Deed::LookUp, purpose, &world).unwrap();
            let anew = policy.reach(caller, Deed::LookUp, purpose, &fresh).unwrap();
            assert_eq!(before, anew, "{} at {now} after {one:?}", caller.body.id);
            seen += usize::from(!anew.is_nowhere());
        }
        match last.replace(Arc::clone(&world)) {
            Some(last) if Arc::ptr_eq(&last, &world) => kept += 1,
            _ => read += 1,
        }
    }
    assert!(kept > 60 && read > 60 && seen > 200, "{kept} {read} {seen}");
}

/// Without this, a table that the policy comes to judge by could change unseen.
#[test]
fn each_table_that_the_policy_judges_by_counts_its_changes() {
    let house = House::new();
    let main = consortium(&house);
    let names = |sql: &str| -> Vec<String> {
        let mut statement = main.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let counted = names(
        "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%UPDATE rights%'
         GROUP BY tbl_name HAVING count(*) = 3",
    );
    assert!(counted.len() >= 7, "{counted:?}");
    let tables =
        names("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'");
    main.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    for table in tables.iter().filter(|table| !counted.contains(table)) {
        main.execute_batch(&format!("DROP TABLE {table}")).unwrap();
    }
    let read = WorldRead::at(&main, house.clock.now());
    assert!(read.is_ok(), "it reads a table without triggers: {read:?}");
    main.execute_batch("DROP TABLE agreement_gates; DROP TABLE gate_owners")
        .unwrap();
    assert!(WorldRead::at(&main, house.clock.now()).is_err());
}
