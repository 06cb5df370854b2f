//! What the tests of the whole share: a house in a folder of its own, and waiting with a limit.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use varco_proto::time::UtcTime;
use varco_rig::clock;
use varco_rig::house::{CameraAddress, EDGE, GATE, House, Programs};
use varco_rig::lookup::{Found, Hub};
use varco_rig::process;
use varco_rig::sender::Sender;

/// A house that goes with its folder.
pub(crate) struct Stage {
    pub(crate) house: House,
    pub(crate) since: UtcTime,
    folder: TempDir,
}

impl Stage {
    /// A house with nothing running, whose edge looks at this address.
    pub(crate) fn lay(camera: &CameraAddress) -> Self {
        Self::lay_with(camera, |_| Programs::find().unwrap())
    }

    /// The same with programs that are made in its folder.
    pub(crate) fn lay_with(
        camera: &CameraAddress,
        programs: impl FnOnce(&Path) -> Programs,
    ) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("varco-test-")
            .tempdir()
            .unwrap();
        let programs = programs(folder.path());
        let house = House::lay(folder.path(), programs, camera).unwrap();
        Self {
            house,
            since: clock::now(),
            folder,
        }
    }

    /// A house whose edge is played by the test.
    pub(crate) fn without_camera() -> Self {
        Self::lay(&nobody())
    }

    /// Broker and hub running, and a sender with the bundle of the house's edge.
    pub(crate) async fn with_sender() -> (Self, Sender) {
        Self::with_sender_and("").await
    }

    /// The same with more in the hub's configuration.
    pub(crate) async fn with_sender_and(more: &str) -> (Self, Sender) {
        let mut stage = Self::without_camera();
        let config = stage.house.hub_home().join("hub.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text + more).unwrap();
        stage.house.start_broker().unwrap();
        stage.house.start_hub().unwrap();
        // It answers over HTTPS before it has its subscriptions, and this sender sends once only.
        until(
            "the hub has its broker",
            Duration::from_secs(20),
            async || {
                let log = fs::read_to_string(stage.house.log("hub")).unwrap_or_default();
                log.contains("connected to the broker").then_some(())
            },
        )
        .await;
        let sender = Sender::connect(&stage.house.bundle(), EDGE, stage.house.broker_port())
            .await
            .unwrap();
        (stage, sender)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives the edge a cabinet, closed; the file is its contact.
    pub(crate) fn with_cabinet(&self) -> PathBuf {
        let contact = self.folder().join("contact");
        fs::write(&contact, "0\n").unwrap();
        let path = self.house.bundle().join("edge.toml");
        let text = fs::read_to_string(&path).unwrap();
        let with = format!("[tamper]\ncabinet_file = '{}'", contact.display());
        fs::write(&path, text.replace("[tamper]", &with)).unwrap();
        contact
    }

    pub(crate) fn hub(&self) -> Hub {
        self.house.hub().unwrap()
    }

    /// Registers another edge and gives its bundle's folder.
    pub(crate) fn add_edge(&self, name: &str) -> PathBuf {
        let out = self.folder().join(name);
        process::run(
            "varco-hub edge add",
            self.house
                .hub_command()
                .args(["edge", "add", name, "--gate", GATE, "--home"])
                .arg(self.house.hub_home())
                .arg("--out")
                .arg(&out),
        )
        .unwrap();
        out
    }

    /// Runs `varco-hub … --home HOME` and gives what it printed, or what it complained of.
    pub(crate) fn hub_says(&self, words: &[&str]) -> Result<String, String> {
        let mut command = self.house.hub_command();
        command.args(words).arg("--home").arg(self.house.hub_home());
        process::run("varco-hub", &mut command).map_err(|error| format!("{error:#}"))
    }

    /// The same, whatever its exit code is: what it printed.
    pub(crate) fn hub_may_say(&self, words: &[&str]) -> String {
        let mut command = self.house.hub_command();
        command.args(words).arg("--home").arg(self.house.hub_home());
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Every transit captured since the stage was laid.
    pub(crate) async fn stored(&self) -> Vec<Found> {
        let from = self.since - Duration::from_secs(60);
        self.hub()
            .all(from, clock::now() + Duration::from_secs(60))
            .await
            .unwrap()
    }
}

/// Where no camera is.
pub(crate) fn nobody() -> CameraAddress {
    CameraAddress {
        url: "rtsp://127.0.0.1:9/none".into(),
        credentials: None,
    }
}

/// The project's own clip of moving vehicles.
pub(crate) fn street() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("deploy/clips/street.mp4")
}

/// Asks again and again until there is an answer; panics after the limit.
pub(crate) async fn until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begin = clock::instant();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
