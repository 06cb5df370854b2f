//! The hub's private authority (rcgen): server and client certificates, and the list of revoked
//! ones. Times come in; nothing here reads a clock or a file.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams,
    CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, RevocationReason, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};
use thiserror::Error;
use varco_proto::time::UtcTime;

use crate::machine::random;

/// How long the certificates hold that nothing renews: the authority's, the hub's at the broker, and
/// those in bundles. A forgotten date must not stop the gates at night: an edge is shut out by
/// revoking it.
const VALID: Duration = Duration::from_secs(3650 * 86_400);
/// How far a certificate's beginning lies back, for clocks that are behind.
const BACKDATED: Duration = Duration::from_secs(86_400);
/// Longest life of a server's certificate: browsers refuse one of more than 398 days.
pub const SERVER_LIFE_MAX: Duration = Duration::from_secs(397 * 86_400);
/// Bytes of a serial number.
const SERIAL_BYTES: usize = 16;

/// What a server's certificate is called in errors.
const SERVER: &str = "server's certificate";

/// A certificate cannot be made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The library refused; with our own inputs, only a damaged authority file does this.
    #[error("cannot make the {what}")]
    Make {
        /// Which one.
        what: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A host name cannot stand in a certificate: write it in ASCII.
    #[error("`{0}` is no host name for a certificate")]
    Host(String),
    /// The request is no PKCS#10, its signature does not hold, or its key is not on P-256.
    #[error("the certificate request cannot be taken")]
    Request,
    /// See [`random::RandomError`].
    #[error("cannot draw a serial number")]
    Random(#[from] random::RandomError),
}

fn making(what: &str) -> impl FnOnce(rcgen::Error) -> CertificateError {
    let what = what.to_owned();
    move |source| CertificateError::Make { what, source }
}

/// A certificate with its private key, both in PEM.
#[derive(Clone)]
pub struct IssuedCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key (PKCS#8); to be kept in a file that only its owner reads.
    pub key_pem: String,
    /// The certificate's serial number, for the list of revoked ones.
    pub serial: Vec<u8>,
}

/// A certificate made for somebody else's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The certificate.
    pub certificate_pem: String,
    /// Its serial number.
    pub serial: Vec<u8>,
    /// When it ends.
    pub ends_at: UtcTime,
}

/// A revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number.
    pub serial: Vec<u8>,
    /// When it was revoked.
    pub at: UtcTime,
}

/// The authority that signs the hub's and the edges' certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// When it begins.
    pub begins: UtcTime,
    /// When it ends.
    pub ends: UtcTime,
    /// The names and addresses that it is for.
    pub hosts: Vec<String>,
    /// Who issued it.
    pub issuer: String,
}

impl Described {
    /// How long it holds in all.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.ends.since(self.begins)
    }

    /// Whether less than a third of its life is left.
    #[must_use]
    pub fn is_due(&self, now: UtcTime) -> bool {
        self.ends.since(now) < self.life() / 3
    }
}

/// When the first certificate of a PEM text ends; none when there is none.
#[must_use]
pub fn ends(pem: &str) -> Option<UtcTime> {
    describe(pem).map(|described| described.ends)
}

/// What the first certificate of a PEM text says of itself; none when there is none.
#[must_use]
pub fn describe(pem: &str) -> Option<Described> {
    use x509_parser::extensions::GeneralName;
    let blocks = x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes());
    let pem = blocks
        .filter_map(Result::ok)
        .find(|block| block.label == "CERTIFICATE")?;
    let certificate = pem.parse_x509().ok()?;
    let time = |at: x509_parser::time::ASN1Time| {
        UtcTime::from_unix_us(at.timestamp().saturating_mul(1_000_000))
    };
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map_or(&[][..], |names| &names.value.general_names[..]);
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    };
    Some(Described {
        begins: time(certificate.validity().not_before),
        ends: time(certificate.validity().not_after),
        hosts: names.iter().filter_map(host).collect(),
        issuer: certificate.issuer().to_string(),
    })
}

impl Authority {
    /// Makes a new authority.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn create(now: UtcTime) -> Result<IssuedCertificate, CertificateError> {
        let what = "authority's certificate";
        let key = KeyPair::generate().map_err(making(what))?;
        let (mut params, serial) = dated("Varco authority", now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(making(what))?;
        Ok(IssuedCertificate {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            serial,
        })
    }

    /// Takes the authority from its files' content.
    ///
    /// # Errors
    /// [`CertificateError::Make`] when they are damaged or do not belong together.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, CertificateError> {
        let what = "authority from its files";
        let key = KeyPair::from_pem(key_pem).map_err(making(what))?;
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key).map_err(making(what))?;
        Ok(Self { issuer })
    }

    /// A server's certificate with a new key, for these host names and addresses.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn server(
        &self,
        hosts: &[String],
        now: UtcTime,
    ) -> Result<IssuedCertificate, CertificateError> {
        let key = KeyPair::generate().map_err(making(SERVER))?;
        self.server_for(hosts, &key.serialize_pem(), now)
    }

    /// A server's certificate for a key that there is.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn server_for(
        &self,
        hosts: &[String],
        key_pem: &str,
        now: UtcTime,
    ) -> Result<IssuedCertificate, CertificateError> {
        let key = KeyPair::from_pem(key_pem).map_err(making(SERVER))?;
        let valid = SERVER_LIFE_MAX - BACKDATED;
        let (mut params, serial) = dated_for("varco-hub server", now, valid)?;
        for host in hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => {
                    let name = host.as_str().try_into();
                    SanType::DnsName(name.map_err(|_| CertificateError::Host(host.clone()))?)
                }
            });
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, serial, &key, SERVER)
    }

    /// A client's certificate: the broker takes its common name for its user name.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn client(&self, name: &str, now: UtcTime) -> Result<IssuedCertificate, CertificateError> {
        let (mut params, serial) = dated(name, now)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let what = format!("certificate of `{name}`");
        let key = KeyPair::generate().map_err(making(&what))?;
        self.issue(params, serial, &key, &what)
    }

    /// A client's certificate for a key that stays where it was made. Of the request its key is
    /// taken, once its signature shows that the sender has the private half; its names are not.
    ///
    /// # Errors
    /// [`CertificateError::Request`], [`CertificateError`].
    pub fn client_for(
        &self,
        name: &str,
        request_der: &[u8],
        now: UtcTime,
        valid: Duration,
    ) -> Result<SignedRequest, CertificateError> {
        let request = CertificateSigningRequestParams::from_der(&request_der.into())
            .map_err(|_| CertificateError::Request)?;
        if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(CertificateError::Request);
        }
        let (mut params, serial) = dated_for(name, now, valid)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params
            .signed_by(&request.public_key, &self.issuer)
            .map_err(making(&format!("certificate of `{name}`")))?;
        Ok(SignedRequest {
            certificate_pem: certificate.pem(),
            serial,
            ends_at: now + valid,
        })
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        serial: Vec<u8>,
        key: &KeyPair,
        what: &str,
    ) -> Result<IssuedCertificate, CertificateError> {
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(key, &self.issuer).map_err(making(what))?;
        Ok(IssuedCertificate {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            serial,
        })
    }

    /// The list of revoked certificates, in PEM.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn revocation_list(
        &self,
        revoked: &[Revoked],
        now: UtcTime,
    ) -> Result<String, CertificateError> {
        let what = "list of revoked certificates";
        let entry = |revoked: &Revoked| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&revoked.serial),
            revocation_time: date_time_ymd(1970, 1, 1) + revoked.at.since(UtcTime::from_unix_us(0)),
            reason_code: Some(RevocationReason::CessationOfOperation),
            invalidity_date: None,
        };
        let since_epoch = now.since(UtcTime::from_unix_us(0));
        let issued = date_time_ymd(1970, 1, 1) + since_epoch;
        let list = CertificateRevocationListParams {
            this_update: issued - BACKDATED,
            next_update: issued + VALID,
            crl_number: SerialNumber::from(now.unix_ms()),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer)
            .and_then(|list| list.pem())
            .map_err(making(what))
    }
}

/// Parameters with a name, a random serial number and their dates.
fn dated(name: &str, now: UtcTime) -> Result<(CertificateParams, Vec<u8>), CertificateError> {
    dated_for(name, now, VALID)
}

fn dated_for(
    name: &str,
    now: UtcTime,
    valid: Duration,
) -> Result<(CertificateParams, Vec<u8>), CertificateError> {
    let mut serial = random::bytes::<SERIAL_BYTES>()?.to_vec();
    if let Some(first) = serial.first_mut() {
        // A serial number is a positive integer without leading zeros.
        *first = (*first & 0x7f) | 0x40;
    }
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let beginning = date_time_ymd(1970, 1, 1) + now.since(UtcTime::from_unix_us(0));
    params.not_before = beginning - BACKDATED;
    params.not_after = beginning + valid;
    Ok((params, serial))
}

#[cfg(test)]
mod tests {
    use crate::certificates::authority::*;

    #[test]
    fn an_authority_survives_its_files() {
        let now: UtcTime = "2026-11-22T04:00:00Z".parse().unwrap();
        let made = Authority::create(now).unwrap();
        let authority = Authority::from_pem(&made.certificate_pem, &made.key_pem).unwrap();
        let edge = authority.client("porta-nord-01", now).unwrap();
        assert!(edge.certificate_pem.contains("BEGIN CERTIFICATE"));
        assert!(edge.key_pem.contains("PRIVATE KEY"));
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        authority.server(&hosts, now).unwrap();
        let revoked = Revoked {
            serial: edge.serial,
            at: now,
        };
        let list = authority.revocation_list(&[revoked], now).unwrap();
        assert!(list.contains("BEGIN X509 CRL"));
        let server = authority.server(&hosts, now).unwrap();
        let described = describe(&server.certificate_pem).unwrap();
        assert_eq!(described.hosts, hosts);
        assert!(described.life() <= SERVER_LIFE_MAX, "{described:?}");
        let day = Duration::from_secs(86_400);
        assert!(!described.is_due(now + day * 200) && described.is_due(now + day * 270));
        let bad = authority.server(&["città".to_owned()], now);
        assert!(matches!(bad, Err(CertificateError::Host(_))));
    }
}
