//! A PostgreSQL of the tests' own: in a temporary folder, on a Unix socket alone, gone with them.
//!
//! The binaries are Debian's (`postgresql`). The server refuses to run as root: as root the tests
//! run it as the user `postgres`, or as `nobody` where there is none.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// Where Debian puts the binaries.
const BINARIES: &str = "/usr/lib/postgresql/15/bin";
/// How long a server may take to answer, in steps of 50 ms.
const STEPS_MAX: u32 = 600;
/// Runs the server until its standard input ends: when whoever started it asks, or is gone, however
/// it went. A kill of the tests leaves no server behind, and no folder.
const KEEPER: &str = "
    \"$1/postgres\" -D \"$2/data\" -k \"$2\" -c listen_addresses= -c fsync=off \\
        -c shared_buffers=64MB -c max_connections=300 -c max_locks_per_transaction=256 \\
        -c logging_collector=off > \"$2/log\" 2>&1 &
    server=$!
    read -r end
    kill -QUIT \"$server\" 2> /dev/null
    wait \"$server\" 2> /dev/null
    [ \"$end\" = keep ] || rm -rf \"$2\"";

pub(crate) struct Cluster {
    folder: PathBuf,
    owner: Option<u32>,
    running: Mutex<Option<(Child, ChildStdin)>>,
}

/// The one that most tests share; each has a schema of its own in it.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

fn user_id(name: &str) -> Option<u32> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

impl Cluster {
    /// Makes a cluster and starts its server.
    pub(crate) fn start() -> Self {
        assert!(
            Path::new(BINARIES).join("initdb").exists(),
            "{BINARIES}/initdb is missing: install the Debian package `postgresql`, as deploy/test \
             does"
        );
        let folder = tempfile::Builder::new().prefix("varco-pg-").tempdir();
        // It goes with the server: see KEEPER.
        let folder = folder.unwrap().keep();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let root = std::fs::metadata("/proc/self").unwrap();
        let root = std::os::unix::fs::MetadataExt::uid(&root) == 0;
        let owner = root.then(|| {
            let id = user_id("postgres").or_else(|| user_id("nobody"));
            id.expect("root needs a user `postgres` or `nobody` to run PostgreSQL as")
        });
        if owner.is_some() {
            chown(&folder, owner, None).unwrap();
        }
        let cluster = Self {
            folder,
            owner,
            running: Mutex::default(),
        };
        let made = cluster
            .command(&format!("{BINARIES}/initdb"))
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=varco",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .arg("-D")
            .arg(cluster.folder.join("data"))
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        cluster.resume();
        cluster
    }

    fn command(&self, program: &str) -> Command {
        let mut command = match self.owner {
            None => Command::new(program),
            Some(owner) => {
                let mut command = Command::new("setpriv");
                let user = format!("--reuid={owner}");
                command.args([&user, "--clear-groups", "--", program]);
                command
            }
        };
        command.current_dir("/");
        command
    }

    /// Starts the server again, and waits until it answers.
    pub(crate) fn resume(&self) {
        let mut running = self.running.lock().unwrap();
        assert!(running.is_none());
        let mut keeper = self
            .command("/bin/sh")
            .args(["-c", KEEPER, "keeper", BINARIES])
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let input = keeper.stdin.take().unwrap();
        *running = Some((keeper, input));
        for _ in 0..STEPS_MAX {
            if self.try_sql("public", "SELECT 1").is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL does not answer: {log}");
    }

    /// Stops the server at once, as a power cut would stop it.
    pub(crate) fn stop(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some((mut keeper, mut input)) = running {
            input.write_all(b"keep\n").unwrap();
            drop(input);
            keeper.wait().unwrap();
        }
    }

    /// A connection string for a schema.
    pub(crate) fn address(&self, schema: &str) -> String {
        let folder = self.folder.display();
        format!("host={folder} user=varco dbname=postgres options='-c search_path={schema}'")
    }

    fn try_sql(&self, schema: &str, sql: &str) -> Option<String> {
        let asked = Command::new(format!("{BINARIES}/psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.address(schema))
            .args(["-c", sql])
            .output()
            .unwrap();
        let answer = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        asked.status.success().then_some(answer)
    }

    /// What a statement gives, in a schema.
    pub(crate) fn sql(&self, schema: &str, sql: &str) -> String {
        let answer = self.try_sql(schema, sql);
        answer.unwrap_or_else(|| panic!("PostgreSQL refuses: {sql}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((mut keeper, input)) = self.running.lock().unwrap().take() {
            drop(input);
            keeper.wait().ok();
        }
    }
}
