//! The parts of a message, as cameras write them.
//!
//! Cameras are read more leniently than RFC 2046 has it: with bare line feeds, text before the
//! first part, no closing boundary, a comma in the content type, or a boundary that is not the one
//! of the content type. Lengths of parts are not believed.

use crate::onboard::malformed::Malformed;
use crate::onboard::part::{MESSAGE_BYTES_MAX, PARTS_MAX, Part};

/// Longest boundary (RFC 2046), with room for firmwares that do not know it.
const BOUNDARY_BYTES_MAX: usize = 200;
/// Most bytes of the headers of one part.
const HEADERS_BYTES_MAX: usize = 8192;
/// How far into a body its first boundary is looked for, in bytes.
const PREAMBLE_BYTES_MAX: usize = 1024;

/// Takes a whole body apart, by its content type; anything but a multipart is one part.
///
/// # Errors
/// [`Malformed`].
pub fn parts(content_type: &str, body: Vec<u8>) -> Result<Vec<Part>, Malformed> {
    if body.len() > MESSAGE_BYTES_MAX {
        return Err(Malformed::TooMuch("bytes"));
    }
    let is_multipart = is_multipart(content_type);
    let named = is_multipart.then(|| boundary(content_type)).flatten();
    let own = first_boundary(&body, is_multipart);
    if named.is_none() && own.is_none() {
        return match is_multipart {
            true => Err(Malformed::Field(
                "Content-Type",
                "a multipart with a boundary",
            )),
            false => Ok(vec![Part {
                name: String::new(),
                bytes: body,
            }]),
        };
    }
    // Firmwares name the boundary with its two hyphens, or another one than they write.
    let named = named.map(|boundary| pieces(&body, boundary.as_bytes()));
    let own = || own.map(|boundary| pieces(&body, boundary));
    let all = named.filter(|all| !all.is_empty()).or_else(own);
    let mut parts = Vec::new();
    for piece in all.unwrap_or_default() {
        if parts.len() >= PARTS_MAX {
            return Err(Malformed::TooMuch("parts"));
        }
        parts.push(part(piece));
    }
    parts.retain(|part| !part.bytes.is_empty());
    match parts.is_empty() {
        true => Err(Malformed::Format("whole multipart message")),
        false => Ok(parts),
    }
}

/// The content type of a recorded body, by how it begins.
#[must_use]
pub fn recorded_kind(body: &[u8]) -> String {
    let boundary = first_boundary(body, false);
    match boundary.and_then(|boundary| std::str::from_utf8(boundary).ok()) {
        Some(boundary) => format!("multipart/form-data; boundary={boundary}"),
        None => String::new(),
    }
}

/// Cameras send `multipart/mixed` as well as `multipart/form-data`.
fn is_multipart(content_type: &str) -> bool {
    let kind = content_type.trim_start().get(..10);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/"))
}

/// The boundary that a content type names: quoted or not, after a semicolon or a comma.
fn boundary(content_type: &str) -> Option<String> {
    let mut words = content_type.split([';', ',']);
    let named = words.find_map(|word| {
        let (name, value) = word.split_once('=')?;
        let is = name.trim().eq_ignore_ascii_case("boundary");
        is.then(|| value.trim().trim_matches('"').to_owned())
    });
    named.filter(|boundary| (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()))
}

/// The boundary of the first line that begins with two hyphens. Where nobody says that there are
/// parts, one has to follow: a header, XML or JSON.
fn first_boundary(body: &[u8], is_multipart: bool) -> Option<&[u8]> {
    let head = body.get(..PREAMBLE_BYTES_MAX).unwrap_or(body);
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let mut rest = body;
    loop {
        let line = lines.next()?;
        rest = rest.get(line.len()..)?;
        let boundary = line.trim_ascii().strip_prefix(b"--");
        let Some(boundary) = boundary.filter(|it| (1..=BOUNDARY_BYTES_MAX).contains(&it.len()))
        else {
            continue;
        };
        let next = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_header = next.to_ascii_lowercase().starts_with(b"content-");
        return (is_multipart || is_header).then_some(boundary);
    }
}

/// What stands between the boundaries; after the last one of a message that breaks off, the rest.
fn pieces<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mark = [b"--", boundary].concat();
    let mut pieces = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while let Some(found) = find(body.get(at..).unwrap_or_default(), &mark) {
        let here = at + found;
        at = here + mark.len();
        // Only one mark a line looks for the line's end, or a line full of marks would take hours.
        let begins_line = here == 0 || body.get(here - 1) == Some(&b'\n');
        if !begins_line {
            continue;
        }
        let after = body.get(at..).unwrap_or_default();
        let closes = after.starts_with(b"--");
        let end = line_end(after);
        if !after.is_empty() && !closes && end.is_none() {
            continue;
        }
        if let Some(begin) = begin {
            pieces.push(without_line_end(body.get(begin..here).unwrap_or_default()));
        }
        if closes {
            return pieces;
        }
        begin = Some(at + end.unwrap_or(0));
        if pieces.len() > PARTS_MAX {
            return pieces;
        }
    }
    if let Some(begin) = begin {
        pieces.push(without_line_end(body.get(begin..).unwrap_or_default()));
    }
    pieces
}

/// How long the end of a line is, with the spaces before it.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let is = bytes.get(..end)?.trim_ascii().is_empty();
    is.then_some(end + 1)
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let (first, _) = what.split_first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| byte == first)?;
        if bytes.get(at..)?.starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Headers end at an empty line; without one, or where none begins, all is content.
fn part(piece: &[u8]) -> Part {
    let mut rest = piece;
    let (mut name, mut file) = (String::new(), String::new());
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = rest.get(..end).unwrap_or_default().trim_ascii();
        let is_header = line
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'-');
        let colon = is_header.count();
        if !line.is_empty() && (colon == 0 || line.get(colon) != Some(&b':')) {
            break;
        }
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() || piece.len() - rest.len() > HEADERS_BYTES_MAX {
            break;
        }
        let line = String::from_utf8_lossy(line);
        if line.to_ascii_lowercase().starts_with("content-disposition") {
            name = parameter(&line, "name").unwrap_or_default();
            file = parameter(&line, "filename").unwrap_or_default();
        }
    }
    let name = match (name.is_empty(), file.is_empty()) {
        (false, false) if name != file => format!("{name} {file}"),
        (true, false) => file,
        _ => name,
    };
    Part {
        name,
        bytes: rest.to_vec(),
    }
}

/// A parameter of a header, quoted or not.
fn parameter(line: &str, name: &str) -> Option<String> {
    line.split(';').skip(1).find_map(|word| {
        let (key, value) = word.split_once('=')?;
        let is = key.trim().eq_ignore_ascii_case(name);
        is.then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"anpr.xml\"\r\n\
                        Content-Type: application/xml\r\nContent-Length: 9999\r\n\r\n<a/>\r\n--b\r\n\
                        Content-Type: image/jpeg\r\n\r\nJ\r\n--b--\r\n";

    fn taken(content_type: &str, body: &str) -> Result<Vec<Part>, Malformed> {
        parts(content_type, body.as_bytes().to_vec())
    }

    fn read(content_type: &str, body: &str) -> Vec<(String, Vec<u8>)> {
        let parts = taken(content_type, body).unwrap();
        parts
            .into_iter()
            .map(|part| (part.name, part.bytes))
            .collect()
    }

    #[test]
    fn d03_parts_come_with_their_names_whatever_kind_of_multipart_it_is() {
        let both = vec![
            ("x anpr.xml".to_owned(), b"<a/>".to_vec()),
            (String::new(), b"J".to_vec()),
        ];
        for kind in [
            "multipart/form-data; boundary=b",
            "multipart/mixed;boundary=\"b\"",
            "Multipart/Form-Data, Boundary=b",
            "multipart/form-data; charset=utf-8; boundary=--b",
            "multipart/form-data",
            "",
            &recorded_kind(BODY.as_bytes()),
        ] {
            assert_eq!(read(kind, BODY), both, "{kind}");
        }
        assert_eq!(taken("application/json", "{}").unwrap()[0].bytes, b"{}");
        let same = "--b\r\nContent-Disposition: form-data; name=x; filename=x\r\n\r\n1\r\n--b--";
        assert_eq!(read("multipart/mixed; boundary=b", same)[0].0, "x");
    }

    #[test]
    fn d03_part_what_cameras_write_otherwise_than_the_standard_is_read() {
        let kind = "multipart/form-data; boundary=b";
        let whole = read(kind, BODY);
        for body in [
            BODY.replace('\r', ""),
            format!("\r\n{BODY}"),
            format!("a preamble\r\n{BODY}"),
            BODY.replace("\r\n--b--\r\n", ""),
            BODY.replace("--b--\r\n", ""),
            BODY.replace("--b--\r\n", "--b--"),
            BODY.replace("--b\r\n", "--b  \r\n"),
            BODY.replace("--b", "--another"),
        ] {
            assert_eq!(read(kind, &body), whole, "{body}");
        }
        let bare = "--b\r\n<a/>\r\n--b--\r\n";
        assert_eq!(read(kind, bare)[0].1, b"<a/>", "a part without headers");
        let within = BODY.replace("<a/>", "<a>--b</a>\r\n--bb");
        assert_eq!(read(kind, &within)[0].1, b"<a>--b</a>\r\n--bb");
    }

    #[test]
    fn d03_part_a_line_that_is_full_of_boundaries_is_read_at_once() {
        let kind = "multipart/form-data; boundary=b";
        let marks = "--bx".repeat(1_900_000);
        for body in [
            format!("--b\r\n\r\n{marks}\r\n--b--\r\n"),
            format!("--b\r\n\r\n{marks}"),
        ] {
            let all = read(kind, &body);
            assert_eq!((all.len(), all[0].1.len()), (1, marks.len()));
        }
    }

    #[test]
    fn d03_part_empty_and_endless_multiparts_are_refused() {
        let kind = "multipart/form-data; boundary=b";
        for body in [
            "",
            "--b\r\n",
            "--b\r\n\r\n",
            "--b--",
            "no boundary",
            "--b\r\nX: y\r\n\r\n",
        ] {
            assert!(taken(kind, body).is_err(), "{body}");
        }
        let many = "--b\r\n\r\nx\r\n".repeat(40) + "--b--\r\n";
        assert_eq!(taken(kind, &many), Err(Malformed::TooMuch("parts")));
        assert!(taken("multipart/form-data", "--b--").is_err());
    }
}
