//! What stands before the pages: no request that another site caused gets in.

use axum::response::Response;
use cloakroom::{ConfigError, CsrfLayer, Error};

use crate::error::refused;
use crate::site::Site;

type Layer = CsrfLayer<fn(&Error) -> Response>;

/// The two guards of the demo.
pub(crate) struct Guard {
    /// Asks for a token always.
    pub(crate) strict: Layer,
    /// Believes a browser that says that a request comes from here, and needs no token then.
    pub(crate) usual: Layer,
}

pub(crate) fn guards(site: &Site, origins: &[String]) -> Result<Guard, ConfigError> {
    let own = origins.iter().try_fold(CsrfLayer::new(), |layer, origin| layer.site(origin))?;
    let noticing = site.clone();
    let own = own.on_refused(move |refused| noticing.count_refused(refused.rule()));
    let strict = own.clone().on_error(refused as _);
    Ok(Guard { strict, usual: own.trust_browser_headers().on_error(refused as _) })
}
