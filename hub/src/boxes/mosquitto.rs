//! The configuration of the broker (Mosquitto 2), written by `init`.
//!
//! The broker takes a client's name from its certificate, and its ACL keeps each edge to its own
//! topics. It is no system of record: a forgetful broker costs time, never a transit.

use std::net::IpAddr;
use std::path::Path;

use varco_proto::envelope::ENVELOPE_BYTES_MAX;

use crate::config::HUB_CONNECTIONS_MAX;

/// The hub's user name at the broker: the common name of its certificate. No edge may bear it.
pub const HUB_USER: &str = "varco-hub";
/// Largest message that the broker takes, in bytes: an envelope, and room for MQTT's own header.
pub const MESSAGE_BYTES_MAX: usize = ENVELOPE_BYTES_MAX + 1024;
/// Most messages the broker sends to the hub before their acknowledgement.
/// Several batches are under way at a time.
pub const INFLIGHT_MAX: u16 = 4000;

/// The user name of the hub's connection, the first being 0. Each is a client of its own, with a
/// certificate of its own: the broker takes the client's id from it.
#[must_use]
pub fn hub_user(number: usize) -> String {
    if number == 0 {
        HUB_USER.to_owned()
    } else {
        format!("{HUB_USER}-{}", number + 1)
    }
}

/// Whether a name is one of the hub's own at the broker, which no edge may bear.
#[must_use]
pub fn is_hub_user(name: &str) -> bool {
    (0..HUB_CONNECTIONS_MAX).any(|number| hub_user(number) == name)
}

/// What the broker's configuration depends on.
pub struct BrokerSettings<'a> {
    /// The hub's home, absolute.
    pub home: &'a Path,
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port to listen on.
    pub port: u16,
    /// Unix user to run as when started by root.
    pub user: &'a str,
}

/// `mosquitto.conf`.
#[must_use]
pub fn configuration(settings: &BrokerSettings<'_>) -> String {
    let BrokerSettings {
        home,
        bind,
        port,
        user,
    } = settings;
    let home = home.display();
    format!(
        "# Written by `varco-hub init` for Mosquitto 2. Start: mosquitto -c {home}/mosquitto/mosquitto.conf\n\
         # After `varco-hub edge revoke`, and when the server's certificate was renewed or issued\n\
         # anew, send it SIGHUP: it reads the list of revoked certificates and its certificate again,\n\
         # and open connections go on. The package's units do that. The hub itself refuses a revoked\n\
         # edge at once.\n\
         user {user}\n\
         per_listener_settings false\n\
         \n\
         listener {port} {bind}\n\
         cafile {home}/ca.crt\n\
         certfile {home}/certificates/server.crt\n\
         keyfile {home}/private/server.key\n\
         crlfile {home}/certificates/revoked.crl\n\
         require_certificate true\n\
         use_identity_as_username true\n\
         # Nobody takes over another's session by calling himself like him.\n\
         use_username_as_clientid true\n\
         tls_version tlsv1.2\n\
         \n\
         allow_anonymous false\n\
         acl_file {home}/mosquitto/acl\n\
         \n\
         # Nothing is dropped while the hub is away. Each edge also keeps its records until the\n\
         # hub's own receipt.\n\
         persistence true\n\
         persistence_location {home}/mosquitto/\n\
         autosave_interval 30\n\
         persistent_client_expiration 14d\n\
         max_queued_messages 0\n\
         max_inflight_messages {INFLIGHT_MAX}\n\
         message_size_limit {MESSAGE_BYTES_MAX}\n\
         max_keepalive 120\n\
         set_tcp_nodelay true\n\
         retain_available false\n\
         \n\
         log_dest stderr\n\
         log_type error\n\
         log_type warning\n\
         log_type notice\n\
         connection_messages true\n"
    )
}

/// The ACL.
#[must_use]
pub fn access_control() -> String {
    let hubs = (0..HUB_CONNECTIONS_MAX).map(|number| {
        format!(
            "user {}\n\
             topic read varco/v1/edge/#\n\
             topic write varco/v1/hub/#\n\
             \n",
            hub_user(number)
        )
    });
    format!(
        "# Written by `varco-hub init`. The user name is the certificate's common name. The hub's\n\
         # further names are for `[intake] connections`.\n\
         {}\
         pattern write varco/v1/edge/%u/#\n\
         pattern read varco/v1/hub/%u/#\n",
        hubs.collect::<String>()
    )
}
