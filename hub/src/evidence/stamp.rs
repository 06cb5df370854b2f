//! Time stamps (RFC 3161): asking for one, and checking one. The one door to the crates `x509_tsp`, `cms` and `der`.
//!
//! A token is checked in full: that it stamps these contents, that the signer's certificate is for time stamping and
//! held then, and that its signature holds. Fractions of a second are not read, which the crate does not know: a
//! service that gives them is not used.

use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Int, Null, ObjectIdentifier, OctetString};
use der::{Any, Decode as _, Encode as _};
use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};
use thiserror::Error;
use varco_proto::ids::Digest;
use varco_proto::time::UtcTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_tsp::{MessageImprint, TimeStampReq, TimeStampResp, TspVersion, TstInfo};

use crate::machine::random::{self, RandomError};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
/// Which certificate signed: by SHA-1 of it, or by another digest.
const SIGNING_CERTIFICATE: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47"),
];
const OF_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const OF_SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const OF_SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const ECDSA_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// Bytes of a nonce. The first is never 0 and never above 127, so that the number has one encoding.
const NONCE_BYTES: usize = 8;
/// Most certificates between a signer's and one that is believed.
const CHAIN_MAX: usize = 4;

/// A time stamp is none, or not of these contents.
#[derive(Debug, Error)]
pub enum StampError {
    /// It is no answer, or no token, of RFC 3161.
    #[error("the time stamp cannot be read: {0}")]
    Form(&'static str),
    /// Its encoding.
    #[error("the time stamp cannot be read")]
    Der(#[from] der::Error),
    /// The service refused.
    #[error("the time-stamping service refused: its answer's status is not granted")]
    Refused,
    /// It stamps something else.
    #[error("the time stamp is of other contents")]
    Imprint,
    /// It answers another request.
    #[error("the time stamp answers another request: its nonce is not the one that was sent")]
    Nonce,
    /// Its signature.
    #[error("the time stamp's signature does not hold: {0}")]
    Signature(&'static str),
    /// The system gave no random bytes.
    #[error("cannot draw a nonce")]
    Random(#[from] RandomError),
}

/// A request for a time stamp.
#[derive(Debug)]
pub struct StampRequest {
    imprint: Digest,
    nonce: Int,
}

impl StampRequest {
    /// For a digest (SHA-256).
    ///
    /// # Errors
    /// [`StampError`].
    pub fn new(imprint: Digest) -> Result<Self, StampError> {
        let mut nonce = random::bytes::<NONCE_BYTES>()?;
        nonce[0] = (nonce[0] & 0x7f) | 1;
        Ok(Self {
            imprint,
            nonce: Int::new(&nonce)?,
        })
    }

    /// What is sent to the service.
    ///
    /// # Errors
    /// [`StampError`].
    pub fn encode(&self) -> Result<Vec<u8>, StampError> {
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: x509_tsp_algorithm()?,
                hashed_message: OctetString::new(self.imprint.as_bytes().to_vec())?,
            },
            req_policy: None,
            nonce: Some(self.nonce.clone()),
            cert_req: true,
            extensions: None,
        };
        Ok(request.to_der()?)
    }

    /// The token of an answer, checked: it is of this request and its signature holds.
    ///
    /// # Errors
    /// [`StampError`].
    pub fn token(&self, answer: &[u8]) -> Result<Vec<u8>, StampError> {
        let answer = TimeStampResp::from_der(answer)?;
        // 0 granted, 1 granted with modifications, which an answer to this request has none of.
        let status = answer.status.to_der()?;
        let is_granted = status.get(2..5) == Some(&[2, 1, 0]);
        let token = answer.time_stamp_token.filter(|_| is_granted);
        let token = token.ok_or(StampError::Refused)?.to_der()?;
        let info = TokenParts::read(&token)?.info;
        if info.nonce.as_ref() != Some(&self.nonce) {
            return Err(StampError::Nonce);
        }
        check(&token, self.imprint)?;
        Ok(token)
    }
}

fn x509_tsp_algorithm() -> Result<cms::cert::x509::spki::AlgorithmIdentifier<Any>, StampError> {
    Ok(cms::cert::x509::spki::AlgorithmIdentifier {
        oid: OF_SHA_256,
        parameters: Some(Any::encode_from(&Null)?),
    })
}

/// What a token that holds says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// When.
    pub at: UtcTime,
    /// The name in the signer's certificate.
    pub by: String,
    signer: Vec<u8>,
    others: Vec<Vec<u8>>,
}

impl Stamped {
    /// Whether one of these certificates (DER) is the signer's, or vouches for it through those in the token.
    #[must_use]
    pub fn is_by_one_of(&self, believed: &[Vec<u8>]) -> bool {
        let mut current = self.signer.clone();
        for _ in 0..=CHAIN_MAX {
            if believed
                .iter()
                .any(|one| *one == current || issued(one, &current))
            {
                return true;
            }
            let above = self
                .others
                .iter()
                .find(|one| **one != current && issued(one, &current));
            match above {
                Some(above) => current.clone_from(above),
                None => return false,
            }
        }
        false
    }
}

/// Whether an authority's certificate issued another.
fn issued(authority: &[u8], issued: &[u8]) -> bool {
    let read = |der| {
        X509Certificate::from_der(der)
            .ok()
            .filter(|(rest, _)| rest.is_empty())
            .map(|(_, read)| read)
    };
    let (Some(authority), Some(issued)) = (read(authority), read(issued)) else {
        return false;
    };
    authority.is_ca()
        && authority.subject() == issued.issuer()
        && issued
            .verify_signature(Some(authority.public_key()))
            .is_ok()
}

/// The parts of a token.
struct TokenParts {
    info: TstInfo,
    /// What is signed, as it was encoded.
    content: Vec<u8>,
    signer: SignerInfo,
    certificates: Vec<Vec<u8>>,
}

impl TokenParts {
    fn read(token: &[u8]) -> Result<Self, StampError> {
        let outer = ContentInfo::from_der(token)?;
        if outer.content_type != SIGNED_DATA || outer.to_der()? != token {
            return Err(StampError::Form("it is not one signed message"));
        }
        let signed: SignedData = outer.content.decode_as()?;
        let content = signed.encap_content_info.econtent.as_ref();
        let content = content.filter(|_| signed.encap_content_info.econtent_type == TST_INFO);
        let content: OctetString = content
            .ok_or(StampError::Form("it stamps nothing"))?
            .decode_as()?;
        let mut certificates = Vec::new();
        for one in signed.certificates.iter().flat_map(|all| all.0.iter()) {
            if let CertificateChoices::Certificate(certificate) = one {
                certificates.push(certificate.to_der()?);
            }
        }
        let mut signers = signed.signer_infos.0.iter().cloned();
        let (Some(signer), None) = (signers.next(), signers.next()) else {
            return Err(StampError::Form("it has not one signer"));
        };
        Ok(Self {
            info: TstInfo::from_der(content.as_bytes())?,
            content: content.as_bytes().to_vec(),
            signer,
            certificates,
        })
    }

    /// The signer's certificate.
    fn certificate(&self) -> Result<&Vec<u8>, StampError> {
        let is_it = |der: &&Vec<u8>| {
            let read = cms::cert::x509::Certificate::from_der(der).ok();
            read.is_some_and(|certificate| match &self.signer.sid {
                SignerIdentifier::IssuerAndSerialNumber(id) => {
                    id.issuer == certificate.tbs_certificate.issuer
                        && id.serial_number == certificate.tbs_certificate.serial_number
                }
                SignerIdentifier::SubjectKeyIdentifier(_) => false,
            })
        };
        let found = self.certificates.iter().find(is_it);
        found.ok_or(StampError::Signature(
            "the signer's certificate is not in it",
        ))
    }

    /// The one value of a signed attribute.
    fn attribute(&self, oid: ObjectIdentifier) -> Option<Vec<u8>> {
        let mut all = self.signer.signed_attrs.iter().flat_map(|all| all.iter());
        let found = all.find(|one| one.oid == oid)?;
        found.values.get(0).and_then(|value| value.to_der().ok())
    }
}

/// Checks a token: that it is of this digest, and that its signature holds.
///
/// # Errors
/// [`StampError`].
pub fn check(token: &[u8], imprint: Digest) -> Result<Stamped, StampError> {
    let parts = TokenParts::read(token)?;
    let of = &parts.info.message_imprint;
    if of.hash_algorithm.oid != OF_SHA_256 || of.hashed_message.as_bytes() != imprint.as_bytes() {
        return Err(StampError::Imprint);
    }
    let der = parts.certificate()?;
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|_| StampError::Form("the signer's certificate cannot be read"))?;
    let seconds = parts.info.gen_time.to_unix_duration().as_secs();
    let seconds = i64::try_from(seconds).map_err(|_| StampError::Form("its time"))?;
    check_certificate(&certificate, seconds)?;
    check_attributes(&parts, der)?;
    check_signature(&parts, &certificate)?;
    let at = seconds
        .checked_mul(1_000_000)
        .ok_or(StampError::Form("its time"))?;
    Ok(Stamped {
        at: UtcTime::from_unix_us(at),
        by: certificate.subject().to_string(),
        signer: der.clone(),
        others: parts.certificates.clone(),
    })
}

/// For time stamping and for nothing else, and holding then.
fn check_certificate(certificate: &X509Certificate<'_>, at_s: i64) -> Result<(), StampError> {
    let usage = certificate.extended_key_usage().ok().flatten();
    if !usage.is_some_and(|usage| usage.critical && usage.value.time_stamping) {
        return Err(StampError::Signature(
            "the signer's certificate is not for time stamping",
        ));
    }
    let holds = certificate.validity();
    let within = (holds.not_before.timestamp()..=holds.not_after.timestamp()).contains(&at_s);
    within.then_some(()).ok_or(StampError::Signature(
        "the signer's certificate did not hold then",
    ))
}

/// What the signature is over says what is stamped, and by which certificate.
fn check_attributes(parts: &TokenParts, certificate: &[u8]) -> Result<(), StampError> {
    let kind = parts.attribute(CONTENT_TYPE);
    if kind != Some(TST_INFO.to_der()?) {
        return Err(StampError::Signature("it does not name what is stamped"));
    }
    let of_content = digest::digest(digest_of(parts.signer.digest_alg.oid)?, &parts.content);
    let of_content = OctetString::new(of_content.as_ref().to_vec())?.to_der()?;
    if parts.attribute(MESSAGE_DIGEST) != Some(of_content) {
        return Err(StampError::Signature("what is stamped was changed"));
    }
    let named: Vec<_> = SIGNING_CERTIFICATE
        .iter()
        .filter_map(|oid| parts.attribute(*oid))
        .collect();
    let digests = [&SHA1_FOR_LEGACY_USE_ONLY, &SHA256, &SHA384, &SHA512]
        .map(|kind| digest::digest(kind, certificate));
    let names_it = |value: &Vec<u8>| {
        let has = |digest: &digest::Digest| {
            value
                .windows(digest.as_ref().len())
                .any(|part| part == digest.as_ref())
        };
        digests.iter().any(has)
    };
    let holds = !named.is_empty() && named.iter().all(names_it);
    holds
        .then_some(())
        .ok_or(StampError::Signature("it names another certificate"))
}

fn digest_of(oid: ObjectIdentifier) -> Result<&'static digest::Algorithm, StampError> {
    match oid {
        OF_SHA_256 => Ok(&SHA256),
        OF_SHA_384 => Ok(&SHA384),
        OF_SHA_512 => Ok(&SHA512),
        _ => Err(StampError::Signature(
            "its digest is not SHA-256, SHA-384 or SHA-512",
        )),
    }
}

fn check_signature(
    parts: &TokenParts,
    certificate: &X509Certificate<'_>,
) -> Result<(), StampError> {
    let signed = parts.signer.signed_attrs.as_ref();
    let signed = signed
        .ok_or(StampError::Signature("it signs no attributes"))?
        .to_der()?;
    let algorithm: &dyn VerificationAlgorithm = match (
        parts.signer.signature_algorithm.oid,
        parts.signer.digest_alg.oid,
    ) {
        (RSA | RSA_SHA_256, OF_SHA_256) => &RSA_PKCS1_2048_8192_SHA256,
        (RSA | RSA_SHA_384, OF_SHA_384) => &RSA_PKCS1_2048_8192_SHA384,
        (RSA | RSA_SHA_512, OF_SHA_512) => &RSA_PKCS1_2048_8192_SHA512,
        (ECDSA_SHA_256, OF_SHA_256) => &ECDSA_P256_SHA256_ASN1,
        (ECDSA_SHA_384, OF_SHA_384) => &ECDSA_P384_SHA384_ASN1,
        _ => {
            return Err(StampError::Signature(
                "it is by an algorithm that is not known here",
            ));
        }
    };
    let key = &certificate.public_key().subject_public_key.data;
    let key = UnparsedPublicKey::new(algorithm, key.as_ref());
    let holds = key.verify(&signed, parts.signer.signature.as_bytes());
    holds.map_err(|_| StampError::Signature("it was changed, or is by another key"))
}
