//! One RTSP connection, from its opening to its first failure.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::chain::Codec;
use super::decoders::DecoderChoice;
use super::{CaptureError, chain, element, error, start};
use crate::adapters::clock::SharedClock;
use crate::config::{Decoding, Transport};

/// Longest wait for the camera to answer a connection or a request. Short, because TCP itself asks
/// ever more rarely: a new attempt finds a link that is back sooner than an old one does.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// Longest wait for the first frame, which may have to wait for a key frame.
const FIRST_FRAME_WAIT: Duration = Duration::from_secs(10);
/// How long a camera that has agreed to play may send nothing: shortly at first, because after a
/// cut it may still be busy with the connection that is gone; then longer, because it may begin
/// with its next key frame only.
const FIRST_PACKET_WAITS: [Duration; 2] = [Duration::from_secs(3), FIRST_FRAME_WAIT];
/// Packets that come out of order are waited for so long.
const REORDER_WAIT_MS: u32 = 200;

/// Which camera, and how to get in.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraSource {
    /// `rtsp://` or `rtsps://`, without user and password.
    pub url: String,
    /// User and password.
    pub login: Option<(String, Password)>,
    /// How the stream travels.
    pub transport: Transport,
    /// PEM of a private authority, by absolute path.
    pub ca_file: Option<PathBuf>,
    /// Frames taken a second, at most.
    pub frames_per_second_max: f64,
    /// A stream that gives nothing for so long has stalled. GStreamer itself takes 27 s to notice.
    pub stalled_after: Duration,
    /// What may decode.
    pub decoding: Decoding,
}

/// Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(not shown)")
    }
}

/// What a camera sends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamFormat {
    /// `H264`, `H265` or `JPEG`.
    pub codec: &'static str,
    /// The element that decodes it.
    pub decoder: &'static str,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
}

/// A decoded picture as it arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) sample: gst::Sample,
    /// Wall clock of its arrival.
    pub(super) at: varco_proto::time::UtcTime,
    /// Counts the decoded frames of this connection from 0.
    pub(super) index: u64,
}

/// Where GStreamer's threads leave the newest picture and the first failure.
#[derive(Debug)]
pub(super) struct Slot {
    clock: SharedClock,
    state: Mutex<SlotState>,
    changed: Condvar,
    /// Decoded frames so far.
    decoded: AtomicU64,
}

#[derive(Debug, Default)]
struct SlotState {
    newest: Option<Arrived>,
    last_arrival: Option<Duration>,
    failure: Option<CaptureError>,
    /// When the camera said what it sends.
    described: Option<Duration>,
    /// Known with the first packet.
    codec: Option<(Codec, &'static str)>,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, sample: gst::Sample) {
        let arrived = Arrived {
            sample,
            at: self.clock.now(),
            index: self.decoded.fetch_add(1, Ordering::Relaxed),
        };
        let mut state = self.state();
        state.last_arrival = Some(self.clock.monotonic());
        state.newest = Some(arrived);
        drop(state);
        self.changed.notify_all();
    }

    /// The first failure is the cause, those after it are its consequences.
    pub(super) fn fail(&self, error: CaptureError) {
        self.state().failure.get_or_insert(error);
        self.changed.notify_all();
    }

    /// The camera offers a stream that is taken.
    pub(super) fn described(&self) {
        let now = self.clock.monotonic();
        self.state().described.get_or_insert(now);
    }

    /// The first packet has come.
    pub(super) fn chose(&self, codec: Codec, decoder: &'static str) {
        self.state().codec = Some((codec, decoder));
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Stream {
    pipeline: gst::Pipeline,
    slot: Arc<Slot>,
    opened: Duration,
    stalled_after: Duration,
    first_packet_wait: Duration,
    taken: u64,
}

impl Stream {
    /// Begins to connect; frames and failures come by [`Self::newest`]. Decoders in `avoided` are
    /// passed over. `silences` counts the connections before this one without a single packet.
    pub(super) fn open(
        source: &CameraSource,
        avoided: &[&'static str],
        silences: usize,
        clock: SharedClock,
    ) -> Result<Self, CaptureError> {
        start()?;
        let slot = Arc::new(Slot {
            clock,
            state: Mutex::default(),
            changed: Condvar::new(),
            decoded: AtomicU64::new(0),
        });
        let pipeline = gst::Pipeline::new();
        let rtsp = rtsp_source(source)?;
        pipeline
            .add(&rtsp)
            .map_err(|error| CaptureError::Stream(error.to_string()))?;
        let choice = DecoderChoice::new(source.decoding, avoided);
        chain::connect(&rtsp, &pipeline, &sink(&slot), &slot, choice);
        watch_bus(&pipeline, &slot, source.transport == Transport::Tls);
        let stream = Self {
            opened: slot.clock.monotonic(),
            pipeline,
            slot,
            stalled_after: source.stalled_after,
            first_packet_wait: FIRST_PACKET_WAITS[silences % FIRST_PACKET_WAITS.len()],
            taken: 0,
        };
        // A failure to start comes by the bus as well, with its cause.
        if stream.pipeline.set_state(gst::State::Playing).is_err() {
            let failed = CaptureError::Stream("GStreamer cannot start the stream".to_owned());
            stream.slot.fail(failed);
        }
        Ok(stream)
    }

    /// The newest picture, waiting for one at most `wait`; none when there is no new one.
    pub(super) fn newest(&mut self, wait: Duration) -> Result<Option<Arrived>, CaptureError> {
        let mut state = self.slot.state();
        if state.newest.is_none() && state.failure.is_none() {
            state = self
                .slot
                .changed
                .wait_timeout_while(state, wait, |state| {
                    state.newest.is_none() && state.failure.is_none()
                })
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if let Some(newest) = state.newest.take() {
            self.taken += 1;
            return Ok(Some(newest));
        }
        let (since, limit) = match (state.last_arrival, state.codec, state.described) {
            (Some(last), ..) => (last, self.stalled_after),
            (None, None, Some(described)) => (described, self.first_packet_wait),
            _ => (self.opened, FIRST_FRAME_WAIT),
        };
        if self.slot.clock.monotonic().saturating_sub(since) >= limit {
            return Err(CaptureError::Stalled(limit));
        }
        Ok(None)
    }

    /// Decoded frames that were never taken.
    pub(super) fn skipped(&self) -> u64 {
        let decoded = self.slot.decoded.load(Ordering::Relaxed);
        decoded.saturating_sub(self.taken)
    }

    /// Whether the camera agreed to play and then sent nothing at all.
    pub(super) fn silent(&self) -> bool {
        let state = self.slot.state();
        state.described.is_some() && state.codec.is_none()
    }

    /// Codec and decoder, once known.
    pub(super) fn codec(&self) -> Option<(&'static str, &'static str)> {
        let state = self.slot.state();
        state.codec.map(|(codec, decoder)| (codec.name(), decoder))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        // Nothing is left to do when it fails.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn rtsp_source(source: &CameraSource) -> Result<gst::Element, CaptureError> {
    let rtsp = element("rtspsrc")?;
    let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    rtsp.set_property("location", &source.url);
    rtsp.set_property("latency", REORDER_WAIT_MS);
    rtsp.set_property("tcp-timeout", micros(ANSWER_WAIT));
    rtsp.set_property("add-reference-timestamp-meta", true);
    let protocols = match source.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Tls => "tcp+tls",
    };
    rtsp.set_property_from_str("protocols", protocols);
    if let Some((user, password)) = &source.login {
        rtsp.set_property("user-id", user);
        rtsp.set_property("user-pw", &password.0);
    }
    if let Some(ca_file) = &source.ca_file {
        let database = gio::TlsFileDatabase::new(ca_file).map_err(|error| CaptureError::Tls {
            why: format!("`{}` cannot be taken: {error}", ca_file.display()),
        })?;
        rtsp.set_property("tls-database", &database);
    }
    Ok(rtsp)
}

fn sink(slot: &Arc<Slot>) -> gst_app::AppSink {
    let formats = gst::List::new(super::picture::FORMATS);
    let caps = gst::Caps::builder("video/x-raw").field("format", formats);
    let slot = Arc::clone(slot);
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            slot.put(sample);
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    gst_app::AppSink::builder()
        .caps(&caps.build())
        .sync(false)
        .max_buffers(2)
        .drop(true)
        .callbacks(callbacks)
        .build()
}

/// A server that goes gives the end of the stream and no error: both are failures here.
fn watch_bus(pipeline: &gst::Pipeline, slot: &Arc<Slot>, tls: bool) {
    let Some(bus) = pipeline.bus() else {
        return;
    };
    let slot = Arc::clone(slot);
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Error(failed) => slot.fail(error::classify(failed, tls)),
            gst::MessageView::Eos(_) => slot.fail(CaptureError::Ended),
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}
