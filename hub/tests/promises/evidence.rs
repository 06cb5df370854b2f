//! Records leave the hub by an authorisation alone, masked, in a package that anybody checks elsewhere (C43, C48, C50,
//! C68, C69, C71, E05).

use std::fs;
use std::path::Path;
use std::process::Command;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use varco_hub::audit::acting::Acting;
use varco_hub::audit::actor::Actor;
use varco_hub::bodies::BodyId;
use varco_hub::evidence::container;
use varco_hub::evidence::contents::{PackageContents, RecordSheet, paths};
use varco_hub::evidence::verify::{
    EvidenceCheck, EvidencePart, EvidenceStanding, EvidenceTrust, verify,
};
use varco_hub::opening::floor;
use varco_hub::people::appointing::{self, WantedAppointment};
use varco_hub::people::appointments::Role;
use varco_hub::people::tokens::{Permission, Permissions};
use varco_hub::timekeeping::Clock as _;
use varco_proto::cipher::Key;
use varco_proto::transit::PlateCrop;

use crate::blocked::agree;
use crate::stamping::Authority;
use crate::support::{Carrying as _, DAY, House, SECOND, Served, token_of};

const EVIDENCE: &str = "/api/v1/evidence";

/// Four transits with real pictures, an operator who extracts, and the responsible of their office.
struct Office {
    house: House,
    hub: Served,
    operator: String,
    responsible: String,
    ids: Vec<String>,
}

/// Appoints somebody of whoever runs the hub.
fn appoint(house: &House, name: &str, role: Role, may: &[Permission]) {
    let now = house.clock.now();
    let wanted = WantedAppointment {
        name: name.to_owned(),
        body: BodyId::owner(),
        role,
        may: Permissions::of(may),
        act: "Decreto 1/2026 del Sindaco".to_owned(),
        is_police: true,
        trained_on: None,
        from: now,
        until: None,
    };
    let acting = Acting {
        actor: &Actor::console(),
        now,
        key: &house.home.sealing_key().unwrap(),
    };
    let mut main = house.home.open_main().unwrap();
    appointing::appoint(&mut main, &wanted, &acting).unwrap();
}

/// A white plate with its margin, and a red face at the edge of the crop.
fn crop() -> PlateCrop {
    let picture =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/crop.jpg")).unwrap();
    PlateCrop {
        jpeg: picture,
        width_px: 230,
        height_px: 72,
    }
}

impl Office {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(configure: impl FnOnce(&House)) -> Self {
        let house = House::new();
        configure(&house);
        let mut edge = house.edge("porta-nord-01");
        let mut writer = house.writer();
        let mut ids = Vec::new();
        for plate in ["AB123CD", "AB123CD", "ZZ999ZZ", "CC333CC"] {
            let mut transit = edge.transit(plate, house.clock.now());
            transit.crop = crop();
            ids.push(transit.id.to_string());
            writer.take(&[edge.seal_transit(transit)]).unwrap();
            house.clock.advance(SECOND);
        }
        let operator = token_of(
            &house,
            "Isp. Bianchi",
            &[Permission::Lookups, Permission::Cases],
        );
        let all = [Permission::Lookups, Permission::Cases];
        let responsible = token_of(&house, "Com. Rossi", &all);
        appoint(&house, "Com. Rossi", Role::Responsible, &all);
        let hub = house.serve().await;
        Self {
            house,
            hub,
            operator,
            responsible,
            ids,
        }
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> (u16, HeaderMap, Vec<u8>) {
        let request = self
            .hub
            .client
            .post(format!("{}{path}", self.hub.url))
            .carrying(token);
        let answer = request.json(body).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, answer.bytes().await.unwrap().to_vec())
    }

    async fn json(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, _, bytes) = self.post(token, path, body).await;
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }

    fn wanted(&self, of: &[usize]) -> Value {
        let transits: Vec<_> = of.iter().map(|at| self.ids[*at].clone()).collect();
        json!({
            "case_type": "complaint", "reference": "denuncia 12/2026 del 22.11.2026",
            "recipient_kind": "subject", "recipient": "Maria Verdi", "transits": transits,
            "purpose": "public-safety", "case_reference": "RGNR 123/2026",
        })
    }

    /// The id of a request for this.
    async fn asked(&self, wanted: &Value) -> String {
        let mut subject = wanted.clone();
        subject["for"] = json!("extraction");
        let body = json!({ "subject": subject, "reason": "istanza della persona", "minutes": 60 });
        let (status, answer) = self.json(&self.operator, "/api/v1/approvals", &body).await;
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    async fn decide(&self, token: &str, id: &str, approve: bool) -> (u16, Value) {
        let path = format!("/api/v1/approvals/{id}/decision");
        let said = json!({ "approve": approve, "note": "prot. 77/2026" });
        self.json(token, &path, &said).await
    }

    /// The id of a request that the responsible approved.
    async fn approved(&self, wanted: &Value) -> String {
        let id = self.asked(wanted).await;
        let (status, answer) = self.decide(&self.responsible, &id, true).await;
        assert_eq!(status, 200, "{answer}");
        id
    }

    async fn extract(&self, wanted: &Value, by: &str, id: &Value) -> (u16, HeaderMap, Vec<u8>) {
        let mut body = wanted.clone();
        body[by] = id.clone();
        self.post(&self.operator, EVIDENCE, &body).await
    }

    fn trust(&self) -> EvidenceTrust {
        EvidenceTrust {
            hub: Some(self.house.home.sealing_key().unwrap().opening_key()),
            ..EvidenceTrust::default()
        }
    }
}

fn standing(check: &EvidenceCheck, part: EvidencePart) -> EvidenceStanding {
    let of = check.findings.iter().filter(|finding| finding.part == part);
    of.map(|finding| finding.standing).min().unwrap()
}

fn contents(package: &[u8]) -> PackageContents {
    let files = container::read(package).unwrap();
    let found = files
        .iter()
        .find(|file| file.path == paths::CONTENTS)
        .unwrap();
    serde_json::from_slice(&found.bytes).unwrap()
}

fn records(package: &[u8]) -> Vec<RecordSheet> {
    let files = container::read(package).unwrap();
    let records = files
        .iter()
        .filter(|file| file.path.starts_with("records/"));
    records
        .map(|file| serde_json::from_slice(&file.bytes).unwrap())
        .collect()
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c50_nothing_is_extracted_but_what_the_responsible_authorised_for_this_case_once() {
    let office = Office::new().await;
    let wanted = office.wanted(&[0, 1]);
    // Without an authorisation, and with one that nobody gave.
    let (status, answer) = office.json(&office.operator, EVIDENCE, &wanted).await;
    assert_eq!(status, 422, "{answer}");
    let (status, ..) = office
        .extract(&wanted, "approval", &json!("r0123456789abcdef"))
        .await;
    assert_eq!(status, 403);
    // One that waits, and one that the operator would give to themself.
    let waits = office.asked(&wanted).await;
    assert_eq!(
        office.extract(&wanted, "approval", &json!(waits)).await.0,
        403
    );
    assert_eq!(office.decide(&office.operator, &waits, true).await.0, 403);
    assert_eq!(
        office.extract(&wanted, "approval", &json!(waits)).await.0,
        403
    );
    // One that was refused.
    assert_eq!(
        office.decide(&office.responsible, &waits, false).await.0,
        200
    );
    assert_eq!(
        office.extract(&wanted, "approval", &json!(waits)).await.0,
        403
    );
    // One that was given: for this, and for nothing more.
    let id = json!(office.approved(&wanted).await);
    let other = |field: &str, value: Value| {
        let mut other = wanted.clone();
        other[field] = value;
        other
    };
    for changed in [
        office.wanted(&[0, 1, 2]),
        office.wanted(&[0]),
        office.wanted(&[2, 3]),
        other("reference", json!("denuncia 13/2026")),
        other("recipient", json!("Mario Neri")),
        other("recipient_kind", json!("office")),
        other("case_type", json!("illicit")),
        other("case_reference", json!("RGNR 124/2026")),
        other("purpose", json!("traffic")),
    ] {
        let (status, _, bytes) = office.extract(&changed, "approval", &id).await;
        assert_eq!(status, 403, "{changed} {}", String::from_utf8_lossy(&bytes));
    }
    // Not by another person, and not after its time.
    let second = token_of(
        &office.house,
        "Ag. Neri",
        &[Permission::Lookups, Permission::Cases],
    );
    let mut body = wanted.clone();
    body["approval"] = id.clone();
    assert_eq!(office.post(&second, EVIDENCE, &body).await.0, 403);
    assert_eq!(
        office
            .house
            .count("SELECT count(*) FROM audit WHERE action = 'evidence-extracted'"),
        0
    );
    let (status, _, package) = office.extract(&wanted, "approval", &id).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&package));
    let told: Vec<_> = records(&package)
        .iter()
        .map(|sheet| sheet.transit.clone())
        .collect();
    assert_eq!(told, office.ids[..2], "exactly what was authorised");
    assert_eq!(
        office.extract(&wanted, "approval", &id).await.0,
        403,
        "once"
    );
    assert_eq!(
        office
            .house
            .count("SELECT count(*) FROM audit WHERE action = 'evidence-extracted'"),
        1
    );
    let late = json!(office.approved(&wanted).await);
    office.house.clock.advance(SECOND * 3601);
    assert_eq!(
        office.extract(&wanted, "approval", &late).await.0,
        403,
        "its time is over"
    );
}

#[tokio::test]
async fn e05_each_extraction_has_one_of_three_cases_and_a_reference_in_package_and_audit() {
    let office = Office::new().await;
    for case in ["complaint", "illicit", "institutional"] {
        let mut wanted = office.wanted(&[2]);
        wanted["case_type"] = json!(case);
        let id = json!(office.approved(&wanted).await);
        let (status, _, package) = office.extract(&wanted, "approval", &id).await;
        assert_eq!(status, 200, "{case}");
        let contents = contents(&package);
        assert_eq!(contents.wanted.case_type.as_str(), case);
        assert_eq!(contents.wanted.reference, "denuncia 12/2026 del 22.11.2026");
        let last = office
            .house
            .count("SELECT max(sequence) FROM audit WHERE action = 'evidence-extracted'");
        let line = office.house.audit_line(last);
        assert!(
            line.contains(case) && line.contains("denuncia 12/2026 del 22.11.2026"),
            "{line}"
        );
        assert!(
            !line.contains("Maria Verdi"),
            "whom it is for stands in the package: {line}"
        );
    }
    for (field, wrong) in [
        ("case_type", json!("curiosity")),
        ("case_type", json!("")),
        ("reference", json!(" ")),
        ("recipient", json!("x")),
        ("recipient_kind", json!("friend")),
        ("transits", json!([])),
        ("transits", json!(["x"])),
    ] {
        let mut wanted = office.wanted(&[2]);
        wanted[field] = wrong;
        let (status, ..) = office
            .extract(&wanted, "approval", &json!("r0123456789abcdef"))
            .await;
        assert!(status == 422 || status == 400, "{field}: {status}");
    }
    let mut none = office.wanted(&[2]);
    none.as_object_mut().unwrap().remove("case_type");
    assert_eq!(
        office
            .extract(&none, "approval", &json!("r0123456789abcdef"))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn c69_c71_whoever_is_shown_gets_their_own_records_masked_and_nothing_unmasked_leaves() {
    let office = Office::new().await;
    let wanted = office.wanted(&[0, 1]);
    let id = json!(office.approved(&wanted).await);
    let (_, headers, package) = office.extract(&wanted, "approval", &id).await;
    assert!(headers.get("varco-originals-key").is_none());
    for sheet in records(&package) {
        assert_eq!(sheet.plate_read, "AB123CD", "no record of another");
    }
    let original = crop().jpeg;
    let holds = |part: &[u8]| package.windows(part.len()).any(|at| at == part);
    assert!(!holds(&original) && !holds(&original[original.len() / 2..original.len() / 2 + 64]));
    let files = container::read(&package).unwrap();
    let pictures: Vec<_> = files
        .iter()
        .filter(|file| file.path.starts_with("pictures/"))
        .collect();
    assert_eq!(pictures.len(), 2);
    for file in &files {
        let is_jpeg = file.bytes.windows(3).any(|at| at == [0xff, 0xd8, 0xff]);
        assert!(!is_jpeg, "{} may hold a crop", file.path);
        assert!(!file.path.starts_with("originals/"));
    }
    for picture in pictures {
        assert!(
            !has_red(&picture.bytes),
            "the face at the edge is painted over"
        );
    }
    // Nor a record of another, though somebody authorised it.
    let others = office.wanted(&[0, 2]);
    let id = json!(office.approved(&others).await);
    let (status, _, why) = office.extract(&others, "approval", &id).await;
    assert_eq!(status, 422, "{}", String::from_utf8_lossy(&why));
    // A third party gets no original, whoever authorises it; nor does an office.
    for kind in ["subject", "office", "judicial-police"] {
        let mut wanted = office.wanted(&[0]);
        wanted["originals"] = json!(true);
        wanted["recipient_kind"] = json!(kind);
        let (status, ..) = office
            .extract(&wanted, "approval", &json!("r0123456789abcdef"))
            .await;
        assert_eq!(status, 422, "{kind}");
    }
}

/// Whether a PNG shows a red pixel; through the hub's own door nobody decodes it here but by Python's standard library.
fn has_red(png: &[u8]) -> bool {
    let script = "import sys,zlib,struct\n\
        b=sys.stdin.buffer.read(); at=8; data=b''\n\
        while at<len(b):\n\
        \x20n,=struct.unpack('>I',b[at:at+4]); k=b[at+4:at+8]\n\
        \x20if k==b'IHDR': w,h,d,c=struct.unpack('>IIBB',b[at+8:at+18])\n\
        \x20if k==b'IDAT': data+=b[at+8:at+8+n]\n\
        \x20at+=12+n\n\
        assert (d,c)==(8,2)\n\
        raw=zlib.decompress(data); s=w*3; prev=bytearray(s); red=False\n\
        def paeth(a,b,c):\n\
        \x20p=a+b-c; q=[abs(p-a),abs(p-b),abs(p-c)]\n\
        \x20return (a,b,c)[q.index(min(q))]\n\
        for y in range(h):\n\
        \x20f=raw[y*(s+1)]; row=bytearray(raw[y*(s+1)+1:(y+1)*(s+1)])\n\
        \x20for i in range(s):\n\
        \x20\x20a=row[i-3] if i>2 else 0; u=prev[i]; c=prev[i-3] if i>2 else 0\n\
        \x20\x20row[i]=(row[i]+[0,a,u,(a+u)//2,paeth(a,u,c)][f])&255\n\
        \x20red|=any(row[i]>120 and row[i+1]<80 for i in range(0,s,3)); prev=row\n\
        print('red' if red else 'none')\n";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), png).unwrap();
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    String::from_utf8_lossy(&out.stdout).trim() == "red"
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c48_c68_judicial_requests_are_always_served_by_an_authorisation_that_is_recorded() {
    let office = Office::new().await;
    let mut wanted = office.wanted(&[0, 3]);
    wanted["recipient_kind"] = json!("judicial-authority");
    wanted["recipient"] = json!("Procura di Perugia");
    wanted["originals"] = json!(true);
    // Not even a prosecutor's request is served without one.
    for number in [1, 2] {
        assert_eq!(
            office.extract(&wanted, "standing", &json!(number)).await.0,
            403
        );
    }
    let permit = |kind: &str, until: varco_proto::time::UtcTime| json!({"recipient_kind": kind, "act": "decreto 5/2026 del Comandante", "until": until.to_string()});
    let now = office.house.clock.now();
    let path = "/api/v1/extraction-permits";
    // The responsible records it; nobody else does, for nobody else, and not for ever.
    let good = permit("judicial-authority", now + DAY * 300);
    assert_eq!(office.json(&office.operator, path, &good).await.0, 403);
    assert_eq!(
        office
            .json(&office.responsible, path, &permit("subject", now + DAY))
            .await
            .0,
        422
    );
    assert_eq!(
        office
            .json(
                &office.responsible,
                path,
                &permit("judicial-police", now + DAY * 400)
            )
            .await
            .0,
        422
    );
    assert_eq!(
        office
            .json(&office.responsible, path, &permit("judicial-police", now))
            .await
            .0,
        422
    );
    let (status, made) = office.json(&office.responsible, path, &good).await;
    assert_eq!(status, 201, "{made}");
    let number = made["number"].clone();
    // It serves request after request, each with its own line; and none of another kind.
    let mut other = wanted.clone();
    other["recipient_kind"] = json!("judicial-police");
    other["originals"] = json!(false);
    assert_eq!(office.extract(&other, "standing", &number).await.0, 403);
    for count in 1..=2 {
        let (status, headers, package) = office.extract(&wanted, "standing", &number).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&package));
        let lines = "SELECT count(*) FROM audit WHERE action = 'evidence-extracted'";
        assert_eq!(office.house.count(lines), count);
        let contents = contents(&package);
        assert_eq!(contents.permit.given_by, "Com. Rossi");
        assert_eq!(
            contents.permit.act.as_deref(),
            Some("decreto 5/2026 del Comandante")
        );
        // The originals are sealed; the key went apart, and opens what the edge signed.
        let key = headers
            .get("varco-originals-key")
            .unwrap()
            .to_str()
            .unwrap();
        let key = Key::from_bytes(&hex::decode(key).unwrap());
        let check = verify(
            &package,
            &EvidenceTrust {
                originals: key,
                ..office.trust()
            },
        );
        assert!(check.intact, "{check:#?}");
        assert_eq!(
            standing(&check, EvidencePart::Envelopes),
            EvidenceStanding::Established
        );
    }
    // It ends when it is ended.
    let end = format!("{path}/{number}/end");
    assert_eq!(
        office.post(&office.operator, &end, &Value::Null).await.0,
        403
    );
    assert_eq!(
        office.post(&office.responsible, &end, &Value::Null).await.0,
        204
    );
    assert_eq!(office.extract(&wanted, "standing", &number).await.0, 403);
    // An older database, put in place, does not bring it back.
    let mut main = office.house.home.open_main().unwrap();
    floor::keep(&office.house.home, &main).unwrap();
    main.execute("UPDATE standing_permits SET ended_at_us = NULL", [])
        .unwrap();
    let raised = floor::hold(&office.house.home, &mut main, now).unwrap();
    assert_eq!(raised.permits.len(), 1);
    assert_eq!(office.extract(&wanted, "standing", &number).await.0, 403);
    for action in ["standing-permit-made", "standing-permit-ended"] {
        assert_eq!(
            office.house.count(&format!(
                "SELECT count(*) FROM audit WHERE action = '{action}'"
            )),
            1
        );
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
#[tokio::test]
async fn c43_evidence_is_exported_and_any_change_of_it_is_found_elsewhere_by_the_command() {
    let office = Office::new().await;
    let mut wanted = office.wanted(&[0, 1]);
    wanted["recipient_kind"] = json!("judicial-authority");
    wanted["recipient"] = json!("Procura di Perugia");
    let id = json!(office.approved(&wanted).await);
    let (_, headers, package) = office.extract(&wanted, "approval", &id).await;
    let check = verify(&package, &office.trust());
    assert!(check.intact, "{check:#?}");
    assert_eq!(
        headers
            .get("varco-package-sha256")
            .unwrap()
            .to_str()
            .unwrap(),
        check.sha256
    );
    for part in [
        EvidencePart::HubSignature,
        EvidencePart::Digests,
        EvidencePart::Contents,
        EvidencePart::AuditLine,
        EvidencePart::Inclusion,
        EvidencePart::Checkpoint,
    ] {
        assert_eq!(
            standing(&check, part),
            EvidenceStanding::Established,
            "{check:#?}"
        );
    }
    // Each byte of a random sample, and all of the first and the last four thousand.
    let ends = (0..4000).chain(package.len() - 4000..package.len());
    for at in ends.chain((0..package.len()).step_by(211)) {
        let mut changed = package.clone();
        changed[at] ^= 0x10;
        assert!(!verify(&changed, &office.trust()).intact, "byte {at}");
    }
    // The command, without a home and without a network.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("package.zip");
    fs::write(&file, &package).unwrap();
    let key = office
        .house
        .home
        .sealing_key()
        .unwrap()
        .opening_key()
        .to_string();
    let told = |file: &Path, key: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_varco-hub"));
        command
            .args(["--home", "/nowhere", "evidence", "verify"])
            .arg(file);
        command.args(key.into_iter().flat_map(|key| ["--key", key]));
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (code, text) = told(&file, Some(&key));
    assert_eq!(
        code, 3,
        "what the hub alone says is not established: {text}"
    );
    assert!(
        text.contains("NOT ESTABLISHED") && text.contains("established"),
        "{text}"
    );
    let (code, text) = told(&file, None);
    assert_eq!(code, 3);
    assert!(text.contains("whose it is, is not established"), "{text}");
    let mut changed = package.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let other = folder.path().join("changed.zip");
    fs::write(&other, &changed).unwrap();
    let (code, text) = told(&other, Some(&key));
    assert_eq!(code, 1);
    assert!(text.contains("WRONG"), "{text}");
    // Any unpacker opens it.
    let listed = Command::new("python3")
        .args(["-c", "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(len(z.namelist()))"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
}

#[tokio::test]
async fn c43_part_a_real_service_stamps_the_package_and_without_it_nothing_leaves() {
    let mut authority = Authority::new();
    let office = Office::with(|house| authority.serve_for(house)).await;
    let mut wanted = office.wanted(&[0]);
    wanted["recipient_kind"] = json!("judicial-police");
    wanted["recipient"] = json!("Squadra Mobile");
    let id = json!(office.approved(&wanted).await);
    // A service that answers for something else, and one that is away: nothing leaves, and nothing is used up.
    for how in ["other-imprint", "other-nonce", "garbage", "away"] {
        authority.answer(how);
        let (status, ..) = office.extract(&wanted, "approval", &id).await;
        assert_eq!(status, 503, "{how}");
    }
    authority.answer("well");
    let (status, _, package) = office.extract(&wanted, "approval", &id).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&package));
    let check = verify(&package, &office.trust());
    assert!(check.intact, "{check:#?}");
    assert_eq!(
        standing(&check, EvidencePart::TimeStamp),
        EvidenceStanding::NotEstablished
    );
    for believed in [authority.root(), authority.own()] {
        let trust = EvidenceTrust {
            stampers: vec![believed],
            ..office.trust()
        };
        assert_eq!(
            standing(&verify(&package, &trust), EvidencePart::TimeStamp),
            EvidenceStanding::Established
        );
    }
    let stranger = EvidenceTrust {
        stampers: vec![Authority::new().root()],
        ..office.trust()
    };
    assert_eq!(
        standing(&verify(&package, &stranger), EvidencePart::TimeStamp),
        EvidenceStanding::NotEstablished
    );
}

#[tokio::test]
async fn c01_part_a_blocked_record_is_not_extracted_from_the_store_or_from_its_case() {
    let office = Office::new().await;
    let order = json!({
        "id": "rgnr-123", "authority": "Procura di Perugia", "order": "decreto 5/2026",
        "until": "2027-03-01T00:00:00Z", "purpose": "public-safety", "case_reference": "RGNR 123/2026",
    });
    assert_eq!(
        office
            .json(&office.operator, "/api/v1/cases", &order)
            .await
            .0,
        201
    );
    let now = office.house.clock.now();
    let hold = json!({
        "plate": "AB123CD", "from": (now - DAY).to_string(), "to": now.to_string(), "purpose": "public-safety",
        "case_reference": "RGNR 123/2026",
    });
    let (status, held) = office
        .json(&office.operator, "/api/v1/cases/rgnr-123/holdings", &hold)
        .await;
    assert_eq!((status, &held["held"]), (200, &json!(2)));
    let mut from_case = office.wanted(&[0, 1]);
    from_case["held_in"] = json!("rgnr-123");
    let id = json!(office.approved(&from_case).await);
    let block = json!({
        "transits": [office.ids[0]], "order": "istanza 9/2026", "purpose": "public-safety",
        "case_reference": "PG 9/2026",
    });
    assert_eq!(
        office
            .post(&office.operator, "/api/v1/blocks", &block)
            .await
            .0,
        204
    );
    assert_eq!(office.extract(&from_case, "approval", &id).await.0, 422);
    let from_store = office.wanted(&[0, 1]);
    let other = json!(office.approved(&from_store).await);
    assert_eq!(office.extract(&from_store, "approval", &other).await.0, 422);
    // What the case holds beyond the term leaves too, once nothing of it is blocked.
    let mut free = block.clone();
    free["lift"] = json!(true);
    let (status, asked) = office.json(&office.operator, "/api/v1/blocks", &free).await;
    assert_eq!(status, 202, "{asked}");
    agree(&office.house, &office.hub, &asked).await;
    assert_eq!(
        office
            .post(&office.operator, "/api/v1/blocks", &free)
            .await
            .0,
        204
    );
    let (status, _, package) = office.extract(&from_case, "approval", &id).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&package));
    assert_eq!(records(&package).len(), 2);
}

#[tokio::test]
async fn c35_part_a_correction_goes_along_with_what_was_read() {
    let office = Office::new().await;
    let body = json!({
        "plate": "AB123OD", "reason": "la foto mostra O", "purpose": "public-safety", "case_reference": "PG 9/2026",
    });
    let path = format!("/api/v1/transits/{}/corrections", office.ids[0]);
    assert_eq!(office.json(&office.operator, &path, &body).await.0, 201);
    let wanted = office.wanted(&[0]);
    let id = json!(office.approved(&wanted).await);
    let (status, _, package) = office.extract(&wanted, "approval", &id).await;
    assert_eq!(status, 200);
    let sheet = &records(&package)[0];
    assert_eq!(
        (sheet.plate_read.as_str(), sheet.plate()),
        ("AB123CD", "AB123OD")
    );
    assert!(verify(&package, &office.trust()).intact);
}
