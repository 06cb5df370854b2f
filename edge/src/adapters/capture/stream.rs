//! One RTSP connection, from its opening to its first failure.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use varco_proto::time::UtcTime;

use super::chain::{Entry, Wish};
use super::clock_offset::ClockOffset;
use super::codec::Codec;
use super::decoders::DecoderChoice;
use super::elements::start;
use super::error::CaptureError;
use super::logins::CameraLogins;
use super::rtsp::session::{Heard, Session};
use super::source::CameraSource;
use super::{chain, error};
use crate::adapters::clock::SharedClock;
use crate::config::Transport;

/// Longest wait for the first frame, which may have to wait for a key frame.
const FIRST_FRAME_WAIT: Duration = Duration::from_secs(10);
/// Longest wait for a session: connecting and each answer have shorter waits of their own, which say
/// more. Another stream may try the same login first.
const CONNECTED_WAIT: Duration = Duration::from_secs(30);
/// How long a camera that has agreed to play may send nothing: shortly at first, because after a
/// cut it may still be busy with the connection that is gone; then longer, because it may begin
/// with its next key frame only.
const FIRST_PACKET_WAITS: [Duration; 2] = [Duration::from_secs(3), FIRST_FRAME_WAIT];

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
    pub(super) at: UtcTime,
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
    camera_clock: Option<ClockOffset>,
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

    /// The camera plays a stream that is taken.
    fn described(&self) {
        let now = self.clock.monotonic();
        self.state().described.get_or_insert(now);
    }

    /// The first packet has come.
    fn chose(&self, codec: Codec, decoder: &'static str) {
        self.state().codec = Some((codec, decoder));
    }

    fn clock_reported(&self, clock: ClockOffset) {
        self.state().camera_clock = Some(clock);
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Stream {
    pipeline: gst::Pipeline,
    slot: Arc<Slot>,
    stop: Arc<AtomicBool>,
    opened: Duration,
    stalled_after: Duration,
    first_packet_wait: Duration,
    is_udp: bool,
    taken: u64,
}

/// How a connection is made.
#[derive(Debug)]
pub(super) struct Opening<'a> {
    pub(super) source: &'a CameraSource,
    pub(super) logins: &'a Arc<CameraLogins>,
    /// Decoders that are passed over.
    pub(super) avoided: &'a [&'static str],
    /// How many connections before this one gave not a single packet.
    pub(super) silences: usize,
}

impl Stream {
    /// Begins to connect; frames and failures come by [`Self::newest`].
    pub(super) fn open(opening: &Opening<'_>, clock: SharedClock) -> Result<Self, CaptureError> {
        start()?;
        let source = opening.source;
        let slot = Arc::new(Slot {
            clock: Arc::clone(&clock),
            state: Mutex::default(),
            changed: Condvar::new(),
            decoded: AtomicU64::new(0),
        });
        let pipeline = gst::Pipeline::new();
        watch_bus(&pipeline, &slot);
        let stop = Arc::new(AtomicBool::new(false));
        let taking = Taking {
            source: source.clone(),
            logins: Arc::clone(opening.logins),
            choice: DecoderChoice::new(source.decoding, opening.avoided),
            pipeline: pipeline.clone(),
            sink: sink(&slot),
            slot: Arc::clone(&slot),
            clock,
            stop: Arc::clone(&stop),
        };
        // It ends by itself soon after `stop`, and is not waited for: a camera may be slow to answer.
        std::thread::Builder::new()
            .name("rtsp".to_owned())
            .spawn(move || taking.run())
            .map_err(|error| CaptureError::Library(format!("no thread for the camera: {error}")))?;
        let waits = FIRST_PACKET_WAITS;
        Ok(Self {
            opened: slot.clock.monotonic(),
            pipeline,
            slot,
            stop,
            stalled_after: source.stalled_after,
            first_packet_wait: waits[opening.silences % waits.len()],
            is_udp: source.transport == Transport::Udp,
            taken: 0,
        })
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
        let silent = state.codec.is_none() && state.described.is_some();
        let (since, limit) = match (state.last_arrival, state.codec, state.described) {
            (Some(last), ..) => (last, self.stalled_after),
            (None, None, Some(described)) => (described, self.first_packet_wait),
            (None, None, None) => (self.opened, CONNECTED_WAIT),
            (None, Some(_), described) => (described.unwrap_or(self.opened), FIRST_FRAME_WAIT),
        };
        if self.slot.clock.monotonic().saturating_sub(since) >= limit {
            return Err(match silent && self.is_udp {
                true => CaptureError::NoDatagrams(limit),
                false => CaptureError::Stalled(limit),
            });
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

impl Stream {
    /// What the camera's clock said last.
    pub(super) fn camera_clock(&self) -> Option<ClockOffset> {
        self.slot.state().camera_clock
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(bus) = self.pipeline.bus() {
            bus.unset_sync_handler();
        }
        // Nothing is left to do when it fails.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// The thread that talks to the camera.
struct Taking {
    source: CameraSource,
    logins: Arc<CameraLogins>,
    choice: DecoderChoice,
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
    slot: Arc<Slot>,
    clock: SharedClock,
    stop: Arc<AtomicBool>,
}

impl Taking {
    fn run(self) {
        let opened = Session::open(&self.source, &self.logins, &self.clock, &self.stop);
        let mut session = match opened {
            Ok(session) => session,
            Err(error) => return self.slot.fail(error),
        };
        self.slot.described();
        if let Err(error) = self.take(&mut session) {
            self.slot.fail(error);
        }
        if self.stop.load(Ordering::Relaxed) {
            // It may have begun to play after it was stopped. Nothing is left to do when it fails.
            let _ = self.pipeline.set_state(gst::State::Null);
        }
        // A camera that is still there should not think that somebody watches.
        session.end();
    }

    /// Feeds the decoder until it is told to stop.
    fn take(&self, session: &mut Session) -> Result<(), CaptureError> {
        let mut entry: Option<(usize, Entry)> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let (format, bytes, captured) = match session.next()? {
                Heard::Nothing => continue,
                Heard::Clock(clock) => {
                    self.slot.clock_reported(clock);
                    continue;
                }
                Heard::Packet {
                    format,
                    bytes,
                    captured,
                } => (format, bytes, captured),
            };
            let chain = match &mut entry {
                Some((known, chain)) if *known == format => chain,
                // The camera was set to another codec: that is a new stream.
                Some(_) => return Err(CaptureError::Ended),
                None => &mut entry.insert((format, self.begin(session, format)?)).1,
            };
            if !chain.push(bytes, captured) {
                // Its cause comes by the bus.
                return Ok(());
            }
        }
        Ok(())
    }

    fn begin(&self, session: &Session, format: usize) -> Result<Entry, CaptureError> {
        let format = session.formats().get(format);
        let Some((format, codec)) = format.and_then(|it| it.codec.map(|codec| (it, codec))) else {
            return Err(CaptureError::NoVideo);
        };
        let wish = Wish {
            format,
            codec,
            choice: &self.choice,
            is_udp: self.source.transport == Transport::Udp,
        };
        let (entry, decoder) = chain::build(&self.pipeline, &self.sink, &wish, &self.clock)?;
        self.slot.chose(codec, decoder);
        if self.stop.load(Ordering::Relaxed) {
            return Err(CaptureError::Ended);
        }
        // A failure to start comes by the bus as well, with its cause.
        if self.pipeline.set_state(gst::State::Playing).is_err() {
            let failed = "GStreamer cannot start the decoder".to_owned();
            return Err(CaptureError::Stream(failed));
        }
        Ok(entry)
    }
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

/// The decoder's failures, and its end.
fn watch_bus(pipeline: &gst::Pipeline, slot: &Arc<Slot>) {
    let Some(bus) = pipeline.bus() else {
        return;
    };
    let slot = Arc::clone(slot);
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Error(failed) => slot.fail(error::of_stream(failed)),
            gst::MessageView::Eos(_) => slot.fail(CaptureError::Ended),
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}
