//! `varco-edge enrol`: this box makes its keys, and its hub makes it an edge.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use varco_proto::enrolment::{edge_of_token, enrolment_statement};
use varco_proto::ids::EdgeId;
use varco_proto::keys::{OpeningKey, SealingKey};

use super::parts;
use crate::adapters::files;
use crate::adapters::folder_lock::FolderLock;
use crate::adapters::hub_api::{Enrolled, Enrolment, HubApi};
use crate::adapters::identity;
use crate::adapters::vault::key_file::{KeyFile, KeyRole};
use crate::adapters::vault::{Cipher, Purpose};
use crate::config::{Config, is_https};

/// Longest token file that is read, in bytes.
const TOKEN_BYTES_MAX: usize = 1024;

/// Make this box an edge of a hub, with a token of `varco-hub edge invite`.
///
/// The box makes its own keys; they are written encrypted and never leave it. When the link breaks
/// off, run it again with the same token: the same keys are used. At the end the folder holds
/// edge.toml; look through its camera, then `varco-edge check --config FOLDER/edge.toml`.
#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// The hub's address, https://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub hub: String,
    /// The token; others on this box may see it while this runs, so better --token-file
    #[arg(long, value_name = "TOKEN", required_unless_present = "token_file")]
    pub token: Option<String>,
    /// File whose first line is the token
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// The authority that signed the hub's certificate, the hub's `ca.crt`; left out, those that
    /// the system believes
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Where keys, certificates and edge.toml are written
    #[arg(long, value_name = "DIR", default_value = "/etc/varco-edge")]
    pub folder: PathBuf,
    /// Where the spool will lie
    #[arg(long, value_name = "DIR", default_value = "/var/lib/varco-edge")]
    pub state_folder: PathBuf,
    /// Where the models lie
    #[arg(long, value_name = "DIR", default_value = "/usr/lib/varco/models")]
    pub models_folder: PathBuf,
    /// ONNX Runtime's library, when it does not lie in a usual place
    #[arg(long, value_name = "FILE")]
    pub onnxruntime_file: Option<PathBuf>,
    /// The camera's address, without user and password
    #[arg(
        long,
        value_name = "URL",
        default_value = "rtsp://192.0.2.10:554/stream1"
    )]
    pub camera_url: String,
    /// The camera's user; write its password into camera.password in the folder
    #[arg(long, value_name = "USER")]
    pub camera_user: Option<String>,
}

/// Enrols.
///
/// # Errors
/// What is wrong and what to do. Keys that were made stay, for the next try.
pub fn run(args: &EnrolArgs) -> anyhow::Result<()> {
    let url = args.hub.trim_end_matches('/');
    ensure!(
        is_https(url),
        "--hub: write it as https://HOST:PORT, without a path"
    );
    let token = token(args)?;
    let edge = edge_of_token(&token)
        .context("the token is none of `varco-hub edge invite`: copy the whole line")?;
    let folder = std::path::absolute(&args.folder)?;
    expect_own(&folder)?;
    let configuration = folder.join("edge.toml");
    if configuration.exists() {
        bail!(
            "`{}` is there: this box is enrolled; to enrol it anew choose an empty --folder",
            configuration.display()
        );
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot make `{}`", folder.display()))?;
    let _keys = FolderLock::of_made_keys(&folder)?;
    if configuration.exists() {
        bail!("another `varco-edge enrol` has just enrolled this box");
    }
    let (sealing, tls_pem) = keys(&folder, &edge)?;
    let request = identity::request_der(&tls_pem, &edge)?;
    let statement = enrolment_statement(&token, &request);
    let enrolment = Enrolment {
        token: &token,
        sealing_key: sealing.opening_key().to_string(),
        proof: hex::encode(sealing.sign(&statement)),
        request: hex::encode(request),
    };
    let authority = args.ca.as_ref().map(fs::read).transpose().context("--ca")?;
    let api = HubApi::new(url, authority.as_deref())?;
    let enrolled = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(api.enrol(&enrolment))?;
    ensure!(
        enrolled.edge == edge.as_str(),
        "the hub enrolled another edge than the token is for"
    );
    let _: OpeningKey = enrolled.hub_key.parse().context("the hub's key")?;
    write(&folder.join("ca.crt"), &enrolled.authority, 0o644)?;
    write(&folder.join("edge.crt"), &enrolled.certificate, 0o644)?;
    let text = edge_toml(args, url, &edge, &enrolled)?;
    if let Err(faults) = Config::parse(&text, &folder) {
        return Err(faults).context("what the hub and the flags say gives no configuration");
    }
    // Last, because it says that the box is enrolled.
    write(&configuration, &text, 0o600)?;
    let mut out = std::io::stdout();
    writeln!(out, "Enrolled as {edge} at gate {}.", enrolled.gate)?;
    writeln!(out, "  public key      {}", sealing.opening_key())?;
    let shown = configuration.display();
    writeln!(out, "  configuration   {shown}")?;
    writeln!(out, "Next: varco-edge check --config {shown}")?;
    Ok(())
}

fn token(args: &EnrolArgs) -> anyhow::Result<String> {
    let text = match (&args.token, &args.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(path)) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("--token-file: cannot read `{}`", path.display()))?;
            ensure!(
                text.len() <= TOKEN_BYTES_MAX,
                "--token-file: it is too long"
            );
            text
        }
        (None, None) => bail!("give --token or --token-file"),
    };
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// What root writes into the daemon's folder, the daemon cannot read, nor renew.
fn expect_own(folder: &Path) -> anyhow::Result<()> {
    let (Ok(there), Ok(own)) = (std::fs::metadata(folder), std::fs::metadata("/proc/self")) else {
        return Ok(());
    };
    if there.uid() == own.uid() {
        return Ok(());
    }
    let shown = folder.display();
    bail!(
        "`{shown}` belongs to another user, who could not read what is written now: run this as that \
         one, as in `runuser -u varco-edge -- varco-edge enrol ...`"
    )
}

/// The keys of an earlier try, or new ones; on the disk, encrypted, before anybody hears of them.
fn keys(folder: &Path, edge: &EdgeId) -> anyhow::Result<(SealingKey, String)> {
    let (sealing_path, tls_path) = (folder.join("signing.pk8"), folder.join("edge.key"));
    let sealing = KeyFile::new(&sealing_path, KeyRole::Sealing, edge);
    let tls = KeyFile::new(&tls_path, KeyRole::Tls, edge);
    let there = [&sealing_path, &tls_path].into_iter().find(|p| p.exists());
    let there = there.map(PathBuf::as_path);
    let cipher = parts::box_key_or_new(&folder.join("box.key"), there)?.cipher(Purpose::KeyFile);
    let bytes = read_or_make(&sealing, &sealing_path, &cipher, || {
        Ok(SealingKey::generate()?)
    })?;
    let tls_pem = read_or_make(&tls, &tls_path, &cipher, || {
        Ok(identity::new_tls_key()?.into_bytes())
    })?;
    let sealing = SealingKey::from_pkcs8(&bytes)
        .with_context(|| format!("cannot take `{}`", sealing_path.display()))?;
    let tls_pem = String::from_utf8(tls_pem)
        .with_context(|| format!("cannot take `{}`", tls_path.display()))?;
    Ok((sealing, tls_pem))
}

fn read_or_make(
    file: &KeyFile<'_>,
    path: &Path,
    cipher: &Cipher,
    make: impl FnOnce() -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Vec<u8>> {
    if path.exists() {
        return Ok(file.bring_forward(cipher)?.0);
    }
    let key = make()?;
    file.write(cipher, &key)?;
    Ok(key)
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    files::replace(path, text.as_bytes(), mode)
        .with_context(|| format!("cannot write `{}`", path.display()))
}

fn edge_toml(
    args: &EnrolArgs,
    url: &str,
    edge: &EdgeId,
    enrolled: &Enrolled,
) -> anyhow::Result<String> {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let path = |path: &Path| -> anyhow::Result<String> {
        let path = std::path::absolute(path)?;
        let text = path
            .to_str()
            .with_context(|| format!("`{}` is no UTF-8", path.display()))?;
        Ok(quoted(text))
    };
    let host = url.trim_start_matches("https://");
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let broker = enrolled.broker_host.as_deref().unwrap_or(host);
    let mut text = format!(
        "# Configuration of the edge {edge}, written by `varco-edge enrol`.\n\
         \n[edge]\nid = {}\nstate_folder = {}\nsigning_key_file = \"signing.pk8\"\n\
         box_key_file = \"box.key\"\n\n[models]\nfolder = {}\n",
        quoted(edge.as_str()),
        path(&args.state_folder)?,
        path(&args.models_folder)?,
    );
    if let Some(library) = &args.onnxruntime_file {
        text.push_str(&format!("onnxruntime_file = {}\n", path(library)?));
    }
    text.push_str(&format!(
        "\n[hub]\nbroker_host = {}\nbroker_port = {}\nurl = {}\nca_file = \"ca.crt\"\n\
         certificate_file = \"edge.crt\"\nkey_file = \"edge.key\"\nhub_key = {}\n\
         \n[[cameras]]\nid = {}\ngate = {}\nurl = {}\n",
        quoted(broker),
        enrolled.broker_port,
        quoted(url),
        quoted(&enrolled.hub_key),
        quoted(edge.as_str()),
        quoted(&enrolled.gate),
        quoted(&args.camera_url),
    ));
    if let Some(user) = &args.camera_user {
        text.push_str(&format!(
            "user = {}\npassword_file = \"camera.password\"\n",
            quoted(user)
        ));
    }
    Ok(text)
}
