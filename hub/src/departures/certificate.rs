//! A certificate of destruction: what it says, the hub's signature over it, and checking that without a hub.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use varco_proto::envelope::pre_authentication_encoding;
use varco_proto::ids::GateId;
use varco_proto::keys::{OpeningKey, SealingKey};
use varco_proto::time::UtcTime;

/// Media type that its signature is bound to.
const CERTIFICATE_TYPE: &str = "application/vnd.varco.destruction-certificate.v1+json";
/// Longest certificate, in bytes.
pub const BYTES_MAX: usize = 1 << 20;

/// Who left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum CertifiedParty {
    /// A municipality whose transits had been seen.
    Giver(String),
    /// A body that had seen them.
    Receiver(String),
    /// A municipality that left the hub.
    Municipality(String),
}

/// Transits that a case keeps for proceedings (art. 14 c. 1 b).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptInCase {
    /// Which case.
    pub case: String,
    /// Whose.
    pub body: String,
    /// Who ordered it.
    pub authority: String,
    /// By which order.
    pub order: String,
    /// When the order's term is over, and they are destroyed.
    pub until: UtcTime,
    /// How many.
    pub transits: u64,
}

/// A list of somebody who had seen the transits: its plates are its own, and it waits at these gates no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListGoesOn {
    /// Which list.
    pub list: String,
    /// Whose.
    pub body: String,
    /// Its alerts from these gates that were destroyed.
    pub alerts_destroyed: u64,
}

/// What is certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestructionCertificate {
    /// Its number at this hub.
    pub number: i64,
    /// The hub's public key, hexadecimal.
    pub hub_key: String,
    /// When it was made.
    pub issued_at: UtcTime,
    /// Of which agreement; none when a municipality left the hub.
    pub agreement: Option<String>,
    /// As people call it; else the act by which the municipality left.
    pub title: String,
    /// Who left it, or was a member at its end.
    pub left: CertifiedParty,
    /// The first moment in which they were no member any more.
    pub since: UtcTime,
    /// The gates whose transits had been shared, or stored.
    pub gates: BTreeSet<GateId>,
    /// How many of their transits the hub still stores, of a municipality that left it: none.
    pub stored: Option<u64>,
    /// The bodies of which it was looked at what they can still reach and hold.
    pub looked_at: BTreeSet<String>,
    /// Other agreements that hold and share some of these gates with some of these bodies.
    pub shared_otherwise: BTreeSet<String>,
    /// Alerts that were destroyed with what they showed.
    pub alerts_destroyed: u64,
    /// Transits that are exceptionally kept.
    pub kept_for_proceedings: Vec<KeptInCase>,
    /// Their lists.
    pub lists: Vec<ListGoesOn>,
    /// The same in a sentence of Italian.
    pub says: String,
}

/// A certificate with the hub's signature over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDestruction {
    /// What is signed.
    pub certificate: DestructionCertificate,
    /// By the hub's key, hexadecimal.
    pub signature: String,
}

/// A certificate does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateFault {
    /// Its text.
    #[error("this is no certificate of destruction: {0}")]
    Text(String),
    /// It was altered, or written in another way than the hub writes.
    #[error("it was altered: the hub writes a certificate in one way alone, and not in this")]
    Form,
    /// Its key.
    #[error("the hub's key in the certificate cannot be read")]
    Key,
    /// Another hub.
    #[error("it is signed by another hub: its key is {0}")]
    OtherHub(String),
    /// It was altered.
    #[error("it was altered: the hub's signature does not hold for it")]
    Signature,
}

impl DestructionCertificate {
    fn signed_text(&self) -> Result<Vec<u8>, serde_json::Error> {
        let text = serde_json::to_vec(self)?;
        Ok(pre_authentication_encoding(CERTIFICATE_TYPE, &text))
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`serde_json::Error`]; a bug.
    pub fn sign(self, key: &SealingKey) -> Result<SignedDestruction, serde_json::Error> {
        let signature = hex::encode(key.sign(&self.signed_text()?));
        Ok(SignedDestruction {
            certificate: self,
            signature,
        })
    }
}

impl SignedDestruction {
    /// As it is written into a file.
    ///
    /// # Errors
    /// [`serde_json::Error`]; a bug.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads a certificate and checks it, with nothing but the hub's key: without one, with the key that it names
    /// itself, of which somebody else must say whose it is. No byte of its text may be another.
    ///
    /// # Errors
    /// [`CertificateFault`].
    pub fn verified(text: &str, key: Option<&OpeningKey>) -> Result<Self, CertificateFault> {
        let wrong = |error: serde_json::Error| CertificateFault::Text(error.to_string());
        if text.len() > BYTES_MAX {
            return Err(CertificateFault::Text("it is too long".to_owned()));
        }
        let read: Self = serde_json::from_str(text).map_err(wrong)?;
        if read.text().map_err(wrong)? != text {
            return Err(CertificateFault::Form);
        }
        let named = &read.certificate.hub_key;
        let own: OpeningKey = named.parse().map_err(|_| CertificateFault::Key)?;
        if own.to_string() != *named {
            return Err(CertificateFault::Form);
        }
        if key.is_some_and(|key| *key != own) {
            return Err(CertificateFault::OtherHub(named.clone()));
        }
        let signature = hex::decode(&read.signature);
        let signed = read.certificate.signed_text().map_err(wrong)?;
        match signature {
            // Digits in capitals are the same bytes, and not the same text.
            Ok(signature) if hex::encode(&signature) != read.signature => {
                Err(CertificateFault::Form)
            }
            Ok(signature) if own.verifies(&signed, &signature) => Ok(read),
            _ => Err(CertificateFault::Signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c46_part_a_certificate_that_was_altered_in_any_byte_does_not_hold() {
        let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
        let certificate = DestructionCertificate {
            number: 1,
            hub_key: key.opening_key().to_string(),
            issued_at: UtcTime::from_unix_us(2_000_000),
            agreement: Some("provincia".to_owned()),
            title: "Protocollo".to_owned(),
            left: CertifiedParty::Giver("Corciano".to_owned()),
            since: UtcTime::from_unix_us(1_000_000),
            gates: BTreeSet::from(["porta-sud".parse().unwrap()]),
            stored: None,
            looked_at: BTreeSet::from(["questura".to_owned()]),
            shared_otherwise: BTreeSet::new(),
            alerts_destroyed: 3,
            kept_for_proceedings: Vec::new(),
            lists: Vec::new(),
            says: "Nulla è conservato.".to_owned(),
        };
        let text = certificate.sign(&key).unwrap().text().unwrap();
        let own = key.opening_key();
        assert!(SignedDestruction::verified(&text, Some(&own)).is_ok());
        assert!(SignedDestruction::verified(&text, None).is_ok());
        let other = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
        let other = SignedDestruction::verified(&text, Some(&other.opening_key()));
        assert!(matches!(other, Err(CertificateFault::OtherHub(_))));
        for at in 0..text.len() {
            for flip in [1, 0x20] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= flip;
                let Ok(altered) = String::from_utf8(bytes) else {
                    continue;
                };
                let held = SignedDestruction::verified(&altered, Some(&own));
                assert!(held.is_err(), "byte {at}: {altered}");
            }
        }
        assert!(SignedDestruction::verified(&(text + " "), Some(&own)).is_err());
    }
}
