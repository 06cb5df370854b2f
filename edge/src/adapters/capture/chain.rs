//! From a camera's RTP stream to raw pictures: the codec is known only once the camera answers.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::decoders::DecoderChoice;
use super::stream::Slot;
use super::{CaptureError, element, limit_threads};

/// A codec that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    H264,
    H265,
    Jpeg,
}

impl Codec {
    pub(super) const ALL: [Self; 3] = [Self::H264, Self::H265, Self::Jpeg];

    /// The name in SDP.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Jpeg => "JPEG",
        }
    }

    /// Elements before the decoder.
    fn front(self) -> &'static [&'static str] {
        match self {
            Self::H264 => &["rtph264depay", "h264parse"],
            Self::H265 => &["rtph265depay", "h265parse"],
            Self::Jpeg => &["rtpjpegdepay"],
        }
    }
}

/// What SDP says of one stream.
struct Offered {
    video: bool,
    encoding: String,
}

fn offered(caps: &gst::CapsRef) -> Option<Offered> {
    let structure = caps.structure(0)?;
    Some(Offered {
        video: structure.get::<&str>("media").ok()? == "video",
        encoding: structure.get::<String>("encoding-name").unwrap_or_default(),
    })
}

fn codec_of(offered: &Offered) -> Option<Codec> {
    Codec::ALL
        .into_iter()
        .find(|codec| offered.video && offered.encoding.eq_ignore_ascii_case(codec.name()))
}

/// Takes the first video stream that can be read and leaves sound and metadata alone.
pub(super) fn connect(
    rtsp: &gst::Element,
    pipeline: &gst::Pipeline,
    sink: &gst_app::AppSink,
    slot: &Arc<Slot>,
    choice: DecoderChoice,
) {
    let chosen = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = Arc::clone(slot);
    rtsp.connect("select-stream", false, move |values| {
        let caps = values.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        let offered = caps.as_deref().and_then(offered);
        let usable = offered.as_ref().and_then(codec_of).is_some();
        let take = usable && !chosen.swap(true, std::sync::atomic::Ordering::Relaxed);
        if take {
            told.described();
        }
        if let Some(Offered {
            video: true,
            encoding,
        }) = offered
            && !usable
        {
            told.fail(CaptureError::Codec { codec: encoding });
        }
        Some(take.to_value())
    });
    let weak = pipeline.downgrade();
    let (sink, slot) = (sink.clone(), Arc::clone(slot));
    rtsp.connect_pad_added(move |_, pad| {
        let caps = pad.current_caps();
        let codec = caps
            .as_deref()
            .and_then(offered)
            .as_ref()
            .and_then(codec_of);
        let (Some(pipeline), Some(codec)) = (weak.upgrade(), codec) else {
            return;
        };
        if let Err(error) = decode(&pipeline, pad, codec, &sink, &slot, &choice) {
            slot.fail(error);
        }
    });
}

fn decode(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    codec: Codec,
    sink: &gst_app::AppSink,
    slot: &Slot,
    choice: &DecoderChoice,
) -> Result<(), CaptureError> {
    let mut parts = Vec::new();
    for name in codec.front() {
        parts.push(element(name)?);
    }
    let (decoder, name) = choice.decoder(codec)?;
    limit_threads(&decoder);
    parts.push(decoder);
    // It passes through what is already in a format that is taken.
    parts.push(element("videoconvert")?);
    parts.push(sink.clone().upcast());
    let assembly = || -> Result<(), gst::glib::BoolError> {
        pipeline.add_many(&parts)?;
        gst::Element::link_many(&parts)?;
        for part in parts.iter().rev() {
            part.sync_state_with_parent()?;
        }
        let entry = parts.first().and_then(|part| part.static_pad("sink"));
        if let Some(entry) = entry {
            pad.link(&entry)
                .map_err(|error| gst::glib::bool_error!("{error}"))?;
        }
        Ok(())
    };
    assembly().map_err(|error| CaptureError::Stream(error.to_string()))?;
    slot.chose(codec, name);
    Ok(())
}
