//! A simulated camera on loopback, to try an edge against.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a tool that talks to a person"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use varco_rig::camera::clip::Clip;
use varco_rig::camera::pictures::{Choice, Pictures};
use varco_rig::camera::{Camera, Codec, Show, StreamSettings};

/// Serves a clip or pictures over RTSP at `rtsp://127.0.0.1:PORT/live`, until Ctrl-C.
///
/// Frames flow only while somebody watches.
#[derive(Debug, Parser)]
#[command(name = "varco-camera", version)]
struct Arguments {
    /// A video file; its truth lies beside it, as NAME.json
    #[arg(long, value_name = "FILE", required_unless_present = "pictures")]
    clip: Option<PathBuf>,
    /// An index of pictures (JSON lines), each made into a pass
    #[arg(long, value_name = "INDEX", conflicts_with = "clip")]
    pictures: Option<PathBuf>,
    /// Only pictures of this source
    #[arg(long, requires = "pictures")]
    source: Option<String>,
    /// At most so many pictures
    #[arg(long, requires = "pictures")]
    limit: Option<usize>,
    /// Port on loopback
    #[arg(long, default_value_t = 8554)]
    port: u16,
    /// What is sent
    #[arg(long, value_enum, default_value_t)]
    codec: Codec,
    /// Ask for this user ...
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// ... and the password in this file
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// End when the show ends
    #[arg(long)]
    once: bool,
}

fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let show: Box<dyn Show> = match (&arguments.clip, &arguments.pictures) {
        (Some(clip), _) => Box::new(Clip::open(clip, !arguments.once)?),
        (None, Some(index)) => {
            let choice = Choice {
                source: arguments.source,
                limit: arguments.limit,
            };
            Box::new(Pictures::open(index, &choice)?)
        }
        (None, None) => anyhow::bail!("name a clip or pictures"),
    };
    let credentials = match (arguments.user, &arguments.password_file) {
        (Some(user), Some(file)) => {
            let password = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            Some((user, password.trim_end().to_owned()))
        }
        _ => None,
    };
    let settings = StreamSettings {
        port: arguments.port,
        codec: arguments.codec,
        credentials,
        ..StreamSettings::default()
    };
    let camera = Camera::start(show, &settings)?;
    println!("{}", camera.url());
    while !(arguments.once && camera.is_over()) {
        std::thread::sleep(Duration::from_millis(200));
    }
    match camera.fault() {
        Some(fault) => anyhow::bail!("{fault}"),
        None => Ok(()),
    }
}

fn main() -> ExitCode {
    match serve(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
