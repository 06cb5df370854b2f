//! A failed connection to the broker, in words that say what to do.

use std::error::Error;
use std::io;

use rumqttc::{ConnectReturnCode, ConnectionError, StateError};
use rustls::CertificateError;

/// What is wrong and what to do about it. Holds no key and no certificate.
pub(super) fn words(error: &ConnectionError) -> String {
    if let Some(tls) = tls_error(error) {
        return tls_words(tls);
    }
    match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNamePassword,
        ) => "the broker does not let this edge in: register it at the hub (`varco-hub edge add`) \
              and check that `edge.id` is the name in its certificate"
            .to_owned(),
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            "the broker does not answer in time; check `hub.broker_host`, the link and firewalls"
                .to_owned()
        }
        ConnectionError::Io(io)
        | ConnectionError::Tls(rumqttc::TlsError::Io(io))
        | ConnectionError::MqttState(StateError::Io(io)) => io_words(io),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            io_words(&io::ErrorKind::ConnectionAborted.into())
        }
        other => format!("the broker's connection failed: {other}"),
    }
}

fn io_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nothing listens there: check `hub.broker_host` and `hub.broker_port`, and that the \
             broker runs"
                .to_owned()
        }
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe => "the broker closed the connection; when this repeats, its \
             log says why (a certificate that it refuses, or another client with this edge's name)"
            .to_owned(),
        _ => format!("the network says: {error}; check `hub.broker_host` and the link"),
    }
}

fn tls_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "the broker's certificate comes from another authority than `hub.ca_file` holds; \
              copy the hub's ca.crt to this box anew"
            .to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the broker's certificate does not name `hub.broker_host`; write a host that it names"
            .to_owned(),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "the broker's certificate is not valid now; check this box's clock, then the \
              certificate"
            .to_owned(),
        rustls::Error::AlertReceived(alert) => format!(
            "the broker refuses this edge's certificate ({alert:?}); check \
             `hub.certificate_file`, or register the edge anew"
        ),
        other => format!("no secure connection to the broker: {other}"),
    }
}

/// rumqttc and tokio wrap the error of rustls in several ways; it is found by its type.
fn tls_error(error: &ConnectionError) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        next = match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
            // `source` of an io::Error skips the wrapped error itself.
            Some(Some(inner)) => Some(inner),
            _ => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_tls_is_found_inside_its_wrappings() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = ConnectionError::Tls(rumqttc::TlsError::Io(io::Error::new(
            io::ErrorKind::InvalidData,
            tls,
        )));
        assert!(words(&wrapped).contains("another authority"), "{wrapped}");
        let refused = ConnectionError::Io(io::ErrorKind::ConnectionRefused.into());
        assert!(words(&refused).contains("nothing listens"));
    }
}
