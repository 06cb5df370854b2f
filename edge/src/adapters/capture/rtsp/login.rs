//! Logging in: Basic, and Digest (RFC 7616 and the older RFC 2617 and 2069) with MD5 and SHA-256.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use varco_proto::ids::Digest;

use super::super::source::StreamLogin;
use crate::adapters::random;

/// Most challenges of one answer that are looked at.
const CHALLENGES_MAX: usize = 8;

/// One way in that a camera offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Digest(DigestChallenge),
    /// By its name; not spoken here.
    Other(String),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DigestChallenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    /// As it was said; none means MD5.
    algorithm: Option<String>,
    hash: Hash,
    is_session: bool,
    has_qop: bool,
    is_stale: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Hash {
    #[default]
    Md5,
    Sha256,
}

/// What comes of a 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask again, with what is known of the challenge.
    Again,
    /// The user or the password is wrong.
    Wrong,
    /// There is no user here.
    NoUser,
    /// The names of the ways in, none of which is spoken here.
    Unknown(String),
}

/// A user at one camera's door.
#[derive(Debug)]
pub(super) struct Login {
    user: Option<StreamLogin>,
    way: Option<Challenge>,
    count: u32,
    /// Whether the camera has taken an answer.
    has_worked: bool,
}

impl Login {
    pub(super) fn new(user: Option<StreamLogin>) -> Self {
        Self {
            user,
            way: None,
            count: 0,
            has_worked: false,
        }
    }

    /// The line `Authorization` for one request; none before the camera has asked for one.
    pub(super) fn answer(&mut self, method: &str, uri: &str) -> Option<String> {
        let StreamLogin { user, password } = self.user.as_ref()?;
        match self.way.as_ref()? {
            Challenge::Basic => {
                let pair = format!("{user}:{}", password.text());
                let coded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, pair);
                Some(format!("Basic {coded}"))
            }
            Challenge::Digest(challenge) => {
                self.count = self.count.saturating_add(1);
                let cnonce = hex::encode(random::bytes::<8>().ok()?);
                let request = Request {
                    method,
                    uri,
                    count: self.count,
                    cnonce: &cnonce,
                };
                Some(challenge.answer(user, password.text(), &request))
            }
            Challenge::Other(_) => None,
        }
    }

    /// The camera has taken the last answer. True at the first time.
    pub(super) fn worked(&mut self) -> bool {
        self.way.is_some() && !std::mem::replace(&mut self.has_worked, true)
    }

    /// What comes of a 401. `answered` says whether its request carried an answer, `renewed`
    /// whether this request has had a fresh nonce already.
    pub(super) fn refused<'a>(
        &mut self,
        said: impl Iterator<Item = &'a str>,
        answered: bool,
        renewed: bool,
    ) -> Verdict {
        let said: Vec<_> = said.flat_map(challenges).take(CHALLENGES_MAX).collect();
        let best = best(&said);
        if answered {
            let fresh = match (&self.way, &best) {
                (Some(Challenge::Digest(old)), Some(Challenge::Digest(new))) => {
                    // A nonce that ran out while the session went on is no wrong password.
                    new.nonce != old.nonce && (new.is_stale || self.has_worked)
                }
                _ => false,
            };
            if !fresh || renewed {
                return Verdict::Wrong;
            }
        } else if self.user.is_none() {
            return Verdict::NoUser;
        }
        let Some(best) = best else {
            let names: Vec<_> = said.iter().map(Challenge::name).collect();
            return Verdict::Unknown(names.join(", "));
        };
        self.way = Some(best);
        self.count = 0;
        Verdict::Again
    }
}

/// The safest way in that is spoken here.
fn best(said: &[Challenge]) -> Option<Challenge> {
    let safety = |one: &&Challenge| match one {
        Challenge::Digest(DigestChallenge {
            hash: Hash::Sha256, ..
        }) => 3,
        Challenge::Digest(_) => 2,
        Challenge::Basic => 1,
        Challenge::Other(_) => 0,
    };
    let best = said.iter().max_by_key(safety)?;
    (safety(&best) > 0).then(|| best.clone())
}

impl Challenge {
    fn name(&self) -> &str {
        match self {
            Self::Basic => "Basic",
            Self::Digest(_) => "Digest",
            Self::Other(name) => name,
        }
    }
}

/// What is asked for, and what this answer alone has.
#[derive(Clone, Copy)]
struct Request<'a> {
    method: &'a str,
    uri: &'a str,
    count: u32,
    cnonce: &'a str,
}

impl DigestChallenge {
    fn answer(&self, user: &str, password: &str, request: &Request<'_>) -> String {
        let (method, uri) = (request.method, request.uri);
        let hash = |text: String| match self.hash {
            Hash::Md5 => md5(&text),
            Hash::Sha256 => Digest::of(text.as_bytes()).to_string(),
        };
        let (realm, nonce, cnonce) = (&self.realm, &self.nonce, request.cnonce);
        let count = format!("{:08x}", request.count);
        let mut secret = hash(format!("{user}:{realm}:{password}"));
        if self.is_session {
            secret = hash(format!("{secret}:{nonce}:{cnonce}"));
        }
        let asked = hash(format!("{method}:{uri}"));
        let response = if self.has_qop {
            hash(format!("{secret}:{nonce}:{count}:{cnonce}:auth:{asked}"))
        } else {
            hash(format!("{secret}:{nonce}:{asked}"))
        };
        let mut line = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{response}\"",
            quoted(user),
            quoted(realm),
            quoted(nonce),
        );
        if let Some(algorithm) = &self.algorithm {
            let _ = write!(line, ", algorithm={algorithm}");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(line, ", opaque=\"{}\"", quoted(opaque));
        }
        if self.has_qop {
            let _ = write!(line, ", qop=auth, nc={count}");
        }
        if self.has_qop || self.is_session {
            let _ = write!(line, ", cnonce=\"{cnonce}\"");
        }
        line
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

/// One way of logging in that a camera offers, with its settings by name.
struct Offered {
    scheme: String,
    settings: Vec<(String, String)>,
}

/// The challenges of one `WWW-Authenticate`, which may hold several.
fn challenges(value: &str) -> Vec<Challenge> {
    let mut found: Vec<Offered> = Vec::new();
    for part in parts(value) {
        let (head, text) = match part.split_once('=') {
            Some((name, text)) => (name.trim(), Some(text.trim())),
            None => (part.as_str(), None),
        };
        // A scheme stands before the first of its parameters.
        let mut words = head.split_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next());
        let (scheme, name) = match (text, second) {
            (None, _) => (Some(first), None),
            (Some(_), Some(name)) => (Some(first), Some(name)),
            (Some(_), None) => (None, Some(first)),
        };
        if let Some(scheme) = scheme.filter(|scheme| !scheme.is_empty()) {
            found.push(Offered {
                scheme: scheme.to_owned(),
                settings: Vec::new(),
            });
        }
        if let (Some(name), Some(text), Some(last)) = (name, text, found.last_mut()) {
            last.settings
                .push((name.to_ascii_lowercase(), unquoted(text)));
        }
    }
    found.into_iter().map(challenge).collect()
}

/// The parts between the commas that stand outside quotes.
fn parts(value: &str) -> Vec<String> {
    let (mut all, mut part) = (Vec::new(), String::new());
    let (mut within, mut escaped) = (false, false);
    for sign in value.chars() {
        match sign {
            '"' if !escaped => within = !within,
            ',' if !within => {
                all.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        escaped = within && sign == '\\' && !escaped;
        part.push(sign);
    }
    all.push(part);
    all.retain(|part| !part.trim().is_empty());
    all
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else {
        return text.to_owned();
    };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut out = String::with_capacity(inner.len());
    let mut signs = inner.chars();
    while let Some(sign) = signs.next() {
        out.extend(if sign == '\\' {
            signs.next()
        } else {
            Some(sign)
        });
    }
    out
}

fn challenge(offered: Offered) -> Challenge {
    let Offered { scheme, settings } = offered;
    if scheme.eq_ignore_ascii_case("Basic") {
        return Challenge::Basic;
    }
    let get = |name: &str| {
        let found = settings.iter().find(|(said, _)| said == name);
        found.map(|(_, value)| value.clone())
    };
    if !scheme.eq_ignore_ascii_case("Digest") {
        return Challenge::Other(scheme);
    }
    let algorithm = get("algorithm");
    let name = algorithm.clone().unwrap_or("MD5".to_owned());
    let name = name.to_ascii_uppercase();
    let hash = match name.trim_end_matches("-SESS") {
        "MD5" => Hash::Md5,
        "SHA-256" => Hash::Sha256,
        _ => return Challenge::Other(format!("Digest {name}")),
    };
    let qop = get("qop");
    let has_qop = qop.is_some();
    let qops = qop.unwrap_or_default();
    let has_auth = qops
        .split(',')
        .any(|one| one.trim().eq_ignore_ascii_case("auth"));
    if has_qop && !has_auth {
        return Challenge::Other(format!("Digest with qop {qops}"));
    }
    Challenge::Digest(DigestChallenge {
        realm: get("realm").unwrap_or_default(),
        nonce: get("nonce").unwrap_or_default(),
        opaque: get("opaque"),
        algorithm,
        hash,
        is_session: name.ends_with("-SESS"),
        has_qop,
        is_stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::capture::source::Password;

    fn login() -> Login {
        Login::new(Some(StreamLogin {
            user: "Mufasa".to_owned(),
            password: Password::new("Circle of Life"),
        }))
    }

    fn digest(value: &str) -> DigestChallenge {
        match best(&challenges(value)) {
            Some(Challenge::Digest(found)) => found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn answers_are_those_of_the_standards_own_examples() {
        // RFC 7616, 3.9.1.
        let with = |algorithm: &str| {
            digest(&format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            ))
        };
        let request = Request {
            method: "GET",
            uri: "/dir/index.html",
            count: 1,
            cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        };
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let line = with(algorithm).answer("Mufasa", "Circle of Life", &request);
            assert!(line.contains(&format!("response=\"{response}\"")), "{line}");
            assert!(line.contains("qop=auth, nc=00000001"), "{line}");
        }
        // RFC 2617's example without qop, as RFC 2069 has it.
        let old = digest("Digest realm=\"a\", nonce=\"n\"");
        let request = Request {
            method: "DESCRIBE",
            uri: "rtsp://h/",
            ..request
        };
        let line = old.answer("u", "p", &request);
        let wanted = md5(&format!("{}:n:{}", md5("u:a:p"), md5("DESCRIBE:rtsp://h/")));
        assert!(line.ends_with(&format!("response=\"{wanted}\"")), "{line}");
    }

    #[test]
    fn the_safest_way_of_several_is_taken_however_they_are_written() {
        let several = "Basic realm=\"a, b\", Digest realm=\"c\", nonce=\"1\", Digest realm=\"d\", \
                       algorithm=SHA-256, qop=\"auth\", nonce=\"2\\\"3\", Negotiate";
        let found = digest(several);
        assert_eq!((found.realm.as_str(), found.nonce.as_str()), ("d", "2\"3"));
        assert_eq!(found.hash, Hash::Sha256);
        assert_eq!(challenges(several).len(), 4);
        assert_eq!(
            best(&challenges("Basic realm=\"a\"")),
            Some(Challenge::Basic)
        );
        let said = ["NTLM", "Digest algorithm=SHA-512-256, nonce=\"a\""];
        let verdict = login().refused(said.into_iter(), false, false);
        assert_eq!(
            verdict,
            Verdict::Unknown("NTLM, Digest SHA-512-256".to_owned())
        );
    }

    #[test]
    fn one_wrong_answer_ends_it_and_a_fresh_nonce_does_not() {
        let first = "Digest realm=\"a\", nonce=\"1\"";
        let fresh = "Digest realm=\"a\", nonce=\"2\"";
        let stale = "Digest realm=\"a\", nonce=\"2\", stale=TRUE";
        let again = |login: &mut Login, said: &'static str, renewed| {
            login.refused([said].into_iter(), true, renewed)
        };
        let asked = || {
            let mut login = login();
            assert_eq!(login.answer("DESCRIBE", "u"), None);
            let verdict = login.refused([first].into_iter(), false, false);
            assert_eq!(verdict, Verdict::Again);
            assert!(login.answer("DESCRIBE", "u").is_some());
            login
        };
        assert_eq!(again(&mut asked(), fresh, false), Verdict::Wrong);
        assert_eq!(again(&mut asked(), stale, false), Verdict::Again);
        assert_eq!(again(&mut asked(), stale, true), Verdict::Wrong);
        let mut worked = asked();
        assert!(worked.worked() && !worked.worked());
        assert_eq!(again(&mut worked, fresh, false), Verdict::Again);
        // A password that was changed while the session went on is wrong at the second nonce.
        let third = "Digest realm=\"a\", nonce=\"3\"";
        assert_eq!(again(&mut worked, third, true), Verdict::Wrong);
        let nobody = Login::new(None).refused([first].into_iter(), false, false);
        assert_eq!(nobody, Verdict::NoUser);
    }
}
