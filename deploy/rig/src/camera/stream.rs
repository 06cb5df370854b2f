//! Serves a show over RTSP.
//!
//! Frames flow only while a client watches, so that nothing is shown to nobody: a camera whose
//! edge is killed goes on where it was when the edge comes back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::prelude::*;

use super::picture::Picture;
use super::show::Show;
use crate::clock;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Codec {
    /// As most cameras have it.
    #[default]
    H264,
    /// Newer cameras.
    H265,
    /// Old cameras.
    Mjpeg,
}

/// How a show is served.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// Loopback port; 0 takes a free one.
    pub port: u16,
    /// What is sent.
    pub codec: Codec,
    /// Digest credentials, if any.
    pub credentials: Option<(String, String)>,
    /// Kilobits a second.
    pub bitrate_kbps: u32,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            port: 0,
            codec: Codec::H264,
            credentials: None,
            bitrate_kbps: 6000,
        }
    }
}

/// A camera that serves until it is dropped.
#[derive(Debug)]
pub struct Camera {
    main_loop: glib::MainLoop,
    threads: Vec<JoinHandle<()>>,
    stage: Arc<Stage>,
    port: u16,
}

/// What the feeder and the server share.
#[derive(Debug, Default)]
struct Stage {
    /// Where frames go while a client watches.
    source: Mutex<Option<AppSrc>>,
    frames: AtomicU64,
    over: AtomicBool,
    stop: AtomicBool,
    fault: Mutex<Option<String>>,
}

impl Camera {
    /// Begins to serve on loopback at `rtsp://127.0.0.1:PORT/live`.
    ///
    /// # Errors
    /// When GStreamer or the port cannot be had.
    pub fn start(show: Box<dyn Show>, settings: &StreamSettings) -> anyhow::Result<Self> {
        gst::init().context("cannot start GStreamer")?;
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let stage = Arc::new(Stage::default());
        let server = rtsp::RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service(&settings.port.to_string());
        if let Some((user, password)) = &settings.credentials {
            server.set_auth(Some(&digest(user, password)));
        }
        let factory = factory(show.as_ref(), settings, &stage);
        let mounts = server
            .mount_points()
            .context("an RTSP server without mount points")?;
        mounts.add_factory("/live", factory);
        server
            .attach(Some(&context))
            .context("cannot listen for RTSP; is the port taken?")?;
        let port = u16::try_from(server.bound_port())?;
        let serving = std::thread::spawn({
            let main_loop = main_loop.clone();
            move || {
                let _server = server;
                // Another loop cannot own the context: it was made above.
                let _ = context.with_thread_default(|| main_loop.run());
            }
        });
        let feeding = std::thread::spawn({
            let stage = Arc::clone(&stage);
            move || feed(show, &stage)
        });
        Ok(Self {
            main_loop,
            threads: vec![serving, feeding],
            stage,
            port,
        })
    }

    /// Where to watch.
    #[must_use]
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/live", self.port)
    }

    /// Whether the whole show was sent.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage.over.load(Ordering::Acquire)
    }

    /// Frames sent so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.stage.frames.load(Ordering::Acquire)
    }

    /// Why the show stopped early, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.stage
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stage.stop.store(true, Ordering::Release);
        self.main_loop.quit();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to clean up.
            let _ = thread.join();
        }
    }
}

fn digest(user: &str, password: &str) -> rtsp::RTSPAuth {
    let auth = rtsp::RTSPAuth::new();
    let token = rtsp::RTSPToken::builder()
        .field(rtsp::RTSP_TOKEN_MEDIA_FACTORY_ROLE, user)
        .build();
    auth.set_supported_methods(gstreamer_rtsp_server::gst_rtsp::RTSPAuthMethod::Digest);
    auth.add_digest(user, password, &token);
    auth
}

fn factory(
    show: &dyn Show,
    settings: &StreamSettings,
    stage: &Arc<Stage>,
) -> rtsp::RTSPMediaFactory {
    let rate = show.frames_per_second();
    let kbps = settings.bitrate_kbps;
    let encoder = match settings.codec {
        Codec::H264 => format!(
            "x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max=12 \
             bitrate={kbps} ! rtph264pay name=pay0 pt=96 config-interval=1"
        ),
        Codec::H265 => format!(
            "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=12 bitrate={kbps} \
             option-string=pools=1 ! rtph265pay name=pay0 pt=96 config-interval=1"
        ),
        Codec::Mjpeg => "jpegenc quality=85 ! rtpjpegpay name=pay0 pt=26".to_owned(),
    };
    let (width, height) = show.size_px();
    let factory = rtsp::RTSPMediaFactory::new();
    factory.set_launch(&format!(
        "( appsrc name=show is-live=true do-timestamp=true format=time max-buffers=8 \
         leaky-type=downstream \
         caps=video/x-raw,format=I420,width={width},height={height},framerate={rate}/1 \
         ! {encoder} )"
    ));
    factory.set_shared(true);
    if let Some((user, _)) = &settings.credentials {
        factory.add_role_from_structure(
            &gst::Structure::builder(user.as_str())
                .field(rtsp::RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
                .field(rtsp::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, true)
                .build(),
        );
    }
    let stage = Arc::clone(stage);
    factory.connect_media_configure(move |_, media| {
        let source = media
            .element()
            .downcast::<gst::Bin>()
            .ok()
            .and_then(|bin| bin.by_name_recurse_up("show"))
            .and_then(|element| element.downcast::<AppSrc>().ok());
        *stage.source.lock().unwrap_or_else(PoisonError::into_inner) = source;
        let stage = Arc::clone(&stage);
        media.connect_unprepared(move |_| {
            *stage.source.lock().unwrap_or_else(PoisonError::into_inner) = None;
        });
    });
    factory
}

/// Sends a frame at each tick while somebody watches; after the show, the last empty road.
fn feed(mut show: Box<dyn Show>, stage: &Stage) {
    let period = Duration::from_secs(1) / show.frames_per_second().max(1);
    let (width, height) = show.size_px();
    let side = |pixels: u32| usize::try_from(pixels).unwrap_or(0);
    let road = Picture::grey(side(width), side(height), 72);
    let mut due = clock::instant();
    while !stage.stop.load(Ordering::Acquire) {
        due += period;
        let now = clock::instant();
        match due.checked_duration_since(now) {
            Some(wait) => std::thread::sleep(wait),
            None => due = now,
        }
        let source = stage
            .source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(source) = source.filter(|source| source.current_state() == gst::State::Playing)
        else {
            continue;
        };
        let picture = if stage.over.load(Ordering::Acquire) {
            Ok(None)
        } else {
            show.next()
        };
        let picture = match picture {
            Ok(Some(picture)) => {
                stage.frames.fetch_add(1, Ordering::AcqRel);
                picture
            }
            Ok(None) => {
                stage.over.store(true, Ordering::Release);
                road.clone()
            }
            Err(error) => {
                let text = format!("{error:#}");
                *stage.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
                stage.over.store(true, Ordering::Release);
                road.clone()
            }
        };
        // A refused buffer means that the client has just gone: the frame is lost to nobody else.
        let _ = source.push_buffer(gst::Buffer::from_slice(picture.i420));
    }
}
