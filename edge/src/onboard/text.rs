//! The text of a part, whatever it is written in: the only door to `encoding_rs` in the edge.

use encoding_rs::{Encoding, GB18030, UTF_16BE, UTF_16LE};

use super::notes::Notes;

/// How far into a message its own declaration of its encoding is looked for, in bytes.
const DECLARED_WITHIN: usize = 200;

/// The text of a part: by its mark, else as UTF-8, else as it declares. A lone byte of another
/// encoding is read as Latin-1 and noted: a camera's name must not cost the plate beside it.
pub(super) fn decode(bytes: &[u8], notes: &mut Notes) -> String {
    let text = if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let rest = bytes.get(mark..).unwrap_or_default();
        if encoding == encoding_rs::UTF_8 {
            by_itself(rest, notes)
        } else {
            encoding.decode_without_bom_handling(rest).0.into_owned()
        }
    } else {
        match bytes {
            [0, b'<' | b'{' | b'[', ..] => {
                UTF_16BE.decode_without_bom_handling(bytes).0.into_owned()
            }
            [b'<' | b'{' | b'[', 0, ..] => {
                UTF_16LE.decode_without_bom_handling(bytes).0.into_owned()
            }
            _ => by_itself(bytes, notes),
        }
    };
    // Some firmwares send their buffer with the zeros that fill it.
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    text.to_owned()
}

fn by_itself(bytes: &[u8], notes: &mut Notes) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    if declares_chinese(bytes) {
        return GB18030.decode_without_bom_handling(bytes).0.into_owned();
    }
    notes.add(
        "message",
        "it is not all in UTF-8; the other bytes are read as Latin-1",
    );
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| char::from(*byte)));
    }
    text
}

fn declares_chinese(bytes: &[u8]) -> bool {
    let head = bytes.get(..DECLARED_WITHIN).unwrap_or(bytes);
    let head = head.to_ascii_lowercase();
    let has = |word: &[u8]| head.windows(word.len()).any(|part| part == word);
    has(b"gb2312") || has(b"gbk") || has(b"gb18030")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        decode(bytes, &mut Notes::default())
    }

    #[test]
    fn d03_part_marks_zeros_and_other_encodings_do_not_hide_a_text() {
        assert_eq!(text(b"\xef\xbb\xbf{\"a\": 1}\0\0\r\n"), "{\"a\": 1}");
        assert_eq!(text(b"Citt\xe0 e Citt\xc3\xa0"), "Citt\u{e0} e Citt\u{e0}");
        let utf16 = |text: &str| {
            text.encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<_>>()
        };
        assert_eq!(text(&utf16("<a/>")), "<a/>");
        assert_eq!(text(&utf16("\u{feff}<a/>")), "<a/>");
        let chinese = b"<?xml version=\"1.0\" encoding=\"GB2312\"?><a>\xbe\xa9A1</a>";
        assert!(text(chinese).contains(">\u{4eac}A1<"));
        assert_eq!(text(b"\xff\xfe"), "");
    }
}
