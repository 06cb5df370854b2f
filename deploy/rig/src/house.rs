//! Broker, hub and edge on this machine, each a process of its own.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::clock;
use crate::lookup::Hub;
use crate::process::{self, Process};

/// How long a process may take until it answers.
const START_WAIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// The edge, its camera and its gate in the rig.
pub const EDGE: &str = "porta-nord-01";
/// The gate in the rig.
pub const GATE: &str = "porta-nord";

/// Where the programs and the models are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Folder of `varco-hub` and `varco-edge`.
    pub folder: PathBuf,
    /// Folder of `manifest.toml`.
    pub models: PathBuf,
    /// `libonnxruntime.so`.
    pub onnxruntime: PathBuf,
}

impl Programs {
    /// Finds them: beside this program (or one folder up, for a test), and by the environment
    /// variables `VARCO_MODELS` and `ORT_DYLIB_PATH`.
    ///
    /// # Errors
    /// Names what is missing and how to get it.
    pub fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("this program does not know where it is")?;
        let folder = own
            .ancestors()
            .skip(1)
            .take(2)
            .find(|folder| {
                folder.join("varco-hub").is_file() && folder.join("varco-edge").is_file()
            })
            .context(
                "varco-hub and varco-edge are not built: run `cargo build --workspace --bins`",
            )?
            .to_owned();
        let variable = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).with_context(|| {
                format!("{name} is not set: run this through deploy/demo or deploy/test")
            })
        };
        let programs = Self {
            folder,
            models: absolute(&variable("VARCO_MODELS")?)?,
            onnxruntime: absolute(&variable("ORT_DYLIB_PATH")?)?,
        };
        if !programs.models.join("manifest.toml").is_file() {
            bail!("there is no manifest.toml in {}", programs.models.display());
        }
        Ok(programs)
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    path.canonicalize()
        .with_context(|| format!("there is no {}", path.display()))
}

/// A camera as the edge is told of it.
#[derive(Debug, Clone)]
pub struct CameraAddress {
    /// Without credentials.
    pub url: String,
    /// User and password, if any.
    pub credentials: Option<(String, String)>,
}

/// The whole chain but the camera.
#[derive(Debug)]
pub struct House {
    programs: Programs,
    home: PathBuf,
    broker_port: u16,
    http_port: u16,
    broker: Option<Process>,
    hub: Option<Process>,
    edge: Option<Process>,
}

impl House {
    /// Lays a hub's home and an edge's bundle in `folder`, which must be empty. Starts nothing.
    ///
    /// # Errors
    /// When a program fails; its words are in the text.
    pub fn lay(folder: &Path, programs: Programs, camera: &CameraAddress) -> anyhow::Result<Self> {
        let (broker_port, http_port) = (free_port()?, free_port()?);
        let house = Self {
            programs,
            home: folder.to_owned(),
            broker_port,
            http_port,
            broker: None,
            hub: None,
            edge: None,
        };
        process::run(
            "varco-hub init",
            house
                .program("varco-hub")
                .args(["init", "--home"])
                .arg(house.hub_home())
                .args(["--broker-port", &broker_port.to_string()])
                .args(["--http-port", &http_port.to_string()]),
        )?;
        let mut add = house.program("varco-hub");
        add.args(["edge", "add", EDGE, "--gate", GATE, "--home"])
            .arg(house.hub_home())
            .arg("--out")
            .arg(house.bundle())
            .args(["--camera-url", &camera.url])
            .arg("--models-folder")
            .arg(&house.programs.models)
            .arg("--onnxruntime-file")
            .arg(&house.programs.onnxruntime)
            .arg("--state-folder")
            .arg(house.edge_state());
        if let Some((user, password)) = &camera.credentials {
            std::fs::create_dir_all(house.bundle())?;
            std::fs::write(house.bundle().join("camera.password"), password)?;
            add.args(["--camera-user", user]);
        }
        process::run("varco-hub edge add", &mut add)?;
        house.settle_edge()?;
        Ok(house)
    }

    /// The rig's machine may have nobody who keeps its clock.
    fn settle_edge(&self) -> anyhow::Result<()> {
        let path = self.bundle().join("edge.toml");
        let text = std::fs::read_to_string(&path)?;
        // A clip that is played again and pictures drawn on a grey road are no street's scene.
        let shows = "\"covered\", \"defocused\", \"turned\", \"looped\"";
        std::fs::write(
            &path,
            format!("{text}\n[clock]\nrule = \"any\"\n\n[tamper]\nignored = [{shows}]\n"),
        )?;
        Ok(())
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.folder.join(name));
        command.env(
            "RUST_LOG",
            std::env::var("RUST_LOG").unwrap_or_else(|_| "info".into()),
        );
        command
    }

    /// The hub's home.
    #[must_use]
    pub fn hub_home(&self) -> PathBuf {
        self.home.join("hub")
    }

    /// What `edge add` wrote.
    #[must_use]
    pub fn bundle(&self) -> PathBuf {
        self.home.join("edge")
    }

    /// The edge's spool.
    #[must_use]
    pub fn edge_state(&self) -> PathBuf {
        self.home.join("edge-state")
    }

    /// The broker's port.
    #[must_use]
    pub fn broker_port(&self) -> u16 {
        self.broker_port
    }

    /// The hub's address.
    #[must_use]
    pub fn hub_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.http_port)
    }

    /// A file with the hub's first API token.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.hub_home().join("token")
    }

    /// A `varco-hub` command of this house, to which `--home` still is to be added.
    #[must_use]
    pub fn hub_command(&self) -> Command {
        self.program("varco-hub")
    }

    /// `varco-edge run` with the configuration of this house.
    #[must_use]
    pub fn edge_command(&self) -> Command {
        let mut command = self.program("varco-edge");
        command
            .args(["run", "--config"])
            .arg(self.bundle().join("edge.toml"));
        command
    }

    /// A client of the hub's API.
    ///
    /// # Errors
    /// When the hub's certificate or token cannot be read.
    pub fn hub(&self) -> anyhow::Result<Hub> {
        Hub::new(
            &self.hub_url(),
            &self.bundle().join("ca.crt"),
            &self.token_file(),
        )
    }

    /// Starts the broker and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub fn start_broker(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(broker_program());
        command
            .arg("-c")
            .arg(self.hub_home().join("mosquitto/mosquitto.conf"));
        let broker = Process::start("mosquitto", &mut command, &self.log("broker"))?;
        self.broker = Some(broker);
        let port = self.broker_port;
        wait_for(self.broker.as_mut(), "the broker", || listens(port))
    }

    /// Starts the hub and waits until it answers over HTTPS.
    ///
    /// # Errors
    /// When it does not.
    pub fn start_hub(&mut self) -> anyhow::Result<()> {
        let mut command = self.program("varco-hub");
        command.args(["run", "--home"]).arg(self.hub_home());
        self.hub = Some(Process::start("varco-hub", &mut command, &self.log("hub"))?);
        let port = self.http_port;
        wait_for(self.hub.as_mut(), "the hub", || listens(port))
    }

    /// Starts the edge. It connects to camera and broker by itself.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_edge(&mut self) -> anyhow::Result<()> {
        let mut command = self.edge_command();
        self.edge = Some(Process::start(
            "varco-edge",
            &mut command,
            &self.log("edge"),
        )?);
        Ok(())
    }

    /// Starts broker, hub and edge.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.start_broker()?;
        self.start_hub()?;
        self.start_edge()
    }

    /// Fails when one of them has ended by itself.
    ///
    /// # Errors
    /// Says which, and the end of its log.
    pub fn check_running(&mut self) -> anyhow::Result<()> {
        for process in [&mut self.broker, &mut self.hub, &mut self.edge]
            .into_iter()
            .flatten()
        {
            process.check_running()?;
        }
        Ok(())
    }

    /// Process ids of the edge and of the hub, where they run.
    #[must_use]
    pub fn process_ids(&self) -> [Option<u32>; 2] {
        [&self.edge, &self.hub].map(|process| process.as_ref().map(Process::id))
    }

    /// Takes the broker's process out of the house, to be killed or ended.
    pub fn take_broker(&mut self) -> Option<Process> {
        self.broker.take()
    }

    /// Takes the hub's process out of the house, to be killed or ended.
    pub fn take_hub(&mut self) -> Option<Process> {
        self.hub.take()
    }

    /// Takes the edge's process out of the house, to be killed or ended.
    pub fn take_edge(&mut self) -> Option<Process> {
        self.edge.take()
    }

    /// Log file of `broker`, `hub` or `edge`.
    #[must_use]
    pub fn log(&self, of: &str) -> PathBuf {
        self.home.join(format!("{of}.log"))
    }

    /// Ends all, the edge first, so that each can tell the next what it still has.
    ///
    /// # Errors
    /// The first that did not end well; the others are ended all the same.
    pub fn end(mut self) -> anyhow::Result<()> {
        let ended: Vec<_> = [self.edge.take(), self.hub.take(), self.broker.take()]
            .into_iter()
            .flatten()
            .map(Process::end)
            .collect();
        ended.into_iter().collect()
    }
}

/// The broker: Debian puts it where only root's PATH leads.
#[must_use]
pub fn broker_program() -> PathBuf {
    let usual = PathBuf::from("/usr/sbin/mosquitto");
    if usual.is_file() {
        usual
    } else {
        PathBuf::from("mosquitto")
    }
}

/// A loopback port that is free now, and that this process was not given before: whoever asked for
/// one may not listen yet.
///
/// # Errors
/// When the system has none.
pub fn free_port() -> anyhow::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if given.insert(port) {
            return Ok(port);
        }
    }
}

fn listens(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn wait_for(
    process: Option<&mut Process>,
    what: &str,
    ready: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let Some(process) = process else {
        bail!("{what} was not started")
    };
    let begin = clock::instant();
    while begin.elapsed() < START_WAIT {
        process.check_running()?;
        if ready() {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    bail!(
        "{what} does not answer after {START_WAIT:?}:\n{}",
        process.log_tail()
    );
}
