//! The testbed itself: its options, its answers to what it does not have, its end.

use serde_json::json;

use cloakroom_testbed::{Service, Visitor};

use crate::{command, visitor};

/// What it says on stderr when it does not start: one line, with status 2.
fn refusal(options: &[&str]) -> String {
    let output = command("").args(options).output().expect("the testbed can be started");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{options:?}: {said}");
    assert_eq!((said.lines().count(), output.stdout.len()), (1, 0), "{options:?}: {said}");
    said
}

#[test]
fn r54_what_cannot_be_served_is_said_at_the_start() {
    for (options, word) in [
        (["--adapter", "rocket"], "unknown"),
        (["--factory", "encrypted-cookie:hunter2"], "not built yet"),
        (["--factory", "redis://me:hunter2@127.0.0.1:1"], "cannot be reached"),
        (["--factory", "redis+cluster://me:hunter2@127.0.0.1:1"], "cannot be reached"),
        (["--factory", "mysql://me:hunter2@127.0.0.1:1/x"], "session store"),
        (["--factory", "memcached://me:hunter2@127.0.0.1:1"], "no URL of memcached"),
        (["--factory", "floppy:"], "unknown"),
        (["--factory", "signed-cookie:x"], "nothing more"),
        (["--factory", "memory:x"], "nothing more"),
        (["--factory", "sqlite:"], "needs the path"),
        (["--factory", "sqlite:/no/such/folder/file"], "session store"),
        (["--idle", "soon"], "not whole seconds"),
        (["--idle", "-1"], "not whole seconds"),
        (["--renew-after", "1.5"], "not whole seconds"),
        (["--now", "NaN"], "not a time"),
        (["--random-seed", "often"], "not a whole number"),
        (["--keep-on-error", "perhaps"], "neither true nor false"),
        (["--absolute", "60"], "for sessions in a store"),
        (["--io-timeout", "100"], "for sessions in a store"),
        (["--overwrite", "never"], "unknown, one of refuse last-wins"),
        (["--io-fault", "load=burn"], "not CALL=FAULT"),
        (["--csrf", "perhaps"], "unknown, one of off token origin all"),
        (["--origin", "example.org"], "is not an origin"),
        (["--colour", "blue"], "unknown option --colour"),
    ] {
        let said = refusal(&options);
        assert!(said.contains(word) && !said.contains("hunter2"), "{options:?}: {said}");
    }
    assert!(refusal(&["--idle"]).contains("needs a value"));
}

#[test]
fn r53_s38_a_secret_that_can_be_guessed_is_refused_without_showing_it() {
    for secret in ["hunter2", "", &"ab".repeat(40)] {
        let said = refusal(&["--secret", secret]);
        assert!(said.contains("openssl rand"), "{said}");
        assert!(secret.is_empty() || !said.contains(secret), "{said}");
    }
}

#[test]
fn r54_what_the_store_cannot_have_is_said_too() {
    for (options, word) in [
        ("--factory memory: --durability fast", "--durability is for sqlite:"),
        ("--factory memory: --replicas 1", "--replicas is for Redis"),
        ("--factory redis://127.0.0.1 --replicas all", "not a number of replicas"),
        ("--factory memory: --idle 0", "limit is zero"),
        ("--idle 0", "timeout is zero"),
        ("--factory memory: --renew-ticket 0", "renew_every is zero"),
        ("--factory memory: --io-timeout soon", "not whole milliseconds"),
    ] {
        let said = refusal(&options.split(' ').collect::<Vec<_>>());
        assert!(said.contains(word), "{options}: {said}");
    }
}

#[test]
fn the_options_that_name_what_is_built_are_taken() {
    for options in [
        "--adapter axum --factory signed-cookie: --listen 127.0.0.1:0",
        "--factory memory: --absolute 60 --renew-ticket 10 --flash-lease 5 --overwrite refuse",
        "--factory sqlite: --durability durable --io-timeout never --io-fault touch=lost,load=hang",
    ] {
        assert_eq!(visitor(options).get("/none").json(), json!({}), "{options}");
    }
}

#[test]
fn what_a_signed_cookie_cannot_have_is_said() {
    let mut visitor = visitor("");
    assert_eq!(visitor.get("/mine").error(), (501, "not_available".into()));
    for path in ["/revoke-others", "/revoke-all", "/clock", "/fault"] {
        let answer = visitor.post(path, &json!({"user": "ada", "advance": 1}));
        assert_eq!(answer.error(), (501, "not_available".into()), "{path}");
    }
    let answer = visitor.post("/login", &json!({"user": "ada"}));
    assert_eq!(answer.error(), (500, "not_supported".into()));
    assert_eq!(visitor.get("/all").json(), json!({"values": {}}));
}

#[test]
fn what_memcached_cannot_have_is_said() {
    let mut visitor = visitor("--factory memcached:");
    assert_eq!(visitor.post("/login", &json!({"user": "ada"})).status, 200);
    assert_eq!(visitor.get("/mine").error(), (501, "not_available".into()));
    for path in ["/revoke-others", "/revoke-all"] {
        let answer = visitor.post(path, &json!({"user": "ada"}));
        assert_eq!(answer.error(), (501, "not_available".into()), "{path}");
    }
    assert_eq!(visitor.get("/all").json(), json!({"values": {"user": "ada"}}));
}

#[test]
fn bad_input_is_an_error_in_json_too() {
    let mut visitor = visitor("");
    assert_eq!(visitor.get("/nowhere").error(), (404, "not_found".into()));
    for body in ["", "{", "[]", r#"{"key": 1, "value": 1}"#] {
        assert_eq!(visitor.post_text("/set", body).error(), (400, "bad_request".into()), "{body}");
    }
    assert_eq!(visitor.get("/get").error(), (400, "bad_request".into()));
    let then = json!({"route": "/nowhere"});
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then}));
    assert_eq!(answer.error(), (400, "bad_request".into()));
}

#[test]
fn sigterm_ends_it_after_the_requests_in_flight() {
    let mut service = Service::start(&mut command(""));
    let answer = std::thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let then = json!({"route": "/set", "body": {"key": "a", "value": 1}});
            Visitor::new(&service).post("/slow", &json!({"sleep_ms": 500, "then": then}))
        });
        // Asked on another connection until there has been one request besides these: the slow one.
        let mut other = Visitor::new(&service);
        let mut asked = 1;
        while other.get("/stats").json()["requests"] != json!(asked + 1) {
            asked += 1;
        }
        service.terminate();
        slow.join().expect("the request was answered")
    });
    assert_eq!(answer.json(), json!({"previous": null}));
    assert!(service.wait().success());
}
