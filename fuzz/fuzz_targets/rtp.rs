//! RTP packets and sender reports in the row of one stream.
#![no_main]

use varco_edge::fuzzing::rtsp;
use varco_fuzz::{Cut, within};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    within((1 << 16) + 16 * data.len(), || {
        let mut cut = Cut(data);
        let clock_hz = u32::from_le_bytes(cut.array());
        let mut rest = cut;
        let pieces = std::iter::from_fn(|| {
            let length = usize::from(rest.byte());
            let (piece, more) = rest.0.split_at(rest.0.len().min(length));
            let is_over = rest.0.is_empty();
            rest = Cut(more);
            (!is_over).then_some(piece)
        });
        let count = rtsp::packets(pieces, clock_hz);
        assert!(count <= data.len());
    });
});
