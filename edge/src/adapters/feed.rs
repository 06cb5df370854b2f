//! Readings from a broker, as ONVIF Profile M publishes them, and other makers too (rumqttc).
//!
//! A message is acknowledged only when it is sealed, or when nothing of it is to be sealed: what
//! the spool cannot take now stays with the broker, which sends it again after the connection is
//! opened anew. What came without an acknowledgement (`QoS` 0) does not come again: it is tried here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, Publish, QoS, TlsConfiguration, Transport};
use rustls::ClientConfig;
use thiserror::Error;
use varco_proto::ids::EdgeId;

use crate::adapters::{random, trust};
use crate::config::Feed;
use crate::onboard::part::{MESSAGE_BYTES_MAX, Part};
use crate::onboard::sink::{Answer, Sink};
use varco_proto::backoff::Backoff;

const KEEP_ALIVE: Duration = Duration::from_secs(20);
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// Requests that wait for the connection: subscriptions and acknowledgements.
const REQUESTS_MAX: usize = 32;
/// How often a message without an acknowledgement is tried, and after how long.
const TRIES: usize = 10;
const TRIED_AGAIN: Duration = Duration::from_secs(1);
/// Messages that the broker may have on their way to this edge.
const INFLIGHT: u16 = 8;

/// The feed's files cannot be used; the daemon does not start.
#[derive(Debug, Error)]
#[error("`readers`: cannot take PEM from `{path}`: {why}")]
pub struct FeedError {
    path: PathBuf,
    why: String,
}

/// A topic to be subscribed to.
#[derive(Debug, Clone)]
pub struct FeedSettings {
    reader: usize,
    topic: String,
    broker: String,
    options: MqttOptions,
}

impl FeedSettings {
    /// Reads the authority's certificate. `name` is this edge's and the reader's: the broker keeps
    /// what comes for it while it is away.
    ///
    /// # Errors
    /// [`FeedError`].
    pub fn new(
        reader: usize,
        edge: &EdgeId,
        name: &str,
        feed: &Feed,
        login: Option<(String, String)>,
    ) -> Result<Self, FeedError> {
        let id = format!("{edge}-{name}");
        let mut options = MqttOptions::new(id, &feed.broker_host, feed.broker_port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(false)
            .set_manual_acks(true)
            .set_inflight(INFLIGHT)
            .set_max_packet_size(MESSAGE_BYTES_MAX, 64 * 1024);
        if let Some(path) = &feed.ca_file {
            let tls = TlsConfiguration::Rustls(tls(path)?);
            options.set_transport(Transport::tls_with_config(tls));
        }
        if let Some((user, password)) = login {
            options.set_credentials(user, password);
        }
        Ok(Self {
            reader,
            topic: feed.topic.clone(),
            broker: format!("{}:{}", feed.broker_host, feed.broker_port),
            options,
        })
    }
}

fn tls(path: &Path) -> Result<Arc<ClientConfig>, FeedError> {
    let failed = |why: &dyn std::fmt::Display| FeedError {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let roots = trust::authorities(path).map_err(|why| failed(&why))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| failed(&error))?;
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// Takes what comes, until it is dropped.
pub async fn run(settings: FeedSettings, sink: Arc<dyn Sink>) {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
    let mut logged = false;
    loop {
        let ended = until_trouble(&settings, &sink, &mut backoff, &mut logged).await;
        let broker = &settings.broker;
        if logged {
            tracing::debug!(%broker, why = %ended, "still no feed");
        } else {
            logged = true;
            tracing::warn!(%broker, why = %ended, "the feed of a reader broke off; it is tried again");
        }
        tokio::time::sleep(backoff.wait(random::jitter())).await;
    }
}

async fn until_trouble(
    settings: &FeedSettings,
    sink: &Arc<dyn Sink>,
    backoff: &mut Backoff,
    logged: &mut bool,
) -> String {
    let (client, mut events) = AsyncClient::new(settings.options.clone(), REQUESTS_MAX);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                if let Err(error) = client.try_subscribe(&settings.topic, QoS::AtLeastOnce) {
                    return error.to_string();
                }
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                backoff.reset();
                *logged = false;
                tracing::info!(broker = %settings.broker, "a reader is fed");
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                match take(settings.reader, sink, &publish).await {
                    Answer::Busy(why) => return why.to_owned(),
                    // QoS 0 needs none; a full queue of requests would lose the acknowledgement.
                    _ if publish.qos == QoS::AtMostOnce => {}
                    _ => {
                        if let Err(error) = client.try_ack(&publish) {
                            return error.to_string();
                        }
                    }
                }
            }
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

async fn take(reader: usize, sink: &Arc<dyn Sink>, publish: &Publish) -> Answer {
    let tries = match publish.qos {
        QoS::AtMostOnce => TRIES,
        _ => 1,
    };
    let mut answer = once(reader, sink, publish).await;
    for _ in 1..tries {
        let Answer::Busy(_) = answer else { break };
        tokio::time::sleep(TRIED_AGAIN).await;
        answer = once(reader, sink, publish).await;
    }
    if let (Answer::Busy(why), QoS::AtMostOnce) = (answer, publish.qos) {
        tracing::error!(
            why,
            "a reading is lost: it came without an acknowledgement (QoS 0). Let the camera publish \
             with QoS 1"
        );
        return Answer::Other("it could not be taken, and does not come again");
    }
    answer
}

async fn once(reader: usize, sink: &Arc<dyn Sink>, publish: &Publish) -> Answer {
    let part = Part {
        name: String::new(),
        bytes: publish.payload.to_vec(),
    };
    let (sink, is_kept) = (Arc::clone(sink), publish.retain);
    let work = tokio::task::spawn_blocking(move || match is_kept {
        true => sink.take_kept(reader, &[part]),
        false => sink.take(reader, &[part]),
    });
    work.await.unwrap_or(Answer::Busy("it failed; see the log"))
}
