//! Cameras with bad habits: each is read all the same, or told in words that say what to do.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it saw"
)]

mod odd_camera;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use odd_camera::{Auth, H264, Habits, OddCamera};
use varco_edge::adapters::capture::camera::{CameraCapture, CameraEvent};
use varco_edge::adapters::capture::clock_offset::ClockFrom;
use varco_edge::adapters::capture::error::CaptureError;
use varco_edge::adapters::capture::logins::{CameraLogins, Trying};
use varco_edge::adapters::capture::source::{CameraSource, Password, StreamLogin};
use varco_edge::adapters::clock::{Clock as _, SystemClock};
use varco_edge::config::{Decoding, Transport};
use varco_proto::transit::ClockSource;

const WAIT: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

fn source(url: String) -> CameraSource {
    CameraSource {
        url,
        login: Some(StreamLogin {
            user: "varco".to_owned(),
            password: Password::new("segreto"),
        }),
        transport: Transport::Tcp,
        ca_file: None,
        frames_per_second_max: 60.0,
        stalled_after: Duration::from_secs(3),
        decoding: Decoding::Software,
    }
}

fn capture(source: CameraSource, who: Trying) -> CameraCapture {
    let clock = SystemClock::shared();
    let logins = CameraLogins::open(None, who, clock.clone());
    CameraCapture::new(source, logins, clock)
}

/// So many frames of one connection.
fn frames(camera: &OddCamera, count: usize) -> CameraCapture {
    let mut capture = capture(source(camera.url()), Trying::Person);
    let clock = SystemClock::new();
    let mut taken = 0;
    while taken < count {
        assert!(clock.monotonic() < LONGEST, "{taken} frames of {count}");
        match capture.next(WAIT) {
            CameraEvent::Frame(_) => taken += 1,
            CameraEvent::Failed { error, .. } => panic!("after {taken} frames: {error}"),
            CameraEvent::Connected(_) | CameraEvent::Quiet => {}
        }
    }
    assert_eq!(camera.seen.connections.load(Ordering::SeqCst), 1);
    capture
}

/// The first failure.
fn failure(source: CameraSource) -> CaptureError {
    let mut capture = capture(source, Trying::Person);
    let clock = SystemClock::new();
    while clock.monotonic() < LONGEST {
        if let CameraEvent::Failed { error, .. } = capture.next(WAIT) {
            println!("{error}");
            return error;
        }
    }
    panic!("no failure");
}

/// Waits until the camera was told that a session is over.
fn is_ended(camera: &OddCamera) {
    let clock = SystemClock::new();
    while camera.seen.asked("TEARDOWN") == 0 {
        assert!(clock.monotonic() < LONGEST, "no TEARDOWN");
        std::thread::sleep(WAIT);
    }
}

#[test]
fn a_stream_goes_on_when_its_ssrc_changes_at_each_key_frame() {
    for anew in [false, true] {
        let camera = OddCamera::start(Habits {
            ssrc_every: 12,
            anew,
            ..Habits::default()
        });
        frames(&camera, 60);
    }
}

#[test]
fn a_second_medium_that_cannot_be_read_leaves_the_first_alone() {
    let mpeg4 = "m=video 0 RTP/AVP 97\r\na=rtpmap:97 MP4V-ES/90000\r\na=control:trackID=4\r\n";
    let metadata = "m=video 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n";
    let sound = "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=control:trackID=2\r\n";
    let picture = "m=video 0 RTP/AVP 26\r\na=control:trackID=5\r\n";
    for media in [
        format!("{H264}{mpeg4}"),
        format!("{mpeg4}{H264}"),
        format!("{metadata}{sound}{H264}{metadata}"),
        format!("{H264}{picture}"),
    ] {
        let camera = OddCamera::start(Habits {
            media,
            ..Habits::default()
        });
        frames(&camera, 6);
    }
}

#[test]
fn several_payload_types_of_one_stream_are_told_apart_by_the_packets() {
    let map = "a=rtpmap:98 MP4V-ES/90000\r\na=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n";
    for (types, payload_type) in [("98 96", 96), ("96 98", 96), ("35", 35), ("35", 102)] {
        let map = map.replace(":96", &format!(":{}", if types == "35" { 35 } else { 96 }));
        let camera = OddCamera::start(Habits {
            media: format!("m=video 0 RTP/AVP {types}\r\n{map}"),
            payload_type,
            ..Habits::default()
        });
        frames(&camera, 6);
    }
    let camera = OddCamera::start(Habits {
        head: "",
        ..Habits::default()
    });
    frames(&camera, 6);
}

#[test]
fn every_kind_of_login_opens_with_the_right_password_at_once() {
    for auth in [
        Auth::Basic,
        Auth::Digest,
        Auth::DigestQop,
        Auth::DigestSha256,
        Auth::Both,
        Auth::Stale,
        Auth::SilentlyStale,
    ] {
        let camera = OddCamera::start(Habits {
            auth,
            ..Habits::default()
        });
        frames(&camera, 6);
        assert_eq!(camera.seen.wrong_logins(), 0, "{auth:?}");
    }
}

/// A daemon at a camera with another password, for long enough for hundreds of tries of a client that
/// takes a refusal for a cut cable.
fn tries_of_a_wrong_password(auth: Auth) {
    let camera = OddCamera::start(Habits {
        auth,
        password: "altra",
        ..Habits::default()
    });
    let mut daemon = capture(source(camera.url()), Trying::Daemon);
    let clock = SystemClock::new();
    let mut told = Vec::new();
    while clock.monotonic() < Duration::from_secs(13) || told.is_empty() {
        if let CameraEvent::Failed {
            error,
            new,
            again_in,
        } = daemon.next(WAIT)
        {
            told.push((error, new, again_in));
        }
    }
    assert_eq!(camera.seen.wrong_logins(), 1, "{auth:?}");
    assert_eq!(camera.seen.connections.load(Ordering::SeqCst), 1);
    assert_eq!(told[0].0, CaptureError::Unauthorized);
    assert!(told[0].2 > Duration::from_secs(290), "{told:?}");
    let mut later = told.iter().skip(1);
    assert!(later.all(|(error, new, _)| !new && error.is_login()));
}

#[test]
fn a_wrong_password_is_tried_once_and_another_kind_of_login_is_told() {
    let ways = [
        Auth::Basic,
        Auth::Digest,
        Auth::DigestQop,
        Auth::DigestSha256,
        Auth::Stale,
    ];
    let daemons = ways.map(|auth| std::thread::spawn(move || tries_of_a_wrong_password(auth)));
    for daemon in daemons {
        daemon.join().unwrap();
    }
    let camera = OddCamera::start(Habits {
        auth: Auth::Other,
        ..Habits::default()
    });
    let ways = "Negotiate".to_owned();
    assert_eq!(
        failure(source(camera.url())),
        CaptureError::LoginUnknown { ways }
    );
    let camera = OddCamera::start(Habits {
        auth: Auth::Digest,
        ..Habits::default()
    });
    let nobody = CameraSource {
        login: None,
        ..source(camera.url())
    };
    assert_eq!(failure(nobody), CaptureError::LoginWanted);
    assert_eq!(camera.seen.wrong_logins(), 0);
}

#[test]
fn a_password_that_is_changed_while_a_stream_plays_is_tried_once() {
    for auth in [Auth::Basic, Auth::Digest, Auth::DigestQop] {
        let camera = OddCamera::start(Habits {
            auth,
            password_until: 6,
            session_s: Some(2),
            ..Habits::default()
        });
        assert_eq!(failure(source(camera.url())), CaptureError::Unauthorized);
        is_ended(&camera);
        assert_eq!(camera.seen.wrong_logins(), 1, "{auth:?}");
    }
}

#[test]
fn a_session_that_is_set_up_and_does_not_play_is_ended_in_form() {
    let camera = OddCamera::start(Habits {
        refused: &["PLAY"],
        ..Habits::default()
    });
    let error = failure(source(camera.url()));
    assert!(
        matches!(error, CaptureError::Refused { status: 405, .. }),
        "{error}"
    );
    is_ended(&camera);
}

#[test]
fn two_streams_of_one_camera_try_a_wrong_password_once_together() {
    let camera = OddCamera::start(Habits {
        auth: Auth::DigestQop,
        password: "altra",
        ..Habits::default()
    });
    let clock = SystemClock::shared();
    let logins = CameraLogins::open(None, Trying::Daemon, clock.clone());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let source = source(camera.url());
            let mut capture = CameraCapture::new(source, Arc::clone(&logins), clock.clone());
            std::thread::spawn(move || {
                loop {
                    if let CameraEvent::Failed { error, .. } = capture.next(WAIT) {
                        return error;
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        assert!(thread.join().unwrap().is_login());
    }
    assert_eq!(camera.seen.wrong_logins(), 1);
}

#[test]
fn requests_keep_a_session_whatever_the_camera_offers() {
    for (public, refused, keeper) in [
        ("OPTIONS, DESCRIBE, GET_PARAMETER", &[][..], "GET_PARAMETER"),
        ("OPTIONS, SET_PARAMETER", &[], "SET_PARAMETER"),
        ("OPTIONS, GET_PARAMETER", &["GET_PARAMETER"], "OPTIONS"),
        ("DESCRIBE, SETUP, PLAY", &[], "OPTIONS"),
    ] {
        let camera = OddCamera::start(Habits {
            session_s: Some(2),
            public,
            refused,
            ..Habits::default()
        });
        // Twice as long as the session would live.
        frames(&camera, 60);
        assert!(
            camera.seen.asked(keeper) >= 3,
            "{public}: {:?}",
            camera.seen
        );
        assert_eq!(
            camera.seen.sessions_ended.load(Ordering::SeqCst),
            0,
            "{public}"
        );
    }
}

#[test]
fn a_cameras_own_question_is_answered_and_a_session_is_ended_in_form() {
    let camera = OddCamera::start(Habits {
        asks: true,
        ..Habits::default()
    });
    drop(frames(&camera, 20));
    assert_eq!(camera.seen.answered.load(Ordering::SeqCst), 1);
    is_ended(&camera);
}

#[test]
fn the_cameras_clock_is_known_however_wrong_and_only_a_right_one_is_taken() {
    let with = |ahead_s, date| {
        let camera = OddCamera::start(Habits {
            ahead_s,
            date,
            ..Habits::default()
        });
        let mut capture = frames(&camera, 20);
        let source = loop {
            if let CameraEvent::Frame(frame) = capture.next(WAIT) {
                break frame.captured.source;
            }
        };
        (capture.camera_clock(), source)
    };
    for (ahead, source) in [
        (0, ClockSource::Camera),
        (3600, ClockSource::Arrival),
        (-1_790_000_000, ClockSource::Arrival),
    ] {
        let (clock, taken) = with(Some(ahead), None);
        let clock = clock.unwrap();
        let ahead_s = clock.ahead_us.div_euclid(1_000_000);
        assert!((ahead_s - ahead).abs() <= 2, "{clock:?}");
        assert_eq!((clock.from, taken), (ClockFrom::Report, source));
    }
    let (clock, _) = with(None, Some("Sat, 01 Jan 2000 00:00:00 GMT"));
    assert_eq!(clock.unwrap().from, ClockFrom::Date);
    assert!(clock.unwrap().off() > Duration::from_secs(20 * 365 * 86_400));
    assert_eq!(with(None, None).0, None);
}

#[test]
fn a_camera_that_leads_elsewhere_is_followed_but_never_with_the_password_to_a_stranger() {
    let open = OddCamera::start(Habits::default());
    let camera = OddCamera::start(Habits {
        auth: Auth::DigestQop,
        ..Habits::default()
    });
    let to = |camera: &OddCamera| -> &'static str {
        Box::leak(format!("302 Moved\nLocation: {}", camera.url()).into_boxed_str())
    };
    let leading = |status| {
        OddCamera::start(Habits {
            status: Some(status),
            ..Habits::default()
        })
    };
    let first = leading(to(&open));
    let mut followed = capture(source(first.url()), Trying::Person);
    let clock = SystemClock::new();
    loop {
        assert!(clock.monotonic() < LONGEST);
        match followed.next(WAIT) {
            CameraEvent::Frame(_) => break,
            CameraEvent::Failed { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
    let elsewhere = |error| matches!(error, CaptureError::Elsewhere { .. });
    // Another port of the same host may be another program.
    let port = to(&camera);
    let host: &'static str = Box::leak(port.replace("127.0.0.1", "localhost").into_boxed_str());
    for other in [port, host] {
        assert!(elsewhere(failure(source(leading(other).url()))));
    }
    assert_eq!(camera.seen.wrong_logins(), 0);
    let circle = leading("301 Moved\nLocation: rtsp://127.0.0.1:1/");
    assert!(matches!(
        failure(source(circle.url())),
        CaptureError::PortClosed { .. }
    ));
}

#[test]
fn each_refusal_is_told_by_its_cause() {
    let refused = |status| {
        let camera = OddCamera::start(Habits {
            status: Some(status),
            ..Habits::default()
        });
        failure(source(camera.url()))
    };
    assert_eq!(refused("403 Forbidden"), CaptureError::Forbidden);
    assert_eq!(refused("404 Not Found"), CaptureError::NoSuchStream);
    assert_eq!(refused("453 Not Enough Bandwidth"), CaptureError::Full);
    assert_eq!(refused("454 Session Not Found"), CaptureError::SessionLost);
    let retry_after = Some(Duration::from_secs(40));
    let busy = refused("503 Service Unavailable\nRetry-After: 40");
    assert_eq!(busy, CaptureError::Busy { retry_after });
    let reason = "Internal Server Error".to_owned();
    let fault = refused("500 Internal Server Error");
    assert_eq!(
        fault,
        CaptureError::Refused {
            status: 500,
            reason
        }
    );
    let camera = OddCamera::start(Habits {
        set_up_status: Some("461 Unsupported Transport"),
        ..Habits::default()
    });
    assert_eq!(failure(source(camera.url())), CaptureError::Transport);
}

#[test]
fn what_is_no_camera_and_what_shows_no_video_is_told() {
    let speaking = |words: &'static [u8]| {
        let camera = OddCamera::start(Habits {
            speaks: Some(words),
            ..Habits::default()
        });
        failure(source(camera.url())).to_string()
    };
    assert!(speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n").contains("web server"));
    assert!(speaking(&[0x15, 3, 1, 0, 2, 2, 40]).contains("wants TLS"));
    assert!(speaking(b"SSH-2.0-camera\r\n").contains("no RTSP"));
    let showing = |media: &str| {
        let camera = OddCamera::start(Habits {
            media: media.to_owned(),
            ..Habits::default()
        });
        failure(source(camera.url()))
    };
    assert_eq!(showing("m=audio 0 RTP/AVP 8\r\n"), CaptureError::NoVideo);
    assert_eq!(showing(""), CaptureError::NoVideo);
    let codec = "MP2T".to_owned();
    let mp2t = "m=video 0 RTP/AVP 33\r\na=control:trackID=1\r\n";
    assert_eq!(showing(mp2t), CaptureError::Codec { codec });
    let nobody = source("rtsp://no-such-host.invalid/".to_owned());
    assert!(matches!(failure(nobody), CaptureError::NoHost { .. }));
}

/// What `varco-edge check` says of a box with two streams of one camera.
fn checked(folder: &std::path::Path, camera: &OddCamera) -> serde_json::Value {
    let mut text = "[edge]\nid = \"porta-nord-01\"\nstate_folder = \"state\"\n\
         signing_key_file = \"signing.pk8\"\nbox_key_file = \"box.key\"\n\
         [models]\nfolder = \"models\"\n\
         [hub]\nbroker_host = \"127.0.0.1\"\nbroker_port = 1\nca_file = \"ca.crt\"\n\
         certificate_file = \"edge.crt\"\nkey_file = \"edge.key\"\n\
         hub_key = \"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"\n\
         [clock]\nrule = \"any\"\n"
        .to_owned();
    for id in ["c1", "c2"] {
        text.push_str(&format!(
            "[[cameras]]\nid = \"{id}\"\ngate = \"porta-nord\"\nurl = \"{}\"\nuser = \"varco\"\n\
             password_file = \"password\"\n",
            camera.url()
        ));
    }
    let config = folder.join("edge.toml");
    std::fs::write(&config, text).unwrap();
    std::fs::write(folder.join("password"), "segreto\n").unwrap();
    std::fs::create_dir_all(folder.join("state")).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_varco-edge"))
        .args(["check", "--json", "--watch", "1", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn says(answer: &serde_json::Value, name: &str) -> String {
    let checks = answer["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name).unwrap();
    found["says"].as_str().unwrap().to_owned()
}

#[test]
fn check_tries_a_wrong_password_once_and_tells_a_clock_that_is_an_hour_off() {
    let folder = tempfile::tempdir().unwrap();
    let refusing = OddCamera::start(Habits {
        auth: Auth::Digest,
        password: "altra",
        ..Habits::default()
    });
    let answer = checked(folder.path(), &refusing);
    assert!(says(&answer, "camera c1").contains("(401)"), "{answer}");
    assert!(says(&answer, "camera c2").contains("not tried"), "{answer}");
    assert_eq!(refusing.seen.wrong_logins(), 1);
    // Whoever checks again and again stays below what locks an address.
    for _ in 0..4 {
        checked(folder.path(), &refusing);
    }
    assert_eq!(refusing.seen.wrong_logins(), 3);
    let late = OddCamera::start(Habits {
        ahead_s: Some(-3600),
        ..Habits::default()
    });
    let answer = checked(folder.path(), &late);
    let clock = says(&answer, "clock of c1");
    assert!(clock.contains("1 h 0 min behind"), "{clock}");
}
