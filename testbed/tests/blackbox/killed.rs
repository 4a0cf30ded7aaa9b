//! The process is killed, again and again, at any moment of its work: what it has acknowledged holds.

use std::thread;
use std::time::Duration;

use serde_json::json;

use cloakroom_testbed::{Answer, Connection, Dice, Service};

use crate::crowd::{new_session, ticket, values};

const KILLS: usize = 200;
/// Of each kind of client.
const CLIENTS: usize = 3;
/// A process lives so many microseconds after its clients have begun, or less.
const LIFE: u64 = 150_000;

/// Somebody who adds one to his session again and again.
struct Adder {
    ticket: String,
    acknowledged: u64,
    sent: u64,
}

/// What somebody who logs in, renews and logs out again and again knows for sure.
#[derive(Default)]
struct Leaver {
    /// Tickets whose logout or renewal was acknowledged.
    dead: Vec<String>,
    /// The ticket he holds, unless its fate was decided when the process was killed.
    live: Option<String>,
}

/// A request whose answer may be cut off.
fn post(connection: &mut Connection, path: &str, ticket: &str, body: &str) -> Option<Answer> {
    let cookie =
        if ticket.is_empty() { String::new() } else { format!("cookie: session={ticket}\r\n") };
    let answer = connection.ask("POST", path, &cookie, body).ok()?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    Some(answer)
}

impl Adder {
    fn act(&mut self, connection: &mut Connection) -> Option<()> {
        loop {
            self.sent += 1;
            post(connection, "/add", &self.ticket, r#"{"key": "n", "by": 1}"#)?;
            self.acknowledged = self.sent;
        }
    }

    fn check(&mut self, connection: &mut Connection) {
        let kept = values(connection, &self.ticket)["n"].as_u64().unwrap_or(0);
        let known = self.acknowledged..=self.sent;
        assert!(known.contains(&kept), "{kept} kept, {known:?} were acknowledged and sent");
        (self.acknowledged, self.sent) = (kept, kept);
    }
}

impl Leaver {
    fn act(&mut self, connection: &mut Connection) -> Option<()> {
        loop {
            let first = ticket(&post(connection, "/login", "", r#"{"user": "ada"}"#)?);
            let second = ticket(&post(connection, "/renew", &first, "{}")?);
            self.dead.push(first);
            self.live = Some(second.clone());
            post(connection, "/set", &second, r#"{"key": "a", "value": 1}"#)?;
            self.live = None;
            post(connection, "/logout", &second, "{}")?;
            self.dead.push(second);
        }
    }

    fn check(&mut self, connection: &mut Connection) {
        for ticket in &self.dead {
            assert_eq!(values(connection, ticket), json!({}), "it was dead");
        }
        if let Some(live) = self.live.take() {
            assert_eq!(values(connection, &live)["user"], json!("ada"), "it was alive");
        }
    }
}

/// Lets everybody act until the process is killed.
fn act_until_killed(
    service: &mut Service,
    adders: &mut [Adder],
    leavers: &mut [Leaver],
    life: u64,
) {
    thread::scope(|scope| {
        for adder in adders {
            let mut connection = Connection::to(service);
            scope.spawn(move || adder.act(&mut connection));
        }
        for leaver in leavers {
            let mut connection = Connection::to(service);
            scope.spawn(move || leaver.act(&mut connection));
        }
        // Not to wait for something, but to meet the process at another point each time.
        thread::sleep(Duration::from_micros(life));
        service.kill();
    });
}

#[test]
fn s76_what_a_killed_process_has_acknowledged_holds() {
    let file = crate::new_file();
    let options = format!("--factory sqlite:{} --durability durable", file.display());
    let mut dice = Dice::new(76);
    let first = crate::start(&options);
    let adder = || Adder { ticket: new_session(&first), acknowledged: 0, sent: 0 };
    let mut adders: Vec<Adder> = (0..CLIENTS).map(|_| adder()).collect();
    let mut leavers: Vec<Leaver> = (0..CLIENTS).map(|_| Leaver::default()).collect();
    let mut all_dead = Vec::new();
    let mut service = first;
    for _ in 0..KILLS {
        act_until_killed(&mut service, &mut adders, &mut leavers, dice.below(LIFE));
        service = crate::start(&options);
        let connection = &mut Connection::to(&service);
        adders.iter_mut().for_each(|adder| adder.check(connection));
        for leaver in &mut leavers {
            leaver.check(connection);
            all_dead.append(&mut leaver.dead);
        }
    }
    // None of them came back later either.
    let connection = &mut Connection::to(&service);
    for ticket in &all_dead {
        assert_eq!(values(connection, ticket), json!({}), "it was dead");
    }
    let added: u64 = adders.iter().map(|adder| adder.acknowledged).sum();
    assert!(added > KILLS as u64 && all_dead.len() > KILLS, "{added} and {} done", all_dead.len());
}
