//! The hub sends its checkpoints to its witnesses: each minute, and soon after the log grew. What they cosigned is
//! kept; one that cosigns nothing for an hour is an alarm.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use varco_proto::keys::SealingKey;
use varco_proto::time::UtcTime;

use crate::audit::log::{self, LogError, StoredTree};
use crate::certificates::tls::{self, TlsError};
use crate::config::audit::WitnessAddress;
use crate::machine::files::{self, FileError};
use crate::store::sql::TransactionBehavior;
use crate::store::{self, Doing as _, StoreError};
use crate::timekeeping::SharedClock;
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::{NOTE_BYTES_MAX, Note, NoteSignature};
use crate::tlog::tree::{TreeError, TreeHash};
use crate::witnessing::standing;

/// How often it is looked whether the log grew.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a checkpoint is sent at least.
const SEND_EVERY: Duration = Duration::from_secs(60);
/// Longest wait for a witness.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A witness did not cosign.
#[derive(Debug, Error)]
pub enum SendingError {
    /// It cannot be reached: see to it, or to the way there.
    #[error("it cannot be reached")]
    Away(#[from] reqwest::Error),
    /// What was sent before was more: lines were cut here, or an older copy was put in place.
    #[error(
        "it has cosigned {seen} lines, and this log has {size}: lines were cut, or an older copy of the home was \
         put in place"
    )]
    Behind {
        /// There.
        seen: u64,
        /// Here.
        size: u64,
    },
    /// This log is not the one that it cosigned.
    #[error(
        "it says that this log does not continue the one that it cosigned: lines were changed, or an older copy of \
         the home was put in place"
    )]
    Forked,
    /// It does not know this log: name the key that `varco-hub audit key` prints in its witness.toml.
    #[error(
        "it does not know this log, or its key: name the key of `varco-hub audit key` in its witness.toml"
    )]
    Unknown,
    /// Its answer is no cosignature by the key that hub.toml names.
    #[error("its answer is no cosignature by the key that hub.toml names for it")]
    Cosignature,
    /// Another answer.
    #[error("it answered {0}")]
    Answered(StatusCode),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// TLS.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// The file of its authority.
    #[error(transparent)]
    File(#[from] FileError),
    /// The work broke off.
    #[error("the work broke off")]
    Broken,
}

impl SendingError {
    /// Whether it says that lines were changed or cut: somebody must look at once.
    #[must_use]
    pub fn is_fork(&self) -> bool {
        matches!(self, Self::Behind { .. } | Self::Forked)
    }
}

/// What checkpoints are made from and whom they are sent to.
#[derive(Clone)]
pub struct Sending {
    /// The main database.
    pub main: PathBuf,
    /// The hub's key.
    pub key: Arc<SealingKey>,
    /// By the hub's clock.
    pub clock: SharedClock,
    /// To whom.
    pub witnesses: Vec<WitnessAddress>,
    /// The authority that HTTPS is believed by where no other is named.
    pub authority: PathBuf,
}

impl Sending {
    /// Sends until the hub stops.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        if self.witnesses.is_empty() {
            return;
        }
        let (mut sent, mut at): (Option<u64>, Option<UtcTime>) = (None, None);
        loop {
            let now = self.clock.now();
            let is_due = at.is_none_or(|at| now < at || now.since(at) >= SEND_EVERY);
            match self.size().await {
                Ok(size) if is_due || sent != Some(size) => {
                    match self.round(now).await {
                        Ok(()) => sent = Some(size),
                        Err(error) => {
                            tracing::error!(error = %error, "no checkpoint is sent to witnesses");
                        }
                    }
                    at = Some(now);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(error = %error, "no checkpoint is sent to witnesses"),
            }
            let stopped = stop.wait_for(|stop| *stop);
            if tokio::time::timeout(LOOK_EVERY, stopped).await.is_ok() {
                return;
            }
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, SendingError> + Send + 'static,
    ) -> Result<T, SendingError> {
        let own = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&own)).await;
        done.map_err(|_| SendingError::Broken)?
    }

    async fn size(&self) -> Result<u64, SendingError> {
        let read = |own: &Self| {
            let main = store::open(&own.main).map_err(LogError::from)?;
            Ok(log::size(&main).map_err(LogError::from)?)
        };
        self.blocking(read).await
    }

    /// Sends the checkpoint of now to every witness, and keeps what they cosigned.
    ///
    /// # Errors
    /// [`SendingError`] when there is no checkpoint, or what came of it cannot be kept.
    pub async fn round(&self, now: UtcTime) -> Result<(), SendingError> {
        let made = |own: &Self| {
            let main = store::open(&own.main).map_err(LogError::from)?;
            let note = log::checkpoint(&main, &own.key)?;
            Ok((note, standing::all(&main).map_err(LogError::from)?))
        };
        let (note, standings) = self.blocking(made).await?;
        let mut asked = JoinSet::new();
        for witness in self.witnesses.clone() {
            let key = witness.key.to_string();
            let known = standings.iter().find(|one| one.key == key);
            let seen = known.map_or(0, |one| one.size); // Asked for the first time.
            let (own, note) = (self.clone(), note.clone());
            asked.spawn(async move {
                let cosigned = own.ask(&witness, &note, seen).await;
                (witness, cosigned)
            });
        }
        let answers = asked.join_all().await;
        self.blocking(move |own| own.keep(note, answers, now)).await
    }

    /// Asks one witness, which has cosigned `seen` lines as far as is known.
    async fn ask(
        &self,
        witness: &WitnessAddress,
        note: &Note,
        seen: u64,
    ) -> Result<NoteSignature, SendingError> {
        let client = self.client(witness).await?;
        let size = Checkpoint::of(note).map_err(LogError::from)?.head.size;
        let mut seen = seen;
        // It says itself how far it is, when that is another size than is known here.
        for _ in 0..2 {
            if seen > size {
                return Err(SendingError::Behind { seen, size });
            }
            let proof = move |own: &Self| -> Result<Vec<TreeHash>, SendingError> {
                let main = store::open(&own.main).map_err(LogError::from)?;
                Ok(StoredTree::of(&main).consistency(seen, size)?)
            };
            let proof = self.blocking(proof).await?;
            let lines: String = proof.iter().map(|hash| format!("{hash}\n")).collect();
            let body = format!("old {seen}\n{lines}\n{note}");
            let url = format!("{}/add-checkpoint", witness.address);
            let answer = client.post(url).body(body).send().await?;
            let status = answer.status();
            let text = bounded(answer).await?;
            match status {
                StatusCode::OK => return cosignature(witness, note, &text),
                StatusCode::CONFLICT => {
                    let there: Option<u64> = text.trim_end().parse().ok();
                    match there {
                        Some(there) if there != seen => seen = there,
                        _ => return Err(SendingError::Forked),
                    }
                }
                StatusCode::UNPROCESSABLE_ENTITY => return Err(SendingError::Forked),
                StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => return Err(SendingError::Unknown),
                status => return Err(SendingError::Answered(status)),
            }
        }
        Err(SendingError::Answered(StatusCode::CONFLICT))
    }

    async fn client(&self, witness: &WitnessAddress) -> Result<reqwest::Client, SendingError> {
        let file = witness.ca_file.clone().unwrap_or(self.authority.clone());
        let read = move |_: &Self| Ok(files::read_text(&file)?);
        let authority = self.blocking(read).await?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client(&authority)?)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_MAX)
            .build()?;
        Ok(client)
    }

    fn keep(
        &self,
        mut note: Note,
        answers: Vec<(WitnessAddress, Result<NoteSignature, SendingError>)>,
        now: UtcTime,
    ) -> Result<(), SendingError> {
        let size = Checkpoint::of(&note).map_err(LogError::from)?.head.size;
        let mut main = store::open(&self.main).map_err(LogError::from)?;
        let kept = || -> Result<(), LogError> {
            let transaction = main
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .doing("begin to keep what was cosigned")?;
            let mut is_cosigned = false;
            for (witness, answer) in answers {
                let (key, name) = (witness.key.to_string(), witness.key.name());
                match answer {
                    Ok(signature) => {
                        note.signatures.push(signature);
                        is_cosigned = true;
                        standing::cosigned(&transaction, &key, size, now)?;
                    }
                    Err(error) => {
                        tell(name, &error);
                        standing::failed(&transaction, &key, &error.to_string())?;
                    }
                }
            }
            if is_cosigned {
                log::keep_cosigned(&transaction, &note, now)?;
            }
            for missing in standing::all(&transaction)? {
                if missing.is_missing(now) {
                    let last = missing.cosigned_at.map(|at| at.to_string());
                    let last = last.unwrap_or_else(|| "never".to_owned());
                    tracing::error!(
                        witness = missing.name,
                        last,
                        "a witness has cosigned nothing for an hour"
                    );
                }
            }
            transaction.commit().doing("keep what was cosigned")?;
            Ok(())
        };
        Ok({ kept }()?)
    }
}

fn tell(witness: &str, error: &SendingError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let source = source.unwrap_or_default(); // Nothing lies below it.
    if error.is_fork() {
        tracing::error!(witness, error = %error, "a witness refuses this log: see `varco-hub audit verify`");
    } else {
        tracing::warn!(witness, error = %error, source, "a witness did not cosign");
    }
}

/// The text of an answer, as far as one may be.
async fn bounded(mut answer: reqwest::Response) -> Result<String, SendingError> {
    let mut bytes = Vec::new();
    while let Some(more) = answer.chunk().await? {
        bytes.extend_from_slice(&more);
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(SendingError::Cosignature);
        }
    }
    String::from_utf8(bytes).map_err(|_| SendingError::Cosignature)
}

/// The cosignature in an answer, by the key that is known; others are left aside.
fn cosignature(
    witness: &WitnessAddress,
    note: &Note,
    answer: &str,
) -> Result<NoteSignature, SendingError> {
    let all = NoteSignature::parse_all(answer).map_err(|_| SendingError::Cosignature)?;
    let is_its = |signature: &NoteSignature| {
        let one = Note {
            text: note.text.clone(),
            signatures: vec![signature.clone()],
        };
        matches!(one.signed_by(&witness.key), Ok(Some(_)))
    };
    let own = all.into_iter().find(is_its);
    own.ok_or(SendingError::Cosignature)
}

impl From<StoreError> for SendingError {
    fn from(error: StoreError) -> Self {
        Self::Log(error.into())
    }
}

impl From<TreeError> for SendingError {
    fn from(error: TreeError) -> Self {
        Self::Log(error.into())
    }
}
