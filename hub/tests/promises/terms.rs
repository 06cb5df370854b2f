//! Municipalities with a term of their own, shorter than the hub's.

use std::collections::BTreeSet;
use std::time::Duration;
use varco_hub::municipalities::reach::Reach;
use varco_hub::proof::destruction;
use varco_hub::proof::verification;
use varco_hub::timekeeping::Clock as _;

use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::hours::partition::Term;
use varco_hub::lookups::counts::{By, Counting, Scope};
use varco_hub::municipalities::desk::{self, MunicipalDeskError};
use varco_hub::municipalities::{Municipal, Municipality};
use varco_hub::plates::plate::text_of;
use varco_hub::transits::query::Query;
use varco_proto::receipt::RefusalReason;
use varco_proto::time::UtcTime;

use crate::lookups::{ask, query};
use crate::support::{Carrying as _, DAY, House, SECOND, TestEdge};

const HOUR: Duration = Duration::from_secs(3600);

fn acting<T>(house: &House, act: impl FnOnce(&Acting<'_>) -> T) -> T {
    let key = house.home.sealing_key().unwrap();
    act(&Acting {
        actor: &Actor::console(),
        now: house.clock.now(),
        key: &key,
    })
}

fn macerata() -> Municipality {
    "Macerata".parse().unwrap()
}

fn set_term(house: &House, hours: Option<u8>) {
    let term = hours.and_then(Term::of_hours).unwrap_or_default();
    let mut main = house.home.open_main().unwrap();
    acting(house, |acting| {
        desk::set(&mut main, &macerata(), term, None, acting)
    })
    .unwrap();
}

/// Says that the northern gate is Macerata's, which keeps its transits for so many hours.
pub(crate) fn give_north(house: &House, hours: Option<u8>) {
    set_term(house, hours);
    let gate = "porta-nord".parse().unwrap();
    let mut main = house.home.open_main().unwrap();
    acting(house, |acting| {
        desk::give(&mut main, &gate, Some(&macerata()), acting)
    })
    .unwrap();
}

pub(crate) fn edges(house: &House) -> (TestEdge, TestEdge) {
    let north = house.edge_at("nord-01", "porta-nord");
    (north, house.edge_at("sud-0002", "porta-sud"))
}

pub(crate) fn plates(house: &House) -> Vec<String> {
    let found = ask(house, &query(house, "*"));
    let plate = |entry| text_of(entry);
    let found = found.transits.iter();
    found.map(|t| plate(&t.head.entry.plate)).collect()
}

/// As the running hub does it, each minute.
pub(crate) fn upkeep(house: &House) -> u64 {
    let expired = house.writer().expire(usize::MAX).unwrap();
    house.archive().unlink(&expired.hours).unwrap();
    let mut main = house.home.open_main().unwrap();
    let key = house.home.sealing_key().unwrap();
    let mut purged = 0;
    while let Some(one) = house
        .archive()
        .purge_one(
            &mut main,
            house.clock.reading().may_destroy().unwrap(),
            &key,
        )
        .unwrap()
    {
        purged += one.transits;
    }
    purged
}

pub(crate) fn verified(house: &House) -> bool {
    let verification = verification::verify(&house.home, house.clock.now()).unwrap();
    assert!(verification.intact, "{:?}", verification.broken_transits);
    destruction::proof(&house.home, house.clock.now())
        .unwrap()
        .holds
}

#[test]
fn d13_part_a_municipality_keeps_its_transits_for_a_shorter_time() {
    let house = House::new();
    let (mut north, mut south) = edges(&house);
    give_north(&house, Some(24));
    let at = house.clock.now() - SECOND;
    let batch = [north.seal("AB120CD", at), south.seal("EF340GH", at)];
    assert_eq!(
        house.receipts(&house.writer().take(&batch).unwrap()).len(),
        2
    );
    let names: BTreeSet<String> = house.hours().iter().map(ToString::to_string).collect();
    let wanted = ["2026-11-22T11", "2026-11-22T11-24h"].map(str::to_owned);
    assert_eq!(
        names,
        BTreeSet::from(wanted),
        "each term has its own partition"
    );
    for plate in ["AB120CD", "EF34?GH", "*"] {
        assert!(ask(&house, &query(&house, plate)).total > 0, "{plate}");
    }

    house.clock.set(at + DAY);
    assert_eq!(plates(&house).len(), 2, "to the microsecond");
    house.clock.set(at + DAY + Duration::from_micros(1));
    assert_eq!(plates(&house), ["EF340GH"], "no lookup shows it any more");
    assert_eq!(ask(&house, &query(&house, "AB120CD")).total, 0);
    house.clock.set("2026-11-23T12:00:00Z".parse().unwrap());
    upkeep(&house);
    assert_eq!(house.stored(), 1, "it is destroyed with its hour");
    assert!(verified(&house));
    let proof = destruction::proof(&house.home, house.clock.now()).unwrap();
    assert_eq!(proof.destroyed[0].hour, "2026-11-22T11-24h");

    let late = [north.seal("AB121CD", at), south.seal("EF341GH", at)];
    let taken = house.writer().take(&late).unwrap();
    assert_eq!(house.refusals(&taken), [(2, RefusalReason::TooOld)]);
    assert_eq!(
        house.receipts(&taken),
        [2],
        "the south's own term is not over"
    );
    house.restart();
    assert_eq!(plates(&house), ["EF341GH", "EF340GH"]);

    house.clock.set(at + 7 * DAY + HOUR);
    upkeep(&house);
    assert_eq!(house.stored(), 0);
    assert!(verified(&house));
}

#[test]
fn d13_part_a_term_that_is_shortened_holds_for_what_is_stored() {
    let house = House::new();
    let (mut north, mut south) = edges(&house);
    let at = house.clock.now() - 2 * DAY;
    let mut batch = Vec::new();
    for k in 0_u32..40 {
        let at = at + Duration::from_secs(u64::from(k) * 100);
        let edge = if k % 4 == 0 { &mut south } else { &mut north };
        batch.push(edge.seal(&format!("AB{k:03}CD"), at));
    }
    let fresh = house.clock.now() - HOUR;
    batch.push(north.seal("ZZ999ZZ", fresh));
    house.writer().take(&batch).unwrap();
    for hour in house.hours().iter().take(1) {
        house.archive().seal(*hour).unwrap();
    }
    assert_eq!(plates(&house).len(), 41);
    give_north(&house, None);
    assert_eq!((plates(&house).len(), upkeep(&house)), (41, 0));

    set_term(&house, Some(24));
    let left = plates(&house);
    assert_eq!(left.len(), 11, "hidden at once");
    assert_eq!(left[0], "ZZ999ZZ", "what is younger stays");
    let found = ask(&house, &query(&house, "AB001CD"));
    assert_eq!((found.transits.len(), found.total), (0, 0));
    assert_eq!(ask(&house, &query(&house, "AB004CD")).total, 1);
    let narrow = Query {
        limit: 2,
        ..query(&house, "*")
    };
    let found = ask(&house, &narrow);
    let told = (found.total, found.total_is_estimate);
    assert!(
        told == (11, false) || told.1,
        "no total counts what is hidden: {told:?}"
    );
    let asked = Counting {
        from: house.clock.now() - 7 * DAY,
        to: house.clock.now(),
        scope: Scope::default(),
        by: By::Gate,
        daily: true,
    };
    let (archive, now) = (house.archive(), house.clock.now());
    let counted = archive
        .count_by(
            &asked,
            now,
            &archive.allowed(now, &Reach::everywhere()).unwrap(),
        )
        .unwrap();
    let told: Vec<_> = counted
        .cells
        .iter()
        .map(|cell| (cell.of.as_str(), cell.count))
        .collect();
    assert_eq!(told, [("porta-sud", 9)], "its tenth was alone in its hour");

    assert_eq!(upkeep(&house), 30, "and destroyed");
    assert_eq!((house.stored(), upkeep(&house)), (11, 0));
    assert!(verified(&house));
    assert_eq!(plates(&house), left);
    let proof = destruction::proof(&house.home, house.clock.now()).unwrap();
    let purged: u64 = proof.purged.iter().map(|one| one.transits).sum();
    assert_eq!((purged, proof.transits), (30, 11));
    house.restart();
    assert_eq!((plates(&house), house.stored()), (left.clone(), 11));
    assert_eq!(upkeep(&house), 0);
    set_term(&house, None);
    assert_eq!(plates(&house), left, "what is gone stays gone");
    assert!(verified(&house));
}

#[test]
fn pages_go_through_hours_of_several_terms() {
    let house = House::new();
    let (mut north, mut south) = edges(&house);
    let begins = house.clock.now() - 3 * HOUR;
    let mut seal = |house: &House, range: std::ops::Range<u32>| {
        let mut batch = Vec::new();
        for k in range {
            // Both at the same moment, and mostly with the same row in their partitions.
            let at = begins + Duration::from_secs(u64::from(k) * 200);
            batch.push(north.seal(&format!("NO{k:03}RD"), at));
            batch.push(south.seal(&format!("SU{k:03}DD"), at));
        }
        house.writer().take(&batch).unwrap();
    };
    seal(&house, 0..20);
    give_north(&house, Some(24));
    seal(&house, 20..50);
    for oldest_first in [false, true] {
        let mut asked = Query {
            limit: 7,
            oldest_first,
            ..query(&house, "*")
        };
        let (mut seen, mut times): (Vec<String>, Vec<UtcTime>) = (Vec::new(), Vec::new());
        loop {
            let found = ask(&house, &asked);
            assert_eq!(found.total, 100);
            for stored in &found.transits {
                let plate = varco_hub::plates::plate::text_of(&stored.head.entry.plate);
                let k: u64 = plate[2..5].parse().unwrap();
                times.push(begins + Duration::from_secs(k * 200));
                seen.push(plate);
            }
            let Some(next) = found.next else { break };
            asked.after = Some(next);
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (100, 100));
        let mut ordered = times.clone();
        ordered.sort();
        if !oldest_first {
            ordered.reverse();
        }
        assert_eq!(times, ordered);
    }
}

#[test]
fn an_event_told_again_after_its_term_changed_is_stored_once() {
    let house = House::new();
    let (mut north, _) = edges(&house);
    let transit = north.transit("AB120CD", house.clock.now() - HOUR);
    let first = [north.seal_transit(transit.clone())];
    house.writer().take(&first).unwrap();
    give_north(&house, Some(24));
    let again = [north.seal_transit(transit)];
    let taken = house.writer().take(&again).unwrap();
    assert_eq!(house.refusals(&taken), [(2, RefusalReason::Malformed)]);
    assert_eq!(house.stored(), 1);
}

#[test]
fn a_municipality_is_looked_up_by_its_name() {
    let house = House::new();
    let (mut north, mut south) = edges(&house);
    let at = house.clock.now() - SECOND;
    let batch = [north.seal("AB120CD", at), south.seal("EF340GH", at)];
    house.writer().take(&batch).unwrap();
    give_north(&house, Some(72));
    let sql = "UPDATE bodies SET municipality = 'Macerata'";
    house.home.open_main().unwrap().execute_batch(sql).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let served = house.serve().await;
        let body = |municipality: &str| {
            serde_json::json!({
                "plate": "*", "from": (house.clock.now() - 7 * DAY).to_string(),
                "to": house.clock.now().to_string(), "purpose": "traffic",
                "case_reference": "PG 1/2026", "municipalities": [municipality],
            })
        };
        let (status, answer) = served.look_up(body("Macerata")).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["results"][0]["plate"], "AB120CD");
        assert_eq!(answer["total"], 1);
        assert_eq!(answer["shorter_terms"][0]["municipality"], "Macerata");
        assert_eq!(answer["shorter_terms"][0]["term_hours"], 72);
        let line = house.audit_line(answer["audit_line"].as_i64().unwrap());
        assert!(line.contains("Macerata"), "{line}");
        let (status, answer) = served.look_up(body("Macerate")).await;
        assert_eq!(status, 422, "{answer}");
        let gates = served
            .client
            .get(format!("{}/api/v1/gates", served.url))
            .carrying(&served.token)
            .send()
            .await
            .unwrap();
        let gates: serde_json::Value = gates.json().await.unwrap();
        assert_eq!(gates["gates"][0]["municipality"], "Macerata");
        assert_eq!(gates["gates"][0]["term_hours"], 72);
        assert_eq!(gates["gates"][1]["municipality"], serde_json::Value::Null);
    });
}

#[test]
fn what_a_gate_saw_stays_with_the_municipality_that_had_it_then() {
    let house = House::new();
    let (mut north, _south) = edges(&house);
    give_north(&house, None);
    let (before, moved) = (house.clock.now() - HOUR, house.clock.now());
    house
        .writer()
        .take(&[north.seal("AB120CD", before)])
        .unwrap();
    let (gate, elsewhere) = ("porta-nord".parse().unwrap(), "Tolentino".parse().unwrap());
    let istat = "043053".parse().unwrap();
    let mut main = house.home.open_main().unwrap();
    acting(&house, |acting| {
        desk::set(&mut main, &elsewhere, Term::WHOLE, Some(&istat), acting)?;
        desk::give(&mut main, &gate, Some(&elsewhere), acting)
    })
    .unwrap();
    house.clock.advance(2 * HOUR);
    house
        .writer()
        .take(&[north.seal("EF340GH", moved + HOUR)])
        .unwrap();
    let of = |name: &str| -> Vec<String> {
        let all = varco_hub::municipalities::all(&main).unwrap();
        let names = [name.parse().unwrap()].into_iter().collect();
        let mut query = query(&house, "*");
        query.filter.municipal = Some(Municipal::of(&all, names).unwrap());
        let found = ask(&house, &query).transits.into_iter();
        found.map(|t| text_of(&t.head.entry.plate)).collect()
    };
    assert_eq!(of("Macerata"), ["AB120CD"]);
    assert_eq!(of("Tolentino"), ["EF340GH"]);
    assert_eq!(of("043053"), ["EF340GH"], "by its ISTAT code");
    let taken = acting(&house, |acting| {
        desk::set(&mut main, &macerata(), Term::WHOLE, Some(&istat), acting)
    });
    assert!(
        matches!(taken, Err(MunicipalDeskError::IstatTaken(_))),
        "{taken:?}"
    );
}

#[test]
fn a_municipality_with_gates_is_not_removed() {
    let house = House::new();
    let _edges = edges(&house);
    give_north(&house, Some(72));
    let mut main = house.home.open_main().unwrap();
    let refused = acting(&house, |acting| {
        desk::remove(&mut main, &macerata(), acting)
    });
    let gates = 1;
    assert!(
        matches!(refused, Err(MunicipalDeskError::HasGates { gates: g, .. }) if g == gates),
        "{refused:?}"
    );
    let gate = "porta-nord".parse().unwrap();
    let elsewhere: Municipality = "Tolentino".parse().unwrap();
    let unknown = acting(&house, |acting| {
        desk::give(&mut main, &gate, Some(&elsewhere), acting)
    });
    assert!(matches!(unknown, Err(MunicipalDeskError::Unknown(_))));
    acting(&house, |acting| {
        desk::give(&mut main, &gate, None, acting)?;
        desk::remove(&mut main, &macerata(), acting)
    })
    .unwrap();
    let lines = house
        .count("SELECT count(*) FROM audit WHERE action IN ('municipality-changed', 'gate-given')");
    assert_eq!(lines, 4, "an act, a line");
}

#[tokio::test]
async fn an_alert_is_hidden_once_its_term_is_over_by_the_later_reading_of_the_time() {
    let mut watched = crate::alerts::watched("targa\nAB120CD\n").await;
    let house = &watched.house;
    let at = house.clock.now() - 23 * HOUR;
    watched
        .writer
        .take(&[watched.edge.seal("AB120CD", at)])
        .unwrap();
    give_north(house, Some(24));
    let sql = "UPDATE bodies SET municipality = 'Macerata'";
    house.home.open_main().unwrap().execute_batch(sql).unwrap();
    let shown = watched.hub.open_alerts().await;
    assert_eq!(shown.len(), 1);
    assert_ne!(shown[0]["transit"], serde_json::Value::Null);
    house.archive().settings().lead.set(2 * HOUR);
    let shown = watched.hub.open_alerts().await;
    assert_eq!(
        shown,
        Vec::<serde_json::Value>::new(),
        "by that reading it is over"
    );
}

#[tokio::test]
async fn an_alert_goes_with_its_transit() {
    let crate::alerts::Watched {
        house,
        hub,
        mut edge,
        mut writer,
    } = crate::alerts::watched("targa\nAB120CD\n").await;
    let at = house.clock.now() - 2 * DAY;
    writer.take(&[edge.seal("AB120CD", at)]).unwrap();
    drop(hub);
    let alerts = || {
        let main = house.home.open_main().unwrap();
        let sql = "SELECT count(*) FROM alerts";
        main.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(alerts(), 1);
    give_north(&house, Some(24));
    assert_eq!((upkeep(&house), alerts()), (1, 0));
}
