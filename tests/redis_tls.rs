//! Redis by an encrypted connection: a certificate that is trusted, and one that is not.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::fs;

use cloakroom::Timestamp;
use cloakroom::store::{
    AnyStore, Created, Record, RedisStore, Store, StoreErrorKind, StoreKey, Version,
};
use cloakroom_engines::Redis;
use tempfile::TempDir;

/// A server with a certificate that it signed itself, in PEM.
fn server() -> (Redis, String, String, TempDir) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("certificate"), made.cert.pem()).unwrap();
    fs::write(path("key"), made.signing_key.serialize_pem()).unwrap();
    let (redis, url) = Redis::encrypted(&path("certificate"), &path("key")).unwrap();
    (redis, url, made.cert.pem(), folder)
}

#[tokio::test]
async fn a_certificate_that_is_trusted_is_accepted() {
    let (_redis, url, certificate, _folder) = server();
    let store = RedisStore::options(&url).root_certificate(certificate).connect().await.unwrap();
    let (key, end) = (StoreKey::from_bytes([1; 16]), Timestamp::from_secs(4_102_444_800));
    let created = store.create(&key, &Record::new(&b"data"[..], end, None)).await.unwrap();
    assert_eq!(created, Created::Done(Version::FIRST));
    assert!(store.load(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn one_that_nobody_vouches_for_is_refused() {
    let (_redis, url, _, _folder) = server();
    let error = RedisStore::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    let (_other, _, certificate, _) = server();
    let others = RedisStore::options(&url).root_certificate(certificate).connect().await;
    assert_eq!(others.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_root_certificate_that_is_none_is_refused_with_words() {
    let (_redis, url, ..) = server();
    let error = RedisStore::options(&url).root_certificate("no PEM").connect().await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.kind(), StoreErrorKind::Rejected, "{source}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_of_ours_is_shown_it() {
    let (redis, url, certificate, folder) = server();
    assert_eq!(redis.command(&["CONFIG", "SET", "tls-auth-clients", "yes"]), "OK");
    // The server trusts what it was started with.
    let key = fs::read_to_string(folder.path().join("key")).unwrap();
    let options = || RedisStore::options(&url).root_certificate(certificate.clone());
    let without = options().connect().await.unwrap_err();
    assert_eq!(without.kind(), StoreErrorKind::Unavailable, "{without:?}");
    options().client_certificate(certificate.clone(), key.clone()).connect().await.unwrap();

    let path = |name: &str| folder.path().join(name).display().to_string();
    let files = format!("sslrootcert={0}&sslcert={0}&sslkey={1}", path("certificate"), path("key"));
    AnyStore::open(&format!("{url}?{files}")).await.unwrap();
    for (parameters, words) in [
        (format!("sslcert={}", path("certificate")), "sslkey"),
        (format!("sslrootcert={}", path("key")), "BEGIN CERTIFICATE"),
        (format!("sslcert={0}&sslkey={0}", path("certificate")), "BEGIN PRIVATE KEY"),
        ("sslrootcert=/no/such/file".to_owned(), "/no/such/file"),
    ] {
        let error = AnyStore::open(&format!("{url}?{parameters}")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected, "{parameters}");
        assert!(format!("{error:?}").contains(words), "{error:?}");
        assert!(!format!("{error:?}").contains(&key), "nothing of the key is shown");
    }
    let plain = RedisStore::options(&redis.url()).root_certificate(certificate).connect().await;
    assert!(format!("{:?}", plain.unwrap_err()).contains("rediss://"));
}
