//! A client of the hub's API, as another program would write it.

use std::fs;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use varco_proto::time::UtcTime;

const TIMEOUT: Duration = Duration::from_secs(10);
const PURPOSE: &str = "public-safety";
const CASE: &str = "demo-2026-001";
const COOKIE: &str = "__Host-varco";

/// The hub as a client sees it.
#[derive(Debug, Clone)]
pub struct Hub {
    client: reqwest::Client,
    url: String,
    credential: Credential,
}

/// What lets the caller in.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A system's token.
    Token(String),
    /// A person's session.
    Session {
        /// The cookie's value.
        cookie: String,
        /// What each change sends beside it.
        mark: String,
    },
}

impl Credential {
    fn on(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self {
            Self::Token(token) => request.bearer_auth(token),
            Self::Session { cookie, mark } => request
                .header("cookie", format!("{COOKIE}={cookie}"))
                .header("x-varco-session", mark),
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// A plate, or a pattern with `*` and `?`.
    pub plate: String,
    /// O=0 and I=1.
    pub fold: bool,
    /// From this moment on.
    pub from: UtcTime,
    /// Before this moment.
    pub to: UtcTime,
    /// One of the hub's purposes.
    pub purpose: String,
    /// The case that it is for.
    pub case_reference: String,
    /// `next` of the page before.
    pub after: Option<String>,
}

/// What was found; the API has more fields.
#[derive(Debug, Clone, Deserialize)]
pub struct LookupAnswer {
    /// The transits, newest first.
    pub results: Vec<Found>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// One transit found.
#[derive(Debug, Clone, Deserialize)]
pub struct Found {
    /// Its id.
    pub transit_id: String,
    /// As read.
    pub plate: String,
    /// 0..=1.
    pub confidence: f32,
    /// Who read it, as the API says; null for Varco.
    #[serde(default)]
    pub onboard: serde_json::Value,
    /// Its gate.
    pub gate: String,
    /// When the best frame was taken.
    pub captured_at: UtcTime,
    /// Frames that read the same.
    pub agreeing_reads: u32,
}

/// Chooses the cryptography of every TLS client of this process, once.
pub fn install_tls() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Only fails when one is there already, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

impl Hub {
    /// A client that trusts the hub's own authority alone.
    ///
    /// # Errors
    /// When the certificate or the token cannot be read.
    pub fn new(url: &str, ca_file: &Path, token_file: &Path) -> anyhow::Result<Self> {
        install_tls();
        let read = |file: &Path| {
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
        };
        let authority = reqwest::Certificate::from_pem(read(ca_file)?.as_bytes())?;
        let client = reqwest::Client::builder()
            .tls_certs_only([authority])
            .connect_timeout(TIMEOUT)
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            url: url.to_owned(),
            credential: Credential::Token(read(token_file)?.trim().to_owned()),
        })
    }

    /// The same hub, asked by whoever has this.
    #[must_use]
    pub fn asked_by(&self, credential: Credential) -> Self {
        Self {
            credential,
            ..self.clone()
        }
    }

    /// Opens an account, which begins a session; gives what its requests carry.
    ///
    /// # Errors
    /// With the hub's own words when it refuses.
    pub async fn open(&self, body: &serde_json::Value) -> anyhow::Result<Credential> {
        let request = self.client.post(format!("{}/api/v1/openings", self.url));
        let response = request.timeout(TIMEOUT).json(body).send().await;
        let response = response.context("the hub cannot be asked")?;
        let cookie = response.headers().get("set-cookie");
        let cookie = cookie.and_then(|cookie| cookie.to_str().ok()?.split_once('='));
        let cookie = cookie
            .filter(|(name, _)| *name == COOKIE)
            .and_then(|(_, value)| value.split(';').next().map(str::to_owned));
        let answer: serde_json::Value = response.json().await?;
        match (cookie, answer["mark"].as_str()) {
            (Some(cookie), Some(mark)) => Ok(Credential::Session {
                cookie,
                mark: mark.to_owned(),
            }),
            _ => bail!("the hub opened no account: {answer}"),
        }
    }

    /// Asks for something that anybody may, and gives the status and the JSON of the answer; null when it has none.
    ///
    /// # Errors
    /// When the hub cannot be reached.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, serde_json::Value)> {
        let request = self.client.get(format!("{}{path}", self.url));
        told(request.timeout(TIMEOUT)).await
    }

    /// Sends something, and gives the status and the JSON of the answer; null when it has none.
    ///
    /// # Errors
    /// When the hub cannot be reached.
    pub async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> anyhow::Result<(u16, serde_json::Value)> {
        let request = self.client.post(format!("{}{path}", self.url));
        told(self.credential.on(request).timeout(TIMEOUT).json(body)).await
    }

    /// Looks a plate or a pattern up.
    ///
    /// # Errors
    /// With the hub's own words when it refuses.
    pub async fn look_up(&self, question: &Question) -> anyhow::Result<LookupAnswer> {
        let request = self.client.post(format!("{}/api/v1/lookups", self.url));
        let response = self
            .credential
            .on(request)
            .timeout(TIMEOUT)
            .json(question)
            .send()
            .await
            .context("the hub cannot be asked")?;
        let status = response.status();
        let body = response.text().await?;
        if !status.is_success() {
            bail!("the hub refused the lookup with {status}: {body}");
        }
        serde_json::from_str(&body).context("the hub's answer has another form than expected")
    }

    /// Looks a plate up for the demo's purpose, folded, to the last page.
    ///
    /// # Errors
    /// See [`Hub::look_up`].
    pub async fn find(
        &self,
        plate: &str,
        from: UtcTime,
        to: UtcTime,
    ) -> anyhow::Result<Vec<Found>> {
        let mut question = Question {
            plate: plate.to_owned(),
            fold: true,
            from,
            to,
            purpose: PURPOSE.to_owned(),
            case_reference: CASE.to_owned(),
            after: None,
        };
        let mut found = Vec::new();
        loop {
            let answer = self.look_up(&question).await?;
            found.extend(answer.results);
            match answer.next {
                Some(next) => question.after = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Every transit of a short time. The hub takes so wide a pattern for a short window only.
    ///
    /// # Errors
    /// See [`Hub::look_up`].
    pub async fn all(&self, from: UtcTime, to: UtcTime) -> anyhow::Result<Vec<Found>> {
        self.find("*", from, to).await
    }

    /// Watches the live stream and calls `each` with every event's JSON, until the hub ends it.
    ///
    /// # Errors
    /// When the hub refuses or the link breaks.
    pub async fn watch(&self, mut each: impl FnMut(&str)) -> anyhow::Result<()> {
        let request = self
            .client
            .get(format!("{}/api/v1/transits/live", self.url));
        let mut response = self
            .credential
            .on(request)
            .query(&[("purpose", PURPOSE), ("case_reference", CASE)])
            .send()
            .await
            .context("the live stream cannot be opened")?;
        if !response.status().is_success() {
            let status = response.status();
            bail!(
                "the hub refused the live stream with {status}: {}",
                response.text().await?
            );
        }
        let mut pending = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            pending.extend_from_slice(&chunk);
            while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line);
                if let Some(event) = text.trim_end().strip_prefix("data:") {
                    each(event.trim_start());
                }
            }
        }
        Ok(())
    }
}

async fn told(request: reqwest::RequestBuilder) -> anyhow::Result<(u16, serde_json::Value)> {
    let response = request.send().await;
    let response = response.context("the hub cannot be asked")?;
    let status = response.status().as_u16();
    let body = response.bytes().await?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
