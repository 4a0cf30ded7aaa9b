//! One site on either framework, until it is told to stop.

use std::io;
use std::net::TcpListener;

use cloakroom::{ConfigError, SessionFactory};

use crate::options::{Adapter, Options};
use crate::setup::Setup;
use crate::{actix, axum};

/// A site that is ready to be served.
pub(crate) enum Site {
    Axum(::axum::Router),
    Actix(actix::Site),
}

impl Site {
    /// With sessions of this factory.
    pub(crate) fn new(
        options: &Options,
        factory: impl SessionFactory,
        setup: Setup,
    ) -> Result<Self, ConfigError> {
        Ok(match options.adapter {
            Adapter::Axum => Self::Axum(axum::app(factory, setup, &options.csrf)?),
            Adapter::Actix => Self::Actix(actix::Site::new(factory, setup, &options.csrf)?),
        })
    }

    /// Serves until `stop` is there, then finishes the requests in flight.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        match self {
            Self::Axum(app) => {
                listener.set_nonblocking(true)?;
                let listener = tokio::net::TcpListener::from_std(listener)?;
                ::axum::serve(listener, app).with_graceful_shutdown(stop).await
            }
            Self::Actix(site) => site.serve(listener, stop).await,
        }
    }
}
