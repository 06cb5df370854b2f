//! Signed notes (C2SP signed-note) and the keys that sign them: of a log (type 1), and of a witness, whose
//! cosignature says when it saw a checkpoint (type 4, C2SP tlog-cosignature).
//!
//! The crate `signed_note` would bring a second library for Ed25519; here ring signs, as everywhere.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use varco_proto::ids::Digest;
use varco_proto::keys::{OpeningKey, SealingKey};

/// Largest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Most signatures of a note.
const SIGNATURES_MAX: usize = 64;
/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;
/// Bytes of the time before it, in a cosignature.
const TIME_BYTES: usize = 8;
const ID_BYTES: usize = 4;
/// What a signature line begins with.
const DASH: &str = "\u{2014} ";
/// Longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// A note or a key is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// It is no signed note: take another copy.
    #[error("it is no signed note")]
    Note,
    /// It is no verifier key: copy it whole, as it was printed.
    #[error("a public key is written NAME+HASH+KEY, as its owner's command prints it")]
    Key,
    /// The name cannot be a key's.
    #[error("the name of a key has 1 to {NAME_BYTES_MAX} bytes, no blanks and no +")]
    Name,
    /// A signature by a known key does not hold: the text was changed.
    #[error("the signature of {0} does not hold")]
    Signature(String),
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// The text of a note: a log's key.
    Log,
    /// A checkpoint and when it was seen: a witness's key.
    Witness,
}

impl NoteKind {
    fn byte(self) -> u8 {
        match self {
            Self::Log => 1,
            Self::Witness => 4,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Log, Self::Witness]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// A public key with its name. Text form: `NAME+HASH+KEY`, which C2SP calls a vkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    kind: NoteKind,
    key: OpeningKey,
}

impl NoteKey {
    /// A key under a name.
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn new(name: &str, kind: NoteKind, key: OpeningKey) -> Result<Self, NoteError> {
        Ok(Self {
            name: checked(name)?.to_owned(),
            kind,
            key,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub fn kind(&self) -> NoteKind {
        self.kind
    }

    fn id(&self) -> [u8; ID_BYTES] {
        let mut bytes = self.name.as_bytes().to_vec();
        bytes.push(b'\n');
        bytes.extend(self.material());
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&Digest::of(&bytes).as_bytes()[..ID_BYTES]);
        id
    }

    fn material(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend(self.key.as_bytes());
        bytes
    }
}

/// A name that a key may have.
fn checked(name: &str) -> Result<&str, NoteError> {
    let wrong = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(wrong) {
        return Err(NoteError::Name);
    }
    Ok(name)
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, key) = (hex::encode(self.id()), STANDARD.encode(self.material()));
        write!(f, "{}+{id}+{key}", self.name)
    }
}

impl FromStr for NoteKey {
    type Err = NoteError;
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let wrong = |_| NoteError::Key;
        // Base64 has a + of its own, so that only the first two part.
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let material = STANDARD.decode(key).map_err(wrong)?;
        let (kind, key) = material.split_first().ok_or(NoteError::Key)?;
        let read = Self {
            name: checked(name)?.to_owned(),
            kind: NoteKind::of(*kind).ok_or(NoteError::Key)?,
            key: OpeningKey::from_bytes(key).map_err(|_| NoteError::Key)?,
        };
        if hex::encode(read.id()) != id {
            return Err(NoteError::Key);
        }
        Ok(read)
    }
}

/// A private key under its name.
#[derive(Debug)]
pub struct NoteSigner {
    key: SealingKey,
    public: NoteKey,
}

impl NoteSigner {
    /// Of a private key.
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn new(name: &str, kind: NoteKind, key: SealingKey) -> Result<Self, NoteError> {
        let public = NoteKey::new(name, kind, key.opening_key())?;
        Ok(Self { key, public })
    }

    /// What checks its signatures.
    #[must_use]
    pub fn public(&self) -> &NoteKey {
        &self.public
    }

    /// Signs a text; a witness says that it saw it at `at_s`, seconds since 1970, and a log's signature has no
    /// time.
    #[must_use]
    pub fn sign(&self, text: &str, at_s: u64) -> NoteSignature {
        let mut bytes = Vec::new();
        let message = match self.public.kind {
            NoteKind::Log => text.as_bytes().to_vec(),
            NoteKind::Witness => {
                bytes.extend(at_s.to_be_bytes());
                cosigned(text, at_s)
            }
        };
        bytes.extend(self.key.sign(&message));
        NoteSignature {
            name: self.public.name.clone(),
            id: self.public.id(),
            bytes,
        }
    }
}

/// What a witness signs.
fn cosigned(text: &str, at_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {at_s}\n{text}").into_bytes()
}

/// One signature, by whomever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    id: [u8; ID_BYTES],
    bytes: Vec<u8>,
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.to_vec();
        bytes.extend(&self.bytes);
        writeln!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let rest = line.strip_prefix(DASH).ok_or(NoteError::Note)?;
        let (name, bytes) = rest.split_once(' ').ok_or(NoteError::Note)?;
        let bytes = STANDARD.decode(bytes).map_err(|_| NoteError::Note)?;
        let (id, bytes) = bytes.split_first_chunk().ok_or(NoteError::Note)?;
        if bytes.is_empty() {
            return Err(NoteError::Note);
        }
        Ok(Self {
            name: checked(name).map_err(|_| NoteError::Note)?.to_owned(),
            id: *id,
            bytes: bytes.to_vec(),
        })
    }

    /// Signature lines alone, as a witness answers.
    ///
    /// # Errors
    /// [`NoteError::Note`].
    pub fn parse_all(text: &str) -> Result<Vec<Self>, NoteError> {
        let lines = text.strip_suffix('\n').ok_or(NoteError::Note)?;
        let all: Vec<_> = lines.split('\n').collect();
        if text.len() > NOTE_BYTES_MAX || all.len() > SIGNATURES_MAX {
            return Err(NoteError::Note);
        }
        all.into_iter().map(Self::parse).collect()
    }
}

/// That a key signed a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoteSigned {
    /// When, by a witness's clock, in seconds since 1970; none of a log.
    pub at_s: Option<u64>,
}

/// A text and who signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Ends with a newline.
    pub text: String,
    /// In the order of the note.
    pub signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a note. Nothing is believed of it before [`Note::signed_by`].
    ///
    /// # Errors
    /// [`NoteError::Note`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let is_control = |c: char| c < ' ' && c != '\n';
        if note.len() > NOTE_BYTES_MAX || note.contains(is_control) {
            return Err(NoteError::Note);
        }
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Note)?;
        Ok(Self {
            text: format!("{text}\n"),
            signatures: NoteSignature::parse_all(signatures)?,
        })
    }

    /// Whether a key signed it; none when it did not. Of several by the same key each must hold.
    ///
    /// # Errors
    /// [`NoteError::Signature`].
    pub fn signed_by(&self, key: &NoteKey) -> Result<Option<NoteSigned>, NoteError> {
        let id = key.id();
        let own = self
            .signatures
            .iter()
            .filter(|signature| signature.name == key.name && signature.id == id);
        let mut last = None;
        for signature in own {
            let holds = holds(&self.text, key, &signature.bytes);
            let holds = holds.ok_or_else(|| NoteError::Signature(key.name.clone()))?;
            last = Some(holds);
        }
        Ok(last)
    }
}

fn holds(text: &str, key: &NoteKey, signature: &[u8]) -> Option<NoteSigned> {
    let (message, signature, at_s) = match key.kind {
        NoteKind::Log => (text.as_bytes().to_vec(), signature, None),
        NoteKind::Witness => {
            let (time, signature) = signature.split_first_chunk::<TIME_BYTES>()?;
            let at_s = u64::from_be_bytes(*time);
            i64::try_from(at_s).ok()?;
            (cosigned(text, at_s), signature, Some(at_s))
        }
    };
    let is_whole = signature.len() == SIGNATURE_BYTES;
    (is_whole && key.key.verifies(&message, signature)).then_some(NoteSigned { at_s })
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| write!(f, "{signature}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(name: &str, kind: NoteKind) -> NoteSigner {
        let key = SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap();
        NoteSigner::new(name, kind, key).unwrap()
    }

    #[test]
    fn a_note_survives_its_text_and_each_changed_byte_is_seen() {
        let (log, witness) = (
            signer("hub/1", NoteKind::Log),
            signer("dpo", NoteKind::Witness),
        );
        let text = "hub/1\n3\nAAAA\n".to_owned();
        let signatures = vec![log.sign(&text, 0), witness.sign(&text, 1_700_000_000)];
        let note = Note { text, signatures };
        let written = note.to_string();
        assert_eq!(Note::parse(&written).unwrap(), note);
        let at = note.signed_by(witness.public()).unwrap().unwrap().at_s;
        assert_eq!(at, Some(1_700_000_000));
        assert_eq!(note.signed_by(log.public()).unwrap().unwrap().at_s, None);
        assert_eq!(
            note.signed_by(signer("hub/1", NoteKind::Log).public()),
            Ok(None)
        );
        let mut seen = 0;
        for at in 0..written.len() {
            let mut bytes = written.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).ok();
            let changed = changed.and_then(|text| Note::parse(&text).ok());
            let both = changed.is_some_and(|note| {
                let by = |of: &NoteSigner| note.signed_by(of.public()).ok().flatten().is_some();
                by(&log) && by(&witness)
            });
            assert!(!both, "byte {at}");
            seen += 1;
        }
        assert!(seen > 200);
    }

    #[test]
    fn a_key_is_read_as_it_is_printed_and_in_no_other_way() {
        let key = signer("witness.example/w1", NoteKind::Witness);
        let text = key.public().to_string();
        assert_eq!(text.parse::<NoteKey>().as_ref(), Ok(key.public()));
        let of_another_name = text.replace("w1", "w2");
        for wrong in ["", "a+b", "a+00000000+AAAA", of_another_name.as_str()] {
            assert!(wrong.parse::<NoteKey>().is_err(), "{wrong}");
        }
        let another = signer("a", NoteKind::Log);
        assert!(NoteKey::new("a b", NoteKind::Log, another.public().key).is_err());
    }

    #[test]
    fn the_example_of_the_specification_is_read_with_its_parts() {
        let note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
            \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
            \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
        let read = Note::parse(note).unwrap();
        assert_eq!(read.to_string(), note);
        let time = &read.signatures[1].bytes[..TIME_BYTES];
        assert_eq!(u64::from_be_bytes(time.try_into().unwrap()), 1_679_315_147);
    }
}
