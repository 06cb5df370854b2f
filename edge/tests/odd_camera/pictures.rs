//! What the camera shows.

use std::sync::OnceLock;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

const PAYLOAD_BYTES_MAX: usize = 1300;
/// Access units, and how many from one key frame to the next.
const UNITS: usize = 48;
const KEY_EVERY: usize = 12;

/// H.264 access units, each a list of NAL units with their parameter sets, made once.
pub(crate) fn units() -> Vec<Vec<Vec<u8>>> {
    static UNITS_MADE: OnceLock<Vec<Vec<Vec<u8>>>> = OnceLock::new();
    UNITS_MADE.get_or_init(made).clone()
}

fn made() -> Vec<Vec<Vec<u8>>> {
    gst::init().unwrap();
    let text = format!(
        "videotestsrc num-buffers={UNITS} pattern=ball ! \
         video/x-raw,format=I420,width=320,height=180,framerate=12/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max={KEY_EVERY} ! \
         h264parse config-interval=-1 ! \
         video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&text).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let sink = pipeline.by_name("out").unwrap();
    let sink = sink.downcast::<gst_app::AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut units = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().unwrap().map_readable().unwrap();
        units.push(nal_units(&buffer));
    }
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(units.len(), UNITS);
    units
}

/// Between the start codes; delimiters are left out.
fn nal_units(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> = bytes
        .windows(3)
        .enumerate()
        .filter(|(_, three)| three == b"\0\0\x01")
        .map(|(at, _)| at + 3)
        .collect();
    let ends = starts.iter().skip(1).map(|next| next - 3);
    let ends: Vec<usize> = ends.chain([bytes.len()]).collect();
    let units = starts.iter().zip(ends).map(|(from, to)| {
        let mut unit = bytes[*from..to].to_vec();
        while unit.last() == Some(&0) {
            unit.pop();
        }
        unit
    });
    units.filter(|unit| unit[0] & 0x1f != 9).collect()
}

/// RTP payloads of an access unit (RFC 6184), the last one marked.
pub(crate) fn payloads(unit: &[Vec<u8>]) -> Vec<(Vec<u8>, bool)> {
    let mut all = Vec::new();
    for nal in unit {
        if nal.len() <= PAYLOAD_BYTES_MAX {
            all.push(nal.clone());
            continue;
        }
        let (head, body) = (nal[0], &nal[1..]);
        let parts: Vec<&[u8]> = body.chunks(PAYLOAD_BYTES_MAX).collect();
        for (at, part) in parts.iter().enumerate() {
            let first = if at == 0 { 0x80 } else { 0 };
            let last = if at + 1 == parts.len() { 0x40 } else { 0 };
            let mut payload = vec![(head & 0xe0) | 28, first | last | (head & 0x1f)];
            payload.extend_from_slice(part);
            all.push(payload);
        }
    }
    let count = all.len();
    let marked = all.into_iter().enumerate();
    marked
        .map(|(at, payload)| (payload, at + 1 == count))
        .collect()
}
