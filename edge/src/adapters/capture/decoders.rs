//! Which decoder takes a codec: hardware where GStreamer has it, else software.

use gstreamer as gst;

use super::codec::Codec;
use super::elements::{element, start};
use super::error;
use super::error::CaptureError;
use crate::config::Decoding;

/// Decoders of one codec, best first. GStreamer registers those of hardware only where it finds
/// the device. Of software, libav's is several times faster than Cisco's.
const fn decoders(codec: Codec) -> &'static [(&'static str, &'static str)] {
    match codec {
        Codec::H264 => &[
            ("vah264dec", "VA-API"),
            ("vaapih264dec", "VA-API"),
            ("v4l2slh264dec", "V4L2"),
            ("v4l2h264dec", "V4L2"),
            ("nvh264dec", "NVDEC"),
            ("avdec_h264", SOFTWARE),
            ("openh264dec", SOFTWARE),
        ],
        Codec::H265 => &[
            ("vah265dec", "VA-API"),
            ("vaapih265dec", "VA-API"),
            ("v4l2slh265dec", "V4L2"),
            ("v4l2h265dec", "V4L2"),
            ("nvh265dec", "NVDEC"),
            ("avdec_h265", SOFTWARE),
            ("libde265dec", SOFTWARE),
        ],
        // Libjpeg's decoder is as fast as hardware here and takes cameras' broken headers.
        Codec::Jpeg => &[("jpegdec", SOFTWARE), ("avdec_mjpeg", SOFTWARE)],
    }
}

const SOFTWARE: &str = "software";

/// Whether an element decodes in hardware.
pub(super) fn is_hardware(decoder: &str) -> bool {
    Codec::ALL
        .into_iter()
        .flat_map(decoders)
        .any(|(name, by)| *name == decoder && *by != SOFTWARE)
}

/// Which decoders one connection may use.
#[derive(Debug, Clone)]
pub(super) struct DecoderChoice {
    decoding: Decoding,
    avoided: Vec<&'static str>,
}

impl DecoderChoice {
    pub(super) fn new(decoding: Decoding, avoided: &[&'static str]) -> Self {
        Self {
            decoding,
            avoided: avoided.to_vec(),
        }
    }

    fn allows(&self, decoder: &str) -> bool {
        let wanted = self.decoding == Decoding::Auto || !is_hardware(decoder);
        wanted && !self.avoided.contains(&decoder)
    }

    /// The best decoder that is there, with its name.
    pub(super) fn decoder(
        &self,
        codec: Codec,
    ) -> Result<(gst::Element, &'static str), CaptureError> {
        let allowed = decoders(codec)
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| self.allows(name));
        let found = allowed
            .clone()
            .find_map(|name| element(name).ok().map(|found| (found, name)));
        let usual = decoders(codec)
            .iter()
            .find(|(_, by)| *by == SOFTWARE)
            .map_or("", |(name, _)| *name);
        found.ok_or(CaptureError::ElementMissing {
            element: usual,
            package: error::package_of(usual),
        })
    }
}

/// What this box can decode one codec with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// `H264`, `H265` or `JPEG`.
    pub codec: &'static str,
    /// The element that a camera's stream gets; none when the codec cannot be decoded here.
    pub used: Option<&'static str>,
    /// Elements that are there, best first, each with what runs it: `VA-API`, `V4L2`, `NVDEC` or
    /// `software`.
    pub present: Vec<(&'static str, &'static str)>,
}

/// What this box can decode with, for each codec.
///
/// # Errors
/// [`CaptureError::Library`].
pub fn offers(decoding: Decoding) -> Result<Vec<Offer>, CaptureError> {
    start()?;
    let choice = DecoderChoice::new(decoding, &[]);
    let offer = |codec: Codec| {
        let there = |(name, _): &&(&str, &str)| gst::ElementFactory::find(name).is_some();
        let present: Vec<_> = decoders(codec).iter().filter(there).copied().collect();
        let used = present.iter().find(|(name, _)| choice.allows(name));
        Offer {
            codec: codec.name(),
            used: used.map(|(name, _)| *name),
            present,
        }
    };
    Ok(Codec::ALL.into_iter().map(offer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_is_left_out_when_software_is_asked_for_or_it_has_failed() {
        let choice = DecoderChoice::new(Decoding::Auto, &["vah264dec"]);
        assert!(!choice.allows("vah264dec"));
        assert!(choice.allows("v4l2slh264dec") && choice.allows("avdec_h264"));
        let software = DecoderChoice::new(Decoding::Software, &[]);
        for (name, by) in Codec::ALL.into_iter().flat_map(decoders) {
            assert_eq!(software.allows(name), *by == SOFTWARE, "{name}");
        }
    }

    #[test]
    fn what_is_used_is_the_best_of_what_is_there() {
        for offer in offers(Decoding::Auto).unwrap() {
            let best = offer.present.first().map(|(name, _)| *name);
            assert_eq!(offer.used, best, "{}", offer.codec);
        }
    }
}
