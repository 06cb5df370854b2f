//! A person of the demo, who signs in from a workstation as the page's script does: with its key, a password and the six
//! digits of an app.

use anyhow::{Context as _, bail};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::lookup::{Credential, Hub};

const PASSWORD: &str = "cavallo graffetta batteria";
/// The app's digits change with each of these, in seconds.
const STEP_S: i64 = 30;

/// A workstation with its key.
#[derive(Debug)]
pub struct Workstation {
    key: EcdsaKeyPair,
    id: String,
}

fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    let text = answer[field].as_str();
    Ok(text
        .with_context(|| format!("no {field} in {answer}"))?
        .to_owned())
}

fn signed(key: &EcdsaKeyPair, text: &str) -> anyhow::Result<String> {
    let signature = key.sign(&SystemRandom::new(), text.as_bytes());
    Ok(hex::encode(signature.ok().context("cannot sign")?))
}

impl Workstation {
    /// Makes a key and enrols the workstation with a code of `post invite`.
    ///
    /// # Errors
    /// With the hub's own words when it refuses.
    pub async fn enrol(hub: &Hub, code: &str) -> anyhow::Result<Self> {
        let (rules, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(rules, &random);
        let pkcs8 = pkcs8.ok().context("cannot make a key")?;
        let key = EcdsaKeyPair::from_pkcs8(rules, pkcs8.as_ref(), &random);
        let key = key.ok().context("cannot read a key")?;
        let body = json!({
            "code": code, "public_key": hex::encode(key.public_key()),
            "signature": signed(&key, &format!("varco post 1\n{code}"))?,
        });
        let (status, answer) = hub.post("/api/v1/posts", &body).await?;
        if status != 201 {
            bail!("the hub enrolled no workstation: {answer}");
        }
        let id = text(&answer, "post")?;
        Ok(Self { key, id })
    }

    /// Opens an account with a code of `account invite`, which signs its person in; gives what their requests carry.
    ///
    /// # Errors
    /// With the hub's own words when it refuses.
    pub async fn open(&self, hub: &Hub, code: &str) -> anyhow::Result<Credential> {
        let asked = json!({ "code": code });
        let (_, invited) = hub.post("/api/v1/openings/invitation", &asked).await?;
        let secret = base32(&text(&invited, "secret")?).context("no second factor")?;
        let (_, asked) = hub.get("/api/v1/session/challenge").await?;
        let challenge = text(&asked, "challenge")?;
        let proof = format!("varco sign-in 1\n{challenge}\n{}\n{code}", self.id);
        let body = json!({
            "code": code, "password": PASSWORD, "digits": digits(&secret),
            "post": { "post": self.id, "challenge": challenge, "signature": signed(&self.key, &proof)? },
        });
        hub.open(&body).await
    }
}

/// RFC 4648, without padding; none when it is not written so.
fn base32(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0_u32);
    for letter in text.chars() {
        held = (held << 5) | u32::try_from(LETTERS.find(letter)?).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

/// The six digits of now (RFC 6238).
fn digits(secret: &[u8]) -> String {
    digits_of(secret, crate::clock::now().unix_us() / 1_000_000 / STEP_S)
}

fn digits_of(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let place = usize::from(tag[tag.len() - 1] & 0x0f);
    let four = [tag[place], tag[place + 1], tag[place + 2], tag[place + 3]];
    format!(
        "{:06}",
        (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_those_of_rfc_6238() {
        let secret = base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(secret, b"12345678901234567890");
        for (seconds, shown) in [(59, "287082"), (1_111_111_109, "081804")] {
            assert_eq!(digits_of(&secret, seconds / STEP_S), shown);
        }
    }
}
