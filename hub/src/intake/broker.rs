//! The one door to the broker (rumqttc): MQTT 3.1.1, acknowledged delivery, TLS with the hub's certificate.
//!
//! The poll loop never waits for anybody: publishes and acknowledgements go through its own
//! queue, so that a loop waiting for the batcher while the batcher waits for the loop would
//! stand still for ever.
//!
//! One connection brings some 20,000 records a second, more than one machine stores. Several share
//! a subscription (`$share`), which the broker deals out in turns: an edge's records come out of
//! order then, and the batcher sorts each batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, EventLoop, Incoming, MqttOptions, Publish, QoS, TlsConfiguration, Transport,
};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use varco_proto::backoff::Backoff;
use varco_proto::topics::{RECORDS_FILTER, STATUS_FILTER};

use super::writer::{Answer, Message};
use crate::boxes::mosquitto::{INFLIGHT_MAX, hub_user};
use crate::machine::random;

/// Largest packet taken or sent, in bytes.
const PACKET_BYTES_MAX: usize = 256 * 1024;
/// Deliveries of one connection waiting for the batcher. The broker sends at most
/// [`INFLIGHT_MAX`] before it gets an acknowledgement, so this is never full with the broker that
/// `init` sets up.
const DELIVERIES_MAX: usize = 2 * 4000;
/// Every edge's topics.
const FILTERS: [&str; 2] = [RECORDS_FILTER, STATUS_FILTER];
/// Before them when several connections share them.
const SHARE: &str = "$share/varco-hub/";
/// Publishes and acknowledgements waiting for the network.
const REQUESTS_MAX: usize = 8 * 1024;
/// First wait after a lost connection.
const BACK_OFF_FIRST: Duration = Duration::from_millis(250);
/// Longest wait.
const BACK_OFF_MAX: Duration = Duration::from_secs(15);
/// How often an idle connection is tried.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The connection's queue is closed: the hub is shutting down.
#[derive(Debug, Clone, Copy, Error)]
#[error("the broker's queue is closed")]
pub struct Closed;

/// Where the broker is and how the hub shows itself.
#[derive(Clone)]
pub struct BrokerAddress {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS with the hub's certificate.
    pub tls: rustls::ClientConfig,
}

/// A message with what is needed to acknowledge it.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    publish: Publish,
    link: usize,
    connection: u64,
}

/// The sending side: answers to edges, acknowledgements to the broker.
#[derive(Clone)]
pub struct Sender {
    links: Arc<[Link]>,
}

/// The sending side of one connection.
#[derive(Clone)]
struct Link {
    client: AsyncClient,
    /// Which of its connections this is: it counts them.
    connection: Arc<AtomicU64>,
}

impl Sender {
    /// Hands an answer to the connection.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn answer(&self, answer: Answer) -> Result<(), Closed> {
        let Some(first) = self.links.first() else {
            return Err(Closed);
        };
        first
            .client
            .publish(
                answer.topic.name(),
                QoS::AtLeastOnce,
                false,
                answer.envelope,
            )
            .await
            .map_err(|_| Closed)
    }

    /// Acknowledges a delivery, unless its connection is gone: the broker sends it again then,
    /// and an old acknowledgement could meet another message under the same number.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn acknowledge(&self, delivery: &Delivery) -> Result<(), Closed> {
        let Some(link) = self.links.get(delivery.link) else {
            return Ok(());
        };
        if delivery.connection != link.connection.load(Ordering::SeqCst) {
            return Ok(());
        }
        link.client.ack(&delivery.publish).await.map_err(|_| Closed)
    }
}

/// Whether the hub has its broker, on every connection.
#[derive(Debug, Clone, Default)]
pub struct Connected {
    up: Arc<AtomicUsize>,
    of: usize,
}

impl Connected {
    /// Whether it has it now.
    #[must_use]
    pub fn get(&self) -> bool {
        self.of > 0 && self.up.load(Ordering::SeqCst) == self.of
    }
}

/// How a hub's connections share the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharing {
    /// The hub's names at the broker, from this number on.
    pub first: usize,
    /// Whether connections, of this hub or of another, have the records dealt out among them.
    pub shared: bool,
    /// Whether there are other hubs.
    pub others: bool,
}

/// What a hub's connections give it.
pub struct Connections {
    /// The sending side.
    pub sender: Sender,
    /// What comes in on all of them.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// One loop each, to be run as a task.
    pub loops: Vec<Loop>,
    /// Whether the broker is there, while the loops run.
    pub connected: Connected,
}

/// Begins: one connection for each address.
///
/// The session of the very first is kept by the broker while the hub is away, when it is the only hub:
/// with others, what lay there would wait for this one, while another could take it.
#[must_use]
pub fn connect(addresses: Vec<BrokerAddress>, sharing: Sharing) -> Connections {
    let Sharing {
        first,
        shared,
        others,
    } = sharing;
    let count = addresses.len();
    let (deliver, deliveries) = mpsc::channel(DELIVERIES_MAX * count.max(1));
    let connected = Connected {
        up: Arc::default(),
        of: count,
    };
    let mut loops = Vec::new();
    let mut links = Vec::new();
    for (number, address) in addresses.into_iter().enumerate() {
        let name = first + number;
        let mut options = MqttOptions::new(hub_user(name), address.host, address.port);
        options
            .set_transport(Transport::tls_with_config(TlsConfiguration::from(
                address.tls,
            )))
            // A kept session of a connection that is no more would take its share for ever.
            .set_clean_session(name > 0 || others)
            .set_manual_acks(true)
            .set_keep_alive(KEEP_ALIVE)
            .set_inflight(INFLIGHT_MAX)
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
        let (client, events) = AsyncClient::new(options, REQUESTS_MAX);
        let link = Link {
            client,
            connection: Arc::new(AtomicU64::new(0)),
        };
        links.push(link.clone());
        loops.push(Loop {
            number,
            shared,
            link,
            events,
            deliver: deliver.clone(),
            subscriptions: 0,
            up: false,
            connected: connected.clone(),
        });
    }
    Connections {
        sender: Sender {
            links: links.into(),
        },
        deliveries,
        loops,
        connected,
    }
}

/// The poll loop of one connection.
pub struct Loop {
    number: usize,
    shared: bool,
    link: Link,
    events: EventLoop,
    deliver: mpsc::Sender<Delivery>,
    /// Subscriptions that the broker confirmed on this connection.
    subscriptions: usize,
    up: bool,
    connected: Connected,
}

impl Loop {
    /// Polls until the hub stops, connecting again with growing, jittered waits.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut backoff = Backoff::new(BACK_OFF_FIRST, BACK_OFF_MAX);
        loop {
            let event = tokio::select! {
                event = self.events.poll() => event,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match event {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    backoff.reset();
                    self.begin_connection();
                }
                Ok(Event::Incoming(Incoming::SubAck(_))) => self.subscribed(),
                Ok(Event::Incoming(Incoming::Publish(publish))) => self.hand_over(publish),
                Ok(_) => {}
                Err(error) => {
                    self.set_up(false);
                    let wait = backoff.wait(random::jitter());
                    tracing::warn!(
                        error = %error, wait_ms = wait.as_millis(),
                        "the broker is not there; trying again"
                    );
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        _ = stop.wait_for(|stop| *stop) => break,
                    }
                }
            }
        }
        self.set_up(false);
    }

    fn set_up(&mut self, up: bool) {
        match (self.up, up) {
            (false, true) => self.connected.up.fetch_add(1, Ordering::SeqCst),
            (true, false) => self.connected.up.fetch_sub(1, Ordering::SeqCst),
            _ => return,
        };
        self.up = up;
    }

    /// On every connection: a broker that lost its sessions lost the subscriptions too, and one
    /// that kept them may have those of a hub with another number of connections.
    fn begin_connection(&mut self) {
        self.link.connection.fetch_add(1, Ordering::SeqCst);
        self.subscriptions = 0;
        for filter in FILTERS {
            let together = format!("{SHARE}{filter}");
            let (wanted, unwanted) = if self.shared {
                (together, filter.to_owned())
            } else {
                (filter.to_owned(), together)
            };
            let client = &self.link.client;
            // In this order: a moment of both brings replays, a moment of neither loses time.
            let asked = client
                .try_subscribe(wanted, QoS::AtLeastOnce)
                .and_then(|()| client.try_unsubscribe(unwanted));
            if asked.is_err() {
                // The queue is full of answers: without a subscription the connection is useless.
                tracing::warn!("cannot subscribe; connecting again");
                self.events.clean();
                return;
            }
        }
    }

    /// The broker has one more subscription of this connection: with all of them it is there.
    fn subscribed(&mut self) {
        self.subscriptions += 1;
        if self.subscriptions == FILTERS.len() {
            self.set_up(true);
            tracing::info!("connected to the broker");
        }
    }

    fn hand_over(&mut self, publish: Publish) {
        let delivery = Delivery {
            message: Message {
                topic: publish.topic.clone(),
                bytes: publish.payload.to_vec(),
            },
            link: self.number,
            connection: self.link.connection.load(Ordering::SeqCst),
            publish,
        };
        if self.deliver.try_send(delivery).is_err() {
            // Not acknowledged, so the broker sends it again on the next connection.
            tracing::warn!("the broker sends more than agreed; connecting again");
            self.events.clean();
        }
    }
}
