//! What the hub's own command exports and proves holds for an implementation of C2SP's logs by others (aics-tlog,
//! pinned in `hub/tests/api/requirements.lock`), and for the command itself where there is no hub.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use varco_hub::audit::action::Action;
use varco_hub::audit::actor::Actor;
use varco_hub::audit::{self, AuditEntry};
use varco_hub::config::audit::WitnessAddress;
use varco_hub::timekeeping::{Clock as _, SystemClock};
use varco_hub::witnessing::sending::Sending;
use varco_hub::witnessing::standing;

use crate::generated::python;
use crate::support::{House, SECOND};

/// The built command; gives its exit code and what it printed.
fn hub(home: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_varco-hub"))
        .arg("--home")
        .arg(home)
        .args(arguments)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap(), told + &complaints)
}

fn told(home: &Path, arguments: &[&str]) -> Value {
    let (code, text) = hub(home, &[&["--json"], arguments].concat());
    assert_eq!(code, 0, "{arguments:?}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// A witness in a process of its own, ended with this.
struct Witness(Child);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn run_witness(folder: &str, port: u16) -> Witness {
    let child = Command::new(env!("CARGO_BIN_EXE_varco-hub"))
        .args(["witness", "run", "--folder", folder])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let witness = Witness(child);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        tokio::time::sleep(SECOND / 50).await;
    }
    witness
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A hub of 300 lines and more, whose last were cosigned, with the folder that its command exported.
struct Checked {
    house: House,
    folder: tempfile::TempDir,
    log_key: String,
    hub_key: String,
    witness_key: String,
}

async fn checked() -> Checked {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    let (key, mut main) = (
        house.home.sealing_key().unwrap(),
        house.home.open_main().unwrap(),
    );
    for number in 0..300 {
        let details = json!({ "number": number });
        let entry = AuditEntry::plain(Actor::console(), Action::GatesListed, details);
        audit::append_alone(&mut main, &entry, house.clock.now(), &key).unwrap();
    }
    let keys = told(house.home.root(), &["audit", "key"]);
    let log_key = keys["log_key"].as_str().unwrap().to_owned();
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let place = folder.path().join("witness");
    let (place, listen) = (text(&place).to_owned(), format!("127.0.0.1:{port}"));
    let init = [
        "witness",
        "init",
        "--name",
        "dpo.example.it",
        "--folder",
        &place,
    ];
    let rest = ["--listen", &listen, "--log", &log_key];
    let made = told(house.home.root(), &[&init[..], &rest].concat());
    let witness_key = made["key"].as_str().unwrap().to_owned();
    let _witness = run_witness(&place, port).await;
    let witnesses = vec![WitnessAddress {
        address: format!("http://{listen}"),
        key: witness_key.parse().unwrap(),
        ca_file: None,
    }];
    standing::take_over(&mut main, &witnesses, house.clock.now(), &key).unwrap();
    let out = folder.path().join("out");
    // The line of an export is written before it: the checkpoint of all lines is cosigned after that.
    let sending = Sending {
        main: house.home.main_database(),
        key,
        clock: house.clock.clone(),
        witnesses,
        authority: house.home.authority_certificate(),
    };
    told(
        house.home.root(),
        &["audit", "export", text(&folder.path().join("early"))],
    );
    sending.round(SystemClock.now()).await.unwrap();
    let view = main.transaction().unwrap();
    let key = house.home.sealing_key().unwrap();
    audit::export::export(&view, &key, &out, |_| Ok(true)).unwrap();
    drop(view);
    drop(main);
    Checked {
        house,
        folder,
        log_key,
        hub_key: keys["hub_key"].as_str().unwrap().to_owned(),
        witness_key,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_part_an_implementation_by_others_checks_inclusion_consistency_and_a_cosigned_checkpoint()
 {
    let checked = checked().await;
    let home = checked.house.home.root();
    let size = checked.house.count("SELECT count(*) FROM audit");
    // A proof by the cosigned checkpoint, of a line in the second tile.
    let proved = told(home, &["audit", "prove", "280"]);
    let proof = proved["proof"].as_str().unwrap();
    let (hashes, _) = proof.split_once("\n\n").unwrap();
    let hashes: Vec<&str> = hashes.lines().skip(2).collect();
    let size = size.to_string();
    let consistent = told(home, &["audit", "consistency", "133", &size]);
    let out: PathBuf = checked.folder.path().join("out");
    let asked = json!({
        "folder": out,
        "log_key": checked.log_key,
        "witness_key": checked.witness_key,
        "line_index": 279,
        "proof": hashes,
        "old_size": 133,
        "old_root": consistent["old_root"],
        "consistency": consistent["hashes"],
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/tlog_check.py");
    let mut child = Command::new(python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(asked.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let said = String::from_utf8_lossy(&output.stdout);
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said, ["checkpoint", "tiles", "inclusion", "consistency"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c43_part_the_command_checks_an_exported_folder_and_one_line_where_there_is_no_hub() {
    let checked = checked().await;
    let (home, elsewhere) = (checked.house.home.root(), checked.folder.path());
    let nowhere = elsewhere.join("nowhere");
    let out = elsewhere.join("out");
    let place = elsewhere.join("witness");
    let (code, seen) = hub(
        &nowhere,
        &["witness", "checkpoint", "--folder", text(&place)],
    );
    assert_eq!(code, 0, "{seen}");
    let noted = elsewhere.join("noted.json");
    std::fs::write(&noted, seen).unwrap();
    let keys = [
        "--log-key",
        &checked.log_key,
        "--witness",
        &checked.witness_key,
    ];
    let whole = ["--folder", text(&out), "--hub-key", &checked.hub_key];
    let verify = |more: &[&str]| {
        let all = [&["--json", "audit", "verify"], &keys[..], &whole, more].concat();
        let (code, text) = hub(&nowhere, &all);
        let told: Value = serde_json::from_str(&text).unwrap();
        (code, told)
    };
    let (code, told_of) = verify(&["--checkpoint", text(&noted)]);
    assert_eq!((code, &told_of["intact"]), (0, &json!(true)), "{told_of}");
    assert!(told_of["seconds"].as_f64().unwrap() < 1.0, "{told_of}");
    let rows = std::fs::read_to_string(out.join("lines.jsonl")).unwrap();
    std::fs::write(
        out.join("lines.jsonl"),
        rows.replace("\\\"number\\\":77", "\\\"number\\\":78"),
    )
    .unwrap();
    let (code, told_of) = verify(&[]);
    assert_eq!(code, 1);
    let wrong = told_of["findings"][0]["what"].as_str().unwrap();
    assert!(wrong.contains("digest is not that of its text"), "{wrong}");
    // One line, with nothing of the others.
    let line = elsewhere.join("line");
    let (code, _) = hub(home, &["audit", "prove", "100", "--out", text(&line)]);
    assert_eq!(code, 0);
    let (proof, line) = (line.join("line-100.tlog-proof"), line.join("line-100.json"));
    let one = ["--proof", text(&proof), "--line", text(&line)];
    let all = [&["audit", "verify"], &keys[..], &one].concat();
    let (code, said) = hub(&nowhere, &all);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("proved: line 100"), "{said}");
    let changed = std::fs::read_to_string(&line).unwrap();
    std::fs::write(&line, changed.replace("console", "nobody")).unwrap();
    assert_eq!(hub(&nowhere, &all).0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c24_part_each_reading_of_the_audit_by_the_command_is_a_line() {
    let house = House::new();
    let home = house.home.root();
    let before = house.count("SELECT count(*) FROM audit WHERE action = 'audit-read'");
    for reading in [
        &["audit", "show", "3"][..],
        &["audit", "show"],
        &["audit", "prove", "1"],
        &["audit", "consistency", "1"],
        &[
            "audit",
            "search",
            "--action",
            "gates-listed",
            "--limit",
            "3",
        ],
    ] {
        let (code, said) = hub(home, reading);
        assert_eq!(code, 0, "{said}");
    }
    let after = house.count("SELECT count(*) FROM audit WHERE action = 'audit-read'");
    assert_eq!(after, before + 5);
}
