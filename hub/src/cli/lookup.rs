//! `varco-hub lookup`: a client of the hub's own API (reqwest).

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::certificates::tls;
use crate::home::Home;
use crate::machine::files;
use crate::web::area::{AreaRequest, CircleRequest, RectangleRequest};
use crate::web::errors::ErrorBody;
use crate::web::filter::{FilterRequest, PlacesRequest};
use crate::web::grounds::GroundsRequest;
use crate::web::lookups::{LookupAnswer, LookupRequest, LookupShown};

/// Longest wait for the hub's answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// `43.05,12.30,43.15,12.45`.
fn numbers<const N: usize>(text: &str) -> Result<[f64; N], String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let numbers = numbers.ok().and_then(|numbers| numbers.try_into().ok());
    numbers.ok_or_else(|| format!("{N} numbers with commas between, with a point for decimals"))
}

/// `lookup`.
#[derive(Debug, Args)]
pub struct Lookup {
    /// A plate, or a pattern with '*' (any characters) and '?' (one character); quote it.
    #[arg(long)]
    pub plate: String,
    /// First moment, RFC 3339: 2026-11-22T08:00:00Z or 2026-11-22T09:00:00+01:00.
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// Last moment.
    #[arg(long, value_name = "TIME")]
    pub to: String,
    /// Only this camera; may be given several times.
    #[arg(long, value_name = "ID")]
    pub camera: Vec<String>,
    /// Only this gate; may be given several times.
    #[arg(long, value_name = "ID")]
    pub gate: Vec<String>,
    /// Only the gates of this municipality; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub municipality: Vec<String>,
    /// Only what stands between these degrees on the map, north and east positive.
    #[arg(long, value_name = "SOUTH,WEST,NORTH,EAST", allow_hyphen_values = true,
        conflicts_with = "around", value_parser = numbers::<4>)]
    pub area: Option<[f64; 4]>,
    /// Only what stands within so many metres of a place, in degrees.
    #[arg(long, value_name = "LATITUDE,LONGITUDE,METRES", allow_hyphen_values = true,
        value_parser = numbers::<3>)]
    pub around: Option<[f64; 3]>,
    /// Only `towards` or `away`, as the camera saw it.
    #[arg(long)]
    pub direction: Option<String>,
    /// Only `in` or `out` of the area behind the gate.
    #[arg(long)]
    pub travel: Option<String>,
    /// Only plates that look most like this country's: IT.
    #[arg(long)]
    pub country: Option<String>,
    /// Only reads at least so sure, 0 to 1.
    #[arg(long, value_name = "SHARE")]
    pub confidence_min: Option<f32>,
    /// Plates too that a camera may have read when this one was there.
    #[arg(long)]
    pub misread: bool,
    /// Oldest first: the route of a plate.
    #[arg(long)]
    pub oldest_first: bool,
    /// public-safety, urban-security, emergency, heritage, area-control, monuments, events, traffic,
    /// vulnerable-people or sanction; one that the gates are for (`varco-hub purpose list`).
    #[arg(long)]
    pub purpose: String,
    /// Reference of the case or request.
    #[arg(long, value_name = "REFERENCE")]
    pub case: String,
    /// Most results, newest first.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Take O for 0 and I for 1.
    #[arg(long)]
    pub fold: bool,
    /// Go on where a page ended: its `next`.
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    /// The hub's address, https://HOST:PORT.
    #[arg(long, value_name = "URL")]
    pub hub: Option<String>,
    /// The authority's certificate, ca.crt.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// File with the token.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Asks the hub.
///
/// # Errors
/// What is missing, or the hub's own error with what to do.
pub fn look_up(home: &Home, lookup: Lookup) -> anyhow::Result<LookupAnswer> {
    let url = match &lookup.hub {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => own_url(home).context("give --hub, or --home of a hub on this machine")?,
    };
    if !url.starts_with("https://") {
        bail!("--hub is an https:// address");
    }
    let authority = lookup.ca.clone().unwrap_or(home.authority_certificate());
    let authority = files::read_text(&authority).context("give --ca, the hub's ca.crt")?;
    let token = lookup.token_file.clone().unwrap_or(home.token_file());
    let token = read_token(&token).context("give --token-file")?;
    let area = area(lookup.area, lookup.around);
    let request = LookupRequest {
        plate: Some(lookup.plate),
        from: Some(lookup.from),
        to: Some(lookup.to),
        filter: FilterRequest {
            places: PlacesRequest {
                cameras: lookup.camera,
                gates: lookup.gate,
                municipalities: lookup.municipality,
                area,
            },
            direction: lookup.direction.map(Into::into),
            travel: lookup.travel.map(Into::into),
        },
        grounds: GroundsRequest::written(lookup.purpose, lookup.case),
        limit: lookup.limit,
        fold: lookup.fold,
        after: lookup.after,
        country: lookup.country,
        confidence_min: lookup.confidence_min,
        time_of_day: None,
        misread: lookup.misread,
        oldest_first: lookup.oldest_first,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(ask(&url, &authority, &token, &request))
}

fn area(rectangle: Option<[f64; 4]>, circle: Option<[f64; 3]>) -> Option<AreaRequest> {
    let rectangle = rectangle.map(|[south, west, north, east]| RectangleRequest {
        south,
        west,
        north,
        east,
    });
    let circle = circle.map(|[latitude, longitude, radius_m]| CircleRequest {
        latitude,
        longitude,
        radius_m,
    });
    let asked = rectangle.is_some() || circle.is_some();
    asked.then_some(AreaRequest { rectangle, circle })
}

pub(super) fn own_url(home: &Home) -> anyhow::Result<String> {
    let listen = home.config()?.listen;
    let address = if listen.ip().is_unspecified() {
        SocketAddr::new(IpAddr::from([127, 0, 0, 1]), listen.port())
    } else {
        listen
    };
    Ok(format!("https://{address}"))
}

fn read_token(path: &Path) -> anyhow::Result<String> {
    Ok(files::read_text(path)?.trim().to_owned())
}

async fn ask(
    url: &str,
    authority: &str,
    token: &str,
    request: &LookupRequest,
) -> anyhow::Result<LookupAnswer> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client(authority)?)
        .https_only(true)
        .timeout(ANSWER_MAX)
        .build()?;
    let response = client
        .post(format!("{url}/api/v1/lookups"))
        .bearer_auth(token)
        .json(request)
        .send()
        .await
        .with_context(|| format!("cannot reach the hub at {url}; is it running?"))?;
    if response.status().is_success() {
        let shown = response.json().await;
        return match shown.context("the hub's answer is not readable")? {
            LookupShown::Whole(answer) => Ok(*answer),
            LookupShown::Guard(_) => bail!("the guard corps looks up on the hub's page alone"),
        };
    }
    let status = response.status();
    match response.json::<ErrorBody>().await {
        Ok(body) => bail!("{}: {}", body.error, body.what_to_do),
        Err(_) => bail!("the hub answered {status}"),
    }
}
