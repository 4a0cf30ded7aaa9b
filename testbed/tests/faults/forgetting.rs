//! A Redis that forgets: everybody is anonymous once, logs in again, and nothing errs for good.

use cloakroom_engines::Redis;

use crate::users::while_users_work;
use crate::{BUDGET, behind_proxy};

const ROUNDS: usize = 20;

#[test]
fn s77_a_redis_that_is_emptied_makes_visitors_anonymous_and_nothing_errs() {
    let redis = Redis::start().unwrap();
    let (_proxy, service) = behind_proxy(&redis.url(), "--io-timeout never");
    while_users_work(&service, |users| {
        for _ in 0..ROUNDS {
            let empty = || assert_eq!(redis.command(&["FLUSHALL"]), "OK");
            users.are_forgotten_once(empty);
        }
        assert_eq!(users.refused(), 0, "it was there all the time");
    });
}

#[test]
fn s77_a_redis_without_persistence_that_restarts_makes_visitors_anonymous() {
    let mut redis = Redis::start().unwrap();
    let (_proxy, service) = behind_proxy(&redis.url(), BUDGET);
    while_users_work(&service, |users| {
        for _ in 0..3 {
            users.are_forgotten_once(|| redis.restart().unwrap());
        }
    });
}
