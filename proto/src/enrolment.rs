//! How an edge proves that it has the keys that it asks a certificate for.
//!
//! The certificate request is signed with the TLS key itself. What is here is signed with the
//! sealing key, and binds both keys together: nobody can put a request of his own under another's
//! sealing key, or use a proof a second time for something else.

use prost::Message as _;

use crate::envelope::{Payload, PayloadError, pre_authentication_encoding};
use crate::ids::{Digest, EdgeId};
use crate::time::UtcTime;
use crate::wire;

/// Media type that the proof of a first enrolment is bound to.
const ENROLMENT_TYPE: &str = "application/vnd.varco.enrolment.v1";
/// What every enrolment token begins with.
const TOKEN_PREFIX: &str = "varco-enrol";
/// Longest certificate request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 4096;

/// The bytes that the sealing key signs at a first enrolment.
#[must_use]
pub fn enrolment_statement(token: &str, request_der: &[u8]) -> Vec<u8> {
    let mut bytes = Digest::of(token.as_bytes()).as_bytes().to_vec();
    bytes.extend_from_slice(Digest::of(request_der).as_bytes());
    pre_authentication_encoding(ENROLMENT_TYPE, &bytes)
}

/// A token as a person carries it to the box: whose, and a secret.
#[must_use]
pub fn token_for(edge: &EdgeId, secret: &str) -> String {
    format!("{TOKEN_PREFIX}_{edge}_{secret}")
}

/// For which edge a token is; none when it is no token. Says nothing about whether it holds.
#[must_use]
pub fn edge_of_token(token: &str) -> Option<EdgeId> {
    let (edge, secret) = token
        .strip_prefix(TOKEN_PREFIX)?
        .strip_prefix('_')?
        .split_once('_')?;
    let is_secret = secret.len() == 64 && secret.bytes().all(|b| b.is_ascii_hexdigit());
    is_secret.then(|| edge.parse().ok()).flatten()
}

/// An enrolled edge asks for a new certificate. Sealed with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Who asks.
    pub edge: EdgeId,
    /// The certificate request, DER, at most [`REQUEST_BYTES_MAX`]; signed with the new TLS key.
    pub request_der: Vec<u8>,
    /// By the edge's clock: a second use of the same bytes is told by it.
    pub requested_at: UtcTime,
}

impl Payload for Renewal {
    const TYPE: &'static str = "application/vnd.varco.renewal.v1+protobuf";

    fn encode(&self) -> Vec<u8> {
        wire::Renewal {
            edge_id: self.edge.to_string(),
            request_der: self.request_der.clone(),
            requested_at_unix_us: self.requested_at.unix_us(),
        }
        .encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let sent = wire::Renewal::decode(bytes).map_err(|_| PayloadError::Protobuf)?;
        if sent.request_der.is_empty() || sent.request_der.len() > REQUEST_BYTES_MAX {
            return Err(PayloadError::field("request_der")(
                "it is empty or too long",
            ));
        }
        Ok(Self {
            edge: EdgeId::try_from(sent.edge_id).map_err(PayloadError::field("edge_id"))?,
            request_der: sent.request_der,
            requested_at: UtcTime::from_unix_us(sent.requested_at_unix_us),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is() {
        let edge: EdgeId = "porta-nord-01".parse().unwrap();
        let token = token_for(&edge, &"0a".repeat(32));
        assert_eq!(edge_of_token(&token), Some(edge));
        for other in [
            "varco_0a0a",
            "varco-enrol_porta-nord-01_0a",
            "varco-enrol__",
            &token[1..],
        ] {
            assert_eq!(edge_of_token(other), None, "{other}");
        }
    }

    #[test]
    fn a_statement_binds_the_token_and_the_request() {
        let one = enrolment_statement("a", b"b");
        assert_ne!(one, enrolment_statement("c", b"b"));
        assert_ne!(one, enrolment_statement("a", b"c"));
    }

    #[test]
    fn a_renewal_without_or_with_too_long_a_request_is_refused() {
        let mut renewal = Renewal {
            edge: "nord".parse().unwrap(),
            request_der: vec![1],
            requested_at: UtcTime::from_unix_us(7),
        };
        assert_eq!(Renewal::decode(&renewal.encode()), Ok(renewal.clone()));
        renewal.request_der.clear();
        assert!(Renewal::decode(&renewal.encode()).is_err());
        renewal.request_der = vec![0; REQUEST_BYTES_MAX + 1];
        assert!(Renewal::decode(&renewal.encode()).is_err());
    }
}
