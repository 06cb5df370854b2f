//! Envelopes and what is in them: what decodes is encoded to bytes that mean the same, what is sealed opens, and
//! what opens verifies.
#![no_main]

use std::fmt::Debug;
use std::sync::LazyLock;

use varco_fuzz::{Cut, within};
use varco_proto::enrolment::Renewal;
use varco_proto::envelope::{Payload, Sealed, open, pre_authentication_encoding, seal};
use varco_proto::keys::SealingKey;
use varco_proto::receipt::{Receipt, Refusal};
use varco_proto::record::Record;
use varco_proto::status::EdgeStatus;
use varco_proto::tamper::Release;

/// The same in every run, so that an input can be played again.
static KEY: LazyLock<SealingKey> = LazyLock::new(|| {
    let mut pkcs8 = vec![
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    pkcs8.extend([7; 32]);
    SealingKey::from_pkcs8(&with_public(pkcs8)).expect("a key")
});

/// ring takes a key with its public half only.
fn with_public(seed_only: Vec<u8>) -> Vec<u8> {
    const PUBLIC: [u8; 32] = [
        0xea, 0x4a, 0x6c, 0x63, 0xe2, 0x9c, 0x52, 0x0a, 0xbe, 0xf5, 0x50, 0x7b, 0x13, 0x2e, 0xc5,
        0xf9, 0x95, 0x47, 0x76, 0xae, 0xbe, 0xbe, 0x7b, 0x92, 0x42, 0x1e, 0xea, 0x69, 0x14, 0x46,
        0xd2, 0x2c,
    ];
    let mut bytes = vec![0x30, 0x53, 0x02, 0x01, 0x01];
    bytes.extend(&seed_only[5..]);
    bytes.extend([0xa1, 0x23, 0x03, 0x21, 0x00]);
    bytes.extend(PUBLIC);
    bytes
}

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&KEY); }, |data: &[u8]| {
    let mut cut = Cut(data);
    let kind = cut.byte();
    let bytes = cut.rest();
    within((1 << 20) + 256 * bytes.len(), || match kind % 6 {
        0 => look::<Record>(bytes),
        1 => look::<Receipt>(bytes),
        2 => look::<Refusal>(bytes),
        3 => look::<Release>(bytes),
        4 => look::<EdgeStatus>(bytes),
        _ => look::<Renewal>(bytes),
    });
});

fn look<T: Payload + Debug>(bytes: &[u8]) {
    if let Ok(opened) = open::<T>(bytes, &KEY.opening_key()) {
        assert_eq!(opened.envelope(), bytes);
    }
    let Ok(value) = T::decode(bytes) else {
        return;
    };
    let encoded = value.encode();
    let again = T::decode(&encoded).expect("what was encoded decodes");
    // By their text: a NaN of a status is one with itself.
    assert_eq!(format!("{value:?}"), format!("{again:?}"));
    assert_eq!(again.encode(), encoded);
    // Signing costs most of the time: one input in sixteen is sealed.
    if encoded.len() % 16 == 0 {
        sealed(&value, &encoded);
    }
}

fn sealed<T: Payload + Debug>(value: &T, encoded: &[u8]) {
    let Sealed {
        mut envelope,
        digest,
    } = seal(value, &KEY);
    let opened = open::<T>(&envelope, &KEY.opening_key()).expect("what was sealed opens");
    assert_eq!(opened.digest(), digest);
    assert_eq!(opened.value().encode(), encoded);
    let signed = pre_authentication_encoding(T::TYPE, encoded);
    assert_eq!(varco_proto::ids::Digest::of(&signed), digest);
    // The signature stands last.
    if let Some(last) = envelope.last_mut() {
        *last ^= 1;
    }
    assert!(open::<T>(&envelope, &KEY.opening_key()).is_err());
}
