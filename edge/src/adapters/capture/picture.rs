//! A decoded sample as a [`Frame`]'s planes.

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use varco_proto::transit::CaptureTime;

use super::error::CaptureError;
use crate::core::frame::{Chroma, Frame};

/// Raw formats taken from decoders without a conversion.
pub(super) const FORMATS: [&str; 3] = ["I420", "NV12", "GRAY8"];

/// Copies a sample's planes, without the padding that decoders leave between rows.
pub(super) fn frame(
    sample: &gst::SampleRef,
    captured: CaptureTime,
    index: u64,
) -> Result<Frame, CaptureError> {
    let bad = |what: &str| CaptureError::Picture(what.to_owned());
    let caps = sample.caps().ok_or_else(|| bad("it has no format"))?;
    let info = gst_video::VideoInfo::from_caps(caps).map_err(|_| bad("its format is not known"))?;
    let buffer = sample.buffer().ok_or_else(|| bad("it is empty"))?;
    let picture = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)
        .map_err(|_| bad("its memory cannot be read"))?;
    let (width, height) = (info.width(), info.height());
    let half = |side: u32| side.div_ceil(2);
    let plane = |at: u32, width_bytes: u32, rows: u32| {
        tight(&picture, at, width_bytes, rows).ok_or_else(|| bad("its planes are too short"))
    };
    let luma = plane(0, width, height)?;
    let chroma = match info.format() {
        gst_video::VideoFormat::Gray8 => None,
        gst_video::VideoFormat::I420 => Some(Chroma {
            u: plane(1, half(width), half(height))?,
            v: plane(2, half(width), half(height))?,
        }),
        gst_video::VideoFormat::Nv12 => {
            let pairs = plane(1, half(width) * 2, half(height))?;
            Some(Chroma {
                u: pairs.iter().copied().step_by(2).collect(),
                v: pairs.iter().copied().skip(1).step_by(2).collect(),
            })
        }
        _ => return Err(bad("its format is not one that was asked for")),
    };
    Ok(Frame {
        luma,
        chroma,
        width_px: width,
        height_px: height,
        captured,
        index,
    })
}

/// One plane row by row; none when the memory is shorter than the format says.
fn tight(
    picture: &gst_video::VideoFrameRef<&gst::BufferRef>,
    plane: u32,
    width_bytes: u32,
    rows: u32,
) -> Option<Vec<u8>> {
    let bytes = picture.plane_data(plane).ok()?;
    let at = usize::try_from(plane).ok()?;
    let stride = usize::try_from(*picture.plane_stride().get(at)?).ok()?;
    let width = usize::try_from(width_bytes).ok()?;
    let rows = usize::try_from(rows).ok()?;
    if stride == width {
        return Some(bytes.get(..width * rows)?.to_vec());
    }
    let mut out = Vec::with_capacity(width * rows);
    for row in 0..rows {
        out.extend_from_slice(bytes.get(row * stride..row * stride + width)?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use varco_proto::time::UtcTime;
    use varco_proto::transit::ClockSource;

    use super::*;

    fn sample(
        format: gst_video::VideoFormat,
        width: u32,
        height: u32,
        bytes: Vec<u8>,
    ) -> gst::Sample {
        crate::adapters::capture::elements::start().unwrap();
        let info = gst_video::VideoInfo::builder(format, width, height)
            .build()
            .unwrap();
        assert_eq!(info.size(), bytes.len(), "a picture of the format's size");
        gst::Sample::builder()
            .buffer(&gst::Buffer::from_mut_slice(bytes))
            .caps(&info.to_caps().unwrap())
            .build()
    }

    fn time() -> CaptureTime {
        CaptureTime {
            at: UtcTime::from_unix_us(1),
            uncertainty: Duration::ZERO,
            source: ClockSource::File,
        }
    }

    #[test]
    fn padding_between_rows_is_left_out() {
        // 6 x 2 luma: GStreamer pads rows to 8 bytes, chroma rows of 3 to 4.
        let bytes = vec![
            1, 2, 3, 4, 5, 6, 99, 99, 7, 8, 9, 10, 11, 12, 99, 99, 20, 21, 22, 99, 30, 31, 32, 99,
        ];
        let got = frame(
            &sample(gst_video::VideoFormat::I420, 6, 2, bytes),
            time(),
            4,
        )
        .unwrap();
        assert_eq!(got.luma, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let chroma = got.chroma.unwrap();
        assert_eq!((chroma.u, chroma.v), (vec![20, 21, 22], vec![30, 31, 32]));
        assert_eq!((got.width_px, got.height_px, got.index), (6, 2, 4));
    }

    #[test]
    fn interleaved_chroma_is_parted_and_grey_has_none() {
        let bytes = vec![1, 2, 3, 4, 5, 6, 7, 8, 50, 60, 51, 61];
        let got = frame(
            &sample(gst_video::VideoFormat::Nv12, 4, 2, bytes),
            time(),
            0,
        )
        .unwrap();
        let chroma = got.chroma.unwrap();
        assert_eq!((chroma.u, chroma.v), (vec![50, 51], vec![60, 61]));
        let grey = sample(gst_video::VideoFormat::Gray8, 4, 1, vec![9, 8, 7, 6]);
        let got = frame(&grey, time(), 0).unwrap();
        assert_eq!((got.luma, got.chroma), (vec![9, 8, 7, 6], None));
    }
}
