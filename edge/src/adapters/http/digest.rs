//! HTTP Digest (RFC 7616), the server's side, with MD5 for cameras that know nothing else.
//!
//! A nonce is the moment of its making and a count, under our own key: no two are the same, and
//! nothing is kept of those that are not used. Each use of one counts up: what was overheard cannot be sent again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use md5::{Digest as _, Md5};
use ring::hmac;
use varco_proto::ids::Digest;

/// How long a nonce may be used.
const FRESH: Duration = Duration::from_secs(300);
/// Most nonces in use at once.
const NONCES_MAX: usize = 1024;
/// What is protected, as cameras show it.
const REALM: &str = "varco-edge";

/// Makes nonces and remembers their uses.
#[derive(Debug)]
pub(super) struct Nonces {
    key: hmac::Key,
    made: u64,
    used: HashMap<String, (Duration, u32)>,
}

/// What an `Authorization: Digest` says.
#[derive(Debug, Default)]
struct Said<'a> {
    username: &'a str,
    realm: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    algorithm: &'a str,
    qop: &'a str,
    nc: &'a str,
    cnonce: &'a str,
}

/// One request to judge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) authorization: &'a str,
}

impl Nonces {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            made: 0,
            used: HashMap::new(),
        }
    }

    /// The challenges for a 401, MD5 first: the simplest cameras read the first alone.
    pub(super) fn challenges(&mut self, now: Duration) -> [String; 2] {
        self.made = self.made.wrapping_add(1);
        let nonce = self.nonce(now.as_secs(), self.made);
        ["MD5", "SHA-256"].map(|algorithm| {
            format!(
                "Digest realm=\"{REALM}\", qop=\"auth\", algorithm={algorithm}, nonce=\"{nonce}\""
            )
        })
    }

    fn nonce(&self, second: u64, count: u64) -> String {
        let stamp = format!("{second:016x}{count:016x}");
        let tag = hmac::sign(&self.key, stamp.as_bytes());
        let tag = tag.as_ref().get(..16).unwrap_or_default();
        format!("{stamp}{}", hex::encode(tag))
    }

    /// Whether the request shows that it knows the password.
    pub(super) fn admit(
        &mut self,
        request: Request<'_>,
        user: &str,
        password: &str,
        now: Duration,
    ) -> bool {
        let Some(said) = parse(request.authorization) else {
            return false;
        };
        if said.username != user || said.realm != REALM || said.uri != request.uri {
            return false;
        }
        let number = |from: usize, to: usize| {
            let hex = said.nonce.get(from..to)?;
            u64::from_str_radix(hex, 16).ok()
        };
        let (Some(second), Some(count)) = (number(0, 16), number(16, 32)) else {
            return false;
        };
        let made = Duration::from_secs(second);
        let fresh = made <= now && now.saturating_sub(made) <= FRESH;
        if !fresh || !same(said.nonce, &self.nonce(second, count)) {
            return false;
        }
        let Some(wanted) = response(&said, request.method, password) else {
            return false;
        };
        same(said.response, &wanted) && self.counts_up(said.nonce, said.nc, made, now)
    }

    /// A nonce without a count (RFC 2069) is good for one use.
    fn counts_up(&mut self, nonce: &str, nc: &str, made: Duration, now: Duration) -> bool {
        let count = if nc.is_empty() {
            Some(u32::MAX)
        } else {
            u32::from_str_radix(nc, 16).ok()
        };
        let Some(count) = count else {
            return false;
        };
        self.used
            .retain(|_, (made, _)| now.saturating_sub(*made) <= FRESH);
        if self.used.len() >= NONCES_MAX && !self.used.contains_key(nonce) {
            return false;
        }
        let (_, highest) = self.used.entry(nonce.to_owned()).or_insert((made, 0));
        let up = count > *highest;
        *highest = count.max(*highest);
        up
    }
}

/// Two texts in a time that does not show where they differ.
pub(super) fn same(a: &str, b: &str) -> bool {
    Digest::of(a.as_bytes()) == Digest::of(b.as_bytes())
}

fn response(said: &Said<'_>, method: &str, password: &str) -> Option<String> {
    let hash: fn(&str) -> String = match said.algorithm {
        "" => md5,
        name if name.eq_ignore_ascii_case("MD5") => md5,
        name if name.eq_ignore_ascii_case("SHA-256") => {
            |text| Digest::of(text.as_bytes()).to_string()
        }
        _ => return None,
    };
    let who = hash(&format!("{}:{}:{password}", said.username, said.realm));
    let what = hash(&format!("{method}:{}", said.uri));
    let (nonce, nc, cnonce) = (said.nonce, said.nc, said.cnonce);
    match said.qop {
        "auth" if !nc.is_empty() && !cnonce.is_empty() => {
            Some(hash(&format!("{who}:{nonce}:{nc}:{cnonce}:auth:{what}")))
        }
        "" if nc.is_empty() => Some(hash(&format!("{who}:{nonce}:{what}"))),
        _ => None,
    }
}

fn md5(text: &str) -> String {
    let mut out = String::with_capacity(32);
    for byte in Md5::digest(text.as_bytes()) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn parse(authorization: &str) -> Option<Said<'_>> {
    let (scheme, mut rest) = authorization.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Digest") || rest.len() > 2048 {
        return None;
    }
    let mut said = Said::default();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if rest.is_empty() {
            return Some(said);
        }
        let (name, after) = rest.split_once('=')?;
        let value;
        (value, rest) = match after.trim_start().strip_prefix('"') {
            // No name or address of ours holds a quote: an escaped one is no request of a camera.
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "username" => said.username = value,
            "realm" => said.realm = value,
            "nonce" => said.nonce = value,
            "uri" => said.uri = value,
            "response" => said.response = value,
            "algorithm" => said.algorithm = value,
            "qop" => said.qop = value,
            "nc" => said.nc = value,
            "cnonce" => said.cnonce = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "/push/porta-sud-01";
    const NOW: Duration = Duration::from_secs(1000);

    fn nonces() -> Nonces {
        Nonces::new(&[7; 32])
    }

    /// As a camera answers a challenge.
    fn answer(nonces: &Nonces, algorithm: &str, password: &str, nc: &str) -> String {
        let nonce = nonces.nonce(NOW.as_secs(), 1);
        let said = Said {
            username: "varco",
            realm: REALM,
            nonce: &nonce,
            uri: URI,
            algorithm,
            qop: if nc.is_empty() { "" } else { "auth" },
            nc,
            cnonce: if nc.is_empty() { "" } else { "abc" },
            ..Said::default()
        };
        let response = response(&said, "POST", password).unwrap();
        let mut text = format!(
            "Digest username=\"varco\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{URI}\", \
             algorithm={algorithm}, response=\"{response}\""
        );
        if !nc.is_empty() {
            let _ = write!(text, ", qop=auth, nc={nc}, cnonce=\"abc\"");
        }
        text
    }

    fn admits(nonces: &mut Nonces, authorization: &str, now: Duration) -> bool {
        let request = Request {
            method: "POST",
            uri: URI,
            authorization,
        };
        nonces.admit(request, "varco", "a long password", now)
    }

    #[test]
    fn d03_part_the_right_password_is_admitted_once_a_count() {
        for algorithm in ["MD5", "SHA-256"] {
            let mut nonces = nonces();
            let first = answer(&nonces, algorithm, "a long password", "00000001");
            assert!(admits(&mut nonces, &first, NOW));
            assert!(
                !admits(&mut nonces, &first, NOW),
                "overheard and sent again"
            );
            let second = answer(&nonces, algorithm, "a long password", "00000002");
            assert!(admits(&mut nonces, &second, NOW));
            assert!(!admits(&mut nonces, &first, NOW));
        }
        let mut nonces = nonces();
        let plain = answer(&nonces, "MD5", "a long password", "");
        assert!(admits(&mut nonces, &plain, NOW));
        assert!(!admits(&mut nonces, &plain, NOW));
    }

    #[test]
    fn d03_part_wrong_stale_and_forged_answers_are_turned_away() {
        let mut nonces = nonces();
        let wrong = answer(&nonces, "MD5", "another", "00000001");
        assert!(!admits(&mut nonces, &wrong, NOW));
        let right = answer(&nonces, "MD5", "a long password", "00000001");
        assert!(!admits(
            &mut nonces,
            &right,
            NOW + FRESH + Duration::from_secs(1)
        ));
        assert!(
            !admits(&mut nonces, &right, NOW - Duration::from_secs(5)),
            "from the future"
        );
        let others = Nonces::new(&[8; 32]);
        let forged = answer(&others, "MD5", "a long password", "00000001");
        assert!(!admits(&mut nonces, &forged, NOW));
        let elsewhere = right.replace(URI, "/push/another");
        assert!(!admits(&mut nonces, &elsewhere, NOW));
        for broken in [
            "",
            "Digest",
            "Digest x",
            "Basic dmFyY28=",
            "Digest nonce=\"",
            "Digest nonce=\"é\"",
        ] {
            assert!(!admits(&mut nonces, broken, NOW), "{broken}");
        }
        assert!(admits(&mut nonces, &right, NOW), "none of those used it up");
    }

    #[test]
    fn d03_part_two_challenges_of_one_second_can_both_be_answered() {
        let mut nonces = nonces();
        let [first, _] = nonces.challenges(NOW);
        let [second, _] = nonces.challenges(NOW);
        assert_ne!(first, second);
    }

    #[test]
    fn the_example_of_the_standard_holds() {
        let said = Said {
            username: "Mufasa",
            realm: "http-auth@example.org",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            uri: "/dir/index.html",
            algorithm: "MD5",
            qop: "auth",
            nc: "00000001",
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            ..Said::default()
        };
        let md5 = response(&said, "GET", "Circle of Life");
        assert_eq!(md5.as_deref(), Some("8ca523f5e9506fed4657c9700eebdbec"));
        let said = Said {
            algorithm: "SHA-256",
            ..said
        };
        let sha = response(&said, "GET", "Circle of Life").unwrap();
        assert_eq!(
            sha,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }
}
