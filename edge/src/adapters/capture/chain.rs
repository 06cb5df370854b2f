//! From a camera's RTP packets to raw pictures: the codec is known only once the first packet comes.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use varco_proto::time::UtcTime;

use super::codec::Codec;
use super::decoders::DecoderChoice;
use super::elements::{element, limit_threads};
use super::error::CaptureError;
use super::rtsp::offer::Format;
use super::rtsp::rtp::{PAYLOAD_TYPE, since_1900};
use crate::adapters::clock::SharedClock;

/// Packets wait for the decoder up to so many bytes; then the camera's connection waits too.
const WAITING_BYTES_MAX: u64 = 8 << 20;
/// By UDP packets come out of order; those that are missing are waited for so long.
const REORDER_WAIT_MS: u32 = 200;

/// Where packets go in.
#[derive(Debug)]
pub(super) struct Entry {
    source: gst_app::AppSrc,
    ntp: gst::Caps,
    clock: SharedClock,
    began: Duration,
}

impl Entry {
    /// One packet, with its moment by the camera's clock. False when the chain takes no more.
    pub(super) fn push(&self, bytes: Vec<u8>, captured: Option<UtcTime>) -> bool {
        let arrived = self.clock.monotonic().saturating_sub(self.began);
        let time = |span: Duration| {
            let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX - 1);
            gst::ClockTime::from_nseconds(nanos)
        };
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(packet) = buffer.get_mut() {
            packet.set_pts(time(arrived));
            packet.set_dts(time(arrived));
            if let Some(at) = captured.and_then(since_1900) {
                gst::ReferenceTimestampMeta::add(packet, &self.ntp, time(at), None);
            }
        }
        self.source.push_buffer(buffer).is_ok()
    }
}

/// How packets become pictures.
pub(super) struct Wish<'a> {
    pub(super) format: &'a Format,
    pub(super) codec: Codec,
    pub(super) choice: &'a DecoderChoice,
    pub(super) is_udp: bool,
}

/// Builds the chain from packets to `sink` in `pipeline`, and names its decoder.
pub(super) fn build(
    pipeline: &gst::Pipeline,
    sink: &gst_app::AppSink,
    wish: &Wish<'_>,
    clock: &SharedClock,
) -> Result<(Entry, &'static str), CaptureError> {
    let source = gst_app::AppSrc::builder()
        .caps(&caps(wish.format, wish.codec))
        .format(gst::Format::Time)
        .is_live(true)
        .block(true)
        .max_bytes(WAITING_BYTES_MAX)
        .build();
    let mut parts = vec![source.clone().upcast()];
    if wish.is_udp {
        let reorder = element("rtpjitterbuffer")?;
        reorder.set_property("latency", REORDER_WAIT_MS);
        parts.push(reorder);
    }
    for name in wish.codec.front() {
        parts.push(element(name)?);
    }
    let (decoder, name) = wish.choice.decoder(wish.codec)?;
    limit_threads(&decoder);
    parts.push(decoder);
    // It passes through what is already in a format that is taken.
    parts.push(element("videoconvert")?);
    parts.push(sink.clone().upcast());
    let assembly = || -> Result<(), gst::glib::BoolError> {
        pipeline.add_many(&parts)?;
        gst::Element::link_many(&parts)
    };
    assembly().map_err(|error| CaptureError::Stream(error.to_string()))?;
    let entry = Entry {
        source,
        ntp: gst::Caps::new_empty_simple("timestamp/x-ntp"),
        clock: Arc::clone(clock),
        began: clock.monotonic(),
    };
    Ok((entry, name))
}

/// What the depacketiser wants to know of the stream.
fn caps(format: &Format, codec: Codec) -> gst::Caps {
    let clock_hz = i32::try_from(format.clock_hz).unwrap_or(90_000);
    let mut caps = gst::Caps::builder("application/x-rtp")
        .field("media", "video")
        .field("payload", i32::from(PAYLOAD_TYPE))
        .field("clock-rate", clock_hz)
        .field("encoding-name", codec.name());
    for (name, value) in &format.settings {
        caps = caps.field(name.as_str(), value.as_str());
    }
    caps.build()
}
