//! A file's bytes as text, in whatever encoding an office's program wrote.

use std::borrow::Cow;

use super::ImportError;

/// Bytes that are looked at to find an encoding without mark.
const SAMPLE_BYTES: usize = 4096;

/// What begins a file that is no text, and what it is.
const NO_TEXT: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "an Excel or OpenDocument workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "compressed"),
    (b"{\\rtf", "a Word document"),
    (b"<", "a web page or XML"),
];

/// The characters of Windows-1252 from 0x80 to 0x9F; what it leaves open is U+FFFD.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž',
    '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}',
    'ž', 'Ÿ',
];

/// A file as text.
#[derive(Debug)]
pub(super) struct Decoded<'a> {
    /// Without mark.
    pub(super) text: Cow<'a, str>,
    /// As people call the encoding.
    pub(super) encoding: &'static str,
}

/// Finds the encoding: by its mark, by the zeros of UTF-16, as UTF-8, and else line by line as
/// Windows writes western Europe's letters.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded<'_>, ImportError> {
    if let Some((_, kind)) = NO_TEXT.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Err(ImportError::NoText(kind));
    }
    let utf16 = |bytes, encoding, unit| Decoded {
        text: Cow::Owned(from_utf16(bytes, unit)),
        encoding,
    };
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return Ok(utf16(rest, "UTF-16 LE", u16::from_le_bytes));
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return Ok(utf16(rest, "UTF-16 BE", u16::from_be_bytes));
    }
    match zeros(bytes) {
        (even, odd) if odd > 4 * even.max(1) => {
            return Ok(utf16(bytes, "UTF-16 LE", u16::from_le_bytes));
        }
        (even, odd) if even > 4 * odd.max(1) => {
            return Ok(utf16(bytes, "UTF-16 BE", u16::from_be_bytes));
        }
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    Ok(match std::str::from_utf8(bytes) {
        Ok(text) => Decoded {
            text: Cow::Borrowed(text),
            encoding: "UTF-8",
        },
        Err(_) => Decoded {
            text: Cow::Owned(from_windows(bytes)),
            encoding: "Windows-1252",
        },
    })
}

/// Zero bytes at even and at odd places.
fn zeros(bytes: &[u8]) -> (usize, usize) {
    let sample = bytes.get(..SAMPLE_BYTES).unwrap_or(bytes);
    let zeros = |skipped| {
        let bytes = sample.iter().skip(skipped).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    (zeros(0), zeros(1))
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks(2).map(|pair| match *pair {
        [a, b] => unit([a, b]),
        // A file cut in the middle of a character.
        _ => 0xfffd,
    });
    let characters = char::decode_utf16(units);
    characters
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn from_windows(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) => text.extend(line.iter().map(|byte| windows(*byte))),
        }
    }
    text
}

fn windows(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252
            .get(usize::from(byte - 0x80))
            .copied()
            .unwrap_or(char::REPLACEMENT_CHARACTER),
        _ => char::from(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> (String, &'static str) {
        let decoded = decode(bytes).unwrap();
        (decoded.text.into_owned(), decoded.encoding)
    }

    #[test]
    fn each_encoding_is_found_with_and_without_its_mark() {
        let le: Vec<u8> = "targa;è\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let be: Vec<u8> = "targa;è\n"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for (bytes, encoding) in [
            (marked(b"\xff\xfe", &le), "UTF-16 LE"),
            (le, "UTF-16 LE"),
            (marked(b"\xfe\xff", &be), "UTF-16 BE"),
            (be, "UTF-16 BE"),
            (marked(b"\xef\xbb\xbf", "targa;è\n".as_bytes()), "UTF-8"),
            ("targa;è\n".into(), "UTF-8"),
            (b"targa;\xe8\n".into(), "Windows-1252"),
        ] {
            assert_eq!(text(&bytes), ("targa;è\n".to_owned(), encoding));
        }
    }

    #[test]
    fn windows_own_characters_are_none_of_latin_1() {
        assert_eq!(text(b"l\x92auto \xe8 \x96 500 \x80").0, "l’auto è – 500 €");
        let mixed = [b"a \x80\n".as_slice(), "è\n".as_bytes()].concat();
        assert_eq!(text(&mixed).0, "a €\nè\n", "a line of UTF-8 stays UTF-8");
    }

    #[test]
    fn a_workbook_is_told_from_text() {
        for file in [
            b"PK\x03\x04rest".as_slice(),
            b"\xd0\xcf\x11\xe0",
            b"%PDF-1.7",
            b"<html>",
        ] {
            assert!(matches!(decode(file), Err(ImportError::NoText(_))));
        }
    }
}
