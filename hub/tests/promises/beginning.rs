//! `varco-hub begin`: from a new home to a first responsible person and a first lookup.

use std::process::Command;

use serde_json::Value;
use varco_hub::timekeeping::{Clock as _, SystemClock};

use crate::signed::{TestPerson, TestPost};
use crate::support::House;

fn begin(house: &House, more: &[&str]) -> (bool, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_varco-hub"))
        .arg("--home")
        .arg(house.home.root())
        .args(["--json", "begin", "--municipality", "Macerata"])
        .args(["--act", "Decreto sindacale 12/2026"])
        .args(more)
        .output()
        .unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.success(), said)
}

#[tokio::test]
async fn a_new_home_leads_to_a_responsible_person_who_signs_in_and_looks_up() {
    let house = House::new();
    house.clock.set(SystemClock.now());
    let verdi = ["--responsible", "Comm. Maria Verdi", "--user", "m.verdi"];
    let (done, _) = begin(&house, &verdi);
    assert!(done);
    // Again, as they are of Judicial Police: the codes of before hold no more.
    let (done, said) = begin(&house, &[&verdi[..], &["--judicial-police"]].concat());
    assert!(done, "{said}");
    let (others, _) = begin(&house, &["--responsible", "Isp. Neri", "--user", "neri"]);
    assert!(!others, "one answers for it already");

    let hub = house.serve().await;
    let code = |of: &str| said[of]["code"].as_str().unwrap().to_owned();
    let post = TestPost::with_code(&hub, &code("post")).await;
    let mut verdi = TestPerson::open(&hub, &house, &code("account"), &post).await;
    assert_eq!(verdi.look_up(&hub).await, 200);
    verdi.sign_in(&house, &hub, &post).await;
    assert_eq!(verdi.look_up(&hub).await, 200);
    let (status, line) = verdi
        .ask(&hub, "GET /api/v1/audit/lines/1", &Value::Null)
        .await;
    assert_eq!(status, 200, "{line}");
}
