//! An engine that is restarted under load: what it had acknowledged it still has.

use super::Engine;
use crate::users::while_users_work;
use crate::{BUDGET, behind_proxy};

#[test]
fn s73_s77_a_restart_of_the_engine_loses_nothing() {
    let mut engine = Engine::start().unwrap();
    let (_proxy, service) = behind_proxy(&engine.url(), BUDGET);
    while_users_work(&service, |users| {
        for _ in 0..3 {
            let before = users.refused();
            engine.restart().unwrap();
            users.are_all_served();
            assert!(users.refused() > before, "nobody noticed");
        }
    });
}
