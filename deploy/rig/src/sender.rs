//! An edge of the rig's own, that sends what a test wants, right or wrong, and hears the hub.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use varco_proto::confidence::Confidence;
use varco_proto::envelope::open;
use varco_proto::ids::{CameraId, Digest, EdgeId, TransitId};
use varco_proto::keys::{OpeningKey, SealingKey};
use varco_proto::receipt::{Receipt, Refusal};
use varco_proto::record::{ChainHead, RecordBody};
use varco_proto::time::UtcTime;
use varco_proto::topics::Topic;
use varco_proto::transit::{
    CaptureTime, CharacterCandidate, ClockSource, CountryCandidate, PlateCrop, PlateRead, Transit,
};

const PACKET_BYTES_MAX: usize = 1024 * 1024;
const REQUESTS_MAX: usize = 64;

/// What the hub answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Stored.
    Receipt(Receipt),
    /// Not taken as it came.
    Refusal(Refusal),
}

/// A connected sender.
#[derive(Debug)]
pub struct Sender {
    /// Who it says it is.
    pub edge: EdgeId,
    /// What it seals with.
    pub key: SealingKey,
    /// Where its chain stands; a test may set it.
    pub head: ChainHead,
    client: AsyncClient,
    answers: UnboundedReceiver<Answer>,
    polling: JoinHandle<()>,
}

impl Sender {
    /// Connects with the certificate and the keys of a bundle that `edge add` wrote.
    ///
    /// # Errors
    /// When a file of the bundle cannot be used or the broker refuses.
    pub async fn connect(bundle: &Path, edge: &str, broker_port: u16) -> anyhow::Result<Self> {
        let edge: EdgeId = edge.parse()?;
        let key = SealingKey::from_pkcs8(&fs::read(bundle.join("signing.pk8"))?)?;
        let hub_key = hub_key(bundle)?;
        let mut options = MqttOptions::new(edge.as_str(), "127.0.0.1", broker_port);
        options.set_transport(Transport::tls_with_config(tls(bundle)?.into()));
        options.set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        options.set_keep_alive(Duration::from_secs(10));
        let (client, mut events) = AsyncClient::new(options, REQUESTS_MAX);
        for topic in [Topic::Receipt(edge.clone()), Topic::Refusal(edge.clone())] {
            client.subscribe(topic.name(), QoS::AtLeastOnce).await?;
        }
        let mut subscribed = 0;
        while subscribed < 2 {
            match events
                .poll()
                .await
                .context("the broker refuses the bundle")?
            {
                Event::Incoming(Packet::SubAck(_)) => subscribed += 1,
                _ => continue,
            }
        }
        let (sender, answers) = unbounded_channel();
        let polling = tokio::spawn(async move {
            loop {
                let Ok(event) = events.poll().await else {
                    return;
                };
                let Event::Incoming(Packet::Publish(message)) = event else {
                    continue;
                };
                let answer = match Topic::parse(&message.topic) {
                    Some(Topic::Receipt(_)) => open::<Receipt>(&message.payload, &hub_key)
                        .map(|r| Answer::Receipt(r.value().clone())),
                    _ => open::<Refusal>(&message.payload, &hub_key)
                        .map(|r| Answer::Refusal(r.value().clone())),
                };
                let Ok(answer) = answer else { return };
                if sender.send(answer).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            edge,
            key,
            head: ChainHead::START,
            client,
            answers,
            polling,
        })
    }

    /// Seals the next record of its chain, of the camera that bears its own name, and gives its
    /// envelope, not sent yet.
    pub fn seal(&mut self, mut transit: Transit, sealed_at: UtcTime) -> Vec<u8> {
        transit.camera = CameraId::try_from(self.edge.to_string()).unwrap_or(transit.camera);
        let body = RecordBody::Transit(transit);
        let (head, sealed) = self.head.seal_next(&self.edge, body, sealed_at, &self.key);
        self.head = head;
        sealed.envelope
    }

    /// Publishes bytes on its own record topic.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&self, envelope: Vec<u8>) -> anyhow::Result<()> {
        let topic = Topic::Record(self.edge.clone()).name();
        self.client
            .publish(topic, QoS::AtLeastOnce, false, envelope)
            .await?;
        Ok(())
    }

    /// Waits for the hub's next answer.
    ///
    /// # Errors
    /// When none comes within ten seconds.
    pub async fn answer(&mut self) -> anyhow::Result<Answer> {
        tokio::time::timeout(Duration::from_secs(10), self.answers.recv())
            .await
            .map_err(|_| anyhow!("the hub did not answer within ten seconds"))?
            .context("the connection to the broker ended")
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

/// A transit with this text, certain of each character, and a crop of one grey pixel block.
///
/// # Errors
/// When the text is no plate.
pub fn transit(text: &str, captured_at: UtcTime, random: [u8; 10]) -> anyhow::Result<Transit> {
    let sure = |symbol| {
        vec![CharacterCandidate {
            symbol,
            confidence: Confidence::saturating(0.99),
        }]
    };
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image::GrayImage::from_pixel(160, 48, image::Luma([128]))
        .write_to(&mut jpeg, image::ImageFormat::Jpeg)?;
    Ok(Transit {
        id: TransitId::from_parts(captured_at.unix_ms(), random),
        camera: crate::house::EDGE.parse()?,
        gate: crate::house::GATE.parse()?,
        captured_at: CaptureTime {
            at: captured_at,
            uncertainty: Duration::from_millis(20),
            source: ClockSource::Arrival,
        },
        first_seen: captured_at,
        last_seen: captured_at,
        direction: None,
        lane: None,
        travel: None,
        plate: PlateRead {
            text: text.parse()?,
            confidence: Confidence::saturating(0.97),
            characters: text.chars().map(sure).collect(),
            agreeing_reads: 5,
            reads: 6,
            countries: vec![CountryCandidate {
                country: "IT".into(),
                confidence: Confidence::saturating(0.9),
            }],
            rows: 1,
        },
        crop: PlateCrop {
            jpeg: jpeg.into_inner(),
            width_px: 160,
            height_px: 48,
        },
        model_digest: Digest::of(b"rig"),
        onboard: None,
    })
}

fn hub_key(bundle: &Path) -> anyhow::Result<OpeningKey> {
    let config = fs::read_to_string(bundle.join("edge.toml"))?;
    let line = config
        .lines()
        .find_map(|line| line.strip_prefix("hub_key = "));
    let Some(text) = line.and_then(|line| line.split('"').nth(1)) else {
        bail!("the bundle's edge.toml has no hub_key");
    };
    Ok(text.parse()?)
}

fn tls(bundle: &Path) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle.join("ca.crt"))? {
        roots.add(certificate?)?;
    }
    let chain =
        CertificateDer::pem_file_iter(bundle.join("edge.crt"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(bundle.join("edge.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?)
}
