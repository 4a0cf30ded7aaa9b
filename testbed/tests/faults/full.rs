//! A Redis without memory: writes are refused, reads go on, and nothing of a session is lost.

use cloakroom_engines::Redis;
use serde_json::json;

use cloakroom_testbed::Connection;

use crate::users::while_users_work;
use crate::{BUDGET, behind_proxy};

#[test]
fn s78_a_full_redis_refuses_writes_and_loses_nothing() {
    let redis = Redis::start().unwrap();
    let (_proxy, service) = behind_proxy(&redis.url(), BUDGET);
    let set = |name, value| {
        assert_eq!(redis.command(&["CONFIG", "SET", name, value]), "OK");
    };
    set("maxmemory-policy", "noeviction");
    let connection = &mut Connection::to(&service);
    let login = connection.post("/login", "", &json!({"user": "ada"}));
    let ticket = login.set_cookie().unwrap().value;
    while_users_work(&service, |users| {
        set("maxmemory", "1");
        users.are_all_refused();
        // Their reads.
        users.are_all_served();
        for path in ["/add", "/renew", "/login"] {
            let body = json!({"key": "n", "by": 1, "user": "eve"});
            let answer = connection.post(path, &ticket, &body);
            assert_eq!(answer.error(), (503, "store".into()), "{path}");
            assert_eq!(answer.set_cookie(), None, "{path}");
        }
        let values = connection.get("/all", &ticket).json();
        assert_eq!(values, json!({"values": {"user": "ada"}}));
        set("maxmemory", "0");
    });
    // What frees memory is no write: a logout works at any time.
    set("maxmemory", "1");
    assert_eq!(connection.post("/logout", &ticket, &json!({})).status, 200);
    assert_eq!(connection.get("/all", &ticket).json(), json!({"values": {}}));
}
