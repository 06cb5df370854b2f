//! Every frame of a video file, in order.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use varco_proto::time::UtcTime;
use varco_proto::transit::{CaptureTime, ClockSource};

use super::elements::limit_threads;
use super::elements::{element, start};
use super::error::CaptureError;
use super::{error, picture};
use crate::adapters::clock::SharedClock;
use crate::core::frame::Frame;

/// Decoded frames waiting between decoder and reader.
const BUFFERS_MAX: u32 = 4;
/// One wait for the next frame of a file ...
const FRAME_WAIT: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// ... and how many: a file that gives nothing for 30 s is broken.
const FRAME_WAITS_MAX: u32 = 300;

/// Of a file with sound alone, and of one that is empty.
const NO_VIDEO: &str = "it holds no video that can be read";

/// One frame of a file with what it took to decode.
#[derive(Debug, Clone, PartialEq)]
pub struct FileFrame {
    /// The picture; its capture time is its place on the file's own time line, from 0.
    pub frame: Frame,
    /// From the compressed picture's entry into the decoder to the raw picture's exit, on one
    /// thread, without waiting for the reader. Zero when the decoder gave two pictures at once.
    pub decode: Duration,
}

/// Opens a video file of any container and codec that GStreamer knows. The frames come in the
/// order of their presentation, none is skipped, as fast as they are taken.
///
/// # Errors
/// [`CaptureError::File`] when the file is not there, [`CaptureError::ElementMissing`] when
/// GStreamer lacks a part. A file without video fails at the first frame.
pub fn open_file(path: &Path, clock: SharedClock) -> Result<FileFrames, CaptureError> {
    start()?;
    if let Err(error) = std::fs::File::open(path) {
        return Err(fault(path, error.to_string()));
    }
    let pipeline = gst::Pipeline::new();
    let source = element("filesrc")?;
    source.set_property("location", path);
    let decode = element("decodebin")?;
    let convert = element("videoconvert")?;
    // Turns and mirrors as the file says; passes through what stands upright.
    let upright = element("videoflip")?;
    upright.set_property_from_str("video-direction", "auto");
    let sink = gst_app::AppSink::builder()
        .caps(
            &gst::Caps::builder("video/x-raw")
                .field("format", gst::List::new(picture::FORMATS))
                .build(),
        )
        .sync(false)
        .max_buffers(BUFFERS_MAX)
        .build();
    let timings = Arc::new(Timings {
        clock,
        state: Mutex::default(),
    });
    watch_decoder(&pipeline, &timings);
    watch_exit(&sink, &timings);
    let assembly = || -> Result<(), gst::glib::BoolError> {
        pipeline.add_many([&source, &decode, &convert, &upright, sink.upcast_ref()])?;
        gst::Element::link(&source, &decode)?;
        gst::Element::link_many([&convert, &upright, sink.upcast_ref()])
    };
    assembly().map_err(|error| CaptureError::Stream(error.to_string()))?;
    let has_video = Arc::new(AtomicBool::new(false));
    let found = Arc::clone(&has_video);
    decode.connect_pad_added(move |_, pad| {
        let video = pad
            .current_caps()
            .and_then(|caps| caps.structure(0).map(|s| s.name().starts_with("video/")));
        found.fetch_or(video == Some(true), Ordering::Relaxed);
        // Sound and subtitles stay unlinked: decodebin gives them up by itself.
        if let (Some(true), Some(to)) = (video, convert.static_pad("sink"))
            && !to.is_linked()
            && let Err(error) = pad.link(&to)
        {
            tracing::debug!(%error, "cannot link the decoder");
        }
    });
    // Of sound alone nothing flows on, and no failure need come of it.
    let all_found = Arc::new(AtomicBool::new(false));
    let all = Arc::clone(&all_found);
    decode.connect_no_more_pads(move |_| all.store(true, Ordering::Relaxed));
    pipeline
        .set_state(gst::State::Playing)
        .map_err(|_| fault(path, "GStreamer cannot play it".to_owned()))?;
    Ok(FileFrames {
        path: path.to_owned(),
        pipeline,
        sink,
        timings,
        has_video,
        all_found,
        index: 0,
        ended: false,
    })
}

/// The frames of one file; an iterator that ends after the last frame or the first error.
#[derive(Debug)]
pub struct FileFrames {
    path: std::path::PathBuf,
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
    timings: Arc<Timings>,
    has_video: Arc<AtomicBool>,
    /// Whether every stream in the file has been met.
    all_found: Arc<AtomicBool>,
    index: u64,
    ended: bool,
}

/// Decode times, noted by the decoder's thread in the order of the frames.
#[derive(Debug)]
struct Timings {
    clock: SharedClock,
    state: Mutex<TimingState>,
}

#[derive(Debug, Default)]
struct TimingState {
    entered: Option<Duration>,
    waiting: std::collections::VecDeque<Duration>,
}

impl Timings {
    fn enter(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.entered = Some(self.clock.monotonic());
    }

    fn leave(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let took = state.entered.take().map_or(Duration::ZERO, |at| {
            self.clock.monotonic().saturating_sub(at)
        });
        state.waiting.push_back(took);
    }

    fn take(&self) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.pop_front().unwrap_or_default()
    }
}

/// Holds the decoder to one thread, so that its time is a core's time, and notes each entry.
fn watch_decoder(pipeline: &gst::Pipeline, timings: &Arc<Timings>) {
    let timings = Arc::clone(timings);
    pipeline.connect_deep_element_added(move |_, _, added| {
        let class = added
            .factory()
            .and_then(|factory| factory.metadata("klass").map(str::to_owned))
            .unwrap_or_default();
        // `Codec/Decoder/Video`; of JPEG it says `Image`.
        let pictures = class.contains("Video") || class.contains("Image");
        if !class.contains("Decoder") || !pictures || added.is::<gst::Bin>() {
            return;
        }
        limit_threads(added);
        let timings = Arc::clone(&timings);
        if let Some(pad) = added.static_pad("sink") {
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                timings.enter();
                gst::PadProbeReturn::Ok
            });
        }
    });
}

fn watch_exit(sink: &gst_app::AppSink, timings: &Arc<Timings>) {
    let timings = Arc::clone(timings);
    if let Some(pad) = sink.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            timings.leave();
            gst::PadProbeReturn::Ok
        });
    }
}

impl FileFrames {
    fn pull(&mut self) -> Result<Option<FileFrame>, CaptureError> {
        let Some(sample) = self.sample()? else {
            return Ok(None);
        };
        let pts = sample.buffer().and_then(gst::BufferRef::pts);
        let at_us = pts.map_or(0, |pts| i64::try_from(pts.useconds()).unwrap_or(i64::MAX));
        let captured = CaptureTime {
            at: UtcTime::from_unix_us(at_us),
            uncertainty: Duration::ZERO,
            source: ClockSource::File,
        };
        let frame = picture::frame(&sample, captured, self.index)?;
        self.index += 1;
        Ok(Some(FileFrame {
            frame,
            decode: self.timings.take(),
        }))
    }

    /// The next sample; none at the end of the file. An error leaves the sink waiting, so the
    /// bus is asked in between.
    fn sample(&self) -> Result<Option<gst::Sample>, CaptureError> {
        for _ in 0..FRAME_WAITS_MAX {
            if let Some(sample) = self.sink.try_pull_sample(FRAME_WAIT) {
                return Ok(Some(sample));
            }
            // Asked before the bus: an error that stopped a demuxer is on the bus by then.
            let is_broken = self.index == 0 && demuxer_stopped(&self.pipeline);
            let failures = [gst::MessageType::Error];
            let message = self
                .pipeline
                .bus()
                .and_then(|bus| bus.pop_filtered(&failures));
            if let Some(gst::MessageView::Error(error)) =
                message.as_deref().map(gst::MessageRef::view)
            {
                // With sound alone nothing is linked, which GStreamer tells as a failure to flow.
                let silent = !self.has_video.load(Ordering::Relaxed) && error::is_of_flow(error);
                let why = if silent {
                    NO_VIDEO.to_owned()
                } else {
                    error::of_file(error)
                };
                return Err(fault(&self.path, why));
            }
            let is_silent =
                self.all_found.load(Ordering::Relaxed) && !self.has_video.load(Ordering::Relaxed);
            if is_silent || (self.sink.is_eos() && self.index == 0) {
                return Err(fault(&self.path, NO_VIDEO.to_owned()));
            }
            if self.sink.is_eos() {
                return Ok(None);
            }
            if is_broken {
                return Err(fault(&self.path, error::BROKEN_FILE.to_owned()));
            }
        }
        Err(fault(&self.path, "it gives no more frames".to_owned()))
    }
}

/// Whether a demuxer has stopped without finding a stream. decodebin discards the errors of an
/// element while it adds that element, so the error of a file that breaks off early may never reach
/// the bus.
fn demuxer_stopped(pipeline: &gst::Pipeline) -> bool {
    let mut elements = pipeline.iterate_recurse().into_iter().flatten();
    elements.any(|element| {
        let is_demuxer = element
            .factory()
            .is_some_and(|factory| factory.has_type(gst::ElementFactoryType::DEMUXER));
        // A demuxer starts the task that pulls the file before its state becomes paused.
        is_demuxer
            && element.num_src_pads() == 0
            && element.current_state() >= gst::State::Paused
            && element.static_pad("sink").is_some_and(|pad| {
                pad.mode() == gst::PadMode::Pull && pad.task_state() != gst::TaskState::Started
            })
    })
}

impl Iterator for FileFrames {
    type Item = Result<FileFrame, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.pull().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Drop for FileFrames {
    fn drop(&mut self) {
        // Nothing is left to do when it fails: the process lets go of it at its end.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn fault(path: &Path, why: String) -> CaptureError {
    CaptureError::File {
        path: path.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::clock::SystemClock;

    /// A film of 12 pictures, 10 a second, made by GStreamer's own test source.
    fn film(path: &Path) {
        made(
            path,
            "videotestsrc num-buffers=12 pattern=ball ! video/x-raw,format=I420,width=162,height=90,\
             framerate=10/1 ! jpegenc ! avimux",
        );
    }

    fn made(path: &Path, how: &str) {
        start().unwrap();
        let text = format!("{how} ! filesink location={}", path.display());
        let pipeline = gst::parse::launch(&text).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let bus = pipeline.bus().unwrap();
        let end = bus.timed_pop_filtered(
            gst::ClockTime::from_seconds(20),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        pipeline.set_state(gst::State::Null).unwrap();
        assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    }

    #[test]
    fn a_file_gives_every_frame_in_order_on_its_own_time_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.avi");
        film(&path);
        let frames = open_file(&path, SystemClock::shared()).unwrap();
        let all: Vec<FileFrame> = frames.collect::<Result<_, _>>().unwrap();
        assert_eq!(all.len(), 12);
        for (at, got) in (0_u32..).zip(&all) {
            assert_eq!(got.frame.index, u64::from(at));
            assert_eq!(got.frame.captured.at.unix_us(), i64::from(at) * 100_000);
            assert_eq!((got.frame.width_px, got.frame.height_px), (162, 90));
            assert_eq!(got.frame.luma.len(), 162 * 90);
            assert_eq!(got.frame.chroma.as_ref().unwrap().u.len(), 81 * 45);
        }
        assert!(all.iter().any(|got| got.decode > Duration::ZERO));
    }

    #[test]
    fn a_file_that_is_missing_or_no_video_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.mp4");
        let error = open_file(&missing, SystemClock::shared()).unwrap_err();
        assert!(error.to_string().contains("none.mp4"), "{error}");
        let text = folder.path().join("text.mp4");
        std::fs::write(&text, "no video at all ".repeat(100)).unwrap();
        let mut frames = open_file(&text, SystemClock::shared()).unwrap();
        let error = frames.next().unwrap().unwrap_err();
        assert!(matches!(error, error::CaptureError::File { .. }), "{error}");
        assert!(frames.next().is_none());
    }

    /// A film whose brightness falls from above to below, with the matrix of its display (ISO 14496-12,
    /// 8.3.2) in the place of the one that says upright.
    fn turned(path: &Path, matrix: [i32; 4]) {
        made(
            path,
            "videotestsrc num-buffers=3 pattern=gradient ! video/x-raw,format=I420,width=160,\
             height=96,framerate=10/1 ! x264enc tune=zerolatency ! h264parse ! mp4mux",
        );
        let mut bytes = std::fs::read(path).unwrap();
        let at = bytes.windows(4).position(|four| four == b"tkhd").unwrap() + 4 + 40;
        let [a, b, c, d] = matrix;
        let words = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 0x4000_0000];
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes[at..at + 36].copy_from_slice(&words);
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_film_stands_as_its_rotation_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turned.mp4");
        // Brightness at the left, above, at the right, below.
        let edges = |matrix: [i32; 4]| {
            turned(&path, matrix);
            let mut frames = open_file(&path, SystemClock::shared()).unwrap();
            let frame = frames.next().unwrap().unwrap().frame;
            let side = |pixels: u32| usize::try_from(pixels).unwrap();
            let (width, height) = (side(frame.width_px), side(frame.height_px));
            let at = |x: usize, y: usize| i32::from(frame.luma[y * width + x]);
            let all = [
                at(1, height / 2),
                at(width / 2, 1),
                at(width - 2, height / 2),
                at(width / 2, height - 2),
            ];
            ((width, height), all)
        };
        let (sides, upright) = edges([1, 0, 0, 1]);
        assert_eq!(sides, (160, 96));
        assert!((upright[1] - upright[3]).abs() > 100, "{upright:?}");
        for (matrix, sides, by) in [
            ([0, 1, -1, 0], (96, 160), 1),
            ([-1, 0, 0, -1], (160, 96), 2),
            ([0, -1, 1, 0], (96, 160), 3),
        ] {
            let (turned_sides, mut turned) = edges(matrix);
            assert_eq!(turned_sides, sides, "{matrix:?}");
            // Each quarter turn brings the left to the top and the top to the right.
            turned.rotate_left(by);
            let near = turned.iter().zip(upright).all(|(a, b)| (a - b).abs() < 12);
            assert!(near, "{matrix:?}: {turned:?} for {upright:?}");
        }
    }

    #[test]
    fn sound_alone_and_a_film_that_breaks_off_are_told_in_plain_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sound.wav");
        made(&path, "audiotestsrc num-buffers=20 ! wavenc");
        let why = |path: &Path| {
            let mut frames = open_file(path, SystemClock::shared()).unwrap();
            frames.find_map(Result::err).unwrap().to_string()
        };
        let said = why(&path);
        assert!(
            said.contains("no video") && said.contains("sound.wav"),
            "{said}"
        );
        let film = folder.path().join("film.mp4");
        turned(&film, [1, 0, 0, 1]);
        let bytes = std::fs::read(&film).unwrap();
        std::fs::write(&film, &bytes[..bytes.len() / 2]).unwrap();
        let said = why(&film);
        assert!(
            said.contains("breaks off") || said.contains("no video"),
            "{said}"
        );
        std::fs::write(&film, "no film").unwrap();
        let said = why(&film);
        assert!(said.contains("no video of a kind"), "{said}");
    }
}
