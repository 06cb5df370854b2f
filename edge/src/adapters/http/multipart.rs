//! The parts of a message (multer).

use std::convert::Infallible;

use axum::body::Bytes;
use multer::{Constraints, Multipart, SizeLimit};

use crate::onboard::{MESSAGE_BYTES_MAX, Malformed, PARTS_MAX, Part};

/// Longest boundary (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;

/// Takes a whole body apart, by its content type; anything but a multipart is one part.
///
/// # Errors
/// [`Malformed`].
pub async fn parts(content_type: &str, body: Vec<u8>) -> Result<Vec<Part>, Malformed> {
    let Some(boundary) = boundary(content_type)? else {
        return Ok(vec![Part {
            name: String::new(),
            bytes: body,
        }]);
    };
    let torn = Malformed::Format("whole multipart message");
    let most = u64::try_from(MESSAGE_BYTES_MAX).unwrap_or(u64::MAX);
    let limits = Constraints::new().size_limit(SizeLimit::new().whole_stream(most));
    let stream = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from(body))]);
    let mut all = Multipart::with_constraints(stream, boundary, limits);
    let mut parts = Vec::new();
    while let Some(field) = all.next_field().await.map_err(|_| torn)? {
        if parts.len() >= PARTS_MAX {
            return Err(Malformed::TooMuch("parts"));
        }
        let name = field.file_name().or_else(|| field.name());
        let name = name.unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(|_| torn)?.to_vec();
        parts.push(Part { name, bytes });
    }
    Ok(parts)
}

/// The content type of a recorded body, by how it begins.
#[must_use]
pub fn recorded_kind(body: &[u8]) -> String {
    let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let boundary = line.trim_ascii().strip_prefix(b"--");
    match boundary.and_then(|boundary| std::str::from_utf8(boundary).ok()) {
        Some(boundary) => format!("multipart/form-data; boundary={boundary}"),
        None => String::new(),
    }
}

/// Cameras send `multipart/mixed` as well as `multipart/form-data`, and quote the boundary or not.
fn boundary(content_type: &str) -> Result<Option<String>, Malformed> {
    let mut words = content_type.split(';');
    let kind = words.next().unwrap_or_default().trim().to_ascii_lowercase();
    if !kind.starts_with("multipart/") {
        return Ok(None);
    }
    let named = words.find_map(|word| {
        let (name, value) = word.split_once('=')?;
        let is = name.trim().eq_ignore_ascii_case("boundary");
        is.then(|| value.trim().trim_matches('"').to_owned())
    });
    let fits = |boundary: &String| (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len());
    let wrong = Malformed::Field("Content-Type", "a multipart with a boundary");
    named.filter(fits).map(Some).ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(content_type: &str, body: &str) -> Result<Vec<Part>, Malformed> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime
            .unwrap()
            .block_on(parts(content_type, body.as_bytes().to_vec()))
    }

    #[test]
    fn d03_parts_come_with_their_names_whatever_kind_of_multipart_it_is() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"anpr.xml\"\r\n\
                    Content-Type: application/xml\r\n\r\n<a/>\r\n--b\r\n\
                    Content-Type: image/jpeg\r\n\r\nJ\r\n--b--\r\n";
        for kind in [
            "multipart/form-data; boundary=b",
            "multipart/mixed;boundary=\"b\"",
            &recorded_kind(body.as_bytes()),
        ] {
            let parts = taken(kind, body).unwrap();
            let read: Vec<_> = parts.iter().map(|p| (&*p.name, &*p.bytes)).collect();
            assert_eq!(
                read,
                [("anpr.xml", &b"<a/>"[..]), ("", &b"J"[..])],
                "{kind}"
            );
        }
        assert_eq!(taken("application/json", "{}").unwrap()[0].bytes, b"{}");
    }

    #[test]
    fn d03_torn_and_endless_multiparts_are_refused() {
        let kind = "multipart/form-data; boundary=b";
        for body in [
            "",
            "--b\r\n",
            "--b\r\nX: y\r\n\r\nno end",
            "--other\r\n\r\n",
        ] {
            assert!(taken(kind, body).is_err(), "{body}");
        }
        let many = "--b\r\n\r\nx\r\n".repeat(40) + "--b--\r\n";
        assert_eq!(taken(kind, &many), Err(Malformed::TooMuch("parts")));
        assert!(taken("multipart/form-data", "--b--").is_err());
    }
}
