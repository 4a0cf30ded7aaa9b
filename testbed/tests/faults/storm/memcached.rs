//! A memcached, which keeps nothing over its end.

use cloakroom_engines::Memcached;

use super::scene::{Fault, Harm, Scene};
use super::{network, rage};

#[test]
fn s77_memcached_gives_nobody_a_wrong_answer_and_recovers_from_all_of_it() {
    let memcached = Memcached::start().unwrap();
    let url = memcached.url();
    let restart = |scene: &mut Scene<Memcached>| scene.engine.restart().unwrap();
    let faults = network::and([
        Fault::new("restarted, all forgotten", restart).harm(Harm::Forgets),
        Fault::new("emptied", |scene: &mut Scene<Memcached>| {
            let answer = scene.engine.command("flush_all", &["OK"]);
            assert_eq!(answer, "OK\r\n");
        })
        .harm(Harm::Forgets),
    ]);
    rage(memcached, &url, faults);
}
