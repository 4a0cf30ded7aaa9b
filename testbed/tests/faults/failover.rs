//! A Redis that takes its master's place while users are at work: nobody gets another's session or an empty one, and
//! all go on with what the replica had. A logout that waits for replicas stays one.

use std::time::Duration;

use cloakroom_engines::{RedisCluster, RedisSentinels};
use serde_json::json;

use cloakroom_testbed::Connection;

use crate::users::{until, while_users_work};
use crate::{BUDGET, serve};

/// How long a cluster's node may be silent where others are to take its place by themselves.
const SILENCE: Duration = Duration::from_secs(2);

#[test]
fn s73_s77_a_master_of_a_cluster_that_is_killed_gives_nobody_a_wrong_answer() {
    let cluster = RedisCluster::start_with_timeout(SILENCE).unwrap();
    let service = serve(&cluster.url(), BUDGET);
    while_users_work(&service, |users| {
        let master = busiest(&cluster);
        let ask = |words: &[&str]| cluster.command(master, words);
        users.lose_a_master(|| wait_for_replica(ask), || cluster.kill(master));
    });
}

#[test]
fn s75_s77_a_master_of_a_cluster_that_is_silent_is_given_up_and_not_believed_later() {
    // Nobody takes a place unasked.
    let cluster = RedisCluster::start().unwrap();
    let service = serve(&cluster.url(), BUDGET);
    while_users_work(&service, |users| {
        let master = busiest(&cluster);
        let ask = |words: &[&str]| cluster.command(master, words);
        let replica = replica_of(&cluster, master);
        let replace = || {
            cluster.pause(master);
            // An answer although nobody could have given one.
            users.is_one_refused();
            assert_eq!(cluster.command(replica, &["CLUSTER", "FAILOVER", "TAKEOVER"]), "OK");
        };
        users.lose_a_master(|| wait_for_replica(ask), replace);
        cluster.resume(master);
        users.are_all_served();
    });
}

#[test]
fn s73_s77_a_master_of_sentinels_that_is_killed_gives_nobody_a_wrong_answer() {
    let trio = RedisSentinels::start().unwrap();
    let service = serve(&trio.url(), BUDGET);
    while_users_work(&service, |users| {
        let ask = |words: &[&str]| trio.master().command(words);
        users.lose_a_master(|| wait_for_replica(ask), || trio.master().kill());
    });
}

#[test]
fn s75_s77_a_master_of_sentinels_that_is_silent_is_given_up_and_not_believed_later() {
    let trio = RedisSentinels::start().unwrap();
    let service = serve(&trio.url(), BUDGET);
    while_users_work(&service, |users| {
        let ask = |words: &[&str]| trio.master().command(words);
        users.lose_a_master(|| wait_for_replica(ask), || trio.master().pause());
        trio.master().resume();
        users.are_all_served();
    });
}

#[test]
fn s77_a_logout_that_was_acknowledged_outlasts_its_master() {
    let trio = RedisSentinels::start().unwrap();
    let service = serve(&trio.url(), &format!("{BUDGET} --replicas 1"));
    let connection = &mut Connection::to(&service);
    let tickets: Vec<String> = (0..40).map(|number| login(connection, number)).collect();
    wait_for_replica(|words| trio.master().command(words));
    let (followed, alone) = tickets.split_at(tickets.len() / 2);
    let acknowledged = logged_out(connection, followed);
    assert!(!acknowledged.is_empty(), "no replica answers");
    // The replica goes to where nobody is, and the master does not know that it is on its own.
    assert_eq!(trio.replica().command(&["REPLICAOF", "127.0.0.1", "1"]), "OK");
    // Who tries again has nothing to remove any more, and is refused still.
    let tries = [logged_out(connection, alone), logged_out(connection, alone)];
    let acknowledged = [acknowledged, tries.concat()].concat();
    trio.master().kill();
    until("somebody is served again", || connection.get("/all", &tickets[0]).status == 200);
    for ticket in acknowledged {
        assert_eq!(connection.get("/all", ticket).json(), json!({"values": {}}), "it came back");
    }
}

/// The ticket of a user who has logged in.
fn login(connection: &mut Connection, number: usize) -> String {
    let login = connection.post("/login", "", &json!({"user": format!("user {number}")}));
    login.set_cookie().unwrap().value
}

/// Those of them whose logout is acknowledged; the others' is refused.
fn logged_out<'a>(connection: &mut Connection, tickets: &'a [String]) -> Vec<&'a String> {
    let mut is_acknowledged = |ticket: &&String| {
        let answer = connection.post("/logout", ticket, &json!({}));
        assert!(matches!(answer.status, 200 | 503), "{}: {}", answer.status, answer.text);
        answer.status == 200
    };
    tickets.iter().filter(|ticket| is_acknowledged(ticket)).collect()
}

/// The master with the most keys: that of some of the users at the least.
fn busiest(cluster: &RedisCluster) -> usize {
    let nodes = 0..cluster.ports().len();
    let masters = nodes.filter(|node| replication(cluster, *node).contains("role:master"));
    let keys = |node: &usize| cluster.command(*node, &["DBSIZE"]).parse().unwrap_or(0_usize);
    masters.max_by_key(keys).expect("a cluster has masters")
}

fn replica_of(cluster: &RedisCluster, master: usize) -> usize {
    sooner_or_later("a master has a replica", || {
        let info = replication(cluster, master);
        let is_replica = |port: &u16| info.contains(&format!("port={port},"));
        cluster.ports().iter().position(is_replica)
    })
}

fn replication(cluster: &RedisCluster, node: usize) -> String {
    cluster.command(node, &["INFO", "replication"])
}

/// Waits until a master's replica has all that the master has now.
fn wait_for_replica(ask: impl Fn(&[&str]) -> String) {
    let number = |name: &str| -> Option<u64> {
        let info = ask(&["INFO", "replication"]);
        let (_, rest) = info.split_once(name)?;
        rest.split([',', '\r']).next()?.parse().ok()
    };
    let all = sooner_or_later("a master says how far it is", || number("master_repl_offset:"));
    until("the replica has it", || number(",offset=").is_some_and(|offset| offset >= all));
}

/// What a busy server may not answer at once.
fn sooner_or_later<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    until(what, || {
        found = ask();
        found.is_some()
    });
    found.unwrap()
}
