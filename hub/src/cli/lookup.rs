//! `varco-hub lookup`: a client of the hub's own API (reqwest).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::arguments::Lookup;
use crate::home::Home;
use crate::web::area::{AreaRequest, CircleRequest, RectangleRequest};
use crate::web::errors::ErrorBody;
use crate::web::lookups::{LookupAnswer, LookupRequest};
use crate::{files, tls};

/// Longest wait for the hub's answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);

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
        cameras: lookup.camera,
        purpose: Some(lookup.purpose),
        case_reference: Some(lookup.case),
        limit: lookup.limit,
        fold: lookup.fold,
        after: lookup.after,
        gates: lookup.gate,
        municipalities: lookup.municipality,
        area,
        direction: lookup.direction,
        travel: lookup.travel,
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
        return response
            .json()
            .await
            .context("the hub's answer is not readable");
    }
    let status = response.status();
    match response.json::<ErrorBody>().await {
        Ok(body) => bail!("{}: {}", body.error, body.what_to_do),
        Err(_) => bail!("the hub answered {status}"),
    }
}
