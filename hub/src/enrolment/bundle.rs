//! The configuration that an enrolled edge gets.

use std::path::PathBuf;

use toml::{Table, Value};
use varco_proto::keys::OpeningKey;

use crate::boxes::edges::Edge;
use crate::config::Config;

/// Most records that an edge keeps while the hub is away.
const SPOOL_RECORDS_MAX: i64 = 50_000;
/// Most frames a second that an edge takes from a camera.
const FRAMES_PER_SECOND_MAX: i64 = 12;

/// What an edge's bundle depends on.
#[derive(Debug, Clone)]
pub struct BundleSettings {
    /// Where the bundle is written.
    pub out: PathBuf,
    /// The broker as the edge reaches it; as the hub does when not given.
    pub broker_host: Option<String>,
    /// The broker's port as the edge reaches it.
    pub broker_port: Option<u16>,
    /// The camera's address.
    pub camera_url: String,
    /// The camera's user, when it asks for one.
    pub camera_user: Option<String>,
    /// Where the edge keeps its spool.
    pub state_folder: String,
    /// Where the edge has its models.
    pub models_folder: String,
    /// ONNX Runtime's library, when it is not where the edge looks by itself.
    pub onnxruntime_file: Option<String>,
}

/// `edge.toml`.
#[must_use]
pub fn edge_configuration(
    edge: &Edge,
    settings: &BundleSettings,
    config: &Config,
    hub_key: &OpeningKey,
) -> String {
    let id = edge.id.as_str();
    let mut text = format!("# Configuration of the edge {id}, written by `varco-hub edge add`.\n");
    let mut section = |head: &str, values: Vec<(&str, Value)>| {
        text.push_str(&format!("\n{head}\n"));
        for (key, value) in values {
            let line = Table::from_iter([(key.to_owned(), value)]);
            text.push_str(&line.to_string());
        }
    };
    section(
        "[edge]",
        vec![
            ("id", id.into()),
            ("state_folder", settings.state_folder.as_str().into()),
            ("signing_key_file", "signing.pk8".into()),
        ],
    );
    let mut models = vec![("folder", settings.models_folder.as_str().into())];
    if let Some(library) = &settings.onnxruntime_file {
        models.push(("onnxruntime_file", library.as_str().into()));
    }
    section("[models]", models);
    let host = settings.broker_host.as_ref().unwrap_or(&config.broker_host);
    let port = settings.broker_port.unwrap_or(config.broker_port);
    section(
        "[hub]",
        vec![
            ("broker_host", host.as_str().into()),
            ("broker_port", i64::from(port).into()),
            (
                "url",
                format!("https://{host}:{}", config.listen.port()).into(),
            ),
            ("ca_file", "ca.crt".into()),
            ("certificate_file", "edge.crt".into()),
            ("key_file", "edge.key".into()),
            ("hub_key", hub_key.to_string().into()),
        ],
    );
    section("[spool]", vec![("records_max", SPOOL_RECORDS_MAX.into())]);
    let mut camera = vec![
        ("id", id.into()),
        ("gate", edge.gate.as_str().into()),
        ("url", settings.camera_url.as_str().into()),
    ];
    if let Some(user) = &settings.camera_user {
        camera.push(("user", user.as_str().into()));
        camera.push(("password_file", "camera.password".into()));
    }
    camera.push(("transport", "tcp".into()));
    camera.push(("frames_per_second_max", FRAMES_PER_SECOND_MAX.into()));
    section("[[cameras]]", camera);
    text
}
