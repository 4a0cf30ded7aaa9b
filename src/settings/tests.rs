//! Settings from JSON and from the environment, the good and the bad.

use std::time::Duration;

use serde_json::json;

use super::*;

fn from_env(pairs: &[(&str, &str)]) -> Result<Settings, OpenError> {
    let pairs = [("namespace", "shop")].iter().chain(pairs);
    Settings::from_pairs(pairs.map(|(name, value)| ((*name).into(), (*value).into())))
}

fn complaint(settings: serde_json::Value) -> String {
    serde_json::from_value::<Settings>(settings).unwrap_err().to_string()
}

#[test]
fn the_environment_says_the_same_as_a_file() {
    let file: Settings = serde_json::from_value(json!({
        "namespace": "shop", "store": "memory:", "idle_limit": 600, "absolute_limit": "never", "io_timeout": 0.25,
        "connect_timeout": 0.5, "create_table": true, "max_connections": 7, "cookie_same_site": "strict",
    }))
    .unwrap();
    let environment = from_env(&[
        ("store", "memory:"),
        ("idle_limit", "600"),
        ("absolute_limit", "never"),
        ("io_timeout", "0.25"),
        ("connect_timeout", "0.5"),
        ("create_table", "true"),
        ("max_connections", "7"),
        ("cookie_same_site", "Strict"),
    ])
    .unwrap();
    for settings in [file, environment] {
        assert_eq!(settings.namespace.as_deref(), Some("shop"));
        assert_eq!(settings.store.url, "memory:");
        assert_eq!(settings.idle_limit, Some(Some(Duration::from_secs(600))));
        assert_eq!(settings.absolute_limit, Some(None));
        assert_eq!(settings.io_timeout, Some(Some(Duration::from_millis(250))));
        assert_eq!(settings.store.connect_timeout, Some(Duration::from_millis(500)));
        assert_eq!((settings.store.create_table, settings.store.max_connections), (true, Some(7)));
        assert_eq!(settings.cookie.same_site, Some(SameSite::Strict));
    }
}

#[test]
fn the_guide_s_settings_in_toml_are_read() {
    let guide = include_str!("../../guide/src/settings.md");
    let toml = guide.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let settings: Settings = toml::from_str(toml).unwrap();
    assert_eq!(
        (&*settings.store.url, settings.namespace.as_deref(), settings.store.prefix.as_deref()),
        ("redis://127.0.0.1", Some("shop"), Some("shop:"))
    );
    assert_eq!(settings.idle_limit, Some(Some(Duration::from_secs(1200))));
    assert_eq!(settings.absolute_limit, Some(None));
    assert_eq!(settings.cookie.same_site, Some(SameSite::Strict));
    let error = toml::from_str::<Settings>("store = \"memory:\"\nidle_limits = 1").unwrap_err();
    assert!(error.to_string().contains("did you mean `idle_limit`?"), "{error}");
}

#[test]
fn every_name_is_a_setting_and_an_unknown_one_is_told_the_nearest() {
    for name in NAMES {
        let complaint = complaint(json!({ name: [] }));
        assert!(!complaint.contains("unknown"), "{complaint}");
    }
    for (name, meant) in [("idle_limt", "idle_limit"), ("cookie_samesite", "cookie_same_site")] {
        let complaint = complaint(json!({ name: 1 }));
        assert!(complaint.contains(&format!("did you mean `{meant}`?")), "{complaint}");
        let error = from_env(&[(name, "1")]).unwrap_err().to_string();
        assert!(error.contains(&format!("did you mean `{meant}`?")), "{error}");
    }
    let error = from_env(&[("store", "memory:"), ("io_timeout", "soon")]).unwrap_err().to_string();
    assert!(error.starts_with("setting `io_timeout`: \"soon\" is not a number"), "{error}");
    let complaint = complaint(json!({"colour": "red"}));
    assert!(complaint.contains("there are namespace, store, prefix"), "{complaint}");
}

#[test]
fn a_value_that_is_none_is_said_with_what_would_be_one() {
    for (name, value, expected) in [
        ("idle_limit", json!(-1), "a number of seconds"),
        ("idle_limit", json!("soon"), "a number of seconds"),
        ("idle_limit", json!(true), "a number of seconds"),
        ("max_connections", json!(0), "above 0"),
        ("max_connections", json!("0"), "above 0"),
        ("fail_fast_after", json!(0), "or \"never\""),
        ("connect_timeout", json!("never"), "a number of seconds above 0"),
        ("connect_timeout", json!(0), "a number of seconds above 0"),
        ("max_connections", json!(1.5), "above 0"),
        ("create_table", json!("yes"), "true or false"),
        ("cookie_same_site", json!("loose"), "strict, lax or none"),
    ] {
        let complaint = complaint(json!({"namespace": "shop", "store": "memory:", name: value}));
        assert!(complaint.contains(expected), "{name}: {complaint}");
    }
    assert!(complaint(json!({"store": "memory:"})).contains("`namespace` is missing"));
    assert!(complaint(json!({"namespace": "shop"})).contains("`store` is missing"));
    let error = Settings::from_pairs([("store".into(), "memory:".into())].into_iter());
    assert!(error.unwrap_err().to_string().contains("`namespace` is missing"));
    let error = from_env(&[("store", "memory:"), ("connect_timeout", "never")]).unwrap_err();
    assert!(matches!(error, OpenError::Environment(_)), "{error}");
}

#[tokio::test]
async fn what_is_set_is_what_the_factory_does() {
    let settings = from_env(&[("store", "memory:"), ("cookie_name", "id"), ("idle_limit", "60")]);
    let factory = settings.unwrap().open().await.unwrap();
    assert_eq!(factory.store().scheme(), "memory");
    let shown = format!("{factory:?}");
    assert!(shown.contains("\"id\"") && shown.contains("60s"), "{shown}");

    let refused = from_env(&[("store", "memory:"), ("cookie_secure", "false")]).unwrap().open();
    assert!(matches!(refused.await, Err(OpenError::Config(_))), "__Host- asks for Secure");
}

#[tokio::test]
async fn r54_what_cannot_be_served_is_said_before_any_store_is_opened() {
    for (name, value, expected) in [
        ("idle_limit", json!(0), "idle limit is zero"),
        ("absolute_limit", json!(1e-9), "absolute limit is zero"),
        ("io_timeout", json!(0), "io_timeout is zero"),
        ("sweep_every", json!("0"), "sweep_every is zero"),
        ("touch_after", json!(1200), "touch_after is not shorter"),
        ("renew_every", json!(0), "renew_every is zero"),
        ("renew_every", json!(29), "renew_every is shorter than the grace"),
        ("cookie_max_age", json!(0), "Max-Age"),
        ("cookie_domain", json!("https://a.example"), "Domain"),
    ] {
        // Nobody answers there.
        let settings = json!({"namespace": "shop", "store": "redis://127.0.0.1:1", "cookie_name": "id", name: value});
        let settings: Settings = serde_json::from_value(settings).unwrap();
        let error = settings.open().await.unwrap_err();
        let is_config = matches!(error, OpenError::Config(_));
        assert!(is_config && error.to_string().contains(expected), "{name}: {error}");
    }
}

#[tokio::test]
async fn never_is_served_wherever_it_can_be_said() {
    for name in [
        "io_timeout",
        "fail_fast_after",
        "sweep_every",
        "idle_limit",
        "absolute_limit",
        "touch_after",
        "renew_every",
        "cookie_max_age",
    ] {
        let settings = from_env(&[("store", "memory:"), (name, "never")]).unwrap();
        assert!(settings.open().await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_url_of_no_store_says_which_there_are_and_shows_no_password() {
    let error = open("shop", "reddis://ada:hunter2@localhost").await.unwrap_err().to_string();
    assert!(error.contains("redis") && !error.contains("hunter2"), "{error}");
    let settings = Settings::new("shop", "redis://ada:hunter2@localhost");
    assert!(!format!("{settings:?}").contains("hunter2"));
}
