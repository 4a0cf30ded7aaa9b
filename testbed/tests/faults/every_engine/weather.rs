//! The network between the service and its engine: slow, silent, cut off. Nobody gets a wrong answer, nobody waits
//! longer than the budget, and when it clears up everybody is served again.

use std::time::Duration;

use serde_json::json;

use cloakroom_engines::Weather;
use cloakroom_testbed::{Connection, Service};

use super::url;
use crate::users::{until, while_users_work};
use crate::{BUDGET, behind_proxy};

/// How often the weather changes, where a change is what hurts.
const ROUNDS: usize = 20;

/// A page that uses no session is there at once, and asks the store nothing.
fn assert_pages_without_session_do_not_notice(service: &Service) {
    let connection = &mut Connection::to(service);
    for _ in 0..20 {
        assert_eq!(connection.get("/none", "").status, 200);
        assert_eq!(connection.get("/all", "").json(), json!({"values": {}}), "without a ticket");
    }
}

#[test]
fn s75_s77_an_engine_that_is_slow_gives_nobody_anothers_answer() {
    let (proxy, service) = behind_proxy(&url(), BUDGET);
    while_users_work(&service, |users| {
        proxy.set(Weather::Delay(Duration::from_millis(50)));
        users.are_all_served();
        // Answers come after their questions were given up.
        proxy.set(Weather::Delay(Duration::from_millis(1_200)));
        users.are_all_refused();
        assert_pages_without_session_do_not_notice(&service);
        proxy.set(Weather::Fair);
        users.are_all_served();
    });
}

#[test]
fn s75_s77_an_engine_that_is_silent_is_given_up_until_it_speaks_again() {
    let (proxy, service) = behind_proxy(&url(), BUDGET);
    while_users_work(&service, |users| {
        for _ in 0..2 {
            proxy.set(Weather::Stall);
            assert_pages_without_session_do_not_notice(&service);
            // Each has his answers before anything passes again.
            users.are_all_refused();
            proxy.set(Weather::Fair);
            users.are_all_served();
        }
    });
}

#[test]
fn s75_a_silent_engine_is_not_asked_by_pages_without_a_session() {
    let (proxy, service) = behind_proxy(&url(), "--io-timeout never");
    let mut hanging = Connection::to(&service);
    let login = hanging.post("/login", "", &json!({"user": "ada"}));
    let ticket = login.set_cookie().unwrap().value;
    proxy.set(Weather::Stall);
    let cookie = format!("cookie: session={ticket}\r\n");
    hanging.send("GET", "/all", &cookie, "").unwrap();
    let connection = &mut Connection::to(&service);
    let mut calls = || connection.get("/stats", "").json()["store_calls"].clone();
    until("it hangs", || calls()["load"] != json!(0));
    let before = calls();
    assert_pages_without_session_do_not_notice(&service);
    assert_eq!(Connection::to(&service).get("/none", &ticket).status, 200);
    assert_eq!(calls(), before);
    proxy.set(Weather::Fair);
    hanging.receive("GET").unwrap();
}

#[test]
fn s75_s77_connections_that_are_lost_are_made_anew() {
    let (proxy, service) = behind_proxy(&url(), BUDGET);
    while_users_work(&service, |users| {
        // What is lost each time must not add up.
        for _ in 0..6 {
            // So that there is always a call on its way.
            proxy.set(Weather::Delay(Duration::from_millis(40)));
            users.are_all_served();
            proxy.set(Weather::Lose);
            users.is_one_refused();
            assert_pages_without_session_do_not_notice(&service);
            proxy.set(Weather::Fair);
            users.are_all_served();
        }
    });
}

#[test]
fn s74_s77_an_answer_that_is_cut_off_is_no_answer() {
    let (proxy, service) = behind_proxy(&url(), BUDGET);
    while_users_work(&service, |users| {
        for _ in 0..ROUNDS {
            proxy.set(Weather::ResetMidReply);
            users.is_one_refused();
            proxy.set(Weather::Fair);
            users.are_all_served();
        }
    });
}

#[test]
fn s73_s77_an_engine_that_cannot_be_reached_is_no_empty_session() {
    let (proxy, service) = behind_proxy(&url(), BUDGET);
    while_users_work(&service, |users| {
        for _ in 0..3 {
            proxy.set(Weather::Refuse);
            users.are_all_refused();
            assert_pages_without_session_do_not_notice(&service);
            proxy.set(Weather::Fair);
            users.are_all_served();
        }
    });
}
