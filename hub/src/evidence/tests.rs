//! A package is made, checked elsewhere, and changed in every byte.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use varco_proto::cipher::Key;
use varco_proto::confidence::Confidence;
use varco_proto::envelope::open;
use varco_proto::ids::{Digest, EdgeId, TransitId};
use varco_proto::keys::SealingKey;
use varco_proto::record::{ChainHead, Record, RecordBody};
use varco_proto::time::UtcTime;
use varco_proto::transit::{
    CaptureTime, CharacterCandidate, ClockSource, PlateCrop, PlateRead, Transit,
};

use super::container::{self, PackedFile};
use super::contents::{
    ExtractionPermit, ListedFile, PackageKeys, PackageManifest, PermitKind, WantedExtraction, paths,
};
use super::draft::{EvidenceSource, MANIFEST_TYPE, MadePackage, PackageBasis, PackageDraft};
use super::verify::{EvidenceCheck, EvidencePart, EvidenceStanding, EvidenceTrust, verify};
use crate::approvals::subject::{ExtractionCase, RecipientKind};
use crate::audit::actor::Actor;
use crate::audit::export::ExportedLine;
use crate::audit::head::SCHEMA_HEAD;
use crate::audit::log::{self, SCHEMA_LOG, StoredTree};
use crate::audit::{self, reading};
use crate::store;
use crate::store::sql::Connection;
use crate::tlog::checkpoint::Checkpoint;
use crate::tlog::note::{NoteKind, NoteSigner};
use crate::tlog::proof::LeafProof;

fn key() -> SealingKey {
    SealingKey::from_pkcs8(&SealingKey::generate().unwrap()).unwrap()
}

/// A hub with a log, an edge and a witness.
struct Bench {
    _folder: tempfile::TempDir,
    main: Connection,
    hub: SealingKey,
    edge: SealingKey,
    witness: NoteSigner,
    at: UtcTime,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut main = store::open(&folder.path().join("main")).unwrap();
        store::migrate(&mut main, &[audit::SCHEMA, SCHEMA_HEAD, SCHEMA_LOG]).unwrap();
        Self {
            _folder: folder,
            main,
            hub: key(),
            edge: key(),
            witness: NoteSigner::new("dpo.example", NoteKind::Witness, key()).unwrap(),
            at: "2026-11-22T12:00:00Z".parse().unwrap(),
        }
    }

    fn sources(&self, count: u8) -> Vec<EvidenceSource> {
        let edge: EdgeId = "porta-nord-01".parse().unwrap();
        let mut head = ChainHead::START;
        let mut all = Vec::new();
        for number in 1..=count {
            let body = RecordBody::Transit(transit(number, self.at));
            let (next, sealed) = head.seal_next(&edge, body, self.at, &self.edge);
            head = next;
            let verified = open::<Record>(&sealed.envelope, &self.edge.opening_key()).unwrap();
            all.push(EvidenceSource {
                verified,
                corrections: Vec::new(),
            });
        }
        all
    }

    fn basis(
        &self,
        sources: &[EvidenceSource],
        recipient_kind: RecipientKind,
        originals: bool,
    ) -> PackageBasis {
        let ids = sources
            .iter()
            .map(|one| one.verified.value().body.transit().unwrap().id);
        let edge = (
            "porta-nord-01".to_owned(),
            self.edge.opening_key().to_string(),
        );
        PackageBasis {
            wanted: WantedExtraction {
                case_type: ExtractionCase::Complaint,
                reference: "denuncia 12/2026".to_owned(),
                recipient_kind,
                recipient: "Procura di Perugia".to_owned(),
                transits: ids.collect::<BTreeSet<_>>(),
                held_in: None,
                originals,
                purpose: "public-safety".to_owned(),
                case_reference: "RGNR 123/2026".to_owned(),
            },
            permit: ExtractionPermit {
                kind: PermitKind::CaseByCase,
                id: "7".to_owned(),
                given_by: "Com. Rossi".to_owned(),
                body: "owner".to_owned(),
                given_at: self.at,
                act: None,
                asked_by: "Isp. Bianchi".to_owned(),
            },
            keys: PackageKeys {
                hub: self.hub.opening_key().to_string(),
                log: log::public_key(&self.hub).unwrap().to_string(),
                edges: BTreeMap::from([edge]),
                witnesses: vec![self.witness.public().to_string()],
            },
            made_at: self.at,
        }
    }

    fn made(&self, originals: bool) -> MadePackage {
        let sources = self.sources(2);
        let basis = self.basis(&sources, RecipientKind::JudicialAuthority, originals);
        self.finished(PackageDraft::make(&basis, &sources).unwrap())
    }

    fn finished(&self, draft: PackageDraft) -> MadePackage {
        let entry = draft.entry(Actor::console());
        let line = audit::append(&self.main, &entry, self.at, &self.hub).unwrap();
        let mut checkpoint = log::checkpoint(&self.main, &self.hub).unwrap();
        checkpoint
            .signatures
            .push(self.witness.sign(&checkpoint.text, 1_800_000_000));
        let size = Checkpoint::of(&checkpoint).unwrap().head.size;
        let proof = LeafProof {
            index: line - 1,
            hashes: StoredTree::of(&self.main).inclusion(line, size).unwrap(),
            checkpoint,
        };
        let line = ExportedLine::of(reading::line(&self.main, line).unwrap().unwrap());
        draft.finish(&line, &proof, &self.hub).unwrap()
    }

    fn trust(&self, made: &MadePackage) -> EvidenceTrust {
        let originals = made.originals_key.as_deref();
        EvidenceTrust {
            hub: Some(self.hub.opening_key()),
            witnesses: vec![self.witness.public().clone()],
            originals: originals.map(|key| Key::from_bytes(&hex::decode(key).unwrap()).unwrap()),
            stampers: Vec::new(),
        }
    }
}

fn transit(number: u8, at: UtcTime) -> Transit {
    let confidence = Confidence::new(0.97).unwrap();
    let picture = image::RgbImage::from_fn(230, 72, |x, y| {
        match (15..215).contains(&x) && (15..57).contains(&y) {
            true => image::Rgb([240, 240, if x / 9 % 2 == 0 { 0 } else { 240 }]),
            false => image::Rgb([20, 20, 20]),
        }
    });
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode_image(&picture)
        .unwrap();
    Transit {
        id: TransitId::from_parts(at.unix_ms(), [number; 10]),
        camera: "porta-nord-01".parse().unwrap(),
        gate: "porta-nord".parse().unwrap(),
        captured_at: CaptureTime {
            at,
            uncertainty: Duration::from_millis(40),
            source: ClockSource::Camera,
        },
        first_seen: at,
        last_seen: at,
        direction: None,
        plate: PlateRead {
            text: "AB123CD".parse().unwrap(),
            confidence,
            characters: "AB123CD"
                .chars()
                .map(|symbol| vec![CharacterCandidate { symbol, confidence }])
                .collect(),
            agreeing_reads: 5,
            reads: 6,
            countries: Vec::new(),
            rows: 1,
        },
        crop: PlateCrop {
            jpeg,
            width_px: 230,
            height_px: 72,
        },
        model_digest: Digest::of(b"model"),
        lane: None,
        travel: None,
        onboard: None,
    }
}

fn standing(check: &EvidenceCheck, part: EvidencePart) -> EvidenceStanding {
    let of = check.findings.iter().filter(|finding| finding.part == part);
    of.map(|finding| finding.standing)
        .min()
        .unwrap_or(EvidenceStanding::Failed)
}

#[test]
fn c43_part_a_package_says_what_is_established_and_what_is_not() {
    let bench = Bench::new();
    let made = bench.made(true);
    let check = verify(&made.bytes, &bench.trust(&made));
    assert!(check.intact, "{check:#?}");
    assert_eq!(check.package.as_deref(), Some(made.id.as_str()));
    use EvidencePart as P;
    for part in [
        P::Form,
        P::HubSignature,
        P::Digests,
        P::Contents,
        P::Envelopes,
        P::AuditLine,
        P::Inclusion,
        P::Checkpoint,
        P::Witnesses,
    ] {
        assert_eq!(
            standing(&check, part),
            EvidenceStanding::Established,
            "{part:?} {check:#?}"
        );
    }
    // Of the first record the one before it is elsewhere, and nobody stamped the package.
    for part in [P::Chains, P::TimeStamp] {
        assert_eq!(standing(&check, part), EvidenceStanding::NotEstablished);
    }
    // Nothing is believed.
    let alone = verify(&made.bytes, &EvidenceTrust::default());
    assert!(alone.intact && !alone.whole);
    for part in [P::HubSignature, P::Envelopes, P::Witnesses] {
        assert_eq!(
            standing(&alone, part),
            EvidenceStanding::NotEstablished,
            "{part:?}"
        );
    }
    // Another hub, another witness, another key.
    let other = |change: fn(&mut EvidenceTrust)| {
        let mut trust = bench.trust(&made);
        change(&mut trust);
        verify(&made.bytes, &trust)
    };
    assert!(!other(|trust| trust.hub = Some(key().opening_key())).intact);
    assert!(!other(|trust| trust.originals = Some(Key::random().unwrap())).intact);
    assert!(
        !other(|trust| {
            let stranger = NoteSigner::new("other", NoteKind::Witness, key()).unwrap();
            trust.witnesses.push(stranger.public().clone());
        })
        .intact
    );
    let withheld = bench.made(false);
    let check = verify(&withheld.bytes, &bench.trust(&withheld));
    assert!(check.intact && withheld.originals_key.is_none());
    assert_eq!(
        standing(&check, P::Envelopes),
        EvidenceStanding::NotEstablished
    );
}

#[test]
fn c43_part_a_package_changed_in_any_single_byte_fails_with_the_reason() {
    let bench = Bench::new();
    let made = bench.made(true);
    let trust = bench.trust(&made);
    // Whoever checks may know no key at all.
    for (trust, step) in [(&trust, 1), (&EvidenceTrust::default(), 7)] {
        for at in (0..made.bytes.len()).step_by(step) {
            let mut changed = made.bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let check = verify(&changed, trust);
            let failed = check
                .findings
                .iter()
                .find(|one| one.standing == EvidenceStanding::Failed);
            assert!(
                failed.is_some_and(|one| !one.why.is_empty()),
                "byte {at} is free"
            );
            assert!(!check.intact);
        }
    }
    for end in (0..made.bytes.len()).step_by(97) {
        assert!(!verify(&made.bytes[..end], &trust).intact, "cut at {end}");
    }
}

/// The package with other files under a good form, its manifest written and signed anew by whoever has a key.
fn repacked(
    bytes: &[u8],
    signer: &SealingKey,
    change: impl FnOnce(&mut Vec<PackedFile>),
) -> Vec<u8> {
    let mut files = container::read(bytes).unwrap();
    let manifest: PackageManifest = serde_json::from_slice(&files[0].bytes).unwrap();
    files.drain(..2);
    change(&mut files);
    let manifest = PackageManifest {
        hub_key: signer.opening_key().to_string(),
        files: files.iter().map(ListedFile::of).collect(),
        ..manifest
    };
    let text = serde_json::to_vec(&manifest).unwrap();
    let signed = varco_proto::envelope::pre_authentication_encoding(MANIFEST_TYPE, &text);
    files.insert(0, PackedFile::new(paths::MANIFEST, text));
    files.insert(1, PackedFile::new(paths::SIGNATURE, signer.sign(&signed)));
    container::write(&files).unwrap()
}

#[test]
fn c43_part_whoever_has_the_hubs_key_cannot_pass_other_records_under_the_line() {
    let bench = Bench::new();
    let made = bench.made(true);
    let trust = bench.trust(&made);
    let same = repacked(&made.bytes, &bench.hub, |_| ());
    assert!(
        verify(&same, &trust).intact,
        "what is repacked as it was holds"
    );
    let edit = |path: &'static str, from: &'static str, to: &'static str| {
        repacked(&made.bytes, &bench.hub, |files| {
            let file = files.iter_mut().find(|file| file.path == path).unwrap();
            let text = String::from_utf8(file.bytes.clone()).unwrap();
            assert!(text.contains(from), "{path}");
            file.bytes = text.replacen(from, to, 1).into_bytes();
        })
    };
    for (path, from, to) in [
        ("records/0001.json", "AB123CD", "AB123CE"),
        (paths::CONTENTS, "denuncia 12", "denuncia 13"),
        (paths::LINE, "RGNR 123", "RGNR 124"),
        (paths::KEYS, "porta-nord-01", "porta-nord-02"),
        (paths::PROOF, "index 0", "index 1"),
    ] {
        assert!(!verify(&edit(path, from, to), &trust).intact, "{path}");
    }
    // A record that is left out, and one that is added.
    let without = repacked(&made.bytes, &bench.hub, |files| {
        files.retain(|file| file.path != "records/0002.json")
    });
    assert!(!verify(&without, &trust).intact);
    let with_more = repacked(&made.bytes, &bench.hub, |files| {
        files.push(PackedFile::new("zz.jpg", *b"a face"))
    });
    let check = verify(&with_more, &trust);
    assert_eq!(
        standing(&check, EvidencePart::Contents),
        EvidenceStanding::Failed,
        "{check:#?}"
    );
    // Another's package under the same name.
    let forged = repacked(&made.bytes, &key(), |_| ());
    assert!(!verify(&forged, &trust).intact && !verify(&forged, &EvidenceTrust::default()).intact);
}

#[test]
fn e05_part_an_extraction_names_one_of_three_cases_with_a_reference_and_exact_records() {
    let bench = Bench::new();
    let sources = bench.sources(1);
    let good = bench.basis(&sources, RecipientKind::Subject, false).wanted;
    assert!(good.check().is_ok());
    for case in ["complaint", "illicit", "institutional"] {
        assert!(serde_json::from_value::<ExtractionCase>(case.into()).is_ok());
    }
    for other in ["curiosity", "", "sanction"] {
        assert!(serde_json::from_value::<ExtractionCase>(other.into()).is_err());
    }
    let with = |change: fn(&mut WantedExtraction)| {
        let mut wanted = good.clone();
        change(&mut wanted);
        wanted.check()
    };
    assert!(with(|wanted| wanted.reference = "ab".to_owned()).is_err());
    assert!(with(|wanted| wanted.recipient = " ".to_owned()).is_err());
    assert!(with(|wanted| wanted.transits = BTreeSet::new()).is_err());
    assert!(
        with(|wanted| wanted.originals = true).is_err(),
        "a third party gets no original"
    );
}

#[test]
fn c71_part_no_picture_of_a_package_is_the_crop_and_no_original_lies_open() {
    let bench = Bench::new();
    for originals in [true, false] {
        let made = bench.made(originals);
        let crop = transit(1, bench.at).crop.jpeg;
        let holds = made.bytes.windows(crop.len()).any(|part| part == crop);
        assert!(!holds, "the crop as it was is nowhere in the package");
        let files = container::read(&made.bytes).unwrap();
        let pictures: Vec<_> = files
            .iter()
            .filter(|file| file.path.starts_with("pictures/"))
            .collect();
        assert_eq!(pictures.len(), 2);
        for picture in pictures {
            let pixels = image::load_from_memory(&picture.bytes).unwrap().into_rgb8();
            assert_eq!(pixels.get_pixel(0, 0).0, [96; 3]);
        }
    }
}

#[test]
fn the_report_is_written_as_pdf_a_with_its_fonts() {
    let bench = Bench::new();
    let made = bench.made(false);
    let files = container::read(&made.bytes).unwrap();
    let report = &files
        .iter()
        .find(|file| file.path == paths::REPORT)
        .unwrap()
        .bytes;
    let has = |text: &[u8]| report.windows(text.len()).any(|part| part == text);
    assert!(report.starts_with(b"%PDF-1.7"));
    assert!(
        has(b"<pdfaid:part>2</pdfaid:part>") && has(b"<pdfaid:conformance>U</pdfaid:conformance>")
    );
    assert!(has(b"DejaVuSans") && has(b"FontFile"));
    if let Ok(folder) = std::env::var("VARCO_REPORT") {
        std::fs::write(std::path::Path::new(&folder).join("relazione.pdf"), report).unwrap();
        std::fs::write(
            std::path::Path::new(&folder).join("package.zip"),
            &made.bytes,
        )
        .unwrap();
    }
}
