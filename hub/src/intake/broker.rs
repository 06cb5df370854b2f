//! The one door to the broker (rumqttc): MQTT 3.1.1, acknowledged delivery, TLS with the hub's certificate.
//!
//! The poll loop never waits for anybody: publishes and acknowledgements go through its own
//! queue, so that a loop waiting for the batcher while the batcher waits for the loop would
//! stand still for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, EventLoop, Incoming, MqttOptions, Publish, QoS, TlsConfiguration, Transport,
};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use varco_proto::topics::{RECORDS_FILTER, STATUS_FILTER};

use super::writer::{Answer, Message};
use crate::mosquitto::{HUB_USER, INFLIGHT_MAX};
use crate::random;

/// Largest packet taken or sent, in bytes.
const PACKET_BYTES_MAX: usize = 256 * 1024;
/// Deliveries waiting for the batcher. The broker sends at most [`INFLIGHT_MAX`] before it gets
/// an acknowledgement, so this is never full with the broker that `init` sets up.
const DELIVERIES_MAX: usize = 2 * 1000;
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
    connection: u64,
}

/// The sending side: answers to edges, acknowledgements to the broker.
#[derive(Clone)]
pub struct Sender {
    client: AsyncClient,
    connection: Arc<AtomicU64>,
}

impl Sender {
    /// Hands an answer to the connection.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn answer(&self, answer: Answer) -> Result<(), Closed> {
        self.client
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
        if delivery.connection != self.connection.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.client.ack(&delivery.publish).await.map_err(|_| Closed)
    }
}

/// Whether the hub has its broker.
#[derive(Debug, Clone, Default)]
pub struct Connected(Arc<AtomicBool>);

impl Connected {
    /// Whether it has it now.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Begins: gives the sending side, the deliveries, and the loop to be run as a task.
#[must_use]
pub fn connect(address: BrokerAddress) -> (Sender, mpsc::Receiver<Delivery>, Loop) {
    let mut options = MqttOptions::new(HUB_USER, address.host, address.port);
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::from(
            address.tls,
        )))
        .set_clean_session(false)
        .set_manual_acks(true)
        .set_keep_alive(KEEP_ALIVE)
        .set_inflight(INFLIGHT_MAX)
        .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX);
    let (client, events) = AsyncClient::new(options, REQUESTS_MAX);
    let (deliver, deliveries) = mpsc::channel(DELIVERIES_MAX);
    let sender = Sender {
        client: client.clone(),
        connection: Arc::new(AtomicU64::new(0)),
    };
    let poll = Loop {
        connection: sender.connection.clone(),
        client,
        events,
        deliver,
        connected: Connected::default(),
    };
    (sender, deliveries, poll)
}

/// The poll loop.
pub struct Loop {
    client: AsyncClient,
    events: EventLoop,
    deliver: mpsc::Sender<Delivery>,
    connection: Arc<AtomicU64>,
    connected: Connected,
}

impl Loop {
    /// Tells whether the broker is there, while the loop runs.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.connected.clone()
    }

    /// Polls until the hub stops, connecting again with growing, jittered waits.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut wait = BACK_OFF_FIRST;
        loop {
            let event = tokio::select! {
                event = self.events.poll() => event,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match event {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    wait = BACK_OFF_FIRST;
                    self.begin_connection();
                }
                Ok(Event::Incoming(Incoming::Publish(publish))) => self.hand_over(publish),
                Ok(_) => {}
                Err(error) => {
                    self.connected.0.store(false, Ordering::SeqCst);
                    tracing::warn!(
                        error = %error, wait_ms = wait.as_millis(),
                        "the broker is not there; trying again"
                    );
                    let jittered = wait.mul_f64(0.5 + random::fraction() / 2.0);
                    tokio::select! {
                        () = tokio::time::sleep(jittered) => {}
                        _ = stop.wait_for(|stop| *stop) => break,
                    }
                    wait = (wait * 2).min(BACK_OFF_MAX);
                }
            }
        }
        self.connected.0.store(false, Ordering::SeqCst);
    }

    /// On every connection: a broker that lost its sessions lost the subscriptions too.
    fn begin_connection(&mut self) {
        self.connection.fetch_add(1, Ordering::SeqCst);
        for filter in [RECORDS_FILTER, STATUS_FILTER] {
            if self.client.try_subscribe(filter, QoS::AtLeastOnce).is_err() {
                // The queue is full of answers: without a subscription the connection is useless.
                tracing::warn!("cannot subscribe; connecting again");
                self.events.clean();
                return;
            }
        }
        self.connected.0.store(true, Ordering::SeqCst);
        tracing::info!("connected to the broker");
    }

    fn hand_over(&mut self, publish: Publish) {
        let delivery = Delivery {
            message: Message {
                topic: publish.topic.clone(),
                bytes: publish.payload.to_vec(),
            },
            connection: self.connection.load(Ordering::SeqCst),
            publish,
        };
        if self.deliver.try_send(delivery).is_err() {
            // Not acknowledged, so the broker sends it again on the next connection.
            tracing::warn!("the broker sends more than agreed; connecting again");
            self.events.clean();
        }
    }
}
