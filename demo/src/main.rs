//! The demo: everything that cloakroom does so far, to be seen and tried in a browser.
//!
//! `cargo run -p cloakroom-demo` serves http://127.0.0.1:6543. One file under `pages/` for each subject.

mod error;
mod options;
mod page;
mod pages;
mod secret;

use std::process::ExitCode;

use axum::Router;
use axum::response::IntoResponse;
use cloakroom::{SessionLayer, SignedCookieFactory};
use tokio::net::TcpListener;

use crate::options::Options;

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
    let secret = secret::kept_in(&options.secret_file)?;
    // The demo is served over plain http on loopback, where some browsers drop a cookie that is `Secure`.
    let factory = SignedCookieFactory::builder(secret).insecure_plain_http().build();
    let factory = factory.map_err(|error| format!("{}: {error}", options.secret_file.display()))?;
    let listener = TcpListener::bind(&options.listen).await.map_err(|error| {
        format!(
            "cannot listen on {}: {error}; choose another with --listen ADDRESS:PORT",
            options.listen
        )
    })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("cloakroom demo: http://{address}");
    println!("sessions: in a signed cookie; its secret is in {}", options.secret_file.display());
    println!("stop it with Ctrl-C");
    axum::serve(listener, app(factory))
        .with_graceful_shutdown(asked_to_stop())
        .await
        .map_err(|e| e.to_string())
}

fn app(factory: SignedCookieFactory) -> Router {
    let refused = |error: &cloakroom::Error| error::refused(error).into_response();
    pages::router().layer(SessionLayer::new(factory).on_error(refused))
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
