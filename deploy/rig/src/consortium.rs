//! The second part of the demo: a small consortium. Two municipalities and a Questura share nothing until an
//! agreement says so, and an officer who looks for a colleague's vehicle needs a second person.

use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::{Value, json};
use varco_proto::time::UtcTime;

use crate::house::House;
use crate::lookup::Hub;

const A_YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);
const NEIGHBOUR: &str = "pl-corciano";

/// What each step came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sharing {
    /// Transits that the officer of the gate's own municipality finds.
    pub own: usize,
    /// Transits that the neighbour's officer finds without an agreement.
    pub neighbour_before: usize,
    /// The same under one.
    pub neighbour_under: usize,
    /// The same once it was ended.
    pub neighbour_after: usize,
    /// Whether a search for sanctions was refused, which no municipality's gates are for.
    pub sanction_refused: bool,
    /// The rule that stopped the search for a colleague's plate.
    pub stopped_by: Option<String>,
    /// Whether the search went through once a second person had agreed.
    pub opened_by_a_second_person: bool,
}

impl Sharing {
    /// Whether each step came to what it should.
    #[must_use]
    pub fn worked(&self) -> bool {
        let nothing = self.neighbour_before == 0 && self.neighbour_after == 0;
        let shared = self.own > 0 && self.neighbour_under == self.own;
        nothing
            && shared
            && self.sanction_refused
            && self.stopped_by.is_some()
            && self.opened_by_a_second_person
    }

    /// For a person.
    #[must_use]
    pub fn told(&self) -> String {
        format!(
            "consortium: Perugia finds {} transits of its gate; Corciano finds {} without an agreement, {} under one, \
             {} after its end\na search for sanctions is refused: {}\nan officer who looks for a colleague's plate is stopped ({}), and goes on once a second \
             person agrees: {}",
            self.own,
            self.neighbour_before,
            self.neighbour_under,
            self.neighbour_after,
            yes_or_no(self.sanction_refused),
            self.stopped_by.as_deref().unwrap_or("not stopped"),
            yes_or_no(self.opened_by_a_second_person),
        )
    }
}

/// The hub's own commands, on a running hub.
struct Console<'a> {
    house: &'a House,
}

impl Console<'_> {
    fn says(&self, words: &[&str]) -> anyhow::Result<Value> {
        let mut command: Command = self.house.hub_command();
        command
            .arg("--home")
            .arg(self.house.hub_home())
            .arg("--json");
        let said = command.args(words).output()?;
        if !said.status.success() {
            let complaint = String::from_utf8_lossy(&said.stderr).into_owned();
            bail!("`varco-hub {}` failed: {complaint}", words.join(" "));
        }
        serde_json::from_slice(&said.stdout).context("its answer is no JSON")
    }

    /// Two municipalities with their police, a Questura, and whose the gate is.
    fn names_bodies(&self) -> anyhow::Result<()> {
        let gate = crate::house::GATE;
        for words in [
            &["municipality", "set", "Perugia", "--hub-term"][..],
            &["municipality", "set", "Corciano", "--hub-term"],
            &["gate", "municipality", gate, "--of", "Perugia"],
            &[
                "body",
                "set",
                "owner",
                "--name",
                "Polizia Locale di Perugia",
                "--municipality",
                "Perugia",
            ],
            &[
                "body",
                "set",
                NEIGHBOUR,
                "--name",
                "Polizia Locale di Corciano",
                "--kind",
                "local-police",
                "--municipality",
                "Corciano",
            ],
            &[
                "body",
                "set",
                "questura",
                "--name",
                "Questura di Perugia",
                "--kind",
                "state-police",
            ],
        ] {
            self.says(words)?;
        }
        Ok(())
    }

    /// Appoints the person who answers for the hub's own body.
    fn appoints_who_answers(&self, name: &str) -> anyhow::Result<()> {
        self.says(&[
            "person",
            "appoint",
            name,
            "--body",
            "owner",
            "--role",
            "responsible",
            "--act",
            "Decreto 1/2026",
            "--judicial-police",
            "--may",
            "lookups",
            "--may",
            "cases",
        ])?;
        Ok(())
    }

    /// A token of an officer of a body.
    fn officer(&self, name: &str, body: &str) -> anyhow::Result<String> {
        let words = [
            "token", "add", "--actor", name, "--body", body, "--may", "lookups", "--may", "cases",
        ];
        let said = self.says(&words)?;
        let token = said["token"].as_str().context("no token was issued")?;
        Ok(token.to_owned())
    }
}

/// Shows it with what the first part stored: `plate` is one of the vehicles.
///
/// # Errors
/// When a step cannot be made.
pub async fn show(
    house: &House,
    plate: &str,
    from: UtcTime,
    to: UtcTime,
) -> anyhow::Result<Sharing> {
    let console = Console { house };
    console.names_bodies()?;
    let hub = house.hub()?;
    let own = hub.with_token(&console.officer("Isp. Bianchi", "owner")?);
    console.appoints_who_answers("Com.te Gallo")?;
    let commander = hub.with_token(&console.officer("Com.te Gallo", "owner")?);
    let neighbour = hub.with_token(&console.officer("Ag. Neri", NEIGHBOUR)?);
    let mut sharing = Sharing {
        own: own.all(from, to).await?.len(),
        neighbour_before: neighbour.all(from, to).await?.len(),
        neighbour_under: 0,
        neighbour_after: 0,
        sanction_refused: refuses_sanctions(&own, plate).await?,
        stopped_by: None,
        opened_by_a_second_person: false,
    };
    let until = (to + A_YEAR).to_string();
    console.says(&[
        "agreement",
        "make",
        "perugia-corciano",
        "--title",
        "Protocollo di intesa",
        "--legal-basis",
        "L. 48/2017, art. 5",
        "--giver",
        "Perugia",
        "--receiver",
        NEIGHBOUR,
        "--receiver",
        "questura",
        "--purpose",
        "public-safety",
        "--until",
        &until,
    ])?;
    sharing.neighbour_under = neighbour.all(from, to).await?.len();
    console.says(&["agreement", "end", "perugia-corciano"])?;
    sharing.neighbour_after = neighbour.all(from, to).await?.len();
    stop(&own, &commander, plate, &mut sharing).await?;
    Ok(sharing)
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

/// Whether the hub refuses a purpose that the regulation excludes (art. 4 c. 7).
async fn refuses_sanctions(own: &Hub, plate: &str) -> anyhow::Result<bool> {
    let looking = json!({
        "plate": plate, "purpose": "sanction", "case_reference": "demo-2026-003",
        "from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z",
    });
    let (status, _) = own.post("/api/v1/lookups", &looking).await?;
    Ok(status == 422)
}

/// Who answers for the body lists a colleague's plate; who looks for it is stopped, until a second person agrees.
async fn stop(
    own: &Hub,
    commander: &Hub,
    plate: &str,
    sharing: &mut Sharing,
) -> anyhow::Result<()> {
    let listed = json!({ "plates": [plate] });
    commander.post("/api/v1/own-plates", &listed).await?;
    let asked = json!({
        "plate": plate, "purpose": "public-safety", "case_reference": "demo-2026-002",
    });
    let looking = json!({
        "plate": plate, "purpose": "public-safety", "case_reference": "demo-2026-002",
        "from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z",
    });
    let (status, answer) = own.post("/api/v1/lookups", &looking).await?;
    if status == 403 {
        let rule = answer["needs_second_person"]["rule"].as_str();
        sharing.stopped_by = rule.map(str::to_owned);
    }
    let (_, asked) = own.post("/api/v1/second-looks", &asked).await?;
    let number = asked["number"]
        .as_u64()
        .context("no second look was asked for")?;
    let path = format!("/api/v1/second-looks/{number}/decision");
    commander.post(&path, &json!({ "agree": true })).await?;
    let (status, _) = own.post("/api/v1/lookups", &looking).await?;
    sharing.opened_by_a_second_person = status == 200;
    Ok(())
}
