//! A real time-stamping service: `openssl ts` behind HTTP (RFC 3161), with a root, and an answer that can be wrong.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::support::House;

const CONFIG: &str = "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\nsigner_cert = tsa.pem\ncerts = root.pem\n\
    signer_key = tsa.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\nordering = no\n\
    tsa_name = yes\ness_cert_id_chain = no\ness_cert_id_alg = sha256\naccuracy = secs:1\n";

/// The service. It stops with the test.
pub(crate) struct Authority {
    folder: Arc<tempfile::TempDir>,
    how: Arc<Mutex<String>>,
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let ran = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

impl Authority {
    #[expect(clippy::too_many_lines, reason = "one story, told in its order")]
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join("tsa.cnf"), CONFIG).unwrap();
        fs::write(at.join("serial"), "01\n").unwrap();
        fs::write(at.join("ext"), "extendedKeyUsage = critical,timeStamping\n").unwrap();
        openssl(
            at,
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-384",
                "-nodes",
                "-keyout",
                "root.key",
                "-out",
                "root.pem",
                "-days",
                "30",
                "-sha384",
                "-subj",
                "/CN=Test Root",
                "-addext",
                "basicConstraints=critical,CA:TRUE",
            ],
        );
        openssl(
            at,
            &[
                "req",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                "tsa.key",
                "-out",
                "tsa.csr",
                "-subj",
                "/CN=Test TSA",
            ],
        );
        openssl(
            at,
            &[
                "x509",
                "-req",
                "-in",
                "tsa.csr",
                "-CA",
                "root.pem",
                "-CAkey",
                "root.key",
                "-CAcreateserial",
                "-days",
                "30",
                "-sha384",
                "-extfile",
                "ext",
                "-out",
                "tsa.pem",
            ],
        );
        for name in ["root", "tsa"] {
            let (from, to) = (format!("{name}.pem"), format!("{name}.der"));
            openssl(at, &["x509", "-in", &from, "-outform", "DER", "-out", &to]);
        }
        Self {
            folder: Arc::new(folder),
            how: Arc::new(Mutex::new("well".to_owned())),
        }
    }

    /// The root's certificate.
    pub(crate) fn root(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("root.der")).unwrap()
    }

    /// The signer's.
    pub(crate) fn own(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("tsa.der")).unwrap()
    }

    /// How it answers from now on.
    pub(crate) fn answer(&self, how: &str) {
        *self.how.lock().unwrap() = how.to_owned();
    }

    /// Listens, and names itself in the house's hub.toml.
    pub(crate) fn serve_for(&mut self, house: &House) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/tsr", listener.local_addr().unwrap());
        let file = house.home.config_file();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            format!("{text}\n[evidence]\ntimestamp_url = \"{url}\"\n"),
        )
        .unwrap();
        let (folder, how) = (Arc::clone(&self.folder), Arc::clone(&self.how));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let how = how.lock().unwrap().clone();
                answer(connection.unwrap(), folder.path(), &how);
            }
        });
    }
}

fn answer(mut connection: TcpStream, folder: &Path, how: &str) {
    let mut asked = Vec::new();
    let mut buffer = [0; 4096];
    let body = loop {
        let Ok(read @ 1..) = connection.read(&mut buffer) else {
            return;
        };
        asked.extend(&buffer[..read]);
        let Some(end) = asked.windows(4).position(|at| at == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&asked[..end]).to_ascii_lowercase();
        assert!(
            head.contains("content-type: application/timestamp-query"),
            "{head}"
        );
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().trim().parse().unwrap();
        if asked.len() >= end + 4 + length {
            break asked[end + 4..end + 4 + length].to_vec();
        }
    };
    let stamped = match how {
        "away" => return,
        "garbage" => b"no answer of RFC 3161".to_vec(),
        how => stamp(folder, &body, how),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        stamped.len()
    );
    let _ = connection.write_all(&[head.as_bytes(), &stamped].concat());
}

fn stamp(folder: &Path, request: &[u8], how: &str) -> Vec<u8> {
    let mut request = request.to_vec();
    match how {
        // The imprint is the one octet string of 32 bytes; the nonce the integer of 8 before the last three bytes.
        "other-imprint" => {
            let at = request.windows(2).position(|at| at == [4, 32]).unwrap();
            request[at + 2] ^= 1;
        }
        "other-nonce" => {
            let at = request.len() - 5;
            request[at] ^= 1;
        }
        _ => {}
    }
    fs::write(folder.join("request.tsq"), &request).unwrap();
    openssl(
        folder,
        &[
            "ts",
            "-reply",
            "-config",
            "tsa.cnf",
            "-section",
            "one",
            "-queryfile",
            "request.tsq",
            "-out",
            "answer.tsr",
        ],
    );
    fs::read(folder.join("answer.tsr")).unwrap()
}
