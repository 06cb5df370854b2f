//! The `hub.toml` of a new home, which is also the example in `deploy/examples`.

use std::net::SocketAddr;

use super::Config;

/// What a new home says of the audit.
const AUDIT: &str = "\
# How long audit lines are kept; 366 days is the least. Who else signs that none of them was\n\
# changed: a witness on another machine (`varco-hub witness init`), one block for each.\n\
[audit]\n\
term_days = 730\n\
# [[audit.witnesses]]\n\
# address = \"https://witness.example.it:9470\"\n\
# key = \"NAME+HASH+KEY\"\n\
# ca_file = \"/etc/varco-hub/witness-ca.crt\"\n\
# This hub as the witness of other hubs: a folder that `varco-hub witness init` made.\n\
# [witness]\n\
# folder = \"/var/lib/varco-hub/witness\"\n";
const SIGNING: &str = "[signing]
# A session that lies idle is locked, and asks for the password; at its end it asks for all.
idle_lock_minutes = 10
session_hours = 12
# Whether persons sign in from enrolled workstations alone: `varco-hub post invite`.
post_required = true
# The name by which browsers reach the hub's page, without port: with it persons can make passkeys, which count as
# password and second factor together. Left out, there are none. Another name makes those there are worthless.
# passkey_host = \"varco.comune.example\"
";

/// What a new home says of evidence.
const EVIDENCE: &str = "\
# The service that stamps evidence with the time (RFC 3161), and the authority of its HTTPS.\n\
# Left out, packages have no stamp; while it does not answer, nothing is extracted.\n\
# [evidence]\n\
# timestamp_url = \"https://tsa.example.it/tsr\"\n\
# timestamp_ca_file = \"/etc/varco-hub/tsa-ca.crt\"\n";

/// What a new home says of being measured.
const MEASURED: &str = "\
# Measured by Prometheus at http://ADDRESS/metrics: counts, spans and states, never a\n\
# plate. On this machine alone; left out, nobody is answered.\n\
# [metrics]\n\
# address = \"127.0.0.1:9465\"\n";

impl Config {
    /// The file that `init` writes.
    #[must_use]
    pub fn to_toml(listen: SocketAddr, broker_host: &str, broker_port: u16) -> String {
        format!(
            "# Configuration of varco-hub. Unknown keys are refused.\n\
             \n\
             [http]\n\
             # Where the API and the page are served, over HTTPS.\n\
             listen = \"{listen}\"\n\
             # How many connections there may be at once, and how long they may stand still. A\n\
             # stranger is one on which no token was shown: for one too many the oldest goes.\n\
             [http.limits]\n\
             connections_max = 768\n\
             strangers_max = 256\n\
             strangers_per_address_max = 64\n\
             connections_per_actor_max = 64\n\
             streams_max = 128\n\
             streams_per_actor_max = 16\n\
             # A TLS handshake, and the head of a request.\n\
             head_timeout_s = 15\n\
             # A reader who takes less than 16 KiB of what waits for it.\n\
             stalled_timeout_s = 20\n\
             \n\
             [broker]\n\
             # As the broker's certificate has it.\n\
             host = \"{broker_host}\"\n\
             port = {broker_port}\n\
             \n\
             [intake]\n\
             # A batch is committed when it has so many records or is so old.\n\
             batch_records_max = 2048\n\
             batch_wait_ms = 20\n\
             # Threads that check signatures; 0 for as many as there are cores.\n\
             verify_threads = 0\n\
             # Connections to the broker. One brings more than one machine stores.\n\
             connections = 1\n\
             # A capture further ahead of the hub's clock is refused.\n\
             clock_ahead_max_s = 60\n\
             \n\
             [retention]\n\
             # From the capture; 168 hours (seven days) is the most that the law allows.\n\
             term_hours = 168\n\
             \n\
             [lookup]\n\
             results_max = 200\n\
             at_once_max = 4\n\
             # Which vehicles travel with another: a search to be decided on before it is switched on.\n\
             companions = false\n\
             \n\
             [edges]\n\
             # Of an enrolled edge; it renews its certificate when a third of this is left.\n\
             certificate_valid_h = 2160\n\
             \n\
             {SIGNING}\n\
             # Where the transits are; left out, in this home. In PostgreSQL, on this machine alone,\n\
             # several hubs can share them: `varco-hub run --hub 2`. See `varco-hub store move --help`.\n\
             # [store]\n\
             # postgres = \"host=/run/postgresql dbname=varco user=varco-hub\"\n\
             # password_file = \"/var/lib/varco-hub/private/postgresql\"\n\
             # hubs = 1\n\
             \n\
             {AUDIT}\n\
             {EVIDENCE}\n\
             {MEASURED}\n\
             # A backup that the running hub keeps up to date. What lies in `folder` may be copied\n\
             # anywhere; what lies in `keys_folder` must not: see `varco-hub backup --help`.\n\
             # [backup]\n\
             # folder = \"/mnt/backup/varco\"\n\
             # keys_folder = \"/mnt/keys/varco\"\n\
             # every_minutes = 60\n"
        )
    }
}
