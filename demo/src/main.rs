//! The demo: everything that cloakroom does so far, to be seen and tried in a browser.
//!
//! `cargo run -p cloakroom-demo` serves http://127.0.0.1:6543. One file under `pages/` for each subject.

mod error;
mod guard;
mod options;
mod page;
mod pages;
mod secret;
mod site;
mod twin;

use std::future::IntoFuture;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use tokio::net::TcpListener;

use crate::options::{Factory, Options};
use crate::site::Site;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("cloakroom-demo: {complaint}");
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), String> {
    let options = Options::parse(std::env::args().skip(1))?;
    let (site, sessions) = Site::open(&options).await?;
    let listener = TcpListener::bind(&options.listen).await.map_err(|error| {
        format!(
            "cannot listen on {}: {error}; choose another with --listen ADDRESS:PORT",
            options.listen
        )
    })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let other = other_site(address).await.map_err(|error| format!("the other site: {error}"))?;
    println!("cloakroom demo: http://{address}");
    println!("another site that forges requests to it: http://{other}");
    println!("sessions: {}", where_sessions_are(&options));
    println!("stop it with Ctrl-C");
    let ports = [address.port(), other.port()];
    let [origins, others] = ports.map(|port| origins(address.ip(), port));
    site.set_other_sites(others);
    let pages = pages::router(&site, &origins).map_err(|error| error.to_string())?;
    axum::serve(listener, pages.layer(sessions).with_state(site))
        .with_graceful_shutdown(asked_to_stop())
        .await
        .map_err(|error| error.to_string())
}

/// Serves the other site on the next port, or on any that is free.
async fn other_site(demo: SocketAddr) -> io::Result<SocketAddr> {
    let next = SocketAddr::new(demo.ip(), demo.port().wrapping_add(1));
    let listener = match TcpListener::bind(next).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((demo.ip(), 0)).await?,
    };
    let address = listener.local_addr()?;
    let app = twin::router(format!("http://{demo}"));
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(address)
}

/// How a browser on this machine can call what listens here.
fn origins(ip: IpAddr, port: u16) -> Vec<String> {
    let mut origins = vec![format!("http://{}", SocketAddr::new(ip, port))];
    if ip.is_loopback() {
        origins.push(format!("http://localhost:{port}"));
    }
    origins
}

fn where_sessions_are(options: &Options) -> String {
    match &options.factory {
        Factory::Sqlite => format!("in {}", options.database.display()),
        // Without what is before the host, which may be a password.
        Factory::Url(url) => {
            let scheme = url.split_once(':').map_or(url.as_str(), |(scheme, _)| scheme);
            let place = url.rsplit_once('@').map_or(url.as_str(), |(_, place)| place);
            let place = place.trim_start_matches(scheme).trim_start_matches("://");
            format!("in {scheme} at {place}")
        }
        Factory::SignedCookie => {
            format!("in a signed cookie; its secret is in {}", options.secret_file.display())
        }
    }
}

/// Ends with Ctrl-C or SIGTERM; requests in flight are answered first.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
