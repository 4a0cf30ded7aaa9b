//! The demo: everything that cloakroom does so far, to be seen and tried in a browser.
//!
//! `cargo run -p cloakroom-demo` serves http://127.0.0.1:6543. One file under `pages/` for each subject.

mod error;
mod options;
mod page;
mod pages;
mod secret;
mod site;

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
    let (site, sessions) = Site::open(&options)?;
    let listener = TcpListener::bind(&options.listen).await.map_err(|error| {
        format!(
            "cannot listen on {}: {error}; choose another with --listen ADDRESS:PORT",
            options.listen
        )
    })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    println!("cloakroom demo: http://{address}");
    println!("sessions: {}", where_sessions_are(&options));
    println!("stop it with Ctrl-C");
    axum::serve(listener, pages::router().layer(sessions).with_state(site))
        .with_graceful_shutdown(asked_to_stop())
        .await
        .map_err(|e| e.to_string())
}

fn where_sessions_are(options: &Options) -> String {
    match options.factory {
        Factory::Sqlite => format!("in {}", options.database.display()),
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
