//! What a URL may say, before anything is connected.

use super::*;
use crate::store::StoreErrorKind;

fn refused(url: &str) -> String {
    let error = match AnyStore::options(url).open_in_background() {
        Ok(store) => panic!("{store:?}"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), StoreErrorKind::Rejected, "{url}");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    error.causes()
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn r54_what_a_url_says_of_a_file_is_done_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db").display().to_string();
    for parameters in ["", "?", "?durability=fast", "?durability=durable"] {
        let url = format!("sqlite:{path}{parameters}");
        assert_eq!(AnyStore::open(&url).await.unwrap().scheme(), "sqlite", "{url}");
    }
    for parameters in ["?mode=rwc", "?durability=none", "?durability=fast&cache=shared"] {
        let said = refused(&format!("sqlite:{path}{parameters}"));
        assert!(said.contains("durability"), "{said}");
    }
    let mut files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    assert!(!files.any(|file| file.display().to_string().contains('?')), "it is no name");
    assert!(AnyStore::open("sqlite::memory:").await.is_err());
    assert!(refused("sqlite:").contains("path"));
}

#[tokio::test]
async fn r54_what_is_wrong_in_a_url_is_said_before_anything_is_connected() {
    assert!(refused("memory:?size=3").contains("nothing after it"));
    assert!(refused("mongodb://hush@host").contains("memcached"));
    assert!(refused("hush").contains("postgres"));
    #[cfg(feature = "redis")]
    assert!(refused("valkey://:hush@host?dbb=2").contains("`dbb`"));
    #[cfg(feature = "postgres")]
    {
        assert!(refused("postgres://ada:hush@host/db?sslmod=require").contains("`sslmod`"));
        assert!(refused("postgresql://ada:hush@host/db?sslmode=perhaps").contains("setting in it"));
    }
    #[cfg(feature = "mysql")]
    assert!(refused("mysql://ada:hush@host/db?ssl_mode=required").contains("`ssl_mode`"));
    #[cfg(feature = "memcached")]
    assert!(refused("memcached://host?weight=3").contains("`weight`"));
}
