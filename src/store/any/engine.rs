//! The stores that a URL may name, behind one type.

use std::sync::Arc;

use super::later::Later;
use super::{AnyStore, MemoryStore};
use crate::store::{Result, Sweep};
use crate::time::Timestamp;

/// The one list of them: the type of all, what a URL of each begins with, and how each becomes any store.
macro_rules! engines {
    ($($(#[$feature:meta])? $variant:ident($store:ty): $scheme:literal,)*) => {
        /// A store of this crate.
        #[derive(Debug, Clone)]
        pub(super) enum Engine {
            $($(#[$feature])? $variant($store),)*
        }

        impl Engine {
            pub(super) const fn scheme(&self) -> &'static str {
                match self {
                    $($(#[$feature])? Self::$variant(_) => $scheme,)*
                }
            }
        }

        $(
            $(#[$feature])?
            impl From<$store> for Engine {
                fn from(store: $store) -> Self {
                    Self::$variant(store)
                }
            }

            $(#[$feature])?
            impl From<$store> for AnyStore {
                fn from(store: $store) -> Self {
                    Engine::from(store).into()
                }
            }
        )*
    };
}

engines! {
    Memory(MemoryStore): "memory",
    #[cfg(feature = "sqlite")]
    Sqlite(crate::store::SqliteStore): "sqlite",
    #[cfg(feature = "redis")]
    Redis(crate::store::RedisStore): "redis",
    #[cfg(feature = "postgres")]
    Postgres(crate::store::PostgresStore): "postgres",
    #[cfg(feature = "mysql")]
    MySql(crate::store::MySqlStore): "mysql",
    #[cfg(feature = "memcached")]
    Memcached(crate::store::MemcachedStore): "memcached",
}

/// The same call on whichever store it is; or, on one that finds nothing but by key, an error.
macro_rules! on_each {
    ($engine:expr, $store:ident => $call:expr) => {
        on_each!($engine, $store => $call, memcached $store => $call)
    };
    ($engine:expr, $store:ident => $call:expr, by_key_only) => {
        on_each!($engine, $store => $call, memcached _store => Err(super::any::engine::by_key_only()))
    };
    ($engine:expr, $store:ident => $call:expr, memcached $memcached:ident => $otherwise:expr) => {
        match $engine {
            Engine::Memory($store) => $call,
            #[cfg(feature = "sqlite")]
            Engine::Sqlite($store) => $call,
            #[cfg(feature = "redis")]
            Engine::Redis($store) => $call,
            #[cfg(feature = "postgres")]
            Engine::Postgres($store) => $call,
            #[cfg(feature = "mysql")]
            Engine::MySql($store) => $call,
            #[cfg(feature = "memcached")]
            Engine::Memcached($memcached) => $otherwise,
        }
    };
}
pub(super) use on_each;

#[cfg(feature = "memcached")]
pub(super) fn by_key_only() -> crate::store::StoreError {
    crate::store::rejected(
        "memcached finds nothing but by key: it cannot list, nor end, all sessions of an owner",
    )
}

impl From<Engine> for AnyStore {
    fn from(engine: Engine) -> Self {
        Self(Arc::new(Later::opened(engine)))
    }
}

impl Engine {
    pub(super) async fn create_table(&self) -> Result<()> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.create_table().await,
            #[cfg(feature = "mysql")]
            Self::MySql(store) => store.create_table().await,
            _ => Ok(()),
        }
    }

    pub(super) async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize> {
        match self {
            Self::Memory(store) => store.sweep(now, limit).await,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => store.sweep(now, limit).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.sweep(now, limit).await,
            #[cfg(feature = "mysql")]
            Self::MySql(store) => store.sweep(now, limit).await,
            #[cfg(feature = "redis")]
            Self::Redis(_) => Ok(0),
            #[cfg(feature = "memcached")]
            Self::Memcached(_) => Ok(0),
        }
    }
}
