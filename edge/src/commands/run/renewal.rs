//! Renews the edge's certificate while it runs, before it ends.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use varco_proto::enrolment::Renewal;
use varco_proto::envelope::seal;
use varco_proto::ids::EdgeId;
use varco_proto::keys::SealingKey;

use crate::adapters::clock::SharedClock;
use crate::adapters::hub_api::HubApi;
use crate::adapters::identity::{self, Life};
use crate::adapters::uplink::{Uplink, UplinkSettings};
use crate::adapters::vault::Cipher;
use crate::adapters::vault::key_file::{KeyFile, KeyRole};
use crate::config::Hub;
use crate::status::ClockHealth;

/// How often the certificate is looked at.
const EVERY: Duration = Duration::from_secs(3600);
/// While the clock is not good, and at the start.
const CLOCK_EVERY: Duration = Duration::from_secs(1);
/// After the hub did not give a new one.
const AGAIN_AFTER: Duration = Duration::from_secs(300);

/// What a renewal needs.
pub(super) struct Renewer {
    pub(super) edge: EdgeId,
    pub(super) hub: Hub,
    pub(super) key: Arc<SealingKey>,
    pub(super) files: Cipher,
    pub(super) clock: SharedClock,
    pub(super) health: Arc<ClockHealth>,
}

impl Renewer {
    /// Goes on for as long as the daemon runs.
    pub(super) async fn keep(&self, uplink: &Uplink) {
        let mut logged = false;
        loop {
            let wait = match self.look(uplink).await {
                Ok(wait) => {
                    logged = false;
                    wait
                }
                Err(error) => {
                    if !logged {
                        tracing::warn!(
                            "the certificate is not renewed, it is tried again: {error:#}"
                        );
                    }
                    logged = true;
                    AGAIN_AFTER
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Renews the certificate when it is time. Gives how long to wait.
    async fn look(&self, uplink: &Uplink) -> anyhow::Result<Duration> {
        // By a clock that nobody vouched for, it might seem to end at any time.
        if !self.health.is_good.load(Ordering::Relaxed) {
            return Ok(CLOCK_EVERY);
        }
        let life = self.life()?;
        if !life.is_to_be_renewed(self.clock.now()) {
            return Ok(EVERY);
        }
        let Some(url) = &self.hub.url else {
            let hours = life.left(self.clock.now()).as_secs() / 3600;
            tracing::warn!(
                hours,
                "the certificate ends and nothing renews it: write `hub.url`, or enrol anew"
            );
            return Ok(EVERY);
        };
        self.renew(url, uplink).await?;
        let life = self.life()?;
        tracing::info!(ends = %life.ends, "the certificate is renewed");
        Ok(EVERY)
    }

    fn life(&self) -> anyhow::Result<Life> {
        let path = &self.hub.certificate_file;
        let pem = std::fs::read(path).with_context(|| format!("`{}`", path.display()))?;
        let life = Life::of(&pem).with_context(|| format!("`{}`", path.display()))?;
        let ends = life.ends.unix_us();
        self.health
            .certificate_ends_unix_us
            .store(ends, Ordering::Relaxed);
        Ok(life)
    }

    async fn renew(&self, url: &str, uplink: &Uplink) -> anyhow::Result<()> {
        let authority = std::fs::read(&self.hub.ca_file).context("`hub.ca_file`")?;
        let key_pem = identity::new_tls_key()?;
        let asked = Renewal {
            edge: self.edge.clone(),
            request_der: identity::request_der(&key_pem, &self.edge)?,
            requested_at: self.clock.now(),
        };
        // The new key lies on the disk before the hub makes a certificate for it.
        let next_key = identity::next(&self.hub.key_file);
        KeyFile::new(&next_key, KeyRole::Tls, &self.edge).write(&self.files, key_pem.as_bytes())?;
        let envelope = seal(&asked, &self.key).envelope;
        let api = HubApi::new(url, Some(&authority))?;
        let certificate = api.renew(self.edge.as_str(), &envelope).await?;
        // What the broker would not take must not replace what it takes now.
        let trial = next_key.with_extension("trial");
        write_whole(&trial, certificate.as_bytes())?;
        let hub = Hub {
            certificate_file: trial.clone(),
            ..self.hub.clone()
        };
        let settings = UplinkSettings::new(&self.edge, &hub, key_pem.as_bytes());
        let settings = settings.context("the hub's new certificate cannot be used")?;
        std::fs::rename(&trial, identity::next(&self.hub.certificate_file))?;
        identity::finish_renewal(&self.hub.certificate_file, &self.hub.key_file)?;
        uplink.renew(&settings);
        Ok(())
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
