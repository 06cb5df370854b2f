//! What the house rules say of the source tree.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decoders;
mod rooms;
mod shape;
mod specification;

use std::fs;
use std::path::{Path, PathBuf};

/// Each outside crate, and the only places it may be named in. A place is a file or a folder.
const DOORS: &[(&str, &[&str])] = &[
    (
        "gstreamer",
        &[
            "edge/src/adapters/capture",
            "edge/tests",
            "deploy/rig/src/camera",
        ],
    ),
    ("ort", &["edge/src/adapters/onnx"]),
    (
        "rumqttc",
        &[
            "edge/src/adapters/uplink",
            "edge/src/adapters/feed",
            "edge/tests",
            "hub/src/intake",
            "deploy/rig/src/sender",
        ],
    ),
    ("scopeguard", &["hub/src/store/pool"]),
    (
        "rusqlite",
        &[
            "edge/src/adapters/spool",
            "hub/src/store",
            "hub/tests",
            "tests/whole",
            "benches/src/spool",
        ],
    ),
    (
        "tokio_postgres",
        &["hub/src/postgres", "hub/src/config/postgres_address"],
    ),
    ("fast_image_resize", &["edge/src/core/scale"]),
    ("argon2", &["hub/src/signing/passwords"]),
    ("totp_rs", &["hub/src/signing/totp"]),
    ("webauthn_rp", &["hub/src/signing/webauthn"]),
    ("qrcodegen", &["hub/src/signing/qr"]),
    ("axum", &["hub/src/web", "edge/src/adapters/http"]),
    ("encoding_rs", &["edge/src/onboard/text"]),
    ("hyper", &["edge/src/adapters/http"]),
    (
        "hyper_util",
        &["hub/src/web/server", "edge/src/adapters/http"],
    ),
    ("tokio_rustls", &["edge/src/adapters/http"]),
    (
        "md5",
        &[
            "edge/src/adapters/http/digest",
            "edge/src/adapters/capture/rtsp/login",
            "edge/tests/odd_camera",
        ],
    ),
    ("quick_xml", &["edge/src/onboard/tree"]),
    (
        "jiff",
        &[
            "proto/src/time",
            "edge/src/onboard/moment",
            "hub/src/hotlists/import/dates",
        ],
    ),
    ("unicode_normalization", &["proto/src/letters"]),
    ("sd_notify", &["edge/src/adapters/systemd"]),
    (
        "rcgen",
        &[
            "hub/src/certificates",
            "hub/tests",
            "edge/src/adapters/identity",
            "edge/tests",
        ],
    ),
    (
        "x509_parser",
        &[
            "edge/src/adapters/identity",
            "hub/src/certificates",
            "hub/src/evidence/stamp",
        ],
    ),
    ("krilla", &["hub/src/evidence/report/page"]),
    ("crc32fast", &["hub/src/evidence/container"]),
    ("x509_tsp", &["hub/src/evidence/stamp"]),
    ("cms", &["hub/src/evidence/stamp"]),
    // The edge has a module of this name, and not the crate.
    (
        "metrics",
        &["hub/src/machine/measures", "edge/src/adapters/http"],
    ),
    ("metrics_exporter_prometheus", &["hub/src/machine/measures"]),
    ("rayon", &["hub/src/intake/pool"]),
    ("cedar_policy", &["hub/src/policy"]),
    ("uzers", &["hub/src/opening/init"]),
    ("tlog_tiles", &["hub/src/tlog/tree"]),
    ("prost", &["proto/", "tests/whole", "hub/tests"]),
    ("libfuzzer_sys", &["fuzz/fuzz_targets"]),
    ("cap", &["fuzz/src/lib"]),
    (
        "proptest",
        &[
            "hub/src/chains/properties",
            "hub/src/hours/properties",
            "hub/src/judgement/rule/properties",
            "hub/src/lookups/counts/properties",
            "hub/src/municipalities/properties",
            "hub/src/plates/properties",
            "hub/src/tlog/properties",
        ],
    ),
];
/// Above this a file has a second job.
const LINES_MAX: usize = 800;

/// Where things are proved, destroyed or counted: a number that cannot be read is a fault there.
const NO_SILENT_DEFAULT: &[&str] = &[
    "hub/src/approvals/",
    "hub/src/audit/",
    "hub/src/boxes/forks",
    "hub/src/boxes/tampering",
    "hub/src/cases/",
    "hub/src/chains/",
    "hub/src/judgement/",
    "hub/src/lookups/question",
    "hub/src/lookups/lookup",
    "hub/src/municipalities/",
    "hub/src/opening/floor",
    "hub/src/people/",
    "hub/src/proof/",
    "hub/src/tlog/",
    "hub/src/signing/",
    "hub/src/transits/claims",
    "hub/src/transits/purge",
    "hub/src/transits/retention",
    "hub/src/witnessing/",
];
const SILENT_DEFAULTS: &[&str] = &[
    ".unwrap_or(0)",
    "::MAX)",
    ".unwrap_or_default()",
    ".map_or(0,",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every file of these endings below the workspace's folders, relative to it.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && !path.ends_with("target") && !path.ends_with(".git"))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_dir() && !hidden && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|e| endings.iter().any(|want| e == *want))
            {
                found.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(
        !found.is_empty(),
        "no files of {endings:?}: the test looks in the wrong place"
    );
    found
}

fn names(text: &str, krate: &str) -> bool {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .any(|line| {
            line.match_indices(krate).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = &line[at + krate.len()..];
                let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"');
                starts && (after.starts_with("::") || after.starts_with(" as ") || after == ";")
            })
        })
}

#[test]
fn each_outside_crate_enters_through_its_own_door() {
    let mut wrong = Vec::new();
    for file in files(&["rs"]) {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        for (krate, doors) in DOORS {
            let path = file.to_string_lossy();
            let allowed = doors.iter().any(|door| path.starts_with(door));
            if !allowed && names(&text, krate) {
                wrong.push(format!("{path} names {krate}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_door_is_in_use() {
    for (krate, _) in DOORS {
        let used = files(&["rs"])
            .iter()
            .any(|file| names(&fs::read_to_string(root().join(file)).unwrap(), krate));
        assert!(
            used,
            "nothing names {krate}: drop it from the list of doors"
        );
    }
}

#[test]
fn edge_and_hub_never_import_each_other_and_proto_imports_neither() {
    for (krate, strangers) in [
        ("edge", &["varco-hub", "varco-rig"][..]),
        ("hub", &["varco-edge", "varco-rig"]),
        (
            "proto",
            &[
                "varco-hub",
                "varco-edge",
                "varco-rig",
                "tokio",
                "rusqlite",
                "rumqttc",
            ],
        ),
    ] {
        let text = fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(toml::Value::Table(named)) = manifest.get(table) else {
                continue;
            };
            for stranger in strangers {
                assert!(!named.contains_key(*stranger), "{krate} imports {stranger}");
            }
        }
    }
}

#[test]
fn no_source_file_has_a_second_job() {
    for file in files(&["rs", "py", "ts", "js"]) {
        let lines = fs::read_to_string(root().join(&file))
            .unwrap()
            .lines()
            .count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", file.display());
    }
}

#[test]
fn no_file_names_a_folder_of_the_machine_it_was_written_on() {
    // Written apart, so that this file does not name it.
    let wrong = ["/wo", "rk/"].concat();
    for file in files(&[
        "rs", "py", "md", "toml", "json", "txt", "html", "js", "css", "proto", "lock",
    ]) {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        assert!(!text.contains(&wrong), "{}", file.display());
    }
}

#[test]
fn k08_the_top_level_is_as_the_design_says() {
    for name in [
        "Cargo.toml",
        "edge",
        "hub",
        "proto",
        "models",
        "deploy",
        "benches",
        "tests",
    ] {
        assert!(root().join(name).exists(), "{name} is missing");
    }
}

#[test]
fn no_number_that_cannot_be_read_is_a_zero_or_the_highest_where_things_are_proved() {
    let mut found = Vec::new();
    for room in NO_SILENT_DEFAULT {
        let is_there = |path: &PathBuf| path.to_string_lossy().starts_with(room);
        assert!(files(&["rs"]).iter().any(is_there), "{room} is gone");
    }
    for path in files(&["rs"]) {
        let name = path.to_string_lossy();
        if !NO_SILENT_DEFAULT.iter().any(|room| name.starts_with(room)) {
            continue;
        }
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let rules = text.split("#[cfg(test)]").next().unwrap();
        let lines: Vec<_> = rules.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let is_default = SILENT_DEFAULTS.iter().any(|silent| {
                line.contains(silent) && (*silent != "::MAX)" || line.contains("unwrap_or("))
            });
            // One that is right says why, on its line or above it.
            let above = number.checked_sub(1).and_then(|above| lines.get(above));
            let says_why = line.contains("// ") || above.is_some_and(|line| line.contains("// "));
            if is_default && !says_why {
                found.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
