//! A Redis without persistence, and its replica.

use cloakroom_engines::Redis;

use super::scene::{Fault, Harm, Scene};
use super::{network, rage};
use crate::users::until;

/// Those who visit, who may do all that their store needs.
const VISITORS: &str = "storm";

/// Two of them, one of which follows the other.
struct Pair {
    redis: [Redis; 2],
    master: usize,
}

#[test]
fn s77_redis_gives_nobody_a_wrong_answer_and_recovers_from_all_of_it() {
    let redis = [Redis::start().unwrap(), Redis::start().unwrap()];
    let pair = Pair { redis, master: 0 };
    pair.redis.iter().for_each(let_in);
    pair.follow();
    let url = pair.master().url().replace("://", &format!("://{VISITORS}:any@"));
    let faults = network::and([
        Fault::new("demoted", demote).harm(Harm::Undoes(replicate)),
        Fault::new("restarted, all forgotten", restart).harm(Harm::Forgets),
        Fault::new("emptied", |scene| scene.master().is_ok("FLUSHALL")).harm(Harm::Forgets),
        Fault::new("memory full", |scene| scene.between("maxmemory", "1", "0")),
        Fault::new("too few replicas", |scene| scene.between("min-replicas-to-write", "5", "0")),
        Fault::new("rights taken", |scene| scene.with_user("-@write -@scripting", "+@all")),
        Fault::new("user turned off", |scene| {
            let user = format!("ACL SETUSER {VISITORS} off");
            scene.master().is_ok(&user);
            scene.hang_up();
            scene.last();
            let_in(scene.master());
        }),
        Fault::new("connections killed", Scene::hang_up),
        Fault::new("does not run", |scene| {
            scene.master().pause();
            scene.last();
            scene.master().resume();
        }),
        Fault::new("clients paused", |scene| {
            scene.master().is_ok(&format!("CLIENT PAUSE {} ALL", scene.span.as_millis()));
            scene.last();
            scene.master().is_ok("CLIENT UNPAUSE");
        }),
        Fault::new("scripts forgotten", |scene| scene.master().is_ok("SCRIPT FLUSH")),
    ]);
    rage(pair, &url, faults);
}

trait Command {
    fn is_ok(&self, command: &str);
}

impl Command for Redis {
    /// Tries again, since a server that has just come back may not answer at once.
    fn is_ok(&self, command: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        until(command, || self.command(&words) == "OK");
    }
}

impl Pair {
    fn master(&self) -> &Redis {
        &self.redis[self.master]
    }

    fn replica(&self) -> &Redis {
        &self.redis[1 - self.master]
    }

    fn follow(&self) {
        self.master().is_ok("REPLICAOF NO ONE");
        self.replica().is_ok(&format!("REPLICAOF 127.0.0.1 {}", self.master().port()));
    }
}

impl Scene<Pair> {
    fn master(&self) -> &Redis {
        self.engine.master()
    }

    fn hang_up(&mut self) {
        // How many there were.
        let _ = self.master().command(&["CLIENT", "KILL", "USER", VISITORS]);
    }

    /// A setting that is otherwise for a while.
    fn between(&self, setting: &str, bad: &str, good: &str) {
        self.master().is_ok(&format!("CONFIG SET {setting} {bad}"));
        self.last();
        self.master().is_ok(&format!("CONFIG SET {setting} {good}"));
    }

    /// Rights that are others for a while.
    fn with_user(&self, bad: &str, good: &str) {
        self.master().is_ok(&format!("ACL SETUSER {VISITORS} {bad}"));
        self.last();
        self.master().is_ok(&format!("ACL SETUSER {VISITORS} {good}"));
    }
}

/// A server knows its users, and keeps what it has when its memory is full.
fn let_in(redis: &Redis) {
    redis.is_ok(&format!("ACL SETUSER {VISITORS} on nopass ~* &* +@all"));
    redis.is_ok("CONFIG SET maxmemory-policy noeviction");
}

/// The replica takes the master's place, which stays up, with its connections; a little later the name leads there.
fn demote(scene: &mut Scene<Pair>) {
    scene.engine.master = 1 - scene.engine.master;
    scene.engine.follow();
    scene.last();
    let url = scene.master().url();
    scene.networks.iter().for_each(|network| network.lead_to(&url));
}

/// Waits until the replica has all that the master has now.
fn replicate(scene: &Scene<Pair>) {
    let number = |name: &str| -> Option<u64> {
        let info = scene.master().command(&["INFO", "replication"]);
        let (_, rest) = info.split_once(name)?;
        rest.split([',', '\r']).next()?.parse().ok()
    };
    let mut all = None;
    until("the master says how far it is", || {
        all = number("master_repl_offset:");
        all.is_some()
    });
    until("the replica has it", || number(",offset=") >= all);
    until("it is not in the middle of all", || {
        scene.engine.replica().command(&["INFO", "replication"]).contains("master_link_status:up")
    });
}

/// With nothing in it, and without those who visit until they are let in.
fn restart(scene: &mut Scene<Pair>) {
    let master = scene.engine.master;
    scene.engine.redis[master].restart().unwrap();
    let_in(scene.master());
}
