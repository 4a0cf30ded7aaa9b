//! From options to the whole service: what an application writes at its start. The factory's type is known here
//! only; behind the layer all are alike.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::{
    Dialect, Index, MemcachedStore, MemoryStore, MySqlStore, PostgresStore, RedisStore, SqlOptions,
    SqliteStore, Store,
};
use cloakroom::testing::{FakeClock, FaultyStore};
use cloakroom::time::{Clock, SystemClock};
use cloakroom::{SignedCookieFactory, StoredFactory};

use crate::faults::Faulty;
use crate::options::{FactoryUrl, Options};
use crate::randomness::Foretold;
use crate::server::Site;
use crate::setup::Setup;

/// How long replicas may take to have a logout: less than tests give a store call.
const REPLICATION: Duration = Duration::from_millis(300);

/// For how long the ticket before may open a session, at most.
const LONGEST_GRACE: Duration = Duration::from_secs(30);

/// The site with the factory that the options name. What is wrong with them, such as a weak secret, is text.
pub(crate) async fn site(options: &Options) -> Result<Site, String> {
    let clock = options.now.map(FakeClock::at);
    let setup = Setup { clock: clock.clone(), ..Setup::default() };
    let clock = move || clock.as_ref().map_or_else(|| SystemClock.now(), FakeClock::now);
    match &options.factory {
        FactoryUrl::SignedCookie => signed_cookie(options, setup),
        FactoryUrl::Memory => stored(options, MemoryStore::builder().clock(clock).build(), setup),
        FactoryUrl::Sqlite(path) => {
            let sqlite = SqliteStore::options(path).clock(clock);
            // Its writer looks at the clock after it has answered: by then a visitor may have moved it on.
            let sqlite = if options.now.is_some() { sqlite.sweep_every(None) } else { sqlite };
            let sqlite = match options.stored.durability {
                Some(durability) => sqlite.durability(durability),
                None => sqlite,
            };
            stored(options, sqlite.open().map_err(|error| error_chain(&error))?, setup)
        }
        FactoryUrl::Redis(url) => {
            let redis = RedisStore::options(url).clock(clock);
            let redis = match &options.stored.prefix {
                Some(prefix) => redis.prefix(prefix),
                None => redis,
            };
            let redis = match options.stored.replicas {
                Some(replicas) => redis.wait_for_replicas(replicas, REPLICATION),
                None => redis,
            };
            stored(options, redis.connect().await.map_err(|error| error_chain(&error))?, setup)
        }
        FactoryUrl::Postgres(url) => sql(PostgresStore::options(url), options, setup).await,
        FactoryUrl::MySql(url) => sql(MySqlStore::options(url), options, setup).await,
        FactoryUrl::Memcached(url) => {
            let memcached = MemcachedStore::options(url).clock(clock);
            let memcached = match &options.stored.prefix {
                Some(prefix) => memcached.prefix(prefix),
                None => memcached,
            };
            let store = memcached.connect().await.map_err(|error| error_chain(&error))?;
            let (factory, setup) = factory(options, store, setup)?;
            Site::new(options, factory, setup).map_err(|error| error.to_string())
        }
    }
}

/// In a table that it makes itself.
async fn sql<D: Dialect>(
    store: SqlOptions<D>,
    options: &Options,
    setup: Setup,
) -> Result<Site, String> {
    let store = match &options.stored.prefix {
        Some(table) => store.table(table),
        None => store,
    };
    let store = store.connect().await.map_err(|error| error_chain(&error))?;
    store.create_table().await.map_err(|error| error_chain(&error))?;
    stored(options, store, setup)
}

/// The session in a signed cookie.
fn signed_cookie(options: &Options, setup: Setup) -> Result<Site, String> {
    let refused = setup.stats.clone();
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
    if let Some(clock) = setup.clock.clone() {
        builder = builder.clock(clock);
    }
    if let Some(seed) = options.random_seed {
        builder = builder.random(Foretold::new(seed));
    }
    let factory = builder.build().map_err(|error| error.to_string())?;
    Site::new(options, factory, setup).map_err(|error| error.to_string())
}

/// The session in a store that finds sessions by their owner.
fn stored<S: Index + Clone>(options: &Options, store: S, setup: Setup) -> Result<Site, String> {
    let (factory, setup) = factory(options, store, setup)?;
    let setup = Setup { owners: Some(Arc::new(factory.clone())), ..setup };
    Site::new(options, factory, setup).map_err(|error| error.to_string())
}

/// The session in a store.
fn factory<S: Store + Clone>(
    options: &Options,
    store: S,
    setup: Setup,
) -> Result<(StoredFactory<FaultyStore<S>>, Setup), String> {
    let (events, store) = (setup.stats.clone(), FaultyStore::new(store));
    for failing in &options.stored.faults {
        Faulty::fail(&store, *failing);
    }
    let namespace = options.stored.namespace.as_deref().unwrap_or("testbed");
    let mut builder = StoredFactory::builder(namespace, store.clone())
        .insecure_plain_http()
        .on_event(move |event| events.count_event(event));
    if let Some(idle) = options.idle {
        builder = builder.idle_limit(idle);
    }
    if let Some(absolute) = options.stored.absolute {
        builder = builder.absolute_limit(absolute);
    }
    if let Some(touch_after) = options.renew_after {
        builder = builder.touch_after(touch_after);
    }
    if let Some(renew_ticket) = options.stored.renew_ticket {
        // The longest grace that such an age allows, as far as there may be one.
        let grace = renew_ticket.unwrap_or(LONGEST_GRACE).min(LONGEST_GRACE);
        builder = builder.renew_every(renew_ticket).grace(grace);
    }
    if let Some(lease) = options.stored.flash_lease {
        builder = builder.flash_lease(lease);
    }
    if let Some(grace) = options.stored.csrf_grace {
        builder = builder.csrf_grace(grace);
    }
    if let Some(budget) = options.stored.io_timeout {
        builder = builder.io_timeout(budget);
    }
    if let Some(failures) = options.stored.fail_fast {
        builder = builder.fail_fast_after(failures);
    }
    if let Some(keep) = options.keep_on_error {
        builder = builder.keep_on_error(keep);
    }
    if let Some(policy) = options.stored.overwrite {
        builder = builder.on_overwrite(policy);
    }
    if let Some(clock) = setup.clock.clone() {
        builder = builder.clock(clock);
    }
    if let Some(seed) = options.random_seed {
        builder = builder.random(Foretold::new(seed));
    }
    let factory = builder.build().map_err(|error| error.to_string())?;
    Ok((factory, Setup { store: Some(Arc::new(store)), ..setup }))
}

/// The error with its causes, in one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
