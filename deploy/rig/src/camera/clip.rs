//! A show from a video file and its truth.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use serde::Deserialize;

use super::picture::Picture;
use super::show::{Show, Shown};

/// Longest wait for one decoded frame.
const FRAME_WAIT_S: u64 = 10;

/// What is written beside a clip.
#[derive(Debug, Deserialize)]
struct Truth {
    plates: Vec<Shown>,
}

/// Plays a clip, once or for ever.
#[derive(Debug)]
pub struct Clip {
    pipeline: gst::Pipeline,
    sink: AppSink,
    size_px: (u32, u32),
    frames_per_second: u32,
    first: Option<Picture>,
    shown: Vec<Shown>,
    repeat: bool,
}

impl Clip {
    /// Opens a clip; its truth is read from the file of the same name that ends in `.json`.
    ///
    /// # Errors
    /// When either cannot be read, or the clip has no video.
    pub fn open(file: &Path, repeat: bool) -> anyhow::Result<Self> {
        let truth_file = file.with_extension("json");
        let text = fs::read_to_string(&truth_file)
            .with_context(|| format!("cannot read the clip's truth {}", truth_file.display()))?;
        let truth: Truth = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a clip's truth", truth_file.display()))?;
        if !file.is_file() {
            bail!("there is no clip {}", file.display());
        }
        gst::init().context("cannot start GStreamer")?;
        let pipeline = gst::parse::launch(
            "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=I420 \
             ! appsink name=sink sync=false max-buffers=4",
        )?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow!("GStreamer gave no pipeline"))?;
        let source = pipeline.by_name("file").context("no file source")?;
        source.set_property("location", file);
        let sink = pipeline
            .by_name("sink")
            .and_then(|sink| sink.downcast::<AppSink>().ok())
            .context("no sink")?;
        let mut clip = Self {
            pipeline,
            sink,
            size_px: (0, 0),
            frames_per_second: 25,
            first: None,
            shown: truth.plates,
            repeat,
        };
        clip.pipeline
            .set_state(gst::State::Playing)
            .context("cannot play the clip")?;
        clip.first = clip.pull()?;
        if clip.first.is_none() {
            bail!("{} has no picture that can be decoded", file.display());
        }
        Ok(clip)
    }

    fn pull(&mut self) -> anyhow::Result<Option<Picture>> {
        let Some(sample) = self
            .sink
            .try_pull_sample(gst::ClockTime::from_seconds(FRAME_WAIT_S))
        else {
            return if self.sink.is_eos() {
                Ok(None)
            } else {
                Err(anyhow!("the clip stalled"))
            };
        };
        let caps = sample.caps().context("a frame without a format")?;
        let info = gst_video::VideoInfo::from_caps(caps)?;
        self.size_px = (info.width(), info.height());
        let rate = info.fps();
        if rate.numer() > 0 {
            self.frames_per_second =
                u32::try_from((rate.numer() + rate.denom() / 2) / rate.denom())?;
        }
        let buffer = sample.buffer().context("a frame without bytes")?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info)?;
        tight(&frame).map(Some)
    }
}

/// Copies the planes without padding.
fn tight(frame: &gst_video::VideoFrameRef<&gst::BufferRef>) -> anyhow::Result<Picture> {
    let width_px = usize::try_from(frame.width())? & !1;
    let height_px = usize::try_from(frame.height())? & !1;
    let mut i420 = Vec::with_capacity(width_px * height_px * 3 / 2);
    for (plane, halved) in [(0, 1), (1, 2), (2, 2)] {
        let index = usize::try_from(plane)?;
        let stride = usize::try_from(frame.plane_stride()[index])?;
        let bytes = frame.plane_data(plane)?;
        for row in bytes.chunks(stride).take(height_px / halved) {
            i420.extend_from_slice(&row[..width_px / halved]);
        }
    }
    Ok(Picture {
        width_px,
        height_px,
        i420,
    })
}

impl Show for Clip {
    fn size_px(&self) -> (u32, u32) {
        (self.size_px.0 & !1, self.size_px.1 & !1)
    }

    fn frames_per_second(&self) -> u32 {
        self.frames_per_second
    }

    fn next(&mut self) -> anyhow::Result<Option<Picture>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let frame = self.pull()?;
        if frame.is_none() && self.repeat {
            self.pipeline
                .seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO)?;
            return self.pull();
        }
        Ok(frame)
    }

    fn shown(&self) -> Vec<Shown> {
        self.shown.clone()
    }
}

impl Drop for Clip {
    fn drop(&mut self) {
        // Stopping cannot help failing here; the process's end frees the rest.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
