//! Sealing and opening.

use anyhow::ensure;
use varco_proto::envelope::{open, pre_authentication_encoding};
use varco_proto::keys::SealingKey;
use varco_proto::record::{ChainHead, Record, RecordBody};
use varco_rig::{clock, sender};

use crate::{Speed, per_second};

pub(crate) fn measure(rounds: u32) -> anyhow::Result<Vec<Speed>> {
    let key = SealingKey::from_pkcs8(&SealingKey::generate()?)?;
    let now = clock::now();
    let edge = "porta-nord-01".parse()?;
    let body = RecordBody::Transit(sender::transit("AB123CD", now, [1; 10])?);
    let (_, sealed) = ChainHead::START.seal_next(&edge, body.clone(), now, &key);
    let signed = pre_authentication_encoding("bench", &sealed.envelope);
    let signature = key.sign(&signed);
    let opening = key.opening_key();

    let sign = per_second(rounds, |_| {
        ensure!(
            key.sign(&signed) == signature,
            "Ed25519 signs alike each time"
        );
        Ok(())
    })?;
    let seal = per_second(rounds, |_| {
        let (head, _) = ChainHead::START.seal_next(&edge, body.clone(), now, &key);
        ensure!(head.sequence == 1, "a first record");
        Ok(())
    })?;
    let verify = per_second(rounds, |_| {
        ensure!(opening.verifies(&signed, &signature), "its own signature");
        Ok(())
    })?;
    let opened = per_second(rounds, |_| {
        open::<Record>(&sealed.envelope, &opening)?;
        Ok(())
    })?;
    Ok(vec![
        Speed::new("seal a transit", seal, "signing its bytes", sign),
        Speed::new("open a transit", opened, "verifying its bytes", verify),
    ])
}
