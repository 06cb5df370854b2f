//! What a camera offers (SDP, RFC 4566), read leniently: only the lines that matter here.

use super::message::is_one_line;
use crate::adapters::capture::codec::Codec;
use crate::adapters::capture::error::CaptureError;

/// Most media and formats of one description that are looked at.
const MEDIA_MAX: usize = 32;
const FORMATS_MAX: usize = 32;
/// Most settings of one format; H.265 has some ten.
const SETTINGS_MAX: usize = 64;
/// RTP's clock of every video codec that is read.
const CLOCK_HZ: u32 = 90_000;
/// Attributes that the depacketiser of JPEG wants: sides above 2040 pixels stand nowhere else.
const SIDES: [&str; 2] = ["framesize", "x-dimensions"];

/// A camera's description.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) control: Option<String>,
    media: Vec<Medium>,
}

/// One stream of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Medium {
    is_video: bool,
    pub(super) control: Option<String>,
    /// As the camera lists them.
    pub(super) formats: Vec<Format>,
}

/// One way in which a stream may be coded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Format {
    /// What marks its packets.
    pub(super) payload_type: u8,
    /// None for one that is not read here.
    pub(in super::super) codec: Option<Codec>,
    /// As the camera calls it; empty when it does not say.
    pub(super) name: String,
    /// Of its RTP time stamps.
    pub(in super::super) clock_hz: u32,
    /// What the depacketiser wants to know, by name.
    pub(in super::super) settings: Vec<(String, String)>,
}

impl Offer {
    pub(super) fn read(text: &str) -> Self {
        let mut offer = Self::default();
        for line in text.lines().map(str::trim).filter(|line| is_one_line(line)) {
            if let Some(line) = line.strip_prefix("m=") {
                if offer.media.len() >= MEDIA_MAX {
                    break;
                }
                offer.media.push(Medium::read(line));
            } else if let Some(line) = line.strip_prefix("a=") {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                match offer.media.last_mut() {
                    Some(medium) => medium.attribute(name, value.trim()),
                    None if name == "control" => offer.control = Some(value.trim().to_owned()),
                    None => {}
                }
            }
        }
        offer
    }

    /// The first video stream that can be read, whatever stands beside it.
    pub(super) fn choose(&self) -> Result<&Medium, CaptureError> {
        let readable = |medium: &&Medium| {
            let mut formats = medium.formats.iter();
            medium.is_video && formats.any(|format| format.codec.is_some())
        };
        if let Some(found) = self.media.iter().find(readable) {
            return Ok(found);
        }
        let video = self.media.iter().filter(|medium| medium.is_video);
        let formats: Vec<_> = video.flat_map(|medium| &medium.formats).collect();
        if formats.is_empty() {
            return Err(CaptureError::NoVideo);
        }
        let mut names: Vec<_> = formats.iter().map(|format| format.name.clone()).collect();
        names.retain(|name| !name.is_empty());
        names.dedup();
        Err(CaptureError::Codec {
            codec: names.join(", "),
        })
    }
}

impl Medium {
    /// `video 0 RTP/AVP 96 98`
    fn read(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let is_video = words
            .next()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("video"));
        let types = words.skip(2).filter_map(|word| word.parse().ok());
        Self {
            is_video,
            control: None,
            formats: types.take(FORMATS_MAX).map(Format::of_type).collect(),
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        if name == "control" {
            self.control = Some(value.to_owned());
        }
        let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
        let of_type = first.parse::<u8>().ok();
        let mut formats = self.formats.iter_mut();
        let named = formats.find(|format| Some(format.payload_type) == of_type);
        match (name, named) {
            ("rtpmap", Some(format)) => format.is_called(rest.trim()),
            ("fmtp", Some(format)) => {
                settings(rest).for_each(|(name, value)| format.set(&name, value))
            }
            ("framesize", Some(format)) => {
                format.set("a-framesize", rest.trim());
            }
            (name, None) if SIDES.contains(&name) => {
                for format in &mut self.formats {
                    format.set(name, value);
                }
            }
            _ => {}
        }
    }
}

impl Format {
    fn set(&mut self, name: &str, value: &str) {
        if self.settings.len() < SETTINGS_MAX {
            self.settings.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Some types mean a codec without being told (RFC 3551).
    fn of_type(payload_type: u8) -> Self {
        let mut format = Self {
            payload_type,
            clock_hz: CLOCK_HZ,
            ..Self::default()
        };
        let name = match payload_type {
            26 => "JPEG",
            31 => "H261",
            32 => "MPV",
            33 => "MP2T",
            34 => "H263",
            _ => "",
        };
        if !name.is_empty() {
            format.is_called(name);
        }
        format
    }

    /// `H264/90000`
    fn is_called(&mut self, text: &str) {
        let mut parts = text.split('/');
        let name = parts.next().unwrap_or_default().trim();
        self.name = name.to_ascii_uppercase();
        let clock = parts.next().and_then(|hz| hz.trim().parse().ok());
        self.clock_hz = clock.filter(|hz| *hz > 0).unwrap_or(CLOCK_HZ);
        self.codec = match self.name.as_str() {
            "H264" => Some(Codec::H264),
            "H265" | "HEVC" => Some(Codec::H265),
            "JPEG" => Some(Codec::Jpeg),
            _ => None,
        };
    }
}

/// `packetization-mode=1;sprop-parameter-sets=Z0IA,aM4=`
fn settings(text: &str) -> impl Iterator<Item = (String, &str)> {
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    let trimmed = pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()));
    trimmed.filter(|(name, value)| is_sound(name, value))
}

/// Parameter sets that are none would be taken for the stream's own. They come within it too.
fn is_sound(name: &str, value: &str) -> bool {
    let kinds = match name {
        "sprop-parameter-sets" => [7, 8].as_slice(),
        "sprop-vps" | "sprop-sps" | "sprop-pps" => &[32, 33, 34],
        _ => return !name.is_empty() && name.is_ascii(),
    };
    value.split(',').all(|one| {
        let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, one.trim());
        let kind = match bytes.as_deref() {
            Ok([first, _, _, ..]) if name == "sprop-parameter-sets" => first & 0x1f,
            Ok([first, _, _, ..]) => (first >> 1) & 0x3f,
            _ => return false,
        };
        kinds.contains(&kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Result<Vec<(u8, Option<Codec>)>, CaptureError> {
        let offer = Offer::read(text);
        let medium = offer.choose()?;
        let formats = medium.formats.iter();
        Ok(formats.map(|one| (one.payload_type, one.codec)).collect())
    }

    const H264: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 h264/90000\r\na=control:trackID=1\r\n";
    const MPEG4: &str = "m=video 0 RTP/AVP 97\r\na=rtpmap:97 MP4V-ES/90000\r\n";
    const METADATA: &str = "m=video 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n";
    const SOUND: &str = "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n";

    #[test]
    fn the_readable_stream_is_found_whatever_stands_beside_it() {
        for others in [[MPEG4, METADATA, SOUND], [SOUND, METADATA, MPEG4]] {
            for at in 0..=others.len() {
                let mut all = others.to_vec();
                all.insert(at, H264);
                let text = format!("v=0\r\ns=x\r\na=control:*\r\n{}", all.concat());
                assert_eq!(chosen(&text).unwrap(), [(96, Some(Codec::H264))]);
                let offer = Offer::read(&text);
                assert_eq!(offer.control.as_deref(), Some("*"));
                let control = &offer.choose().unwrap().control;
                assert_eq!(control.as_deref(), Some("trackID=1"));
            }
        }
    }

    #[test]
    fn several_types_of_one_stream_and_types_that_need_no_name_are_known() {
        let several =
            "m=video 0 RTP/AVP 98 96 26\na=rtpmap:98 MP4V-ES/90000\na=rtpmap:96 HEVC/90000\n";
        let wanted = [(98, None), (96, Some(Codec::H265)), (26, Some(Codec::Jpeg))];
        assert_eq!(chosen(several).unwrap(), wanted);
    }

    #[test]
    fn a_description_keeps_few_settings_and_no_line_that_another_may_take_for_two() {
        let sides = "a=x-dimensions:1,1\r\n".repeat(1000);
        let text = format!("{H264}{sides}a=control:a\rb\r\na=fmtp:96 one=\t1\r\n");
        let offer = Offer::read(&text);
        let medium = offer.choose().unwrap();
        assert_eq!(medium.control.as_deref(), Some("trackID=1"));
        assert!(
            medium
                .formats
                .iter()
                .all(|format| format.settings.len() <= SETTINGS_MAX)
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_name() {
        let codec = |text: &str| match chosen(text) {
            Err(CaptureError::Codec { codec }) => codec,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            codec(&format!("{MPEG4}{METADATA}")),
            "MP4V-ES, VND.ONVIF.METADATA"
        );
        assert_eq!(codec("m=video 0 RTP/AVP 33\n"), "MP2T");
        assert_eq!(codec("m=video 0 RTP/AVP 96\n"), "");
        assert_eq!(chosen(SOUND), Err(CaptureError::NoVideo));
        assert_eq!(chosen("no description at all"), Err(CaptureError::NoVideo));
    }

    #[test]
    fn parameter_sets_that_are_none_are_left_out() {
        let sets = |fmtp: &str| settings(fmtp).map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(sets("sprop-parameter-sets=6QAAAA==,"), [""; 0]);
        assert_eq!(
            sets("packetization-mode=1; sprop-parameter-sets=Z0IAKA==,aM48gA=="),
            ["packetization-mode", "sprop-parameter-sets"]
        );
    }
}
