//! Somebody else's site, with a page for each attack. A browser reaches it as the demo's neighbour on another port,
//! which is the same site to it, or as another site altogether.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::Html;
use axum::routing::{any, get};
use tokio::net::TcpListener;

pub struct Attacker {
    port: u16,
}

/// How the attacker's site is called.
#[derive(Clone, Copy, Debug)]
pub enum As {
    /// On the same host, at another port.
    Neighbour,
    /// Under another name.
    Stranger,
}

impl Attacker {
    /// Serves this script as a page at `/`, and at `/bounce` sends whatever comes on to `bounce`.
    pub async fn serve(script: String, bounce: String) -> Self {
        let page = format!("<!doctype html><title>wait</title><body><script>{script}</script>");
        let bounced = move || async move { (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, bounce)]) };
        let app = Router::new()
            .route("/", get(move || async move { Html(page) }))
            .route("/bounce", any(bounced));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(axum::serve(listener, app).into_future());
        Self { port }
    }

    pub fn url(&self, name: As) -> String {
        let host = match name {
            As::Neighbour => "127.0.0.1",
            As::Stranger => "localhost",
        };
        format!("http://{host}:{}", self.port)
    }
}
