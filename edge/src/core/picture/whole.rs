//! Whether a JPEG holds its whole picture.

/// Start and end of a picture, and of one scan's header.
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// Whether a JPEG goes on to the mark of its end. What follows that is not looked at: some cameras
/// append their own data. A picture within the picture, a thumbnail, has an end mark of its own,
/// so segments are walked by their lengths.
pub(super) fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let mut rest = match bytes {
        [0xff, SOI, rest @ ..] => rest,
        _ => return false,
    };
    let mut shown = false;
    loop {
        // Fill bytes may stand before a mark, and a stray byte after a segment.
        let Some(at) = mark(rest) else {
            return false;
        };
        let (Some(kind), Some(after)) = (rest.get(at), rest.get(at + 1..)) else {
            return false;
        };
        if *kind == EOI {
            return shown;
        }
        let length = match after {
            [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => return false,
        };
        let Some(next) = after.get(length.max(2)..) else {
            return false;
        };
        shown |= *kind == SOS;
        rest = next;
    }
}

/// Where the next mark's kind stands. Within a scan `ff 00` is a byte of it, and the eight marks of
/// a restart belong to it.
fn mark(bytes: &[u8]) -> Option<usize> {
    let is_mark = |pair: &[u8]| matches!(pair, [0xff, kind] if !matches!(kind, 0x00 | 0x01 | 0xd0..=0xd7 | 0xff));
    bytes.windows(2).position(is_mark).map(|at| at + 1)
}
