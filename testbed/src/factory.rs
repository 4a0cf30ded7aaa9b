//! From options to a session factory: what an application writes at its start.

use cloakroom::SignedCookieFactory;
use cloakroom::testing::FakeClock;

use crate::options::Options;
use crate::stats::Stats;

/// The session in a signed cookie, as the options say. What is wrong with them, such as a weak secret, is text.
pub(crate) fn signed_cookie(
    options: &Options,
    stats: &Stats,
) -> Result<SignedCookieFactory, String> {
    let refused = stats.clone();
    let mut builder = SignedCookieFactory::builder(options.secret.as_str())
        // The testbed is reached over plain http, where a browser would not send a Secure cookie back.
        .insecure_plain_http()
        .on_refused(move |reason| refused.count_refused(reason.as_str()));
    if let Some(idle) = options.idle {
        builder = builder.timeout(idle);
    }
    if let Some(renew_after) = options.renew_after {
        builder = builder.reissue_time(renew_after);
    }
    if let Some(keep) = options.keep_on_error {
        builder = builder.set_on_exception(keep);
    }
    if let Some(now) = options.now {
        builder = builder.clock(FakeClock::at(now));
    }
    builder.build().map_err(|error| error.to_string())
}
