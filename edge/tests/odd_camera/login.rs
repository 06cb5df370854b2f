//! The camera's side of a login.

use md5::{Digest as _, Md5};

use super::Habits;

/// How it asks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    None,
    Basic,
    /// As RFC 2069 has it.
    Digest,
    DigestQop,
    DigestSha256,
    /// SHA-256 and MD5 on lines of their own.
    Both,
    /// Each nonce is good for one request, and the next 401 says so.
    Stale,
    /// The same, and it does not say so.
    SilentlyStale,
    /// What no client here speaks.
    Other,
}

/// The nonce of one connection.
#[derive(Debug, Default)]
pub(crate) struct Door {
    count: usize,
    used: bool,
    stale: bool,
}

impl Door {
    fn nonce(&self) -> String {
        format!("n0n\\\"{}", self.count)
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    /// The challenges when the client may not come in.
    pub(crate) fn admit(
        &mut self,
        habits: &Habits,
        (method, url): (&str, &str),
        said: &str,
    ) -> Result<(), String> {
        if habits.auth == Auth::None {
            return Ok(());
        }
        let right = match habits.auth {
            Auth::Basic => {
                let pair = format!("{}:{}", habits.user, habits.password);
                let coded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, pair);
                said == format!("Basic {coded}")
            }
            _ => self.is_right(habits, method, url, said),
        };
        let once = matches!(habits.auth, Auth::Stale | Auth::SilentlyStale);
        self.stale = right && once && self.used;
        if right && !self.stale {
            self.used = true;
            return Ok(());
        }
        if self.stale {
            self.count += 1;
            self.used = false;
        }
        Err(self.challenges(habits.auth))
    }

    fn challenges(&self, auth: Auth) -> String {
        let nonce = self.nonce();
        let digest = format!("WWW-Authenticate: Digest realm=\"a, b\", nonce=\"{nonce}\"");
        let sha256 = format!("{digest}, algorithm=SHA-256, qop=\"auth,auth-int\", opaque=\"o\"");
        match auth {
            Auth::None => String::new(),
            Auth::Basic => "WWW-Authenticate: Basic realm=\"camera\"".to_owned(),
            Auth::Digest | Auth::SilentlyStale => format!("{digest}, stale=\"FALSE\""),
            Auth::Stale => {
                format!(
                    "{digest}, stale={}",
                    if self.stale { "TRUE" } else { "FALSE" }
                )
            }
            Auth::DigestQop => format!("{digest}, qop=\"auth\", algorithm=\"MD5\""),
            Auth::DigestSha256 => sha256,
            Auth::Both => format!("{digest}\r\n{sha256}"),
            Auth::Other => "WWW-Authenticate: Negotiate".to_owned(),
        }
    }

    fn is_right(&self, habits: &Habits, method: &str, url: &str, said: &str) -> bool {
        let field = |name: &str| {
            let at = said.find(&format!(" {name}="))? + name.len() + 2;
            let rest = &said[at..];
            match rest.strip_prefix('"') {
                Some(rest) if name == "nonce" => Some(rest.split("\", ").next()?.to_owned()),
                Some(rest) => Some(rest.split('"').next()?.to_owned()),
                None => Some(rest.split(',').next()?.trim().to_owned()),
            }
        };
        let strong = matches!(habits.auth, Auth::DigestSha256 | Auth::Both);
        let hash = |text: String| match strong {
            true => hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes())),
            false => hex::encode(Md5::digest(text.as_bytes())),
        };
        // In what is hashed, a quote stands for itself.
        let nonce = self.nonce().replace('\\', "");
        let secret = hash(format!("{}:a, b:{}", habits.user, habits.password));
        let asked = hash(format!("{method}:{url}"));
        let wanted = match habits.auth {
            Auth::DigestQop | Auth::DigestSha256 | Auth::Both => {
                let (Some(nc), Some(cnonce)) = (field("nc"), field("cnonce")) else {
                    return false;
                };
                hash(format!("{secret}:{nonce}:{nc}:{cnonce}:auth:{asked}"))
            }
            _ => hash(format!("{secret}:{nonce}:{asked}")),
        };
        field("response") == Some(wanted) && field("nonce") == Some(self.nonce())
    }
}
